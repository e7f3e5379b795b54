"""Faults of Flink and rolls under a job that counts. In the order of the file, after the ensemble's."""

from __future__ import annotations

import json
import time

import cluster
import pytest
from workload import (
    TASK_MANAGERS,
    assert_nothing_lost,
    both_answer,
    checkpoints,
    counted,
    job_restarts,
    state,
    submit_job,
    wait_for_checkpoint,
)

HANGS = 150


@pytest.fixture(scope="module")
def job():
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    return submit_job()


def runs_on(job):
    """The TaskManager that has the job's tasks."""
    held = {worker["id"].rpartition(":")[0]: worker for worker in cluster.rest_any("/taskmanagers")["taskmanagers"]}
    return next(name for name, worker in held.items() if worker["freeSlots"] < worker["slotsNumber"])


@pytest.mark.parametrize("how", ["KILL", "STOP"])
def test_a_task_manager_is_killed_or_hangs(job, how):
    wait_for_checkpoint(job, 1)
    before, began = max(counted())[0], time.monotonic()
    host = runs_on(job)
    cluster.shell(host, f"systemctl kill --kill-whom=main --signal={how} flink-taskmanager")
    cluster.until("the job is missed", lambda: job_restarts(job) != ["0"] or state(job) != "RUNNING", HANGS)
    cluster.until("the job runs again", lambda: state(job) == "RUNNING" and counted()[-1][0] > before, HANGS)
    cluster.told(f"SIG{how} of the job's TaskManager: RUNNING again after", time.monotonic() - began)
    if how == "STOP":
        cluster.shell(host, "systemctl kill --kill-whom=main --signal=CONT flink-taskmanager")
    assert_nothing_lost(before)
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output


def test_the_leading_job_manager_hangs(job):
    wait_for_checkpoint(job, 1)
    before, began = max(counted())[0], time.monotonic()
    with cluster.session() as client:
        leader, _port = cluster.flink_leader(client)
        cluster.shell(leader, "systemctl kill --kill-whom=main --signal=STOP flink-jobmanager")
        cluster.until("another leader", lambda: cluster.flink_leader(client)[0] != leader, 60)
    other = [entry for entry in cluster.job_managers() if entry[0] != leader]
    running = lambda: cluster.rest(*other[0], f"/jobs/{job}")["state"] == "RUNNING"  # noqa: E731
    cluster.until("the job runs again", running, HANGS)
    cluster.told("SIGSTOP of the leading JobManager: job RUNNING again after", time.monotonic() - began)
    cluster.shell(leader, "systemctl kill --kill-whom=main --signal=CONT flink-jobmanager")
    cluster.until("both JobManagers answer", both_answer, 120)
    assert_nothing_lost(before)


def evidence(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*/availability.json"))]


def test_a_roll_of_the_ensemble_restarts_no_job(job, tmp_path):
    wait_for_checkpoint(job, 1)
    restarts = job_restarts(job)
    code, output = cluster.playbook(
        "playbooks/site.yml", "-e", "zookeeper_sync_limit=71", "-e", "availability_probe=true",
        "-e", f"rolling_diagnostics_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0, output
    (seen,) = evidence(tmp_path)
    assert (seen["probe"]["problems"], seen["flink"]) == ([], [])
    assert job_restarts(job) == restarts
    cluster.told(
        "a roll of the ensemble: longest stall of a writer", seen["probe"]["result"]["longest_stall_ms"] / 1000
    )


def test_a_roll_of_flink_costs_one_failover_and_no_state(job, tmp_path):
    wait_for_checkpoint(job, 1)
    before = max(counted())[0]
    code, output = cluster.playbook(
        "playbooks/site.yml", "-e", "zookeeper_sync_limit=71", "-e", "flink_ha_restart_delay=2000",
        "-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0, output
    changes = sum(sum(each["probe"]["leader_changes"].values()) for each in evidence(tmp_path))
    assert changes == 1, "exactly one failover"
    assert checkpoints(job)["latest"]["restored"], "the job began anew instead of being restored"
    assert_nothing_lost(before)
    code, output = cluster.playbook(
        "playbooks/site.yml", "-e", "zookeeper_sync_limit=71", "-e", "flink_ha_restart_delay=2000"
    )
    assert code == 0, output
    assert output[output.index("PLAY RECAP") :].count("changed=0") == len(TASK_MANAGERS) + 2, output
