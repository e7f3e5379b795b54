"""Who is let in on a secured cluster, and who is refused, by the servers' own lines. In the order of the file."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import time

import attacker
import cluster
import joiner
import pytest
from workload import (
    TASK_MANAGERS,
    assert_nothing_lost,
    checkpoints,
    counted,
    job_restarts,
    kill_the_leader,
    leader_by_a_member,
    state,
    submit_job,
)

HOSTS = cluster.group("zookeeper")
MEMBER, OUTSIDE, KDC = "n1.kerberos.test", "n4.kerberos.test", "kdc.kerberos.test"
PASSWORD = "canary-kdc-0123456"
TREE, SUPER = "/flink/kerberos", attacker.Key("/etc/zookeeper/zookeeper.keytab")


@pytest.fixture(scope="module", autouse=True)
def keytabs():
    """What an attacker holds, on the host that belongs to nobody."""
    attacker.hand_out(OUTSIDE)


def logged(words, hosts=HOSTS):
    return [host for host in hosts if words in cluster.shell(host, "journalctl -u zookeeper -o cat")]


def processes(host):
    names = "zookeeper.service flink-jobmanager.service flink-taskmanager.service"
    return cluster.shell(host, f"systemctl show {names} -p MainPID")


# --- what has to work


def test_the_cluster_serves_and_says_so():
    code, output = cluster.playbook("playbooks/status.yml")
    assert code == 0, output


def test_members_authenticated_each_other():
    logs = {host: cluster.shell(host, "journalctl -u zookeeper -o cat") for host in HOSTS}

    def authenticated(one, other):
        return re.search(f"uthenticat.*zookeeper/{other}@KERBEROS.TEST", logs[one])

    # Which of two connects to the other depends on their ids, and on who leads.
    for one, other in itertools.combinations(HOSTS, 2):
        assert authenticated(one, other) or authenticated(other, one), (one, other)


def test_flinks_nodes_are_flinks_alone():
    node = f"{TREE}/leader/rest_server/connection_info"
    (found,) = attacker.tries(MEMBER, SUPER, acl=f"client.get_acls({node!r})[0]").values()
    assert found.count("Id(") == 1, found
    assert "scheme='sasl', id='flink@KERBEROS.TEST'" in found


def test_an_operators_shell_is_the_member_and_roots_alone():
    shown = cluster.shell(MEMBER, f"zkcli getAcl {TREE}/leader/rest_server/connection_info 2> /dev/null")
    assert "'sasl,'flink@KERBEROS.TEST" in shown
    assert "sudo zkcli" in cluster.shell(MEMBER, "runuser -u zookeeper -- zkcli ls / 2>&1 || true")


@pytest.mark.parametrize(
    ("host", "path"),
    [
        (host, path)
        for host in HOSTS
        for path in ("/etc/zookeeper/zookeeper.keytab", "/etc/streamquorum/zookeeper-client.json")
    ]
    + [(host, "/etc/flink/flink.keytab") for host in (*cluster.group("flink_jobmanager"), *TASK_MANAGERS)],
)
def test_a_key_is_its_services_alone(host, path):
    mode, owner = cluster.shell(host, f"stat -c '%a %U' {path}").split()
    assert mode == "400"
    assert owner == ("root" if path.endswith(".json") else path.split("/")[2])


# --- who is refused


@pytest.fixture(scope="module")
def ended_ticket():
    attacker.let_a_ticket_end(OUTSIDE)


@pytest.mark.parametrize("who", attacker.STRANGERS)
def test_a_stranger_is_refused_everything(who, ended_ticket):
    """Whoever has a ticket is let in, of the realm or of one that it trusts: only ACLs decide. Others do not come as far.
    What they try succeeds where nobody authenticates: molecule/migration."""
    attacker.victim(MEMBER, TREE, SUPER)
    outcome = attacker.attack(OUTSIDE, TREE, attacker.STRANGERS[who])
    assert not attacker.succeeded(outcome), outcome
    has_a_key = attacker.STRANGERS[who].file.endswith(".keytab")
    assert (set(outcome.values()) == {"refused: NoAuthError"}) == has_a_key, outcome


def test_the_servers_say_whom_they_closed_the_door_to():
    assert logged("does not match with any of the expected authentication scheme [sasl], closing session")


def test_the_guides_proof_gets_no_answer():
    command = f"/opt/zookeeper/bin/zkCli.sh -server {MEMBER}:2181 ls / < /dev/null 2>&1 || true"
    answer = cluster.shell(MEMBER, command)
    assert "Session closed because client failed to authenticate" in answer, answer
    assert not re.search(r"\[.*zookeeper", answer), answer


def test_no_other_door_is_open():
    assert not any(attacker.doors(MEMBER).values())


def test_a_keytab_that_the_kdc_does_not_know_any_more_is_refused():
    """The servers say nothing of such a client: it never comes as far. Here it is the toolkit's own proof that refuses it."""
    cluster.shell(KDC, "kadmin.local -q 'cpw -randkey stale@KERBEROS.TEST'")
    done = subprocess.run(
        ["ansible", "-i", str(cluster.INVENTORY), OUTSIDE, "-b", "-m", "streamquorum.ha.keytab", "-a",
         "path=/root/stale.keytab principal=stale@KERBEROS.TEST"],
        cwd=cluster.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "is not accepted" in done.stdout
    assert "export the keytab anew" in done.stdout
    outcome = attacker.tries(OUTSIDE, attacker.Key("stale.keytab"), it="client.get_children('/')")
    assert not attacker.succeeded(outcome)


@pytest.fixture(scope="module")
def no_joiner_is_left():
    yield
    joiner.stop(OUTSIDE)


def join(keytab="", principal=""):
    joiner.start(OUTSIDE, MEMBER, keytab=keytab and f"/root/{keytab}", principal=principal)


def test_a_server_that_does_not_authenticate_does_not_join(no_joiner_is_left):
    join()
    words = "Learner not trying to authenticate and authentication is required"
    cluster.until("a member refuses it", lambda: logged(words), 60)
    assert not joiner.joined(OUTSIDE)


def test_a_server_of_a_host_that_is_no_member_does_not_join(no_joiner_is_left):
    join("no-member.keytab", "zookeeper/n4.kerberos.test@KERBEROS.TEST")
    words = "zookeeper/n4.kerberos.test@KERBEROS.TEST is not authorized to connect"
    cluster.until("a member refuses it", lambda: logged(words), 60)
    assert not joiner.joined(OUTSIDE)


@pytest.mark.long
def test_any_key_of_a_members_host_joins_unless_the_firewall_refuses_it(no_joiner_is_left):
    """Members compare the host part only: a known limit, and why the quorum's ports belong to the members alone."""
    join("other-service.keytab", "flink/n1.kerberos.test@KERBEROS.TEST")
    cluster.until("it joined", lambda: joiner.joined(OUTSIDE), 60)
    before = {host: cluster.shell(host, "systemctl show zookeeper -p MainPID") for host in HOSTS}
    for _run in ("first", "second"):
        code, output = cluster.playbook("playbooks/zookeeper.yml", "-e", "zookeeper_firewall=true")
        assert code == 0, output
    assert not re.search(r"changed=[1-9]", output[output.index("PLAY RECAP") :]), output
    assert {host: cluster.shell(host, "systemctl show zookeeper -p MainPID") for host in HOSTS} == before
    join("other-service.keytab", "flink/n1.kerberos.test@KERBEROS.TEST")
    cluster.until("it is refused", lambda: joiner.log(OUTSIDE).count("Connection refused") > 5, 60)
    assert not joiner.joined(OUTSIDE)
    joiner.stop(OUTSIDE)
    # The members still find each other.
    cluster.shell(HOSTS[0], "systemctl restart zookeeper")
    cluster.until("all serve", lambda: cluster.playbook("playbooks/status.yml")[0] == 0, 90, every=2)


@pytest.mark.long
def test_the_firewall_is_taken_away_again_and_nothing_else():
    cluster.shell(HOSTS[0], "nft add table inet operators_own")
    code, output = cluster.playbook("playbooks/zookeeper.yml")
    assert code == 0, output
    assert cluster.shell(HOSTS[0], "nft list tables") == "table inet operators_own"
    assert cluster.shell(HOSTS[1], "nft list tables") == ""
    cluster.shell(
        HOSTS[0], "test ! -e /etc/systemd/system/streamquorum-firewall.service && nft delete table inet operators_own"
    )


# --- what goes on working


#: Its clock, as its own process sees it.
SKEWED = """
apt-get install -y -q --no-install-recommends faketime > /dev/null
mkdir -p /etc/systemd/system/krb5-kdc.service.d
printf '[Service]\\nEnvironment=LD_PRELOAD=%s FAKETIME=+20m\\n' "$(find /usr/lib -name libfaketime.so.1)" \
    > /etc/systemd/system/krb5-kdc.service.d/skewed.conf
systemctl daemon-reload && systemctl restart krb5-kdc
"""
STRAIGHT = "rm -rf /etc/systemd/system/krb5-kdc.service.d && systemctl daemon-reload && systemctl restart krb5-kdc"


@pytest.mark.parametrize(
    ("fault", "mended", "words"),
    [
        ("systemctl stop krb5-kdc", "systemctl start krb5-kdc", "Check kerberos_kdcs"),
        pytest.param(SKEWED, STRAIGHT, "Set the clocks of this host and of the KDC", marks=pytest.mark.long),
    ],
    ids=["is away", "has another time"],
)
def test_when_the_kdc(fault, mended, words):
    """Nothing is restarted that could not authenticate then."""
    before = {host: cluster.shell(host, "systemctl show zookeeper -p MainPID") for host in HOSTS}
    cluster.shell(KDC, fault)
    try:
        code, output = cluster.playbook("playbooks/site.yml", "-e", "zookeeper_max_client_cnxns=106")
        assert code != 0, output
        assert words in " ".join(output.split()), output
    finally:
        cluster.shell(KDC, mended)
    assert {host: cluster.shell(host, "systemctl show zookeeper -p MainPID") for host in HOSTS} == before


@pytest.mark.long
def test_a_kdc_that_is_silent_delays_a_check_and_does_not_hang_it():
    """The servers know each other and go on; who asks them needs a ticket."""
    rule = f"OUTPUT -d {cluster.address(KDC)} -j DROP"
    ask = ["ansible", "-i", str(cluster.INVENTORY), MEMBER, "-b", "-m", "streamquorum.ha.leader_znode", "-a",
           f"servers={MEMBER}:2181 cluster_id=/kerberos timeout=4"]  # fmt: skip
    cluster.shell(MEMBER, f"iptables -I {rule}")
    try:
        began = time.monotonic()
        done = subprocess.run(ask, cwd=cluster.ROOT, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "no KDC answered within 4 s" in done.stdout
        assert time.monotonic() - began < 40
    finally:
        cluster.shell(MEMBER, f"iptables -D {rule}")


@pytest.mark.long
def test_keys_that_are_missing_are_made(tmp_path):
    """By the KDC's administration server, for principals that nobody has yet."""

    def run(*arguments, **variables):
        given = {
            "kerberos_kdcs": [cluster.address(KDC)],  # the controller does not know the lab's names
            "kerberos_admin_principal": "admin/admin",
            "kerberos_admin_password": PASSWORD,
            "zookeeper_keytab_file": f"{tmp_path}/keys/{{{{ inventory_hostname }}}}.keytab",
            "flink_ha_keytab_file": f"{tmp_path}/keys/flink.keytab",
        }  # fmt: skip
        code, output = cluster.playbook(
            "playbooks/keytabs.yml", "-vvv", *arguments, "-e", json.dumps(given | variables)
        )
        assert PASSWORD not in output
        return code, output

    code, output = run()
    assert code != 0, output
    assert "It has a key that somebody may use, and a new one would replace it." in " ".join(output.split()), output
    fresh = {"zookeeper_kerberos_service": "fresh", "flink_ha_principal": "fresh@KERBEROS.TEST"}
    code, output = run(kerberos_admin_password="wrong", **fresh)
    assert code != 0, output
    assert "Check kerberos_admin_password" in output, output
    code, output = run("--check", **fresh)
    assert code == 0, output
    assert not list(tmp_path.rglob("*.keytab"))
    for changes in (True, False):
        code, output = run(**fresh)
        assert code == 0, output
        assert bool(re.search(r"changed=[1-9]", output[output.index("PLAY RECAP") :])) == changes, output
    made = sorted(tmp_path.rglob("*.*"))
    assert {path.name for path in made} == {"flink.keytab", *(f"{host}.keytab" for host in HOSTS)}
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    # A run that ended once the principal was there is finished by the next one.
    ended = tmp_path / "keys" / f"{MEMBER}.keytab"
    ended.rename(f"{ended}.lost")
    ended.with_name(f"{ended.name}.asked").write_text(f"fresh/{MEMBER}@KERBEROS.TEST")
    code, output = run(**fresh)
    assert code == 0, output
    prove = ["ansible", "-i", str(cluster.INVENTORY), MEMBER, "-b", "-m", "streamquorum.ha.keytab", "-a",
             f"path=/root/fresh.keytab principal=fresh/{MEMBER}@KERBEROS.TEST src={ended}"]  # fmt: skip
    done = subprocess.run(prove, cwd=cluster.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_keys_are_rotated_without_a_restart():
    """The KDC keeps the old ones until all have the new ones."""
    rotated = {"zookeeper/n1.kerberos.test@KERBEROS.TEST": f"{MEMBER}.keytab", "flink@KERBEROS.TEST": "flink.keytab"}
    before = {host: processes(host) for host in cluster.group("lab")}
    for principal, keytab in rotated.items():
        cluster.shell(
            KDC,
            f"kadmin.local -q 'cpw -randkey -keepold {principal}' && rm -f /root/{keytab} && "
            f"kadmin.local -q 'ktadd -norandkey -k /root/{keytab} {principal}'",
        )
        copied = cluster.ROOT / ".lab/kerberos/keytabs" / keytab
        subprocess.run(["podman", "cp", f"{cluster.container(KDC)}:/root/{keytab}", str(copied)], check=True)
        copied.chmod(0o600)
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    assert re.search(r"changed=[1-9]", output[output.index("PLAY RECAP") :]), output
    for principal in rotated:
        cluster.shell(KDC, f"kadmin.local -q 'purgekeys {principal}'")
    assert {host: processes(host) for host in cluster.group("lab")} == before
    code, output = cluster.playbook("playbooks/status.yml")
    assert code == 0, output
    # Whoever knows the old key only is refused, and who starts has the new one.
    (outcome,) = attacker.tries(OUTSIDE, attacker.Key("flink.keytab"), it="client.get_children('/')").values()
    assert outcome.startswith("refused"), outcome
    cluster.shell(MEMBER, "systemctl restart zookeeper")
    cluster.until("all serve", lambda: cluster.playbook("playbooks/status.yml")[0] == 0, 90, every=2)


def test_a_roll_of_the_ensemble_and_a_failover_under_a_job(tmp_path):
    job = submit_job()
    restarts = job_restarts(job)
    evidence = ["-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={tmp_path}"]
    code, output = cluster.playbook("playbooks/site.yml", "-e", "zookeeper_max_client_cnxns=106", *evidence)
    assert code == 0, output
    (seen,) = [json.loads(path.read_text()) for path in tmp_path.glob("*/availability.json")]
    assert (seen["probe"]["problems"], seen["flink"]) == ([], [])
    assert job_restarts(job) == restarts
    cluster.told("a roll of the secured ensemble", longest_stall_s=seen["probe"]["result"]["longest_stall_ms"] / 1000)
    kill_the_leader(job, leader_by_a_member)
    assert state(job) == "RUNNING"
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output


@pytest.mark.long
def test_a_reboot_of_all_hosts_brings_everything_back():
    cluster.power("reboot", "all")
    cluster.until("the cluster serves", lambda: cluster.playbook("playbooks/status.yml")[0] == 0, 180, every=5)


def test_who_is_let_in_by_name_and_who_is_connected_can_be_seen():
    """The two commands of docs/operations.md, by which clients are found that are still to be switched."""
    named = "journalctl -u zookeeper -o cat -g 'Successfully authenticated client'"
    assert "flink@KERBEROS.TEST" in "".join(
        cluster.shell(host, f"{named} || true") for host in cluster.group("zookeeper")
    )
    connected = "ss -Htn state established '( sport = :2181 )'"
    assert any(cluster.shell(host, connected) for host in cluster.group("zookeeper"))


#: The inventory of docs/operations.md where there are no keys any more.
WITHOUT_KEYS = {
    "zookeeper_client_auth": "none",
    "zookeeper_quorum_auth": "none",
    "flink_ha_zookeeper_auth": "none",
    "zookeeper_acls": {},
    "zookeeper_config_extra": {"skipACL": "yes"},
}


@pytest.mark.long
def test_a_kdc_that_is_lost_for_good_does_not_take_the_jobs_along():
    (job,) = [each["jid"] for each in cluster.rest_any("/jobs/overview")["jobs"] if each["state"] == "RUNNING"]
    before = max(counted())[0]
    cluster.shell(KDC, "systemctl stop krb5-kdc krb5-admin-server")
    for host in cluster.group("lab"):
        cluster.shell(host, "systemctl stop flink-taskmanager flink-jobmanager zookeeper 2> /dev/null || true")
    code, output = cluster.playbook("playbooks/site.yml", "-e", json.dumps(WITHOUT_KEYS))
    assert code == 0, output
    cluster.until("the job runs again", lambda: state(job) == "RUNNING", 90)
    assert checkpoints(job)["latest"]["restored"], "the job began anew instead of being restored"
    cluster.shell(KDC, "systemctl start krb5-kdc krb5-admin-server")
    code, output = cluster.playbook("playbooks/stop.yml", "-e", "stop_cluster=true", "-e", json.dumps(WITHOUT_KEYS))
    assert code == 0, output
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    cluster.until("the job runs again", lambda: state(job) == "RUNNING", 90)
    assert_nothing_lost(before)
    outcome = attacker.attack(OUTSIDE, TREE, attacker.STRANGERS["another principal"])
    assert not attacker.succeeded(outcome), outcome
