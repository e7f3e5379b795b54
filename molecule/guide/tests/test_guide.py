"""The ensemble that Flink brings, the release's plain scripts, and the guide's examples. In the order of the file."""

from __future__ import annotations

import json
import re

import cluster
import pytest
import yaml
from workload import (
    both_answer,
    checkpoints,
    counted,
    job_restarts,
    kill_the_leader,
    leader_by_znode,
    run_job,
    state,
    submit_job,
    wait_for_checkpoint,
    writing,
)

MEMBERS, JOB_MANAGERS = cluster.group("zookeeper"), cluster.group("flink_jobmanager")
FLINK = cluster.variable(MEMBERS[0], "zookeeper_flink_version", "")
RELEASE = f"/opt/flink-{FLINK}"
TABLE = yaml.safe_load((cluster.ROOT / "roles/flink_ha/vars/main/releases.yml").read_text())["flink_ha_releases"]
#: Seconds for what starts or ends by a script.
SCRIPT = 120


def server_version(host):
    return re.search(r"Zookeeper version: ([\d.]+)", cluster.word(host, "srvr"))[1]


def healthy():
    return sorted(cluster.mode(host) for host in MEMBERS) == ["follower", "follower", "leader"]


def cancel(job):
    """Frees its slots for the next one."""
    cluster.shell(JOB_MANAGERS[0], f"/usr/local/bin/flink cancel {job} 2>&1")
    cluster.until("it has ended", lambda: state(job) == "CANCELED", SCRIPT)


def test_every_member_runs_the_server_in_flinks_archive():
    (wanted,) = {release["zookeeper_server"] for release in TABLE if release["version"] == FLINK}
    for host in MEMBERS:
        assert server_version(host) == wanted
        command = cluster.shell(host, "tr '\\0' ' ' < /proc/$(systemctl show -P MainPID zookeeper)/cmdline")
        assert "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.quorum.QuorumPeerMain" in command
        assert cluster.shell(host, "cat /var/lib/zookeeper/myid") == str(cluster.variable(host, "zookeeper_id", 0))
        assert cluster.shell(host, "readlink -f /opt/zookeeper") == RELEASE
        assert "QuorumPeer" in cluster.shell(host, "head -100 /var/log/zookeeper/zookeeper.log")
        assert cluster.shell(host, "zkcli ls /zookeeper 2> /dev/null").splitlines()[-1] == "[config, quota]"
    assert healthy()


def test_a_roll_and_a_killed_leader_lose_no_write_and_no_job():
    job = submit_job()
    with writing() as result:
        force = ["-e", "rolling_restart_target=zookeeper", "-e", "rolling_restart_force=true"]
        code, printed = cluster.playbook("playbooks/rolling_restart.yml", *force)
        assert code == 0, printed
        leader = cluster.zookeeper_leader()
        cluster.shell(leader, "systemctl kill --signal=KILL zookeeper")
        cluster.until("another leader, and all of them", lambda: cluster.zookeeper_leader() != leader and healthy(), 60)
    cluster.told(
        "roll and a killed leader of the ensemble", acknowledged=len(result["acknowledged"]), stall_s=result["stall"]
    )
    assert not result["lost"]
    assert set(result["acknowledged"]) <= result["found"]
    assert job_restarts(job) == 0
    kill_the_leader(job)
    cancel(job)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["zookeeper_client_auth=offered"], "was not tried with SASL"),
        (["zookeeper_flink_version=1.14.6"], "older than 3.5"),
        (["zookeeper_version=3.9.5"], "Set it to 3.7.2"),
        (["zookeeper_flink_version=1.17.2", "zookeeper_version=3.7.1"], "changed by playbooks/upgrade.yml"),
    ],
    ids=["SASL", "old release", "another release", "outside of upgrade"],
)
def test_what_it_cannot_do_is_refused_on_a_live_ensemble(given, words):
    before = [cluster.shell(host, "systemctl show -P MainPID zookeeper; ls -l /etc/zookeeper") for host in MEMBERS]
    code, printed = cluster.playbook("playbooks/site.yml", *(word for each in given for word in ("-e", each)))
    assert code != 0
    assert words in " ".join(printed.split())
    assert before == [
        cluster.shell(host, "systemctl show -P MainPID zookeeper; ls -l /etc/zookeeper") for host in MEMBERS
    ]


# --- the release's plain scripts, on the configuration that stands there (docs/operations.md, "Flink's own scripts")

#: How an operator prepares a host, word for word.
SECTION = (cluster.ROOT / "docs/operations.md").read_text().split("### Flink's own scripts")[1].split("\n## ")[0]
PREPARE = "\n".join(line[4:] for line in SECTION.splitlines() if line.startswith("    "))
#: What is not there on hosts as this toolkit leaves them: a login shell and a key of the services' users.
OPEN = """
usermod -s /bin/bash flink
usermod -s /bin/bash zookeeper
echo 'AuthorizedKeysFile .ssh/authorized_keys /srv/plain/authorized_keys' > /etc/ssh/sshd_config.d/plain.conf
systemctl reload ssh
"""
#: And how it becomes what it was.
RESTORE = """
usermod -s /usr/sbin/nologin flink
usermod -s /usr/sbin/nologin zookeeper
rm -rf /srv/plain /etc/profile.d/plain.sh /etc/ssh/sshd_config.d/plain.conf
systemctl reload ssh
"""
OPTIONS = "-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/tmp/known-$(id -un) -i /srv/plain/key-$(id -un)"


def script(user, name):
    """Runs one of the release's scripts on the first host, as an operator who is that user."""
    line = f'export FLINK_SSH_OPTS="{OPTIONS}"; /opt/flink/bin/{name}'
    return cluster.shell(MEMBERS[0], f"runuser -u {user} -- bash -lc '{line}' < /dev/null 2>&1")


@pytest.fixture(scope="module")
def plain():
    code, printed = cluster.playbook("playbooks/stop.yml", "-e", "stop_cluster=true")
    assert code == 0, printed
    for host in MEMBERS:
        cluster.shell(host, PREPARE + OPEN)
    keys = ""
    for user in ("flink", "zookeeper"):
        path = f"/srv/plain/key-{user}"
        cluster.shell(MEMBERS[0], f"ssh-keygen -q -t ed25519 -N '' -f {path} && chown {user} {path}")
        keys += cluster.shell(MEMBERS[0], f"cat {path}.pub") + "\n"
    for host in MEMBERS:
        cluster.shell(host, f"printf '%s' '{keys}' > /srv/plain/authorized_keys")
    yield
    for host in MEMBERS:
        cluster.shell(host, RESTORE)


def processes(host, user):
    return cluster.shell(host, f"pgrep -u {user} -c java || true")


def test_the_scripts_start_and_stop_the_ensemble_on_its_zoo_cfg(plain):
    script("zookeeper", "start-zookeeper-quorum.sh")
    cluster.until("the ensemble serves", healthy, SCRIPT)
    assert [cluster.shell(host, "systemctl is-active zookeeper || true") for host in MEMBERS] == ["inactive"] * 3


def test_two_masters_on_two_hosts_are_started_over_ssh(plain):
    printed = script("flink", "start-cluster.sh")
    assert "Starting HA cluster with 2 masters." in printed
    cluster.until("both JobManagers answer", both_answer, SCRIPT)
    cluster.until("the TaskManager is there", lambda: cluster.rest_any("/taskmanagers")["taskmanagers"], SCRIPT)
    leader = leader_by_znode()
    assert leader in JOB_MANAGERS
    job = run_job()
    wait_for_checkpoint(job, 2)
    before = max(counted_of_scripts())
    cluster.shell(leader, "pkill -KILL -u flink -f StandaloneSessionClusterEntrypoint")
    _found, took = cluster.until("the standby leads", lambda: leader_by_znode() not in ("", leader), SCRIPT)
    cluster.until("the job runs again", lambda: state(job) == "RUNNING", SCRIPT)
    cluster.told("the scripts' leading JobManager killed", new_leader_s=took)
    cluster.until("it counts on", lambda: max(counted_of_scripts()) > before, SCRIPT)
    assert checkpoints(job)["latest"]["restored"], "the job began anew"
    cancel(job)


def counted_of_scripts():
    """What the job printed on the TaskManager that a script started: in its .out file, and in no journal."""
    (host,) = cluster.group("flink_taskmanager")
    text = cluster.shell(host, "cat /var/log/flink/*taskexecutor*.out")
    return [int(number) for number in re.findall(r"number=(\d+) count=\d+", text)]


def test_the_scripts_stop_what_they_started(plain):
    script("flink", "stop-cluster.sh")
    cluster.until("no Flink runs", lambda: {processes(host, "flink") for host in MEMBERS} == {"0"}, SCRIPT)
    script("zookeeper", "stop-zookeeper-quorum.sh")
    cluster.until("no ZooKeeper runs", lambda: {processes(host, "zookeeper") for host in MEMBERS} == {"0"}, SCRIPT)


# --- the guide's example: two JobManagers on one host (standalone/overview.md, "Standalone HA Cluster with 2 JobManagers")

#: Word for word, but for the storage, which is a local one here.
EXAMPLE = {
    "config.yaml": """high-availability.type: zookeeper
high-availability.zookeeper.quorum: localhost:2181
high-availability.zookeeper.path.root: /flink
high-availability.cluster-id: /cluster_one # important: customize per cluster
high-availability.storageDir: file:///srv/example/recovery
""",
    "masters": "localhost:8081\nlocalhost:8082\n",
    "zoo.cfg": "server.0=localhost:2888:3888\n",
}


PREPARE_EXAMPLE = f"""
rm -f /etc/profile.d/plain.sh
cp -al {RELEASE} /srv/example
rm -rf /srv/example/conf
cp -r {RELEASE}/conf /srv/example/conf
"""


def put(path, text, mode):
    cluster.shell(MEMBERS[0], f"cat {mode} {path} <<'TEXT'\n{text}TEXT")


def example(command):
    line = f"cd /srv/example && FLINK_SSH_OPTS='{OPTIONS.replace('$(id -un)', 'flink')}' {command}"
    return cluster.shell(MEMBERS[0], f'runuser -u flink -- bash -c "{line}" < /dev/null 2>&1')


def example_leader():
    """The REST port of the JobManager that leads, by the ensemble; 0 where none does."""
    node = "/flink/cluster_one/leader/rest_server/connection_info"
    with cluster.session(MEMBERS[0]) as client:
        found = re.search(rb"http://localhost:(\d+)", client.get(node)[0]) if client.exists(node) else None
    return int(found[1]) if found else 0


def answers(port):
    return json.loads(cluster.shell(MEMBERS[0], f"curl -sf http://localhost:{port}/overview"))


@pytest.fixture(scope="module")
def in_example(plain):
    cluster.shell(MEMBERS[0], PREPARE_EXAMPLE)
    for name, text in EXAMPLE.items():
        put(f"/srv/example/conf/{name}", text, ">>" if name == "config.yaml" else ">")
    cluster.shell(
        MEMBERS[0],
        "mkdir -p /srv/example/log && chown -R flink: /srv/example/conf /srv/example/log && chown flink: /srv/example",
    )
    yield
    cluster.shell(MEMBERS[0], "pkill -KILL -u flink java; rm -rf /srv/example /tmp/zookeeper; true")


def test_the_guides_example_of_two_job_managers_on_one_host(in_example):
    example("./bin/start-zookeeper-quorum.sh")
    cluster.until("the ensemble serves", lambda: cluster.mode(MEMBERS[0]) == "standalone", SCRIPT)
    printed = example("./bin/start-cluster.sh")
    assert "Starting HA cluster with 2 masters." in printed
    assert printed.count("Starting standalonesession daemon on host") == 2
    assert printed.count("Starting taskexecutor daemon on host") == 1
    leader, _took = cluster.until("one of them leads", example_leader, SCRIPT)
    assert leader in (8081, 8082)
    for port in (8081, 8082):
        cluster.until(f"{port} answers", lambda port=port: answers(port)["taskmanagers"] == 1, SCRIPT)
    # Whose argument it is stands on its command line.
    cluster.shell(MEMBERS[0], f"pkill -KILL -u flink -f 'StandaloneSessionClusterEntrypoint.*rest.port={leader}'")
    cluster.until("the other one leads", lambda: example_leader() not in (0, leader), SCRIPT)
    example("./bin/stop-cluster.sh")
    example("./bin/stop-zookeeper-quorum.sh")
    cluster.until("nothing runs", lambda: processes(MEMBERS[0], "flink") == "0", SCRIPT)


# --- and back, and out of it


def test_the_units_take_over_again_and_nothing_is_left_to_do():
    code, printed = cluster.playbook("playbooks/site.yml")
    assert code == 0, printed
    cluster.until("the ensemble serves", healthy, SCRIPT)
    cluster.until("both JobManagers answer", both_answer, SCRIPT)
    code, printed = cluster.playbook("playbooks/site.yml")
    assert code == 0, printed
    assert not re.findall(r"changed=(?!0 )", printed), printed


#: An ensemble of its own, as the guide advises.
OUT = ["zookeeper_install_method=archive", "zookeeper_version=3.8.6", "zookeeper_upgrade_across_minor=true"]


def test_it_is_rolled_to_an_ensemble_of_its_own_under_a_job():
    job = submit_job()
    with writing() as result:
        code, printed = cluster.playbook("playbooks/upgrade.yml", *(word for each in OUT for word in ("-e", each)))
        assert code == 0, printed
    assert not result["lost"]
    assert set(result["acknowledged"]) <= result["found"]
    assert {server_version(host) for host in MEMBERS} == {"3.8.6"}
    assert healthy()
    assert job_restarts(job) == 0
    assert all(number == count for number, count in counted())
    code, printed = cluster.playbook("playbooks/site.yml")
    assert code != 0
    assert "/var/lib/zookeeper hold data of /opt/zookeeper-3.8.6" in " ".join(printed.split())
