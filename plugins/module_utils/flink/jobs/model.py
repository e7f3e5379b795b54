"""What is known of a cluster and its jobs after one look."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.rest import (
    Overview,
)

RUNNING = "RUNNING"
FAILED = "FAILED"


#: JobStatus.isGloballyTerminalState
ENDED = frozenset({"FINISHED", "CANCELED", FAILED})
NONE = "none"
FIXED_DELAY = "fixed-delay"
FAILURE_RATE = "failure-rate"
EXPONENTIAL_DELAY = "exponential-delay"
CLUSTER_DEFAULT = "cluster-default"
UNSET = "unset"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class TaskManager:
    """One registered TaskManager.

    Attributes:
        id: its resource id; a new one with each start, unless `taskmanager.resource-id` is set.
        host: host of its RPC address.
        port: port of it.
        slots: its slots.
        free_slots: those that no job has.
    """

    id: str
    host: str
    port: int
    slots: int
    free_slots: int


@dataclass(frozen=True)
class Strategy:
    """A restart strategy.

    Attributes:
        kind: `none`, `fixed-delay`, `failure-rate`, `exponential-delay`, `cluster-default` (of a job), `unset` (of a
            cluster: a job that checkpoints restarts without limit, another never), or `unknown`.
        attempts: restarts that it allows at most; None for no limit.
        delay_ms: least time before a restart, in milliseconds; None where it is not told.
        failures: of failure-rate: the restarts within `interval_ms`; None for the others.
        interval_ms: of failure-rate; None for the others.
        text: the words that this was read from.
        certain: False where the release may hide the job's own strategy behind these words.
    """

    kind: str
    attempts: int | None = None
    delay_ms: int | None = None
    failures: int | None = None
    interval_ms: int | None = None
    text: str = ""
    certain: bool = True


@dataclass(frozen=True)
class Job:
    """One job that has not ended. See RETURN of the module flink_job_info."""

    id: str
    name: str
    state: str
    running: bool
    tasks_by_state: dict[str, int]
    parts: int
    restarts: int | None
    restarted_at: int
    checkpointing: bool
    completed_checkpoints: int
    latest_checkpoint_id: int | None
    latest_checkpoint_at: int
    restored_checkpoint_id: int | None
    restart_strategy: Strategy
    checkpoint_interval_ms: int | None = None
    failed_checkpoint_at: int = 0


@dataclass(frozen=True)
class UnreadJob:
    """One job that is listed and could not be read; `why` in words, to follow the JobManager's address."""

    id: str
    name: str
    state: str
    why: str


@dataclass(frozen=True)
class EndedJob:
    """One job that is finished, cancelled or failed for good; `ended_at` in milliseconds of the leader's clock."""

    id: str
    name: str
    state: str
    ended_at: int


@dataclass(frozen=True)
class JobManagerState:
    """What one JobManager says of itself; None where it does not answer."""

    address: str
    rest_port: int
    reachable: bool = False
    tolerates_suspended_connections: bool | None = None
    restart_strategy: Strategy | None = None
    detail: str = ""


@dataclass(frozen=True)
class Cluster:
    """What the cluster's dispatcher says, asked through one JobManager."""

    overview: Overview
    task_managers: tuple[TaskManager, ...] = ()
    jobs: tuple[Job, ...] = ()
    ended: tuple[EndedJob, ...] = ()
    clock_ms: int = 0
    unread: tuple[UnreadJob, ...] = ()


@dataclass(frozen=True)
class Reading:
    """One look at everything.

    Attributes:
        cluster: None where no JobManager tells it.
        reasons: why there is none, and what is worth knowing beside one.
        base: host and REST port of the JobManager that told it; empty for none.
    """

    job_managers: tuple[JobManagerState, ...]
    cluster: Cluster | None = None
    reasons: tuple[str, ...] = ()
    base: str = ""

    @property
    def complete(self) -> bool:
        """All of the cluster was read, and every job that is listed."""
        return self.cluster is not None and not self.cluster.unread

    def as_dict(self) -> dict[str, Any]:
        """As the module returns it."""
        cluster = self.cluster
        return {
            "reachable": cluster is not None,
            "complete": self.complete,
            "flink_version": cluster.overview.flink_version if cluster else "",
            "clock_ms": cluster.clock_ms if cluster else 0,
            "slots_total": cluster.overview.slots_total if cluster else 0,
            "slots_available": cluster.overview.slots_available if cluster else 0,
            "task_managers": [asdict(each) for each in cluster.task_managers] if cluster else [],
            "jobs": [asdict(each) for each in cluster.jobs] if cluster else [],
            "unread_jobs": [asdict(each) for each in cluster.unread] if cluster else [],
            "ended_jobs": [asdict(each) for each in cluster.ended] if cluster else [],
            "job_managers": [asdict(each) for each in self.job_managers],
            "reasons": list(self.reasons),
        }
