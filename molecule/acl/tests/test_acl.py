"""What protects znodes, and how they come to belong to somebody else, under a job. In the order of the file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import attacker
import cluster
import pytest
from attacker import Key
from workload import TASK_MANAGERS, assert_nothing_lost, counted, state, submit_job

MEMBER, OUTSIDE = "zk1.acl.test", "tm1.acl.test"
TREE = "/flink/acl"
STRANGERS = {who: attacker.STRANGERS[who] for who in ("another principal", "a principal of a trusted realm", "nobody")}
SUPER = Key("zk1.acl.test.keytab")
FLINK, ORDERS = "flink@ACL.TEST", "orders@ACL.TEST"

CLOSED = {
    "flink_ha_zookeeper_acl": "creator",
    "zookeeper_acls": {"/": [{"scheme": "world", "id": "anyone", "perms": "r"}]},
}
AS_ORDERS = CLOSED | {
    "flink_ha_principal": ORDERS,
    "flink_ha_keytab": "/etc/flink/orders.keytab",
    "flink_ha_keytab_file": str(cluster.ROOT / ".lab/acl/keytabs/orders.keytab"),
}
FIRST, SECOND = "canary-first-0123456", "canary-second-0123456"
SWITCHING = {"flink_ha_switching_principals": [FLINK, ORDERS]}


@pytest.fixture(scope="module", autouse=True)
def _keys():
    for host in (MEMBER, OUTSIDE):
        attacker.hand_out(host)


@pytest.fixture(scope="module")
def job():
    running = [each["id"] for each in cluster.rest_any("/jobs")["jobs"] if each["status"] == "RUNNING"]
    # Its restarts are counted by what the TaskManagers start: it is the only one.
    return running[0] if running else submit_job()


def attack(key):
    return attacker.attack(OUTSIDE, TREE, key)


def tree():
    """ACL -> the nodes below the cluster's that have it, as a super user sees them."""
    code = (
        "[(path, ' '.join(sorted(f'{each.id.scheme}:{each.id.id}:{each.perms}' for each in client.get_acls(path)[0])))"
        " for path in (lambda walk: walk(walk, '" + TREE + "'))(lambda walk, path: [path] + ["
        "found for name in client.get_children(path) for found in walk(walk, path + '/' + name)])]"
    )
    (printed,) = attacker.tries(MEMBER, SUPER, nodes=code).values()
    found = {}
    for path, acl in re.findall(r"\('([^']+)', '([^']+)'\)", printed):
        found.setdefault(acl, []).append(path)
    assert found, printed
    return found


def settled_tree(owner):
    """Nodes that came and went while they were read aside, all belong to one."""
    return cluster.until(f"all nodes are {owner}'s", lambda: set(tree()) == {f"sasl:{owner}:31"}, 10)


def site(*switches, evidence=None, **variables):
    extra = ["-e", json.dumps(variables), *switches]
    if evidence:
        extra += ["-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={evidence}"]
    return cluster.playbook("playbooks/site.yml", *extra)


def starts():
    """How often a task of the job was started on any TaskManager, since these hosts are up."""
    return sum(
        int(
            cluster.shell(
                host, "journalctl -u flink-taskmanager -o cat | grep -c 'from INITIALIZING to RUNNING' || true"
            )
        )
        for host in TASK_MANAGERS
    )


def tasks(job):
    return len(cluster.rest_any(f"/jobs/{job}")["vertices"])


def roll(what, job, folder, *switches, flink=True, **variables):
    """A run that may roll: the probe saw nothing, and the job was started again no more often than a roll of Flink does."""
    before, number = starts(), max(counted())[0]
    code, output = site(*switches, evidence=folder, **variables)
    assert code == 0, output
    seen = [json.loads(path.read_text())["probe"] for path in folder.glob("*/availability.json")]
    assert [each["problems"] for each in seen] == [[]] * len(seen), seen
    cluster.until("the job runs", lambda: state(job) == "RUNNING", 60)
    again = (starts() - before) / tasks(job)
    # One for the leader, and one for each TaskManager at most.
    assert again <= (1 + len(TASK_MANAGERS) if flink else 0), again
    assert_nothing_lost(number)
    results = [each["result"] for each in seen]
    cluster.told(
        what,
        rolls=len(results),
        writes=sum(each["writes"] for each in results),
        writes_lost=sum(each["missing"] for each in results),
        sessions_lost=sum(each["sessions_lost"] for each in results),
        job_started_again=again,
    )
    return output


def refused(*words, **variables):
    code, output = site(**variables)
    assert code != 0, output
    told = " ".join(output.split())
    for word in words:
        assert word in told, told


def assert_nothing_changes(**variables):
    code, output = site(**variables)
    assert code == 0, output
    recap = output[output.index("PLAY RECAP") :]
    assert recap.count("changed=0") == len(re.findall(r"changed=", recap)), output


def test_before_all_of_it_succeeds(job):
    for key in STRANGERS.values():
        attacker.victim(MEMBER, TREE, SUPER)
        outcome = attack(key)
        assert attacker.succeeded(outcome) == set(outcome), outcome


def test_flinks_nodes_are_closed_and_so_is_the_top(job, tmp_path):
    roll("open to creator", job, tmp_path, **CLOSED)
    settled_tree(FLINK)


@pytest.mark.parametrize("key", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_is_refused_everything(job, key):
    attacker.victim(MEMBER, TREE, SUPER)
    outcome = attack(key)
    assert set(outcome.values()) == {"refused: NoAuthError"}, outcome


def test_a_second_run_changes_nothing(job):
    assert_nothing_changes(**CLOSED)


def test_another_identity_without_what_it_needs_is_refused(job):
    before = {host: cluster.shell(host, "systemctl show flink-taskmanager -p MainPID") for host in TASK_MANAGERS}
    refused(f"Set flink_ha_switching_principals: [{FLINK}, {ORDERS}]", **AS_ORDERS)
    same_place = {name: value for name, value in AS_ORDERS.items() if name != "flink_ha_keytab"}
    refused("a place of its own: flink_ha_keytab", **same_place | SWITCHING)
    refused("set flink_ha_zookeeper_acl: open, and run", **CLOSED | {"flink_ha_zookeeper_auth": "none"})
    assert {
        host: cluster.shell(host, "systemctl show flink-taskmanager -p MainPID") for host in TASK_MANAGERS
    } == before


def test_why_rewriting_what_is_there_does_not_suffice(job):
    """What is made after it has the old owner's ACL again: so both are super users meanwhile."""
    both = [{"scheme": "sasl", "id": each, "perms": "cdrwa"} for each in (FLINK, ORDERS)]
    arguments = {
        "servers": [f"{host}:2181" for host in cluster.group("zookeeper")],
        "nodes": [{"path": TREE, "below": True, "acl": both}],
    }
    subprocess.run(
        ["ansible", "-i", str(cluster.INVENTORY), MEMBER, "-b", "-m", "streamquorum.ha.znode_acl", "-a", json.dumps(arguments)],
        cwd=cluster.ROOT, check=True, capture_output=True,
    )  # fmt: skip
    found, _took = cluster.until("a checkpoint is made", lambda: tree().get(f"sasl:{FLINK}:31"), 30)
    assert all("/checkpoints/" in path or "/checkpoint" in path for path in found), found


def test_another_identity_with_the_controller_killed_in_the_middle(job, tmp_path):
    number = max(counted())[0]
    command = [
        "ansible-playbook",
        "-i",
        str(cluster.INVENTORY),
        "playbooks/site.yml",
        "-e",
        json.dumps(AS_ORDERS | SWITCHING),
    ]
    log = tmp_path / "killed.log"
    with log.open("w") as handle:
        run = subprocess.Popen(
            command, cwd=cluster.ROOT, stdout=handle, stderr=subprocess.STDOUT, start_new_session=True,
            env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        try:
            # The first JobManager is somebody else already, the second is not.
            cluster.until("a JobManager was switched", lambda: "change jm" in log.read_text(), 400, every=0.2)
        finally:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    cluster.until("the job runs", lambda: state(job) == "RUNNING", 60)
    roll("one principal to another, the rest of it", job, tmp_path, **AS_ORDERS | SWITCHING)
    settled_tree(ORDERS)
    assert_nothing_lost(number)


def test_both_are_nobody_special_again(job, tmp_path):
    code = f"client.get('{TREE}')"
    outcome = attacker.tries(OUTSIDE, Key("flink.keytab"), read=code)
    assert not outcome["read"].startswith("refused"), outcome
    password = {"zookeeper_super_password": FIRST}
    shown = roll("the way between is closed", job, tmp_path, "-vvv", "--diff", flink=False, **AS_ORDERS | password)
    assert_no_secret_is_shown(shown)
    assert attacker.tries(OUTSIDE, Key("flink.keytab"), read=code)["read"] == "refused: NoAuthError"
    assert set(attack(Key("flink.keytab")).values()) == {"refused: NoAuthError"}
    assert_nothing_changes(**AS_ORDERS | password)


def assert_no_secret_is_shown(output):
    """The hash neither; -e itself, with which a test gives the password, is the one place that has it."""
    lines = [line for line in output.splitlines() if "zookeeper_super_password" not in line]
    hashes = cluster.shell(
        MEMBER, "grep -h superDigest= /etc/zookeeper/generations/*/zoo.cfg | cut -d: -f2"
    ).splitlines()
    assert hashes
    assert not [line for line in lines for secret in (FIRST, SECOND, *hashes) if secret in line]


def by_password(password):
    (outcome,) = attacker.tries(OUTSIDE, Key(password=password), read=f"client.get('{TREE}')").values()
    return not outcome.startswith("refused")


def test_a_password_is_a_way_in_that_is_not_shown(job):
    assert by_password(FIRST)
    assert not by_password(SECOND)
    for host in cluster.group("zookeeper"):
        assert cluster.shell(host, "stat -c %a%U /etc/zookeeper/current/zoo.cfg") == "640root"
        # The bracket keeps the command from finding itself.
        assert not cluster.shell(host, "grep -l -a 'super[D]igest' /proc/[0-9]*/cmdline || true")
        assert not cluster.shell(host, "journalctl -u zookeeper -o cat | grep 'super[D]igest' || true")


def test_and_back(job, tmp_path):
    password = {"zookeeper_super_password": FIRST}
    roll("back to the first", job, tmp_path / "1", **CLOSED | SWITCHING | password)
    settled_tree(FLINK)
    shown = roll(
        "closed again",
        job,
        tmp_path / "2",
        "-vvv",
        "--diff",
        flink=False,
        **CLOSED | {"zookeeper_super_password": SECOND},
    )
    assert_no_secret_is_shown(shown)
    assert set(attack(Key("orders.keytab")).values()) == {"refused: NoAuthError"}
    assert by_password(SECOND)
    assert not by_password(FIRST)


def test_and_open_again(job, tmp_path):
    opened = CLOSED | {"flink_ha_zookeeper_acl": "open", "zookeeper_super_password": SECOND}
    roll("creator to open", job, tmp_path, **opened)
    cluster.until("all nodes are anyone's", lambda: set(tree()) == {"world:anyone:31"}, 10)
    assert_nothing_changes(**opened)


def test_identities_are_not_taken_from_nodes_that_have_them(job):
    """The top is still closed: without identities, it would be so for good."""
    opened = {"flink_ha_zookeeper_acl": "open", "zookeeper_client_auth": "none"}
    refused("nodes 2 would belong to nobody: /, /flink.", **opened)
