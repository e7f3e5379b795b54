"""Filters of the rolling role; the logic stands in module_utils/rolling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core import members
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import diagnostics, groups, jobs, lease


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "checkpoint_wait": jobs.checkpoint_wait,
            "client_endpoint": groups.client_endpoint,
            "flink_without_suspend_tolerance": jobs.without_suspend_tolerance,
            "flink_disruptions": jobs.flink_disruptions,
            "journal_file": diagnostics.journal_file,
            "journal_tail": diagnostics.journal_tail,
            "jobs_left": jobs.jobs_left,
            "job_managers_serve": groups.managers_serve,
            "lease_asked_first": lease.asked_first,
            "lease_granted_on": lease.granted_on,
            "lease_refusal": lease.refusal,
            "lease_won": lease.won,
            "masked": diagnostics.masked,
            "restart_file": members.restart_file,
            "rolling_after": groups.after,
            "rolling_endpoint": groups.endpoint,
            "rolling_forced": groups.forced,
            "rolling_pending": groups.pending,
            "rolling_plan": groups.plan_lines,
            "rolling_step": groups.step,
            "rolling_unreached": groups.unreached,
            "rolling_title": groups.title,
            "rolling_unserved": groups.unserved,
            "shifted_steps": groups.shifted_steps,
        }
