"""flink_job_info: how it waits, counts restarts and reports."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.endpoints import JobManager
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs import model, waiting
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs import reading as jobs_reading
from ansible_collections.streamquorum.ha.plugins.modules import flink_job_info as module

RECORDED = json.loads((Path(__file__).parents[3] / "fixtures" / "flink" / "rest" / "jobs-2.3.0.json").read_text())
IDS = RECORDED["jobs"]
NOBODY = model.Reading(
    (model.JobManagerState("jm1.test", 8081, True, detail="answers 503"),), None, ("jm1.test answers 503",)
)


def recorded(moment):
    def get(place, seconds):
        reply = RECORDED["moments"][moment]["/" + place.split("/", 1)[1]]
        return reply["status"], json.dumps(reply["body"]).encode()

    return jobs_reading.ClusterReader(5, get).read([JobManager("jm1.test", 8081)])


WHOLE, LOST, UNCOUNTED, AGAIN = (recorded(moment) for moment in ("running", "lost", "restarted", "again"))


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


def watch(*readings, timeout=10.0, **wish):
    """The reading that the watch ends with, and how long it took; the last of the readings stays."""
    clock, left = Clock(), list(readings)

    def look():
        return left.pop(0) if len(left) > 1 else left[0]

    return module.JobsWatch(look, waiting.WaitCondition(**wish), timeout, 0.5, clock, clock.sleep).run(), clock.now


def test_reports_at_once_without_a_wish():
    assert watch(WHOLE) == (WHOLE, 0)
    assert watch(LOST, WHOLE) == (LOST, 0)
    assert watch(NOBODY, WHOLE) == (NOBODY, 0)


def test_waits_through_a_failover():
    assert watch(NOBODY, NOBODY, LOST, AGAIN, jobs=True) == (AGAIN, 1.5)


def test_the_end_of_the_wait_reports_the_last_reading():
    assert watch(LOST, jobs=True, timeout=2.2) == (LOST, 2.2)


def test_a_failed_job_ends_the_wait():
    assert watch(NOBODY, LOST, AGAIN, checkpoints={IDS["none"]: 1}) == (LOST, 0.5)


def test_restarts_are_waited_for():
    assert watch(UNCOUNTED, UNCOUNTED, AGAIN) == (AGAIN, 1.0)
    assert watch(LOST, UNCOUNTED, AGAIN, jobs=True) == (AGAIN, 1.0)
    assert watch(UNCOUNTED, AGAIN, restarts=False) == (UNCOUNTED, 0)


def test_restarts_that_are_never_counted():
    assert watch(UNCOUNTED) == (UNCOUNTED, module.METRICS_LIMIT)
    assert watch(LOST, UNCOUNTED, jobs=True, timeout=2) == (UNCOUNTED, 0.5 + module.METRICS_LIMIT)


def test_a_job_that_fails_again_while_restarts_are_counted():
    assert watch(UNCOUNTED, LOST, jobs=True, timeout=2) == (LOST, 2)


def part(reading):
    """The same reading, in which one job could not be read."""
    first, *rest = reading.cluster.jobs
    unread = (model.UnreadJob(first.id, first.name, first.state, "answers 503"),)
    return dataclasses.replace(reading, cluster=dataclasses.replace(reading.cluster, jobs=tuple(rest), unread=unread))


def test_trap_55_what_was_not_read_is_waited_for_and_then_told_as_such():
    assert watch(NOBODY, part(WHOLE), WHOLE, reading=True) == (WHOLE, 1.0)
    assert watch(part(WHOLE), reading=True) == (part(WHOLE), 10.0)
    assert watch(part(WHOLE), WHOLE) == (part(WHOLE), 0)


def test_checkpoints_are_asked_for_while_they_are_waited_for():
    told, clock = [], Clock()
    wish = waiting.WaitCondition(checkpoints_since=WHOLE.cluster.clock_ms)
    readings = [WHOLE, WHOLE, AGAIN]

    def nudge(reading, _wish):
        told.append(reading)

    found = module.JobsWatch(lambda: readings.pop(0), wish, 10, 0.5, clock, clock.sleep, nudge).run()
    assert found == AGAIN
    assert told == [WHOLE, WHOLE]


# --- main() ---


class EndedError(Exception):
    """The module has given its result."""


@pytest.fixture
def run(monkeypatch):
    """main() with the given arguments, on the given reading: its result, `failed` in it where it failed."""

    def start(reading=WHOLE, check=False, **params):
        result = {}

        def leave(self, **kwargs):
            result.update(kwargs)
            raise EndedError

        def read(self, managers):
            result["asked"] = [f"{self._get.__self__.schemes[0]}://{each}" for each in managers]
            return reading

        monkeypatch.setattr(basic.AnsibleModule, "exit_json", leave)
        monkeypatch.setattr(basic.AnsibleModule, "fail_json", lambda self, **kw: leave(self, failed=True, **kw))
        monkeypatch.setattr(module.ClusterReader, "read", read)
        given = {"job_managers": [{"address": "jm1.test", "rest_port": 8081}], "_ansible_check_mode": check, **params}
        with patch_module_args(given), pytest.raises(EndedError):
            module.main()
        return result

    return start


@pytest.mark.parametrize("reading", [WHOLE, LOST, NOBODY, part(WHOLE)])
def test_returns_what_it_documents(run, reading):
    documented = yaml.safe_load(module.RETURN)
    result = run(reading)
    assert set(result) - {"asked"} == set(documented) | {"changed"}
    assert result["changed"] is False
    assert set(run(reading, check=True)) == set(result)
    for name in ("jobs", "unread_jobs", "ended_jobs", "task_managers", "job_managers"):
        for each in result[name]:
            assert set(each) == set(documented[name]["contains"])


def test_satisfied(run):
    assert run(wait_for_jobs=True)["satisfied"]
    assert run(LOST)["satisfied"]
    assert not run(NOBODY)["satisfied"]
    assert run(LOST)["complete"]
    assert not run(part(WHOLE))["complete"]
    assert run(NOBODY)["reasons"] == ["jm1.test answers 503"]


def test_a_wait_that_fails_says_what_is_missing(run):
    result = run(LOST, wait_for_jobs=True, wait_timeout=0.02, poll_interval=0.01)
    assert result["failed"]
    assert not result["satisfied"]
    for each in LOST.cluster.jobs:
        assert f"job {each.id} ({each.name}) is {each.state}, its tasks: " in result["msg"]
    assert result["jobs"] == [dataclasses.asdict(each) for each in LOST.cluster.jobs]
    result = run(NOBODY, wait_for_task_managers=["tm1.test:6122"], wait_timeout=0.02, poll_interval=0.01)
    assert "no JobManager answers with all that is asked; jm1.test answers 503" in result["msg"]


def test_a_failed_job_says_so(run):
    result = run(LOST, wait_for_checkpoint_ids={IDS["none"]: 3})
    assert result["failed"]
    assert f"job {IDS['none']} (count) has FAILED" in result["msg"]


def test_arguments_arrive(run, tmp_path):
    access = tmp_path / "access.json"
    access.write_text('{"schemes": ["https"], "authorities": "ca.pem", "certificate": ""}')
    # A template gives numbers as texts.
    wish = {"wait_for_checkpoints": {IDS["fixed"]: "3"}, "wait_for_task_managers": ["127.0.0.1:36130"]}
    result = run(rest_access_path=str(access), job_managers=[{"address": "fd00::2", "rest_port": 8081}], **wish)
    assert result["satisfied"]
    assert result["asked"] == ["https://[fd00::2]:8081"]


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"job_managers": []}, "job_managers is empty"),
        ({"job_managers": [{"address": "jm1", "rest_port": 70000}]}, "port"),
        ({"job_managers": [{"address": "jm1/x", "rest_port": 8081}]}, "jm1/x"),
        ({"rest_timeout": 0}, "rest_timeout"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"wait_for_task_managers": ["tm1"]}, "tm1"),
        ({"wait_for_checkpoints": {"orders": 3}}, "no job id"),
        ({"wait_for_checkpoints": {"0" * 32: "many"}}, "no count"),
        ({"wait_for_checkpoint_ids": {"0" * 32: True}}, "no count"),
        ({"wait_for_job_ids": ["orders"]}, "no job id"),
        ({"wait_for_checkpoints_of": ["orders"]}, "no job id"),
    ],
)
def test_bad_arguments(run, params, word):
    result = run(**params)
    assert result["failed"]
    assert word in result["msg"]
    assert "asked" not in result
