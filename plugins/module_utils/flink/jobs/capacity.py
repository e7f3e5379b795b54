"""Slots of the TaskManagers: what one has in use, and what the others have free. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.endpoints import endpoint


def _is(task_manager: Mapping[str, Any], name: str) -> bool:
    host = str(task_manager["host"]).lower()
    return name == task_manager["id"] or name.lower() in (host, endpoint(host, task_manager["port"]))


def free_elsewhere(task_managers: Iterable[Mapping[str, Any]], name: str) -> int:
    """Free slots on other TaskManagers than this one (id, `host:port`, or host for all of a host)."""
    return sum(each["free_slots"] for each in task_managers if not _is(each, name))


def needed(task_managers: Iterable[Mapping[str, Any]], name: str) -> int:
    """Slots in use on this one: what the others must have free for its tasks. 0 where it is not registered."""
    return sum(each["slots"] - each["free_slots"] for each in task_managers if _is(each, name))
