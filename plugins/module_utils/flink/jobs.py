"""What a rolling restart of Flink must know of its jobs: read over REST by `ClusterReader`, decided by pure functions.

What Flink's REST server answers is not of one moment (seen on 1.18.1, 1.20.5 and 2.3.0):

- `/jobs/overview` is of the moment; what `/jobs/<id>` and below answer is kept for 3 s (`web.refresh-interval`). So
  what runs is taken from the former, and the restarts of a job that has changed since then count as unknown.
- A TaskManager is missed by the cluster and by each job on its own: 1.18.1 listed jobs as RUNNING whose only
  TaskManager was registered no more. What proves that a job runs is a checkpoint that was triggered afterwards.
- Metrics are fetched in the background, at most every 10 s (`metrics.fetcher.update-interval`), and only when somebody
  asks: the first answer has none, a later one may be of the last question, however long ago. A count of restarts whose
  `uptime` does not fit to the job's last start is therefore of an earlier run, and counts as unknown.
- 1.20.5 answers "Cluster level default restart strategy" for a job whose options set another (`-Drestart-strategy.type`);
  1.18.1 and 2.3.0 name the job's own.
- The loss of one TaskManager costs a job one attempt for each of its unconnected parts that ran there: numRestarts went
  from 0 to 2 for a job of two parallel parts without an exchange.
- Without free slots for it a job uses up an attempt each `delay`: 7 attempts of 2 s were gone after 14 s.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader import JobManager, endpoint
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.rest import (
    WITHOUT_LEADER,
    Get,
    Overview,
    parse_overview,
)

T = TypeVar("T")

#: Seconds for what one JobManager is asked of itself and of the cluster, and for each single question.
DEFAULT_TIMEOUT = 10.0
#: Seconds more for each job, of which six short questions are asked: twice what they took one after another.
SECONDS_A_JOB = 0.3
#: Questions that a JobManager is asked at the same time.
AT_ONCE = 8
#: First release that takes a checkpoint on request (POST /jobs/<id>/checkpoints, FLINK-27101).
TRIGGERS_SINCE = (1, 17)
#: A job whose own interval is no longer, in milliseconds, is not asked for a checkpoint: its next one comes as soon.
TRIGGER_FROM_MS = 10_000
#: Seconds until a checkpoint that could not be had is asked for again.
TRIGGER_AGAIN = 5.0

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

#: Option in force since 1.14; before it, every suspended connection costs the leadership.
TOLERATES = "high-availability.zookeeper.client.tolerate-suspended-connections"
#: Newest first: the first that is set counts, as in Flink.
STRATEGY_KEYS = ("restart-strategy.type", "restart-strategy")
#: As Flink takes them, in any case (RestartStrategyOptions, RestartBackoffTimeStrategyFactoryLoader).
STRATEGY_NAMES = {
    "none": NONE,
    "off": NONE,
    "disable": NONE,
    "fixeddelay": FIXED_DELAY,
    "fixed-delay": FIXED_DELAY,
    "failurerate": FAILURE_RATE,
    "failure-rate": FAILURE_RATE,
    "exponentialdelay": EXPONENTIAL_DELAY,
    "exponential-delay": EXPONENTIAL_DELAY,
}
#: Integer.MAX_VALUE: Flink's word for no limit.
UNLIMITED = 2**31 - 1
#: Long.MAX_VALUE: the interval of a job that does not checkpoint.
NEVER = 2**63 - 1
#: Releases that may hide a job's own strategy: 1.20.5 does, 1.18.1 and 2.3.0 do not, between them none was seen.
HIDES_SINCE, HIDES_UNTIL = (1, 19), (2, 3)

#: Default of `web.refresh-interval`, in milliseconds.
REFRESH_KEY, REFRESH_MS = "web.refresh-interval", 3000
#: Milliseconds that the clocks behind `now` and `uptime` may differ.
CLOCK_SLACK = 500


class IncompleteError(Exception):
    """A JobManager does not answer with all that is asked; the text says why."""


# --- What was read -------------------------------------------------------------------------------------------------


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
    """One job that has not ended. See RETURN of the module flink_jobs."""

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


# --- Bodies --------------------------------------------------------------------------------------------------------


def _object(body: bytes, kind: type[T]) -> T:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(found, kind):
        raise ValueError("not the kind of JSON that Flink sends")
    return found


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError(f"{what} is missing or no list of objects")
    return value


def _count(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{what} is missing or not a count")
    return value


def _text(value: object, limit: int = 200) -> str:
    """A text as it may be shown: it can hold whatever a job's author, or somebody else, wrote."""
    text = value[:limit] if isinstance(value, str) else ""
    return text if text.isprintable() else ascii(text)


def _job_id(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{32}", value):
        raise ValueError("a job has no id")
    return value


def _integer(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def parse_task_managers(body: bytes) -> tuple[TaskManager, ...]:
    """The body of `/taskmanagers`, sorted by host and port.

    Raises:
        ValueError: it is not Flink's.
    """
    found = []
    for each in _list(_object(body, dict).get("taskmanagers"), "taskmanagers"):
        path = each.get("path")
        # pekko.tcp://flink@host:6122/user/rpc/taskmanager_0; akka up to 1.17, ….ssl.tcp with internal TLS.
        address = urlsplit(path if isinstance(path, str) else "")
        if not address.hostname or not address.port:
            raise ValueError("a TaskManager has no RPC address")
        found.append(
            TaskManager(
                _text(each.get("id")),
                _text(address.hostname),
                address.port,
                _count(each.get("slotsNumber"), "slotsNumber"),
                _count(each.get("freeSlots"), "freeSlots"),
            )
        )
    return tuple(sorted(found, key=lambda each: (each.host, each.port, each.id)))


@dataclass(frozen=True)
class Listed:
    """A job in `/jobs/overview`.

    Attributes:
        tasks: count of tasks by Flink's name of their state, without zeros.
        changed_at: when a task last changed its state, in milliseconds of the leader's clock.
        ended_at: when the job ended; 0 where it has not.
    """

    id: str
    name: str
    state: str
    tasks: dict[str, int]
    changed_at: int
    ended_at: int = 0


def parse_jobs(body: bytes) -> tuple[Listed, ...]:
    """The body of `/jobs/overview`, sorted by id.

    Raises:
        ValueError: it is not Flink's.
    """
    found = []
    for each in _list(_object(body, dict).get("jobs"), "jobs"):
        tasks = {str(state).upper(): _count(count, "tasks") for state, count in _dict(each.get("tasks")).items()}
        tasks.pop("TOTAL", None)
        found.append(
            Listed(
                _job_id(each.get("jid")),
                _text(each.get("name")),
                _text(each.get("state"), 20),
                {state: count for state, count in sorted(tasks.items()) if count},
                _count(each.get("last-modification"), "last-modification"),
                max(0, _integer(each.get("end-time"))),
            )
        )
    return tuple(sorted(found, key=lambda each: each.id))


@dataclass(frozen=True)
class Detail:
    """The part of `/jobs/<id>` that counts.

    Attributes:
        parts: see `unconnected_parts`.
        batch: a bounded job in batch mode, whose later tasks are created before they run.
        running_since: when it last began to run, in milliseconds of the JobManager's clock; 0 for never.
        restarted_at: when it last began to restart; 0 for never under this leader.
        now: the clock of the JobManager that answers.
    """

    state: str
    parts: int
    batch: bool
    running_since: int
    restarted_at: int
    now: int


def parse_detail(body: bytes) -> Detail:
    """The body of `/jobs/<id>`.

    Raises:
        ValueError: it is not Flink's.
    """
    found = _object(body, dict)
    times = _dict(found.get("timestamps"))
    vertices = _list(found.get("vertices"), "vertices")
    return Detail(
        _text(found.get("state"), 20),
        unconnected_parts(
            {str(each.get("id")): _count(each.get("parallelism"), "parallelism") for each in vertices},
            [each for each in _dict(found.get("plan")).get("nodes") or () if isinstance(each, dict)],
        ),
        found.get("job-type") == "BATCH",
        _count(times.get(RUNNING, 0), "timestamps"),
        _count(times.get("RESTARTING", 0), "timestamps"),
        _count(found.get("now"), "now"),
    )


def unconnected_parts(parallelism: Mapping[str, int], nodes: Iterable[Mapping[str, Any]]) -> int:
    """In how many parts a job fails independently: the most attempts that one loss can cost it.

    Flink restarts what is connected by pipelined exchanges as one (region failover, the default). Vertices that pass on
    one to one (FORWARD) are connected task by task, all other exchanges connect everything.

    Args:
        parallelism: of each vertex, by its id.
        nodes: the plan's nodes, with their inputs.
    """
    group = {vertex: vertex for vertex in parallelism}
    whole: set[str] = set()

    def root(vertex: str) -> str:
        while group[vertex] != vertex:
            vertex = group[vertex]
        return vertex

    for node in nodes:
        inputs = node.get("inputs")
        for each in inputs if isinstance(inputs, list) else ():
            source, target = str(_dict(each).get("id")), str(node.get("id"))
            if source not in group or target not in group:
                continue
            if _dict(each).get("ship_strategy") != "FORWARD" or parallelism[source] != parallelism[target]:
                whole.add(target)
            group[root(source)] = root(target)
    connected = {root(vertex) for vertex in whole}
    tops = {root(vertex) for vertex in group}
    return sum(1 if top in connected else max(1, parallelism[top]) for top in tops)


@dataclass(frozen=True)
class Checkpoints:
    """The part of `/jobs/<id>/checkpoints` that counts.

    Attributes:
        completed: checkpoints completed since the present leader took over.
        latest: id of the last of them; None without one.
        triggered_at: when that one was triggered, in milliseconds of the leader's clock; 0 without one.
        restored: id of the checkpoint that was restored last; None for none.
        failed_at: when the last one that failed was triggered; 0 for none.
    """

    completed: int
    latest: int | None
    triggered_at: int
    restored: int | None
    failed_at: int = 0


def parse_checkpoints(body: bytes) -> Checkpoints:
    """The body of `/jobs/<id>/checkpoints`.

    Raises:
        ValueError: it is not Flink's.
    """
    found = _object(body, dict)
    latest, restored, failed = (
        _dict(_dict(found.get("latest")).get(name)) for name in ("completed", "restored", "failed")
    )
    return Checkpoints(
        _count(_dict(found.get("counts")).get("completed"), "completed"),
        _count(latest.get("id"), "id") if latest else None,
        _count(latest.get("trigger_timestamp"), "trigger_timestamp") if latest else 0,
        _count(restored.get("id"), "id") if restored else None,
        _integer(failed.get("trigger_timestamp")),
    )


def parse_interval(body: bytes) -> int | None:
    """The interval of a job's checkpoints in milliseconds, of `/checkpoints/config`; None for a job that takes none.

    Without, the interval is the greatest number there is.

    Raises:
        ValueError: it is not Flink's.
    """
    interval = _count(_object(body, dict).get("interval"), "interval")
    return interval if interval < NEVER else None


def parse_restarts(body: bytes, detail: Detail, changed_at: int = 0, kept_ms: int = REFRESH_MS) -> int | None:
    """The count of restarts in `/metrics?get=numRestarts,fullRestarts,uptime`; None where it is not known (yet).

    `fullRestarts` is what releases before 1.9 had alone. See the module's first lines for the rest.

    Args:
        body: of the reply.
        detail: of the job.
        changed_at: when the job last changed.
        kept_ms: how old `detail` can be, in milliseconds.

    Raises:
        ValueError: it is not Flink's.
    """
    if detail.now - changed_at < kept_ms:
        return None
    values = {str(each.get("id")): each.get("value") for each in _list(_object(body, list), "metrics")}
    counted = next((values[name] for name in ("numRestarts", "fullRestarts") if name in values), None)
    if not isinstance(counted, str) or not re.fullmatch(r"\d{1,18}", counted):
        return None
    uptime = values.get("uptime")
    if detail.state == RUNNING and isinstance(uptime, str) and re.fullmatch(r"-?\d{1,18}", uptime):
        ran = detail.now - detail.running_since
        # Measured while it did not run, or in a run that was longer than this one is.
        if (int(uptime) <= 0 and detail.restarted_at) or int(uptime) > ran + CLOCK_SLACK:
            return None
    # A metric without uptime (none is known) can only contradict a job that has restarted and says that it did not.
    return None if detail.restarted_at and detail.state == RUNNING and int(counted) == 0 else int(counted)


def duration_ms(text: str) -> int | None:
    """A duration as Flink writes and takes it (`1 s`, `500 ms`, `10 min`, `PT1M30S`, `1000`), in milliseconds.

    None where it is none of these.
    """
    text = text.strip()
    iso = re.fullmatch(r"(?i)P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?", text)
    if iso and any(iso.groups()):
        days, hours, minutes, seconds = (float(each or 0) for each in iso.groups())
        return round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000)
    plain = re.fullmatch(r"(\d{1,18})\s*([A-Za-zµ]*)", text)
    if not plain:
        return None
    for names, factor in (
        (("", "ms", "milli", "millis", "millisecond", "milliseconds"), 1.0),
        (("s", "sec", "secs", "second", "seconds"), 1000.0),
        (("m", "min", "minute", "minutes"), 60_000.0),
        (("h", "hour", "hours"), 3_600_000.0),
        (("d", "day", "days"), 86_400_000.0),
        (("µs", "micro", "micros", "microsecond", "microseconds"), 0.001),
        (("ns", "nano", "nanos", "nanosecond", "nanoseconds"), 0.000001),
    ):
        if plain[2].lower() in names:
            return int(int(plain[1]) * factor)
    return None


def _limit(attempts: int) -> int | None:
    return None if attempts >= UNLIMITED else attempts


def strategy_of_job(text: str, hidden: bool = False) -> Strategy:
    """A job's strategy from the words in `/jobs/<id>/config` (RestartStrategyDescriptionUtils and its forerunners).

    Args:
        text: value of `restart-strategy`.
        hidden: the release may hide a strategy that the job's options set.
    """
    text = _text(text, 500)
    if re.fullmatch(r"(?i)cluster level default restart strategy\.?", text):
        return Strategy(CLUSTER_DEFAULT, text=text, certain=not hidden)
    if re.fullmatch(r"(?i)restart deactivated\.?", text):
        return Strategy(NONE, 0, text=text)
    if match := re.fullmatch(r"(?i)restart with fixed delay \((.+)\)\. #(\d{1,10}) restart attempts\.?", text):
        return Strategy(FIXED_DELAY, _limit(int(match[2])), duration_ms(match[1]), text=text)
    if match := re.fullmatch(
        r"(?i)failure rate restart with maximum of (\d{1,10}) failures within interval (.+) and fixed delay (.+?)\.?",
        text,
    ):
        return Strategy(FAILURE_RATE, None, duration_ms(match[3]), int(match[1]), duration_ms(match[2]), text=text)
    if match := re.match(r"(?i)restart with exponential delay: starting at ([^,]+),", text):
        return Strategy(EXPONENTIAL_DELAY, None, duration_ms(match[1]), text=text)
    return Strategy(UNKNOWN, text=text)


def strategy_of_cluster(options: Mapping[str, str]) -> Strategy:
    """The cluster's default from a JobManager's options, with Flink's own defaults for what is not set.

    Attempts 1 and delay 1 s (fixed-delay); 1 failure a minute, delay 1 s (failure-rate); from 1 s without limit
    (exponential-delay): RestartStrategyOptions, the same in 1.18.1, 1.20.5 and 2.3.0.
    """
    key = next((each for each in STRATEGY_KEYS if options.get(each)), None)
    if key is None:
        return Strategy(UNSET)
    kind = STRATEGY_NAMES.get(options[key].strip().lower(), UNKNOWN)
    text = _text(f"{key}: {options[key]}")

    def number(name: str, default: int) -> int | None:
        value = options.get(f"restart-strategy.{name}", "").strip()
        return default if not value else int(value) if re.fullmatch(r"\d{1,10}", value) else None

    def span(name: str, default: str) -> int | None:
        return duration_ms(options.get(f"restart-strategy.{name}") or default)

    if kind == NONE:
        return Strategy(NONE, 0, text=text)
    if kind == FIXED_DELAY:
        attempts = number("fixed-delay.attempts", 1)
        if attempts is not None:
            return Strategy(kind, _limit(attempts), span("fixed-delay.delay", "1 s"), text=text)
    if kind == FAILURE_RATE:
        failures = number("failure-rate.max-failures-per-interval", 1)
        interval = span("failure-rate.failure-rate-interval", "1 min")
        if failures is not None and interval is not None:
            return Strategy(kind, None, span("failure-rate.delay", "1 s"), failures, interval, text)
    if kind == EXPONENTIAL_DELAY:
        attempts = number("exponential-delay.attempts-before-reset-backoff", UNLIMITED)
        if attempts is not None:
            return Strategy(kind, _limit(attempts), span("exponential-delay.initial-backoff", "1 s"), text=text)
    return Strategy(UNKNOWN, text=text)


def parse_options(body: bytes) -> dict[str, str]:
    """The body of `/jobmanager/config` as options of the JobManager that answers.

    Raises:
        ValueError: it is not Flink's.
    """
    found = _list(_object(body, list), "options")
    return {str(each.get("key")): str(each.get("value")) for each in found}


def hides_strategies(flink_version: str) -> bool:
    """Whether a release may call a job's own restart strategy the cluster's; an unknown release may."""
    match = re.match(r"(\d{1,3})\.(\d{1,3})", flink_version)
    return not match or HIDES_SINCE <= (int(match[1]), int(match[2])) < HIDES_UNTIL


def runs(listed: Listed, batch: bool) -> bool:
    """Every task of the job runs or has finished. Of a batch job, later tasks may wait for the result of earlier ones."""
    fine = {RUNNING, "FINISHED"} | ({"CREATED"} if batch else set())
    return listed.state == RUNNING and bool(listed.tasks) and fine.issuperset(listed.tasks)


# --- Reading -------------------------------------------------------------------------------------------------------


def within(seconds: float, calls: Sequence[Callable[[], T]], at_once: int | None = None) -> list[T | Exception]:
    """Results of the calls, made at the same time; what a call raises, or TimeoutError, in place of a result.

    A socket's own limit starts anew with each byte and does not cover name resolution: so the threads are given the
    limit too, and are daemons, so that one that hangs does not keep the module from ending.

    Args:
        seconds: for all of them together.
        calls: what is made.
        at_once: how many at most at the same time; None for all.
    """
    results: list[T | Exception] = [TimeoutError(f"no reply within {seconds:g} s") for _ in calls]
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
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
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
                reasons.append(f"JobManager {job_managers[index]} {_cause(found)}")
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
            tuple(job for job, _ in jobs),
            tuple(EndedJob(each.id, each.name, each.state, each.ended_at) for each in listed if each.state in ENDED),
            max((now for _, now in jobs), default=0),
            tuple(
                UnreadJob(each.id, each.name, each.state, _cause(reply))
                for each, reply in zip(alive, found, strict=True)
                if isinstance(reply, Exception)
            ),
        )

    def _job(self, ask: Callable[[str], bytes], listed: Listed, hides: bool, kept_ms: int) -> tuple[Job, int]:
        path = f"/jobs/{listed.id}"
        detail = parse_detail(ask(path))
        checkpoints = parse_checkpoints(ask(f"{path}/checkpoints"))
        if listed.id not in self._constant:
            config = _dict(_object(ask(f"{path}/config"), dict).get("execution-config"))
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


def _cause(error: object) -> str:
    if isinstance(error, IncompleteError):
        return str(error)
    if isinstance(error, ValueError):
        return f"answers, but not as Flink does: {_text(str(error))}"
    reason = getattr(error, "reason", None) or error
    return f"does not answer: {_text(str(getattr(reason, 'strerror', None) or reason or type(reason).__name__))}"


def _state(asked: JobManager, found: dict[str, str] | Exception) -> JobManagerState:
    state = JobManagerState(asked.address, asked.rest_port)
    if isinstance(found, Exception):
        # Whatever answers is reachable; it is asked for the cluster, too, since it can know that without its options.
        return replace(state, reachable=isinstance(found, (IncompleteError, ValueError)), detail=_cause(found))
    return replace(
        state,
        reachable=True,
        tolerates_suspended_connections=found.get(TOLERATES, "").strip().lower() == "true",
        restart_strategy=strategy_of_cluster(found),
    )


# --- Waiting -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wish:
    """What to wait for.

    Attributes:
        task_managers: (host, RPC port) of each that must be registered.
        gone: ids of TaskManagers that must not be registered any more.
        jobs: every job runs fully.
        checkpoints: by job id, the count of completed checkpoints that must be exceeded.
        checkpoint_ids: by job id, the id of the latest checkpoint that must be exceeded.
        checkpoints_since: every job that checkpoints has completed one that was triggered after this, in milliseconds of
            the JobManager's clock; 0 for no such wish.
        restarts: go on reading until the restarts of running jobs are counted; not a wish of its own.
        job_ids: jobs of which each runs fully, or has finished or was cancelled.
        checkpoints_of: ids of the jobs that `checkpoints_since` is about; None for every job.
        calm: by job id, the milliseconds that must have passed since its last restart.
        reading: go on reading until everything was read; not a wish of its own.
    """

    task_managers: tuple[tuple[str, int], ...] = ()
    gone: tuple[str, ...] = ()
    jobs: bool = False
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


def unmet(reading: Reading, wish: Wish) -> list[str]:
    """What of the wish is missing, in words; empty when nothing is."""
    cluster = reading.cluster
    if not wish.waits:
        return []
    if cluster is None:
        return ["no JobManager answers with all that is asked"]
    missing = [f"{_words(job)} could not be read" for job in cluster.unread if _asked(wish, job.id)]
    registered = {(each.host.lower(), each.port) for each in cluster.task_managers}
    for host, port in wish.task_managers:
        if (host.lower(), port) not in registered:
            missing.append(f"TaskManager {endpoint(host, port)} is not registered")
    for each in cluster.task_managers:
        if each.id in wish.gone:
            missing.append(f"TaskManager {each.id} is still registered")
    for job in cluster.jobs:
        if (wish.jobs or job.id in wish.job_ids) and not job.running:
            tasks = ", ".join(f"{count} {state}" for state, count in job.tasks_by_state.items()) or "none yet"
            missing.append(f"{_words(job)} is {job.state}, its tasks: {tasks}")
        if (span := wish.calm.get(job.id)) is not None and job.restarted_at + span > cluster.clock_ms:
            missing.append(f"{_words(job)} restarted less than {span / 1000:g} s ago")
    # A new leader lists a job only once it has taken it over.
    listed = {job.id for job in cluster.jobs} | {job.id for job in cluster.ended} | {job.id for job in cluster.unread}
    missing += [f"job {each} is not listed" for each in wish.job_ids if each not in listed]
    missing += lost(reading, wish)
    for job in cluster.jobs:
        if (count := wish.checkpoints.get(job.id)) is not None and job.completed_checkpoints <= count:
            missing.append(
                f"{_words(job)} has completed {job.completed_checkpoints} checkpoints, not more than {count}"
            )
        if (last := wish.checkpoint_ids.get(job.id)) is not None and (job.latest_checkpoint_id or 0) <= last:
            missing.append(f"{_words(job)} has no checkpoint newer than {last}")
        if wish.awaits_checkpoint(job):
            missing.append(f"{_words(job)} has completed no checkpoint since {wish.checkpoints_since}")
    return missing


def _asked(wish: Wish, job_id: str) -> bool:
    """Whether the wish is about this job: what was not read of it is missing."""
    return (
        wish.jobs
        or job_id in {*wish.job_ids, *wish.checkpoints, *wish.checkpoint_ids, *wish.calm}
        or bool(wish.checkpoints_since and (wish.checkpoints_of is None or job_id in wish.checkpoints_of))
    )


def lost(reading: Reading, wish: Wish) -> list[str]:
    """Jobs of the wish, or ended since its time, that have failed for good: waiting on does not help."""
    if reading.cluster is None:
        return []
    asked = {*wish.checkpoints, *wish.checkpoint_ids, *wish.job_ids, *(wish.checkpoints_of or ())}
    since = wish.checkpoints_since if wish.checkpoints_of is None else 0
    return [
        f"{_words(job)} has FAILED"
        for job in reading.cluster.ended
        if job.state == FAILED and (job.id in asked or 0 < since < job.ended_at)
    ]


def unsettled(reading: Reading) -> bool:
    """A job's count of restarts is not known yet, though it runs."""
    return reading.cluster is not None and any(job.running and job.restarts is None for job in reading.cluster.jobs)


def triggers(flink_version: str) -> bool:
    """Whether a release takes a checkpoint on request; one whose version is not understood is not asked."""
    match = re.match(r"(\d{1,3})\.(\d{1,3})", flink_version)
    return bool(match) and (int(match[1]), int(match[2])) >= TRIGGERS_SINCE  # type: ignore[index]


#: `post(base, job_id, seconds)` -> status and body; raises where there is no answer.
Post = Callable[[str, str, float], tuple[int, bytes]]


class CheckpointTrigger:
    """Asks for a checkpoint of each job that is waited for and would take its time for its next one.

    What it gets is no proof: that is the completed checkpoint that a later reading shows.

    Args:
        post: transport, such as `RestAccess.trigger_checkpoint`.
        get: transport, such as `RestAccess.get`.
        timeout: seconds for each question.
        clock: monotonic seconds.
    """

    def __init__(self, post: Post, get: Get, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._post, self._get, self._timeout, self._clock = post, get, timeout, clock
        #: By job id: the request's id, empty where none is under way, and when it may be asked for again.
        self._requests: dict[str, tuple[str, float]] = {}
        #: By job id, why there was none the last time, in words; those that refuse it are not asked again.
        self.failures: dict[str, str] = {}
        self._refused: set[str] = set()

    def __call__(self, reading: Reading, wish: Wish) -> None:
        """Asks where it is due; a failure is noted and never ends a wait."""
        cluster = reading.cluster
        if cluster is None or not triggers(cluster.overview.flink_version):
            return
        due = [
            job.id
            for job in cluster.jobs
            if job.running
            and wish.awaits_checkpoint(job)
            and (job.checkpoint_interval_ms or 0) > TRIGGER_FROM_MS
            and job.id not in self._refused
        ]
        within(self._timeout, [partial(self._one, reading.base, each) for each in due], AT_ONCE)

    def _one(self, base: str, job_id: str) -> None:
        request, again_at = self._requests.get(job_id, ("", 0.0))
        if self._clock() < again_at:
            return
        if request and self._under_way(base, job_id, request):
            return
        self._requests[job_id] = "", self._clock() + TRIGGER_AGAIN
        try:
            status, body = self._post(base, job_id, self._timeout)
            if status == 202:
                self._requests[job_id] = str(_object(body, dict).get("request-id", "")), self._clock() + 1
                return
        except Exception as error:  # whichever the transport has; the job's own next checkpoint is waited for
            self.failures[job_id] = f"a checkpoint could not be asked for: {_cause(error)}"
            return
        self.failures[job_id] = f"a checkpoint could not be asked for: {base} answers {status}"
        if status not in WITHOUT_LEADER:
            self._refused.add(job_id)

    def _under_way(self, base: str, job_id: str, request: str) -> bool:
        """Whether the one that was asked for is; one that failed, or that nobody knows any more, is asked for again."""
        try:
            status, body = self._get(f"{base}/jobs/{job_id}/checkpoints/{request}", self._timeout)
            found = _object(body, dict) if status == 200 else {}
        except Exception:  # no answer says nothing of the checkpoint
            return True
        if _dict(found.get("status")).get("id") == "IN_PROGRESS":
            return True
        failure = _dict(
            _dict(found.get("operation")).get("failureCause") or _dict(found.get("operation")).get("failure-cause")
        )
        if failure:
            self.failures[job_id] = f"a checkpoint that was asked for failed: {_text(failure.get('class'))}"
        self._requests[job_id] = "", self._clock() + TRIGGER_AGAIN
        # Completed, it shows in the next reading: what Flink tells of a job is kept for some seconds.
        return True


# --- Decisions -----------------------------------------------------------------------------------------------------


def cluster_default(job_managers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The cluster's default strategy: what all JobManagers that answer agree on, `unknown` otherwise.

    Any of them may lead tomorrow, and a new leader restarts jobs by its own options.

    Args:
        job_managers: as the module returns them.
    """
    found = [dict(each["restart_strategy"]) for each in job_managers if each.get("restart_strategy")]
    if not found:
        return asdict(Strategy(UNKNOWN, text="no JobManager tells its options"))
    if any({**each, "text": ""} != {**found[0], "text": ""} for each in found):
        texts = sorted({str(each["text"]) or UNSET for each in found})
        return asdict(Strategy(UNKNOWN, text=f"the JobManagers differ: {' / '.join(texts)}"))
    return found[0]


def effective_strategy(job: Mapping[str, Any], default: Mapping[str, Any]) -> Mapping[str, Any]:
    """The strategy that a job restarts by: its own, else the cluster's, else Flink's (by whether it checkpoints)."""
    strategy: Mapping[str, Any] = job["restart_strategy"]
    if strategy["kind"] == CLUSTER_DEFAULT:
        strategy = default
    if strategy["kind"] == UNSET:
        # fixed-delay up to 1.18, exponential-delay from 1.20, both without limit; none without checkpoints.
        return asdict(Strategy(EXPONENTIAL_DELAY if job["checkpointing"] else NONE, text="Flink's own default"))
    return strategy


def absorbs(job: Mapping[str, Any], default: Mapping[str, Any], restarts_needed: int, spacing_ms: int = 0) -> str:
    """Why a job cannot take so many more restarts; empty when it can.

    Args:
        job: as the module returns it.
        default: the cluster's default strategy, see `cluster_default`.
        restarts_needed: steps that restart it, each once. A step can cost an attempt for each of `parts`.
        spacing_ms: least time between two of them, in milliseconds; 0 where nothing is known.
    """
    if restarts_needed <= 0:
        return ""
    strategy = effective_strategy(job, default)
    kind, text = strategy["kind"], strategy["text"]
    name = f"job {job['id']} ({job['name']})"
    needed = restarts_needed * max(1, job["parts"])
    if kind == NONE:
        return f"{name} does not restart ({text or 'restart-strategy none'}): the first step would end it"
    if kind == FAILURE_RATE:
        interval, failures = strategy["interval_ms"], strategy["failures"]
        if interval is None or failures is None:
            return f"{name}: its restart strategy is not understood: {text}"
        steps = restarts_needed if spacing_ms <= 0 else min(restarts_needed, 1 + interval // spacing_ms)
        together = steps * max(1, job["parts"])
        if together > failures:
            return (
                f"{name} may restart {failures} times in {interval / 1000:g} s ({text}), and {together} are needed that can "
                "fall into that time"
            )
        return ""
    if kind not in (FIXED_DELAY, EXPONENTIAL_DELAY):
        return f"{name}: its restart strategy is not understood: {text or 'not told'}"
    attempts = strategy["attempts"]
    if attempts is None:
        return ""
    if job["restarts"] is None:
        return f"{name} may restart {attempts} times, and how often it already has is not known yet"
    left = max(0, attempts - job["restarts"])
    if left < needed:
        return f"{name} may restart {left} more times ({attempts} attempts, {job['restarts']} used), and {needed} are needed"
    return ""


def spacing_ms(job: Mapping[str, Any], default: Mapping[str, Any]) -> int:
    """Least time between two steps that restart a job with a failure rate, in milliseconds; 0 where it needs none.

    0 also where one step alone is more than its rate allows: `absorbs` refuses that.

    Args:
        job: as the module returns it.
        default: the cluster's default strategy, see `cluster_default`.
    """
    strategy = effective_strategy(job, default)
    interval, failures = strategy["interval_ms"], strategy["failures"]
    if strategy["kind"] != FAILURE_RATE or interval is None or failures is None:
        return 0
    steps = failures // max(1, job["parts"])
    # Flink counts what is not older than the interval, so the next one has to come after it.
    return int(interval // steps + 1) if steps else 0


def absorption_note(job: Mapping[str, Any], default: Mapping[str, Any]) -> str:
    """What an operator should know of how a job restarts, where `absorbs` has nothing against it; mostly empty."""
    strategy = effective_strategy(job, default)
    name = f"job {job['id']} ({job['name']})"
    if not job["restart_strategy"]["certain"]:
        return (
            f"{name}: this release of Flink tells the cluster's restart strategy ({strategy['kind']}) even for a job whose "
            "options set another"
        )
    if strategy["kind"] == FAILURE_RATE:
        return f"{name} restarts {strategy['failures']} times in {(strategy['interval_ms'] or 0) / 1000:g} s at most"
    return ""


def _is(task_manager: Mapping[str, Any], name: str) -> bool:
    host = str(task_manager["host"]).lower()
    return name == task_manager["id"] or name.lower() in (host, endpoint(host, task_manager["port"]))


def free_elsewhere(task_managers: Iterable[Mapping[str, Any]], name: str) -> int:
    """Free slots on other TaskManagers than this one (id, `host:port`, or host for all of a host)."""
    return sum(each["free_slots"] for each in task_managers if not _is(each, name))


def needed(task_managers: Iterable[Mapping[str, Any]], name: str) -> int:
    """Slots in use on this one: what the others must have free for its tasks. 0 where it is not registered."""
    return sum(each["slots"] - each["free_slots"] for each in task_managers if _is(each, name))
