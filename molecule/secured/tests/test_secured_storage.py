"""One keytab of Flink for the ensemble and for HDFS, and a job that outlives its tickets and two leaders. In the order of the file."""

from __future__ import annotations

import time

import cluster
import pytest
from workload import (
    assert_nothing_lost,
    checkpoints,
    counted,
    kill_the_leader,
    leader_by_a_member,
    state,
    submit_job,
    wait_for_checkpoint,
)

#: Seconds that a ticket of Flink lives (lab_principals), and what a failover may take.
LIFETIME, FAILOVER = 120, 60
(KDC,) = cluster.group("kdc")


def tickets():
    """How many tickets Flink was given since the KDC started."""
    return int(cluster.shell(KDC, "journalctl -u krb5-kdc -o cat | grep -c 'AS_REQ .* ISSUE: .*flink@SECURED.TEST'"))


@pytest.fixture(scope="module")
def job():
    return submit_job()


def test_hdfs_knows_flink_by_its_ticket_and_nobody_without_one(job):
    java = " ".join(f"'{word}'" for word in cluster.variables(KDC)["hadoop_java"])
    shell = f"runuser -u hdfs -- {java} org.apache.hadoop.fs.FsShell"
    listed = cluster.shell(KDC, f"{shell} -ls -R /flink 2>/dev/null || true").splitlines()
    entries = [line.split() for line in listed if line[:1] in ("d", "-")]
    assert [parts for parts in entries if parts[-1].startswith(f"/flink/checkpoints/{job}/")]
    assert {parts[2] for parts in entries} == {"flink"}
    refused = cluster.shell(KDC, f"KRB5CCNAME=/nowhere {shell} -ls / 2>&1 || true")
    assert "Client cannot authenticate via:[TOKEN, KERBEROS]" in refused, refused


def test_the_nodes_in_the_ensemble_are_flinks(job):
    host = cluster.group("zookeeper")[0]
    printed = cluster.shell(host, "zkcli getAcl /flink/secured 2>/dev/null")
    assert "'sasl,'flink" in printed, printed
    assert "'world,'anyone" not in printed, printed


def test_a_job_outlives_three_lifetimes_of_tickets_and_two_leaders(job):
    began, before = time.monotonic(), tickets()
    for lifetimes in (1, 2):
        cluster.until(
            f"{lifetimes} lifetimes of a ticket are over",
            lambda until=lifetimes: time.monotonic() - began > until * LIFETIME,
            LIFETIME + FAILOVER,
            every=1,
        )
        assert state(job) == "RUNNING"
        restored = kill_the_leader(job, leader_by_a_member)
        assert restored.startswith(f"hdfs://h1.secured.test:8020/flink/checkpoints/{job}/chk-")
    cluster.until("the third is over", lambda: time.monotonic() - began > 3 * LIFETIME, LIFETIME + FAILOVER, every=1)
    wait_for_checkpoint(job, checkpoints(job)["counts"]["completed"] + 2)
    assert_nothing_lost(max(counted())[0])
    # Those of the two JobManagers that were started, and renewed ones besides.
    assert tickets() - before > 4, tickets()


def test_another_run_changes_nothing(job):
    cluster.assert_nothing_changed(cluster.playbook("playbooks/site.yml"))
    assert state(job) == "RUNNING"
