"""Filters of the report and of status; the logic stands in module_utils/rolling/status.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import status


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "leaders": status.leaders,
            "cluster_answers": status.answers,
            "cluster_healthy": status.healthy,
            "cluster_summary": status.summary,
            "status_text": status.status_text,
        }
