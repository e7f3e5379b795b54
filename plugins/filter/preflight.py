"""Filters of the preflight; the logic stands in module_utils/host/preflight.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.streamquorum.ha.plugins.module_utils.host import preflight


def input_names(specification: str) -> list[str]:
    """Names of a role's inputs, from the text of its argument_specs. Not by from_yaml, which keeps the place of each value."""
    return list(next(iter(yaml_load(specification)["argument_specs"].values()))["options"])


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "release_problems": preflight.release_problems,
            "java_plan": preflight.java_plan,
            "java_problems": preflight.java_problems,
            "platform_name": preflight.platform_name,
            "name_problems": preflight.name_problems,
            "unread_problems": preflight.unread_problems,
            "port_problems": preflight.port_problems,
            "occupied_problems": preflight.occupied_problems,
            "limit_problems": preflight.limit_problems,
            "upgrade_problems": preflight.upgrade_problems,
            "space_problems": preflight.space_problems,
            "host_names": preflight.host_names,
            "unreached_problems": preflight.unreached_problems,
            "unknown_variables": preflight.unknown_variables,
            "input_names": input_names,
            "open_files": preflight.open_files,
            "release_in": preflight.release_in,
        }
