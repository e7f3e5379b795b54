"""What stands on a member's host, as `host_files` takes it, in the order in which it is made."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.generation import (
    directory_entries,
    generation_links,
    service_entries,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils import firewall
from ansible_collections.streamquorum.ha.plugins.plugin_utils.generation import Generation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper import config
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.generation import java, render
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.installation import shell
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.peers import Peers

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Entries:
    """Entries of `host_files`. Those of the certificates, which the controller makes, come between the first two."""

    first: tuple[Entry, ...] = field(default=(), repr=False)
    then: tuple[Entry, ...] = field(default=(), repr=False)
    #: Not before a write was accepted: what a first run had put in place until it was killed is no ensemble yet.
    record: tuple[Entry, ...] = ()


def entries(
    inputs: Inputs, tables: Tables, peers: Peers, host: HostState, desired: Generation, *, bootstrap: bool, switch: bool
) -> Entries:
    """All that is written on a host.

    Args:
        inputs: of the member.
        tables: of the role.
        peers: all members.
        host: as it was read.
        desired: what the member is to run.
        bootstrap: nobody in the ensemble holds data, and this run may make one.
        switch: no member runs: the next start is with what is desired. Else the role `rolling` switches, member by member.
    """
    tls_dir = [{"path": inputs.tls_dir, "state": "directory", "group": inputs.group, "mode": "0750"}]
    return Entries(
        first=(
            *_base(inputs, tables, host),
            *_credentials(inputs, tables, peers),
            *(tls_dir if inputs.tls else []),
        ),
        then=(
            *firewall_plan(inputs, tables, host).entries,
            *([_marker(inputs)] if bootstrap else []),
            *service_entries(
                desired.content,
                generation_links(host.answer, inputs.config_dir),
                tables.unit,
                inputs.group,
                host.units[tables.unit]["generation"],
                switch,
            ),
            *_link(inputs, host),
        ),
        record=(_record(inputs, tables),),
    )


def written_paths(inputs: Inputs, tables: Tables) -> list[str]:
    """Paths of the entries, but for those of generations. One that is missing here is written in every run."""
    return [
        inputs.log_dir,
        *inputs.data_dirs,
        *inputs.database_dirs,
        f"{inputs.data_dir}/myid",
        inputs.shell_path,
        os.path.dirname(tables.credentials),
        tables.credentials,
        _client_jaas(tables),
        firewall.ZOOKEEPER.rules,
        f"/etc/systemd/system/{firewall.ZOOKEEPER.unit}",
        inputs.config_dir,
        f"{inputs.config_dir}/generations",
        f"/etc/systemd/system/{tables.unit}",
        inputs.current,
        inputs.link,
    ]


def _base(inputs: Inputs, tables: Tables, host: HostState) -> list[Entry]:
    owner = {"owner": inputs.user, "group": inputs.group}
    return [
        {"path": inputs.log_dir, "state": "directory", **owner, "mode": "0750"},
        *directory_entries(inputs.data_dirs, ["", "/version-2"], inputs.user, inputs.group, "0750"),
        # As the directory does: who owns that could replace it anyway, and each run compares what it says. Without a line's end, as
        # it always was: with one, it would be another file on every host.
        {"path": f"{inputs.data_dir}/myid", "content": str(inputs.given["zookeeper_id"]), **owner, "mode": "0640"},
        {"path": inputs.shell_path, "content": _command(inputs, tables, host), "mode": "0755"},
    ]


def _command(inputs: Inputs, tables: Tables, host: HostState) -> str:
    secure = inputs.client_tls == "required"
    stores = config.client_stores(inputs)
    options = []
    if inputs.client_auth != "none":
        options += [
            f"java.security.auth.login.config={_client_jaas(tables)}",
            f"zookeeper.sasl.client.username={inputs.kerberos_service}",
        ]
    if inputs.auth_mechanism == "digest":
        options.append("zookeeper.fips-mode=false")
    if secure:
        options += [
            "zookeeper.client.secure=true",
            "zookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty",
            f"zookeeper.ssl.keyStore.location={stores['certificate']}",
            f"zookeeper.ssl.trustStore.location={stores['ca']}",
        ]
    return render(
        tables,
        "zkcli",
        name=os.path.basename(inputs.shell_path),
        # Files of which root alone, or the service's group, has the right to be this member.
        secrets=[
            *([_client_jaas(tables)] if inputs.client_auth != "none" else []),
            *([stores["certificate"]] if secure else []),
        ],
        java_home=java(inputs, tables, host)["home"],
        client_options=[f"-D{option}" for option in options],
        # What an operator types follows what runs.
        shell=shell(inputs, inputs.link if _link(inputs, host) else f"{inputs.current}/release"),
        address=inputs.address,
        port=inputs.given[f"zookeeper_{'secure_' if secure else ''}client_port"],
    )


def _client_jaas(tables: Tables) -> str:
    """What Java's clients on this host authenticate with."""
    return f"{os.path.dirname(tables.credentials)}/zookeeper-client.jaas"


def _credentials(inputs: Inputs, tables: Tables, peers: Peers) -> list[Entry]:
    """What this toolkit itself authenticates with, and the same for Java's clients."""
    jaas = _client_jaas(tables)
    found = config.credentials(inputs)
    text = json.dumps(found, indent=4, sort_keys=True, separators=(",", ": ")) + "\n"
    return [
        *(
            [
                {"path": os.path.dirname(tables.credentials), "state": "directory", "mode": "0755"},
                {"path": tables.credentials, "secret_content": text, "mode": "0400"},
            ]
            if found
            else [{"path": tables.credentials, "state": "absent"}]
        ),
        {"path": jaas, "secret_content": config.client_jaas_text(inputs, peers), "mode": "0400"}
        if inputs.client_auth != "none"
        else {"path": jaas, "state": "absent"},
    ]


def firewall_plan(inputs: Inputs, tables: Tables, host: HostState) -> firewall.FirewallPlan:
    """The firewall of the quorum's ports, where it is asked for."""
    rules = _rules(inputs, tables, host) if inputs.firewall else None
    return firewall.plan(firewall.ZOOKEEPER, rules, [tables.unit], host.answer)


def _rules(inputs: Inputs, tables: Tables, host: HostState) -> str:
    # As this host resolves the members' names: what the inventory says, and nobody else.
    members = sorted({address for addresses in host.resolved.values() for address in addresses})
    return render(
        tables,
        "firewall.nft",
        quorum_port=inputs.given["zookeeper_quorum_port"],
        election_port=inputs.given["zookeeper_election_port"],
        user=inputs.user,
        addresses={
            "ip": [each for each in members if ":" not in each],
            "ip6": [each for each in members if ":" in each],
        },
    )


def _marker(inputs: Inputs) -> Entry:
    """Written on all members before any of them starts, and never again once somebody holds data.

    A member that lost its directory must sync before it votes.
    """
    return {"path": inputs.initialize, "owner": inputs.user, "group": inputs.group, "mode": "0640"}


def _link(inputs: Inputs, host: HostState) -> list[Entry]:
    entry = {"path": inputs.link, "state": "link", "target": f"{inputs.current}/release"}
    there = host.paths[inputs.link]
    # What somebody else put there stays: until the last member was taken over, what runs may be started by it.
    return [entry] if there["type"] == "" or there["target"].startswith(f"{inputs.config_dir}/") else []


def _record(inputs: Inputs, tables: Tables) -> Entry:
    content = render(
        tables,
        "served",
        id=inputs.given["zookeeper_id"],
        data_dir=inputs.data_dir,
        data_log_dir=inputs.data_log_dir,
    )
    return {"path": inputs.record, "content": content, "mode": "0644"}
