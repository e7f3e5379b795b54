"""From what the modules read to what a roll decides on."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils import rolling_groups as groups

RUN = {"tried": [], "waited": [], "lost_lock": ""}
ALLOWED = {"accept_members_down": False, "accept_outage": False, "accept_unhealthy": False, "batch": 1}


def member(number, kind="zookeeper", *, live=True, running="old", wanted="new", asked="", port=2181):
    return {
        "name": f"h{number}", "host": f"h{number}", "kind": kind, "id": number, "votes": True, "unit": f"{kind}.service",
        "root": "/etc/x", "ports": [port], "address": f"a{number}", "wanted": wanted, "live": live, "timeout": 60,
        "running": running if live else "", "process": f"{number}@1" if live else "", "restart_asked": asked,
    }  # fmt: skip


def server(number, mode="follower", epoch=1):
    return {
        "id": number, "address": f"a{number}", "mode": mode, "serving": mode is not None, "epoch": epoch, "counter": 5,
        "write_read": None,
    }  # fmt: skip


def verdict(*servers, leader=1, differences=()):
    return {
        "verdict": "healthy" if leader else "lost",
        "leader": {"id": leader, "address": f"a{leader}"} if leader else None,
        "servers": list(servers),
        "voter_differences": list(differences),
    }


ENSEMBLE = [member(1), member(2), member(3)]
HEALTHY = verdict(server(1, "leader"), server(2), server(3))


def test_a_followers_turn_with_what_its_host_has_to_know():
    step = groups.step(ENSEMBLE, "zookeeper", HEALTHY, RUN, ALLOWED)
    assert (step["kind"], step["members"], step["standing"]) == ("change", ["h2"], 3)
    assert [(target["mode"], target["process"]) for target in step["targets"]] == [("follower", "2@1")]


def test_a_server_that_answers_and_is_not_in_step_is_asked_again_as_what_it_said():
    behind = verdict(server(1, "leader", 2), server(2, "follower", 1), server(3, "follower", 2))
    step = groups.step(ENSEMBLE, "zookeeper", behind, RUN, ALLOWED)
    assert (step["kind"], step["members"]) == ("wait", ["h2"])
    again = groups.step(ENSEMBLE, "zookeeper", behind, {**RUN, "waited": ["h2", "h3"]}, ALLOWED)
    assert (again["kind"], again["waited"]) == ("mend", ["h2"])
    assert again["targets"][0]["mode"] == "follower"


def test_voters_that_differ_stop_everything():
    step = groups.step(
        ENSEMBLE,
        "zookeeper",
        verdict(server(1), leader=1, differences=["x"]) | HEALTHY | {"voter_differences": ["x"]},
        RUN,
        ALLOWED,
    )
    assert (step["kind"], step["reason"]) == ("stop", "x")


@pytest.mark.parametrize(
    ("statuses", "contenders", "kind", "members"),
    [
        ((200, 200), 2, "change", ["h2"]),
        ((200, 503), 2, "wait", ["h2"]),
        ((200, 200), 3, "stop", []),
    ],
)
def test_job_managers(statuses, contenders, kind, members):
    managers = [member(1, "jobmanager", port=8081), member(2, "jobmanager", port=8081)]
    reply = {
        "verdict": "led", "foreign": False, "contenders": contenders, "leader": {"address": "http://192.0.2.1:8081"},
        "jobs": [], "rest": [
            {"address": f"a{i}", "rest_port": 8081, "status": status, "leads": i == 1} for i, status in enumerate(statuses, 1)
        ],
    }  # fmt: skip
    step = groups.step(managers, "jobmanager", reply, RUN, ALLOWED)
    assert (step["kind"], step["members"]) == (kind, members)


def test_a_job_manager_without_a_standby_needs_the_switch():
    reply = {
        "verdict": "led", "foreign": False, "contenders": 1, "leader": {"address": "http://192.0.2.1:8081"},
        "jobs": [], "rest": [{"address": "a1", "rest_port": 8081, "status": 200, "leads": True}],
    }  # fmt: skip
    alone = [member(1, "jobmanager", port=8081)]
    assert "no other JobManager" in groups.step(alone, "jobmanager", reply, RUN, ALLOWED)["reason"]
    assert groups.step(alone, "jobmanager", reply, RUN, {**ALLOWED, "accept_outage": True})["kind"] == "change"


BATCH, STREAM = ({"id": "j", "name": name, "checkpointing": name == "stream"} for name in ("batch", "stream"))


@pytest.mark.parametrize(
    ("jobs", "leads", "change", "kind"),
    [
        ([STREAM], 1, 1, "change"),
        ([STREAM, BATCH], 1, 1, "stop"),
        # The end of a standby is nothing to a job.
        ([STREAM, BATCH], 1, 2, "change"),
    ],
)
def test_a_leading_job_manager_stays_while_a_job_has_no_checkpoints(jobs, leads, change, kind):
    managers = [
        member(number, "jobmanager", port=8081, running="old" if number == change else "new") for number in (1, 2)
    ]
    reply = {
        "verdict": "led", "foreign": False, "contenders": 2, "leader": {"address": "http://192.0.2.1:8081"}, "jobs": jobs,
        "rest": [{"address": f"a{i}", "rest_port": 8081, "status": 200, "leads": i == leads} for i in (1, 2)],
    }  # fmt: skip
    step = groups.step(managers, "jobmanager", reply, RUN, ALLOWED)
    assert step["kind"] == kind
    assert ("start from their beginning: j (batch)" in step["reason"]) == (kind == "stop")
    assert groups.step(managers, "jobmanager", reply, RUN, ALLOWED | {"accept_outage": True})["kind"] == "change"


@pytest.mark.parametrize(
    ("jobs", "used", "kind"), [([BATCH], 1, "stop"), ([BATCH], 0, "change"), ([STREAM], 1, "change")]
)
def test_a_task_manager_stays_while_its_job_has_no_checkpoints(jobs, used, kind):
    restarts = {"restarts": 0, "parts": 1, "restart_strategy": {"kind": "fixed-delay", "attempts": None, "text": ""}}
    reply = {
        "reachable": True, "jobs": [job | restarts for job in jobs], "job_managers": [],
        "task_managers": [
            {"id": "w1", "host": "a1", "port": 6122, "slots": 2, "free_slots": 2 - used},
            {"id": "w2", "host": "a2", "port": 6122, "slots": 2, "free_slots": 2},
        ],
    }  # fmt: skip
    workers = [member(1, "taskmanager", port=6122), member(2, "taskmanager", port=6122, running="new")]
    assert groups.step(workers, "taskmanager", reply, RUN, ALLOWED)["kind"] == kind


@pytest.mark.parametrize(("free", "kind"), [(2, "change"), (1, "stop")])
def test_a_task_manager_goes_only_where_its_tasks_find_room(free, kind):
    workers = [member(1, "taskmanager", port=6122), member(2, "taskmanager", port=6122)]
    reply = {
        "reachable": True, "jobs": [], "job_managers": [],
        "task_managers": [
            {"id": "w1", "host": "a1", "port": 6122, "slots": 2, "free_slots": 0},
            {"id": "w2", "host": "a2", "port": 6122, "slots": 2, "free_slots": free},
        ],
    }  # fmt: skip
    step = groups.step(workers, "taskmanager", reply, RUN, ALLOWED)
    assert step["kind"] == kind
    assert step["registered"] == (["w1"] if kind == "change" else [])


def test_what_runs_is_known_from_the_steps():
    results = [{"running": "new", "process": "9@9"}]
    assert [(each["running"], each["process"]) for each in groups.after(ENSEMBLE, ["h2"], results)] == [
        ("old", "1@1"),
        ("new", "9@9"),
        ("old", "3@1"),
    ]


def test_a_forced_roll_is_asked_for_once():
    fresh = groups.forced([member(1, running="new"), member(2, running="new")], True)
    assert [groups.asked_for(each) for each in fresh] == [True, True]
    unfinished = groups.forced([member(1, running="new", asked="1@1"), member(2, running="new", asked="0@0")], True)
    assert [groups.asked_for(each) for each in unfinished] == [True, False]
    assert not any(groups.to_do(each) for each in groups.forced([member(1, running="new")], False))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"restarts": 1}, ["job j (count) was restarted"]),
        ({"restarted_at": 9}, ["job j (count) was restarted"]),
        ({"restarts": None}, []),
    ],
)
def test_what_flink_noticed(change, told):
    job = {"id": "j", "name": "count", "restarts": 0, "restarted_at": 1}
    leader = {"leader": {"session_id": "s"}}
    before = {"leader": leader, "jobs": {"jobs": [job], "ended_jobs": []}}
    now = {"leader": leader, "jobs": {"jobs": [job | change], "ended_jobs": []}}
    assert groups.flink_moved(before, now) == told
    gone = {
        "leader": {"leader": {"session_id": ""}},
        "jobs": {"jobs": [], "ended_jobs": [{"id": "j", "state": "FAILED"}]},
    }
    assert groups.flink_moved(before, gone) == [
        "Flink's leader session was s and is none",
        "job j (count) is gone, or FAILED",
    ]


def test_flink_that_does_not_tolerate_suspended_connections():
    jobs = {
        "job_managers": [
            {"address": "a", "rest_port": 8081, "reachable": True, "tolerates_suspended_connections": None}
        ]
    }
    assert groups.intolerant(jobs, {"h": False, "i": True}) == ["JobManager a:8081", "Flink on h"]


def test_trap_15_what_waits_is_told():
    hostvars = {"h1": {"__zookeeper_member": member(1)}, "h2": {"__zookeeper_member": member(2, live=False)}}
    assert groups.pending(hostvars, ["h1"], []) == ["h1: zookeeper.service: old -> new"]
    assert groups.pending(hostvars, ["h2"], []) == ["h2: zookeeper.service: nothing of ours -> new"]
    assert groups.pending(hostvars, ["h1", "h2"], ["zookeeper"]) == []
    assert groups.pending(hostvars, ["h1", "h2"], [], ["jobmanager"]) == []
    down = {"h1": {"__zookeeper_member": member(1, live=False)}}
    assert groups.pending(down, ["h1"], []) == [], "nothing served, so all were started with what they should run"
    started = {"h2": {"__zookeeper_member": member(2, live=False), "__zookeeper_started": {"changed": True}}}
    assert groups.pending(started, ["h2"], []) == []


def test_times_by_another_clock():
    assert groups.shifted_steps([{"member": "a", "began": 1.0, "ended": 2.0}], 10) == [
        {"member": "a", "began": 11.0, "ended": 12.0}
    ]
