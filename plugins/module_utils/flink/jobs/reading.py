"""`ClusterReader` looks at a cluster once, through its JobManagers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.endpoints import JobManager
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.bodies import (
    REFRESH_KEY,
    REFRESH_MS,
    Listed,
    T,
    dict_of,
    json_of,
    parse_checkpoints,
    parse_detail,
    parse_interval,
    parse_jobs,
    parse_options,
    parse_restarts,
    parse_task_managers,
    runs,
    shown,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.model import (
    ENDED,
    Cluster,
    EndedJob,
    Job,
    JobManagerState,
    Reading,
    UnreadJob,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.strategies import (
    duration_ms,
    hides_strategies,
    strategy_of_cluster,
    strategy_of_job,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.rest import (
    WITHOUT_LEADER,
    Get,
    parse_overview,
)

#: Seconds for what one JobManager is asked of itself and of the cluster, and for each single question.
DEFAULT_TIMEOUT = 10.0


#: Seconds more for each job, of which six short questions are asked: twice what they took one after another.
SECONDS_A_JOB = 0.3


#: Questions that a JobManager is asked at the same time.
AT_ONCE = 8


#: Option in force since 1.14; before it, every suspended connection costs the leadership.
TOLERATES = "high-availability.zookeeper.client.tolerate-suspended-connections"


class IncompleteError(Exception):
    """A JobManager does not answer with all that is asked; the text says why."""


def within(seconds: float, calls: Sequence[Callable[[], T]], at_once: int | None = None) -> list[T | Exception]:
    """Results of the calls, made at the same time; what a call raises, or TimeoutError, in place of a result.

    A socket's own limit starts anew with each byte and does not cover name resolution: so the threads are given the
    limit too, and are daemons, so that one that hangs does not keep the module from ending.

    Args:
        seconds: for all of them together.
        calls: what is made.
        at_once: how many at most at the same time; None for all.
    """
    results: list[T | Exception] = [TimeoutError(f"no reply within {seconds:g} s") for _each in calls]
    deadline = time.monotonic() + seconds
    left = iter(range(len(calls)))
    guard = threading.Lock()

    def work() -> None:
        while time.monotonic() < deadline:
            with guard:
                index = next(left, None)
            if index is None:
                return
            try:
                results[index] = calls[index]()
            except Exception as error:  # the transport has kinds of its own; the caller tells them from results
                results[index] = error

    count = len(calls) if at_once is None else min(at_once, len(calls))
    threads = [threading.Thread(target=work, daemon=True) for _each in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return list(results)


class ClusterReader:
    """Reads a cluster through its JobManagers.

    Args:
        timeout: seconds for everything that one JobManager is asked.
        get: transport, such as `RestAccess.get`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        timeout: float,
        get: Get,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = timeout
        self._get = get
        self._clock = clock
        #: By job id, what stays as it is: the interval of its checkpoints, and the words of its restart strategy.
        self._constant: dict[str, tuple[int | None, str]] = {}

    def read(self, job_managers: Sequence[JobManager]) -> Reading:
        """One look: every JobManager's own options, and the cluster from the first that answers with all of it.

        Where none does, from the first that answers with the most: what could not be read of it is named.

        Args:
            job_managers: in the order in which they are asked for the cluster.
        """
        bases = [str(each) for each in job_managers]
        options = within(self._timeout, [partial(self._options, base) for base in bases])
        states = tuple(_state(each, found) for each, found in zip(job_managers, options, strict=True))
        reasons = [
            f"JobManager {each} {state.detail}"
            for each, state in zip(job_managers, states, strict=True)
            if state.detail
        ]
        best: Reading | None = None
        for index, base in enumerate(bases):
            if not states[index].reachable:
                continue
            own = options[index]
            kept_ms = duration_ms(own.get(REFRESH_KEY, "")) if isinstance(own, dict) else None
            found = self._cluster(base, REFRESH_MS if kept_ms is None else kept_ms)
            if not isinstance(found, Cluster):
                reasons.append(f"JobManager {job_managers[index]} {cause_of(found)}")
            elif not found.unread:
                return Reading(states, found, tuple(reasons), base)
            else:
                reasons += [f"JobManager {job_managers[index]} {each.why}" for each in found.unread]
                best = best or Reading(states, found, base=base)
        return replace(best, reasons=tuple(reasons)) if best else Reading(states, None, tuple(reasons))

    def _options(self, base: str) -> dict[str, str]:
        return parse_options(self._ask(base, "/jobmanager/config", self._clock() + self._timeout))

    def _cluster(self, base: str, kept_ms: int) -> Cluster | Exception:
        """The cluster as this JobManager tells it, or why it does not."""
        (listed,) = within(self._timeout, [partial(self._list, base)])
        if isinstance(listed, Exception):
            return listed
        limit = self._timeout + SECONDS_A_JOB * sum(each.state not in ENDED for each in listed)
        (found,) = within(limit, [partial(self._details, base, listed, kept_ms, limit)])
        return found

    def _list(self, base: str) -> tuple[Listed, ...]:
        return parse_jobs(self._ask(base, "/jobs/overview", self._clock() + self._timeout))

    def _details(self, base: str, listed: Sequence[Listed], kept_ms: int, limit: float) -> Cluster:
        deadline = self._clock() + limit
        silent: list[Exception] = []

        def ask(path: str) -> bytes:
            # Who does not answer once is not asked for every other job: each would take its time.
            if silent:
                raise silent[0]
            try:
                return self._ask(base, path, deadline)
            except (IncompleteError, ValueError):
                raise
            except Exception as error:
                silent.append(error)
                raise

        def together(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
            return within(max(0.0, deadline - self._clock()), calls, AT_ONCE)

        alive = [each for each in listed if each.state not in ENDED]
        # Flink begins to fetch metrics when they are asked for: the answer that counts is the one at the end.
        together([partial(ask, _metrics(each.id)) for each in alive if each.id not in self._constant])
        overview = parse_overview(ask("/overview"))
        hides = hides_strategies(overview.flink_version)
        task_managers = parse_task_managers(ask("/taskmanagers"))
        found = together([partial(self._job, ask, each, hides, kept_ms) for each in alive])
        if silent:
            raise silent[0]
        jobs = [each for each in found if not isinstance(each, Exception)]
        return Cluster(
            overview,
            task_managers,
            tuple(job for job, _now in jobs),
            tuple(EndedJob(each.id, each.name, each.state, each.ended_at) for each in listed if each.state in ENDED),
            max((now for _job, now in jobs), default=0),
            tuple(
                UnreadJob(each.id, each.name, each.state, cause_of(reply))
                for each, reply in zip(alive, found, strict=True)
                if isinstance(reply, Exception)
            ),
        )

    def _job(self, ask: Callable[[str], bytes], listed: Listed, hides: bool, kept_ms: int) -> tuple[Job, int]:
        path = f"/jobs/{listed.id}"
        detail = parse_detail(ask(path))
        checkpoints = parse_checkpoints(ask(f"{path}/checkpoints"))
        if listed.id not in self._constant:
            config = dict_of(json_of(ask(f"{path}/config"), dict).get("execution-config"))
            interval = parse_interval(ask(f"{path}/checkpoints/config"))
            self._constant[listed.id] = interval, str(config.get("restart-strategy", ""))
        interval, strategy = self._constant[listed.id]
        job = Job(
            id=listed.id,
            name=listed.name,
            state=listed.state,
            running=runs(listed, detail.batch),
            tasks_by_state=listed.tasks,
            parts=detail.parts,
            checkpointing=interval is not None,
            checkpoint_interval_ms=interval,
            completed_checkpoints=checkpoints.completed,
            latest_checkpoint_id=checkpoints.latest,
            latest_checkpoint_at=checkpoints.triggered_at,
            failed_checkpoint_at=checkpoints.failed_at,
            restored_checkpoint_id=checkpoints.restored,
            restart_strategy=strategy_of_job(strategy, hides),
            restarted_at=detail.restarted_at,
            restarts=parse_restarts(ask(_metrics(listed.id)), detail, listed.changed_at, kept_ms),
        )
        return job, detail.now

    def _ask(self, base: str, path: str, deadline: float) -> bytes:
        left = deadline - self._clock()
        if left <= 0:
            raise TimeoutError("no complete reply within its time limit")
        status, body = self._get(f"{base}{path}", min(left, self._timeout))
        if status in WITHOUT_LEADER:
            raise IncompleteError(f"answers {status} to {path}: no leader yet, or the job is being set up")
        if status != 200:
            raise IncompleteError(f"answers {status} to {path}")
        return body


def _metrics(job_id: str) -> str:
    return f"/jobs/{job_id}/metrics?get=numRestarts,fullRestarts,uptime"


def cause_of(error: object) -> str:
    if isinstance(error, IncompleteError):
        return str(error)
    if isinstance(error, ValueError):
        return f"answers, but not as Flink does: {shown(str(error))}"
    reason = getattr(error, "reason", None) or error
    return f"does not answer: {shown(str(getattr(reason, 'strerror', None) or reason or type(reason).__name__))}"


def _state(asked: JobManager, found: dict[str, str] | Exception) -> JobManagerState:
    state = JobManagerState(asked.address, asked.rest_port)
    if isinstance(found, Exception):
        # Whatever answers is reachable; it is asked for the cluster, too, since it can know that without its options.
        return replace(state, reachable=isinstance(found, (IncompleteError, ValueError)), detail=cause_of(found))
    return replace(
        state,
        reachable=True,
        tolerates_suspended_connections=found.get(TOLERATES, "").strip().lower() == "true",
        restart_strategy=strategy_of_cluster(found),
    )
