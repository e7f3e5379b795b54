"""leader_znode: how it reads, doubts, waits and reports."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import endpoints
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import rest as flink_rest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader import verdict
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import client, errors
from ansible_collections.streamquorum.ha.plugins.modules import leader_znode as module

ZNODES = Path(__file__).parents[3] / "fixtures" / "flink" / "znodes" / "2.3.0"
ONE, TWO = endpoints.JobManager("127.0.0.2", 28081), endpoints.JobManager("127.0.0.3", 28081)
FIRST = "3f62c8ee-7891-4334-a445-20c5813150d0"
GOOD = flink_rest.Answer(200, flink_rest.Overview(1, 2, 2, 0, "2.3.0"))


@dataclass(frozen=True)
class Node:
    data: bytes
    ephemeral_owner: int


def recorded(moment):
    stored = json.loads((ZNODES / f"{moment}.json").read_text())
    return {path: Node(bytes.fromhex(n["data"]), int(n["ephemeralOwner"], 16)) for path, n in stored.items()}


class Ensemble:
    """Each reading (it begins with a sync) sees the next state; the last one stays."""

    def __init__(self, *states):
        self.states = list(states)
        self.nodes = {}
        self.sessions = 0

    @contextlib.contextmanager
    def connect(self):
        self.sessions += 1
        yield self

    def sync(self, path):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        self.nodes = state

    def read(self, path):
        return self.nodes.get(path)

    def children(self, path):
        if path not in self.nodes:
            return None
        return [p.rsplit("/", 1)[1] for p in self.nodes if p.rsplit("/", 1)[0] == path]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def watch(ensemble, clock, wish=None, answers=(GOOD, GOOD), timeout=10.0, **expected):
    return module.LeaderWatch(
        ensemble.connect,
        module.FlinkElection(
            lambda bases, with_rpc: list(answers)[: len(bases)],
            lambda host: set(),
            "/flink/demo",
            verdict.Expectation(**expected),
        ),
        lambda host: set(),
        wish or verdict.WaitCondition(),
        timeout,
        0.5,
        clock,
        clock.sleep,
    )


LED, AFTER, GONE = recorded("led"), recorded("failed_over"), recorded("stopped")
TORN = {path: node for path, node in LED.items() if "dispatcher/" not in path}


def test_reports_at_once_without_a_wish():
    clock = Clock()
    assert watch(Ensemble(GONE, LED), clock).run().verdict == verdict.LEADERLESS
    assert clock.now == 0


def test_a_contradiction_is_looked_at_twice():
    clock = Clock()
    assert watch(Ensemble(TORN, LED), clock).run().verdict == verdict.LED
    assert clock.now == 0.5
    clock = Clock()
    assert watch(Ensemble(TORN), clock).run().verdict == verdict.INCONSISTENT
    assert clock.now == 0.5


def test_waits_for_a_leader():
    clock = Clock()
    report = watch(Ensemble({}, GONE, TORN, LED), clock, verdict.WaitCondition(leader=True)).run()
    assert (report.verdict, clock.now) == (verdict.LED, 1.5)


def test_waits_for_another_leader():
    clock = Clock()
    report = watch(Ensemble(LED, LED, GONE, AFTER), clock, verdict.WaitCondition(change_from=FIRST)).run()
    assert (report.leader.host, clock.now) == ("127.0.0.3", 1.5)


def test_waits_for_a_given_leader():
    clock = Clock()
    report = watch(Ensemble(LED, AFTER), clock, verdict.WaitCondition(host="127.0.0.3", port=28081)).run()
    assert (report.leader.host, clock.now) == ("127.0.0.3", 0.5)


def test_the_end_of_the_wait_reports_the_last_reading():
    clock = Clock()
    report = watch(Ensemble(LED), clock, verdict.WaitCondition(change_from=FIRST), timeout=2.2).run()
    assert (report.leader.session_id, clock.now) == (FIRST, 2.2)


def test_waits_through_a_lost_connection():
    clock, lost = Clock(), errors.ConnectionFailed("lost")
    ensemble = Ensemble(GONE, lost, errors.CallTimedOut("slow"), LED)
    assert watch(ensemble, clock, verdict.WaitCondition(leader=True)).run().verdict == verdict.LED
    assert ensemble.sessions == 3
    with pytest.raises(errors.ConnectionFailed):
        watch(Ensemble(lost), clock, verdict.WaitCondition(leader=True)).run()
    with pytest.raises(errors.ConnectionFailed):
        watch(Ensemble(lost, LED), clock).run()


def test_a_refusal_is_not_waited_for():
    clock = Clock()
    with pytest.raises(errors.AuthRefused):
        watch(Ensemble(errors.AuthRefused("no"), LED), clock, verdict.WaitCondition(leader=True)).run()
    assert clock.now == 0


def test_asks_each_job_manager():
    asked = []

    def ask(bases, with_rpc):
        asked.append((bases, with_rpc))
        return [GOOD] * len(bases)

    clock, job_managers = Clock(), (ONE, endpoints.JobManager("fd00::2", 8081))
    expected = verdict.Expectation(job_managers=job_managers)
    module.LeaderWatch(
        Ensemble(LED).connect,
        module.FlinkElection(ask, lambda h: set(), "/flink/demo", expected),
        lambda h: set(),
        verdict.WaitCondition(),
        1,
        1,
        clock,
        clock.sleep,
    ).run()
    assert asked == [(["127.0.0.2:28081", "[fd00::2]:8081"], False)]


def test_resolver_has_a_limit_and_asks_once():
    calls, hang = [], threading.Event()

    def lookup(host, port, **kwargs):
        calls.append(host)
        if host == "slow":
            hang.wait(10)
        if host == "unknown":
            raise OSError(-2, "Name or service not known")
        return [(2, 1, 6, "", ("198.18.0.1", 0))]

    resolve = module.resolver(0.2, lookup)
    assert resolve("jm1") == resolve("jm1") == {"198.18.0.1"}
    assert resolve("slow") == resolve("unknown") == set()
    hang.set()
    assert calls == ["jm1", "slow", "unknown"]


def test_an_entry_of_job_managers():
    given = {"address": "[fd00::2]", "rest_port": 8081, "name": ""}
    assert str(module.job_manager(given)) == "[fd00::2]:8081"
    for wrong in ({"address": "jm1:8081"}, {"address": "jm1/x"}, {"address": ""}, {"rest_port": 0}):
        with pytest.raises(ValueError, match=r"."):
            module.job_manager({"address": "jm1", "rest_port": 8081, "name": "", **wrong})


# --- main() ---


class EndedError(Exception):
    """The module has given its result."""


@pytest.fixture
def run(monkeypatch):
    """main() with the given arguments, on the given states: its result, `failed` in it where it failed."""

    def start(*states, check=False, **params):
        ensemble, result = Ensemble(*states), {}

        def leave(self, **kwargs):
            result.update(kwargs)
            raise EndedError

        monkeypatch.setattr(basic.AnsibleModule, "exit_json", leave)
        monkeypatch.setattr(basic.AnsibleModule, "fail_json", lambda self, **kw: leave(self, failed=True, **kw))
        monkeypatch.setattr(client.Connection, "session", lambda self: ensemble.connect())
        monkeypatch.setattr(module.RestReader, "ask", lambda self, bases, with_rpc: [GOOD] * len(bases))
        given = {"servers": ["127.0.0.1:2181"], "cluster_id": "demo", "_ansible_check_mode": check, **params}
        with patch_module_args(given), pytest.raises(EndedError):
            module.main()
        return result

    return start


OURS = [{"address": "127.0.0.2", "rest_port": 28081}, {"address": "127.0.0.3", "rest_port": 28081}]


@pytest.mark.parametrize("state", [LED, GONE, {}])
def test_returns_what_it_documents(run, state):
    documented = set(yaml.safe_load(module.RETURN))
    result = run(state, job_managers=OURS, poll_interval=0.01)
    assert set(result) == documented - {"jobs"} | {"changed"}
    assert set(run(state, job_managers=OURS, poll_interval=0.01, jobs=True)) == documented | {"changed"}
    assert result["changed"] is False
    assert set(run(state, job_managers=OURS, check=True)) == set(result)
    assert set(yaml.safe_load(module.RETURN)["leader"]["contains"]) == set(result["leader"])


def test_satisfied(run):
    result = run(LED, job_managers=OURS, wait_for="leader", task_managers=1, flink_version="2.3.0")
    assert result["satisfied"]
    assert result["leader"]["address"] == "http://127.0.0.2:28081"
    assert not run(LED, job_managers=OURS, task_managers=2)["satisfied"]  # reported, not waited for


def test_a_wait_that_fails_says_what_is_missing(run):
    result = run(LED, job_managers=OURS, wait_for_change_from=FIRST, wait_timeout=0.02, poll_interval=0.01)
    assert result["failed"]
    assert f"still http://127.0.0.2:28081 (session id {FIRST})" in result["msg"]
    assert result["verdict"] == "led"
    result = run(LED, job_managers=OURS[1:], wait_for="leader", wait_timeout=0.02, poll_interval=0.01)
    assert result["foreign"]
    assert "not one of the expected JobManagers" in result["msg"]


def test_a_job_manager_that_is_not_asked_about_does_not_serve(run):
    awaited = {"wait_for_job_managers": ["127.0.0.9:28081"], "wait_timeout": 0.02, "poll_interval": 0.01}
    assert "JobManager 127.0.0.9:28081 does not serve" in run(LED, job_managers=OURS, **awaited)["msg"]
    awaited["wait_for_job_managers"] = ["127.0.0.2:28081"]
    assert run(LED, job_managers=OURS, **awaited)["satisfied"]


def test_no_ensemble(run):
    result = run(errors.ConnectionFailed("127.0.0.1:2181: Connection refused"))
    assert result["failed"]
    assert "Connection refused" in result["msg"]
    assert "Check that the ensemble serves" in result["msg"]


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"cluster_id": "/"}, "cluster_id"),
        ({"flink_version": "new"}, "flink_version"),
        ({"servers": ["zk1"]}, "zk1"),
        ({"wait_for_leader": "jm1"}, "jm1"),
        ({"job_managers": [{"address": "jm1", "rest_port": 70000}]}, "port"),
        ({"rest_timeout": 0}, "rest_timeout"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_bad_arguments(run, params, word):
    result = run(LED, **params)
    assert result["failed"]
    assert word in result["msg"]


@pytest.mark.parametrize(
    ("statuses", "contenders", "awaited", "told"),
    [
        ((200, 200), 2, [ONE], ""),
        ((503, 200), 2, [ONE], "JobManager 127.0.0.2:28081 does not serve: its REST answers 503"),
        ((0, 200), 2, [ONE], "JobManager 127.0.0.2:28081 does not serve: its REST does not answer"),
        # It answers, and is not in the election.
        ((200, 200), 1, [ONE], "1 of 2 JobManagers that serve are in the election"),
        # The other one is not its fault.
        ((200, 0), 1, [ONE], ""),
        ((200, 0), 2, [ONE, TWO], "JobManager 127.0.0.3:28081 does not serve: its REST does not answer"),
    ],
)
def test_trap_58_a_job_manager_serves_by_itself(statuses, contenders, awaited, told):
    rest = [
        {"address": each.address, "rest_port": each.rest_port, "status": status}
        for each, status in zip((ONE, TWO), statuses, strict=True)
    ]
    report = watch(Ensemble(LED), Clock()).run()
    report = replace(report, rest=rest, contenders=contenders)
    condition = verdict.WaitCondition(serving=tuple(str(each) for each in awaited))
    assert condition.waits
    assert verdict.unmet_conditions(report, condition, lambda host: set()) == ([told] if told else [])


def test_waits_for_a_job_manager_that_serves_later():
    clock = Clock()
    statuses = iter([flink_rest.Answer(503), flink_rest.Answer(0), GOOD])
    found = module.LeaderWatch(
        Ensemble(LED).connect,
        module.FlinkElection(
            lambda bases, with_rpc: [GOOD, next(statuses)],
            lambda host: set(),
            "/flink/demo",
            verdict.Expectation(job_managers=(ONE, TWO)),
        ),
        lambda host: set(),
        verdict.WaitCondition(serving=(str(ONE), str(TWO))),
        10.0,
        0.5,
        clock,
        clock.sleep,
    ).run()
    assert [each["status"] for each in found.rest] == [200, 200]
    assert clock.now == 1.0
