"""What the flink_ha role derives from the inventory and a host's state: services, ports, generations, refusals. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core import generation
from ansible_collections.streamquorum.ha.plugins.module_utils.core.members import describe, restart_file
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options as flink_options
from ansible_collections.streamquorum.ha.plugins.module_utils.host import preflight
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import HOST_NAME

Service = dict[str, Any]
HostVars = Mapping[str, Mapping[str, Any]]

JOB_MANAGER, TASK_MANAGER = "jobmanager", "taskmanager"
#: Ports of each kind of service: field -> the variable that owns it.
PORTS = {
    JOB_MANAGER: {
        "rest_port": "flink_ha_rest_port",
        "rpc_port": "flink_ha_jobmanager_rpc_port",
        "blob_port": "flink_ha_blob_port",
        "metrics_port": "flink_ha_jobmanager_metrics_port",
    },
    TASK_MANAGER: {
        "rpc_port": "flink_ha_taskmanager_rpc_port",
        "data_port": "flink_ha_taskmanager_data_port",
        "metrics_port": "flink_ha_taskmanager_metrics_port",
    },
}
#: The port by which a service is known to this toolkit.
MAIN_PORT = {JOB_MANAGER: "rest_port", TASK_MANAGER: "rpc_port"}
MAIN_KEY = {JOB_MANAGER: "rest.port", TASK_MANAGER: "taskmanager.rpc.port"}
#: Options that name the storage and the checkpoints, of all releases that are supported.
STORAGE_KEYS = ("high-availability.storageDir",)
CHECKPOINT_KEYS = ("execution.checkpointing.dir", "state.checkpoints.dir")
#: Between the ports of two JobManagers on one host, where an instance names none of its own.
PORT_STEP = 10
#: So many instances of an earlier inventory are looked for.
MOST_INSTANCES = 8
#: What other hosts have to know of a JobManager; they read it in the inventory.
SHARED_VARIABLES = (
    "flink_ha_address",
    "flink_ha_jobmanager_instances",
    "flink_ha_taskmanager_instances",
    "flink_ha_rest_port",
)
INSTANCES = {JOB_MANAGER: "flink_ha_jobmanager_instances", TASK_MANAGER: "flink_ha_taskmanager_instances"}
ZOOKEEPER_PORTS = ("zookeeper_client_port", "zookeeper_quorum_port", "zookeeper_election_port", "zookeeper_admin_port")
#: File systems that Flink has a plugin or a Hadoop client for.
STORAGE_SCHEMES = (
    "file",
    "hdfs",
    "viewfs",
    "s3",
    "s3a",
    "s3p",
    "gs",
    "abfs",
    "abfss",
    "wasb",
    "wasbs",
    "oss",
    "o3fs",
    "ofs",
)
#: The unit sees nothing of these (ProtectHome), or a directory of its own (PrivateTmp).
PRIVATE_PATHS = ("/tmp", "/var/tmp", "/home", "/root", "/run/user")
CLUSTER_ID = re.compile(r"^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")


# --- services --------------------------------------------------------------------------------------------------------


def job_manager_services(
    address: str, instances: Sequence[Mapping[str, Any]], ports: Mapping[str, Any]
) -> list[Service]:
    """The JobManagers of one host.

    One (no or one instance) is the unit flink-jobmanager; several are instances of it, flink-jobmanager@1 and so on, whose
    ports are the given ones plus ten for each instance before, where an instance does not name its own.

    Args:
        address: name of the host, under which others reach it.
        instances: rest_port, rpc_port, blob_port and metrics_port of each, all optional.
        ports: the same four, of the first.
    """
    several = len(instances) > 1
    services = []
    for index, instance in enumerate(instances or [{}]):
        name = f"flink-jobmanager@{index + 1}" if several else "flink-jobmanager"
        own = {field: instance.get(field) or shifted(ports[field], index * PORT_STEP) for field in PORTS[JOB_MANAGER]}
        services.append(_service(JOB_MANAGER, name, address, own))
    return services


def task_manager_services(
    address: str, instances: Sequence[Mapping[str, Any]], ports: Mapping[str, Any]
) -> list[Service]:
    """The TaskManagers of one host.

    The first is the unit flink-taskmanager, whatever comes beside it, so that another one asks it for no restart; the others are
    flink-taskmanager@2 and so on. Their ports are as those of `job_manager_services`.

    Args:
        address: name of the host.
        instances: rpc_port, data_port and metrics_port of each, all optional; none is one.
        ports: the same three, of the first.
    """
    services = []
    for index, instance in enumerate(instances or [{}]):
        name = f"flink-taskmanager@{index + 1}" if index else "flink-taskmanager"
        own = {
            field: instance.get(field) or (shifted(ports[field], index * PORT_STEP) if index else ports[field])
            for field in PORTS[TASK_MANAGER]
        }
        services.append(_service(TASK_MANAGER, name, address, own))
    return services


def _service(kind: str, name: str, address: str, ports: Mapping[str, Any]) -> Service:
    return {"kind": kind, "name": name, "unit": f"{name}.service", "address": address, **ports}


def possible_units(services: Iterable[Service]) -> list[str]:
    """Units to look at on a host: those of its services, and those that an earlier inventory may have left there."""
    left = ["flink-jobmanager.service", "flink-taskmanager.service"]
    left += [f"flink-jobmanager@{number}.service" for number in range(1, MOST_INSTANCES + 1)]
    left += [f"flink-taskmanager@{number}.service" for number in range(2, MOST_INSTANCES + 1)]
    return sorted({*left, *(service["unit"] for service in services)})


def shifted(port: Any, step: int) -> Any:
    """A port so much higher; a range or a list stays, since each process takes a free one of it."""
    return int(port) + step if str(port).isdigit() and int(port) else port


def job_managers(hostvars: HostVars, hosts: Iterable[str], defaults: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All JobManagers of the cluster as {name, address, rest_port}, from the inventory only, sorted.

    Args:
        hostvars: the inventory's variables.
        hosts: the group flink_jobmanager.
        defaults: the role's own, for what the inventory does not say.
    """
    found = []
    for host in hosts:
        given = hostvars[host]
        instances = given.get("flink_ha_jobmanager_instances", defaults["flink_ha_jobmanager_instances"])
        # Only the REST port is needed here; the other three are the host's own affair.
        ports = dict.fromkeys(PORTS[JOB_MANAGER], 0) | {
            "rest_port": given.get("flink_ha_rest_port", defaults["flink_ha_rest_port"])
        }
        address = given.get("flink_ha_address", host)
        found += [
            {"name": host, "address": service["address"], "rest_port": int(service["rest_port"])}
            for service in job_manager_services(address, instances, ports)
        ]
    return sorted(found, key=lambda entry: (entry["address"], entry["rest_port"]))


def masters(managers: Iterable[Mapping[str, Any]]) -> str:
    """conf/masters: a line `host:webui-port` for each JobManager."""
    return "".join(f"{manager['address']}:{manager['rest_port']}\n" for manager in managers)


def workers(hostvars: HostVars, hosts: Iterable[str]) -> list[str]:
    """Addresses of the TaskManagers, sorted, from the inventory only; that of a host with several stands there as often."""
    return sorted(
        hostvars[host].get("flink_ha_address", host)
        for host in hosts
        for _instance in hostvars[host].get("flink_ha_taskmanager_instances") or [{}]
    )


# --- ports -----------------------------------------------------------------------------------------------------------


def parse_ports(text: Any) -> list[int]:
    """The ports in `6123`, `6123,6133` or `50100-50200`; none for 0, which means any.

    Raises:
        ValueError: it is none of these.
    """
    ports: list[int] = []
    for part in str(text).split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        ports += range(int(first), int(last if dash else first) + 1)
    return [port for port in ports if port]


def service_ports(services: Iterable[Service]) -> list[dict[str, Any]]:
    """Each port of the services of a host as {port, what, single}; a range counts with each of its ports.

    Raises:
        ValueError: a port is no port.
    """
    found = []
    for service in services:
        for field, variable in PORTS[service["kind"]].items():
            what = f"{field} of {service['name']}" if "@" in service["name"] else variable
            ports = parse_ports(service[field])
            found += [{"port": port, "what": what, "single": len(ports) == 1} for port in ports]
    return found


def zookeeper_ports(
    hostvars: HostVars, host: str, members: Sequence[str], defaults: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Ports that ZooKeeper has on this host; none where it is no member."""
    if host not in members:
        return []
    return [{"port": hostvars[host].get(name, defaults[name]), "what": name} for name in ZOOKEEPER_PORTS]


def zookeeper_input(hostvars: HostVars, members: Sequence[str], defaults: Mapping[str, Any], name: str) -> int:
    """A number that is the same for the whole ensemble: an input of the group zookeeper, which Flink's hosts do not have."""
    given = [hostvars[host][name] for host in members if name in hostvars[host]]
    return int(given[0] if given else defaults[name])


# --- generations -----------------------------------------------------------------------------------------------------


def with_generations(
    services: Iterable[Service],
    options: Sequence[Mapping[str, Any]],
    version: str,
    config_file: str,
    values: Mapping[str, Any],
    extra: Mapping[str, Any],
    files: Mapping[str, Mapping[str, str]],
    links: Mapping[str, str],
    tmp_dirs: Sequence[str] = (),
) -> list[Service]:
    """The services of a host, each with the generation that it is to run and its digest.

    Args:
        services: what `job_manager_services` and `task_manager_services` gave.
        options: the registry of options.
        version: Flink's release.
        config_file: name of its configuration file.
        values: values of the registry's options by name.
        extra: the operator's further options, merged last.
        files: files that are the same for all services: name -> {content, mode}.
        links: links of the generation: name -> target.
        tmp_dirs: directories in which each service has one of its own, by its name.

    Raises:
        OptionError: a value cannot be written.
    """
    result = []
    for service in services:
        own = ",".join(f"{directory}/{service['name']}" for directory in tmp_dirs)
        fields = {**service, "tmp_dirs": own}
        config = flink_options.resolve(options, version, service["kind"], values, fields) | dict(extra)
        content = HEADER + flink_options.render(config_file, config)
        # A secret content is left out of diffs and logs.
        field = "secret_content" if flink_options.has_secrets(config) else "content"
        wanted = {"files": {**files, config_file: {field: content, "mode": "0640"}}, "links": dict(links)}
        result.append({**service, "generation": wanted, "digest": generation.generation_digest(wanted)})
    return result


HEADER = "# Written by StreamQuorum from the inventory; a change here is undone by the next run.\n"


def client_config(
    options: Sequence[Mapping[str, Any]],
    version: str,
    config_file: str,
    values: Mapping[str, Any],
    extra: Mapping[str, Any],
) -> str:
    """Text of the configuration that the flink command reads. Raises OptionError."""
    config = flink_options.resolve(options, version, "client", values, {}) | dict(extra)
    return HEADER + flink_options.render(config_file, config)


def plan(services: Iterable[Service], state: Mapping[str, Any], config_dir: str) -> list[Service]:
    """The services, each with what is to be done with it.

    Adds running (digest of the generation that its process was started with), current and previous (of the links),
    live, restart_needed and start. A live process, one that listens, is never restarted here, whatever port it has. One that ends
    again and again is not live: mending it costs nothing.
    """
    result = []
    for service in services:
        unit = state["units"][service["unit"]]
        live = unit["active"] and any(entry["unit"] == service["unit"] for entry in state["listening"])
        runs_it = unit["active"] and unit["generation"] == service["digest"]
        result.append(
            {
                **service,
                **generation.place(state, f"{config_dir}/{service['name']}"),
                "running": unit["generation"],
                "process": unit["process"],
                "exists": unit["exists"],
                "enabled": unit["enabled"],
                "active": unit["active"],
                "needs_reload": unit["needs_reload"],
                "live": live,
                "restart_needed": live
                and (not runs_it or state["contents"][restart_file(service["unit"])].strip() == unit["process"]),
                "start": not live and not runs_it,
            }
        )
    return result


def members(
    services: Iterable[Service],
    host: str,
    managers: Sequence[Mapping[str, Any]],
    addresses: Sequence[str],
    state: Mapping[str, Any],
    timeout: int,
) -> list[dict[str, Any]]:
    """The services of a host as the rolling role sees them, from their plan.

    Args:
        managers: all JobManagers, as `job_managers` gave them; the place among them is the order of a roll.
        addresses: all TaskManagers, as `workers` gave them.
        state: what `host_state` returned.
        timeout: seconds in which a service has to come up.
    """
    ends = [(manager["address"], manager["rest_port"]) for manager in managers]
    found = []
    for service in services:
        manages = service["kind"] == JOB_MANAGER
        ports = parse_ports(service[MAIN_PORT[service["kind"]]])
        place = (
            ends.index((service["address"], ports[0]))
            if manages
            else list(addresses).index(service["address"]) + _number(service["name"]) - 1
        )
        alone = service["name"] in ("flink-jobmanager", "flink-taskmanager")
        described = {
            "name": host if alone else f"{host} ({service['name']})",
            "host": host,
            "kind": service["kind"],
            "id": place + 1,
            "votes": True,
            "unit": service["unit"],
            "root": service["root"],
            "ports": ports,
            "address": service["address"],
            "wanted": service["digest"],
            "live": service["live"],
            "timeout": timeout,
        }
        asked = state["contents"][restart_file(service["unit"])]
        found.append(describe(described, state["units"][service["unit"]], asked))
    return found


def _number(name: str) -> int:
    """Which of its kind a service of a host is, by its name; 1 for the only one."""
    return int(name.partition("@")[2] or 1)


def entries(services: Iterable[Service], group: str) -> list[dict[str, Any]]:
    """Entries for `host_files`: generations staged; switched to where nothing else runs; the forgotten ones removed.

    The one that was current before stays, as `previous`.
    """
    return [
        entry
        for service in services
        for entry in generation.service_entries(
            service["generation"],
            service,
            service["unit"],
            group,
            service["running"],
            not service["restart_needed"],
        )
    ]


def steps(services: Iterable[Service]) -> list[dict[str, Any]]:
    """The plan without the generations: what a loop may print."""
    shown = ("name", "unit", "exists", "enabled", "active", "needs_reload", "start", "restart_needed")
    return [{field: service[field] for field in shown} for service in services]


# --- storage ---------------------------------------------------------------------------------------------------------


def storage_path(uri: str) -> str:
    """Local path of a `file:` URI; empty for any other."""
    # file:///path and file:/path; in file://path the first part would be a host.
    found = re.match(r"^file:(?://)?(/(?!/).*)$", uri)
    return found.group(1).rstrip("/") or "/" if found else ""


def local_paths(uris: Iterable[str]) -> list[str]:
    """Local paths of `file:` URIs, sorted, without those that lie in another one."""
    paths = sorted({path for path in map(storage_path, uris) if path})
    return [path for path in paths if not any(path.startswith(other.rstrip("/") + "/") for other in paths)]


def _storage_problems(given: Mapping[str, Any]) -> list[str]:
    problems = []
    for variable in ("flink_ha_storage_dir", "flink_ha_checkpoint_dir", "flink_ha_savepoint_dir"):
        uri = str(given[variable])
        scheme = re.match(r"^([a-z][a-z0-9+.-]*):", uri)
        if not uri:
            problems.append(
                f"{variable} is missing. Set it to a directory that every JobManager and TaskManager reaches, "
                "such as hdfs://nameservice/flink or file:///mnt/shared/flink."
            )
        elif not scheme:
            problems.append(
                f"{variable} is {uri!r}, without a scheme. Write it as a URI, such as file:///mnt/shared/flink."
            )
        elif scheme.group(1) not in STORAGE_SCHEMES:
            problems.append(
                f"{variable} has the scheme {scheme.group(1)!r}, which Flink has no file system for. "
                f"Known: {', '.join(STORAGE_SCHEMES)}."
            )
        elif scheme.group(1) == "file":
            problems += _file_problems(variable, uri, given["flink_ha_storage_shared"])
    return problems


def _file_problems(variable: str, uri: str, shared: bool) -> list[str]:
    path = storage_path(uri)
    if not path or ".." in path.split("/"):
        return [f"{variable} is {uri!r}. A local directory is written as file:///absolute/path."]
    private = [root for root in PRIVATE_PATHS if path == root or path.startswith(root + "/")]
    if private:
        return [f"{variable} lies in {private[0]}, of which the services see nothing. Choose another directory."]
    if not shared:
        return [
            f"{variable} is {uri}, a path of each host for itself. Where it is one shared file system (NFS and its like) on "
            "every JobManager and TaskManager, say so with flink_ha_storage_shared: true (it is proved before anything "
            "starts); otherwise choose a storage that is shared."
        ]
    return []


# --- refusals --------------------------------------------------------------------------------------------------------


def flink_problems(given: Mapping[str, Any], hostvars: HostVars) -> list[str]:
    """Why the inventory is refused, by this host's part of it; empty when it is not. Each names variable, host and remedy.

    Args:
        given: the role's inputs under their own names, and host, groups, play_hosts, quorum, services (of this host),
            defaults (the role's own), releases, options, values (of the options), zookeeper_ports (of this host),
            source_problems (of the archive), session_timeout and ensemble_silence (ms, see `_session_problems`).
        hostvars: the inventory's variables.
    """
    problems = preflight.release_problems(
        given["flink_ha_version"], given["releases"], "Flink", "flink_ha_version"
    ) or list(given["source_problems"])
    if not given["groups"]["flink_jobmanager"]:
        problems.append(
            "The group flink_jobmanager has no host: nobody would lead. Put at least two there, so that one may be lost."
        )
    problems += _limit_problems(given) + _session_problems(given["session_timeout"], given["ensemble_silence"])
    problems += _identity_problems(given) + _storage_problems(given) + _service_problems(given, hostvars)
    release = next((item for item in given["releases"] if item["version"] == given["flink_ha_version"]), None)
    if release:
        problems += flink_options.extra_problems(
            given["flink_ha_config_extra"],
            given["options"],
            release["version"],
            release["config_file"],
            flink_options.parse_known(given["known_options"]),
            [*given["open_options"], *given["flink_ha_config_unchecked"]],
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
    return {key.rpartition(".")[2]: value.strip("'\"") for key, value in found.items()}


def place_problems(host: str, found: Sequence[Mapping[str, str]], cluster_id: str, path_root: str) -> list[str]:
    """Refuses another place in ZooKeeper than that of the installation: its jobs are found there.

    Args:
        found: what `settings` gave for each service that was installed before.
        cluster_id: flink_ha_cluster_id.
        path_root: flink_ha_zookeeper_path_root.
    """
    wanted = {"cluster-id": ("flink_ha_cluster_id", cluster_id), "root": ("flink_ha_zookeeper_path_root", path_root)}
    return [
        f"{host}: runs under {variable} {other}, and the inventory says {value}. The jobs and their checkpoints are "
        f"found under that name: set {variable}: {other}. For another cluster, take a savepoint of every job, run "
        f"playbooks/stop.yml, and move {host}'s flink_ha_config_dir away."
        for key, (variable, value) in wanted.items()
        for other in sorted({each[key] for each in found if each.get(key)} - {value})
    ]


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


def moved_storage_problems(
    host: str, running: Iterable[Mapping[str, str]], storage_dir: str, checkpoint_dir: str
) -> list[str]:
    """Refuses another storage under processes that run.

    ZooKeeper has pointers into the storage, but the jars of a job are looked for where the configuration says (BlobUtils,
    FileSystemBlobStore): a JobManager that takes over a job from another directory ends with a FileNotFoundException, and so does every
    other one. And a TaskManager that was not restarted yet may not write to another local directory than its unit's (ReadWritePaths).
    One that ends again and again is not live, so the way back from there is open.

    Args:
        running: what `flink_tls.live_settings` gave for this host.
        storage_dir, checkpoint_dir: flink_ha_storage_dir and flink_ha_checkpoint_dir.
    """
    way = (
        "Put it back, end every job with a savepoint (flink stop JOB), run playbooks/stop.yml -e stop_cluster=true, change it, run "
        "playbooks/site.yml, and start the jobs from their savepoints."
    )
    problems = []
    for each in running:
        storage, checkpoints = (
            next((each[key].strip("'\"") for key in keys if key in each), "")
            for keys in (STORAGE_KEYS, CHECKPOINT_KEYS)
        )
        if each["kind"] == JOB_MANAGER and storage not in ("", storage_dir):
            problems.append(
                f"{host}: runs with flink_ha_storage_dir {storage}, and is to have {storage_dir}, where the jars of its jobs are not: no "
                f"JobManager could take them over. {way}"
            )
        elif each["kind"] == TASK_MANAGER and checkpoints and not _writable(checkpoint_dir, [storage, checkpoints]):
            problems.append(
                f"{host}: runs with flink_ha_checkpoint_dir {checkpoints}, and is to have {checkpoint_dir}, where a TaskManager that was "
                f"not restarted yet may not write. {way}"
            )
    return list(dict.fromkeys(problems))


def _writable(uri: str, allowed: Iterable[str]) -> bool:
    """Whether a unit that may write to the local paths of some URIs may write there; of other file systems it has no say."""
    path = storage_path(uri)
    return not path or any(f"{path}/".startswith(f"{other.rstrip('/')}/") for other in local_paths(allowed))


def _server_names(quorum: str) -> set[str]:
    return {server.strip().rpartition(":")[0].lower() for server in quorum.split(",")}


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
        if before not in ("", wanted):
            problems.append(
                f"{host}: {service['unit']} runs with {MAIN_KEY[service['kind']]} {before}, and is to have {wanted} "
                f"({PORTS[service['kind']][field]}). This port is not changed on a process that runs: put it back, run "
                "playbooks/stop.yml -e stop_cluster=true, change it, and run playbooks/site.yml."
            )
    return problems


def owner_problems(
    host: str, found: Sequence[Mapping[str, str]], wanted: Mapping[str, Any], serving: bool
) -> list[str]:
    """Refuses to become somebody else in a way that leaves processes without the nodes of the others.

    While Flink is rolled, processes of both identities make nodes that belong to them alone, and have to read each
    other's at once: what a JobManager cannot read when it takes over, it takes for lost. No ACL that was written before
    covers nodes that are made afterwards; that both are super users meanwhile does.

    Args:
        found: what `settings` gave for each service that was installed before.
        wanted: principal (empty for an anonymous client), acl (open or creator), keytab (its path), switching
            (flink_ha_switching_principals), closable (whether this toolkit rewrites ACLs in this ensemble), unguarded (whether
            the ensemble looks at no ACL).
        serving: whether a process of the cluster runs.
    """
    principal = wanted["principal"]
    problems = []
    for each in found:
        before, closed = each.get("principal", ""), "creator" in (each.get("acl"), wanted["acl"])
        if before == principal:
            continue
        told = f"{host}: runs as {before}"
        if not before:
            if serving and wanted["acl"] == "creator":
                problems.append(
                    f"{host}: Flink runs without authentication, and flink_ha_zookeeper_acl is creator. Who is switched first would "
                    "close its nodes to the others, which are switched after it. Set flink_ha_zookeeper_acl: open first, run, and "
                    "creator then."
                )
        elif closed and not principal:
            if wanted["unguarded"] and not serving:
                continue
            problems.append(
                f"{told}, to whom alone the cluster's nodes in ZooKeeper belong; an anonymous client could not read the nodes, and no "
                "JobManager would find its jobs. Keep flink_ha_zookeeper_auth: kerberos, set flink_ha_zookeeper_acl: open, and run "
                "playbooks/site.yml first, which opens them."
            )
        elif closed and not wanted["closable"]:
            problems.append(
                f"{told}, to whom alone the cluster's nodes in ZooKeeper belong; {principal} could not read the nodes, and this "
                f"toolkit is no super user of that ensemble. Keep flink_ha_principal: {before}."
            )
        elif closed and serving and not {before, principal} <= set(wanted["switching"]):
            problems.append(
                f"{told}, to whom alone the cluster's nodes in ZooKeeper belong; {principal} could not read the nodes, and no "
                f"JobManager would find its jobs. Set flink_ha_switching_principals: [{before}, {principal}] until the switch is "
                'done, and run playbooks/site.yml (docs/operations.md, "Another identity for Flink").'
            )
        elif serving and each.get("keytab") == wanted["keytab"]:
            problems.append(
                f"{told} with the key in {each['keytab']}, which a process that is started again needs until the switch is done. "
                f"Give {principal} a place of its own: flink_ha_keytab."
            )
    return list(dict.fromkeys(problems))


def acl_entries(path_root: str, cluster_id: str, owners: Sequence[str]) -> list[dict[str, Any]]:
    """The cluster's nodes as the module znode_acl takes them.

    What is above the cluster's own node is nobody's, so that clusters of several identities stand beside each other and
    none deletes another's; the cluster's own node is there before Flink, which needs no right above it.

    Args:
        path_root: flink_ha_zookeeper_path_root.
        cluster_id: flink_ha_cluster_id.
        owners: SASL ids to whom the nodes belong; none for anyone.
    """
    root = [part for part in path_root.split("/") if part]
    parts = root + [part for part in cluster_id.split("/") if part]
    own = {
        "path": "/" + "/".join(parts),
        "below": True,
        "acl": _grants(owners) if owners else [_grant("world", "anyone")],
    }
    if not owners:
        return [own]
    above = ["/" + "/".join(parts[:count]) for count in range(max(len(root), 1), len(parts))]
    return [{"path": path, "acl": [_grant("world", "anyone", "r")]} for path in above] + [own]


def acl_problems(declared: Iterable[str], entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Refuses an ACL for a node that has one from here: each run would undo the other's.

    Args:
        declared: paths of zookeeper_acls.
        entries: what `acl_entries` gave; the last one is the cluster's own.
    """
    own = entries[-1]["path"]
    taken = {entry["path"] for entry in entries}
    return [
        f"zookeeper_acls names {path}, which is of the Flink cluster under {own} and gets its ACL by flink_ha_zookeeper_acl. Take it off "
        "zookeeper_acls."
        for path in sorted(declared)
        if path in taken or path.startswith(f"{own}/")
    ]


def _grants(owners: Sequence[str]) -> list[dict[str, str]]:
    return [_grant("sasl", owner) for owner in sorted(set(owners))]


def _grant(scheme: str, identity: str, perms: str = "cdrwa") -> dict[str, str]:
    return {"scheme": scheme, "id": identity, "perms": perms}


def _identity_problems(given: Mapping[str, Any]) -> list[str]:
    problems = []
    cluster_id, root, quorum = (
        str(given[name]) for name in ("flink_ha_cluster_id", "flink_ha_zookeeper_path_root", "quorum")
    )
    if not cluster_id:
        problems.append(
            "flink_ha_cluster_id is missing. Give every Flink cluster its own, such as /orders: two clusters with one id "
            "take each other's jobs."
        )
    elif not CLUSTER_ID.match(cluster_id) or {".", ".."} & set(cluster_id.split("/")):
        problems.append(
            f"flink_ha_cluster_id is {cluster_id!r}. It is a path in ZooKeeper: letters, digits, dots, dashes and "
            "underscores between slashes, such as /orders."
        )
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
                f"flink_ha_zookeeper_quorum has {server!r}, which is no host:port. A path in ZooKeeper belongs into "
                "flink_ha_zookeeper_path_root."
            )
    return problems


def _limit_problems(given: Mapping[str, Any]) -> list[str]:
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
    """Why this host is refused by what was read on it; empty when it is not. For an inventory without `flink_problems`.

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


def any_service(hostvars: HostVars, hosts: Iterable[str], field: str) -> bool:
    """Whether a field of any service is true on any of the hosts, by the plans that their preflight left.

    A host that this run does not see counts as one where it is not.
    """
    return any(service[field] for host in hosts for service in hostvars[host].get("__flink_ha_plan", []))
