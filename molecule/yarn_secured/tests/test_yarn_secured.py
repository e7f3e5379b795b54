"""A keytab of Flink that YARN, HDFS and the ensemble know, and a job that outlives its tickets and delegation tokens. In the order of the
file."""

from __future__ import annotations

import re
import time

import cluster
import pytest
from workload import (
    assert_nothing_lost,
    attempts,
    checkpoints,
    counted,
    kill_the_master,
    listed,
    state,
    submit_job,
    wait_for_checkpoint,
)

SITE, STATUS = "playbooks/site.yml", "playbooks/status.yml"
#: Seconds that a ticket of Flink (lab_principals) and a delegation token of HDFS (hadoop_sites) live, and until another ApplicationMaster
#: has the job run again.
LIFETIME, BACK = 120, 90
CLIENTS, UNIT = cluster.group("flink_client"), "flink-yarn-orders"
(KDC,), (NODE,) = cluster.group("kdc"), cluster.group("hadoop_nodemanager")


@pytest.fixture(scope="module")
def job():
    return submit_job()


def ran(*arguments):
    code, printed = cluster.playbook(*arguments)
    assert code == 0, printed
    return printed


def test_the_web_of_yarn_answers_nobody_without_a_ticket():
    ask = f"curl --silent --output /dev/null --write-out '%{{http_code}}' http://{KDC}:8088/ws/v1/cluster/info"
    assert cluster.shell(CLIENTS[0], ask) == "401"
    (found,) = [each for each in cluster.applications() if each["id"] == cluster.application()]
    assert (found["user"], found["state"]) == ("flink", "RUNNING")
    for host in CLIENTS:
        assert cluster.shell(host, f"systemctl is-active {UNIT}") == "active"
        assert f"{found['id']} is RUNNING" in cluster.shell(host, f"journalctl -u {UNIT} -o cat")


def test_the_keytab_goes_along_and_is_its_users_alone(job):
    copies = cluster.shell(NODE, "find /var/lib/yarn/local -name flink.keytab -type f -printf '%u %m\\n'").splitlines()
    assert copies
    assert all(re.fullmatch("yarn [0-7]00", each) for each in copies), copies
    owners = {owner for path, owner in listed("/flink").items() if path.startswith(f"/flink/checkpoints/{job}/")}
    assert owners == {"flink"}


def test_the_nodes_in_the_ensemble_are_flinks(job):
    host = cluster.group("zookeeper")[0]
    printed = cluster.shell(host, f"zkcli getAcl /flink/{cluster.application()} 2>/dev/null")
    assert "'sasl,'flink" in printed, printed
    assert "'world,'anyone" not in printed, printed


def test_a_job_outlives_three_lifetimes_of_tickets_and_tokens_and_two_masters(job):
    began, application = time.monotonic(), cluster.application()
    for lifetimes in (1, 2):
        cluster.until(
            f"{lifetimes} lifetimes are over",
            lambda until=lifetimes: time.monotonic() - began > until * LIFETIME,
            LIFETIME + BACK,
            every=1,
        )
        assert state(job) == "RUNNING"
        before, number, killed = max(counted())[0], len(attempts(application)), time.monotonic()
        kill_the_master()
        cluster.until("another attempt", lambda count=number: len(attempts(application)) == count + 1, BACK)
        cluster.until(
            "the job runs again", lambda: state(job) == "RUNNING" and checkpoints(job)["latest"]["restored"], BACK
        )
        cluster.told(f"SIGKILL after {lifetimes} lifetimes", job_running_again_s=time.monotonic() - killed)
        assert_nothing_lost(before)
    cluster.until("the third is over", lambda: time.monotonic() - began > 3 * LIFETIME, LIFETIME + BACK, every=1)
    wait_for_checkpoint(job, checkpoints(job)["counts"]["completed"] + 2)
    assert cluster.application() == application
    # What watches has asked all the time, with tickets that it took itself.
    for host in CLIENTS:
        assert cluster.shell(host, f"systemctl is-active {UNIT}") == "active"
        says = cluster.shell(host, f"journalctl -u {UNIT} -o cat")
        assert "no ResourceManager answers" not in says, says


def test_trap_77_after_that_the_master_comes_up_on_a_node_that_has_none_of_its_files(job):
    """They are fetched by delegation tokens, of which those of the submission have ended."""
    before, application, number = max(counted())[0], cluster.application(), len(attempts(cluster.application()))
    emptied = "systemctl stop yarn-nodemanager; pkill -KILL -u yarn java; rm -rf /var/lib/yarn/local/*"
    cluster.shell(NODE, f"{emptied}; systemctl start yarn-nodemanager")
    cluster.until("another attempt", lambda: len(attempts(application)) > number, BACK)
    cluster.until(
        "the job runs again", lambda: state(job) == "RUNNING" and checkpoints(job)["latest"]["restored"], BACK
    )
    assert_nothing_lost(before)
    assert cluster.application() == application


def test_another_run_changes_nothing(job):
    printed = ran(SITE)
    assert all(int(count) == 0 for count in re.findall(r"changed=(\d+)", printed)), printed
    assert state(job) == "RUNNING"
    assert job in ran(STATUS)


def test_the_stop_takes_a_savepoint_and_the_session_starts_again(job):
    ran("playbooks/stop.yml", "-e", "stop_cluster=true", "--tags", "flink_ha")
    assert any("/savepoint-" in path for path in listed("/flink/savepoints"))
    assert not [each for each in cluster.applications() if each["state"] == "RUNNING"]
    ran("playbooks/start.yml")
    assert cluster.application()
