"""Filters on what a JVM writes by itself; the logic stands in module_utils/host/java_logs.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import java_logs


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"java_log_options": java_logs.options, "java_log_problems": java_logs.directory_problems}
