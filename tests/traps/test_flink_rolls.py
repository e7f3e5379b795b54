"""Traps of a roll of Flink, and of the ensemble under it: the real role and decisions, on members that exist only as files."""

from __future__ import annotations

import json

import pytest

NEW = "1" * 16
COUNT, SICK = "a" * 32, "b" * 32


def job(job_id=COUNT, **changed):
    strategy = {
        "kind": "fixed-delay",
        "attempts": None,
        "failures": None,
        "interval_ms": None,
        "text": "",
        "certain": True,
    }
    return {
        "id": job_id, "name": "count", "state": "RUNNING", "running": True, "tasks_by_state": {}, "parts": 1, "restarts": 0,
        "restarted_at": 0, "checkpointing": True, "checkpoint_interval_ms": 300_000, "completed_checkpoints": 3,
        "latest_checkpoint_id": 3, "latest_checkpoint_at": 5000, "failed_checkpoint_at": 0, "restored_checkpoint_id": None,
        "restart_strategy": strategy,
    } | changed  # fmt: skip


def flink(**changed):
    """What Flink says, as text."""
    known = {
        "leads": "jm2", "session": "s1", "reachable": True, "complete": True, "reasons": [], "jobs": [job()], "clock_ms": 9000, "proofs": [COUNT],
    }  # fmt: skip
    return json.dumps(known | changed)


@pytest.fixture
def cluster(world):
    """The ensemble, two JobManagers, of which the second leads, and three TaskManagers; all are to run something else."""
    for group, names, kind, port in (
        ("flink_jobmanager", ["jm1", "jm2"], "jobmanager", 8081),
        ("flink_taskmanager", ["tm1", "tm2", "tm3"], "taskmanager", 6122),
    ):
        hosts = {}
        for number, name in enumerate(names, 1):
            world.add(name, 0)
            world.set(name, kind=kind, serves=True)
            hosts[name] = world.inventory["all"]["children"]["zookeeper"]["hosts"].pop(name)
            hosts[name] |= {
                "flink_ha_noted": {name: {
                    "tolerates": True,
                    "members": [
                        {
                            "name": name, "host": name, "kind": kind, "id": number, "votes": True, "unit": f"flink-{kind}.service",
                            "root": "/etc/flink", "ports": [port], "timeout": 5, "address": f"{name}.invalid", "desired": NEW,
                            "live": True, "running": "0" * 16, "process": f"{name}.0", "restart_asked": "",
                        }
                    ],
                    "cluster": {
                        "servers": [], "cluster_id": "/test", "path_root": "/flink", "task_managers": 3, "timeout": 5,
                        "kazoo_path": "/nowhere.zip", "query_host": "jm1",
                        "job_managers": [{"address": f"jm{each}.invalid", "rest_port": 8081} for each in (1, 2)],
                    },
                }},
            }  # fmt: skip
        world.inventory["all"]["children"][group] = {"hosts": hosts}
    (world.folder / "flink.json").write_text(flink())
    return world


def rolled(world, kind, *arguments):
    world.know()
    return world.run("phases/roll.yml", "-e", f"rolling_kind={kind}", *arguments)


def steps(world):
    return [(call["host"], call["args"].get("back", False)) for call in world.calls("service_step")]


def proofs(world):
    """Arguments of the waits for a checkpoint."""
    return [call["args"] for call in world.calls("flink_job_info") if call["args"].get("wait_for_checkpoints_since")]


UNREAD = {"complete": False, "reasons": ["jm2 answers 503"], "jobs": []}


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        ("jobmanager", ["jm1"]),
        pytest.param("taskmanager", [], marks=pytest.mark.long),
        pytest.param("zookeeper", [], marks=pytest.mark.long),
    ],
    ids=str,
)
def test_trap_55_nothing_is_decided_by_jobs_that_were_not_read(cluster, kind, done):
    """A standby bears no job; the leader, a TaskManager with tasks and a member under Flink stay as they are."""
    (cluster.folder / "flink.json").write_text(flink(**UNREAD))
    code, output = rolled(cluster, kind)
    assert code != 0, output
    assert cluster.stepped() == done
    assert "could not all be read" in output
    assert "jm2 answers 503" in output


def test_trap_55_jobs_that_were_not_read_after_a_member_of_the_ensemble_are_not_gone(cluster):
    cluster.event("after", "service_step", "zk1", write={"flink.json": flink(**UNREAD)})
    code, output = rolled(cluster, "zookeeper")
    assert code != 0, output
    assert cluster.stepped() == ["zk1"]
    assert "could not all be read" in output
    assert "is gone" not in output


@pytest.mark.long
def test_trap_56_a_checkpoint_is_asked_for_and_waited_for_as_long_as_the_job_takes(cluster):
    code, output = rolled(cluster, "taskmanager")
    assert code == 0, output
    assert steps(cluster) == [("tm1", False), ("tm2", False), ("tm3", False)]
    told = proofs(cluster)
    assert len(told) == 3
    assert all(each["trigger_checkpoints"] and each["wait_for_checkpoints_of"] == [COUNT] for each in told)
    assert all(int(each["wait_timeout"]) == 5 + 300 for each in told)
    assert "checkpoints every 300 s: is asked for one after a step, which can take 305 s" in output


def test_trap_56_58_a_checkpoint_that_does_not_come_stops_the_roll_and_switches_nothing_back(cluster):
    cluster.event("after", "service_step", "tm1", write={"flink.json": flink(proofs=[])})
    code, output = rolled(cluster, "taskmanager")
    assert code != 0, output
    assert steps(cluster) == [("tm1", False)]
    assert "is not switched back" in output
    assert "rolling_accept_unhealthy_jobs=true" in output


@pytest.mark.parametrize("kind", ["jobmanager", pytest.param("taskmanager", marks=pytest.mark.long)])
def test_trap_57_what_did_not_run_before_a_step_is_not_asked_to_run_after_it(cluster, kind):
    sick = job(SICK, state="RESTARTING", running=False)
    (cluster.folder / "flink.json").write_text(flink(jobs=[job(), sick]))
    cluster.event(
        "after", "service_step", "jm2", write={"flink.json": flink(jobs=[job(), sick], session="s2", leads="jm1")}
    )
    code, output = rolled(cluster, kind)
    assert code == 0, output
    assert f"job {SICK} (count) is RESTARTING: it is not asked to run after a step" in output
    waits = [
        call["args"]["wait_for_job_ids"]
        for call in cluster.calls("flink_job_info")
        if "wait_for_job_ids" in call["args"]
    ]
    assert waits
    assert all(each == [COUNT] for each in waits)


@pytest.mark.long
def test_trap_57_what_is_left_to_fail_is_accepted_aloud_and_asked_for_no_more(cluster):
    cluster.event(
        "after", "service_step", "tm1", write={"flink.json": flink(jobs=[job(running=False, state="FAILING")])}
    )
    code, output = rolled(cluster, "taskmanager", "-e", "rolling_accept_unhealthy_jobs=true")
    assert code == 0, output
    assert cluster.stepped() == ["tm1", "tm2", "tm3"]
    assert (
        f"WARNING: accepted by rolling_accept_unhealthy_jobs after the step of tm1: job {COUNT} does not run" in output
    )
    assert output.count("WARNING: accepted") == 1


@pytest.mark.long
def test_trap_58_a_task_manager_that_was_missing_before_is_nothing_to_a_job_managers_step(cluster):
    cluster.set("tm3", serves=False)
    cluster.event("after", "service_step", "jm2", write={"flink.json": flink(session="s2", leads="jm1")})
    code, output = rolled(cluster, "jobmanager")
    assert code == 0, output
    assert steps(cluster) == [("jm1", False), ("jm2", False)]


def test_trap_58_what_others_do_stops_the_roll_and_switches_nothing_back(cluster):
    cluster.event(
        "after", "service_step", "jm2", set={"tm3": {"serves": False}}, write={"flink.json": flink(session="s2")}
    )
    code, output = rolled(cluster, "jobmanager")
    assert code != 0, output
    assert steps(cluster) == [("jm1", False), ("jm2", False)]
    assert "tm3.invalid:6122 is not registered" in output


@pytest.mark.long
def test_trap_58_of_a_batch_only_those_that_do_not_register_are_switched_back(cluster):
    cluster.event("after", "service_step", "tm2", set={"tm2": {"serves": False}})
    code, output = rolled(
        cluster, "taskmanager", "-e", "rolling_taskmanager_batch=2", "-e", "rolling_accept_outage=true"
    )
    assert code != 0, output
    assert steps(cluster) == [("tm1", False), ("tm2", False), ("tm2", True)]


@pytest.mark.long
def test_trap_58_a_task_manager_of_which_nothing_is_known_is_not_switched_back(cluster):
    cluster.event("after", "service_step", "tm1", write={"flink.json": flink(**UNREAD, reachable=False)})
    code, output = rolled(cluster, "taskmanager")
    assert code != 0, output
    assert steps(cluster) == [("tm1", False)]
    assert "nothing is known against it" in output


@pytest.mark.long
def test_a_failure_rate_is_given_its_time(cluster):
    rate = {
        "kind": "failure-rate",
        "attempts": None,
        "failures": 1,
        "interval_ms": 60_000,
        "text": "rate",
        "certain": True,
    }
    just = job(restart_strategy=rate, restarted_at=4000)
    (cluster.folder / "flink.json").write_text(flink(jobs=[just]))
    code, output = rolled(cluster, "taskmanager")
    assert code == 0, output
    waits = [
        call["args"]["wait_for_calm"] for call in cluster.calls("flink_job_info") if call["args"].get("wait_for_calm")
    ]
    assert waits == [{COUNT: 60_001}]
    assert cluster.stepped() == ["tm1", "tm2", "tm3"]
    assert "60 s pass between two of its restarts" in output


@pytest.fixture
def two_clusters(cluster):
    """The same hosts as two clusters: jm1 with tm1 and tm2, and jm2 with tm3."""
    for group, name in (("flink_jobmanager", "jm2"), ("flink_taskmanager", "tm3")):
        noted = cluster.inventory["all"]["children"][group]["hosts"][name]["flink_ha_noted"][name]
        noted["cluster"] |= {"cluster_id": "/other", "query_host": "jm2"}
        noted["cluster"]["job_managers"] = [{"address": "jm2.invalid", "rest_port": 8081}]
    for group, name in (("flink_jobmanager", "jm1"), ("flink_taskmanager", "tm1"), ("flink_taskmanager", "tm2")):
        noted = cluster.inventory["all"]["children"][group]["hosts"][name]["flink_ha_noted"][name]
        noted["cluster"]["job_managers"] = [{"address": "jm1.invalid", "rest_port": 8081}]
    (cluster.folder / "flink.json").write_text(flink(leads=["jm1", "jm2"]))
    return cluster


@pytest.mark.long
def test_clusters_of_one_inventory_are_rolled_and_asked_each_by_itself(two_clusters):
    """What leads in one says nothing of another, and a process of one is no standby in another."""
    code, output = rolled(two_clusters, "jobmanager")
    assert code != 0, output
    assert "no other JobManager stands by" in output
    assert two_clusters.stepped() == []
    code, output = rolled(two_clusters, "jobmanager", "-e", "rolling_accept_outage=true")
    assert code == 0, output
    assert two_clusters.stepped() == ["jm1", "jm2"]
    for label, name in (("test", "jm1"), ("other", "jm2")):
        assert f"jobmanager of {label}: 1. change {name}" in output
    asked = {(call["host"], call["args"]["cluster_id"]) for call in two_clusters.calls("leader_znode")}
    assert asked == {("jm1", "/test"), ("jm2", "/other")}
    two_clusters.forget()
    code, output = rolled(two_clusters, "zookeeper")
    assert code == 0, output
    asked = {(call["host"], call["args"]["cluster_id"]) for call in two_clusters.calls("leader_znode")}
    assert asked == {("jm1", "/test"), ("jm2", "/other")}, "both must not notice it"


@pytest.mark.long
def test_trap_03_where_one_cluster_stops_no_other_is_touched(two_clusters):
    """Nobody knows yet whether what is rolled out is to blame."""
    two_clusters.event("after", "service_step", "tm1", set={"tm1": {"serves": False}})
    code, output = rolled(two_clusters, "taskmanager")
    assert code != 0, output
    assert {host for host, _back in steps(two_clusters)} == {"tm1"}
    assert "taskmanager of other: 1." not in output
