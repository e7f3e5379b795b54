"""What the flink_ha role derives from the inventory: instances, JobManagers, ports, refusals. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Ports that an instance of a JobManager may set for itself; the others are the host's.
INSTANCE_PORTS = ("rest_port", "rpc_port", "blob_port", "metrics_port")
#: Schemes whose file systems every host sees by itself; file:// has to be mounted on all of them.
SHARED_SCHEMES = ("hdfs", "s3", "s3a", "s3p", "gs", "abfs", "abfss", "wasb", "wasbs", "oss", "viewfs", "o3fs")
CLUSTER_ID = re.compile(r"^/?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")


def job_manager_instances(given: Sequence[Mapping[str, Any]], ports: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Instances of the JobManager on one host: {name, kind, rest_port, rpc_port, blob_port, metrics_port}.

    One is the unit `flink-jobmanager`, several are `flink-jobmanager@1`, `@2`, … in the order given.
    """
    several = len(given) > 1
    return [
        {"name": f"flink-jobmanager@{number}" if several else "flink-jobmanager", "kind": "jobmanager"}
        | {port: instance.get(port, ports[port]) for port in INSTANCE_PORTS}
        for number, instance in enumerate(given or [{}], start=1)
    ]


def flink_instances(
    host: str,
    groups: Mapping[str, Sequence[str]],
    given: Sequence[Mapping[str, Any]],
    ports: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """What runs on a host, by the groups that it is in."""
    found = job_manager_instances(given, ports) if host in groups.get("flink_jobmanager", []) else []
    if host in groups.get("flink_taskmanager", []):
        found.append({"name": "flink-taskmanager", "kind": "taskmanager"})
    return found


def flink_job_managers(
    hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], ports: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Every JobManager as `leader_znode` takes them, in the inventory's order."""
    return [
        {"address": flink_address(hostvars, host), "rest_port": int(instance["rest_port"]), "name": host}
        for host in hosts
        for instance in job_manager_instances(hostvars[host].get("flink_ha_jobmanager_instances", []), ports)
    ]


def flink_address(hostvars: Mapping[str, Mapping[str, Any]], host: str) -> str:
    """Name under which the others reach a host, from the inventory only."""
    return str(hostvars[host].get("flink_ha_address", host))


def flink_addresses(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> list[str]:
    """Names of several hosts, in the inventory's order: what conf/workers lists."""
    return [flink_address(hostvars, host) for host in hosts]


def port_range(value: Any) -> list[int]:
    """The ports of a single port, a range (6123-6125) or a list (6123,6130-6131).

    Raises:
        ValueError: it is none of these.
    """
    found: list[int] = []
    for part in str(value).split(","):
        first, dash, last = part.strip().partition("-")
        found += range(int(first), int(last) + 1) if dash else [int(first)]
    return found


def flink_ports(instances: Sequence[Mapping[str, Any]], task_manager_ports: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every port that a host's Flink listens on: {port, what}. A value that is no port stands as 0, to be refused."""
    found = []
    for instance in instances:
        wanted: Mapping[str, Any] = task_manager_ports
        if instance["kind"] == "jobmanager":
            wanted = {f"{port} of {instance['name']}": instance[port] for port in INSTANCE_PORTS}
        for what, value in wanted.items():
            try:
                found += [{"port": port, "what": what} for port in port_range(value)]
            except ValueError:
                found.append({"port": 0, "what": f"{what} ({value!r})"})
    return found


def storage_scheme(url: str) -> str:
    """Scheme of a storage directory; empty where there is none."""
    scheme, colon, rest = url.partition(":")
    return scheme.lower() if colon and rest.startswith("/") else ""


def storage_path(url: str) -> str:
    """Local path of a file:// directory; empty for every other."""
    return "/" + url.partition(":")[2].lstrip("/") if storage_scheme(url) == "file" else ""


def flink_problems(inputs: Mapping[str, Any], job_managers: Sequence[str], quorum: str) -> list[str]:
    """Why the inventory is refused; empty when it is not.

    Args:
        inputs: cluster_id, storage_dir, storage_shared, uid, gid.
        job_managers: hosts of the group flink_jobmanager.
        quorum: the connection string of the ensemble.
    """
    problems = []
    if not job_managers:
        problems.append("The group flink_jobmanager has no host. Name at least two: one leads, the other takes over.")
    if not quorum:
        problems.append("There is no ensemble: fill the group zookeeper, or set flink_ha_zookeeper_quorum.")
    cluster = str(inputs["cluster_id"])
    if not cluster.strip("/"):
        problems.append(
            "flink_ha_cluster_id is missing. Give this cluster a name of its own, such as /prod: two clusters that share "
            "one resurrect each other's jobs."
        )
    elif not CLUSTER_ID.match(cluster):
        problems.append(f"flink_ha_cluster_id is {cluster!r}; use letters, digits, '.', '_', '-' and '/' between them.")
    return problems + _storage_problems(str(inputs["storage_dir"]), bool(inputs["storage_shared"]))


def _storage_problems(directory: str, shared: bool) -> list[str]:
    scheme = storage_scheme(directory)
    if not directory:
        return [
            "flink_ha_storage_dir is missing. Name a directory that all hosts see, such as file:///mnt/flink or hdfs://…"
        ]
    if scheme == "file" and not shared:
        return [
            f"flink_ha_storage_dir is {directory}, which only one host sees unless it is mounted on all. If it is, say so "
            "with flink_ha_storage_shared: true; it is proved before anything starts."
        ]
    if scheme != "file" and scheme not in SHARED_SCHEMES:
        return [
            f"flink_ha_storage_dir is {directory!r}; it must be a URL with one of the schemes file, "
            f"{', '.join(SHARED_SCHEMES)}."
        ]
    return []


def flink_limit_problems(groups: Mapping[str, Sequence[str]], play_hosts: Sequence[str]) -> list[str]:
    """Refuses a part of the JobManagers; TaskManagers may be limited, for example to add one."""
    managers = groups.get("flink_jobmanager", [])
    missing = sorted(set(managers) - set(play_hosts))
    if not missing or not set(managers) & set(play_hosts):
        return []
    return [
        f"--limit leaves out {', '.join(missing)} of the JobManagers, which are one group: one of them leads. "
        "Run without --limit, or with --limit flink_jobmanager, or limit to TaskManagers."
    ]
