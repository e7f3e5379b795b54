"""The first run of this release on a live cluster of the one before: every process once, and nobody notices."""

from __future__ import annotations

import re

import cluster
import pytest
import workload

UNITS = "zookeeper 'flink-*'"


def started():
    """When each process of a host was started, by host."""
    return {
        host: cluster.shell(host, f"systemctl show {UNITS} -p Id,ExecMainStartTimestampMonotonic,NRestarts")
        for host in cluster.group("lab")
    }


@pytest.fixture(scope="module")
def update():
    """site of this tree, under a client that writes and a job; gives what was seen, and the processes before."""
    job = workload.submit_job()
    highest, before = max(workload.counted())[0], started()
    with workload.writing() as seen:
        code, output = cluster.playbook("playbooks/site.yml", "-e", "availability_probe=true")
    assert code == 0, output
    cluster.told(
        "site of this release on the one before", writes=len(seen["acknowledged"]), longest_stall_s=seen["stall"]
    )
    return {"job": job, "highest": highest, "before": before, "seen": seen, "output": " ".join(output.split())}


def test_no_write_and_no_session_is_lost(update):
    seen = update["seen"]
    assert seen["acknowledged"]
    assert set(seen["acknowledged"]) <= seen["found"]
    assert not seen["lost"]
    assert " 0 missing" in update["output"]


def test_the_job_goes_on_where_it_was(update):
    workload.wait_for_checkpoint(update["job"], 1)
    workload.assert_nothing_lost(update["highest"])


def test_every_process_is_another_one_and_none_was_started_twice(update):
    after = started()
    assert set(after) == set(update["before"])
    for host, text in after.items():
        assert text != update["before"][host], "what changed in its unit was not rolled"
        assert set(re.findall(r"NRestarts=(\d+)", text)) == {"0"}, text


def test_a_second_run_changes_nothing(update):
    before = started()
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    assert started() == before
    recap = output.partition("PLAY RECAP")[2]
    assert recap.count("changed=0 ") == len([line for line in recap.splitlines() if "changed=" in line]), recap
