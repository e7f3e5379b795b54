"""What a roll must know of Flink's jobs, and asks of them: before a step, after it, and in the plan. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.checkpoints import TRIGGER_FROM_MS, triggers
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.strategies import (
    absorbs,
    cluster_default,
    spacing_ms,
)

Reply = Mapping[str, Any]


def _name(job: Mapping[str, Any]) -> str:
    return f"job {job['id']} ({job['name']})"


def costs(flink: Reply) -> str:
    """What speaks against a restart of what the jobs run on: jobs that nothing is known of, or that begin anew."""
    if not flink["complete"]:
        return (
            f"its jobs could not all be read ({'; '.join(flink['reasons'])}), so whether one would start from its beginning "
            "is not known"
        )
    names = [f"{job['id']} ({job['name']})" for job in flink["jobs"] if not job["checkpointing"]]
    return f"without checkpoints these jobs start from their beginning: {', '.join(names)}" if names else ""


def proven(job: Mapping[str, Any]) -> bool:
    """It runs, and has completed a checkpoint since it last restarted, and none has failed after it."""
    since = max(job["restarted_at"], job["failed_checkpoint_at"])
    return bool(job["running"] and job["checkpointing"] and job["latest_checkpoint_at"] > since)


def steady(job: Mapping[str, Any]) -> bool:
    """It runs, and not only between two failures: one that checkpoints has completed one since it last restarted."""
    restarted = job["checkpointing"] and 0 < job["restarted_at"] >= job["latest_checkpoint_at"]
    return bool(job["running"]) and not restarted


def asked_jobs(flink: Reply, run: Mapping[str, Any]) -> dict[str, list[str]]:
    """What is asked of jobs after the next step: of what did not run before it, nothing.

    Args:
        flink: reply of `flink_job_info` before the step.
        run: `ran`, the ids of those that an earlier step of this run was asked for.
    """
    ended = {job["id"] for job in flink["ended_jobs"]}
    ran = {job["id"] for job in flink["jobs"] if steady(job)} | (set(run["ran"]) - ended)
    return {"ran": sorted(ran), "proven": sorted(job["id"] for job in flink["jobs"] if proven(job))}


def jobs_left(ran: Sequence[str], reply: Mapping[str, Any]) -> list[str]:
    """Of the jobs that ran, those that run now: what an accepted loss leaves to be asked for.

    Args:
        ran: ids.
        reply: of the wait that failed; without jobs in it, all stay.
    """
    if not reply.get("complete"):
        return list(ran)
    running = {job["id"] for job in reply["jobs"] if job["running"]}
    return [each for each in ran if each in running]


def _interval_s(flink: Reply, ids: Collection[str]) -> int:
    """The longest interval of checkpoints of these jobs, in whole seconds."""
    intervals = [job["checkpoint_interval_ms"] or 0 for job in flink["jobs"] if job["id"] in ids]
    return math.ceil(max(intervals, default=0) / 1000)


def checkpoint_wait(flink: Reply, ids: Collection[str], run: Mapping[str, Any]) -> int:
    """Seconds that a checkpoint of each of these jobs is waited for: their interval, up to what the operator allows.

    Args:
        flink: reply of `flink_job_info`.
        ids: of the jobs.
        run: `start_timeout` (seconds in which all must serve) and `checkpoint_wait` (seconds more, at most).
    """
    return int(run["start_timeout"]) + min(int(run["checkpoint_wait"]), _interval_s(flink, ids))


def lease_blockers(flink: Reply, run: Mapping[str, Any]) -> list[str]:
    asked = asked_jobs(flink, run)["proven"]
    wait = checkpoint_wait(flink, asked, run)
    if wait < run["lease_seconds"] or _interval_s(flink, asked) * 1000 <= TRIGGER_FROM_MS:
        return []
    return [
        f"a step can wait {wait} s for a checkpoint, and rolling_lease_seconds holds the lock for {run['lease_seconds']} s: "
        "raise it, or lower rolling_checkpoint_wait"
    ]


def job_lines(kind: str, flink: Reply, run: Mapping[str, Any], allowed: Mapping[str, Any]) -> list[str]:
    """What the plan says of the jobs: what is not asked of them, and how long a step can take with them."""
    told = [f"{_name(job)} could not be read: {job['why']}" for job in flink["unread_jobs"]]
    for job in flink["jobs"]:
        interval = _interval_s(flink, [job["id"]])
        if not steady(job):
            lately = ", and has completed no checkpoint since it last restarted" if job["running"] else ""
            told.append(f"{_name(job)} is {job['state']}{lately}: it is not asked to run after a step")
        elif job["checkpointing"] and not proven(job):
            told.append(
                f"{_name(job)} has completed no checkpoint yet, or the last one failed: after a step it is asked to run, "
                "and for no checkpoint"
            )
        elif interval * 1000 > TRIGGER_FROM_MS:
            how = "is asked for one after a step" if triggers(flink["flink_version"]) else "its next one is waited for"
            wait = checkpoint_wait(flink, [job["id"]], run)
            told.append(f"{_name(job)} checkpoints every {interval} s: {how}, which can take {wait} s")
            if interval > run["checkpoint_wait"] and not triggers(flink["flink_version"]):
                told.append(f"{_name(job)}: that is too short for it, so set rolling_checkpoint_wait to {interval}")
    if kind == "taskmanager":
        told += _budget_lines(flink, allowed)
    return told


def _budget_lines(flink: Reply, allowed: Mapping[str, Any]) -> list[str]:
    default = cluster_default(flink["job_managers"])
    spaced = {_name(job): spacing_ms(job, default) for job in flink["jobs"] if job["running"]}
    if allowed["accept_restart_budget"]:
        return ["restart strategies are not looked at (rolling_accept_restart_budget): a job can end for good"]
    return [
        f"{name} has a failure rate: {ms / 1000:.0f} s pass between two of its restarts"
        for name, ms in spaced.items()
        if ms
    ]


def budget_blockers(flink: Reply, steps: int, run: Mapping[str, Any]) -> list[str]:
    if steps == 0:
        return []
    default = cluster_default(flink["job_managers"])
    found = []
    for job in flink["jobs"]:
        # One that does not run has nothing to lose by a step, and may need it.
        if not job["running"]:
            continue
        spacing = spacing_ms(job, default)
        why = absorbs(job, default, steps, spacing)
        if not why and steps > 1 and spacing > (run["lease_seconds"] - 60) * 1000:
            why = (
                f"{_name(job)} has a failure rate that asks for {spacing / 1000:.0f} s between two steps, and "
                f"rolling_lease_seconds holds the lock for {run['lease_seconds']} s: raise it"
            )
        if why:
            found.append(f"{why}. Where the job may end for good: rolling_accept_restart_budget=true")
    return found


def calm_needed(flink: Reply) -> dict[str, int]:
    """By id of each job that restarted too short a time ago for its failure rate: milliseconds that must pass."""
    default = cluster_default(flink["job_managers"])
    spaced = {job["id"]: spacing_ms(job, default) for job in flink["jobs"] if job["running"]}
    return {
        job["id"]: spaced[job["id"]]
        for job in flink["jobs"]
        if spaced.get(job["id"]) and job["restarted_at"] + spaced[job["id"]] > flink["clock_ms"]
    }


def flink_disruptions(before: Mapping[str, Sequence[Reply]], now: Mapping[str, Sequence[Reply]]) -> list[str]:
    """What a step in the ensemble did to Flink, which should not have noticed: another leadership, restarted or lost jobs.

    Args:
        before: leaders (replies of `leader_znode`) and jobs (replies of `flink_job_info`) before the step, one of each cluster, in
            the same order.
        now: the same, after it.
    """
    replies = zip(before["leaders"], before["jobs"], now["leaders"], now["jobs"], strict=True)
    return [told for each in replies for told in _disruptions(*each)]


def _disruptions(leader_before: Reply, before: Reply, leader_now: Reply, now: Reply) -> list[str]:
    told = []
    was, is_ = leader_before["leader"]["session_id"], leader_now["leader"]["session_id"]
    if was != is_:
        told.append(f"Flink's leader session was {was or 'none'} and is {is_ or 'none'}")
    if not now["complete"]:
        told.append(f"Flink's jobs could not all be read: {'; '.join(now['reasons'])}")
    present = {job["id"]: job for job in now["jobs"]}
    ended = {job["id"]: job for job in now["ended_jobs"]}
    for job in before["jobs"]:
        name, found = f"job {job['id']} ({job['name']})", present.get(job["id"])
        if found is None:
            # What was not read is not gone.
            if now["complete"] and ended.get(job["id"], {}).get("state") != "FINISHED":
                told.append(f"{name} is gone, or {ended.get(job['id'], {}).get('state', 'not listed')}")
        elif found["restarted_at"] != job["restarted_at"] or _more(job["restarts"], found["restarts"]):
            told.append(f"{name} was restarted")
    return told


def _more(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now > before


def without_suspend_tolerance(replies: Sequence[Reply]) -> list[str]:
    """Flink processes that run without tolerate-suspended-connections: a step in the ensemble restarts their jobs.

    Args:
        replies: of `flink_job_info`, each with its cluster as `item`, which says by host whether what runs there has it on.
    """
    managers = [
        f"JobManager {manager['address']}:{manager['rest_port']}"
        for reply in replies
        for manager in reply["job_managers"]
        if manager["reachable"] and not manager["tolerates_suspended_connections"]
    ]
    hosts = [host for reply in replies for host, tolerates in reply["item"]["tolerates"].items() if not tolerates]
    return managers + [f"Flink on {host}" for host in hosts]
