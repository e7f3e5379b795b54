"""Filters of the rolling role; the logic stands in module_utils/rolling and plugin_utils/rolls.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import diagnostics, groups, jobs, leaders, lease
from ansible_collections.streamquorum.ha.plugins.plugin_utils import rolls


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "diagnostic_files": diagnostics.files,
            "flink_disruptions": jobs.flink_disruptions,
            "flink_without_suspend_tolerance": jobs.without_suspend_tolerance,
            "jobs_left": jobs.jobs_left,
            "journal_tail": diagnostics.journal_tail,
            "lease_refusal": lease.refusal,
            "moved_leaders": leaders.moved,
            "rolling_after": groups.after,
            "rolling_pending": rolls.pending,
            "rolling_title": groups.title,
            "rolling_unserved": groups.unserved,
        }
