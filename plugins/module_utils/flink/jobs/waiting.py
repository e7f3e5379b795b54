"""What is waited for of a cluster and its jobs, and what of it is missing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.endpoints import endpoint
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.model import (
    FAILED,
    EndedJob,
    Job,
    Reading,
    UnreadJob,
)


@dataclass(frozen=True)
class WaitCondition:
    """What to wait for.

    Attributes:
        task_managers: (host, RPC port) of each that must be registered.
        gone: ids of TaskManagers that must not be registered any more.
        jobs: every job runs fully.
        a_job: there is a job that has not ended.
        checkpoints: by job id, the count of completed checkpoints that must be exceeded.
        checkpoint_ids: by job id, the id of the latest checkpoint that must be exceeded.
        checkpoints_since: every job that checkpoints has completed one that was triggered after this, in milliseconds of
            the JobManager's clock; 0 for no such condition.
        restarts: go on reading until the restarts of running jobs are counted; not a condition of its own.
        job_ids: jobs of which each runs fully, or has finished or was cancelled.
        checkpoints_of: ids of the jobs that `checkpoints_since` is about; None for every job.
        calm: by job id, the milliseconds that must have passed since its last restart.
        reading: go on reading until everything was read; not a condition of its own.
    """

    task_managers: tuple[tuple[str, int], ...] = ()
    gone: tuple[str, ...] = ()
    jobs: bool = False
    a_job: bool = False
    checkpoints: Mapping[str, int] = field(default_factory=dict)
    checkpoint_ids: Mapping[str, int] = field(default_factory=dict)
    checkpoints_since: int = 0
    restarts: bool = True
    job_ids: tuple[str, ...] = ()
    checkpoints_of: tuple[str, ...] | None = None
    calm: Mapping[str, int] = field(default_factory=dict)
    reading: bool = False

    @property
    def waits(self) -> bool:
        """There is something to wait for."""
        return bool(
            self.task_managers
            or self.gone
            or self.jobs
            or self.a_job
            or self.checkpoints
            or self.checkpoint_ids
            or self.checkpoints_since
            or self.job_ids
            or self.calm
        )

    def awaits_checkpoint(self, job: Job) -> bool:
        """`checkpoints_since` is about this job, and it has completed none since."""
        return (
            job.checkpointing
            and bool(self.checkpoints_since)
            and (self.checkpoints_of is None or job.id in self.checkpoints_of)
            and job.latest_checkpoint_at <= self.checkpoints_since
        )


def _words(job: Job | EndedJob | UnreadJob) -> str:
    return f"job {job.id} ({job.name})"


def unmet_conditions(reading: Reading, condition: WaitCondition) -> list[str]:
    """What of the condition is missing, in words; empty when nothing is."""
    cluster = reading.cluster
    if not condition.waits:
        return []
    if cluster is None:
        return ["no JobManager answers with all that is asked"]
    missing = [f"{_words(job)} could not be read" for job in cluster.unread if _asked(condition, job.id)]
    registered = {(each.host.lower(), each.port) for each in cluster.task_managers}
    for host, port in condition.task_managers:
        if (host.lower(), port) not in registered:
            missing.append(f"TaskManager {endpoint(host, port)} is not registered")
    for each in cluster.task_managers:
        if each.id in condition.gone:
            missing.append(f"TaskManager {each.id} is still registered")
    if condition.a_job and not cluster.jobs and not cluster.unread:
        missing.append("there is no job")
    for job in cluster.jobs:
        if (condition.jobs or job.id in condition.job_ids) and not job.running:
            tasks = ", ".join(f"{count} {state}" for state, count in job.tasks_by_state.items()) or "none yet"
            missing.append(f"{_words(job)} is {job.state}, its tasks: {tasks}")
        if (span := condition.calm.get(job.id)) is not None and job.restarted_at + span > cluster.clock_ms:
            missing.append(f"{_words(job)} restarted less than {span / 1000:g} s ago")
    # A new leader lists a job only once it has taken it over.
    listed = {job.id for job in cluster.jobs} | {job.id for job in cluster.ended} | {job.id for job in cluster.unread}
    missing += [f"job {each} is not listed" for each in condition.job_ids if each not in listed]
    missing += lost(reading, condition)
    for job in cluster.jobs:
        if (count := condition.checkpoints.get(job.id)) is not None and job.completed_checkpoints <= count:
            missing.append(
                f"{_words(job)} has completed {job.completed_checkpoints} checkpoints, not more than {count}"
            )
        if (last := condition.checkpoint_ids.get(job.id)) is not None and (job.latest_checkpoint_id or 0) <= last:
            missing.append(f"{_words(job)} has no checkpoint newer than {last}")
        if condition.awaits_checkpoint(job):
            missing.append(f"{_words(job)} has completed no checkpoint since {condition.checkpoints_since}")
    return missing


def _asked(condition: WaitCondition, job_id: str) -> bool:
    """Whether the condition is about this job: what was not read of it is missing."""
    return (
        condition.jobs
        or job_id in {*condition.job_ids, *condition.checkpoints, *condition.checkpoint_ids, *condition.calm}
        or bool(
            condition.checkpoints_since and (condition.checkpoints_of is None or job_id in condition.checkpoints_of)
        )
    )


def lost(reading: Reading, condition: WaitCondition) -> list[str]:
    """Jobs of the condition, or ended since its time, that have failed for good: waiting on does not help."""
    if reading.cluster is None:
        return []
    asked = {*condition.checkpoints, *condition.checkpoint_ids, *condition.job_ids, *(condition.checkpoints_of or ())}
    since = condition.checkpoints_since if condition.checkpoints_of is None else 0
    return [
        f"{_words(job)} has FAILED"
        for job in reading.cluster.ended
        if job.state == FAILED and (job.id in asked or 0 < since < job.ended_at)
    ]


def unsettled(reading: Reading) -> bool:
    """A job's count of restarts is not known yet, though it runs."""
    return reading.cluster is not None and any(job.running and job.restarts is None for job in reading.cluster.jobs)
