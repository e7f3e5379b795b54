"""Leaders die, hosts reboot: the cluster comes back by itself, and the job with its state. In the order of the file."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager

import cluster
import pytest
from kazoo.exceptions import KazooException
from kazoo.retry import KazooRetry

TASK_MANAGERS = cluster.group("flink_taskmanager")
#: Seconds: the session timeout of the scenario, and what a failover may take on top (issue of a new leader, job restore).
SESSION = cluster.variable(cluster.group("flink_jobmanager")[0], "flink_ha_zookeeper_session_timeout", 8000) / 1000
MARGIN = 40


def lab(*arguments):
    subprocess.run(
        [sys.executable, str(cluster.ROOT / "molecule/shared/lab.py"), *arguments, "-i", str(cluster.INVENTORY)],
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def job():
    """The id of the counting job, compiled against the Flink that is installed."""
    version = cluster.variable(cluster.group("flink_jobmanager")[0], "flink_ha_version", "2.3.0")
    with tempfile.TemporaryDirectory() as folder:
        archive = next((cluster.ROOT / ".bundle").glob(f"flink-{version}-bin*.tgz"))
        subprocess.run(["tar", "-xzf", archive, "-C", folder, "--wildcards", "*/lib/*.jar"], check=True)
        classes = f"{folder}/classes"
        source = cluster.ROOT / "molecule/shared/job/CountJob.java"
        libraries = f"{folder}/flink-{version}/lib/*"
        subprocess.run(
            ["javac", "--release", "8", "-Xlint:-options", "-cp", libraries, "-d", classes, source], check=True
        )
        subprocess.run(["jar", "--create", f"--file={folder}/count.jar", "-C", classes, "."], check=True)
        host = cluster.group("flink_jobmanager")[0]
        subprocess.run(
            ["podman", "cp", f"{folder}/count.jar", f"{cluster.container(host)}:/var/tmp/count.jar"], check=True
        )
    printed = cluster.shell(host, "/usr/local/bin/flink run -d -c CountJob /var/tmp/count.jar 2>&1")
    found = re.search(r"JobID ([0-9a-f]{32})", printed)
    assert found, printed
    wait_for_checkpoint(found.group(1), 2)
    return found.group(1)


def state(job):
    return cluster.rest_any(f"/jobs/{job}")["state"]


def checkpoints(job):
    return cluster.rest_any(f"/jobs/{job}/checkpoints")


def wait_for_checkpoint(job, number, seconds=90):
    return cluster.until(
        f"checkpoint {number} of a running job",
        lambda: state(job) == "RUNNING" and checkpoints(job)["counts"]["completed"] >= number,
        seconds,
    )


def counted():
    """(number, count) of every line that the job printed on any TaskManager, in the order of the numbers."""
    lines = []
    for host in TASK_MANAGERS:
        lines += re.findall(r"number=(\d+) count=(\d+)", cluster.shell(host, "journalctl -u flink-taskmanager -o cat"))
    return [(int(number), int(count)) for number, count in lines]


def test_the_job_counts(job):
    cluster.until("the job prints", counted, 60)


def assert_nothing_lost(highest_before):
    """The state goes on where the source goes on, and neither began anew."""

    def further():
        pairs = counted()
        return pairs if pairs and max(pairs)[0] > highest_before else []

    pairs, _ = cluster.until("the job prints further numbers", further, 60, every=1)
    assert all(number == count for number, count in pairs), "the count is not the number: state was lost"


def kill_main_process(host, unit):
    cluster.shell(host, f"systemctl kill --kill-whom=main --signal=KILL {unit}")


def test_the_leading_job_manager_is_killed(job):
    with cluster.session() as client:
        leader, _port = cluster.flink_leader(client)
        before = max(counted())[0]
        began = time.monotonic()
        # It must not come back before its session ends: the other one has to take over.
        cluster.shell(
            leader, "systemctl stop --no-block flink-jobmanager; systemctl kill --signal=KILL flink-jobmanager"
        )
        _, took = cluster.until(
            "another leader in the znode", lambda: cluster.flink_leader(client)[0] != leader, SESSION + MARGIN
        )
        cluster.told("kill -9 of the leading JobManager: new leader in the znode after", took)
        cluster.until("the job runs again", lambda: state(job) == "RUNNING", MARGIN)
        restored = checkpoints(job)["latest"]["restored"]
        cluster.told("… and the job RUNNING from a checkpoint after", time.monotonic() - began)
        assert restored, "the job began anew instead of being restored"
    assert_nothing_lost(before)
    cluster.shell(leader, "systemctl start flink-jobmanager")
    cluster.until("both JobManagers answer", both_answer, 60)


def both_answer():
    return all(cluster.rest(host, port, "/overview") for host, port in cluster.job_managers())


@contextmanager
def writing():
    """Writes every 50 ms through one session; gives what was acknowledged and the longest stall in seconds."""
    done, result = threading.Event(), {"acknowledged": [], "stall": 0.0, "lost": False}
    with cluster.session() as client:
        client.ensure_path("/test-writes")
        session_id = client.client_id[0]

        def write():
            number, last = 0, time.monotonic()
            retry = KazooRetry(max_tries=-1, delay=0.05, backoff=1, max_delay=0.05)
            while not done.is_set():
                try:
                    retry(client.create, f"/test-writes/{number:06d}", b"")
                except KazooException:
                    # Made, but the acknowledgement was lost with the connection: not counted as acknowledged.
                    number += 1
                    continue
                result["acknowledged"].append(number)
                result["stall"] = max(result["stall"], time.monotonic() - last)
                last = time.monotonic()
                number += 1
                done.wait(0.05)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield result
        finally:
            done.set()
            thread.join(60)
            result["lost"] = client.client_id[0] != session_id
            result["found"] = {int(name) for name in client.get_children("/test-writes")}
            client.delete("/test-writes", recursive=True)


def test_the_zookeeper_leader_is_killed(job):
    leader = cluster.zookeeper_leader()
    before, restarts = max(counted())[0], job_restarts(job)
    with writing() as result:
        cluster.until("writes", lambda: len(result["acknowledged"]) > 5, 20)
        acknowledged = len(result["acknowledged"])
        cluster.shell(leader, "systemctl stop --no-block zookeeper; systemctl kill --signal=KILL zookeeper")
        _, took = cluster.until("another leader", lambda: cluster.zookeeper_leader() != leader, 30)
        cluster.told("kill -9 of the ZooKeeper leader: new leader after", took)
        cluster.until("writes go on", lambda: len(result["acknowledged"]) > acknowledged + 20, 30)
        cluster.shell(leader, "systemctl start zookeeper")
        cluster.until("all members serve", lambda: all(cluster.mode(host) for host in cluster.group("zookeeper")), 60)
    cluster.told("… longest stall of a writer", result["stall"])
    assert not result["lost"], "the writer's session was lost"
    assert set(result["acknowledged"]) <= result["found"], "acknowledged writes are missing"
    assert state(job) == "RUNNING"
    assert job_restarts(job) == restarts, "the job was restarted, although suspended connections are tolerated"
    assert_nothing_lost(before)


def job_restarts(job):
    found = cluster.rest_any(f"/jobs/{job}/metrics?get=numRestarts")
    return [entry["value"] for entry in found]


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
    lab("power", "reboot", leader if hosts == "one" else "all")

    def back():
        with cluster.session() as client:
            cluster.flink_leader(client)
        return both_answer() and state(job) == "RUNNING"

    cluster.until("leaders and the job are back", back, 180, every=1)
    cluster.told(
        f"reboot of {'the leading JobManager' if hosts == 'one' else 'all hosts at once'}: all back after",
        time.monotonic() - began,
    )
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
        code, output = cluster.playbook("playbooks/flink.yml", "-e", "flink_ha_cluster_id=/other")
    assert code != 0, output
    assert "http://elsewhere.example:8081" in output, output
    assert "flink_ha_cluster_id is /other" in " ".join(output.split()), output
    assert cluster.shell(stopped_task_manager, "systemctl is-active flink-taskmanager || true") == "inactive"


def test_a_storage_that_is_not_shared_is_refused(stopped_task_manager):
    code, output = cluster.playbook("playbooks/flink.yml", "-e", "flink_ha_storage_dir=file:///srv/private")
    assert code != 0, output
    assert "flink_ha_storage_shared says" in " ".join(output.split()), output
    assert cluster.shell(stopped_task_manager, "systemctl is-active flink-taskmanager || true") == "inactive"
    for host in cluster.group("flink"):
        assert cluster.shell(host, "find /srv -name '.streamquorum-proof' 2>/dev/null || true") == ""
