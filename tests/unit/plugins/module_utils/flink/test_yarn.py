"""YARN: what ResourceManagers answer (recorded), what their configuration allows, and one application, started once and ended."""

from __future__ import annotations

import http.server
import json
import re
import socket
import sys
import threading
import types
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import (
    applications,
    record,
    resource_manager,
    site,
    ticket,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.host.state import hadoop_properties
from ansible_collections.streamquorum.ha.plugins.modules import yarn_info

FIXTURES = Path(__file__).parents[4] / "fixtures/yarn/3.4.2"
FIRST, SECOND = "http://rm1:8088", "http://rm2:8088"
TAG = "streamquorum-orders"
#: As a NodeManager of 3.4.2 tells it: from the middle of a line on.
LOG = b"""Container: container_1
LogType:jobmanager.log
LogLength:69400
LogContents:
ache.flink.runtime.checkpoint.CheckpointCoordinator [] - Triggering checkpoint 4.
2026-11-29 22:10:48,617 INFO  Marking checkpoint 4 as completed.
2026-11-29 22:10:49,000 ERROR \x1b Fatal.
\tat a.b.C
End of LogType:jobmanager.log.
***
"""
SITE = {
    "yarn.resourcemanager.ha.enabled": "true",
    "yarn.resourcemanager.ha.rm-ids": "rm1, rm2",
    "yarn.resourcemanager.hostname.rm1": "rm1",
    "yarn.resourcemanager.hostname.rm2": "rm2",
}
PATHS = {
    "/conf": "conf.xml",
    "/ws/v1/cluster/scheduler": "scheduler.json",
    f"/ws/v1/cluster/apps?applicationTags={TAG}&user=flink": "apps.json",
    "/ws/v1/cluster/apps?applicationTags=none&user=flink": "apps.none.json",
    "/ws/v1/cluster/apps/application_1795987892797_0001/appattempts": "appattempts.json",
}


def no_put(_url, _content):
    raise AssertionError("nothing is changed here")


def recorded(active=SECOND):
    """Answers of a pair, of which one is active and the other one answers for itself only."""

    def get(url, _accept):
        base, path = url[: len(FIRST)], url[len(FIRST) :]
        if "/logs/jobmanager.log?size=-" in url:
            return LOG
        if path == "/ws/v1/cluster/info":
            return (FIXTURES / f"info.{'active' if base == active else 'standby'}.json").read_bytes()
        if "application_0_0000" in path:
            raise OSError("answers 404")
        assert base == active, "the one that stands by was asked for what it does not know"
        return (FIXTURES / PATHS[path]).read_bytes()

    return resource_manager.ResourceManagers([FIRST, SECOND], get, no_put)


def test_everything_is_asked_of_the_one_that_is_active():
    found = yarn_info.read(recorded(), TAG, "flink", "/nowhere")
    assert (found["read"], found["reason"], found["version"]) == (True, "", "3.4.2")
    assert {"default", "streams", "root.default", "root.streams", "root"} == set(found["queues"])
    assert found["properties"]["yarn.resourcemanager.am.max-attempts"] == "4"
    assert found["properties"]["yarn.resourcemanager.recovery.enabled"] == "true"
    assert set(found["properties"]) <= set(site.READ)
    states = [(each["state"], each["live"]) for each in found["applications"]]
    assert states[0] == ("RUNNING", True)
    assert set(states[1:]) == {("FINISHED", False), ("FAILED", False)}
    assert "failed 4 times" in next(each["diagnostics"] for each in found["applications"] if each["state"] == "FAILED")
    assert all(len(each["generation"]) == 16 for each in found["applications"])
    assert yarn_info.read(recorded(), "none", "flink", "/nowhere")["applications"] == []
    # Of one that is live nothing is read, where nobody asks.
    assert found["failed_attempts"] == []


def test_attempts_are_those_of_the_one_that_is_live():
    failed, runs = ({"id": "application_1795987892797_0001", "live": live} for live in (False, True))
    younger = {"id": "application_0_0000", "live": False}
    assert len(yarn_info.told_attempts(recorded(), [younger, runs], logs=True)) == 3
    assert yarn_info.told_attempts(recorded(), [younger, runs], logs=False) == []
    assert len(yarn_info.told_attempts(recorded(), [failed, younger], logs=False)) == 3
    assert yarn_info.told_attempts(recorded(), [], logs=True) == []


def test_how_the_logs_of_failed_attempts_end_is_told():
    name = "application_1795987892797_0001"
    assert [each["id"] for each in recorded().attempts(name)] == [1, 2, 3, 4]
    ended = applications.failed_attempts(recorded(), {"id": name, "live": False})
    assert [text.partition(" ran on ")[0] for text in ended] == ["Attempt 2", "Attempt 3", "Attempt 4"]
    assert ended[-1] == (
        "Attempt 4 ran on h2.yarn.test:8042 (log: "
        "http://h2.yarn.test:8042/node/containerlogs/container_e03_1795987892797_0001_04_000001/flink), which ends:\n"
        "2026-11-29 22:10:48,617 INFO  Marking checkpoint 4 as completed.\n2026-11-29 22:10:49,000 ERROR ? Fatal."
    )
    live = applications.failed_attempts(recorded(), {"id": name, "live": True})
    assert [text.partition(" ran on ")[0] for text in live] == ["Attempt 1", "Attempt 2", "Attempt 3"]
    assert applications.failed_attempts(recorded(), {"id": "application_0_0000", "live": False}) == []


def test_what_was_not_told_is_no_answer():
    def broken(url, _accept):
        if url.startswith(FIRST):
            raise OSError("connection refused")
        return (FIXTURES / "info.standby.json").read_bytes()

    found = yarn_info.read(resource_manager.ResourceManagers([FIRST, SECOND], broken, no_put), TAG, "flink", "/nowhere")
    assert not found["read"]
    assert found["reason"] == f"{FIRST}: connection refused; {SECOND} is STANDBY"
    assert (found["applications"], found["queues"], found["properties"]) == ([], [], {})
    assert (
        yarn_info.read(resource_manager.ResourceManagers([], broken, no_put), TAG, "flink", "/nowhere")["reason"]
        == "none is configured"
    )

    def half(url, _accept):
        if url.endswith("/info"):
            return (FIXTURES / "info.active.json").read_bytes()
        raise OSError("timed out")

    assert (
        ": timed out"
        in yarn_info.read(resource_manager.ResourceManagers([FIRST], half, no_put), TAG, "flink", "/nowhere")["reason"]
    )


def test_queues_of_the_fair_scheduler_have_their_whole_names():
    told = {"rootQueue": {"queueName": "root", "childQueues": {"queue": [{"queueName": "root.streams"}]}}}
    managers = resource_manager.ResourceManagers(
        [FIRST],
        lambda url, _accept: (
            (FIXTURES / "info.active.json").read_bytes()
            if url.endswith("/info")
            else json.dumps({"scheduler": {"schedulerInfo": told}}).encode()
        ),
        no_put,
    )
    assert managers.queues() == ["root", "root.streams", "streams"]


def test_the_resource_managers_are_those_of_the_clients_own_file():
    assert site.resource_managers(SITE) == [FIRST, SECOND]
    assert site.resource_managers({"yarn.resourcemanager.hostname": "rm1"}) == [FIRST]
    assert site.resource_managers({}) == []
    named = {**SITE, "yarn.resourcemanager.webapp.address.rm1": "${yarn.resourcemanager.hostname.rm1}:8888"}
    assert site.resource_managers(named) == ["http://rm1:8888", SECOND]
    assert site.resource_managers({**SITE, "yarn.http.policy": "HTTPS_ONLY"}) == [
        "https://rm1:8090",
        "https://rm2:8090",
    ]


def test_trap_47_more_attempts_than_yarn_makes_are_refused():
    running = yarn_info.decisive(hadoop_properties((FIXTURES / "conf.xml").read_text()))
    assert site.attempts_problems("c1", 4, {}, running) == []
    (told,) = site.attempts_problems("c1", 5, {}, running)
    assert "the ResourceManager that runs has yarn.resourcemanager.am.max-attempts 4" in told
    assert "<name>yarn.resourcemanager.am.global.max-attempts</name>\n  <value>5</value>" in told
    # Where the global one is set, the other one is no cap.
    assert site.attempts_problems("c1", 8, {}, {**running, "yarn.resourcemanager.am.global.max-attempts": "8"}) == []
    # Of a ResourceManager that tells nothing, the client's file counts, and Hadoop's own default.
    assert site.attempts_problems("c1", 2, {}, {}) == []
    (told,) = site.attempts_problems("c1", 3, {}, {})
    assert "c1's yarn-site.xml has yarn.resourcemanager.am.max-attempts (its default) 2" in told


def test_trap_77_what_old_releases_do_and_what_is_missing_is_told():
    behaviours = [{"since": "2.6", "told": "new"}, {"since": "2.4", "told": "between"}, {"since": "2.3", "told": "old"}]
    found = {
        version: site.behaviour(version, behaviours) for version in ("3.4.2", "2.10.2", "2.5.0", "2.3.1", "2.2", "x")
    }
    assert found == {"3.4.2": "new", "2.10.2": "new", "2.5.0": "between", "2.3.1": "old", "2.2": "", "x": ""}
    assert len(site.cautions({})) == 2
    (told,) = set(site.cautions({site.AUTHENTICATION: "kerberos"})) - set(site.cautions({}))
    assert told.startswith("yarn.resourcemanager.proxy-user-privileges.enabled is not true")
    assert len(site.cautions({site.AUTHENTICATION: "kerberos", site.NEW_TOKENS: "true"})) == 2
    assert (
        site.cautions({"yarn.resourcemanager.recovery.enabled": "true", "yarn.resourcemanager.ha.enabled": "true"})
        == []
    )


@pytest.mark.parametrize("name", ["", "Orders", "orders_2", "-x", "a" * 41])
def test_a_name_that_no_tag_can_have_is_refused(name):
    assert len(site.name_problems(name)) == 1
    assert site.name_problems("orders-2") == []


# --- one application


def told(number, state, final="UNDEFINED", tags=f"generation-0123,{TAG}", **more):
    return {"id": f"application_1_{number:04d}", "state": state, "finalStatus": final, "applicationTags": tags, **more}


class World:
    """A YARN whose applications change with time, and a clock that each sleep moves."""

    def __init__(self, *readings):
        self.readings, self.now, self.killed, self.submitted, self.tries = list(readings), 0.0, [], 0, None
        self.yarn, self.of_others = applications.Yarn(self, TAG, "flink", lambda: self.now, self.sleep), []

    def sleep(self, seconds):
        self.now += seconds

    def applications(self, tag, user):
        if not user:
            return self.of_others
        assert (tag, user) == (TAG, "flink")
        found = self.readings[0]
        if len(self.readings) > 1:
            self.readings.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def kill(self, application, user):
        self.killed.append((application, user))

    def attempts(self, _application):
        if self.tries is None:
            raise resource_manager.NoAnswerError("no attempts")
        return self.tries

    def run(self, command, seconds, inherited):
        self.submitted += 1
        assert (command, inherited) == (["start"], [7])
        return 0, "printed"

    def start(self, run=None):
        return applications.start(self.yarn, ["start"], "", "/nowhere", 60, 7, run or self.run)


@pytest.fixture(autouse=True)
def notes(monkeypatch):
    """What was noted of applications, in its order."""
    noted = []
    monkeypatch.setattr(applications.record.files, "apply", lambda entry: noted.append(json.loads(entry["content"])))
    return noted


def test_trap_48_where_one_is_live_none_is_submitted():
    for state in resource_manager.LIVE:
        world = World([told(1, state)], [told(1, "RUNNING"), told(0, "FAILED")])
        changed, found = world.start()
        assert (changed, found["id"], found["generation"], world.submitted) == (False, "application_1_0001", "0123", 0)


def test_where_none_is_live_one_is_submitted_and_waited_for():
    world = World([told(0, "FAILED")], [told(1, "ACCEPTED")], [told(1, "RUNNING")])
    changed, found = world.start()
    assert (changed, found["id"], world.submitted) == (True, "application_1_0001", 1)


def test_trap_48_what_was_not_read_submits_nothing():
    world = World(resource_manager.NoAnswerError("rm1: timed out"))
    with pytest.raises(applications.ApplicationError, match="whether the application runs is not known"):
        world.start()
    assert not world.submitted


def test_two_that_are_live_are_told():
    world = World([told(1, "RUNNING"), told(2, "ACCEPTED")])
    with pytest.raises(
        applications.ApplicationError, match=r"2 live applications .* application_1_0001, application_1_0002"
    ):
        world.start()


def test_a_submission_that_fails_tells_what_yarn_says():
    world = World([], [told(1, "FAILED", "FAILED", diagnostics="no such queue")])
    printed = "first\nCaused by: X\n\tat a.b.C\n\t... 6 more\nlast\n"
    with pytest.raises(applications.ApplicationError) as problem:
        world.start(lambda *_arguments: (1, printed))
    assert str(problem.value) == (
        "the submission ended with 1. application_1_0001 is FAILED, FAILED. no such queue\nfirst\nCaused by: X\nlast"
    )
    with pytest.raises(applications.ApplicationError, match="the submission did not end in 60 s"):
        World([]).start(lambda *_arguments: (-1, ""))


def test_one_that_gets_no_container_is_told_and_stays():
    world = World([told(1, "ACCEPTED", queue="streams")])
    with pytest.raises(
        applications.ApplicationError, match="ACCEPTED after 60 s: YARN has given it no container in the queue streams"
    ):
        world.start()
    assert world.now == 60


def test_one_that_ends_at_once_is_no_success():
    world = World([], [told(1, "KILLED", "KILLED", diagnostics="by somebody")])
    with pytest.raises(
        applications.ApplicationError, match=r"has ended: application_1_0001 is KILLED, KILLED\. by somebody"
    ):
        world.start()


A1 = "a1" * 16
JOBS = {"jobs": [{"jid": A1, "name": "count", "state": "RUNNING"}, {"jid": "b2", "name": "old", "state": "FINISHED"}]}
DONE = {"status": {"id": "COMPLETED"}, "operation": {"location": "hdfs://ns1/savepoints/savepoint-a1"}}


class Rest:
    """REST of a session with a job; what it is told is noted."""

    def __init__(self, **answers):
        self.asked = []
        self.answers = {
            "GET /jobs/overview": (200, JOBS),
            f"POST /jobs/{A1}/stop": (202, {"request-id": "r"}),
            f"GET /jobs/{A1}/savepoints/r": (200, DONE),
            "DELETE /cluster": (200, {}),
            **answers,
        }

    def __call__(self, method, path, content):
        self.asked.append((f"{method} {path}", content))
        found = self.answers[f"{method} {path}"]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def end():
    def _end(world, rest, lose=False, application="application_1_0001", records="/nowhere"):
        stop = applications.Stop(world.yarn, application, rest, "hdfs://ns1/savepoints/", lose, records, 60)
        return stop()

    return _end


def test_the_end_takes_a_savepoint_of_each_job_and_notes_first_where(end, notes):
    rest, world = Rest(), World([told(1, "RUNNING")], [told(1, "FINISHED", "SUCCEEDED")])
    done = end(world, rest)
    assert done["jobs"] == [{"id": A1, "name": "count", "state": "RUNNING", "savepoint": DONE["operation"]["location"]}]
    target = f"hdfs://ns1/savepoints/application_1_0001-{A1}"
    assert rest.asked[1] == (f"POST /jobs/{A1}/stop", {"targetDirectory": target, "drain": False})
    assert [each[0] for each in rest.asked][-1] == "DELETE /cluster"
    # A run that is killed in between leaves where the savepoint is.
    assert [each["jobs"][0].get("looked_for_in") for each in notes] == [target, None]
    assert notes[-1]["jobs"][0]["savepoint"] == DONE["operation"]["location"]


def test_a_job_without_a_savepoint_keeps_the_session(end):
    failed = {"status": {"id": "COMPLETED"}, "operation": {"failure-cause": {"stack-trace": "X: no\n\tat a.b\n"}}}
    for answer, why in (
        ({f"GET /jobs/{A1}/savepoints/r": (200, failed)}, "X: no"),
        ({f"POST /jobs/{A1}/stop": (409, {})}, "answers 409"),
        ({f"POST /jobs/{A1}/stop": OSError("gone")}, "gone"),
    ):
        rest = Rest(**answer)
        with pytest.raises(applications.ApplicationError, match=f"runs on: of job {A1} .* {why}"):
            end(World([told(1, "RUNNING")]), rest)
        assert "DELETE /cluster" not in [each[0] for each in rest.asked]


def test_a_savepoint_that_goes_on_is_waited_for_and_never_given_up(end):
    goes_on = {"status": {"id": "IN_PROGRESS"}}
    for answer in ((200, goes_on), (503, {}), OSError("paused"), ValueError("no JSON")):
        with pytest.raises(applications.ApplicationError, match="has not come to its end in 60 s") as problem:
            end(World([told(1, "RUNNING")]), Rest(**{f"GET /jobs/{A1}/savepoints/r": answer}))
        assert "accept_lost_jobs" not in str(problem.value)

    class Pause(Rest):
        def __call__(self, method, path, content):
            if path.endswith("/savepoints/r") and len(self.asked) < 6:
                self.asked.append((path, content))
                raise OSError("paused")
            return super().__call__(method, path, content)

    done = end(World([told(1, "RUNNING")], [told(1, "FINISHED", "SUCCEEDED")]), Pause())
    assert done["jobs"][0]["savepoint"] == DONE["operation"]["location"]


def test_jobs_that_were_submitted_meanwhile_get_a_savepoint_too(end):
    class Submitted(Rest):
        """Another job is there each time one was ended with a savepoint."""

        def __init__(self, many):
            super().__init__()
            self.many, self.ids = many, [A1]

        def __call__(self, method, path, content):
            if path == "/jobs/overview":
                self.asked.append((f"{method} {path}", content))
                return 200, {"jobs": [{"jid": each, "name": "count", "state": "RUNNING"} for each in self.ids[-1:]]}
            if path.endswith("/stop") and len(self.ids) <= self.many:
                self.ids.append(f"{len(self.ids):032x}")
            return super().__call__(method, re.sub("[0-9a-f]{32}", A1, path), content)

    rest = Submitted(2)
    done = end(World([told(1, "RUNNING")], [told(1, "FINISHED", "SUCCEEDED")]), rest)
    assert len(rest.ids) == 3
    assert [each["id"] for each in done["jobs"]] == rest.ids
    assert rest.asked[-1][0] == "DELETE /cluster"
    # Somebody who never stops is told; the session stays.
    rest = Submitted(99)
    with pytest.raises(
        applications.ApplicationError, match=r"was not told to end: jobs are submitted .* Ended with a savepoint before"
    ):
        end(World([told(1, "RUNNING")]), rest)
    assert "DELETE /cluster" not in [each[0] for each in rest.asked]


def test_jobs_that_could_not_be_read_keep_it_too(end):
    rest = Rest(**{"GET /jobs/overview": (503, {})})
    with pytest.raises(applications.ApplicationError, match="which jobs run could not be read"):
        end(World([told(1, "RUNNING")]), rest)
    assert len(rest.asked) == 1


def test_what_is_given_up_ends_without_a_savepoint_by_itself_or_by_yarn(end):
    rest, world = Rest(), World([told(1, "RUNNING")], [told(1, "FINISHED")])
    assert end(world, rest, lose=True) == {
        "application": "application_1_0001",
        "mode": "session",
        "jobs": [],
        "idle": 0.0,
    }
    assert ([each[0] for each in rest.asked], world.killed) == (["DELETE /cluster"], [])
    # One whose JobManager does not answer, or that has none, can be ended all the same.
    world = World([told(1, "RUNNING")], [told(1, "KILLED")])
    end(world, Rest(**{"DELETE /cluster": OSError("no host given")}), lose=True)
    assert world.killed == [("application_1_0001", "flink")]
    # One that has never had a container has no job.
    rest, world = Rest(), World([told(1, "ACCEPTED")], [told(1, "KILLED")])
    world.tries = [{"id": 1, "containerId": ""}]
    end(world, rest)
    assert (rest.asked, world.killed) == ([], [("application_1_0001", "flink")])


@pytest.mark.parametrize(
    "attempts",
    [[{"id": 1, "containerId": "container_1"}], [{"id": 1, "containerId": ""}, {"id": 2, "containerId": ""}], None],
    ids=["after a failover of the ResourceManager", "between two attempts", "that are not told"],
)
def test_one_that_does_not_run_for_a_while_keeps_its_jobs(end, attempts):
    """It comes back at another place, of which this run knows nothing."""
    for readings, why in (
        ([[told(1, "ACCEPTED")]] * 4 + [[told(1, "RUNNING")]], "was away for a while, and is back at another place"),
        ([[told(1, "ACCEPTED")]], "has been running and does not run now"),
    ):
        rest, world = Rest(), World(*readings)
        world.tries = attempts
        with pytest.raises(applications.ApplicationError, match=why):
            end(world, rest)
        assert (rest.asked, world.killed) == ([], [])


def test_an_application_whose_main_method_has_made_no_job_yet_is_not_ended(end):
    tags, none = f"{TAG},mode-application", {"jobs": []}
    rest = Rest(**{"GET /jobs/overview": (200, none)})
    with pytest.raises(applications.ApplicationError, match="has no job, so that there is nothing to take"):
        end(World([told(1, "RUNNING", tags=tags)]), rest)
    assert len(rest.asked) == 1
    world = World([told(1, "RUNNING", tags=tags)], [told(1, "FINISHED", tags=tags)])
    assert end(world, rest, lose=True)["application"] == "application_1_0001"


def test_an_end_without_an_answer_is_seen_by_what_becomes_of_it(end):
    for answer in (OSError("closed"), ValueError("no JSON")):
        world = World([told(1, "RUNNING")], [told(1, "FINISHED", "SUCCEEDED")])
        assert end(world, Rest(**{"DELETE /cluster": answer}))["jobs"][0]["savepoint"] == DONE["operation"]["location"]


def test_savepoints_of_a_run_that_was_stopped_by_another_job_stay_in_the_record(end, notes, tmp_path):
    before = {"id": "b2", "name": "other", "state": "RUNNING", "savepoint": "hdfs://ns1/savepoints/b2"}
    lost = {"id": "c3", "name": "third", "state": "RUNNING", "savepoint": ""}
    for application, known in (("application_1_0001", ["b2", A1]), ("application_1_0000", [A1])):
        noted = {"application": application, "tag": TAG, "mode": "session", "from": "", "jobs": [before, lost]}
        for each in tmp_path.iterdir():
            each.unlink()
        (tmp_path / f"savepoints-{application}.json").write_text(json.dumps(noted))
        done = end(World([told(1, "RUNNING")], [told(1, "FINISHED")]), Rest(), records=str(tmp_path))
        assert [each["id"] for each in done["jobs"]] == known
        assert [each["id"] for each in notes[-1]["jobs"]] == known


def test_a_savepoint_of_a_job_that_runs_again_is_not_offered_twice(end, notes, tmp_path):
    before = {"id": A1, "name": "count", "state": "RUNNING", "savepoint": "hdfs://ns1/savepoints/old"}
    noted = {"application": "application_1_0001", "tag": TAG, "mode": "session", "from": "", "jobs": [before]}
    (tmp_path / "savepoints-application_1_0001.json").write_text(json.dumps(noted))
    done = end(World([told(1, "RUNNING")], [told(1, "FINISHED")]), Rest(), records=str(tmp_path))
    assert [each["savepoint"] for each in done["jobs"]] == [DONE["operation"]["location"]]


def test_what_a_job_makes_up_is_no_command(end, notes):
    name = f"a\n$(reboot) {'x' * 200}"
    jobs = {"jobs": [{"jid": A1, "name": name, "state": "RUNNING"}]}
    world = World([told(1, "RUNNING")], [told(1, "FINISHED")])
    end(world, Rest(**{"GET /jobs/overview": (200, jobs)}))
    assert notes[-1]["jobs"][0]["name"] == f"a $(reboot) {'x' * 200}"[:80]
    for place in ("hdfs://ns1/a; reboot", "hdfs://ns1/a\n", "-Dx=y", ""):
        made_up = {"status": {"id": "COMPLETED"}, "operation": {"location": place}}
        with pytest.raises(applications.ApplicationError, match="its place is no path"):
            end(World([told(1, "RUNNING")]), Rest(**{f"GET /jobs/{A1}/savepoints/r": (200, made_up)}))
    for job in ("../../cluster", f"{A1}\n", "$(reboot)"):
        jobs = {"jobs": [{"jid": job, "name": "count", "state": "RUNNING"}]}
        rest = Rest(**{"GET /jobs/overview": (200, jobs)})
        with pytest.raises(applications.ApplicationError, match="a job has an id that is none"):
            end(World([told(1, "RUNNING")]), rest)
        assert len(rest.asked) == 1


def test_for_how_long_a_job_stands_still_is_known(end):
    world = World(*[[told(1, "RUNNING")]] * 6, [told(1, "FINISHED", "SUCCEEDED")])
    assert end(world, Rest())["idle"] == 5.0


# --- what is noted


def test_what_was_submitted_is_noted_and_its_job_starts_from_what_was_asked_for(notes):
    commands = []

    def run(command, _seconds, _inherited):
        commands.append(command)
        return 0, ""

    tags = f"generation-0123,{TAG},mode-application"
    world = World([told(0, "FINISHED")], [told(1, "RUNNING", tags=tags), told(0, "FINISHED")])
    applications.start(world.yarn, ["start"], "hdfs://ns1/savepoint-1", "/nowhere", 60, 7, run)
    assert commands == [["start", "--fromSavepoint", "hdfs://ns1/savepoint-1"]]
    assert notes == [
        {
            "application": "application_1_0001",
            "tag": TAG,
            "mode": "application",
            "from": "hdfs://ns1/savepoint-1",
            "jobs": [],
        }
    ]


def test_one_that_fails_is_noted_too_with_what_it_had_started_from(notes):
    world = World([], [told(1, "FAILED", "FAILED")])
    with pytest.raises(applications.ApplicationError, match="the submission ended with 1"):
        applications.start(world.yarn, ["start"], "s3://b/1", "/nowhere", 60, 7, lambda *_arguments: (1, "printed"))
    assert [(each["application"], each["from"]) for each in notes] == [("application_1_0001", "s3://b/1")]


def test_the_last_one_is_known_also_where_yarn_has_forgotten_it(tmp_path):
    records = str(tmp_path)
    assert record.last(records, TAG, [])["application"] == ""

    def note(application, tag=TAG, **more):
        noted = {"application": application, "tag": tag, "mode": "application", "from": "", "jobs": [], **more}
        Path(record.path(records, application)).write_text(json.dumps(noted))

    note("application_17_0009")
    found = record.last(records, TAG, [])
    assert (found["application"], found["mode"], found["known"], found["told"]) == (
        "application_17_0009",
        "application",
        False,
        "is not known to YARN any more",
    )
    # By number, and the tenth is after the ninth.
    note("application_17_0010", jobs=[{"savepoint": "s"}])
    tags = f"{TAG},mode-application"
    known = [applications.application({**told(1, "FAILED", "FAILED", tags=tags), "id": "application_17_0010"})]
    found = record.last(records, TAG, known)
    assert (found["application"], found["noted"], found["known"], found["told"], found["jobs"]) == (
        "application_17_0010",
        True,
        True,
        "is FAILED, FAILED",
        [{"savepoint": "s"}],
    )
    # Another YARN counts its own way; what it knows is later than what it does not.
    elsewhere = [applications.application({**told(1, "FAILED", "FAILED", tags=tags), "id": "application_3_0001"})]
    assert record.last(records, TAG, elsewhere)["application"] == "application_3_0001"
    known = []
    # A session that has left nothing is no reason to forget what a job has left before; one with savepoints is the last one.
    note("application_18_0001", mode="session")
    assert record.last(records, TAG, known)["application"] == "application_17_0010"
    note("application_18_0001", mode="session", jobs=[{"savepoint": "s"}])
    assert record.last(records, TAG, known)["application"] == "application_18_0001"
    # What stands here is of this application, whatever its name was.
    note("application_19_0001", tag="streamquorum-other")
    assert record.last(records, TAG, known)["told"] == "was started under the tag streamquorum-other"
    # One that cannot be read is no reason to take an older one.
    Path(record.path(records, "application_20_0001")).write_text("no JSON")
    found = record.last(records, TAG, known)
    assert (found["application"], found["mode"], found["jobs"]) == ("application_20_0001", "application", [])
    assert "cannot be read" in found["told"]
    assert record.newest(records) == "application_20_0001"
    assert "application_17_0009" in record.noted(records)
    assert record.content(records, "application_17_0010")["content"].startswith("{")
    assert record.content(records, "application_17_0011") == {}


def test_another_one_than_was_seen_is_left_alone_and_none_is_no_change(end):
    rest = Rest()
    with pytest.raises(
        applications.ApplicationError, match="application_1_0001 is not there any more, and application_1_0002 is"
    ):
        end(World([told(2, "RUNNING")]), rest)
    assert end(World([told(1, "FINISHED")]), rest) == {"application": "", "mode": "", "jobs": [], "idle": 0.0}
    assert rest.asked == []


def test_one_that_does_not_end_is_told(end):
    for rest in (Rest(), Rest(**{"DELETE /cluster": (500, {})})):
        with pytest.raises(applications.ApplicationError) as problem:
            end(World([told(1, "RUNNING")]), rest)
        assert (
            "is there after 60 s. Have YARN end it, as the user flink: yarn application -kill application_1_0001."
            in str(problem.value)
        )
        assert "Ended with a savepoint before: count: hdfs" in str(problem.value)


def test_yarn_is_told_to_end_one_as_its_user():
    asked = []
    managers = resource_manager.ResourceManagers(
        [FIRST],
        lambda _url, _accept: (FIXTURES / "info.active.json").read_bytes(),
        lambda url, content: asked.append((url, content)),
    )
    managers.kill("application_1_0001", "flink")
    assert asked == [(f"{FIRST}/ws/v1/cluster/apps/application_1_0001/state?user.name=flink", b'{"state": "KILLED"}')]


def test_what_speaks_another_protocol_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(
            target=lambda: server.accept()[0].sendall(b"\x15\x03\x03\x00\x02\x02P\r\n\r\n"), daemon=True
        ).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        managers = resource_manager.ResourceManagers.by(resource_manager.Web(), [url])
        with pytest.raises(resource_manager.NoAnswerError, match="no whole answer"):
            managers.active()


def test_one_that_is_somebody_elses_by_the_rules_of_hadoop_is_told():
    world = World([])
    world.of_others = [{**told(7, "RUNNING"), "user": "svc"}]
    with pytest.raises(applications.ApplicationError) as problem:
        world.start()
    assert "it has application_1_0007 as svc's, not as flink's" in str(problem.value)
    assert "end it (yarn application -kill application_1_0007), and set flink_ha_user: svc" in str(problem.value)


class Secured(http.server.BaseHTTPRequestHandler):
    """A web that asks for a ticket, as YARN's does, or for something else."""

    asks = "Negotiate"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") == "Negotiate dG9rZW4=":
            body = (FIXTURES / "info.active.json").read_bytes()
            self.send_response(200)
        else:
            body = b""
            self.send_response(401)
            self.send_header("WWW-Authenticate", self.asks)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self.do_GET()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def secured():
    """Its ResourceManager, by the keytab of Flink."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Secured) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"

        def managers(keytab=""):
            return resource_manager.ResourceManagers.by(ticket.web(keytab, "flink@A.TEST"), [url])

        managers.url = url
        yield managers
        server.shutdown()


@pytest.fixture
def kerberos(monkeypatch):
    """The library, which has a ticket or not."""

    class GSSError(Exception):
        pass

    def step(context, _challenge):
        assert context == "flink@A.TEST HTTP@127.0.0.1"
        if library.problem:
            raise GSSError(("Unspecified GSS failure", 851968), (library.problem, -1765328377))

    library = types.SimpleNamespace(
        GSSError=GSSError,
        problem="",
        authGSSClientInit=lambda service, principal: (1, f"{principal} {service}"),
        authGSSClientStep=step,
        authGSSClientResponse=lambda _context: "dG9rZW4=",
    )
    monkeypatch.setitem(sys.modules, "kerberos", library)
    library.taken = []
    monkeypatch.setattr(ticket.Credentials, "prepare", lambda self, _limit, anew: library.taken.append(anew))
    return library


def test_a_web_that_asks_for_kerberos_gets_a_ticket_of_flinks_keytab(secured, kerberos, tmp_path):
    keytab = tmp_path / "flink.keytab"
    keytab.touch()
    _url, info = secured(str(keytab)).active()
    assert info["haState"] == "ACTIVE"
    kerberos.problem = "Server HTTP/rm1 not found in Kerberos database"
    with pytest.raises(resource_manager.NoAnswerError, match="asks for Kerberos: Server HTTP/rm1 not found") as problem:
        secured(str(keytab)).active()
    assert not problem.value.later


def test_a_ticket_serves_for_a_minute_and_what_is_put_as_well(secured, kerberos):
    now = [0.0]
    web = ticket.web(__file__, "flink@A.TEST", lambda: now[0])
    for now[0] in (0.0, 50.0, 70.0):
        assert b"ACTIVE" in web.put(secured.url, b"{}")
    assert kerberos.taken == [True, False, True]


def test_what_gives_a_ticket_may_come_later_and_what_the_inventory_does_not_ask_for_does_not(
    secured, kerberos, monkeypatch
):
    found = yarn_info.read(secured("/nowhere/flink.keytab"), TAG, "flink", "/nowhere")
    assert (found["read"], found["later"]) == (False, True)
    assert found["reason"].endswith("it asks for Kerberos, and /nowhere/flink.keytab is not there")
    found = yarn_info.read(secured(), TAG, "flink", "/nowhere")
    assert (found["read"], found["later"]) == (False, False)
    assert "Flink has no keytab (flink_ha_zookeeper_auth: kerberos, or flink_ha_kerberos_contexts)" in found["reason"]
    monkeypatch.setitem(sys.modules, "kerberos", None)
    found = yarn_info.read(secured(__file__), TAG, "flink", "/nowhere")
    assert found["later"]
    assert "the Python module kerberos is missing here" in found["reason"]


def test_a_web_that_asks_for_something_else_gets_no_ticket(secured, kerberos, monkeypatch):
    monkeypatch.setattr(Secured, "asks", "Basic realm=x")
    with pytest.raises(resource_manager.NoAnswerError, match="answers 401"):
        secured(__file__).active()


def test_trap_48_a_submission_that_goes_on_keeps_another_one_away(tmp_path):
    path = str(tmp_path / "run/yarn-orders.lock")
    with (
        applications.lock(path, 0),
        pytest.raises(applications.ApplicationError, match="a submission of another run goes on"),
        applications.lock(path, -1),
    ):
        pass
    with applications.lock(path, 0) as locked:
        # What submits inherits it: also the child of a module that was killed holds it.
        code, printed = applications.run(["sh", "-c", f"test -e /proc/self/fd/{locked} && echo held"], 10, [locked])
    assert (code, printed) == (0, "held\n")


def test_a_command_that_hangs_is_ended_with_its_children():
    assert applications.run(["sh", "-c", "echo begun; sleep 60"], 0.5, [])[0] == -1


# --- the program that watches


def test_the_watcher_tells_changes_and_ends_with_the_application():
    readings = [
        [told(1, "ACCEPTED")],
        [told(1, "RUNNING", amHostHttpAddress="h2:8042")],
        [told(1, "RUNNING", amHostHttpAddress="h2:8042")],
        resource_manager.NoAnswerError("rm1: gone"),
        [told(1, "RUNNING", amHostHttpAddress="h3:8042")],
        [told(1, "FAILED", "FAILED", diagnostics=" failed 4 times ")],
    ]
    lines, world = [], World(*readings)
    assert resource_manager.watch(TAG, "flink", world, lines.append, world.sleep) == 1
    assert lines == [
        "application_1_0001 is ACCEPTED",
        "application_1_0001 is RUNNING, ApplicationMaster at h2:8042",
        "no ResourceManager answers: rm1: gone",
        "application_1_0001 is RUNNING, ApplicationMaster at h3:8042",
        "application_1_0001 is FAILED, FAILED",
        "failed 4 times",
    ]
    assert (
        resource_manager.watch(TAG, "flink", World([told(1, "FINISHED", "SUCCEEDED")]), lines.append, world.sleep) == 0
    )
    assert resource_manager.watch(TAG, "flink", World([]), lines.append, world.sleep) == 1
    assert lines[-1] == f"YARN knows no application with the tag {TAG}"


def test_what_an_application_makes_up_is_shown_without_what_moves_a_terminal():
    found = applications.application(told(1, "FAILED", diagnostics="\x1b[2Jgone\nwrong" + "x" * 5000))
    assert found["diagnostics"].startswith("?[2Jgone\nwrongxx")
    assert len(found["diagnostics"]) == resource_manager.SHOWN


def test_the_watcher_needs_nothing_but_python():
    text = Path(resource_manager.__file__).read_text()
    assert "ansible" not in text
