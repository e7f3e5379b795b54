"""What Flink answers over REST about TaskManagers, jobs and checkpoints, as facts or a ValueError. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.model import RUNNING, TaskManager

T = TypeVar("T")


#: Long.MAX_VALUE: the interval of a job that does not checkpoint.
NEVER = 2**63 - 1


#: Default of `web.refresh-interval`, in milliseconds.
REFRESH_KEY, REFRESH_MS = "web.refresh-interval", 3000


#: Milliseconds that the clocks behind `now` and `uptime` may differ.
CLOCK_SLACK = 500


def json_of(body: bytes, kind: type[T]) -> T:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(found, kind):
        raise ValueError("not the kind of JSON that Flink sends")
    return found


def dict_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError(f"{what} is missing or no list of objects")
    return value


def _count(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{what} is missing or not a count")
    return value


def shown(value: object, limit: int = 200) -> str:
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
    for each in _list(json_of(body, dict).get("taskmanagers"), "taskmanagers"):
        path = each.get("path")
        # pekko.tcp://flink@host:6122/user/rpc/taskmanager_0; akka up to 1.17, ….ssl.tcp with internal TLS.
        address = urlsplit(path if isinstance(path, str) else "")
        if not address.hostname or not address.port:
            raise ValueError("a TaskManager has no RPC address")
        found.append(
            TaskManager(
                shown(each.get("id")),
                shown(address.hostname),
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
    for each in _list(json_of(body, dict).get("jobs"), "jobs"):
        tasks = {str(state).upper(): _count(count, "tasks") for state, count in dict_of(each.get("tasks")).items()}
        tasks.pop("TOTAL", None)
        found.append(
            Listed(
                _job_id(each.get("jid")),
                shown(each.get("name")),
                shown(each.get("state"), 20),
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
    found = json_of(body, dict)
    times = dict_of(found.get("timestamps"))
    vertices = _list(found.get("vertices"), "vertices")
    return Detail(
        shown(found.get("state"), 20),
        unconnected_parts(
            {str(each.get("id")): _count(each.get("parallelism"), "parallelism") for each in vertices},
            [each for each in dict_of(found.get("plan")).get("nodes") or () if isinstance(each, dict)],
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
            source, target = str(dict_of(each).get("id")), str(node.get("id"))
            if source not in group or target not in group:
                continue
            if dict_of(each).get("ship_strategy") != "FORWARD" or parallelism[source] != parallelism[target]:
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
    found = json_of(body, dict)
    latest, restored, failed = (
        dict_of(dict_of(found.get("latest")).get(name)) for name in ("completed", "restored", "failed")
    )
    return Checkpoints(
        _count(dict_of(found.get("counts")).get("completed"), "completed"),
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
    interval = _count(json_of(body, dict).get("interval"), "interval")
    return interval if interval < NEVER else None


def parse_restarts(body: bytes, detail: Detail, changed_at: int = 0, kept_ms: int = REFRESH_MS) -> int | None:
    """The count of restarts in `/metrics?get=numRestarts,fullRestarts,uptime`; None where it is not known (yet).

    `fullRestarts` is what releases before 1.9 had alone. See the package's first lines for the rest.

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
    values = {str(each.get("id")): each.get("value") for each in _list(json_of(body, list), "metrics")}
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


def parse_options(body: bytes) -> dict[str, str]:
    """The body of `/jobmanager/config` as options of the JobManager that answers.

    Raises:
        ValueError: it is not Flink's.
    """
    found = _list(json_of(body, list), "options")
    return {str(each.get("key")): str(each.get("value")) for each in found}


def runs(listed: Listed, batch: bool) -> bool:
    """Every task of the job runs or has finished. Of a batch job, later tasks may wait for the result of earlier ones."""
    fine = {RUNNING, "FINISHED"} | ({"CREATED"} if batch else set())
    return listed.state == RUNNING and bool(listed.tasks) and fine.issuperset(listed.tasks)
