"""The services of Flink's hosts as the inventory has them: names, ports, generations, and what is to be done with them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core import generation
from ansible_collections.streamquorum.ha.plugins.module_utils.core.members import describe, restart_file
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.endpoints import endpoint

Service = Mapping[str, Any]
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
#: By which a process of a session cluster is known, whoever started it (bin/jobmanager.sh and bin/taskmanager.sh since 1.5). An application
#: cluster has another one: it is not what the role sets up.
MAIN_CLASS = {
    JOB_MANAGER: "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    TASK_MANAGER: "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
}


#: Between the ports of two JobManagers on one host, where an instance names none of its own.
PORT_STEP = 10


#: So many instances of an earlier inventory are looked for.
MOST_INSTANCES = 8
ZOOKEEPER_PORTS = ("zookeeper_client_port", "zookeeper_quorum_port", "zookeeper_election_port", "zookeeper_admin_port")


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


def workers(hostvars: HostVars, hosts: Iterable[str]) -> list[str]:
    """Addresses of the TaskManagers, sorted, from the inventory only; that of a host with several stands there as often."""
    return sorted(
        hostvars[host].get("flink_ha_address", host)
        for host in hosts
        for _instance in hostvars[host].get("flink_ha_taskmanager_instances") or [{}]
    )


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


def plan(services: Iterable[Service], state: Mapping[str, Any], config_dir: str) -> list[Service]:
    """The services, each with what is to be done with it.

    Adds running (digest of the generation that its process was started with), current and previous (of the links),
    live, restart_needed and start. A live process, one that listens, is never restarted here, whatever port it has. One that ends
    again and again is not live: mending it costs nothing.
    """
    result: list[Service] = []
    for service in services:
        unit = state["units"][service["unit"]]
        live = unit["active"] and any(entry["unit"] == service["unit"] for entry in state["listening"])
        runs_it = unit["active"] and unit["generation"] == service["digest"]
        result.append(
            {
                **service,
                **generation.generation_links(state, f"{config_dir}/{service['name']}"),
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
        member = {
            "name": host if alone else f"{host} ({service['name']})",
            "host": host,
            "kind": service["kind"],
            "id": place + 1,
            "votes": True,
            "unit": service["unit"],
            "root": service["root"],
            "ports": ports,
            "address": service["address"],
            "desired": service["digest"],
            "live": service["live"],
            "timeout": timeout,
            "known_as": _known_as(service, state),
        }
        asked = state["contents"][restart_file(service["unit"])]
        found.append(describe(member, state["units"][service["unit"]], asked))
    return found


def _known_as(service: Service, state: Mapping[str, Any]) -> list[str]:
    """Where a TaskManager that somebody else set up may be registered: by default it takes any port, and gives its address for its name."""
    if service["kind"] != TASK_MANAGER or not service["live"] or state["units"][service["unit"]]["generation"]:
        return []
    address = str(service["address"])
    names = dict.fromkeys([address, address.partition(".")[0], *state["resolved"].get(address, [])])
    ports = sorted({each["port"] for each in state["listening"] if each["unit"] == service["unit"]})
    return [endpoint(name.lower(), port) for name in names for port in ports]


def _number(name: str) -> int:
    """Which of its kind a service of a host is, by its name; 1 for the only one."""
    return int(name.partition("@")[2] or 1)


def entries(services: Iterable[Service], group: str) -> list[dict[str, Any]]:
    """Entries for `host_files`: generations staged; switched to where nothing else runs; the stale ones removed.

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
