"""Steps of a live cluster, from open to closed and back, under writes and a job. In the order of the file."""

from __future__ import annotations

import json
import re

import attacker
import cluster
import joiner
import pytest
from workload import assert_nothing_lost, counted, state, submit_job, writing

HOSTS = cluster.group("zookeeper")
#: Where attackers come from; the one that they come to.
OUTSIDE, MEMBER = HOSTS[2], HOSTS[0]
TREE = "/flink/migration"


def anonymous():
    """Whether a client without credentials is answered."""
    try:
        with cluster.session() as client:
            client.get_children("/")
    except Exception:  # kazoo has several for this, and a session that is closed before it is one
        return False
    return True


def site(*switches, evidence=None, **variables):
    """A run of site.yml; with a folder, the evidence of its probes."""
    extra = ["-e", json.dumps(variables), *switches]
    if evidence:
        extra += ["-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={evidence}"]
    code, output = cluster.playbook("playbooks/site.yml", *extra)
    return code, output


def step(what, folder, **variables):
    code, output = site(evidence=folder, **variables)
    assert code == 0, output
    seen = [json.loads(path.read_text())["probe"] for path in folder.glob("*/availability.json")]
    assert [each["problems"] for each in seen] == [[]] * len(seen), seen
    results = [each["result"] for each in seen]
    cluster.told(
        what,
        rolls=len(results),
        writes=sum(each["writes"] for each in results),
        writes_lost=sum(each["missing"] for each in results),
        sessions_lost=sum(each["sessions_lost"] for each in results),
        longest_stall_s=max([each["longest_stall_ms"] / 1000 for each in results], default=0.0),
    )
    return output


@pytest.fixture(scope="module")
def job():
    return submit_job()


OFFERED = {"zookeeper_client_auth": "offered", "zookeeper_quorum_auth": "offered"}
PASSWORDS = {
    "zookeeper_auth_mechanism": "digest",
    "zookeeper_admin_password": "canary-admin-0123",
    "zookeeper_quorum_password": "canary-quorum-0123",
    "zookeeper_config_extra": {"fips-mode": False},
}
SWITCHED = OFFERED | {"flink_ha_zookeeper_auth": "kerberos", "flink_ha_zookeeper_acl": "open"}
ITS_OWN = SWITCHED | {"flink_ha_zookeeper_acl": "creator"}
LEARNERS = ITS_OWN | {"zookeeper_quorum_auth": "learners"}
CLOSED = LEARNERS | {
    "zookeeper_quorum_auth": "required",
    "zookeeper_client_auth": "required",
    "zookeeper_acls": {"/": [{"scheme": "world", "id": "anyone", "perms": "r"}]},
    "zookeeper_four_letter_words": ["conf", "isro", "mntr", "ruok", "srvr"],
    "zookeeper_admin_address": "127.0.0.1",
}


@pytest.fixture(scope="module", autouse=True)
def keys():
    """What an attacker holds."""
    attacker.hand_out(OUTSIDE)
    attacker.let_a_ticket_end(OUTSIDE)
    yield
    joiner.stop(OUTSIDE)


def tries(who):
    key = attacker.STRANGERS[who]
    return attacker.attack(OUTSIDE, TREE, key, attacker.tries_all_ways)


@pytest.mark.parametrize("who", attacker.STRANGERS)
def test_at_the_beginning_everybody_may_do_everything(who):
    attacker.victim(OUTSIDE, TREE, attacker.Key())
    outcome = tries(who)
    assert attacker.succeeded(outcome) == set(outcome), outcome


def test_at_the_beginning_every_door_is_open():
    assert all(attacker.doors(MEMBER).values())
    joiner.start(OUTSIDE, MEMBER)
    cluster.until("a server that nobody listed joins", lambda: joiner.joined(OUTSIDE))
    joiner.stop(OUTSIDE)


def test_a_step_that_leaves_one_out_is_refused(job):
    before = {host: cluster.shell(host, "systemctl show zookeeper -p MainPID") for host in HOSTS}
    code, output = site(zookeeper_quorum_auth="required")
    assert code != 0, output
    assert "set offered first" in " ".join(output.split()), output
    code, output = site(zookeeper_client_auth="required", flink_ha_zookeeper_auth="kerberos")
    assert code != 0, output
    assert "set offered first" in " ".join(output.split()), output
    assert {host: cluster.shell(host, "systemctl show zookeeper -p MainPID") for host in HOSTS} == before


def test_from_passwords_it_leads_through_none(job, tmp_path):
    before = max(counted())[0]
    step("none to offered, by passwords", tmp_path / "1", **OFFERED | PASSWORDS)
    code, output = site(**OFFERED)
    assert code != 0, output
    assert "Go back to none step by step" in " ".join(output.split()), output
    step("passwords to none", tmp_path / "2")
    assert state(job) == "RUNNING"
    assert_nothing_lost(before)


def test_offered_lets_anonymous_clients_go_on(job, tmp_path):
    before = max(counted())[0]
    with writing() as result:
        step("none to offered", tmp_path, **OFFERED)
    assert set(result["acknowledged"]) <= result["found"], "acknowledged writes are missing"
    assert not result["lost"], "the writer's session was lost"
    assert anonymous()
    assert_nothing_lost(before)


def test_the_ensemble_is_not_closed_to_flink_before_that_is_switched(job):
    code, output = site(**OFFERED | {"zookeeper_client_auth": "required"})
    assert code != 0, output
    assert "Flink is not switched yet" in " ".join(output.split())
    # Nor in the run that would switch it, since the ensemble is rolled first.
    code, output = site(**SWITCHED | {"zookeeper_client_auth": "required"})
    assert code != 0, output
    assert "Flink runs without authentication, and zookeeper_client_auth is required" in " ".join(output.split()), (
        output
    )


def test_flink_is_switched_before_its_nodes_are_closed(job, tmp_path):
    before = max(counted())[0]
    code, output = site(**ITS_OWN)
    assert code != 0, output
    assert "Set flink_ha_zookeeper_acl: open first" in " ".join(output.split()), output
    step("Flink authenticates", tmp_path / "1", **SWITCHED)
    step("Flink's nodes are its alone", tmp_path / "2", **ITS_OWN)
    assert_nothing_lost(before)


def test_it_is_closed_in_two_more_steps(job, tmp_path):
    before = max(counted())[0]
    assert anonymous()
    step("offered to learners", tmp_path / "1", **LEARNERS)
    step("learners to required, and clients", tmp_path / "2", **CLOSED)
    assert not anonymous()
    assert state(job) == "RUNNING"
    assert_nothing_lost(before)
    code, output = site(**CLOSED)
    assert code == 0, output
    recap = output[output.index("PLAY RECAP") :]
    assert recap.count("changed=0") == len(re.findall(r"changed=", recap)), output


@pytest.mark.parametrize("who", attacker.STRANGERS)
def test_closed_nobody_may_do_anything_of_it(job, who):
    attacker.victim(MEMBER, TREE, attacker.Key("/etc/zookeeper/zookeeper.keytab"))
    assert not attacker.succeeded(tries(who))


def test_closed_no_door_is_open(job):
    assert not any(attacker.doors(MEMBER).values())
    joiner.start(OUTSIDE, MEMBER)
    words = "Learner not trying to authenticate and authentication is required"

    def logs():
        return [cluster.shell(host, "journalctl -u zookeeper -o cat") for host in HOSTS]

    cluster.until("a member refuses it", lambda: any(words in text for text in logs()))
    assert not joiner.joined(OUTSIDE)
    joiner.stop(OUTSIDE)


def test_the_way_back(job, tmp_path):
    before = max(counted())[0]
    step("required to learners, and clients offered", tmp_path / "1", **LEARNERS)
    assert anonymous()
    step("learners to offered", tmp_path / "2", **ITS_OWN)
    assert state(job) == "RUNNING"
    assert_nothing_lost(before)


def test_flink_does_not_go_back_from_nodes_that_are_its_alone(job):
    code, output = site(**OFFERED)
    assert code != 0, output
    assert "could not read the nodes" in " ".join(output.split()), output


def test_closed_once_more_and_encrypted(job, tmp_path):
    """Kerberos and TLS in the same steps: who is known is also not overheard."""
    before = max(counted())[0]
    offered = LEARNERS | {
        "zookeeper_client_tls": "offered",
        "zookeeper_quorum_tls": "offered",
        "tls_authority_dir": str(cluster.ROOT / ".lab/migration/authority"),
    }
    switched = (
        offered
        | CLOSED
        | {
            "zookeeper_quorum_tls": "preferred",
            "flink_ha_zookeeper_tls": True,
        }
    )
    encrypted = switched | {"zookeeper_client_tls": "required", "zookeeper_quorum_tls": "required"}
    step("offered to learners, TLS to offered", tmp_path / "1", **offered)
    code, output = site(**encrypted | {"zookeeper_quorum_tls": "preferred"})
    assert code != 0, output
    assert "once the ensemble was rolled, which comes first, nothing listens on these ports" in " ".join(
        output.split()
    ), output
    step("learners to required, Flink and members to TLS", tmp_path / "2", **switched)
    assert not anonymous()
    step("TLS to required", tmp_path / "3", **encrypted)
    for host in HOSTS:
        ports = {line.split()[3].rsplit(":", 1)[1] for line in cluster.shell(host, "ss -Hltn").splitlines()}
        assert "2281" in ports, host
        assert "2181" not in ports, host
        assert cluster.shell(host, "zkcli ls /zookeeper 2> /dev/null").splitlines()[-1] == "[config, quota]", host
    assert state(job) == "RUNNING"
    assert_nothing_lost(before)
    code, output = cluster.playbook("playbooks/status.yml", "-e", json.dumps(encrypted))
    assert code == 0, output
