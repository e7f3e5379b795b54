"""YARN: what ResourceManagers answer (recorded), what their configuration allows, and one application, started once and ended."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import applications, resource_manager, site
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

    return resource_manager.ResourceManagers([FIRST, SECOND], get)


def test_everything_is_asked_of_the_one_that_is_active():
    found = yarn_info.read(recorded(), TAG, "flink")
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
    assert yarn_info.read(recorded(), "none", "flink")["applications"] == []
    assert found["last_attempt"] == ""


def test_how_the_log_of_a_failed_attempt_ends_is_told():
    name = "application_1795987892797_0001"
    assert [each["id"] for each in recorded().attempts(name)] == [1, 2, 3, 4]
    assert applications.last_attempt(recorded(), name) == (
        "Attempt 4 ran on h2.yarn.test:8042 (log: "
        "http://h2.yarn.test:8042/node/containerlogs/container_e03_1795987892797_0001_04_000001/flink), which ends:\n"
        "2026-11-29 22:10:48,617 INFO  Marking checkpoint 4 as completed.\n2026-11-29 22:10:49,000 ERROR ? Fatal."
    )
    assert applications.last_attempt(recorded(), "application_0_0000") == ""


def test_what_was_not_told_is_no_answer():
    def broken(url, _accept):
        if url.startswith(FIRST):
            raise OSError("connection refused")
        return (FIXTURES / "info.standby.json").read_bytes()

    found = yarn_info.read(resource_manager.ResourceManagers([FIRST, SECOND], broken), TAG, "flink")
    assert not found["read"]
    assert found["reason"] == f"{FIRST}: connection refused; {SECOND} is STANDBY"
    assert (found["applications"], found["queues"], found["properties"]) == ([], [], {})
    assert yarn_info.read(resource_manager.ResourceManagers([], broken), TAG, "flink")["reason"] == "none is configured"

    def half(url, _accept):
        if url.endswith("/info"):
            return (FIXTURES / "info.active.json").read_bytes()
        raise OSError("timed out")

    assert ": timed out" in yarn_info.read(resource_manager.ResourceManagers([FIRST], half), TAG, "flink")["reason"]


def test_queues_of_the_fair_scheduler_have_their_whole_names():
    told = {"rootQueue": {"queueName": "root", "childQueues": {"queue": [{"queueName": "root.streams"}]}}}
    managers = resource_manager.ResourceManagers(
        [FIRST],
        lambda url, _accept: (
            (FIXTURES / "info.active.json").read_bytes()
            if url.endswith("/info")
            else json.dumps({"scheduler": {"schedulerInfo": told}}).encode()
        ),
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


def test_what_old_releases_do_and_what_is_missing_is_told():
    behaviours = [{"since": "2.6", "told": "new"}, {"since": "2.4", "told": "between"}, {"since": "2.3", "told": "old"}]
    found = {
        version: site.behaviour(version, behaviours) for version in ("3.4.2", "2.10.2", "2.5.0", "2.3.1", "2.2", "x")
    }
    assert found == {"3.4.2": "new", "2.10.2": "new", "2.5.0": "between", "2.3.1": "old", "2.2": "", "x": ""}
    assert len(site.cautions({})) == 2
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
        self.readings, self.now, self.killed, self.submitted = list(readings), 0.0, [], 0
        self.yarn = applications.Yarn(self, TAG, "flink", lambda: self.now, self.sleep)

    def sleep(self, seconds):
        self.now += seconds

    def applications(self, tag, user):
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
        raise resource_manager.NoAnswerError("no attempts")

    def run(self, command, seconds, inherited):
        self.submitted += 1
        assert (command, inherited) == (["start"], [7])
        return 0, "printed"

    def start(self, run=None):
        return applications.start(self.yarn, ["start"], 60, 7, run or self.run)


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


JOBS = {"jobs": [{"jid": "a1", "name": "count", "state": "RUNNING"}, {"jid": "b2", "name": "old", "state": "FINISHED"}]}
DONE = {"status": {"id": "COMPLETED"}, "operation": {"location": "hdfs://ns1/savepoints/savepoint-a1"}}


class Rest:
    """REST of a session with a job; what it is told is noted."""

    def __init__(self, **answers):
        self.asked, self.record = [], []
        self.answers = {
            "GET /jobs/overview": (200, JOBS),
            "POST /jobs/a1/stop": (202, {"request-id": "r"}),
            "GET /jobs/a1/savepoints/r": (200, DONE),
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
def end(monkeypatch):
    def _end(world, rest, lose=False, application="application_1_0001", record="/nowhere/record"):
        monkeypatch.setattr(applications.files, "apply", lambda entry: rest.record.append(json.loads(entry["content"])))
        stop = applications.Stop(world.yarn, application, rest, "hdfs://ns1/savepoints/", lose, record, 60)
        return stop()

    return _end


def test_the_end_takes_a_savepoint_of_each_job_and_notes_first_where(end):
    rest, world = Rest(), World([told(1, "RUNNING")], [told(1, "FINISHED", "SUCCEEDED")])
    done = end(world, rest)
    assert done["jobs"] == [
        {"id": "a1", "name": "count", "state": "RUNNING", "savepoint": DONE["operation"]["location"]}
    ]
    target = "hdfs://ns1/savepoints/application_1_0001-a1"
    assert rest.asked[1] == ("POST /jobs/a1/stop", {"targetDirectory": target, "drain": False})
    assert [each[0] for each in rest.asked][-1] == "DELETE /cluster"
    # A run that is killed in between leaves where the savepoint is.
    assert [each["jobs"][0].get("looked_for_in") for each in rest.record] == [target, None]
    assert rest.record[-1]["jobs"][0]["savepoint"] == DONE["operation"]["location"]


def test_a_job_without_a_savepoint_keeps_the_session(end):
    failed = {"status": {"id": "COMPLETED"}, "operation": {"failure-cause": {"stack-trace": "X: no\n\tat a.b\n"}}}
    for answer, why in (
        ({"GET /jobs/a1/savepoints/r": (200, failed)}, "X: no"),
        ({"POST /jobs/a1/stop": (409, {})}, "answers 409"),
        ({"POST /jobs/a1/stop": OSError("gone")}, "gone"),
        ({"GET /jobs/a1/savepoints/r": (200, {"status": {"id": "IN_PROGRESS"}})}, "none after 60 s"),
    ):
        rest = Rest(**answer)
        with pytest.raises(applications.ApplicationError, match=f"runs on: of job a1 .* {why}"):
            end(World([told(1, "RUNNING")]), rest)
        assert "DELETE /cluster" not in [each[0] for each in rest.asked]


def test_jobs_that_could_not_be_read_keep_it_too(end):
    rest = Rest(**{"GET /jobs/overview": (503, {})})
    with pytest.raises(applications.ApplicationError, match="which jobs run could not be read"):
        end(World([told(1, "RUNNING")]), rest)
    assert len(rest.asked) == 1


def test_what_is_given_up_ends_without_a_savepoint_by_itself_or_by_yarn(end):
    rest, world = Rest(), World([told(1, "RUNNING")], [told(1, "FINISHED")])
    assert end(world, rest, lose=True) == {"application": "application_1_0001", "jobs": []}
    assert ([each[0] for each in rest.asked], world.killed) == (["DELETE /cluster"], [])
    # One whose JobManager does not answer, or that has none, can be ended all the same.
    world = World([told(1, "RUNNING")], [told(1, "KILLED")])
    end(world, Rest(**{"DELETE /cluster": OSError("no host given")}), lose=True)
    assert world.killed == [("application_1_0001", "flink")]
    rest, world = Rest(), World([told(1, "ACCEPTED")], [told(1, "KILLED")])
    end(world, rest)
    assert (rest.asked, world.killed) == ([], [("application_1_0001", "flink")])


def test_an_end_without_an_answer_is_seen_by_what_becomes_of_it(end):
    for answer in (OSError("closed"), ValueError("no JSON")):
        world = World([told(1, "RUNNING")], [told(1, "FINISHED", "SUCCEEDED")])
        assert end(world, Rest(**{"DELETE /cluster": answer}))["jobs"][0]["savepoint"] == DONE["operation"]["location"]


def test_savepoints_of_a_run_that_was_stopped_by_another_job_stay_in_the_record(end, tmp_path):
    record = tmp_path / "savepoints.json"
    before = {"id": "b2", "name": "other", "state": "RUNNING", "savepoint": "hdfs://ns1/savepoints/b2"}
    lost = {"id": "c3", "name": "third", "state": "RUNNING", "savepoint": ""}
    for application, known in (("application_1_0001", ["b2", "a1"]), ("application_1_0000", ["a1"])):
        record.write_text(json.dumps({"application": application, "jobs": [before, lost]}))
        rest = Rest()
        done = end(World([told(1, "RUNNING")], [told(1, "FINISHED")]), rest, record=str(record))
        assert [each["id"] for each in done["jobs"]] == known
        assert [each["id"] for each in rest.record[-1]["jobs"]] == known


def test_another_one_than_was_seen_is_left_alone_and_none_is_no_change(end):
    rest = Rest()
    with pytest.raises(
        applications.ApplicationError, match="application_1_0001 is not there any more, and application_1_0002 is"
    ):
        end(World([told(2, "RUNNING")]), rest)
    assert end(World([told(1, "FINISHED")]), rest) == {"application": "", "jobs": []}
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
        managers = resource_manager.ResourceManagers([f"http://127.0.0.1:{server.getsockname()[1]}"])
        with pytest.raises(resource_manager.NoAnswerError, match="no whole answer"):
            managers.active()


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
