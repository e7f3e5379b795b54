"""What stands on a host of Flink, as `host_files` takes it, in the order in which it is made."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.generation import (
    directory_entries,
    leftover_entries,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import exposure
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import services as rules
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import tls as flink_tls
from ansible_collections.streamquorum.ha.plugins.plugin_utils import firewall
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink import identity
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.configuration import (
    CLIENT,
    classes,
    config_text,
    configuration,
    holds_secrets,
    java,
    release,
    render,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import Cluster, Group, Peers
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.standalone import membership
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.standalone import services as flink_services
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.values import Stores, values
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn import entries as yarn_entries
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn.application import YARN, Application
from ansible_collections.streamquorum.ha.plugins.plugin_utils.generation import Generation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import unique

Entry = Mapping[str, Any]

#: How our own modules, and nobody else, open REST (module_utils/flink/rest.py); no secret, only names of files.
REST_ACCESS = "/etc/streamquorum/flink-client.json"
#: Names of the stores, which tell what they were made of.
STORES = "flink(-ca)?-[0-9a-f]+[.]p12"
#: The same of keys of a storage.
KEYS = ".+-[0-9a-f]{16}"


@dataclass(frozen=True)
class Entries:
    """Entries of `host_files`. Those of the certificates, which the controller makes, come between the first two."""

    first: tuple[Entry, ...] = field(default=(), repr=False)
    then: tuple[Entry, ...] = field(default=(), repr=False)
    #: What follows a roll: operators' commands read what runs by then, and what no process reads any more is removed.
    after: tuple[Entry, ...] = field(default=(), repr=False)


def entries(
    inputs: Inputs,
    tables: Tables,
    peers: Peers,
    group: Group,
    host: HostState,
    planned: Sequence[rules.Service],
    stores: Stores,
    wanted: Generation | None = None,
    application: Application | None = None,
) -> Entries:
    """All that is written on a host.

    Args:
        inputs: of the host.
        tables: of the role.
        peers: the other hosts.
        group: what was noted of those of this cluster.
        host: as it was read.
        planned: its services, with what is to be done with them.
        stores: the stores of keys that were made for this host.
        wanted: what the application on YARN is to be started with; None for a standalone cluster.
        application: the same, and what is to be done with the one that runs.
    """
    cluster = peers.cluster_of(inputs.host)
    client = _client(inputs, tables, peers, host, stores)
    forgotten = _forgotten_stores(inputs, host, stores)
    tls_dir = [{"path": inputs.tls_dir, "state": "directory", "group": inputs.group, "mode": "0750"}]
    # While a process waits for its restart, the command's release does so too.
    waits = any(service["restart_needed"] for service in planned)
    # As with generations, another run may be about to switch to what it has staged.
    runs = any(service["active"] for service in planned)
    return Entries(
        first=(*_base(inputs), *(tls_dir if inputs.tls else [])),
        then=(
            *firewall_plan(inputs, tables, cluster, host).entries,
            *_credentials(inputs, tables, peers),
            *_storage_keys(inputs),
            *(_storage(inputs) if inputs.host == cluster.storage_writer else []),
            *rules.entries(planned, inputs.group),
            *([] if inputs.on_yarn else membership.entries(inputs, tables, cluster)),
            *(yarn_entries.entries(inputs, tables, host, wanted, application) if wanted and application else []),
            # Until the roll is through, some JobManagers serve the one and some the other.
            *_rest_access(inputs, flink_tls.rest_schemes(inputs.rest_tls, group.rest)),
            *([] if waits else client),
            *([] if runs else forgotten),
        ),
        after=(*client, *_rest_access(inputs, flink_tls.rest_schemes(inputs.rest_tls, [])), *forgotten),
    )


def written_paths(inputs: Inputs, tables: Tables, services: Sequence[rules.Service]) -> list[str]:
    """Paths of the entries, but for those of generations. One that is missing here differs in every run.

    The storage is missing on purpose: a run that only looks, or stops the cluster, must not wait for a file system that is gone.
    """
    return [
        inputs.config_dir,
        inputs.conf_dir,
        inputs.home_dir,
        inputs.log_dir,
        *inputs.tmp_dirs,
        firewall.FLINK.rules,
        f"/etc/systemd/system/{firewall.FLINK.unit}",
        os.path.dirname(tables.credentials),
        tables.credentials,
        REST_ACCESS,
        *([inputs.keys_dir, *inputs.key_files] if inputs.key_files else []),
        *(
            f"{flink_services.root(inputs, service)}{part}"
            for service in services
            for part in ("", "/generations", "/current")
        ),
        *(f"/etc/systemd/system/{service['unit']}" for service in services),
        *(
            f"{inputs.conf_dir}/{name}"
            for name in ("masters", "workers", "slaves", "log4j-cli.properties", *flink_services.CONFIG_FILES)
        ),
        *(yarn_entries.written_paths(inputs) if inputs.on_yarn else []),
        inputs.command,
        inputs.command_link,
    ]


def _base(inputs: Inputs) -> list[Entry]:
    own = [inputs.home_dir, inputs.log_dir, *inputs.tmp_dirs]
    return [
        {"path": inputs.config_dir, "state": "directory", "mode": "0755"},
        {"path": inputs.conf_dir, "state": "directory", "mode": "0755"},
        *directory_entries(own, [""], inputs.user, inputs.group, "0750"),
    ]


def _storage(inputs: Inputs) -> list[dict[str, Any]]:
    return directory_entries(inputs.storage_paths, [""], inputs.user, inputs.group, "0750")


def _client(inputs: Inputs, tables: Tables, peers: Peers, host: HostState, stores: Stores) -> list[Entry]:
    """The command flink and what it reads."""
    known = values(inputs, tables, peers, stores)
    # On YARN the command and the application have one and the same.
    scope = YARN if inputs.on_yarn else CLIENT
    text = config_text(inputs, tables, configuration(inputs, tables, scope, known, {}))
    config_file = str(release(inputs, tables)["config_file"])
    (other,) = set(flink_services.CONFIG_FILES) - {config_file}
    return [
        {
            "path": f"{inputs.conf_dir}/{config_file}",
            "group": inputs.group,
            "mode": "0640",
            "secret_content" if holds_secrets(inputs) else "content": text,
        },
        # Where both exist, Flink 1.19 and 1.20 silently read the older one.
        {"path": f"{inputs.conf_dir}/{other}", "state": "absent"},
        {"path": f"{inputs.conf_dir}/log4j-cli.properties", "content": render(tables, "log4j-cli.properties")},
        {
            "path": inputs.command,
            "content": render(
                tables,
                "flink",
                conf_dir=inputs.conf_dir,
                config_file=config_file,
                group=inputs.group,
                user=inputs.user,
                java_home=java(inputs, tables, host)["home"],
                classes=classes(inputs),
                command=f"{_home(inputs, host)}/bin/flink",
            ),
            "mode": "0755",
        },
        *_link(inputs, host),
    ]


def _home(inputs: Inputs, host: HostState) -> str:
    """Where the command flink finds its release."""
    return inputs.command_link if _link(inputs, host) else inputs.release_dir


def _link(inputs: Inputs, host: HostState) -> list[Entry]:
    entry = {"path": inputs.command_link, "state": "link", "target": f"flink-{inputs.version}"}
    # What somebody else put there stays.
    return [] if host.standing.get(inputs.command_link, {}).get("kind") == "directory" else [entry]


def _credentials(inputs: Inputs, tables: Tables, peers: Peers) -> list[Entry]:
    """What our own modules authenticate with, where no member of the ensemble is on the host, which has a better one."""
    if inputs.host in peers.ensemble.hosts:
        return []
    found = identity.credentials(inputs, peers)
    if not found:
        return [{"path": tables.credentials, "state": "absent"}]
    return [
        {"path": os.path.dirname(tables.credentials), "state": "directory", "mode": "0755"},
        {"path": tables.credentials, "secret_content": _json(found) + "\n", "mode": "0400"},
    ]


def _storage_keys(inputs: Inputs) -> list[Entry]:
    """For the services, which are of this group, and for nobody else."""
    if not inputs.key_files:
        return []
    directory = {"path": inputs.keys_dir, "state": "directory", "group": inputs.group, "mode": "0750"}
    keys = [
        {"path": path, "secret_content": content, "group": inputs.group, "mode": "0640"}
        for path, content in inputs.key_files.items()
    ]
    return [directory, *keys]


def _rest_access(inputs: Inputs, schemes: Sequence[str]) -> list[Entry]:
    if list(schemes) == ["http"]:
        return [{"path": REST_ACCESS, "state": "absent"}]
    access = {
        "schemes": list(schemes),
        "authorities": inputs.tls_paths["flink-ca.pem"],
        "certificate": inputs.tls_paths["flink.pem"],
    }
    return [
        {"path": os.path.dirname(REST_ACCESS), "state": "directory", "mode": "0755"},
        {"path": REST_ACCESS, "content": _json(access)},
    ]


def _json(value: Any) -> str:
    return json.dumps(value, indent=4, sort_keys=True, separators=(",", ": "))


def _forgotten_stores(inputs: Inputs, host: HostState, stores: Stores) -> list[dict[str, Any]]:
    """Stores and keys of a storage that no process will read any more."""
    there = {path: host.paths[path]["entries"] for path in (inputs.tls_dir, inputs.keys_dir)}
    return [
        *leftover_entries(inputs.tls_dir, there[inputs.tls_dir], STORES, stores.values()),
        *leftover_entries(inputs.keys_dir, there[inputs.keys_dir], KEYS, inputs.key_files),
    ]


# --- the firewall


def firewall_plan(inputs: Inputs, tables: Tables, cluster: Cluster, host: HostState) -> firewall.FirewallPlan:
    """The firewall of Flink's ports, where it is asked for."""
    services = flink_services.of_host(inputs, cluster)
    text = _rules(inputs, tables, cluster, services, host) if inputs.firewall else None
    return firewall.plan(firewall.FLINK, text, [service["unit"] for service in services], host.answer)


def _rules(inputs: Inputs, tables: Tables, cluster: Cluster, services: Sequence[rules.Service], host: HostState) -> str:
    # As this host resolves the names: what the inventory says, and nobody else.
    hosts = sorted(unique(address for name in cluster.addresses for address in host.resolved[name]))
    found = exposure.firewall_rules(services, hosts, inputs.rest_networks)
    return render(tables, "flink-firewall.nft", table=firewall.FLINK.table, rules=found)
