"""Why a member is refused, in three steps: by its inventory, by its host, and by the others. Pure; no text means no refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.validation import check_type_bool
from ansible_collections.streamquorum.ha.plugins.module_utils.host import java_logs, log_access, preflight
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import release_installed
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.groups import to_do
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import auth as zookeeper_auth
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import bundled, elections, znode_acl
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import config as rules
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import tls as zookeeper_tls
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper import config
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.generation import java
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.installation import installation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.peers import Peers

#: Snapshots and logs. A member that was started without any leaves the files of its epoch, and has nothing all the same.
DATA = re.compile(r"(snapshot|log)[.]")


# --- by the inventory


def inventory_problems(inputs: Inputs, tables: Tables, peers: Peers) -> list[str]:
    """Why the inventory makes no ensemble.

    Args:
        inputs: of one member.
        tables: of the role.
        peers: all members.
    """
    return [
        *rules.membership_problems(peers.present, inputs.single_node),
        *preflight.limit_problems(peers.reached, peers.play_hosts, "the ensemble"),
        *_release_problems(inputs, tables),
        *rules.extra_problems(inputs.config_extra, config.owned_keys(tables)),
        *java_logs.directory_problems(inputs.log_dir, "zookeeper_log_dir"),
        *elections.client_problems(inputs.clients),
        *_auth_problems(inputs, peers),
        *_tls_problems(inputs, peers),
    ]


def _release_problems(inputs: Inputs, tables: Tables) -> list[str]:
    if inputs.by_flink:
        wanted = {name: inputs.given[name] for name in bundled.WITHOUT}
        # As it was given: `yes` and `true` are the same switch.
        wanted["zookeeper_admin_enabled"] = check_type_bool(wanted["zookeeper_admin_enabled"])
        return bundled.problems(inputs.flink_version, inputs.version, wanted, tables.flink_releases)
    return preflight.release_problems(inputs.version, tables.releases, "ZooKeeper", "zookeeper_version")


def _auth_problems(inputs: Inputs, peers: Peers) -> list[str]:
    return [
        *zookeeper_auth.auth_problems(
            config.auth(inputs, peers),
            {each["host"]: each["address"] for each in peers.present},
            inputs.digest_users,
            inputs.quorum_password,
            inputs.config_extra,
        ),
        *zookeeper_auth.unswitched_clients(
            inputs.client_auth,
            "zookeeper_client_auth",
            "flink_ha_zookeeper_auth",
            {each.host: each.auth for each in peers.clients},
            inputs.auth_mechanism,
        ),
        *zookeeper_auth.super_problems(inputs.super_password),
        *znode_acl.zookeeper_acl_problems(inputs.acls, inputs.client_auth),
    ]


def _tls_problems(inputs: Inputs, peers: Peers) -> list[str]:
    sources = [
        [
            "zookeeper_certificate_file",
            inputs.certificate_file,
            "zookeeper_certificate_ca_file",
            inputs.certificate_ca_file,
            inputs.client_tls != "none",
        ],
        [
            "zookeeper_quorum_certificate_file",
            inputs.quorum_certificate_file,
            "zookeeper_quorum_certificate_ca_file",
            inputs.quorum_certificate_ca_file,
            inputs.quorum_tls != "none",
        ],
    ]
    return [
        *zookeeper_tls.tls_problems(config.tls(inputs), sources, inputs.tls_authority_dir),
        *zookeeper_auth.unswitched_clients(
            inputs.client_tls,
            "zookeeper_client_tls",
            "flink_ha_zookeeper_tls",
            {each.host: each.tls for each in peers.clients},
        ),
    ]


# --- by the host


def host_problems(inputs: Inputs, tables: Tables, host: HostState, source: Mapping[str, Any]) -> list[str]:
    """Why this host cannot be a member, whatever the others are."""
    name, ports = inputs.host, _ports(inputs)
    databases = {path: host.paths[path] for path in inputs.database_dirs}
    server = installation(inputs, tables, host)
    return [
        *preflight.unread_problems(name, host.unread),
        *preflight.name_problems(name, host.resolved),
        *rules.identity_problems(
            name, inputs.given["zookeeper_id"], inputs.data_dir, host.contents[f"{inputs.data_dir}/myid"]
        ),
        *rules.data_dir_problems(name, host.contents[inputs.zoo_cfg], inputs.data_dir, inputs.data_log_dir, databases),
        *_takeover_problems(inputs, tables, host),
        *rules.owner_problems(name, databases, inputs.user),
        *(rules.package_problems(name, host.platform, inputs.version, tables.packages) if inputs.by_package else []),
        *(
            bundled.disk_problems(
                name, release_before(inputs, host), inputs.data_dirs, has_data(inputs, host), is_live(tables, host)
            )
            if inputs.by_flink
            else []
        ),
        *preflight.port_problems(name, ports),
        *preflight.occupied_problems(name, ports, host.listening, [tables.unit]),
        *([] if inputs.only_stops else _upgrade_problems(inputs, tables, host, source)),
        *log_access.problems(name, inputs.log_group, "zookeeper_log_group", host.answer),
        *preflight.java_problems(
            name,
            java(inputs, tables, host),
            server.java,
            "zookeeper_java_home",
            server.what,
        ),
    ]


def _ports(inputs: Inputs) -> list[dict[str, Any]]:
    names = ["client_port", "quorum_port", "election_port", "admin_port"]
    if inputs.client_tls != "none":
        names.append("secure_client_port")
    return [{"what": f"zookeeper_{name}", "port": inputs.given[f"zookeeper_{name}"]} for name in names]


def _takeover_problems(inputs: Inputs, tables: Tables, host: HostState) -> list[str]:
    """Why a server that somebody else set up is not taken over as the inventory has it."""
    found = host.foreign(tables.unit)
    if not found:
        return []
    releases = found["releases"]
    running = releases.get("zookeeper") or bundled.server(tables.flink_releases, releases.get("flink", ""))
    directories = "\n".join(found["directories"])
    return [
        *preflight.takeover_problems(inputs.host, "ZooKeeper", "zookeeper_version", running, inputs.version),
        *rules.running_dir_problems(inputs.host, directories, inputs.data_dir, inputs.data_log_dir),
    ]


def _upgrade_problems(inputs: Inputs, tables: Tables, host: HostState, source: Mapping[str, Any]) -> list[str]:
    # Empty on a fresh host, and for a distribution's package.
    before = bundled.release_behind(release_before(inputs, host), tables.flink_releases)
    problems = preflight.upgrade_problems(
        inputs.host,
        "ZooKeeper",
        "zookeeper_version",
        before,
        inputs.version,
        tables.upgrades,
        inputs.upgrade,
        inputs.upgrade_across_minor,
    )
    if before not in ("", inputs.version) and not host.matches[inputs.snapshot_dir]:
        problems.append(
            f"{inputs.host}: has no snapshot in {inputs.snapshot_dir}, which the new release would start from. A restart of this "
            "member makes one: playbooks/rolling_restart.yml with rolling_restart_force=true."
        )
    if not is_installed(inputs, host, source):
        problems += [] if inputs.by_package else source["problems"]
        server = installation(inputs, tables, host)
        problems += preflight.space_problems(
            inputs.host,
            inputs.install_root,
            host.paths[inputs.release_dir]["free_mb"],
            server.needed_mb,
            server.what,
        )
    return problems


def release_before(inputs: Inputs, host: HostState) -> str:
    """Directory of the release that the member was last configured with; empty where it was not."""
    return str(host.paths[f"{inputs.current}/release"]["target"])


def is_installed(inputs: Inputs, host: HostState, source: Mapping[str, Any]) -> bool:
    """Whether the wanted release is on the host; of an archive, whether it is the one with this sum."""
    if inputs.by_package:
        return host.exists(inputs.release_dir)
    return release_installed(host.contents[inputs.marker], source["name"], source["version"], source["sha512"])


def advice(inputs: Inputs, peers: Peers, host: HostState) -> list[str]:
    """What is said once, before a member is made: the first host says it for all."""
    if not inputs.by_flink or release_before(inputs, host) or inputs.host != peers.reached[0]:
        return []
    return [bundled.ADVICE.format(host=inputs.host, flink=inputs.flink_version)]


def has_data(inputs: Inputs, host: HostState) -> bool:
    """Whether the member holds anything of the ensemble."""
    return any(DATA.match(entry) for path in inputs.database_dirs for entry in host.paths[path]["entries"])


def is_live(tables: Tables, host: HostState) -> bool:
    """Whether its process listens, on whatever port.

    Clients have a port of a server that runs before any other is open (QuorumPeer.start). One that ends and is started again and
    again is not live: mending it costs nothing.
    """
    return bool(host.units[tables.unit]["active"]) and bool(host.ports_of(tables.unit))


# --- by the others


def bootstrap(peers: Peers) -> bool:
    """Whether nobody in the ensemble holds data, all of whom were asked. Of those that were not, nobody knows what they hold."""
    return not peers.unreached and not any(note.has_data for note in peers.reached_notes)


def any_live(peers: Peers) -> bool:
    """Whether a member runs: then the others are started and changed one by one, by the role `rolling`."""
    return any(note.live for note in peers.reached_notes)


def all_live(peers: Peers) -> bool:
    return all(note.live for note in peers.reached_notes)


def to_roll(peers: Peers) -> bool:
    """Whether the role `rolling` has something to do."""
    return any_live(peers) and any(to_do(note.member) for note in peers.reached_notes)


def loses_identities(inputs: Inputs, peers: Peers) -> bool:
    """The way back from `offered`: judged over all members, the same for all."""
    offered = any(note.client_stage == "offered" for note in peers.reached_notes)
    return inputs.client_auth == "none" and all_live(peers) and offered


def group_problems(inputs: Inputs, tables: Tables, peers: Peers, host: HostState, wanted_config: str) -> list[str]:
    """What a live ensemble cannot become in one step, and what no leader could come of.

    Args:
        inputs: of the member.
        tables: of the role.
        peers: all members, with what was noted of them.
        host: as it was read.
        wanted_config: text of the zoo.cfg that is wanted.
    """
    notes = {name: {"has_data": note.has_data, "served": note.served} for name, note in peers.notes.items()}
    gone = rules.gone_problems(
        {name: notes.get(name, {}) for name in peers.hosts},
        peers.hosts,
        inputs.database_dirs,
        inputs.record,
        inputs.accept_empty_ensemble,
    )
    if is_live(tables, host):
        return [*gone, *_live_problems(inputs, tables, peers, host, wanted_config)]
    return [*gone, *_unknown_problems(inputs, peers, host), *_data_problems(inputs, peers)]


def _live_problems(inputs: Inputs, tables: Tables, peers: Peers, host: HostState, wanted_config: str) -> list[str]:
    running = host.contents[inputs.zoo_cfg]
    return [
        *rules.voter_problems(inputs.host, running, wanted_config),
        *rules.moved_problems(inputs.host, host.ports_of(tables.unit), inputs.client_port, inputs.secure_client_port),
        *zookeeper_auth.step_problems(
            inputs.host,
            running,
            zookeeper_auth.jaas_mechanism(" ".join(host.lines[inputs.jaas])),
            config.auth(inputs, peers),
            config.tls(inputs),
            host.holds[inputs.jaas],
        ),
    ]


def _unknown_problems(inputs: Inputs, peers: Peers, host: HostState) -> list[str]:
    if not inputs.by_flink:
        return []
    served = any(note.served for note in peers.reached_notes)
    return bundled.unknown_data_problems(
        inputs.host, release_before(inputs, host), inputs.data_dirs, has_data(inputs, host), served
    )


def _data_problems(inputs: Inputs, peers: Peers) -> list[str]:
    """Whether those that could elect a leader are enough; where one is live, or nobody has data yet, nobody needs to ask."""
    if any_live(peers) or bootstrap(peers):
        return []
    return [
        *rules.lost_data_problems(_electors(peers), inputs.data_dirs),
        *rules.blind_start_problems(peers.unreached, [note.has_data for note in peers.reached_notes]),
    ]


def _electors(peers: Peers) -> dict[str, bool]:
    """Voters -> whether they may vote. One that was not reached may not be counted on."""
    return {host: host in peers.notes and peers.notes[host].may_vote for host in peers.voters}


def start_problems(peers: Peers) -> list[str]:
    """Why nothing is started by playbooks/start.yml: nobody would get a vote. Only site.yml makes members ready for a first start."""
    if not bootstrap(peers) or any_live(peers):
        return []
    return rules.unready_problems(_electors(peers))
