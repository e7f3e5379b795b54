"""What the lab's cluster carries while a test does harm to it: a client that writes, and a job that counts."""

from __future__ import annotations

import re
import shlex
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
#: Seconds that a failover may take beside the session timeout: a new leader, and a job that is restored.
FAILOVER = 60


def starter():
    """The host from which jobs are started."""
    return (cluster.group("flink_jobmanager") or cluster.group("flink_client"))[0]


@contextmanager
def libraries_of_flink(version=None):
    """Gives the classpath of a Flink, from the bundle; without a version of the one that the inventory has."""
    version = version or cluster.variable(starter(), "flink_ha_version", "2.3.0")
    archive, *_others = (cluster.ROOT / ".bundle").glob(f"flink-{version}-bin*.tgz")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "-xzf", archive, "-C", folder, "--wildcards", "*/lib/*.jar"], check=True)
        yield f"{folder}/flink-{version}/lib/*"


def assert_storage_proof_is_built():
    """The jar of the tree is what its source makes, with the Flink that is installed."""
    tool = cluster.ROOT / "tools/storage_proof.py"
    with libraries_of_flink() as libraries:
        command = [sys.executable, tool, "--check", libraries.removesuffix("/*")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stderr


@contextmanager
def counting_job(version=None):
    """Gives the path of the jar of the counting job, compiled against the Flink that is installed, or against another one."""
    with tempfile.TemporaryDirectory() as folder, libraries_of_flink(version) as libraries:
        classes = f"{folder}/classes"
        source = cluster.ROOT / "molecule/shared/job/CountJob.java"
        subprocess.run(
            ["javac", "--release", "8", "-Xlint:-options", "-cp", libraries, "-d", classes, source], check=True
        )
        # The same bytes from the same source.
        dated = ["--date", "2000-01-01T00:00:00Z", f"--file={folder}/count.jar"]
        subprocess.run(["jar", "--create", *dated, "-C", classes, "."], check=True)
        yield f"{folder}/count.jar"


def submit_job(version=None):
    """Submits the counting job; its id, once it checkpoints."""
    with counting_job(version) as jar:
        subprocess.run(["podman", "cp", jar, f"{cluster.container(starter())}:/var/tmp/count.jar"], check=True)
    job = run_job()
    wait_for_checkpoint(job, 2)
    return job


def run_job(*options):
    """Runs the job that `submit_job` has left on its host; its id."""
    # On YARN the command finds the session by what Flink's own user has noted.
    user = "runuser -u flink -- " if cluster.group("flink_client") else ""
    command = [f"{user}/usr/local/bin/flink run -d", *options, "-c CountJob /var/tmp/count.jar 2>&1"]
    printed = cluster.shell(starter(), " ".join(command))
    found = re.search(r"JobID ([0-9a-f]{32})", printed)
    assert found, printed
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
    printed = dict.fromkeys(TASK_MANAGERS, "journalctl -u flink-taskmanager -o cat")
    if cluster.group("flink_client"):
        logs = f"cat /var/lib/yarn/log/{cluster.application()}/*/taskmanager.out || true"
        printed |= dict.fromkeys(cluster.group("hadoop_nodemanager"), logs)
    for host, command in printed.items():
        lines += re.findall(r"number=(\d+) count=(\d+)", cluster.shell(host, command))
    return [(int(number), int(count)) for number, count in lines]


def assert_nothing_lost(highest_before):
    """The state goes on where the source goes on, and neither began anew."""

    def further():
        pairs = counted()
        return pairs if pairs and max(pairs)[0] > highest_before else []

    pairs, _took = cluster.until("the job prints further numbers", further, 60, every=1)
    assert all(number == count for number, count in pairs), "the count is not the number: state was lost"


def listed(path):
    """Who owns each file and directory below one of HDFS, by path."""
    name_node = cluster.group("hadoop_namenode")[0]
    java = " ".join(shlex.quote(word) for word in cluster.variables(name_node)["hadoop_java"])
    # What goes away meanwhile is named on the error output, and makes the exit code 1.
    command = f"runuser -u hdfs -- {java} org.apache.hadoop.fs.FsShell -ls -R {path} 2>/dev/null || true"
    lines = [line.split() for line in cluster.shell(name_node, command).splitlines() if line[:1] in ("d", "-")]
    return {parts[-1]: parts[2] for parts in lines}


def both_answer():
    return all(cluster.rest(host, port, "/overview") for host, port in cluster.job_managers())


def leader_by_znode():
    """The host of the leading JobManager, where the ensemble lets anybody read."""
    with cluster.session() as client:
        return cluster.flink_leader(client)[0]


def leader_by_a_member():
    """The same by the command of a member, where nobody else is let in; empty where there is none."""
    try:
        return cluster.flink_leader_by_a_member()[0]
    except LookupError:
        return ""


def kill_the_leader(job, leading=leader_by_znode, session=8.0, what="SIGKILL of the leading JobManager"):
    """Kills the leading JobManager; where the other one restored the job from. Both answer, and nothing is lost.

    Args:
        job: the id of a job that counts.
        leading: who leads, as this scenario's ensemble can be asked.
        session: seconds of the session timeout.
        what: the name of the measurement.
    """
    leader, before, began = leading(), max(counted())[0], time.monotonic()
    # It must not come back before its session ends: the other one has to take over.
    cluster.shell(leader, "systemctl stop --no-block flink-jobmanager; systemctl kill --signal=KILL flink-jobmanager")
    _found, took = cluster.until("another leader", lambda: leading() not in ("", leader), session + FAILOVER)
    cluster.until("the job runs again", lambda: state(job) == "RUNNING", FAILOVER)
    cluster.told(what, new_leader_s=took, job_running_again_s=time.monotonic() - began)
    restored = checkpoints(job)["latest"]["restored"]
    assert restored, "the job began anew instead of being restored"
    assert_nothing_lost(before)
    cluster.shell(leader, "systemctl start flink-jobmanager")
    cluster.until("both JobManagers answer", both_answer, FAILOVER)
    return restored["external_path"]


def attempts(application):
    """The attempts of an application on YARN, as the ResourceManager tells them."""
    return cluster.resource_manager(f"/apps/{application}/appattempts")["appAttempts"]["appAttempt"]


def kill_the_master():
    """SIGKILL of the one JobManager on YARN; its host."""
    find = "pgrep -u yarn -f 'bin/java .*Yarn[A-Za-z]*ClusterEntry[pP]oint' || true"
    nodes = cluster.group("hadoop_nodemanager")
    (host, pids), *others = [(host, found) for host in nodes if (found := cluster.shell(host, find))]
    assert not others, "two ApplicationMasters"
    cluster.shell(host, f"kill -KILL {' '.join(pids.split())}")
    return host


def job_restarts(job):
    """How often the leading JobManager restarted the job; a new leader counts from 0."""
    # A new leader has no metrics for its first moments.
    (found,), _took = cluster.until("the metric", lambda: cluster.rest_any(f"/jobs/{job}/metrics?get=numRestarts"), 30)
    return int(found["value"])


def restarted_at(job):
    """When the leading JobManager last began to restart the job, in ms since 1970; 0 for never.

    Known at once, while Flink's metrics stand still as long as a TaskManager hangs.
    """
    return cluster.rest_any(f"/jobs/{job}")["timestamps"]["RESTARTING"]


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
