"""Filters of the preflight; the logic stands in module_utils/host/preflight.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import preflight
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs, refusals


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "host_names": preflight.host_names,
            "unreached_problems": preflight.unreached_problems,
            "unknown_variables": preflight.unknown_variables,
            "input_names": inputs.names,
            "refusals": refusals.refusals,
        }
