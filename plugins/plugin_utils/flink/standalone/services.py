"""The services of a host of a standalone cluster: which there are, and what is to be done with them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.generation import generation_links
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import services as rules
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.services import (
    JOB_MANAGER,
    MAIN_CLASS,
    MAIN_PORT,
    PORTS,
    TASK_MANAGER,
    Service,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.host.standing import changes
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import Cluster
from ansible_collections.streamquorum.ha.plugins.plugin_utils.generation import Generation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState

#: What Flink's configuration was read from, of each release: what runs may have the other one than what is desired.
CONFIG_FILES = ("config.yaml", "flink-conf.yaml")
#: The same of what somebody else set up: where both are there, Flink 1.19 and 1.20 read the old one, and later ones never.
FOREIGN_FILES = {"flink-conf.yaml": r"/flink-dist-[2-9]\.", "config.yaml": ""}


def of_host(inputs: Inputs, cluster: Cluster) -> list[Service]:
    """The services that a host is to have."""
    address = inputs.given["flink_ha_address"]
    found: list[Service] = []
    if inputs.host in cluster.job_manager_hosts:
        found += rules.job_manager_services(address, inputs.jobmanager_instances, _ports(inputs, JOB_MANAGER))
    if inputs.host in cluster.task_manager_hosts:
        found += rules.task_manager_services(address, inputs.taskmanager_instances, _ports(inputs, TASK_MANAGER))
    return found


def _ports(inputs: Inputs, kind: str) -> dict[str, Any]:
    return {field: inputs.given[variable] for field, variable in PORTS[kind].items()}


def root(inputs: Inputs, service: Service) -> str:
    """Directory of a service's generations."""
    return f"{inputs.config_dir}/{service['name']}"


def processes(services: Sequence[Service]) -> list[dict[str, Any]]:
    """How the process of each service is known where it has no unit: arguments of the module `service_adoption`."""
    return [
        {
            "unit": service["unit"],
            "main_classes": [MAIN_CLASS[service["kind"]]],
            "ports": _known_ports(service, services),
            "other_units": [unit for unit in rules.possible_units(services) if unit != service["unit"]],
        }
        for service in services
    ]


def _known_ports(service: Service, services: Sequence[Service]) -> list[int]:
    alike = [each for each in services if each["kind"] == service["kind"]]
    port = str(service[MAIN_PORT[service["kind"]]])
    # A TaskManager that somebody else set up listens on whatever port: one alone is known without.
    return [int(port)] if port.isdigit() and (len(alike) > 1 or service["kind"] == JOB_MANAGER) else []


def configs(inputs: Inputs, services: Sequence[Service]) -> list[str]:
    """Paths of the configurations that services may run with."""
    return [f"{root(inputs, service)}/current/{name}" for service in services for name in CONFIG_FILES]


def planned(
    inputs: Inputs, services: Sequence[Service], generations: Sequence[Generation], host: HostState
) -> list[Service]:
    """The services, each with its generation and with what is to be done with it (`services.plan` in module_utils/flink)."""
    desired = [
        {**service, "generation": generation.content, "digest": generation.digest}
        for service, generation in zip(services, generations, strict=True)
    ]
    return rules.plan(desired, host.answer, inputs.config_dir)


def members(
    inputs: Inputs, cluster: Cluster, services: Sequence[Service], host: HostState, key: str
) -> list[dict[str, Any]]:
    """Services that were `planned`, as the role `rolling` takes them."""
    found = rules.members(
        services, inputs.host, cluster.job_managers, cluster.workers, host.answer, inputs.start_timeout
    )
    return [
        {**member, "differs": _differs(service, host, key)} for member, service in zip(found, services, strict=True)
    ]


def _differs(service: Service, host: HostState, key: str) -> list[str]:
    """What of the generation that runs is another than in the one that is desired; empty where that is not known."""
    running = host.units[service["unit"]]["generation"]
    if not running or running != generation_links(host.answer, service["root"])["current"]:
        return []
    return changes(service["generation"]["files"], f"{service['root']}/generations/{running}", host.standing, key)
