"""Jobs, checkpoints and jars on HDFS, while leaders of Flink and of HDFS die. In the order of the file."""

from __future__ import annotations

import json
import os
import re
import urllib.request

import cluster
import pytest
from workload import (
    assert_nothing_lost,
    checkpoints,
    counted,
    job_restarts,
    kill_the_leader,
    listed,
    restarted_at,
    state,
    submit_job,
    wait_for_checkpoint,
)

NAME_NODES = cluster.group("hadoop_namenode")


def bean(host, name):
    """What the NameNode tells of itself."""
    url = f"http://{cluster.address(host)}:9870/jmx?qry=Hadoop:service=NameNode,name={name}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        (found,) = json.load(answer)["beans"]
    return found


def role(host):
    """active or standby, by the NameNode's own word."""
    return bean(host, "NameNodeStatus")["State"]


def active():
    """The one NameNode that is active."""
    found = []
    for host in NAME_NODES:
        try:
            if role(host) == "active":
                found.append(host)
        except OSError:
            continue
    assert len(found) == 1, found
    return found[0]


@pytest.fixture(scope="module")
def job():
    return submit_job()


@pytest.mark.short
def test_hdfs_is_of_the_release_that_was_asked_for():
    asked = os.environ.get("HADOOP") or "3.4"
    assert all(bean(host, "NameNodeInfo")["SoftwareVersion"].startswith(f"{asked}.") for host in NAME_NODES)


@pytest.mark.short
def test_the_job_counts_and_checkpoints_on_hdfs(job):
    cluster.until("the job prints", counted, 60)
    latest = checkpoints(job)["latest"]["completed"]
    assert latest["external_path"].startswith(f"hdfs://ns1/flink/checkpoints/{job}/chk-"), latest
    found = listed("/flink")
    # Written by Flink's own user, not by one that the environment names.
    assert set(found.values()) == {"flink"}
    assert f"/flink/checkpoints/{job}" in found
    # The JobManagers' pointers lead there, and the jar is with them.
    assert [path for path in found if path.startswith("/flink/recovery/")]


def test_the_task_managers_write_there_too(job):
    """More than the metadata, which is the JobManager's."""
    cluster.until(
        "a file of a checkpoint that a TaskManager wrote",
        lambda: [path for path in listed(f"/flink/checkpoints/{job}") if re.search(r"/chk-\d+/[^_]", path)],
        30,
    )


@pytest.mark.short
def test_the_leading_job_manager_is_killed(job):
    assert kill_the_leader(job).startswith(f"hdfs://ns1/flink/checkpoints/{job}/chk-")


def test_the_active_name_node_is_killed(job):
    wait_for_checkpoint(job, 2)
    killed = active()
    (other,) = set(NAME_NODES) - {killed}
    cluster.until("the other NameNode stands by", lambda: role(other) == "standby", 60)
    before, counts = max(counted())[0], checkpoints(job)["counts"]
    restarts, restarted = job_restarts(job), restarted_at(job)
    # Not to come back by itself: the other one has to take over.
    cluster.shell(killed, "systemctl stop --no-block hdfs-namenode; systemctl kill --signal=KILL hdfs-namenode")
    _found, took = cluster.until("the other NameNode is active", lambda: active() == other, 30)
    # Of those that began before, one may still come to its end; the further ones began on the other NameNode.
    _found, again = cluster.until(
        "further checkpoints", lambda: checkpoints(job)["counts"]["completed"] >= counts["completed"] + 3, 60
    )
    cluster.told("SIGKILL of the active NameNode", new_active_s=took, three_checkpoints_s=took + again)
    assert state(job) == "RUNNING"
    assert (job_restarts(job), restarted_at(job)) == (restarts, restarted), "the job was restarted"
    assert checkpoints(job)["counts"]["failed"] == counts["failed"]
    assert_nothing_lost(before)
    cluster.shell(killed, "systemctl start hdfs-namenode")
    cluster.until("the killed one stands by", lambda: role(killed) == "standby", 60)


def test_a_savepoint_is_written_there(job):
    host = cluster.group("flink_jobmanager")[0]
    printed = cluster.shell(host, f"/usr/local/bin/flink savepoint {job} 2>&1")
    assert "hdfs://ns1/flink/savepoints/savepoint-" in printed, printed


def test_a_nameservice_that_hadoops_configuration_does_not_have_is_refused(job):
    code, output = cluster.playbook("playbooks/site.yml", "-e", "flink_ha_savepoint_dir=hdfs://ns9/savepoints")
    assert code != 0
    assert "/etc/hadoop of flink_ha_hadoop_conf_dir has no nameservice ns9: it has ns1." in " ".join(output.split())
    assert state(job) == "RUNNING"


def test_another_run_changes_nothing_and_status_is_well(job):
    cluster.assert_nothing_changed(cluster.playbook("playbooks/site.yml"))
    code, output = cluster.playbook("playbooks/status.yml")
    assert code == 0, output
    assert state(job) == "RUNNING"
