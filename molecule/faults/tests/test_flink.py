"""Faults of Flink and rolls under a job that counts. In the order of the file, after the ensemble's."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager

import cluster
import pytest
from workload import (
    TASK_MANAGERS,
    assert_nothing_lost,
    both_answer,
    checkpoints,
    counted,
    job_restarts,
    kill_the_leader,
    restarted_at,
    run_job,
    state,
    wait_for_checkpoint,
)

HANGS = 150


def runs_on(job):
    """The TaskManager that has the job's tasks."""
    held = {worker["id"].rpartition(":")[0]: worker for worker in cluster.rest_any("/taskmanagers")["taskmanagers"]}
    return next(name for name, worker in held.items() if worker["freeSlots"] < worker["slotsNumber"])


@contextmanager
def signalled(host, unit, how):
    """A process that was sent SIGKILL or SIGSTOP; what hangs goes on afterwards, also where the test fails."""
    cluster.shell(host, f"systemctl kill --kill-whom=main --signal={how} {unit}")
    try:
        yield
    finally:
        if how == "STOP":
            cluster.shell(host, f"systemctl kill --kill-whom=main --signal=CONT {unit}")


@pytest.mark.parametrize("how", ["KILL", "STOP"])
def test_a_task_manager_is_killed_or_hangs(job, how):
    wait_for_checkpoint(job, 1)
    before, last, began = max(counted())[0], restarted_at(job), time.monotonic()
    host = runs_on(job)
    with signalled(host, "flink-taskmanager", how):
        cluster.until("the job is missed", lambda: restarted_at(job) > last, HANGS)
        cluster.until("the job runs again", lambda: state(job) == "RUNNING" and max(counted())[0] > before, HANGS)
        cluster.told(f"SIG{how} of the job's TaskManager", job_running_again_s=time.monotonic() - began)
    assert_nothing_lost(before)
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output


def test_the_leading_job_manager_hangs(job):
    wait_for_checkpoint(job, 1)
    before, began = max(counted())[0], time.monotonic()
    with cluster.session() as client:
        leader, _port = cluster.flink_leader(client)
        other = [entry for entry in cluster.job_managers() if entry[0] != leader]

        def running():
            return cluster.rest(*other[0], f"/jobs/{job}")["state"] == "RUNNING"

        with signalled(leader, "flink-jobmanager", "STOP"):
            cluster.until("another leader", lambda: cluster.flink_leader(client)[0] != leader, 60)
            cluster.until("the job runs again", running, HANGS)
            cluster.told("SIGSTOP of the leading JobManager", job_running_again_s=time.monotonic() - began)
    cluster.until("both JobManagers answer", both_answer, 120)
    assert_nothing_lost(before)


@contextmanager
def configured(variable, value):
    """Flink with another value of one variable, and back."""
    code, output = cluster.playbook("playbooks/flink.yml", "-e", f"{variable}={value}")
    assert code == 0, output
    yield
    code, output = cluster.playbook("playbooks/flink.yml")
    assert code == 0, output


@pytest.mark.parametrize(
    ("timeout", "which"), [(8000, "the role's"), (60000, "Flink's own, of which 40 s are granted")]
)
def test_how_long_a_failover_takes(job, timeout, which):
    with configured("flink_ha_zookeeper_session_timeout", timeout):
        wait_for_checkpoint(job, 1)
        what = f"SIGKILL of the leading JobManager, session timeout {timeout / 1000:g} s ({which})"
        kill_the_leader(job, session=timeout / 1000, what=what)


def evidence(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*/availability.json"))]


def rolled(folder, *arguments):
    """What the product's own probe saw during a run of site.yml: (leader changes, longest stall of a writer in seconds)."""
    code, output = cluster.playbook(
        "playbooks/site.yml", *arguments, "-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={folder}"
    )
    assert code == 0, output
    seen = [each["probe"] for each in evidence(folder)]
    assert [each["problems"] for each in seen] == [[]] * len(seen)
    changes = sum(sum(each["leader_changes"].values()) for each in seen)
    return changes, max(each["result"]["longest_stall_ms"] for each in seen) / 1000


@pytest.mark.parametrize("tolerated", [True, False])
def test_a_roll_of_the_ensemble_restarts_jobs_only_where_suspended_connections_are_not_tolerated(
    job, tolerated, tmp_path
):
    with configured("flink_ha_zookeeper_tolerate_suspended", tolerated):
        wait_for_checkpoint(job, 1)
        before, restarts = max(counted())[0], job_restarts(job)
        same = [
            "-e",
            f"flink_ha_zookeeper_tolerate_suspended={tolerated}",
            "-e",
            f"zookeeper_max_client_cnxns={171 + tolerated}",
        ]
        if not tolerated:
            code, output = cluster.playbook("playbooks/site.yml", *same)
            assert code != 0, output
            assert "rolling_accept_job_restarts=true" in output
            same += ["-e", "rolling_accept_job_restarts=true"]
        changes, stall = rolled(tmp_path, *same)
        cluster.until("the job runs", lambda: state(job) == "RUNNING", HANGS)
        moved = changes or job_restarts(job) - restarts
        cluster.told(
            f"a roll of the ensemble, suspended connections {'' if tolerated else 'not '}tolerated",
            longest_stall_s=stall,
            leader_changes=changes,
            job_restarts=job_restarts(job) - (0 if changes else restarts),
        )
        assert bool(moved) != tolerated
        assert_nothing_lost(before)


def test_a_roll_of_flink_costs_one_failover_and_no_state(job, tmp_path):
    wait_for_checkpoint(job, 1)
    before = max(counted())[0]
    # The ensemble is left as the test before left it.
    other = ["-e", "zookeeper_max_client_cnxns=171", "-e", "flink_ha_zookeeper_session_timeout=9000"]
    changes, _stall = rolled(tmp_path, *other)
    assert changes == 1, "exactly one failover"
    assert checkpoints(job)["latest"]["restored"], "the job began anew instead of being restored"
    assert_nothing_lost(before)
    code, output = cluster.playbook("playbooks/site.yml", *other)
    assert code == 0, output
    assert output[output.index("PLAY RECAP") :].count("changed=0") == len(TASK_MANAGERS) + 2, output
    # Back to the inventory, which the runs after this one compare with.
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output


@contextmanager
def beside(*options):
    """Another job, with options of its own, that is cancelled afterwards."""
    other = run_job(*options)
    try:
        yield other
    finally:
        cluster.shell(cluster.group("flink_jobmanager")[0], f"/usr/local/bin/flink cancel {other}")


def task_managers_rolled(*arguments):
    return cluster.playbook(
        "playbooks/rolling_restart.yml",
        *("-e", "rolling_restart_target=taskmanager", "-e", "rolling_restart_force=true"),
        *arguments,
    )


def started():
    """Start of each TaskManager's process, and the generation that it runs."""
    command = "systemctl show -P ExecMainStartTimestampMonotonic flink-taskmanager; readlink /etc/flink/flink-taskmanager/current"
    return {host: cluster.shell(host, command).split() for host in TASK_MANAGERS}


def test_trap_56_a_job_that_checkpoints_every_five_minutes_is_proved_by_a_checkpoint_that_is_asked_for(job):
    with beside("-Dexecution.checkpointing.interval=5min") as slow:
        cluster.until("the slow job runs", lambda: state(slow) == "RUNNING", 60)
        # What had no checkpoint before a step is not asked for one after it.
        cluster.shell(cluster.group("flink_jobmanager")[0], f"/usr/local/bin/flink checkpoint {slow}")
        wait_for_checkpoint(slow, 1)
        before, began = started(), time.monotonic()
        code, output = task_managers_rolled()
        took = time.monotonic() - began
        assert code == 0, output
        told = f"job {slow} (count) checkpoints every 300 s: is asked for one after a step"
        assert told in " ".join(output.split()), output
        assert all(start != before[host][0] for host, (start, _tasks) in started().items())
        found = checkpoints(slow)
        assert found["latest"]["completed"]["trigger_timestamp"] > restarted_at(slow) > 0
        cluster.told("a roll of the TaskManagers under a job with an interval of 300 s", took_s=took)
        assert took < 300


def test_trap_57_a_job_that_fails_all_the_time_keeps_no_configuration_from_being_rolled(job):
    # Its state can be made nowhere, as with an expired key: it restarts for ever, and never runs.
    nowhere = ("-Dstate.backend.type=rocksdb", "-Dstate.backend.rocksdb.localdir=/proc/nowhere")
    endless = ("-Drestart-strategy.type=exponential-delay", "-Drestart-strategy.exponential-delay.max-backoff=2s")
    with beside(*nowhere, *endless) as sick:
        cluster.until("it fails", lambda: restarted_at(sick) > 0, 60)
        before = started()
        code, output = task_managers_rolled()
        assert code == 0, output
        told = rf"job {sick} \(count\) is \w+: it is not asked to run after a step"
        assert re.search(told, " ".join(output.split())), output
        now = started()
        assert all(now[host][0] != before[host][0] and now[host][1] == before[host][1] for host in TASK_MANAGERS)
        assert state(job) == "RUNNING"
