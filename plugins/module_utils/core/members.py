"""Groups of the inventory, and a member of one that is rolled, as its role describes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Those whose hosts have a part of Flink: services, or what starts an application on YARN.
FLINK_GROUPS = ("flink_jobmanager", "flink_taskmanager", "flink_client")


def describe(service: Mapping[str, Any], unit: Mapping[str, Any], asked: str) -> dict[str, Any]:
    """A member for the roll, from what a role knows of its service and its unit.

    Args:
        service: name, host, kind, id, votes, unit, root, ports, address, desired, differs and live.
        unit: as `host_state` returns it.
        asked: content of the file that asks for a restart of one process.
    """
    return {
        **service,
        "running": unit["generation"] if service["live"] else "",
        "process": unit["process"] if service["live"] else "",
        "restart_asked": asked.strip(),
    }


def restart_file(unit: str) -> str:
    """Where the operator's request to restart a unit's process is noted: it ends with that process, or with the host's boot."""
    return f"/run/streamquorum/{unit}.restart"
