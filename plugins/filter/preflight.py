"""Filters of the preflight; the logic stands in module_utils/host/preflight.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import preflight
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs, refusals


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "java_plan": preflight.java_plan,
            "platform_name": preflight.platform_name,
            "unread_problems": preflight.unread_problems,
            "space_problems": preflight.space_problems,
            "host_names": preflight.host_names,
            "unreached_problems": preflight.unreached_problems,
            "unknown_variables": preflight.unknown_variables,
            "input_names": inputs.names,
            "open_files": preflight.open_files,
            "refusals": refusals.refusals,
            "release_in": preflight.release_in,
        }
