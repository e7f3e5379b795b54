"""The plan of one member: what is refused, what it is to run, what is written, and what there is to do. Pure.

It is made of more and more that is known in a run: from the inventory, with the host that was read, and with what was noted of all members.
What a plan says of what is not known yet is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.generation import generation_links, link_paths
from ansible_collections.streamquorum.ha.plugins.module_utils.core.members import describe, restart_file
from ansible_collections.streamquorum.ha.plugins.module_utils.host import foreign
from ansible_collections.streamquorum.ha.plugins.module_utils.host.hints import java_hints
from ansible_collections.streamquorum.ha.plugins.module_utils.host.standing import changes, differing
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.groups import client_endpoint
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import auth as zookeeper_auth
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import tls as zookeeper_tls
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import ConfigError, parse_properties
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.znode_acl import entries as acl_entries
from ansible_collections.streamquorum.ha.plugins.plugin_utils import firewall
from ansible_collections.streamquorum.ha.plugins.plugin_utils.generation import Generation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState, for_each_host
from ansible_collections.streamquorum.ha.plugins.plugin_utils.steps import Install
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper import config, judgement
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.entries import (
    Entries,
    entries,
    firewall_plan,
    written_paths,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.generation import generation, java
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.peers import Note, Peers
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.steps import (
    Configure,
    Group,
    Service,
    Steps,
    Verify,
)


@dataclass(frozen=True)
class Ensemble:
    """How others come to the ensemble, as the role `rolling` takes it."""

    members: tuple[Mapping[str, Any], ...]
    standalone: bool
    kazoo_path: str
    timeout: int
    #: Other systems that elect in it: kind and path of each.
    clients: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Plan:
    """The plan of one member, as far as it is known."""

    problems: tuple[str, ...]
    #: Arguments of `host_state`. They hold passwords, which are compared on the host.
    reads: Mapping[str, Any] = field(repr=False)
    #: What `service_adoption` is given.
    processes: tuple[Mapping[str, Any], ...]
    ensemble: Ensemble
    #: host:port of the members' client ports.
    servers: tuple[str, ...]
    kerberos: bool
    certificates: tuple[Mapping[str, Any], ...] = ()
    #: What is told, and refuses nothing.
    hints: tuple[str, ...] = ()
    untested: str = ""
    note: Note | None = None
    #: Configuration that the member runs with; empty where it does not run.
    live_config: str = field(default="", repr=False)
    generation: Generation | None = None
    entries: Entries = field(default_factory=Entries, repr=False)
    group: Group | None = None
    steps: Steps = field(default_factory=Steps)

    @property
    def special(self) -> bool:
        """Whether there is anything that most members have nothing of: Kerberos, certificates, or something to be told."""
        return any((self.kerberos, self.certificates, self.hints, self.untested))

    @property
    def changing(self) -> bool:
        """Whether anything is to be done on the host but to prove the ensemble."""
        steps = self.steps
        return (
            bool(steps.install and steps.install.needed)
            or bool(steps.configure and steps.configure.needed)
            or bool(steps.service and steps.service.due)
        )


def plan(
    inputs: Inputs,
    tables: Tables,
    peers: Peers,
    source: Mapping[str, Any],
    key: str,
    host: HostState | None = None,
) -> Plan:
    """The plan of a member.

    Args:
        inputs: of the member.
        tables: of the role.
        peers: what is needed of other hosts; with notes once all of them were read.
        source: where the release's archive comes from, as `release_archive` found it.
        key: of the digests by which the host tells what stands there; the same for one reading and what is planned by it.
        host: the member's own, once it was read.
    """
    ensemble = _ensemble(inputs, tables, peers)
    asked = Plan(
        problems=(),
        reads=_reads(inputs, tables, peers, key),
        processes=(
            {
                "unit": tables.unit,
                "main_classes": list(foreign.SERVERS),
                "ports": zookeeper_tls.client_ports(config.tls(inputs), inputs.client_port),
                "other_units": [],
            },
        ),
        ensemble=ensemble,
        servers=tuple(client_endpoint(member) for member in ensemble.members),
        kerberos=inputs.kerberos,
    )
    if host is None:
        return replace(asked, problems=tuple(judgement.inventory_problems(inputs, tables, peers)))
    trusted = zookeeper_tls.trusted(host.answer, tables.unit, inputs.zoo_cfg)
    seen = replace(
        asked,
        certificates=tuple(config.certificates(inputs, trusted)),
        hints=(*java_hints(inputs.host, host.units), *judgement.advice(inputs, peers, host)),
        untested="" if host.platform in tables.platforms else host.os_name,
    )
    problems = judgement.host_problems(inputs, tables, host, source)
    if problems:
        return replace(seen, problems=tuple(problems))
    try:
        desired = generation(inputs, tables, peers, host)
    except ConfigError as error:
        return replace(seen, problems=(f"{inputs.host}: {error}.",))
    judged = replace(
        seen,
        generation=desired,
        note=_note(inputs, tables, host, desired, key),
        live_config=host.contents[inputs.zoo_cfg] if judgement.is_live(tables, host) else "",
    )
    if not peers.notes:
        return judged
    live = judgement.any_live(peers)
    written = entries(inputs, tables, peers, host, desired, bootstrap=judgement.bootstrap(peers), switch=not live)
    return replace(
        judged,
        problems=tuple(judgement.group_problems(inputs, tables, peers, host, desired.text("zoo.cfg"))),
        entries=written,
        group=Group(
            any_live=live,
            all_live=judgement.all_live(peers),
            to_roll=judgement.to_roll(peers),
            loses_identities=judgement.loses_identities(inputs, peers),
        ),
        steps=Steps(
            install=_install(inputs, tables, host, source),
            configure=_configure(inputs, tables, host, written, key),
            service=_service(tables, host),
            verify=_verify(inputs, peers, host),
            acls=tuple(acl_entries(inputs.acls)),
            start_problems=tuple(judgement.start_problems(peers)),
        ),
    )


@dataclass(frozen=True)
class Known:
    """What is known of one member in a run: the arguments of `plan` that are its own."""

    inputs: Inputs
    source: Mapping[str, Any]
    key: str
    host: HostState | None = None


def plans(known: Mapping[str, Known], tables: Tables, peers: Peers) -> dict[str, Plan]:
    """The plans of members, as far as they are known.

    Args:
        known: of each member, by its host.
        tables: of the role.
        peers: what is needed of other hosts, without notes.
    """

    def made(peers: Peers) -> dict[str, Plan]:
        return for_each_host(
            known,
            lambda _host, each: plan(each.inputs, tables, peers, each.source, each.key, each.host),
        )

    found = made(peers)
    if any(each.note is None for each in found.values()):
        return found
    # What the ensemble is judged by, each member has noted.
    return made(replace(peers, notes={name: each.note for name, each in found.items() if each.note}))


def _reads(inputs: Inputs, tables: Tables, peers: Peers, key: str) -> dict[str, Any]:
    return {
        "java_home": inputs.java_home,
        "units": [tables.unit, firewall.ZOOKEEPER.unit],
        "accounts": [inputs.user],
        "groups": [inputs.log_group] if inputs.log_group else [],
        "resolve": [each["address"] for each in peers.present],
        "contents": [
            f"{inputs.data_dir}/myid",
            inputs.marker,
            inputs.zoo_cfg,
            restart_file(tables.unit),
            f"{inputs.tls_dir}/server-ca.pem",
            f"{inputs.tls_dir}/quorum-ca.pem",
            firewall.ZOOKEEPER.loaded,
        ],
        "secrets": [zookeeper_auth.SUPER_DIGEST],
        # Not the file: it may hold passwords.
        "lines": {inputs.jaas: ["LoginModule"]},
        "holds": {inputs.jaas: config.passwords(inputs, peers)},
        # Where there are many logs, which sort before them, a listing ends before the first snapshot.
        "matches": {inputs.snapshot_dir: "snapshot[.].+"},
        "paths": [
            *inputs.database_dirs,
            *link_paths(inputs.config_dir),
            f"{inputs.current}/release",
            inputs.release_dir,
            tables.client_library,
            inputs.link,
            *tables.kerberos_installed,
            firewall.NFT,
            inputs.initialize,
            inputs.record,
        ],
        "standing": {
            "key": key,
            "paths": written_paths(inputs, tables),
            "roots": [inputs.config_dir],
            "settings": ["zoo.cfg"],
        },
    }


def _ensemble(inputs: Inputs, tables: Tables, peers: Peers) -> Ensemble:
    return Ensemble(
        members=tuple(config.endpoints(inputs, peers)),
        standalone=inputs.single_node,
        kazoo_path=tables.client_library,
        timeout=inputs.start_timeout,
        clients=inputs.clients,
    )


def _note(inputs: Inputs, tables: Tables, host: HostState, desired: Generation, key: str) -> Note:
    live, holds = judgement.is_live(tables, host), judgement.has_data(inputs, host)
    running = parse_properties(host.contents[inputs.zoo_cfg])
    service = {
        "name": inputs.host,
        "host": inputs.host,
        "kind": "zookeeper",
        "id": inputs.id,
        "votes": inputs.peer_type == "participant",
        "unit": tables.unit,
        "root": inputs.config_dir,
        "ports": zookeeper_tls.client_ports(config.tls(inputs), inputs.client_port),
        "address": inputs.address,
        "desired": desired.digest,
        "live": live,
        "timeout": inputs.start_timeout,
        "differs": _differs(inputs, tables, host, desired, key),
    }
    return Note(
        has_data=holds,
        # Without either, a member gets no vote until it has synced.
        may_vote=holds or host.exists(inputs.initialize),
        served=host.exists(inputs.record),
        client_stage=zookeeper_auth.stages(running)[0],
        ports={key: running[key] for key in ("clientPort", "secureClientPort") if key in running}
        if live and host.contents[inputs.zoo_cfg]
        else None,
        member=describe(service, host.units[tables.unit], host.contents[restart_file(tables.unit)]),
    )


def _differs(inputs: Inputs, tables: Tables, host: HostState, desired: Generation, key: str) -> list[str]:
    """What of the generation that runs is another than in the one that is desired; empty where that is not known."""
    running = host.units[tables.unit]["generation"]
    if not running or running != generation_links(host.answer, inputs.config_dir)["current"]:
        return []
    return changes(desired.files, f"{inputs.config_dir}/generations/{running}", host.standing, key)


def _install(inputs: Inputs, tables: Tables, host: HostState, source: Mapping[str, Any]) -> Install:
    java_plan = java(inputs, tables, host)
    missing = {
        "java": not java_plan["installed"],
        "account": not host.accounts[inputs.user]["exists"],
        "kerberos": inputs.kerberos and not all(map(host.exists, tables.kerberos_installed)),
        "firewall": firewall_plan(inputs, tables, host).install,
        "release": not judgement.is_installed(inputs, host, source),
        "client_library": not host.exists(tables.client_library),
    }
    archive = {
        "name": source["name"],
        "version": source["version"],
        "dest": inputs.release_dir,
        "sources": source["sources"],
        "sha512": source["sha512"],
    }
    return Install(needed=any(missing.values()), java_plan=java_plan, archive=archive, **missing)


def _configure(inputs: Inputs, tables: Tables, host: HostState, written: Entries, key: str) -> Configure:
    found = firewall_plan(inputs, tables, host)
    prepare = inputs.kerberos or inputs.tls or found.unload
    # Certificates are made after this plan, and compared by `host_files`.
    write = inputs.tls or bool(differing([*written.first, *written.then], host.standing, key))
    return Configure(
        needed=prepare or write or bool(found.load) or bool(host.units[tables.unit]["needs_reload"]),
        prepare=prepare,
        write=write,
        tls=inputs.tls,
        firewall=found,
    )


def _service(tables: Tables, host: HostState) -> Service:
    unit, live = host.units[tables.unit], judgement.is_live(tables, host)
    return Service(
        **{name: bool(unit[name]) for name in ("exists", "active", "enabled", "needs_reload")},
        live=live,
        due=not live or not unit["enabled"],
    )


def _verify(inputs: Inputs, peers: Peers, host: HostState) -> Verify:
    return Verify(
        wait_for="serving" if peers.unreached else "healthy",
        wait_for_members=tuple(each["id"] for each in peers.present if each["host"] in peers.reached),
        recorded=host.exists(inputs.record),
    )
