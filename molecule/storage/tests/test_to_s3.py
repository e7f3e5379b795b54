"""The cluster of test_storage.py moves from HDFS to S3, as docs/operations.md has it ("Another storage"). In the order of the file."""

from __future__ import annotations

import re

import cluster
import pytest
from workload import (
    FAILOVER,
    assert_nothing_lost,
    checkpoints,
    counted,
    kill_the_leader,
    run_job,
    state,
    wait_for_checkpoint,
)

FOLDER = cluster.ROOT / "molecule/storage/vars"
S3, MOVED = ("-e", f"@{FOLDER}/s3.yml"), ("-e", f"@{FOLDER}/moved.yml")
SECRET = "lab-canary-71c0"
JOB_MANAGERS = cluster.group("flink_jobmanager")


@pytest.fixture(scope="module")
def job():
    """The one that runs, since test_storage.py."""
    (found,) = [each["id"] for each in cluster.rest_any("/jobs")["jobs"] if each["status"] == "RUNNING"]
    return found


@pytest.fixture(scope="module")
def savepoints():
    return []


def flink_processes():
    names = "systemctl show flink-jobmanager flink-taskmanager -p MainPID,NRestarts"
    return {host: cluster.shell(host, names) for host in cluster.group("flink")}


def test_another_storage_is_refused_under_a_cluster_that_runs(job):
    before = flink_processes()
    code, output = cluster.playbook("playbooks/site.yml", *S3, *MOVED)
    assert code != 0, output
    assert "runs with flink_ha_storage_dir hdfs://ns1/flink/recovery" in output
    assert "Another storage" in output
    assert flink_processes() == before
    assert state(job) == "RUNNING"


def test_a_storage_that_cannot_be_written_to_is_refused_before_anything_restarts(job):
    before = flink_processes()
    wrong = '{"flink_ha_storage_credentials": {"s3.access-key": "lab-key", "s3.secret-key": "lab-canary-wrong"}}'
    code, output = cluster.playbook("playbooks/site.yml", *S3, "-e", wrong)
    assert code != 0, output
    assert "The user flink cannot write to" in output
    assert "s3://flink/savepoints/.streamquorum-proof" in output
    assert "lab-canary" not in output
    assert flink_processes() == before
    assert state(job) == "RUNNING"


def test_the_new_file_system_is_rolled_under_the_job(job):
    before = max(counted())[0]
    # There is one TaskManager, so the job waits for it.
    code, output = cluster.playbook("playbooks/site.yml", *S3, "--diff", "-vv", "-e", "rolling_accept_outage=true")
    assert code == 0, output
    assert SECRET not in output
    assert_nothing_lost(before)
    for host in cluster.group("flink"):
        found = cluster.shell(host, f"grep -rl {SECRET} /etc /opt /var/lib/flink /var/log 2>/dev/null || true").split()
        assert [path for path in found if path.startswith("/etc/flink/")], found
        modes = cluster.shell(host, f"stat -Lc '%a %U:%G' {' '.join(found)}").splitlines()
        assert {*modes} <= {"640 root:flink", "600 root:root"}, dict(zip(found, modes, strict=True))


def test_where_a_job_was_not_ended_nothing_starts_on_the_other_storage(job):
    code, output = cluster.playbook("playbooks/stop.yml", *S3, "-e", "stop_cluster=true", "--tags", "flink_ha")
    assert code == 0, output
    for _again in range(2):
        code, output = cluster.playbook("playbooks/site.yml", *S3, *MOVED)
        assert code != 0, output
        assert "keeps 1 job(s)" in output
        assert "there is no file in s3://flink/recovery/storage" in output
    before = max(counted())[0]
    code, output = cluster.playbook("playbooks/site.yml", *S3)
    assert code == 0, output
    cluster.until("the job runs again", lambda: state(job) == "RUNNING", FAILOVER)
    assert_nothing_lost(before)


def test_the_job_ends_with_a_savepoint_on_s3_and_the_cluster_stops(job, savepoints):
    wait_for_checkpoint(job, 1)
    printed = cluster.shell(JOB_MANAGERS[0], f"/usr/local/bin/flink stop {job} 2>&1")
    (found,) = re.findall(r"s3://flink/savepoints/savepoint-[\w-]+", printed)
    savepoints.append(found)
    code, output = cluster.playbook("playbooks/stop.yml", *S3, "-e", "stop_cluster=true", "--tags", "flink_ha")
    assert code == 0, output


def test_the_cluster_starts_on_s3_and_the_job_from_its_savepoint(savepoints):
    before = max(counted())[0]
    code, output = cluster.playbook("playbooks/site.yml", *S3, *MOVED)
    assert code == 0, output
    moved = run_job("-s", savepoints[0])
    wait_for_checkpoint(moved, 2)
    assert checkpoints(moved)["latest"]["restored"]["external_path"].startswith("s3://flink/savepoints/")
    assert checkpoints(moved)["latest"]["completed"]["external_path"].startswith("s3://flink/checkpoints/")
    assert_nothing_lost(before)


def test_the_leading_job_manager_is_killed_on_s3():
    (moved,) = [each["id"] for each in cluster.rest_any("/jobs")["jobs"] if each["status"] == "RUNNING"]
    restored = kill_the_leader(moved, what="SIGKILL of the leading JobManager, on S3")
    assert restored.startswith(f"s3://flink/checkpoints/{moved}/chk-")


def test_another_run_on_s3_changes_nothing():
    output = cluster.assert_nothing_changed(cluster.playbook("playbooks/site.yml", *S3, *MOVED))
    assert "Write a file into the storage" not in output
