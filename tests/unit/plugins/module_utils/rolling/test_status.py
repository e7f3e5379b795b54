"""The tables of `status`, from answers of the modules."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import status
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import elections

JOB = {
    "id": "a1", "name": "count", "state": "RUNNING", "restarts": 2, "checkpointing": True, "latest_checkpoint_at": 4_000,
}  # fmt: skip
ANSWER = {
    "reachable": True,
    "clock_ms": 9_500,
    "task_managers": [
        {"host": "tm1", "port": 6122, "slots": 2, "free_slots": 1},
        {"host": "Old", "port": 6122, "slots": 2, "free_slots": 2},
    ],
    "jobs": [
        JOB,
        JOB | {"id": "b2", "name": "batch", "checkpointing": False, "restarts": None, "latest_checkpoint_at": 0},
        JOB | {"id": "c3", "latest_checkpoint_at": 0},
    ],
}


def lines(jobs, workers=("TM1", "tm2")):
    asked = {
        "flink_ha_leader": {"results": [flink(rest("jm1"))]},
        "flink_ha_jobs": {"results": [jobs | {"item": {"workers": list(workers)}}]},
    }
    found = status.answers({"jm1": {}, "jm2": asked}, ["jm1", "jm2"])
    return [" ".join(line.split()) for line in status.status_text(found).splitlines()]


def wrong(text):
    """What is told to be wrong: it stands first, a sentence a line where it fits."""
    head = text.split("\n\n")[0]
    return " ".join(head.split()).removeprefix("! ").split(" ! ") if head.startswith("! ") else []


def test_each_task_manager_is_named_with_what_becomes_of_it():
    told = lines(ANSWER)
    assert told[told.index("TaskManager slots free") + 1 :][:3] == [
        "TM1:6122 2 1",
        "tm2 not registered",
        "Old:6122 not in the inventory 2",
    ]


def test_a_task_manager_that_is_missing_beside_another_of_its_host_is_told():
    told = lines(ANSWER, ("TM1", "TM1", "old"))
    assert told[told.index("TaskManager slots free") + 1 :][:3] == [
        "TM1:6122 2 1",
        "TM1 not registered",
        "old:6122 2 2",
    ]


def test_each_job_has_its_state_and_the_age_of_its_checkpoint():
    told = lines(ANSWER)
    assert told[told.index("job name state restarts checkpoint") + 1 :] == [
        "a1 count RUNNING 2 5 s ago",
        "b2 batch RUNNING - takes none",
        "c3 count RUNNING 2 none yet",
    ]


def test_without_jobs_or_an_answer_there_is_no_table():
    assert "job name state restarts checkpoint" not in lines(ANSWER | {"jobs": []})
    assert "TaskManager slots free" not in lines(ANSWER | {"reachable": False})
    assert "TaskManager slots free" not in lines({})
    assert (
        status.status_text({"zookeeper": {}, "clusters": [], "clients": [], "unasked": []}).splitlines()[-1]
        == "Flink: not asked"
    )


def test_trap_55_jobs_that_were_not_read_are_not_well():
    leader = flink(rest("jm1"), rest("jm2"))
    assert status.healthy(cluster(leader, ANSWER | {"complete": True}))
    for jobs, why in (
        (ANSWER | {"complete": False, "reasons": ["jm1 answers 503"]}, "jm1 answers 503"),
        ({}, "they were not asked for"),
    ):
        found = cluster(leader, jobs)
        assert not status.healthy(found)
        assert wrong(status.status_text(found | {"zookeeper": {}})) == [f"the jobs could not all be read: {why}"]


def rest(address, status=200):
    overview = {"flink_version": "2.1.1"} if status == 200 else {}
    return {"address": address, "rest_port": 8081, "leads": address == "jm1", "status": status, "overview": overview}


def cluster(leader, jobs, workers=()):
    """What `answers` gives of a healthy ensemble with one cluster."""
    return {
        "zookeeper": {"verdict": "healthy"},
        "clients": [],
        "unasked": [],
        "clusters": [{"flink": leader, "jobs": jobs, "workers": list(workers)}],
    }


def flink(*answers, contenders=2, satisfied=True, path="/flink/lab"):
    return {
        "cluster_path": path,
        "verdict": "led", "satisfied": satisfied, "contenders": contenders, "rest": list(answers), "reasons": [],
        "leader": {"address": "jm1:6123", "session_id": "s"},
        "task_managers": {"registered": 2, "expected": 2, "enough": True},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(flink(rest("jm1"), rest("jm2")), [], id="all-in-their-place"),
        pytest.param(flink(rest("jm1"), contenders=1), [], id="a-single-one"),
        # The nodes of one that crashed stay until its session ends.
        pytest.param(flink(rest("jm1"), rest("jm2"), contenders=3), [], id="one-that-was-restarted"),
        pytest.param(
            flink(rest("jm1"), rest("jm2", 0)),
            ["JobManager jm2:8081 does not serve: its REST does not answer"],
            id="one-that-crashed-just-now",
        ),
        pytest.param(
            flink(rest("jm1"), rest("jm2", 503), contenders=1),
            [
                "JobManager jm2:8081 does not serve: its REST answers 503",
                "1 of 2 JobManagers are in the election",
            ],
            id="one-that-does-not-come-up",
        ),
        pytest.param(
            flink(rest("jm1"), rest("jm2"), contenders=1),
            [
                "1 of 2 JobManagers are in the election, although REST of all answers: their logs say which of them lost "
                "its session"
            ],
            id="one-that-is-out-of-the-election",
        ),
    ],
)
def test_trap_59_without_a_standby_job_manager_nothing_is_well(answer, told):
    hostvars = {
        "zk1": {"zookeeper_verdict": {"verdict": "healthy", "servers": [], "leader": None, "write_proof": "not_asked",
                                      "serving_voters": 3, "voters": 3, "fault_tolerance_left": 1}},
        "jm1": {"flink_ha_leader": {"results": [answer]}, "flink_ha_jobs": {"results": [ANSWER | {"complete": True}]}},
    }  # fmt: skip
    found = status.answers(hostvars, hostvars)

    assert status.healthy(found) is (told == [])
    assert status.summary(found)["healthy"] is (told == [])
    assert wrong(status.status_text(found)) == told


def test_what_leads_without_enough_task_managers_is_not_well():
    leader = flink(rest("jm1"), rest("jm2"), satisfied=False)
    assert status.healthy(cluster(leader, ANSWER | {"complete": True})) is False


def test_a_cluster_that_could_not_be_asked_is_told_and_is_not_well():
    """Beside what is known of the ensemble, which tells why."""
    failed = {"failed": True, "msg": "ZooKeeper cannot be asked who leads /flink/lab", "item": {"id": "/lab"}}
    hostvars = {
        "zk1": {"zookeeper_verdict": {"verdict": "healthy"}},
        "jm1": {"flink_ha_leader": {"results": [failed]}, "flink_ha_jobs": {"results": [ANSWER | {"complete": True}]}},
    }
    found = status.answers(hostvars, hostvars)
    assert status.healthy(found) is False
    text = status.status_text(found | {"zookeeper": {}})
    assert wrong(text) == ["Flink /lab: ZooKeeper cannot be asked who leads /flink/lab"]


def test_an_application_on_yarn_has_one_job_manager_and_the_task_managers_that_it_was_given():
    path = "/flink/application_1_0001"
    asked = {
        "flink_ha_leader": {"results": [flink(rest("jm1"), contenders=1, path=path)]},
        "flink_ha_jobs": {"results": [ANSWER | {"complete": True, "item": {"workers": []}}]},
        "zookeeper_verdict": {"verdict": "healthy"},
    }
    found = status.answers({"c1": asked}, ["c1"])
    assert status.healthy(found)
    text = status.status_text(found | {"zookeeper": {}})
    assert "Flink on YARN, application_1_0001: led, leader jm1:6123\n" in text
    assert "  one JobManager, which YARN starts anew; 2 TaskManagers registered" in text
    assert "not in the inventory" not in text


def test_an_application_on_yarn_that_does_not_run_is_told_once_and_is_not_well():
    """By each of its client hosts."""
    absent = "no application with the tag streamquorum-orders runs on YARN; application_1_0001 is FAILED"
    hostvars = {
        "zk1": {"zookeeper_verdict": {"verdict": "healthy"}},
        "c1": {"flink_ha_absent": absent, "flink_ha_leader": {"results": [], "skipped": True}},
        "c2": {"flink_ha_absent": absent},
    }
    found = status.answers(hostvars, hostvars)
    assert status.healthy(found) is False
    assert wrong(status.status_text(found | {"zookeeper": {}})) == [f"Flink: {absent}"]


def test_what_failed_before_is_told_once_and_it_is_well():
    text = "application_1_0001: Attempt 1 ran on h1:8042 (log: http://h1:8042/x), which ends:\nFatal."
    asked = {
        "flink_ha_leader": {"results": [flink(rest("jm1"))]},
        "flink_ha_jobs": {"results": [ANSWER | {"complete": True, "item": {"workers": []}}]},
        "flink_ha_failed_attempts": [text],
        "flink_ha_uploads": ["application_1_0000: has ended, and what Flink uploaded for it is in hdfs://ns1/x"],
    }
    found = status.answers({"c1": asked, "c2": {"flink_ha_failed_attempts": [text]}}, ["c1", "c2"], elsewhere=True)
    assert status.summary(found)["failed_attempts"] == [text]
    assert status.healthy(found)
    told = " ".join(status.status_text(found).split())
    assert told.count("Attempt 1 ran on h1:8042") == 1
    assert told.count("what Flink uploaded for it is in hdfs://ns1/x (playbooks/clean.yml)") == 1


def test_an_ensemble_of_another_inventory_is_not_asked_and_flink_has_to_be_led():
    asked = {
        "flink_ha_leader": {"results": [flink(rest("jm1"))]},
        "flink_ha_jobs": {"results": [ANSWER | {"complete": True, "item": {"workers": []}}]},
    }
    found = status.answers({"jm1": asked}, ["jm1"], elsewhere=True)
    assert status.healthy(found)
    assert status.status_text(found).startswith("ZooKeeper: of another inventory")
    assert status.leaders({"jm1": asked}, ["jm1"], {"zookeeper": []}).startswith("ZooKeeper: of another inventory")
    assert not status.healthy(status.answers({"jm1": {}}, ["jm1"], elsewhere=True))
    assert not status.healthy(found | {"elsewhere": False})


def test_clusters_of_one_inventory_are_told_apart():
    well = {
        "flink": flink(rest("jm1")) | {"cluster_path": "/flink/orders"},
        "jobs": ANSWER | {"complete": True},
        "workers": [],
    }
    ill = {
        "flink": flink(rest("jm2", 503)) | {"cluster_path": "/flink/bills"},
        "jobs": ANSWER | {"complete": True},
        "workers": [],
    }
    found = {"zookeeper": {"verdict": "healthy"}, "clusters": [well, ill], "clients": [], "unasked": []}
    assert status.healthy(found) is False
    assert status.healthy(found | {"clusters": [well, well]}) is True
    text = status.status_text(found | {"zookeeper": {}})
    assert wrong(text) == ["Flink /flink/bills: JobManager jm2:8081 does not serve: its REST answers 503"]
    assert "Flink /flink/orders: led" in text
    summary = status.summary(found)
    assert [each["flink"]["cluster_path"] for each in summary["flink_clusters"]] == ["/flink/orders", "/flink/bills"]
    assert summary["flink"] == summary["flink_clusters"][0]["flink"]


def test_what_is_wrong_stands_first_and_no_line_is_wider_than_the_screen():
    hosts = [f"zk{number}.rack-4.data-center.example.com" for number in (1, 2, 3)]
    servers = [
        {"id": number, "address": host, "client_port": 2181, "mode": "follower", "answers": True, "zxid": "0x10000002f",
         "outstanding": 0, "version": "3.9.5"}
        for number, host in enumerate(hosts, 1)
    ]  # fmt: skip
    quorum = {
        "verdict": "degraded", "servers": servers, "leader": None, "write_proof": "accepted", "serving_voters": 2,
        "voters": 3, "fault_tolerance_left": 0, "reasons": ["a reason " * 30], "cautions": [],
    }  # fmt: skip
    job = JOB | {"id": "0" * 32, "name": "a job with a name that says what it does, and for whom"}
    found = cluster(flink(rest("jm1"), rest("jm2", 503)), ANSWER | {"jobs": [job]}, ["TM1"]) | {"zookeeper": quorum}
    text = status.status_text(found, ["tm7"], ["jm1: /etc/flink/tls/server.pem holds until 2027-01-01"])
    lines = text.splitlines()
    assert lines[0] == "! tm7 cannot be reached over SSH"
    assert [line for line in lines if len(line) > status.WIDTH] == []
    assert [line for line in lines if line != line.rstrip()] == [], "YAML would quote such a text"
    assert "a job with a name that …" in text
    assert text.index("! JobManager jm2:8081") < text.index("ZooKeeper: degraded") < text.index("holds until")


def test_every_kind_of_election_has_a_name_for_people():
    assert set(status.SYSTEMS) == {"flink", *elections.KINDS}


def test_what_clusters_have_left_is_told_once_and_is_no_fault():
    def left(name, removes=False, told="no inventory of this run names it"):
        return {"id": name, "nodes": 7, "removes": removes, "told": told}

    mine = left("application_1_0001", removes=True, told="its application is FAILED, FAILED")
    hosts = {
        "c1": {status.LEFT: {"found": [mine, left("sales")]}},
        "jm1": {status.LEFT: {"found": [left("sales")]}},
        "jm2": {status.LEFT: {"skipped": True}},
        "c2": {status.LEFT: {"found": [{**mine, "removes": False}]}},
    }
    found = status.answers(hosts, hosts)
    assert found["left"] == [mine, left("sales")]
    told = " ".join(status.status_text(found).split())
    assert (
        "application_1_0001 has 7 nodes in ZooKeeper and no process: its application is FAILED, FAILED (playbooks/clean.yml)"
        in told
    )
    assert told.count("sales has 7 nodes in ZooKeeper") == 1
    closed = {"left": [{**left("bills", told="its nodes are closed"), "nodes": 0}]}
    told = " ".join(status.status_text(found | closed).split())
    assert "whether bills has left anything in ZooKeeper is not known: its nodes are closed" in told
    assert "no process" not in told
    assert not wrong(status.status_text(found | {"unasked": []}))
    assert status.summary(found)["flink_leftovers"] == found["left"]
