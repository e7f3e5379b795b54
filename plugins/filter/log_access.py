"""Filters on who may read the logs; the logic stands in module_utils/host/log_access.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import log_access


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"log_access_rules": log_access.rules, "log_group_problems": log_access.problems}
