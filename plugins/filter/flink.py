"""Filters of the flink_ha role; the logic stands in module_utils/flink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink import services


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"flink_workers": services.workers}
