"""Why an inventory or a host is refused by the flink_ha role: each says variable, host and remedy. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.known_names import parse_known
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options as flink_options
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.services import (
    JOB_MANAGER,
    MAIN_KEY,
    MAIN_PORT,
    PORTS,
    TASK_MANAGER,
    HostVars,
    Service,
    parse_ports,
    possible_units,
    service_ports,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.storage import local_paths, storage_problems
from ansible_collections.streamquorum.ha.plugins.module_utils.host import preflight
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import HOST_NAME

#: What other hosts have to know of a JobManager; they read it in the inventory.
SHARED_VARIABLES = (
    "flink_ha_address",
    "flink_ha_jobmanager_instances",
    "flink_ha_taskmanager_instances",
    "flink_ha_rest_port",
)
INSTANCES = {JOB_MANAGER: "flink_ha_jobmanager_instances", TASK_MANAGER: "flink_ha_taskmanager_instances"}
#: First release of Flink whose client does not speak to older servers of ZooKeeper.
SERVERS_OF_3_5_SINCE = (1, 15)
CLUSTER_ID = re.compile(r"^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")


def flink_problems(given: Mapping[str, Any], hostvars: HostVars) -> list[str]:
    """Why the inventory is refused, by this host's part of it; empty when it is not. Each names variable, host and remedy.

    Args:
        given: the role's inputs under their own names, and host, groups, play_hosts, quorum, services (of this host),
            defaults (the role's own), releases, options, values (of the options), zookeeper_ports (of this host),
            session_timeout and ensemble_silence (ms, see `_session_problems`).
        hostvars: the inventory's variables.
    """
    problems = preflight.release_problems(given["flink_ha_version"], given["releases"], "Flink", "flink_ha_version")
    if not given["groups"]["flink_jobmanager"]:
        problems.append(
            "The group flink_jobmanager has no host: nobody would lead. Put at least two there, so that one may be lost."
        )
    problems += _job_manager_limit_problems(given) + _session_problems(
        given["session_timeout"], given["ensemble_silence"]
    )
    problems += _cluster_id_problems(str(given["flink_ha_cluster_id"])) + _ensemble_place_problems(given)
    return problems + storage_problems(given) + _service_problems(given, hostvars) + _option_problems(given)


def yarn_problems(given: Mapping[str, Any]) -> list[str]:
    """What of `flink_problems` an application on YARN has: it has no services of ours, and its id is YARN's."""
    return [
        *preflight.release_problems(given["flink_ha_version"], given["releases"], "Flink", "flink_ha_version"),
        *_session_problems(given["session_timeout"], given["ensemble_silence"]),
        *_ensemble_place_problems(given),
        *storage_problems(given),
        *_option_problems(given),
    ]


def _option_problems(given: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    release = next((item for item in given["releases"] if item["version"] == given["flink_ha_version"]), None)
    if release:
        known = parse_known(given["known_options"])
        unchecked = [*given["open_options"], *given["flink_ha_config_unchecked"]]
        for variable in ("flink_ha_config_extra", "flink_ha_storage_credentials"):
            problems += flink_options.extra_problems(
                given[variable],
                given["options"],
                release["version"],
                release["config_file"],
                known,
                unchecked,
                variable,
            )
        problems += _value_problems(given, release["config_file"])
    return problems


def _session_problems(timeout: int, silence: int) -> list[str]:
    """Refuses a session that ends before the ensemble has noticed that its leader hangs.

    Curator gives up a session that was suspended for its timeout, and the JobManager may come back as a second leader:
    https://github.com/apache/curator/issues/1211.

    Args:
        timeout: flink_ha_zookeeper_session_timeout, in ms.
        silence: how long a leader that hangs stays unnoticed, in ms; 0 where the inventory does not say.
    """
    if timeout > silence:
        return []
    return [
        f"flink_ha_zookeeper_session_timeout is {timeout} ms, and a ZooKeeper leader that hangs stays unnoticed for {silence} ms "
        "(zookeeper_sync_limit ticks of zookeeper_tick_time). JobManagers would give up their sessions meanwhile, and two "
        'might lead (docs/operations.md, "Two JobManagers lead"). Lower zookeeper_sync_limit, or raise '
        "flink_ha_zookeeper_session_timeout above that."
    ]


def amount_problems(amounts: Mapping[str, int]) -> list[str]:
    """Refuses amounts of which Flink needs one at least: its processes would end at their start.

    Args:
        amounts: by name of the variable.
    """
    return [f"{name} is {value}. Set it to 1 or more." for name, value in amounts.items() if value < 1]


def upgrade_problems(
    running: str, host: str, wanted: str, pairs: Sequence[Mapping[str, str]], upgrade: bool, across_minor: bool
) -> list[str]:
    """As `preflight.upgrade_problems`, with Flink's own rule: releases are mixed only within what was tested.

    Another minor release, confirmed by `across_minor`, is for a cluster that is down: `mixed_problems`.
    """
    otherwise = (
        "Flink does not support JobManagers and TaskManagers of mixed releases, so this is not rolled. The way is: a "
        "savepoint of every job (flink stop JOB), playbooks/stop.yml, playbooks/upgrade.yml with "
        "flink_ha_upgrade_across_minor=true, and the jobs from their savepoints"
    )
    series = {"from": preflight.series(running), "to": preflight.series(wanted)}
    allowed = [*pairs, series] if across_minor and series["from"] != series["to"] else pairs
    return preflight.upgrade_problems(
        host, "Flink", "flink_ha_version", running, wanted, allowed, upgrade, across_minor, otherwise
    )


def mixed_problems(running: str, host: str, wanted: str, serving: bool) -> list[str]:
    """Refuses another minor release while a process of the cluster runs.

    Args:
        running: release that stands behind `current`.
        serving: whether a process of the cluster runs, on any host.
    """
    if not serving or preflight.series(running) == preflight.series(wanted):
        return []
    return [
        f"{host}: has Flink {running}, and flink_ha_version is {wanted}. Releases are not mixed: end every job with a savepoint "
        "(flink stop JOB), run playbooks/stop.yml -e stop_cluster=true, and then this again."
    ]


def settings(lines: Sequence[str]) -> dict[str, str]:
    """The last part of each key -> its value, from single lines of a configuration file.

    The option's name has changed in its first parts only, so the last one is the same in all releases.
    """
    found = flink_options.parse("config.yaml", "\n".join(lines))
    last = {key.rpartition(".")[2]: value.strip("'\"") for key, value in found.items()}
    # The one whose last part has changed too (up to Flink 1.1, and read as the other one since).
    return {"cluster-id": last.pop("namespace"), **last} if "namespace" in last else last


def place_problems(host: str, found: Sequence[Mapping[str, str]], cluster_id: str, path_root: str) -> list[str]:
    """Refuses another place in ZooKeeper than that of the installation: its jobs are found there.

    Args:
        found: what `settings` gave for each service that was installed before.
        cluster_id: flink_ha_cluster_id.
        path_root: flink_ha_zookeeper_path_root.
    """
    wanted = {"cluster-id": ("flink_ha_cluster_id", cluster_id), "root": ("flink_ha_zookeeper_path_root", path_root)}
    # What somebody else set up may leave both to Flink (HighAvailabilityOptions), and write them without a slash.
    own = {"cluster-id": "/default", "root": "/flink"}
    return [
        f"{host}: runs under {variable} {other}, and the inventory says {value}. The jobs and their checkpoints are "
        f"found under that name: set {variable}: {other}. For another cluster, take a savepoint of every job, run "
        f"playbooks/stop.yml, and move {host}'s flink_ha_config_dir away."
        for key, (variable, value) in wanted.items()
        for other in sorted(
            {"/" + (each.get(key) or own[key]).strip("/") for each in found if each.get(key) or is_available(each)}
        )
        if other != "/" + value.strip("/")
    ]


def is_available(found: Mapping[str, str]) -> bool:
    """Whether a configuration, by the last parts of its keys, has its leader in ZooKeeper."""
    return (
        next((found[key] for key in ("type", "high-availability", "mode") if key in found), "").lower() == "zookeeper"
    )


def foreign_problems(host: str, services: Iterable[Service], lines: Mapping[str, Sequence[str]]) -> list[str]:
    """Refuses to take over what somebody else set up where nobody knows what it is, or where its jobs would be lost.

    Args:
        services: what `plan` gave.
        lines: path -> lines of the configurations that the services run with, as `host_state` read them.
    """
    problems = []
    for service in services:
        if not service["live"] or service["running"]:
            continue
        found = settings(
            [line for path, each in lines.items() if path.startswith(f"{service['root']}/") for line in each]
        )
        if not found:
            problems.append(
                f"{host}: {service['unit']} was set up by somebody else, and its configuration was not found: its processes name no directory "
                "with --configDir that has one. Under which name it leads is not known, so nothing is taken over. Start it by Flink's own "
                "scripts (start-foreground), or stop it."
            )
        elif not is_available(found):
            problems.append(
                f"{host}: {service['unit']} was set up by somebody else, without high availability: its jobs are in the memory of its JobManager "
                "alone. Take a savepoint of every job, stop it on all hosts, run playbooks/site.yml, and start the jobs from there."
            )
    return problems


def ensemble_problems(host: str, found: Sequence[Mapping[str, str]], quorum: str, serving: bool) -> list[str]:
    """Refuses to lead a live cluster to an ensemble of which it knows no server: both would elect a leader meanwhile.

    Args:
        found: what `settings` gave for each service that was installed before.
        quorum: servers that Flink is to go to, as host:port,…
        serving: whether a process of the cluster runs.
    """
    return [
        f"{host}: runs with the ensemble {before}, and is to go to {quorum}, of which it knows no server. While Flink is rolled, one "
        "JobManager would lead in each. Under other names of the same servers, keep an old one beside the new ones "
        "(flink_ha_zookeeper_quorum) until this has run once. For another ensemble, put this one back, take a savepoint of every job, run "
        "playbooks/stop.yml -e stop_cluster=true, change it, run playbooks/site.yml, and start the jobs from their savepoints."
        for before in sorted({each["quorum"] for each in found if serving and each.get("quorum")})
        if not _server_names(before) & _server_names(quorum)
    ]


def _server_names(quorum: str) -> set[str]:
    parts = (server.strip().rpartition(":") for server in quorum.split(","))
    return {(name if colon else port).lower() for name, colon, port in parts}


def moved_problems(host: str, services: Iterable[Service], running: Sequence[Mapping[str, str]]) -> list[str]:
    """Refuses another main port of a process that runs: a roll would ask for it where it is not.

    Args:
        services: what `plan` gave.
        running: what `flink_tls.live_settings` gave for this host, in the same order.
    """
    live = [service for service in services if service["live"]]
    problems = []
    for service, config in zip(live, running, strict=True):
        field = MAIN_PORT[service["kind"]]
        before, wanted = config.get(MAIN_KEY[service["kind"]], "").strip("'\""), str(service[field])
        # 0 is any port: a TaskManager that somebody else set up is known by whatever it listens on, and a JobManager would not be found.
        known = ("", "0", wanted) if service["kind"] == TASK_MANAGER else ("", wanted)
        if before not in known:
            problems.append(
                f"{host}: {service['unit']} runs with {MAIN_KEY[service['kind']]} {before}, and is to have {wanted} "
                f"({PORTS[service['kind']][field]}). This port is not changed on a process that runs: put it back, run "
                "playbooks/stop.yml -e stop_cluster=true, change it, and run playbooks/site.yml."
            )
    return problems


def _cluster_id_problems(cluster_id: str) -> list[str]:
    if not cluster_id:
        return [
            "flink_ha_cluster_id is missing. Give every Flink cluster its own, such as /orders: two clusters with one id "
            "take each other's jobs."
        ]
    if not CLUSTER_ID.match(cluster_id) or {".", ".."} & set(cluster_id.split("/")):
        return [
            f"flink_ha_cluster_id is {cluster_id!r}. It is a path in ZooKeeper: letters, digits, dots, dashes and "
            "underscores between slashes, such as /orders."
        ]
    return []


def release_problems(host: str, releases: Mapping[str, str], version: str) -> list[str]:
    """Refuses an ensemble of a release that Flink's client of ZooKeeper cannot speak to (release notes of Flink 1.15, FLINK-25146).

    Args:
        host: the one that asked.
        releases: by server of another inventory's ensemble, what it said; empty for one that said nothing, of which nothing is concluded.
        version: flink_ha_version.
    """
    old = [f"{server} ({release})" for server, release in releases.items() if release.startswith(("3.3.", "3.4."))]
    if (
        not old
        or not flink_options.RELEASE.match(version)
        or flink_options.parse_release(version) < SERVERS_OF_3_5_SINCE
    ):
        return []
    return [
        f"{host}: flink_ha_zookeeper_quorum has {', '.join(old)}, and Flink {version} needs servers of 3.5 or newer. Upgrade the ensemble, or "
        "take Flink 1.14 or older."
    ]


def _ensemble_place_problems(given: Mapping[str, Any]) -> list[str]:
    problems = []
    root, quorum = (str(given[name]) for name in ("flink_ha_zookeeper_path_root", "quorum"))
    if not root.startswith("/"):
        problems.append(f"flink_ha_zookeeper_path_root is {root!r}. It is a path in ZooKeeper, such as /flink.")
    if not quorum:
        problems.append(
            "flink_ha_zookeeper_quorum is empty, and the group zookeeper has no host. Name the ensemble's hosts there, or "
            "set flink_ha_zookeeper_quorum to the client addresses of another one, such as zk1:2181,zk2:2181,zk3:2181."
        )
    for server in quorum.split(",") if quorum else []:
        host, _colon, port = server.strip().rpartition(":")
        if not host or not port.isdigit():
            problems.append(
                f"flink_ha_zookeeper_quorum has {server!r}, which is no host:port. A path in ZooKeeper belongs in "
                "flink_ha_zookeeper_path_root."
            )
    return problems


def _job_manager_limit_problems(given: Mapping[str, Any]) -> list[str]:
    managers, played = set(given["groups"]["flink_jobmanager"]), set(given["play_hosts"])
    # TaskManagers may be limited: that is how one is added.
    if not managers & played or managers <= played:
        return []
    return [
        f"--limit leaves out {', '.join(sorted(managers - played))} of the JobManagers, one of which may lead. Run without "
        "--limit, with --limit flink_jobmanager, or limit to TaskManagers."
    ]


def _service_problems(given: Mapping[str, Any], hostvars: HostVars) -> list[str]:
    host, problems = given["host"], []
    inventory = hostvars[host]
    for name in SHARED_VARIABLES:
        default = host if name == "flink_ha_address" else given["defaults"][name]
        if inventory.get(name, default) != given[name]:
            problems.append(
                f"{host}: {name} is set where other hosts do not see it. Set it in the inventory (host_vars or group_vars)."
            )
    if not HOST_NAME.match(str(given["flink_ha_address"])) or str(given["flink_ha_address"]) == "0.0.0.0":
        problems.append(
            f"{host}: flink_ha_address {given['flink_ha_address']!r} is no host name or IPv4 address that others could use."
        )
    for kind, variable in INSTANCES.items():
        known = set(PORTS[kind])
        problems += [
            f"{host}: {variable} has {key!r}; an instance has {', '.join(sorted(known))}."
            for instance in given[variable]
            for key in sorted(set(instance) - known)
        ]
    try:
        ports = service_ports(given["services"])
    except ValueError as error:
        return [*problems, f"{host}: a port is no number, list (6123,6133) or range (50100-50200): {error}."]
    for service in given["services"]:
        unpinned = [
            variable
            for field, variable in PORTS[service["kind"]].items()
            if variable != "flink_ha_jobmanager_rpc_port" and not parse_ports(service[field])
        ]
        problems += [f"{host}: {variable} is 0, any port. Give it a number, for firewalls." for variable in unpinned]
    return problems + preflight.port_problems(host, [*ports, *given["zookeeper_ports"]])


def _value_problems(given: Mapping[str, Any], config_file: str) -> list[str]:
    problems = []
    for option in given["options"]:
        value = given["values"].get(option["name"])
        # An empty one is left out of the file.
        if value is not None and value != "":
            problem = flink_options.value_problem(config_file, option["variable"], value)
            problems += [problem] if problem else []
    return problems


def host_problems(given: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """Why this host is refused by what was read on it; empty when it is not. For an inventory that
    `flink_problems` has not refused.

    Args:
        given: host, release (its entry), java (what `java_plan` gave), services (of this host), addresses (of all hosts),
            and flink_ha_user, flink_ha_uid, flink_ha_gid, flink_ha_home_dir, flink_ha_storage_dir.
        state: what `host_state` returned.
    """
    host, release = given["host"], given["release"]
    what = f"Flink {release['version']}"
    problems = preflight.java_problems(host, given["java"], release["java"], "flink_ha_java_home", what)
    singles = [entry for entry in service_ports(given["services"]) if entry["single"]]
    units, possible = [service["unit"] for service in given["services"]], possible_units(given["services"])
    problems += preflight.occupied_problems(host, singles, state["listening"], units)
    owner = state["paths"][given["flink_ha_home_dir"]]["owner"]
    if owner not in ("", "root", given["flink_ha_user"]):
        problems.append(
            f"{host}: {given['flink_ha_home_dir']} belongs to {owner}, and flink_ha_user is {given['flink_ha_user']}. Set "
            f"flink_ha_user: {owner}. Another user is given all that there is, the storage too, while Flink is stopped (chown -R)."
        )
    problems += [
        f"{host}: has {unit}, which this inventory does not ask for (another number of JobManagers, or another group). It "
        f"would start at the next boot: systemctl disable --now {unit}, remove /etc/systemd/system/{unit}, and run again."
        for unit, facts in sorted(state["units"].items())
        if facts["exists"] and unit not in units and unit in possible
    ]
    problems += _name_problems(host, state["resolved"], given["addresses"])
    account = state["accounts"][given["flink_ha_user"]]
    wanted = (int(given["flink_ha_uid"]), int(given["flink_ha_gid"]))
    if (
        account["exists"]
        and (account["uid"], account["gid"]) != wanted
        and local_paths([given["flink_ha_storage_dir"]])
    ):
        problems.append(
            f"{host}: the user {given['flink_ha_user']} has uid {account['uid']} and gid {account['gid']}, and flink_ha_uid is "
            f"{wanted[0]}, flink_ha_gid {wanted[1]}. Shared storage compares the numbers: set the two variables to what "
            "the user has on every host, or change the user while Flink is stopped."
        )
    return problems


def _name_problems(host: str, resolved: Mapping[str, Sequence[str]], addresses: Sequence[str]) -> list[str]:
    problems = []
    for name in addresses:
        found = resolved[name]
        if not found:
            problems.append(f"{host}: does not resolve {name}. Add it to DNS or /etc/hosts, or set flink_ha_address.")
        elif len(addresses) > 1 and any(address.startswith("127.") or address == "::1" for address in found):
            problems.append(
                f"{host}: resolves {name} to loopback ({', '.join(found)}), where no other host can reach it. "
                "Remove that line from /etc/hosts (Debian's installer writes 127.0.1.1), or set flink_ha_address."
            )
    return problems
