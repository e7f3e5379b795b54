"""Filters of the preflight; the logic stands in module_utils/host/preflight.py and plugin_utils."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import preflight
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import zookeeper_members
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs

HostVars = Mapping[str, Mapping[str, Any]]


def unknown_variables(hostvars: HostVars, specifications: Sequence[str], switches: Sequence[str]) -> list[str]:
    """`preflight.unknown_variables`, with the inputs from the texts of the roles' argument_specs."""
    known = [name for text in specifications for name in inputs.names(text)]
    return preflight.unknown_variables(hostvars, known, switches)


def unreached_problems(
    hostvars: HostVars, groups: Mapping[str, Sequence[str]], accepted: Sequence[str], unreached: Sequence[str]
) -> list[str]:
    """`preflight.unreached_problems`, with the members of the inventory."""
    return preflight.unreached_problems(
        groups, accepted, unreached, zookeeper_members(hostvars, groups.get("zookeeper", ()))
    )


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "host_names": preflight.host_names,
            "unreached_problems": unreached_problems,
            "unknown_variables": unknown_variables,
        }
