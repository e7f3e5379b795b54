"""Leaders die, hosts reboot: the cluster comes back by itself, and the job with its state. In the order of the file."""

from __future__ import annotations

import time

import cluster
import pytest
from workload import (
    TASK_MANAGERS,
    assert_nothing_lost,
    assert_storage_proof_is_built,
    both_answer,
    checkpoints,
    counted,
    job_restarts,
    kill_the_leader,
    run_job,
    state,
    submit_job,
    writing,
)

#: The greatest number there is; the cluster's own default would be taken without it, and 0 is refused by the command.
NO_CHECKPOINTS = "-Dexecution.checkpointing.interval=9223372036854775807ms"


@pytest.fixture(scope="module")
def job():
    return submit_job()


def test_the_jar_that_proves_a_storage_is_what_its_source_makes():
    assert_storage_proof_is_built()


def test_the_job_counts(job):
    cluster.until("the job prints", counted, 60)


def test_a_job_without_checkpoints_is_not_made_to_begin_anew_by_a_roll(job):
    def managers():
        return {
            host: cluster.shell(host, "systemctl show flink-jobmanager -p MainPID")
            for host in cluster.group("flink_jobmanager")
        }

    before, other = managers(), run_job(NO_CHECKPOINTS)
    cluster.until("the other job runs", lambda: state(other) == "RUNNING", 60)
    code, output = cluster.playbook("playbooks/site.yml", "-e", "flink_ha_log_files=4")
    assert code != 0, output
    text = " ".join(output.split())
    assert f"without checkpoints these jobs start from their beginning: {other}" in text, output
    with cluster.session() as client:
        leader, _port = cluster.flink_leader(client)
    # The standby was restarted before; the leader is not.
    assert managers()[leader] == before[leader]
    cluster.shell(leader, f"/usr/local/bin/flink cancel {other}")
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    assert state(job) == "RUNNING"


def test_the_leading_job_manager_is_killed(job):
    kill_the_leader(job)


def test_the_zookeeper_leader_is_killed(job):
    leader = cluster.zookeeper_leader()
    before, restarts = max(counted())[0], job_restarts(job)
    with writing() as result:
        cluster.until("writes", lambda: len(result["acknowledged"]) > 5, 20)
        acknowledged = len(result["acknowledged"])
        cluster.shell(leader, "systemctl stop --no-block zookeeper; systemctl kill --signal=KILL zookeeper")
        _found, took = cluster.until("another leader", lambda: cluster.zookeeper_leader() != leader, 30)
        cluster.until("writes go on", lambda: len(result["acknowledged"]) > acknowledged + 20, 30)
        cluster.shell(leader, "systemctl start zookeeper")
        cluster.until("all members serve", lambda: all(cluster.mode(host) for host in cluster.group("zookeeper")), 60)
    cluster.told("SIGKILL of the ZooKeeper leader", new_leader_s=took, longest_stall_s=result["stall"])
    assert not result["lost"], "the writer's session was lost"
    assert set(result["acknowledged"]) <= result["found"], "acknowledged writes are missing"
    assert state(job) == "RUNNING"
    assert job_restarts(job) == restarts, "the job was restarted, although suspended connections are tolerated"
    assert_nothing_lost(before)


def test_a_follower_that_lost_its_data_does_not_vote_but_syncs(job):
    follower = next(host for host in cluster.group("zookeeper") if cluster.mode(host) == "follower")
    cluster.shell(follower, "systemctl stop zookeeper; rm -rf /var/lib/zookeeper/version-2/*")
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    assert cluster.mode(follower) == "follower"
    assert "initialize" not in cluster.shell(follower, "ls /var/lib/zookeeper")
    assert "setting zxid to -1" in cluster.shell(follower, "journalctl -u zookeeper -o cat")


@pytest.mark.parametrize("hosts", ["one", "all"])
def test_hosts_reboot_and_everything_comes_back_without_ansible(job, hosts):
    before = max(counted())[0]
    completed = checkpoints(job)["counts"]["completed"]
    with cluster.session() as client:
        leader, _port = cluster.flink_leader(client)
    began = time.monotonic()
    cluster.power("reboot", leader if hosts == "one" else "all")

    def back():
        with cluster.session() as client:
            cluster.flink_leader(client)
        return both_answer() and state(job) == "RUNNING"

    cluster.until("leaders and the job are back", back, 180, every=1)
    which = "the leading JobManager's host" if hosts == "one" else "all hosts at once"
    cluster.told(f"reboot of {which}", all_back_s=time.monotonic() - began)
    assert completed > 0
    assert checkpoints(job)["latest"]["restored"], "the job began anew instead of being restored"
    assert_nothing_lost(before)
    code, output = cluster.playbook("playbooks/status.yml")
    assert code == 0, output


# --- What a start relies on: refused before anything starts, and the next good run finishes


@pytest.fixture
def stopped_task_manager():
    """A TaskManager is down, so that a run has something to start."""
    host = TASK_MANAGERS[0]
    cluster.shell(host, "systemctl stop flink-taskmanager")
    yield host
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output


def test_trap_24_a_cluster_id_under_which_somebody_else_leads_is_refused(stopped_task_manager):
    leader = "/flink/other/leader"
    address = b"http://elsewhere.example:8081"
    # As a leader writes it: the address, and no session id.
    data = b"\xac\xed\x00\x05" + b"w" + bytes([len(address) + 2]) + len(address).to_bytes(2, "big") + address + b"p"
    with cluster.session() as client:
        client.ensure_path(f"{leader}/latch")
        client.create(f"{leader}/latch/_c_0-latch-", b"", ephemeral=True, sequence=True)
        client.create(f"{leader}/rest_server/connection_info", data, ephemeral=True, makepath=True)
        # A new installation: over the one that runs, another cluster-id is refused before anybody is asked.
        new = ["-e", "flink_ha_cluster_id=/other", "-e", "flink_ha_config_dir=/etc/flink-other"]
        code, output = cluster.playbook("playbooks/flink.yml", *new)
        for host in cluster.group("flink"):
            cluster.shell(host, "rm -rf /etc/flink-other")
    assert code != 0, output
    assert "http://elsewhere.example:8081" in output, output
    assert "flink_ha_cluster_id is /other" in " ".join(output.split()), output
    assert cluster.shell(stopped_task_manager, "systemctl is-active flink-taskmanager || true") == "inactive"


def test_another_cluster_id_than_the_one_that_runs_is_refused(stopped_task_manager):
    code, output = cluster.playbook("playbooks/flink.yml", "-e", "flink_ha_cluster_id=/other")
    assert code != 0, output
    assert "the inventory says /other" in " ".join(output.split()), output


def test_a_storage_that_is_not_shared_is_refused(stopped_task_manager):
    code, output = cluster.playbook("playbooks/flink.yml", "-e", "flink_ha_savepoint_dir=file:///srv/private")
    assert code != 0, output
    assert "flink_ha_storage_shared says" in " ".join(output.split()), output
    assert cluster.shell(stopped_task_manager, "systemctl is-active flink-taskmanager || true") == "inactive"
    for host in cluster.group("flink"):
        assert cluster.shell(host, "find /srv -name '.streamquorum-proof' 2>/dev/null || true") == ""
