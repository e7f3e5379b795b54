"""Why a host of Flink is refused, in three steps: by its inventory, by itself, and by the others. Pure; no text means no refusal."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.members import FLINK_GROUPS
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import (
    acls,
    exposure,
    hadoop,
    jars,
    process,
    refusals,
    storage,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import services as rules
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import tls as flink_tls
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.services import Service
from ansible_collections.streamquorum.ha.plugins.module_utils.host import java_logs, log_access, preflight
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import release_installed
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import tls as zookeeper_tls
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink import identity
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.configuration import (
    java,
    release,
    zookeeper_clients,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import Group, Peers
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.standalone import services as flink_services
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.values import values
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn import application as yarn_application
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn import judgement as yarn
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import unique

#: MB that an unpacked release needs.
RELEASE_MB = 1000
#: Inputs that `flink_problems` takes under their own names, as they were given.
JUDGED = (
    "flink_ha_version",
    "flink_ha_cluster_id",
    "flink_ha_zookeeper_path_root",
    "flink_ha_storage_dir",
    "flink_ha_checkpoint_dir",
    "flink_ha_savepoint_dir",
    "flink_ha_config_extra",
    "flink_ha_config_unchecked",
    "flink_ha_address",
    "flink_ha_rest_port",
    "flink_ha_jobmanager_instances",
    "flink_ha_taskmanager_instances",
)


# --- by the inventory


def inventory_problems(inputs: Inputs, tables: Tables, peers: Peers) -> list[str]:
    """Why the inventory makes no cluster, by this host's part of it.

    Args:
        inputs: of the host.
        tables: of the role.
        peers: the other hosts.
    """
    deployed = yarn.group_problems(inputs, _groups(inputs, peers))
    if deployed:
        return deployed
    judged = _judged(inputs, tables, peers)
    if inputs.on_yarn:
        found = [*yarn.inventory_problems(inputs, tables, peers), *refusals.yarn_problems(judged)]
    else:
        found = [*refusals.flink_problems(judged, {inputs.host: inputs.seen}), *_alone_problems(inputs, peers)]
    return [
        *found,
        *refusals.amount_problems(
            {"flink_ha_taskmanager_slots": inputs.taskmanager_slots, "flink_ha_parallelism": inputs.parallelism}
        ),
        *_kerberos_problems(inputs, peers),
        *_tls_problems(inputs, tables, peers),
        *_jar_problems(inputs, tables),
        *_process_problems(inputs),
        *_firewall_problems(inputs, peers),
    ]


def _groups(inputs: Inputs, peers: Peers) -> dict[str, bool]:
    """Whether the host is in each of Flink's groups."""
    cluster = peers.cluster_of(inputs.host)
    found = (cluster.job_manager_hosts, cluster.task_manager_hosts, peers.client_hosts)
    return {name: inputs.host in hosts for name, hosts in zip(FLINK_GROUPS, found, strict=True)}


def _alone_problems(inputs: Inputs, peers: Peers) -> list[str]:
    """Refuses a TaskManager of a cluster that nobody leads, where another one of the inventory has JobManagers."""
    if peers.cluster_of(inputs.host).job_manager_hosts or not _managing(peers):
        return []
    return [
        f"{inputs.host}: flink_ha_cluster_id is {inputs.cluster_id}, and no host of the group flink_jobmanager has that one: nobody would "
        "lead. Give this host the id of its JobManagers, or add one with this id."
    ]


def _managing(peers: Peers) -> list[str]:
    """Hosts with a JobManager, of all clusters."""
    return [host for cluster in peers.clusters.values() for host in cluster.job_manager_hosts]


def _judged(inputs: Inputs, tables: Tables, peers: Peers) -> dict[str, Any]:
    cluster, ensemble = peers.cluster_of(inputs.host), peers.ensemble
    return {name: inputs.given[name] for name in JUDGED} | {
        "flink_ha_storage_credentials": inputs.storage_options,
        "host": inputs.host,
        # Of the own cluster; one without any, beside others, is refused in words of its own.
        "groups": {"flink_jobmanager": list(cluster.job_manager_hosts) or _managing(peers)},
        "play_hosts": peers.play_hosts,
        "defaults": peers.defaults,
        "releases": tables.releases,
        "options": tables.options,
        "open_options": tables.open_options,
        "known_options": _known_options(tables.known_options) if inputs.own_options else "",
        "values": values(inputs, tables, peers, {}),
        "quorum": identity.quorum(inputs, peers),
        "services": flink_services.of_host(inputs, cluster),
        "zookeeper_ports": rules.zookeeper_ports(
            {inputs.host: inputs.seen}, inputs.host, ensemble.hosts, peers.defaults
        ),
        "session_timeout": inputs.zookeeper_session_timeout,
        # Of an ensemble that is not in the inventory nobody here knows.
        "ensemble_silence": 0 if inputs.zookeeper_quorum else ensemble.silence,
        "flink_ha_storage_shared": inputs.storage_shared,
    }


@functools.cache
def _known_options(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def _kerberos_problems(inputs: Inputs, peers: Peers) -> list[str]:
    ensemble, problems = peers.ensemble, []
    if inputs.kerberos and not inputs.kerberos_realm:
        problems.append("kerberos_realm is empty. Name the realm of flink_ha_principal.")
    if inputs.zookeeper_auth == "kerberos" and ensemble.auth_mechanism == "digest":
        problems.append(
            "flink_ha_zookeeper_auth is kerberos, and zookeeper_auth_mechanism is digest: the ensemble takes passwords, by which Flink "
            "cannot authenticate. Set flink_ha_zookeeper_auth: none, or take the ensemble to kerberos."
        )
    if inputs.acl == "creator" and "/" in inputs.principal and not ensemble.remove_host_from_principal:
        problems.append(
            f"flink_ha_principal is {inputs.principal}, which has a host part: with flink_ha_zookeeper_acl creator, each "
            "process could read its own nodes only, and the others would not start. Use one principal without a host for all."
        )
    return problems


def _tls_problems(inputs: Inputs, tables: Tables, peers: Peers) -> list[str]:
    wanted = {
        "rest": inputs.rest_tls,
        "internal": inputs.internal_tls,
        "zookeeper": inputs.zookeeper_tls,
        "tracker": inputs.zookeeper_ensemble_tracker,
        "password": inputs.tls_store_password,
        "algorithms": inputs.tls_algorithms,
        "version": inputs.version,
        "client": jars.zookeeper_client(inputs.zookeeper_client, inputs.libraries, zookeeper_clients(inputs, tables)),
        "authority_dir": inputs.tls_authority_dir,
        "files": identity.certificates(inputs, None),
    }
    ensemble = {
        "client_tls": peers.ensemble.client_tls,
        "closed": zookeeper_tls.speaks_tls("none", peers.ensemble.running),
    }
    return flink_tls.tls_problems(wanted, ensemble)


def _jar_problems(inputs: Inputs, tables: Tables) -> list[str]:
    own_archive = bool(inputs.archive_file or inputs.archive_url)
    classes, names = inputs.hadoop_classpath, inputs.environment
    return [
        *jars.problems(
            inputs.plugins,
            inputs.libraries,
            inputs.zookeeper_client,
            inputs.yarn_job,
            classes,
            inputs.hadoop_conf_dir,
            names,
        ),
        *jars.client_problems(
            inputs.zookeeper_client, inputs.libraries, inputs.version, zookeeper_clients(inputs, tables)
        ),
        *jars.uri_problems({**inputs.uris, "flink_ha_yarn_savepoint": inputs.yarn_savepoint}),
        *jars.storage_problems(inputs.uris, inputs.plugins, classes, names, own_archive),
        *jars.key_problems(inputs.storage_credentials, inputs.config_extra),
    ]


def _process_problems(inputs: Inputs) -> list[str]:
    closed = {inputs.config_dir: "flink_ha_config_dir", inputs.release_dir: "the release"}
    return [
        *process.environment_problems(inputs.environment),
        *java_logs.directory_problems(inputs.log_dir, "flink_ha_log_dir"),
        *process.path_problems(inputs.read_write_paths, closed),
        *process.own_path_problems(inputs.home_dir, inputs.tmp_dirs),
    ]


def _firewall_problems(inputs: Inputs, peers: Peers) -> list[str]:
    services = flink_services.of_host(inputs, peers.cluster_of(inputs.host))
    if not inputs.firewall:
        return []
    try:
        return exposure.firewall_problems(inputs.host, inputs.rest_networks, services)
    except ValueError:  # a port is none, which was told
        return []


# --- by the host


def _runs(inputs: Inputs, peers: Peers, host: HostState) -> bool:
    """Whether anything of Flink runs here: then it has shown that it can, with what stands on the host."""
    services = flink_services.of_host(inputs, peers.cluster_of(inputs.host))
    units = [yarn_application.unit(inputs)] if inputs.on_yarn else [service["unit"] for service in services]
    return any(host.units[unit]["active"] for unit in units)


def _first_start_problems(inputs: Inputs, host: HostState) -> list[str]:
    return [
        *refusals.release_problems(inputs.host, host.zookeeper_releases, inputs.version),
        *jars.class_problems(inputs.host, inputs.hadoop_classpath, inputs.libraries, host.matches),
    ]


def host_problems(
    inputs: Inputs, tables: Tables, peers: Peers, host: HostState, source: Mapping[str, Any]
) -> list[str]:
    """Why this host cannot run its part, whatever runs on the others."""
    given = {
        "host": inputs.host,
        "release": release(inputs, tables),
        "java": java(inputs, tables, host),
        "services": flink_services.of_host(inputs, peers.cluster_of(inputs.host)),
        "addresses": addresses(inputs, peers),
        **{name: inputs.given[name] for name in ("flink_ha_user", "flink_ha_uid", "flink_ha_gid")},
        **{name: inputs.given[name] for name in ("flink_ha_home_dir", "flink_ha_storage_dir")},
    }
    user = {"uid": inputs.given["flink_ha_uid"], "gid": inputs.given["flink_ha_gid"]}
    return [
        *refusals.host_problems(given, host.answer),
        *preflight.unread_problems(inputs.host, host.unread),
        *([] if inputs.only_stops else _upgrade_problems(inputs, tables, peers, host, source)),
        *_takeover_problems(inputs, peers, host),
        *([] if inputs.on_yarn else _place_problems(inputs, host)),
        *_acl_problems(inputs, peers),
        *_firewall_limit_problems(inputs, peers, host),
        *jars.path_problems(inputs.host, inputs.hadoop_classpath, inputs.hadoop_conf_dir, host.paths),
        *([] if _runs(inputs, peers, host) or inputs.only_stops else _first_start_problems(inputs, host)),
        *hadoop.nameservice_problems(
            inputs.host,
            inputs.hadoop_conf_dir,
            inputs.uris,
            [host.properties[path] for path in inputs.hadoop_files],
            host.resolved,
        ),
        *process.missing_problems(inputs.host, inputs.read_write_paths, host.answer, user),
        *log_access.problems(inputs.host, inputs.log_group, "flink_ha_log_group", host.answer),
    ]


def _place_problems(inputs: Inputs, host: HostState) -> list[str]:
    return refusals.place_problems(inputs.host, settings(host), inputs.cluster_id, inputs.zookeeper_path_root)


def addresses(inputs: Inputs, peers: Peers) -> list[str]:
    """Names that a host has to resolve: of its cluster, and of the ensemble."""
    names = (re.sub(":[0-9]+$", "", server) for server in identity.quorum_servers(inputs, peers))
    return unique([*peers.cluster_of(inputs.host).addresses, *(name for name in names if name)])


def _upgrade_problems(
    inputs: Inputs, tables: Tables, peers: Peers, host: HostState, source: Mapping[str, Any]
) -> list[str]:
    problems = [
        problem
        for before in releases_before(inputs, peers, host)
        for problem in refusals.upgrade_problems(
            before, inputs.host, inputs.version, tables.upgrades, inputs.upgrade, inputs.upgrade_across_minor
        )
    ]
    if not is_installed(inputs, host, source):
        problems += source["problems"]
        problems += preflight.space_problems(
            inputs.host,
            inputs.install_root,
            host.paths[inputs.release_dir]["free_mb"],
            RELEASE_MB,
            f"Flink {inputs.version}",
        )
    return problems


def _acl_problems(inputs: Inputs, peers: Peers) -> list[str]:
    if not identity.acls_kept(inputs, peers) or not inputs.cluster_id:
        return []
    return acls.acl_problems(peers.ensemble.acl_paths, identity.acl_entries(inputs, peers))


def _firewall_limit_problems(inputs: Inputs, peers: Peers, host: HostState) -> list[str]:
    if not inputs.firewall:
        return []
    reached = [each for each in peers.cluster_of(inputs.host).hosts if each not in peers.unreached]
    return exposure.limit_problems(reached, peers.play_hosts, host.answer, inputs.host)


def has_run(inputs: Inputs, host: HostState) -> bool:
    """Whether a service of Flink was ever started on a host: each logs from its first second."""
    return bool(host.matches[inputs.log_dir])


def releases_before(inputs: Inputs, peers: Peers, host: HostState) -> list[str]:
    """The releases behind `current` of this host's services; none on a fresh host."""
    services = flink_services.of_host(inputs, peers.cluster_of(inputs.host))
    targets = (host.paths[f"{flink_services.root(inputs, service)}/current/release"]["target"] for service in services)
    return unique(found for target in targets if (found := preflight.release_in(target, "flink")))


def _takeover_problems(inputs: Inputs, peers: Peers, host: HostState) -> list[str]:
    """Why processes that somebody else set up are not taken over as the inventory has them."""
    services = flink_services.of_host(inputs, peers.cluster_of(inputs.host))
    releases = unique(host.foreign(service["unit"]).get("releases", {}).get("flink", "") for service in services)
    return [
        problem
        for running in releases
        for problem in preflight.takeover_problems(inputs.host, "Flink", "flink_ha_version", running, inputs.version)
    ]


def is_installed(inputs: Inputs, host: HostState, source: Mapping[str, Any]) -> bool:
    """Whether the wanted release is on the host, and is the one with this sum."""
    return release_installed(host.contents[inputs.marker], "flink", inputs.version, source["sha512"])


def settings(host: HostState) -> list[dict[str, str]]:
    """What stands in the configuration of each service that was installed before, by the last part of its key."""
    return [refusals.settings(lines) for lines in host.lines.values() if lines]


def principals(host: HostState) -> list[str]:
    """As whom the services of a host authenticate, by what they were installed with."""
    return unique(each["principal"] for each in settings(host) if "principal" in each)


def tolerates(host: HostState) -> bool:
    """Whether all of a host's services, by what they were installed with, keep the leadership while they change to another server."""
    return {each.get("tolerate-suspended-connections", "") for each in settings(host)} == {"true"}


# --- by the others


def open_rest(inputs: Inputs, peers: Peers, group: Group) -> dict[str, list[str]]:
    """What is said of REST that is open: `problems` of a new cluster, `warnings` of one that is there."""
    ways = {"bind": inputs.bind_address, "tls": inputs.rest_tls, "firewall": inputs.firewall, "open": inputs.rest_open}
    services = flink_services.of_host(inputs, peers.cluster_of(inputs.host))
    return exposure.open_rest(inputs.host, ways, services, group.existing)


def group_problems(
    inputs: Inputs, peers: Peers, group: Group, host: HostState, planned: Sequence[Service]
) -> list[str]:
    """What the processes that run, on this host and on the others, could not follow.

    Args:
        inputs: of the host.
        peers: the other hosts.
        group: what is true of the cluster.
        host: as it was read.
        planned: its services, with what is to be done with them.
    """
    name, found, live = inputs.host, settings(host), flink_tls.live_settings(planned, host.lines)
    cut_off = flink_tls.cut_off_problems(
        name, live, peers.ensemble.client_auth, identity.endpoints_after(peers), peers.ensemble.running
    )
    return [
        *open_rest(inputs, peers, group)["problems"],
        *acls.owner_problems(name, found, identity.identity(inputs, peers), group.serving),
        *(
            problem
            for before in releases_before(inputs, peers, host)
            for problem in refusals.mixed_problems(before, name, inputs.version, group.serving)
        ),
        *flink_tls.switch_problems(name, live, inputs.internal_tls),
        *refusals.foreign_problems(name, planned, host.lines),
        *refusals.moved_problems(name, planned, live),
        *refusals.ensemble_problems(name, found, identity.quorum(inputs, peers), group.serving),
        *storage.moved_storage_problems(name, live, inputs.storage_dir, inputs.checkpoint_dir),
        *([] if inputs.zookeeper_quorum else cut_off),
    ]
