"""From what the modules read to what a roll decides on."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import groups
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import jobs as rolling_jobs

RUN = {
    "tried": [], "waited": [], "ran": [], "start_timeout": 180, "checkpoint_wait": 600, "lease_seconds": 900,
}  # fmt: skip
ALLOWED = {
    "accept_members_down": False, "accept_outage": False, "accept_unhealthy": False, "accept_restart_budget": False, "batch": 1,
}  # fmt: skip


def member(number, kind="zookeeper", *, live=True, running="old", desired="new", asked="", port=2181):
    return {
        "name": f"h{number}", "host": f"h{number}", "kind": kind, "id": number, "votes": True, "unit": f"{kind}.service",
        "root": "/etc/x", "ports": [port], "address": f"a{number}", "desired": desired, "live": live, "timeout": 60,
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


def flink_reply(*jobs, workers=(), complete=True, version="2.3.0"):
    """What flink_job_info says."""
    return {
        "reachable": True, "complete": complete, "reasons": [] if complete else ["a1 answers 503"], "jobs": list(jobs),
        "unread_jobs": [], "ended_jobs": [], "task_managers": list(workers), "job_managers": [], "flink_version": version,
        "clock_ms": 100_000,
    }  # fmt: skip


def worker(number, free, slots=2):
    return {"id": f"w{number}", "host": f"a{number}", "port": 6122, "slots": slots, "free_slots": free}


def a_job(name="stream", **changed):
    strategy = {
        "kind": "fixed-delay",
        "attempts": None,
        "failures": None,
        "interval_ms": None,
        "text": "",
        "certain": True,
    }
    return {
        "id": "j", "name": name, "state": "RUNNING", "running": True, "checkpointing": name != "batch", "parts": 1,
        "checkpoint_interval_ms": None if name == "batch" else 3000, "restarts": 0, "restarted_at": 0,
        "latest_checkpoint_at": 0 if name == "batch" else 90_000, "failed_checkpoint_at": 0, "restart_strategy": strategy,
    } | changed  # fmt: skip


ENSEMBLE = [member(1), member(2), member(3)]
HEALTHY = verdict(server(1, "leader"), server(2), server(3))


def test_a_followers_turn_with_what_its_host_has_to_know():
    step = groups.step(ENSEMBLE, "zookeeper", HEALTHY, RUN, ALLOWED)
    assert (step["kind"], step["members"]) == ("change", ["h2"])
    assert [(target["mode"], target["process"]) for target in step["targets"]] == [("follower", "2@1")]


def test_a_server_that_answers_and_is_not_in_step_is_asked_again_as_what_it_said():
    behind = verdict(server(1, "leader", 2), server(2, "follower", 1), server(3, "follower", 2))
    step = groups.step(ENSEMBLE, "zookeeper", behind, RUN, ALLOWED)
    assert (step["kind"], step["members"]) == ("wait", ["h2"])
    again = groups.step(ENSEMBLE, "zookeeper", behind, {**RUN, "waited": ["h2", "h3"]}, ALLOWED)
    assert (again["kind"], again["waited"]) == ("repair", ["h2"])
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
        "flink": flink_reply(), "rest": [
            {"address": f"a{i}", "rest_port": 8081, "status": status, "leads": i == 1} for i, status in enumerate(statuses, 1)
        ],
    }  # fmt: skip
    step = groups.step(managers, "jobmanager", reply, RUN, ALLOWED)
    assert (step["kind"], step["members"]) == (kind, members)


def test_a_job_manager_without_a_standby_needs_the_switch():
    reply = {
        "verdict": "led", "foreign": False, "contenders": 1, "leader": {"address": "http://192.0.2.1:8081"},
        "flink": flink_reply(), "rest": [{"address": "a1", "rest_port": 8081, "status": 200, "leads": True}],
    }  # fmt: skip
    alone = [member(1, "jobmanager", port=8081)]
    assert "no other JobManager" in groups.step(alone, "jobmanager", reply, RUN, ALLOWED)["reason"]
    assert groups.step(alone, "jobmanager", reply, RUN, {**ALLOWED, "accept_outage": True})["kind"] == "change"


BATCH, STREAM = a_job("batch"), a_job()


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
        "verdict": "led", "foreign": False, "contenders": 2, "leader": {"address": "http://192.0.2.1:8081"}, "flink": flink_reply(*jobs),
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
    reply = flink_reply(*jobs, workers=[worker(1, 2 - used), worker(2, 2)])
    workers = [member(1, "taskmanager", port=6122), member(2, "taskmanager", port=6122, running="new")]
    assert groups.step(workers, "taskmanager", reply, RUN, ALLOWED)["kind"] == kind


@pytest.mark.parametrize(("free", "kind"), [(2, "change"), (1, "stop")])
def test_a_task_manager_goes_only_where_its_tasks_find_room(free, kind):
    workers = [member(1, "taskmanager", port=6122), member(2, "taskmanager", port=6122)]
    reply = flink_reply(workers=[worker(1, 0), worker(2, free)])
    step = groups.step(workers, "taskmanager", reply, RUN, ALLOWED)
    assert step["kind"] == kind
    assert step["registered"] == (["w1"] if kind == "change" else [])
    assert step["others"] == (["a2:6122"] if kind == "change" else ["a1:6122", "a2:6122"])


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
    read = {"complete": True, "reasons": [], "ended_jobs": []}
    before = {"leaders": [leader], "jobs": [read | {"jobs": [job]}]}
    now = {"leaders": [leader], "jobs": [read | {"jobs": [job | change]}]}
    assert rolling_jobs.flink_disruptions(before, now) == told
    gone = {
        "leaders": [{"leader": {"session_id": ""}}],
        "jobs": [read | {"jobs": [], "ended_jobs": [{"id": "j", "state": "FAILED"}]}],
    }
    unread = {"leaders": [leader], "jobs": [read | {"complete": False, "reasons": ["a1 answers 503"], "jobs": []}]}
    assert rolling_jobs.flink_disruptions(before, unread) == ["Flink's jobs could not all be read: a1 answers 503"], (
        "what was not read is not gone"
    )
    assert rolling_jobs.flink_disruptions(before, gone) == [
        "Flink's leader session was s and is none",
        "job j (count) is gone, or FAILED",
    ]


@pytest.mark.parametrize(("address", "host"), [("TM1", "tm1"), ("tm1", "TM1"), ("Tm1", "Tm1")])
def test_a_task_manager_is_found_whatever_the_case_of_its_name(address, host):
    """Names are the same in DNS, and a process that runs by such a name must stay rollable."""
    reply = {"task_managers": [{"host": host, "port": 6122, "id": "x"}]}
    given = {"id": 1, "name": "w", "address": address, "ports": [6122]}
    assert groups._workers_ready([given], reply) == ["w"]


def test_a_task_manager_that_somebody_else_set_up_is_found_where_it_is_known():
    reply = {"task_managers": [{"host": "198.18.7.31", "port": 35227, "id": "x"}]}
    given = {"id": 1, "name": "w", "address": "tm1", "ports": [6122]}
    assert groups._workers_ready([given | {"known_as": ["tm1:35227", "198.18.7.31:35227"]}], reply) == ["w"]
    assert groups._workers_ready([given | {"known_as": ["198.18.7.32:35227"]}], reply) == []


def test_flink_that_does_not_tolerate_suspended_connections():
    jobs = {
        "job_managers": [
            {"address": "a", "rest_port": 8081, "reachable": True, "tolerates_suspended_connections": None}
        ],
        "item": {"tolerates": {"h": False, "i": True}},
    }
    assert rolling_jobs.without_suspend_tolerance([jobs]) == ["JobManager a:8081", "Flink on h"]


WORKERS = [
    member(1, "taskmanager", port=6122),
    member(2, "taskmanager", port=6122),
    member(3, "taskmanager", port=6122),
]
REGISTERED = [worker(1, 0), worker(2, 2), worker(3, 2)]


def workers_step(*jobs, run=RUN, allowed=ALLOWED, **said):
    return groups.step(WORKERS, "taskmanager", flink_reply(*jobs, workers=REGISTERED, **said), run, allowed)


def leaders_step(flink, allowed=ALLOWED):
    managers = [member(number, "jobmanager", port=8081, running="old" if number == 1 else "new") for number in (1, 2)]
    reply = {
        "verdict": "led", "foreign": False, "contenders": 2, "leader": {"address": "http://a1:8081"}, "flink": flink,
        "rest": [{"address": f"a{i}", "rest_port": 8081, "status": 200, "leads": i == 1} for i in (1, 2)],
    }  # fmt: skip
    return groups.step(managers, "jobmanager", reply, RUN, allowed)


def test_trap_55_a_leader_and_a_task_manager_stay_while_jobs_were_not_read():
    for step in (leaders_step(flink_reply(complete=False)), workers_step(complete=False)):
        assert step["kind"] == "stop"
        assert "could not all be read (a1 answers 503)" in step["reason"]
        assert "rolling_accept_outage=true" in step["reason"]
    accepted = ALLOWED | {"accept_outage": True}
    assert leaders_step(flink_reply(complete=False), accepted)["kind"] == "change"
    assert workers_step(complete=False, allowed=accepted)["kind"] == "change"
    idle = groups.step(
        WORKERS,
        "taskmanager",
        flink_reply(workers=[worker(1, 2), worker(2, 2), worker(3, 2)], complete=False),
        RUN,
        ALLOWED,
    )
    assert idle["kind"] == "change", "nothing runs on it"


@pytest.mark.parametrize(
    ("interval", "most", "wait"), [(3000, 600, 183), (300_000, 600, 480), (3_600_000, 600, 780), (3_600_000, 0, 180)]
)
def test_trap_56_a_checkpoint_is_waited_for_as_long_as_the_job_takes_up_to_an_input(interval, most, wait):
    run = RUN | {"checkpoint_wait": most}
    assert workers_step(a_job(checkpoint_interval_ms=interval), run=run)["checkpoint_wait"] == wait


def test_trap_56_the_lock_is_held_for_longer_than_a_step_can_wait():
    run = RUN | {"checkpoint_wait": 3600}
    slow = a_job(checkpoint_interval_ms=3_600_000)
    for step in (workers_step(slow, run=run), groups.step(WORKERS, "taskmanager", flink_reply(slow), run, ALLOWED)):
        assert step["kind"] == "stop"
        assert "rolling_lease_seconds" in step["reason"]
    assert workers_step(slow, run=run | {"lease_seconds": 4000})["kind"] == "change"
    assert workers_step(a_job(), run=run | {"start_timeout": 1000})["kind"] == "change", (
        "as before, for short intervals"
    )


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("2.3.0", ["checkpoints every 1800 s: is asked for one after a step, which can take 780 s"]),
        ("1.16.3", ["its next one is waited for, which can take 780 s", "set rolling_checkpoint_wait to 1800"]),
    ],
)
def test_trap_56_the_plan_says_how_long_a_step_can_take(version, words):
    reply = flink_reply(a_job(checkpoint_interval_ms=1_800_000), workers=REGISTERED, version=version)
    told = " ".join(groups.plan_lines(WORKERS, "taskmanager", reply, RUN, ALLOWED))
    assert all(each in told for each in words)
    assert ("rolling_checkpoint_wait" in told) == (len(words) == 2)


@pytest.mark.parametrize(
    ("changed", "ran", "proven"),
    [
        ({}, True, True),
        ({"latest_checkpoint_at": 0}, True, False),
        ({"failed_checkpoint_at": 95_000}, True, False),
        ({"restarted_at": 80_000}, True, True),
        ({"restarted_at": 95_000}, False, False),
        ({"restarted_at": 95_000, "checkpointing": False}, True, False),
        ({"running": False, "state": "RESTARTING"}, False, False),
    ],
)
def test_trap_57_what_is_asked_of_a_job_after_a_step_is_what_it_did_before(changed, ran, proven):
    found = rolling_jobs.asked_jobs(flink_reply(a_job(**changed)), RUN)
    assert (found["ran"], found["proven"]) == (["j"] if ran else [], ["j"] if proven else [])
    told = " ".join(
        groups.plan_lines(WORKERS, "taskmanager", flink_reply(a_job(**changed), workers=REGISTERED), RUN, ALLOWED)
    )
    assert ("it is not asked to run after a step" in told) == (not ran)


def test_trap_57_what_ran_before_an_earlier_step_is_asked_for_until_it_has_ended():
    away = flink_reply(a_job(running=False))
    assert rolling_jobs.asked_jobs(away, RUN | {"ran": ["j", "k"]})["ran"] == ["j", "k"]
    ended = away | {"ended_jobs": [{"id": "k", "state": "FINISHED"}]}
    assert rolling_jobs.asked_jobs(ended, RUN | {"ran": ["j", "k"]})["ran"] == ["j"]
    assert rolling_jobs.jobs_left(["j", "k"], flink_reply(a_job())) == ["j"]
    assert rolling_jobs.jobs_left(["j", "k"], {"msg": "no reply"}) == ["j", "k"]


def test_trap_57_a_job_that_does_not_run_has_no_budget_that_a_step_could_use_up():
    poor = a_job(restart_strategy=a_job()["restart_strategy"] | {"attempts": 0})
    assert workers_step(poor)["kind"] == "stop"
    assert workers_step(poor | {"running": False, "state": "RESTARTING"})["kind"] == "change"


def test_trap_58_only_what_does_not_register_is_switched_back():
    results = [{"item": each} for each in WORKERS[:2]]
    fresh = [worker(1, 2) | {"id": "w1-new"}, worker(2, 2)]
    awaited = {"reachable": True, "task_managers": fresh}
    assert groups.unserved(results, "taskmanager", awaited, ["w1", "w2"]) == results[1:], (
        "the old one is no sign of life"
    )
    assert groups.unserved(results, "taskmanager", awaited | {"reachable": False}, ["w1", "w2"]) == []
    assert groups.unserved(results, "jobmanager", {}, []) == results


def strategy(**changed):
    return a_job()["restart_strategy"] | changed


@pytest.mark.parametrize(
    ("batch", "attempts", "kind"), [(1, 3, "change"), (1, 2, "stop"), (2, 2, "change"), (2, 1, "stop")]
)
def test_the_restart_budget_counts_steps_and_not_members(batch, attempts, kind):
    job = a_job(restart_strategy=strategy(attempts=attempts))
    step = workers_step(job, allowed=ALLOWED | {"batch": batch, "accept_outage": True})
    assert step["kind"] == kind
    assert ("rolling_accept_restart_budget=true" in step["reason"]) == (kind == "stop")
    accepted = ALLOWED | {"batch": batch, "accept_outage": True, "accept_restart_budget": True}
    assert workers_step(job, allowed=accepted)["kind"] == "change"


@pytest.mark.parametrize(
    ("failures", "restarted_at", "kind", "calm"),
    [
        (1, 0, "change", {}),
        (1, 50_000, "pause", {"j": 60_001}),
        (3, 50_000, "change", {}),
        (3, 90_000, "pause", {"j": 20_001}),
    ],
)
def test_a_failure_rate_is_kept_to(failures, restarted_at, kind, calm):
    rate = strategy(kind="failure-rate", failures=failures, interval_ms=60_000)
    job = a_job(restart_strategy=rate, restarted_at=restarted_at, latest_checkpoint_at=95_000)
    step = workers_step(job)
    assert (step["kind"], step["calm"]) == (kind, calm)
    assert workers_step(job, allowed=ALLOWED | {"accept_restart_budget": True})["kind"] == "change"


@pytest.mark.parametrize(
    ("changed", "words"), [({"interval_ms": 3_600_000}, "rolling_lease_seconds"), ({"failures": 1}, "6 are needed")]
)
def test_a_failure_rate_that_cannot_be_kept_to_is_refused(changed, words):
    rate = strategy(kind="failure-rate", failures=2, interval_ms=60_000) | changed
    step = workers_step(a_job(restart_strategy=rate, parts=2))
    assert step["kind"] == "stop"
    assert words in step["reason"]
    assert "rolling_accept_restart_budget=true" in step["reason"]


def test_the_plan_says_what_differs_once_for_members_that_have_the_same():
    members = [member(number) | {"differs": ["start", "zoo.cfg (tickTime)"]} for number in (1, 2)] + [member(3)]
    told = groups.plan_lines(members, "zookeeper", HEALTHY, RUN, ALLOWED)
    assert [each for each in told if "differ" in each] == [
        "zookeeper: on h1, h2 there differ: start, zoo.cfg (tickTime)"
    ]
