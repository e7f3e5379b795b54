"""Jobs and TaskManagers as real clusters told them, what to wait for, and what a restart strategy can take.

`tests/fixtures/flink/rest/jobs-<version>.json` is recorded: one JobManager, two TaskManagers of 8 slots, and seven jobs
named there by what their options set (`wide`: two parallel parts without an exchange, fixed-delay with 9 attempts;
`default` and `plain`: no strategy, with and without checkpoints; the cluster's default is fixed-delay, 7 attempts).
Moments: `running`; `lost`, when the TaskManager that ran them all was killed and missed; `restarted`, as soon as
everything ran again on the other; `again`, 15 s after the killed one was back; `cancelled`, after `plain` was.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
import urllib.error
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.endpoints import JobManager
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs import (
    bodies,
    capacity,
    model,
    strategies,
    waiting,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs import checkpoints as jobs_checkpoints
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs import reading as jobs_reading

FIXTURES = Path(__file__).parents[4] / "fixtures" / "flink" / "rest"
RELEASES = ["1.18.1", "1.20.5", "2.3.0"]
RECORDED = {release: json.loads((FIXTURES / f"jobs-{release}.json").read_text()) for release in RELEASES}
ONE, TWO = JobManager("jm1.test", 8081), JobManager("jm2.test", 8081)
RESTARTING = ("default", "exponential-delay", "failure-rate", "fixed", "plain", "wide")


class Recorded:
    """Transport that answers as recorded; `broken` says what to answer or raise for a place's end instead."""

    def __init__(self, release="2.3.0", moment="running", broken=None):
        self.replies = RECORDED[release]["moments"][moment]
        self.broken = broken or {}
        self.asked = []

    def __call__(self, place, seconds):
        assert seconds > 0
        self.asked.append(place)
        for end, answer in self.broken.items():
            if place.endswith(end):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        reply = self.replies["/" + place.split("/", 1)[1]]
        return reply["status"], json.dumps(reply["body"]).encode()


def read(release="2.3.0", moment="running", broken=None, managers=(ONE,)):
    return jobs_reading.ClusterReader(5, Recorded(release, moment, broken)).read(managers)


def jobs(release, moment):
    """Jobs that have not ended, by the name that the recording gives them."""
    names = {job: name for name, job in RECORDED[release]["jobs"].items()}
    return {names[job.id]: job for job in read(release, moment).cluster.jobs}


def as_returned(release, moment, name):
    return next(job for job in read(release, moment).as_dict()["jobs"] if job["id"] == RECORDED[release]["jobs"][name])


# --- What was recorded ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_everything_runs(release):
    reading = read(release)
    found = jobs(release, "running")
    assert reading.reasons == ()
    assert len(found) == 7
    for name, job in found.items():
        assert (job.state, job.running, job.tasks_by_state, job.restarts) == ("RUNNING", True, {"RUNNING": 2}, 0)
        assert (job.restarted_at, job.restored_checkpoint_id) == (0, None)
        assert job.checkpointing == (name != "plain")
        assert (job.completed_checkpoints > 0) == (job.latest_checkpoint_id is not None) == (name != "plain")
        assert job.parts == (2 if name == "wide" else 1)
        assert job.name == ("wide" if name == "wide" else "count")
    cluster = reading.cluster
    assert [(each.host, each.port, each.slots) for each in cluster.task_managers] == [
        ("127.0.0.1", 36130, 8),
        ("127.0.0.1", 36140, 8),
    ]
    assert sorted(each.free_slots for each in cluster.task_managers) == [0, 8]
    assert (cluster.overview.slots_total, cluster.overview.slots_available) == (16, 8)
    assert cluster.overview.flink_version == release


@pytest.mark.parametrize("release", RELEASES)
def test_a_task_manager_is_lost(release):
    found = jobs(release, "lost")
    assert set(found) == set(RESTARTING)
    assert not all(job.running for job in found.values())
    (ended,) = read(release, "lost").cluster.ended
    assert (ended.id, ended.state) == (RECORDED[release]["jobs"]["none"], "FAILED")
    assert ended.ended_at > 0
    assert len(read(release, "lost").cluster.task_managers) == 1


def test_a_job_that_has_not_missed_its_task_manager():
    """All ran on the TaskManager that is gone, and it is gone: only a later checkpoint tells."""
    reading = read("1.18.1", "lost")
    misled = [job for job in reading.cluster.jobs if job.running]
    assert misled
    wish = waiting.WaitCondition(checkpoints_since=reading.cluster.clock_ms)
    assert len(waiting.unmet_conditions(reading, wish)) == len(
        [job for job in reading.cluster.jobs if job.checkpointing]
    )
    assert waiting.unmet_conditions(read("1.18.1", "again"), wish) == []


@pytest.mark.parametrize("release", RELEASES)
def test_the_count_of_an_earlier_run_does_not_count(release):
    found = jobs(release, "restarted")
    assert set(found) == set(RESTARTING)
    assert all((job.running, job.restarts) == (True, None) for job in found.values())
    assert waiting.unsettled(read(release, "restarted"))


def test_a_stale_metric_was_recorded():
    """Details that are as fresh as can be do not make up for it."""
    stale = RECORDED["2.3.0"]["moments"]["restarted"]
    job = RECORDED["2.3.0"]["jobs"]["fixed"]
    metrics = {
        each["id"]: each["value"] for each in stale[f"/jobs/{job}/metrics?get=numRestarts,fullRestarts,uptime"]["body"]
    }
    assert metrics["numRestarts"] == "0"


@pytest.mark.parametrize("release", RELEASES)
def test_a_loss_costs_an_attempt_for_each_part(release):
    found = jobs(release, "again")
    assert {name: job.restarts for name, job in found.items()} == {name: found[name].parts for name in RESTARTING}
    assert all(job.restored_checkpoint_id for name, job in found.items() if name != "plain")
    assert not waiting.unsettled(read(release, "again"))


@pytest.mark.parametrize("release", RELEASES)
def test_an_ended_job(release):
    assert "plain" not in jobs(release, "cancelled")
    assert {each.state for each in read(release, "cancelled").cluster.ended} == {"CANCELED", "FAILED"}


@pytest.mark.parametrize("release", ["1.18.1", "2.3.0"])
def test_strategies_that_a_release_tells(release):
    told = {
        name: (job.restart_strategy.kind, job.restart_strategy.attempts, job.restart_strategy.delay_ms)
        for name, job in jobs(release, "running").items()
    }
    assert told == {
        "default": ("cluster-default", None, None),
        "plain": ("cluster-default", None, None),
        "fixed": ("fixed-delay", 5, 1000),
        "wide": ("fixed-delay", 9, 1000),
        "none": ("none", 0, None),
        "failure-rate": ("failure-rate", None, 1000),
        "exponential-delay": ("exponential-delay", None, 1000),
    }
    limit = jobs(release, "running")["failure-rate"].restart_strategy
    assert (limit.failures, limit.interval_ms) == (1, 60_000)
    assert all(job.restart_strategy.certain for job in jobs(release, "running").values())


def test_strategies_that_1_20_hides():
    for job in jobs("1.20.5", "running").values():
        assert (job.restart_strategy.kind, job.restart_strategy.certain) == ("cluster-default", False)
    job = as_returned("1.20.5", "running", "none")
    assert "whose options set another" in strategies.absorption_note(job, DEFAULT)


@pytest.mark.parametrize("release", RELEASES)
def test_job_managers_options(release):
    (state,) = read(release).job_managers
    assert (state.address, state.rest_port, state.reachable, state.detail) == ("jm1.test", 8081, True, "")
    assert state.tolerates_suspended_connections is True
    strategy = state.restart_strategy
    assert (strategy.kind, strategy.attempts, strategy.delay_ms) == ("fixed-delay", 7, 2000)


def test_metrics_are_asked_for_twice_and_what_is_constant_once():
    transport = Recorded()
    reader = jobs_reading.ClusterReader(5, transport)
    first = reader.read([ONE])
    job = RECORDED["2.3.0"]["jobs"]["fixed"]
    assert len([url for url in transport.asked if f"{job}/metrics" in url]) == 2
    assert len(transport.asked) == 4 + 7 * 6
    transport.asked.clear()
    assert reader.read([ONE]) == first
    assert len(transport.asked) == 4 + 7 * 3


# --- Who answers ---------------------------------------------------------------------------------------------------

REFUSED = urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"jm1.test:8081/jobmanager/config": REFUSED}, "jm1.test:8081 does not answer: Connection refused"),
        ({"jm1.test:8081/jobs/overview": (503, b"")}, "jm1.test:8081 answers 503 to /jobs/overview: no leader yet"),
        ({"jm1.test:8081/taskmanagers": (500, b"")}, "jm1.test:8081 answers 500 to /taskmanagers"),
        ({"jm1.test:8081/overview": (404, b"")}, "jm1.test:8081 answers 404 to /overview"),
        ({"jm1.test:8081/taskmanagers": (200, b"{}")}, "answers, but not as Flink does: taskmanagers is missing"),
        ({"jm1.test:8081/jobs/overview": REFUSED}, "jm1.test:8081 does not answer: Connection refused"),
    ],
)
def test_the_next_one_is_asked(broken, words):
    reading = read(broken=broken, managers=(ONE, TWO))
    assert reading.cluster is not None
    assert words in reading.reasons[0]
    assert [state.address for state in reading.job_managers] == ["jm1.test", "jm2.test"]


def test_nobody_answers():
    reading = read(broken={"/jobmanager/config": REFUSED}, managers=(ONE, TWO))
    assert reading.cluster is None
    assert len(reading.reasons) == 2
    found = reading.as_dict()
    assert (found["reachable"], found["jobs"], found["slots_total"]) == (False, [], 0)
    assert found["job_managers"][0] == {
        "address": "jm1.test",
        "rest_port": 8081,
        "reachable": False,
        "tolerates_suspended_connections": None,
        "restart_strategy": None,
        "detail": "does not answer: Connection refused",
    }
    assert found.keys() == read().as_dict().keys()


def test_no_leader_is_reachable():
    reading = read(broken={"": (503, b"")})
    assert reading.cluster is None
    assert reading.job_managers[0].reachable


def test_one_that_hangs():
    ended = threading.Event()

    def hang(url, seconds):
        if "jm1" in url:
            ended.wait(5)
        return Recorded()(url, seconds)

    started = time.monotonic()
    reading = jobs_reading.ClusterReader(0.3, hang).read([ONE, TWO])
    ended.set()
    assert reading.cluster is not None
    assert reading.job_managers[0].detail == "does not answer: no reply within 0.3 s"
    assert time.monotonic() - started < 3


def test_one_that_dribbles():
    clock = iter(range(1000))
    reading = jobs_reading.ClusterReader(5, Recorded(), lambda: next(clock)).read([ONE])
    assert reading.cluster is None
    assert "no complete reply within its time limit" in reading.reasons[0]


# --- What was not read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["", "/checkpoints", "/checkpoints/config", "/config"])
@pytest.mark.parametrize("answer", [(503, b""), (404, b""), (200, b"{}")], ids=["503", "404", "other"])
def test_trap_55_a_job_that_could_not_be_read_is_named_and_the_reading_is_not_the_whole(part, answer):
    """503 is the answer for a job that is being submitted."""
    fixed = RECORDED["2.3.0"]["jobs"]["fixed"]
    if answer[0] == 200 and part == "/config":
        answer = (200, b"[]")
    reading = read(broken={f"/jobs/{fixed}{part}": answer})
    assert reading.cluster is not None
    assert not reading.complete
    assert [job.id for job in reading.cluster.unread] == [fixed]
    assert len(reading.cluster.jobs) == 6
    found = reading.as_dict()
    assert (found["reachable"], found["complete"]) == (True, False)
    assert found["unread_jobs"][0]["id"] == fixed
    assert found["reasons"][0].startswith("JobManager jm1.test:8081 answers")
    assert read().complete


def test_trap_55_the_next_job_manager_may_know_what_the_first_does_not():
    fixed = RECORDED["2.3.0"]["jobs"]["fixed"]
    reading = read(broken={f"jm1.test:8081/jobs/{fixed}": (503, b"")}, managers=(ONE, TWO))
    assert reading.complete
    assert reading.base == "jm2.test:8081"


def test_trap_55_what_was_not_read_meets_no_wish():
    fixed = RECORDED["2.3.0"]["jobs"]["fixed"]
    reading = read(broken={f"/jobs/{fixed}": (503, b"")})
    missing = [f"job {fixed} (count) could not be read"]
    for wish in (
        waiting.WaitCondition(jobs=True),
        waiting.WaitCondition(job_ids=(fixed,)),
        waiting.WaitCondition(calm={fixed: 1}),
        waiting.WaitCondition(checkpoints={fixed: 0}),
        waiting.WaitCondition(checkpoints_since=1),
        waiting.WaitCondition(checkpoints_since=1, checkpoints_of=(fixed,)),
    ):
        assert waiting.unmet_conditions(reading, wish) == missing
    assert waiting.unmet_conditions(reading, waiting.WaitCondition(checkpoints_since=1, checkpoints_of=())) == []
    assert waiting.unmet_conditions(reading, waiting.WaitCondition(job_ids=(RECORDED["2.3.0"]["jobs"]["wide"],))) == []


def many(count, seconds):
    """Transport of a cluster with so many jobs, of which each question takes some time."""
    fixed = RECORDED["2.3.0"]["jobs"]["fixed"]
    replies = RECORDED["2.3.0"]["moments"]["running"]
    (listed,) = [each for each in replies["/jobs/overview"]["body"]["jobs"] if each["jid"] == fixed]
    ids = [f"{number:032x}" for number in range(count)]
    at_once, most = [], [0]

    def get(place, limit):
        path = "/" + place.split("/", 1)[1]
        if path == "/jobs/overview":
            return 200, json.dumps({"jobs": [{**listed, "jid": each} for each in ids]}).encode()
        if path.startswith("/jobs/"):
            at_once.append(1)
            most[0] = max(most[0], len(at_once))
            time.sleep(seconds)
            at_once.pop()
            path = f"/jobs/{fixed}" + path[len("/jobs/") + 32 :]
        reply = replies[path]
        return reply["status"], json.dumps(reply["body"]).encode()

    return get, most


def test_trap_55_the_time_limit_grows_with_the_jobs_and_they_are_read_side_by_side():
    get, most = many(40, 0.02)
    # 240 questions of 20 ms are 4.8 s one after another, and the limit for a cluster without jobs is 0.5 s.
    reading = jobs_reading.ClusterReader(0.5, get).read([ONE])
    assert reading.complete
    assert len(reading.cluster.jobs) == 40
    assert 1 < most[0] <= jobs_reading.AT_ONCE


def test_one_that_does_not_answer_is_not_asked_for_every_job():
    asked = []

    def get(place, limit):
        if "/jobs/" in place and not place.endswith("overview"):
            asked.append(place)
            raise REFUSED
        return Recorded()(place, limit)

    reading = jobs_reading.ClusterReader(5, get).read([ONE])
    assert reading.cluster is None
    assert len(asked) <= jobs_reading.AT_ONCE
    assert "Connection refused" in reading.reasons[0]


# --- Bodies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parse",
    [
        bodies.parse_task_managers,
        bodies.parse_jobs,
        bodies.parse_detail,
        bodies.parse_checkpoints,
        bodies.parse_interval,
        bodies.parse_options,
    ],
)
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"3", b"{}", b"[1]", b"\xff", b"[" * 100_000, b'{"jobs":[{"jid":"x"}]}', b'{"interval":true}'],
)
def test_what_is_not_flinks(parse, body):
    with pytest.raises(ValueError, match=r"."):
        parse(body)


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("akka.tcp://flink@tm1:6122/user/rpc/taskmanager_0", ("tm1", 6122)),
        ("pekko.ssl.tcp://flink@198.51.100.7:6122/user/rpc/taskmanager_0", ("198.51.100.7", 6122)),
        ("pekko.tcp://flink@[2001:db8::7]:6122/user/rpc/taskmanager_0", ("2001:db8::7", 6122)),
    ],
)
def test_address_of_a_task_manager(path, address):
    body = json.dumps({"taskmanagers": [{"id": "a", "path": path, "slotsNumber": 2, "freeSlots": 1}]}).encode()
    (found,) = bodies.parse_task_managers(body)
    assert (found.host, found.port) == address


@pytest.mark.parametrize("path", [None, 3, "", "tm1:6122", "pekko.tcp://flink@tm1/user", "pekko.tcp://tm1:99999/"])
def test_a_task_manager_without_address(path):
    body = json.dumps({"taskmanagers": [{"id": "a", "path": path, "slotsNumber": 2, "freeSlots": 1}]}).encode()
    with pytest.raises(ValueError, match=r"."):
        bodies.parse_task_managers(body)


def test_names_are_shown_harmlessly():
    body = json.dumps({"jobs": [{"jid": "0" * 32, "name": "\x1b[2Jboo" + "x" * 999, "last-modification": 1}]}).encode()
    (job,) = bodies.parse_jobs(body)
    assert job.name.isprintable()
    assert len(job.name) < 300


def detail(**changed):
    base = bodies.Detail("RUNNING", 1, batch=False, running_since=1000, restarted_at=0, now=61_000)
    return dataclasses.replace(base, **changed)


@pytest.mark.parametrize(
    ("metrics", "changed", "count"),
    [
        ({"numRestarts": "3", "uptime": "59000"}, {}, 3),
        ({"numRestarts": "3", "uptime": "60400"}, {}, 3),
        ({"numRestarts": "3", "uptime": "60600"}, {}, None),
        ({"numRestarts": "0", "uptime": "0"}, {}, 0),
        ({"numRestarts": "1", "uptime": "0"}, {"restarted_at": 900}, None),
        ({"numRestarts": "0", "uptime": "500"}, {"restarted_at": 900}, None),
        ({"numRestarts": "1", "uptime": "500"}, {"restarted_at": 900}, 1),
        ({"numRestarts": "1", "uptime": "99999999"}, {"state": "RESTARTING"}, 1),
        ({"fullRestarts": "2", "numRestarts": "4"}, {}, 4),
        ({"fullRestarts": "2"}, {}, 2),
        ({"numRestarts": "4"}, {}, 4),
        ({"uptime": "500"}, {}, None),
        ({"numRestarts": "-1"}, {}, None),
        ({"numRestarts": "NaN"}, {}, None),
        ({}, {}, None),
    ],
)
def test_restarts(metrics, changed, count):
    body = json.dumps([{"id": name, "value": value} for name, value in metrics.items()]).encode()
    assert bodies.parse_restarts(body, detail(**changed)) == count


@pytest.mark.parametrize(
    ("changed_at", "kept_ms", "count"), [(58_000, 3000, 4), (58_001, 3000, None), (58_001, 2000, 4), (62_000, 0, None)]
)
def test_restarts_of_a_job_that_has_just_changed(changed_at, kept_ms, count):
    body = b'[{"id":"numRestarts","value":"4"},{"id":"uptime","value":"59000"}]'
    assert bodies.parse_restarts(body, detail(), changed_at, kept_ms) == count


def test_how_long_details_are_kept_is_read():
    kept = json.dumps([{"key": bodies.REFRESH_KEY, "value": "1 h"}]).encode()
    assert waiting.unsettled(read(broken={"/jobmanager/config": (200, kept)}))


FORWARD, HASH = "FORWARD", "HASH"


@pytest.mark.parametrize(
    ("parallelism", "edges", "parts"),
    [
        ({}, [], 0),
        ({"a": 4}, [], 4),
        ({"a": 4, "b": 4}, [("a", "b", FORWARD)], 4),
        ({"a": 4, "b": 4}, [("a", "b", HASH)], 1),
        ({"a": 4, "b": 2}, [("a", "b", FORWARD)], 1),
        ({"a": 4, "b": 4, "c": 3}, [("a", "b", FORWARD)], 7),
        ({"a": 4, "b": 4, "c": 4}, [("a", "b", FORWARD), ("b", "c", "REBALANCE")], 1),
        ({"a": 2, "b": 2, "c": 1, "d": 1}, [("a", "b", HASH), ("c", "d", HASH)], 2),
        ({"a": 2}, [("x", "a", HASH), ("a", "y", HASH)], 2),
    ],
)
def test_parts(parallelism, edges, parts):
    nodes = {name: {"id": name, "inputs": []} for name in [*parallelism, "y"]}
    for source, target, how in edges:
        nodes[target]["inputs"].append({"id": source, "ship_strategy": how})
    assert bodies.unconnected_parts(parallelism, nodes.values()) == parts


@pytest.mark.parametrize(
    ("state", "tasks", "batch", "runs"),
    [
        ("RUNNING", {"RUNNING": 2}, False, True),
        ("RUNNING", {"RUNNING": 1, "FINISHED": 1}, False, True),
        ("RUNNING", {"RUNNING": 1, "CREATED": 1}, False, False),
        ("RUNNING", {"RUNNING": 1, "CREATED": 1}, True, True),
        ("RUNNING", {"RUNNING": 1, "DEPLOYING": 1}, True, False),
        ("RUNNING", {"INITIALIZING": 2}, False, False),
        ("RESTARTING", {"RUNNING": 2}, False, False),
        ("RUNNING", {}, False, False),
    ],
)
def test_runs(state, tasks, batch, runs):
    assert bodies.runs(bodies.Listed("0" * 32, "orders", state, tasks, 0), batch) is runs


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1 s", 1000),
        ("1s", 1000),
        ("1000 ms", 1000),
        ("1000", 1000),
        ("2 min", 120_000),
        ("1 h", 3_600_000),
        ("1 d", 86_400_000),
        ("5 µs", 0),
        ("PT1S", 1000),
        ("PT1M30S", 90_000),
        ("PT0.5S", 500),
        ("pt1h", 3_600_000),
        ("P1D", 86_400_000),
        ("P", None),
        ("PT", None),
        ("", None),
        ("soon", None),
        ("1 parsec", None),
        ("-1 s", None),
    ],
)
def test_durations(text, milliseconds):
    assert strategies.duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    ("options", "kind", "attempts", "delay"),
    [
        ({}, "unset", None, None),
        ({"restart-strategy": "none"}, "none", 0, None),
        ({"restart-strategy.type": "OFF"}, "none", 0, None),
        ({"restart-strategy.type": "disable"}, "none", 0, None),
        ({"restart-strategy": "fixed-delay"}, "fixed-delay", 1, 1000),
        ({"restart-strategy": "none", "restart-strategy.type": "fixeddelay"}, "fixed-delay", 1, 1000),
        (
            {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "2147483647"},
            "fixed-delay",
            None,
            1000,
        ),
        ({"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "x"}, "unknown", None, None),
        ({"restart-strategy.type": "failure-rate"}, "failure-rate", None, 1000),
        (
            {"restart-strategy.type": "failurerate", "restart-strategy.failure-rate.failure-rate-interval": "x"},
            "unknown",
            None,
            None,
        ),
        ({"restart-strategy.type": "exponential-delay"}, "exponential-delay", None, 1000),
        (
            {
                "restart-strategy.type": "exponentialdelay",
                "restart-strategy.exponential-delay.attempts-before-reset-backoff": "4",
                "restart-strategy.exponential-delay.initial-backoff": "PT2S",
            },
            "exponential-delay",
            4,
            2000,
        ),
        ({"restart-strategy.type": "org.example.Mine"}, "unknown", None, None),
    ],
)
def test_strategy_of_a_cluster(options, kind, attempts, delay):
    found = strategies.strategy_of_cluster(options)
    assert (found.kind, found.attempts, found.delay_ms) == (kind, attempts, delay)


@pytest.mark.parametrize("text", ["", "something new", "Restart with fixed delay (1000 ms). #x restart attempts."])
def test_strategy_that_is_not_understood(text):
    assert strategies.strategy_of_job(text).kind == "unknown"


@pytest.mark.parametrize(
    ("version", "hides"),
    [("1.18.1", False), ("1.19.3", True), ("1.20.5", True), ("2.2.0", True), ("2.3.0", False), ("", True)],
)
def test_releases_that_hide_strategies(version, hides):
    assert strategies.hides_strategies(version) is hides


@pytest.mark.parametrize(
    ("value", "tolerates"), [("true", True), (" TRUE ", True), ("false", False), (None, False), ("", False)]
)
def test_tolerates(value, tolerates):
    options = [] if value is None else [{"key": jobs_reading.TOLERATES, "value": value}]
    state = read(broken={"/jobmanager/config": (200, json.dumps(options).encode())}).job_managers[0]
    assert state.tolerates_suspended_connections is tolerates


# --- Waiting -------------------------------------------------------------------------------------------------------


def job_id(name, release="2.3.0"):
    return RECORDED[release]["jobs"][name]


def test_nothing_is_missing_without_a_wish():
    assert not waiting.WaitCondition().waits
    assert waiting.unmet_conditions(model.Reading(()), waiting.WaitCondition()) == []


def test_nobody_answers_the_wish():
    assert waiting.unmet_conditions(model.Reading(()), waiting.WaitCondition(jobs=True)) == [
        "no JobManager answers with all that is asked"
    ]


def test_task_managers_that_are_missing():
    wish = waiting.WaitCondition(task_managers=(("127.0.0.1", 36130), ("127.0.0.1", 36140)))
    assert waiting.unmet_conditions(read(), wish) == []
    (missing,) = waiting.unmet_conditions(read(moment="lost"), wish)
    assert missing.startswith("TaskManager 127.0.0.1:361")
    assert missing.endswith("is not registered")


def test_the_stopped_task_manager_does_not_count():
    stopped = read().cluster.task_managers
    wish = waiting.WaitCondition(gone=tuple(each.id for each in stopped))
    assert len(waiting.unmet_conditions(read(), wish)) == 2
    assert len(waiting.unmet_conditions(read(moment="again"), wish)) == 1  # the survivor is the same


def test_jobs_that_do_not_run():
    wish = waiting.WaitCondition(jobs=True)
    assert waiting.unmet_conditions(read(), wish) == []
    missing = waiting.unmet_conditions(read(moment="lost"), wish)
    assert waiting.unmet_conditions(read(moment="restarted"), wish) == []
    assert len(missing) == 6
    assert all("(count) is " in each or "(wide) is " in each for each in missing)
    assert any("its tasks: " in each and "FAILED" in each for each in missing)


def test_checkpoints_that_are_missing():
    before = jobs("2.3.0", "running")["fixed"]
    for field, value in (
        ("checkpoints", before.completed_checkpoints),
        ("checkpoint_ids", before.latest_checkpoint_id),
    ):
        wish = waiting.WaitCondition(**{field: {before.id: value}})
        assert len(waiting.unmet_conditions(read(), wish)) == 1
        assert waiting.unmet_conditions(read(moment="again"), wish) == []
    assert waiting.unmet_conditions(read(), waiting.WaitCondition(checkpoint_ids={job_id("plain"): 0})) != []


def test_a_job_that_ended_has_no_more_checkpoints():
    wish = waiting.WaitCondition(checkpoints={job_id("plain"): 3, "0" * 32: 7}, checkpoint_ids={job_id("plain"): 3})
    assert waiting.unmet_conditions(read(moment="cancelled"), wish) == []
    assert waiting.lost(read(moment="cancelled"), wish) == []


def test_a_job_that_failed_is_no_success():
    wish = waiting.WaitCondition(checkpoints={job_id("none"): 3})
    assert waiting.lost(read(moment="lost"), wish) == [f"job {job_id('none')} (count) has FAILED"]
    assert waiting.unmet_conditions(read(moment="lost"), wish) == waiting.lost(read(moment="lost"), wish)
    assert waiting.lost(model.Reading(()), wish) == []
    since = waiting.WaitCondition(checkpoints_since=read().cluster.clock_ms)
    assert waiting.lost(read(moment="lost"), since) == waiting.lost(read(moment="lost"), wish)
    assert (
        waiting.lost(
            read(moment="lost"), waiting.WaitCondition(checkpoints_since=read(moment="again").cluster.clock_ms)
        )
        == []
    )


def test_a_job_of_the_wish_that_is_not_listed_is_waited_for():
    """A new leader lists a job when it has taken it over."""
    wish = waiting.WaitCondition(job_ids=("0" * 32,))
    assert waiting.unmet_conditions(read(), wish) == [f"job {'0' * 32} is not listed"]
    assert waiting.unmet_conditions(read(moment="cancelled"), waiting.WaitCondition(job_ids=(job_id("plain"),))) == []
    assert waiting.lost(read(moment="lost"), waiting.WaitCondition(job_ids=(job_id("none"),))) != []


def test_others_are_nothing_to_the_jobs_of_the_wish():
    lost = read(moment="lost")
    (first, *_others) = [job for job in lost.cluster.jobs if not job.running]
    assert len(waiting.unmet_conditions(lost, waiting.WaitCondition(job_ids=(first.id,)))) == 1
    since = waiting.WaitCondition(checkpoints_since=lost.cluster.clock_ms, checkpoints_of=(first.id,))
    assert len(waiting.unmet_conditions(lost, since)) == 1
    assert waiting.lost(lost, since) == []


def test_calm():
    again = read(moment="again")
    (found,) = [job for job in again.cluster.jobs if job.id == job_id("failure-rate")]
    ran = again.cluster.clock_ms - found.restarted_at
    assert waiting.unmet_conditions(again, waiting.WaitCondition(calm={found.id: ran})) == []
    assert "restarted less than" in waiting.unmet_conditions(again, waiting.WaitCondition(calm={found.id: ran + 1}))[0]


@pytest.mark.parametrize(
    ("version", "can"),
    [("1.13.6", False), ("1.16.3", False), ("1.17.0", True), ("1.20.5", True), ("2.3.0", True), ("", False)],
)
def test_releases_that_take_a_checkpoint_on_request(version, can):
    assert jobs_checkpoints.triggers(version) is can


class Flink:
    """What answers to requests for checkpoints, one job after another as told."""

    def __init__(self, *answers, operation=None):
        self.answers, self.operation = list(answers), operation or {"status": {"id": "IN_PROGRESS"}, "operation": None}
        self.posts, self.gets, self.now = [], [], 100.0

    def post(self, base, job, seconds):
        self.posts.append((base, job))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get(self, place, seconds):
        self.gets.append(place)
        return 200, json.dumps(self.operation).encode()


TAKEN = (202, b'{"request-id":"r1"}')


def triggered(flink, moments, release="2.3.0", interval="300000", **wish):
    """Tells the readings of so many seconds to a trigger; gives it."""
    slow = {f"{job_id('fixed', release)}/checkpoints/config": (200, f'{{"interval":{interval}}}'.encode())}
    reading = read(release, broken=slow)
    trigger = jobs_checkpoints.CheckpointTrigger(flink.post, flink.get, 5, lambda: flink.now)
    wish = waiting.WaitCondition(checkpoints_since=reading.cluster.clock_ms, **wish)
    for seconds in moments:
        flink.now += seconds
        trigger(reading, wish)
    return trigger


def test_trap_56_a_job_with_a_long_interval_is_asked_for_a_checkpoint_once():
    flink = Flink(TAKEN)
    triggered(flink, [0, 0.5, 0.5, 2, 30])
    # The others checkpoint every second or two: they are left alone.
    assert flink.posts == [("jm1.test:8081", job_id("fixed"))]
    assert set(flink.gets) == {f"jm1.test:8081/jobs/{job_id('fixed')}/checkpoints/r1"}


@pytest.mark.parametrize(
    ("release", "interval", "of"), [("2.3.0", "10000", None), ("2.3.0", "300000", ())], ids=["short", "not asked for"]
)
def test_who_is_not_asked_for_a_checkpoint(release, interval, of):
    flink = Flink(TAKEN)
    triggered(flink, [0, 10], release, interval, checkpoints_of=of)
    assert flink.posts == []


def test_a_checkpoint_that_failed_is_asked_for_again():
    failed = {"status": {"id": "COMPLETED"}, "operation": {"failureCause": {"class": "o.a.f.CheckpointException"}}}
    flink = Flink(TAKEN, operation=failed)
    trigger = triggered(flink, [0, 1, 1, jobs_checkpoints.TRIGGER_AGAIN])
    assert len(flink.posts) == 2
    assert "CheckpointException" in trigger.failures[job_id("fixed")]


@pytest.mark.parametrize(
    ("answer", "posts"),
    [((404, b""), 1), ((405, b""), 1), ((503, b""), 2), (REFUSED, 2)],
    ids=["404", "405", "503", "-"],
)
def test_a_request_that_is_refused_is_not_repeated_and_one_that_was_not_answered_is(answer, posts):
    flink = Flink(answer)
    trigger = triggered(flink, [0, 1, jobs_checkpoints.TRIGGER_AGAIN])
    assert len(flink.posts) == posts
    assert "could not be asked for" in trigger.failures[job_id("fixed")]


# --- Decisions -----------------------------------------------------------------------------------------------------

DEFAULT = dataclasses.asdict(model.Strategy("fixed-delay", 7, 2000, text="restart-strategy.type: fixed-delay"))
UNSET = dataclasses.asdict(model.Strategy("unset"))


def job(kind="fixed-delay", restarts=0, parts=1, checkpointing=True, **strategy):
    return {
        "id": "0" * 32,
        "name": "orders",
        "restarts": restarts,
        "parts": parts,
        "checkpointing": checkpointing,
        "restart_strategy": dataclasses.asdict(model.Strategy(kind, **strategy)),
    }


@pytest.mark.parametrize(
    ("given", "default", "steps", "spacing", "words"),
    [
        (job(attempts=3), DEFAULT, 3, 0, ""),
        (job(attempts=3), DEFAULT, 4, 0, "may restart 3 more times (3 attempts, 0 used), and 4 are needed"),
        (job(attempts=3, restarts=2), DEFAULT, 1, 0, ""),
        (job(attempts=3, restarts=2), DEFAULT, 2, 0, "may restart 1 more times (3 attempts, 2 used)"),
        (job(attempts=3, restarts=9), DEFAULT, 1, 0, "may restart 0 more times"),
        (job(attempts=3, restarts=9), DEFAULT, 0, 0, ""),
        (job(attempts=3, restarts=None), DEFAULT, 1, 0, "is not known yet"),
        (job(attempts=None, restarts=None), DEFAULT, 99, 0, ""),
        (job(attempts=5, parts=2), DEFAULT, 2, 0, ""),
        (job(attempts=5, parts=2), DEFAULT, 3, 0, "6 are needed"),
        (job("none", attempts=0), DEFAULT, 1, 0, "does not restart"),
        (job("none", attempts=0), DEFAULT, 0, 0, ""),
        (job("exponential-delay"), DEFAULT, 99, 0, ""),
        (job("exponential-delay", attempts=1), DEFAULT, 2, 0, "may restart 1 more times"),
        (job("failure-rate", failures=3, interval_ms=60_000), DEFAULT, 3, 0, ""),
        (job("failure-rate", failures=1, interval_ms=60_000), DEFAULT, 2, 0, "may restart 1 times in 60 s"),
        (job("failure-rate", failures=1, interval_ms=60_000), DEFAULT, 2, 61_000, ""),
        (job("failure-rate", failures=1, interval_ms=60_000), DEFAULT, 2, 60_000, "2 are needed"),
        (job("failure-rate", failures=2, interval_ms=60_000), DEFAULT, 9, 31_000, ""),
        (job("failure-rate", failures=2, parts=2, interval_ms=60_000), DEFAULT, 9, 31_000, "4 are needed"),
        (job("failure-rate", failures=2, text="odd"), DEFAULT, 1, 0, "is not understood: odd"),
        (job("cluster-default"), DEFAULT, 7, 0, ""),
        (job("cluster-default"), DEFAULT, 8, 0, "may restart 7 more times"),
        (job("cluster-default"), UNSET, 99, 0, ""),
        (job("cluster-default", checkpointing=False), UNSET, 1, 0, "does not restart (Flink's own default)"),
        (job("unknown", text="new words"), DEFAULT, 1, 0, "is not understood: new words"),
        (job("cluster-default"), strategies.cluster_default([]), 1, 0, "no JobManager tells its options"),
    ],
)
def test_absorbs(given, default, steps, spacing, words):
    found = strategies.absorbs(given, default, steps, spacing)
    assert words in found
    assert bool(found) == bool(words)


@pytest.mark.parametrize("release", ["1.18.1", "2.3.0"])
def test_what_the_recorded_jobs_absorb(release):
    default = strategies.cluster_default(read(release).as_dict()["job_managers"])
    refused = {
        name: bool(strategies.absorbs(as_returned(release, "running", name), default, 2))
        for name in RECORDED[release]["jobs"]
    }
    assert [name for name, each in refused.items() if each] == ["failure-rate", "none"]
    # After the loss of one TaskManager it has 7 of 9 attempts left: three losses more, two attempts each.
    assert strategies.absorbs(as_returned(release, "again", "wide"), default, 3) == ""
    assert "7 more times" in strategies.absorbs(as_returned(release, "again", "wide"), default, 4)


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [
        (job("failure-rate", failures=1, interval_ms=60_000), 60_001),
        (job("failure-rate", failures=3, interval_ms=60_000), 20_001),
        (job("failure-rate", failures=3, parts=2, interval_ms=60_000), 60_001),
        (job("failure-rate", failures=1, parts=2, interval_ms=60_000), 0),
        (job("failure-rate", failures=1), 0),
        (job(attempts=3), 0),
    ],
)
def test_time_between_two_steps(given, milliseconds):
    found = strategies.spacing_ms(given, DEFAULT)
    assert found == milliseconds
    if found:
        assert strategies.absorbs(given, DEFAULT, 50, found) == ""


def test_notes():
    assert strategies.absorption_note(job(attempts=3), DEFAULT) == ""
    assert "2 times in 60 s" in strategies.absorption_note(job("failure-rate", failures=2, interval_ms=60_000), DEFAULT)
    assert "the cluster's restart strategy (fixed-delay)" in strategies.absorption_note(
        job("cluster-default", certain=False), DEFAULT
    )


def manager(strategy):
    return {"restart_strategy": strategy}


def test_default_of_job_managers():
    other = {**DEFAULT, "attempts": 3, "text": "restart-strategy: fixed-delay"}
    assert strategies.cluster_default([manager(None), manager(DEFAULT)]) == DEFAULT
    assert strategies.cluster_default([manager(DEFAULT), manager({**DEFAULT, "text": "another key"})]) == DEFAULT
    assert strategies.cluster_default([manager(DEFAULT), manager(other)])["kind"] == "unknown"
    assert "the JobManagers differ" in strategies.cluster_default([manager(DEFAULT), manager(UNSET)])["text"]
    assert strategies.cluster_default([manager(None)])["kind"] == "unknown"


TASK_MANAGERS = [
    {"id": "a-1", "host": "tm1.test", "port": 6122, "slots": 4, "free_slots": 1},
    {"id": "b-1", "host": "tm2.test", "port": 6122, "slots": 4, "free_slots": 2},
    {"id": "b-2", "host": "tm2.test", "port": 6222, "slots": 4, "free_slots": 4},
    {"id": "c-1", "host": "2001:db8::7", "port": 6122, "slots": 2, "free_slots": 0},
]


@pytest.mark.parametrize(
    ("name", "used", "free"),
    [
        ("tm1.test:6122", 3, 6),
        ("TM1.test", 3, 6),
        ("a-1", 3, 6),
        ("tm2.test", 2, 1),
        ("tm2.test:6222", 0, 3),
        ("[2001:db8::7]:6122", 2, 7),
        ("tm9.test", 0, 7),
    ],
)
def test_slots(name, used, free):
    assert (capacity.needed(TASK_MANAGERS, name), capacity.free_elsewhere(TASK_MANAGERS, name)) == (used, free)
