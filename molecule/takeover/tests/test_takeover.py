"""An ensemble that this toolkit did not build is taken over, member by member. In the order of the file."""

from __future__ import annotations

import json
import subprocess

import cluster
import pytest

HOSTS = cluster.group("zookeeper")
FOREIGN_UNIT = """[Unit]
Description=ZooKeeper, as somebody set it up years ago
[Service]
User=zk
ExecStart=/bin/sh -c 'exec java -Xmx200m -cp "/opt/zookeeper/lib/*" \
org.apache.zookeeper.server.quorum.QuorumPeerMain /data/zk/zoo.cfg'
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""
FOREIGN_CONFIG = (
    "tickTime=2000\ninitLimit=10\nsyncLimit=5\nclientPort=2181\ndataDir=/data/zk\nadmin.enableServer=false\n"
    + "".join(f"server.{cluster.variable(host, 'zookeeper_id', 0)}={host}:2888:3888\n" for host in HOSTS)
)
OURS = ["-e", "zookeeper_user=zk", "-e", "zookeeper_group=zk", "-e", "zookeeper_data_dir=/data/zk"]


def put(host, path, text):
    subprocess.run(
        ["podman", "exec", "-i", cluster.container(host), "sh", "-c", f"cat > {path}"],
        input=text,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module", autouse=True)
def foreign():
    archive = next((cluster.ROOT / ".bundle").glob("apache-zookeeper-3.9.5-bin.tar.gz"))
    for host in HOSTS:
        subprocess.run(["podman", "cp", archive, f"{cluster.container(host)}:/var/tmp/zk.tgz"], check=True)
        cluster.shell(
            host,
            "id zk || useradd --system zk; mkdir -p /data/zk /opt/zookeeper && "
            "tar -xzf /var/tmp/zk.tgz --strip-components 1 -C /opt/zookeeper",
        )
        put(host, "/data/zk/zoo.cfg", FOREIGN_CONFIG)
        put(host, "/data/zk/myid", f"{cluster.variable(host, 'zookeeper_id', 0)}\n")
        put(host, "/etc/systemd/system/zookeeper.service", FOREIGN_UNIT)
        cluster.shell(host, "chown -R zk:zk /data/zk && systemctl daemon-reload && systemctl enable --now zookeeper")
    cluster.until("all serve", lambda: all(cluster.mode(host) for host in HOSTS), 60)
    with cluster.session() as client:
        client.ensure_path("/kept")
        client.set("/kept", b"value")


def unit(host):
    return cluster.shell(host, "cat /etc/systemd/system/zookeeper.service")


def test_other_voters_than_those_that_run_are_refused_before_a_step():
    before = [unit(host) for host in HOSTS]
    code, output = cluster.playbook("playbooks/zookeeper.yml", *OURS, "-e", "zookeeper_quorum_port=2889")
    assert code != 0, output
    assert "server.1 has 2888, not 2889" in " ".join(output.split()), output
    assert [unit(host) for host in HOSTS] == before
    assert all(cluster.mode(host) for host in HOSTS)


def test_a_member_that_does_not_come_back_gets_its_own_unit_again():
    wrong = json.dumps({"zookeeper_config_extra": {"electionAlg": 1}})
    code, output = cluster.playbook("playbooks/zookeeper.yml", *OURS, "-e", wrong)
    assert code != 0, output
    assert all("years ago" in unit(host) for host in HOSTS)
    cluster.until("all serve", lambda: all(cluster.mode(host) for host in HOSTS), 60)


def test_it_is_taken_over_under_writes_with_its_data(tmp_path):
    evidence = ["-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={tmp_path}"]
    code, output = cluster.playbook("playbooks/zookeeper.yml", *OURS, *evidence)
    assert code == 0, output
    assert all("Written by StreamQuorum" in unit(host) for host in HOSTS)
    assert all("3.9.5" in cluster.word(host, "srvr") for host in HOSTS)
    with cluster.session() as client:
        assert client.get("/kept")[0] == b"value"
    result = json.loads(next(tmp_path.glob("*/availability.json")).read_text())["probe"]["result"]
    assert (result["missing"], result["sessions_lost"]) == (0, 0)
    cluster.told("takeover", longest_stall_s=result["longest_stall_ms"] / 1000)


def test_a_second_run_has_nothing_to_do():
    code, output = cluster.playbook("playbooks/zookeeper.yml", *OURS)
    assert code == 0, output
    assert output[output.index("PLAY RECAP") :].count("changed=0") == len(HOSTS) + 1, output
