"""Who leads other systems, read from the ensemble, against each system's own word; and a roll under them. In the order of the file."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager

import cluster
import pytest
from kazoo.client import KazooState

MEMBERS = cluster.group("zookeeper")
NAME_NODES, RESOURCE_MANAGERS = cluster.group("hadoop_namenode"), cluster.group("hadoop_resourcemanager")
BROKERS = cluster.group("kafka")
CLIENTS = {each["kind"]: each["path"] for each in cluster.variable(MEMBERS[0], "zookeeper_clients", [])}
FORCED = ("-e", "rolling_restart_target=zookeeper", "-e", "rolling_restart_force=true")
#: Seconds until another one leads after a crash: the longest session timeout here is 10 s.
FAILOVER = 60


def asked(kind, **options):
    """The module's answer, from a member."""
    arguments = {"servers": [f"{host}:2181" for host in MEMBERS], "kind": kind, "path": CLIENTS[kind], **options}
    command = ["ansible", "-i", str(cluster.INVENTORY), MEMBERS[0], "-m", "streamquorum.ha.leader_znode"]
    done = subprocess.run(
        [*command, "-a", json.dumps(arguments)],
        cwd=cluster.ROOT,
        capture_output=True,
        text=True,
        # Molecule asks for colours.
        env=os.environ | {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.partition("=> ")[2])


def web(host, port, path):
    with urllib.request.urlopen(f"http://{cluster.address(host)}:{port}{path}", timeout=5) as answer:
        return json.load(answer)


def one(hosts, leads):
    """The host that says of itself that it leads; empty while none or several do, or one that leads does not answer."""

    def says(host):
        try:
            return leads(host)
        except (OSError, ValueError, LookupError):
            return False

    found = [host for host in hosts if says(host)]
    return found[0] if len(found) == 1 else ""


def active_name_node():
    query = "/jmx?qry=Hadoop:service=NameNode,name=NameNodeStatus"
    return one(NAME_NODES, lambda host: web(host, 9870, query)["beans"][0]["State"] == "active")


def active_resource_manager():
    return one(
        RESOURCE_MANAGERS, lambda host: web(host, 8088, "/ws/v1/cluster/info")["clusterInfo"]["haState"] == "ACTIVE"
    )


def controller():
    """The broker that was elected last, by the brokers' own logs."""
    won = {}
    for host in BROKERS:
        text = cluster.shell(
            host, "journalctl -u kafka -o short-unix -g 'successfully elected as the controller' || true"
        )
        lines = [line for line in text.splitlines() if "successfully elected" in line]
        if lines:
            won[float(lines[-1].split()[0])] = host
    return won[max(won)] if won else ""


def address(kind, host):
    """How the module names a host."""
    ids = {name: f"rm{number}" for number, name in enumerate(RESOURCE_MANAGERS, 1)}
    return {"hdfs": f"{host}:8020", "yarn": ids.get(host, ""), "kafka": f"{host}:9092"}[kind]


OWN_WORD = {"hdfs": active_name_node, "yarn": active_resource_manager, "kafka": controller}


def agrees(kind, found):
    assert found["verdict"] == "led", found["reasons"]
    leader, _took = cluster.until(f"{kind} says who leads", OWN_WORD[kind], FAILOVER)
    return found["leader"]["address"] == address(kind, leader)


@pytest.mark.parametrize("kind", OWN_WORD)
def test_the_leader_is_the_one_that_the_system_names(kind):
    assert agrees(kind, asked(kind, wait_for="leader"))


def kill(unit):
    """Ends the leader as a crash does; it stays down until it is started again."""

    def force(leader):
        cluster.shell(leader, f"systemctl stop --no-block {unit}; systemctl kill --signal=KILL {unit}")
        return lambda: cluster.shell(leader, f"systemctl start {unit}")

    return force


def fail_over(leader):
    """The graceful way, in which the breadcrumb is taken away."""
    ids = {name: f"nn{number}" for number, name in enumerate(NAME_NODES, 1)}
    (other,) = set(NAME_NODES) - {leader}
    java = " ".join(f"'{word}'" for word in cluster.variable(leader, "hadoop_java", []))
    admin = f"{java} org.apache.hadoop.hdfs.tools.DFSHAAdmin -failover {ids[leader]} {ids[other]}"
    cluster.shell(leader, f"runuser -u hdfs -- {admin} 2>&1")
    return lambda: None


@pytest.mark.parametrize(
    ("kind", "force"),
    [
        ("hdfs", fail_over),
        ("hdfs", kill("hdfs-namenode")),
        ("yarn", kill("yarn-resourcemanager")),
        ("kafka", kill("kafka")),
    ],
    ids=["hdfs, failover", "hdfs, crash", "yarn, crash", "kafka, crash"],
)
def test_another_leader_is_waited_for_and_is_the_one_that_the_system_names(kind, force):
    before = asked(kind)["leader"]
    leader, _took = cluster.until("somebody leads", OWN_WORD[kind], FAILOVER)
    began = time.monotonic()
    restore = force(leader)
    after = asked(kind, wait_for_change_from=before["session_id"], wait_timeout=FAILOVER)
    cluster.told(f"another leader of {kind}", new_leader_s=time.monotonic() - began)
    assert after["leader"]["address"] != before["address"]
    cluster.until("the system says the same", lambda: agrees(kind, asked(kind)), FAILOVER)
    restore()


# --- whatever else elects


@contextmanager
def electing(name):
    """Somebody who stands in the election at the latch, by kazoo's own recipe; gives an event for being the leader."""
    leads, done = threading.Event(), threading.Event()
    with cluster.session() as client:
        election = client.Election(CLIENTS["latch"], name)

        def lead():
            leads.set()
            done.wait()

        thread = threading.Thread(target=election.run, args=(lead,))
        thread.start()
        try:
            yield leads
        finally:
            done.set()
            election.cancel()
            thread.join(30)


def test_the_next_in_a_latch_leads_when_the_first_one_ends():
    with electing("first") as first:
        assert first.wait(30)
        with electing("second") as second:
            cluster.until("both stand", lambda: asked("latch")["contenders"] == 2, 30)
            before = asked("latch")["leader"]
            assert before["address"] == "first"
            assert not second.is_set()
            with cluster.session() as client:
                name = min(client.get_children(CLIENTS["latch"]), key=lambda child: child[-10:])
                client.delete(f"{CLIENTS['latch']}/{name}")
            after = asked("latch", wait_for_change_from=before["session_id"])
            assert after["leader"]["address"] == "second"
            assert second.wait(30)
    assert asked("latch")["verdict"] == "leaderless"


def test_an_ephemeral_node_leads_as_long_as_its_session():
    with cluster.session() as client:
        client.create(CLIENTS["ephemeral"], b"master-a", ephemeral=True, makepath=True)
        found = asked("ephemeral")
        assert (found["verdict"], found["leader"]["address"]) == ("led", "master-a")
        assert int(found["leader"]["owner"], 16) == client.client_id[0]
    cluster.until("it is gone", lambda: asked("ephemeral")["verdict"] == "leaderless", 30)
    with cluster.session() as first, cluster.session() as second:
        first.create(CLIENTS["ephemeral"], b"master-a", ephemeral=True)
        before = asked("ephemeral")["leader"]
        first.delete(CLIENTS["ephemeral"])
        second.create(CLIENTS["ephemeral"], b"master-b", ephemeral=True)
        after = asked("ephemeral", wait_for_change_from=before["session_id"])
    assert after["leader"]["address"] == "master-b"


# --- status and rolls


@contextmanager
def mastering(name):
    with cluster.session() as client:
        client.create(CLIENTS["ephemeral"], name.encode(), ephemeral=True, makepath=True)
        yield client


def test_status_shows_all_of_them_and_says_who_is_not_led(tmp_path):
    with electing("somebody") as leads, mastering("a master"):
        assert leads.wait(30)
        code, printed = cluster.playbook("playbooks/status.yml", "-e", f"status_json={tmp_path}/status.json")
        assert code == 0, printed
        for words in ("hdfs", "/yarn-leader-election/yc1", ":9092", "somebody", "a master"):
            assert words in printed
        found = json.loads((tmp_path / "status.json").read_text())["zookeeper_clients"]
        assert [each["verdict"] for each in found] == ["led"] * len(CLIENTS)
    code, printed = cluster.playbook("playbooks/status.yml")
    assert code != 0
    assert "the latch at /app/election: leaderless" in " ".join(printed.split())


def leaders():
    return {kind: asked(kind)["leader"] for kind in CLIENTS}


def test_nobody_is_another_leader_after_a_roll_of_the_ensemble():
    with electing("somebody") as leads, mastering("a master"):
        assert leads.wait(30)
        before = leaders()
        code, printed = cluster.playbook("playbooks/rolling_restart.yml", *FORCED)
        assert code == 0, printed
        assert "nobody looks after it" not in printed
        assert leaders() == before


def test_trap_73_a_roll_stops_when_a_leader_moved():
    """One that gives up its place when its connection is suspended, as Curator's latches do by default."""
    with cluster.session() as standby, cluster.session(MEMBERS[0]) as first:
        path = CLIENTS["ephemeral"]
        first.create(path, b"first", ephemeral=True, makepath=True)
        suspended = threading.Event()
        first.add_listener(lambda now: suspended.set() if now != KazooState.CONNECTED else None)

        def follow():
            suspended.wait()
            standby.retry(standby.delete, path)
            standby.retry(standby.create, path, b"standby", ephemeral=True)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        with electing("somebody") as leads:
            assert leads.wait(30)
            code, printed = cluster.playbook("playbooks/rolling_restart.yml", *FORCED)
            told = " ".join(printed.split())
            assert code != 0, printed
            assert "the node at /app/master, which first led, is led by standby anew" in told
            assert "rolling_accept_moved_leaders=true" in told
            code, printed = cluster.playbook(
                "playbooks/rolling_restart.yml", *FORCED, "-e", "rolling_accept_moved_leaders=true"
            )
            assert code == 0, printed
        thread.join(30)


def test_who_is_in_no_inventory_is_named_before_a_roll():
    code, printed = cluster.playbook(
        "playbooks/rolling_restart.yml", *FORCED, "--check", "-e", '{"zookeeper_clients": []}'
    )
    assert code == 0, printed
    told = " ".join(printed.split())
    for system in ("HDFS at /hadoop-ha/ns1", "YARN at /yarn-leader-election/yc1", "Kafka at /kafka"):
        assert f"{system} is led by" in told
    assert told.count("nobody looks after it") == 3


def test_a_system_that_is_none_is_refused():
    clients = json.dumps({"zookeeper_clients": [{"kind": "hbase", "path": "/hbase"}]})
    code, printed = cluster.playbook("playbooks/zookeeper.yml", "-e", clients)
    assert code != 0
    assert "kind is 'hbase', and is one of flink, hdfs, yarn, kafka, latch, ephemeral" in " ".join(printed.split())
