"""Who is let in on a secured cluster, and who is refused, by the servers' own lines. In the order of the file."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import time

import attacker
import cluster
import pytest
from workload import TASK_MANAGERS, assert_nothing_lost, checkpoints, counted, job_restarts, lab, state, submit_job

HOSTS = cluster.group("zookeeper")
MEMBER, OUTSIDE, KDC = "n1.kerberos.test", "n4.kerberos.test", "kdc.kerberos.test"
LEADER_NODE = "/flink/kerberos/leader/rest_server/connection_info"


@pytest.fixture(scope="module", autouse=True)
def keytabs():
    """What an attacker holds, on the host that belongs to nobody."""
    attacker.hand_out(OUTSIDE)


def client(code, keytab="", host=OUTSIDE):
    """The outcome of an expression over `client`, of kazoo on a host: its value, or `refused: <error>`."""
    return attacker.tries(host, keytab, it=code)["it"]


def logged(words, hosts=HOSTS):
    return [host for host in hosts if words in cluster.shell(host, "journalctl -u zookeeper -o cat")]


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
    found = client(f"client.get_acls({LEADER_NODE!r})[0]", "/etc/zookeeper/zookeeper.keytab", host=MEMBER)
    assert found.count("Id(") == 1, found
    assert "scheme='sasl', id='flink@KERBEROS.TEST'" in found


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


def test_an_anonymous_client_is_refused_at_its_first_call():
    assert client("client.get_children('/')").startswith("refused: ")
    assert logged("does not match with any of the expected authentication scheme [sasl], closing session")


@pytest.mark.parametrize("keytab", ["mallory.keytab", "foreign.keytab"], ids=["another", "foreign realm"])
def test_another_principal_is_let_in_and_may_do_nothing_with_flinks_nodes(keytab):
    assert "zookeeper" in client("client.get_children('/')", keytab), "whoever has a ticket is let in: only ACLs decide"
    for code in (
        f"client.get({LEADER_NODE!r})",
        f"client.set({LEADER_NODE!r}, b'')",
        f"client.delete({LEADER_NODE!r})",
        "client.delete('/flink/kerberos', recursive=True)",
        f"client.set_acls({LEADER_NODE!r}, [make_acl('world', 'anyone', all=True)])",
    ):
        assert client(code, keytab) == "refused: NoAuthError", code


def test_a_keytab_that_the_kdc_does_not_know_any_more_is_refused():
    """The servers say nothing of such a client: it never comes as far. Here it is the toolkit's own proof that refuses it."""
    cluster.shell(KDC, "kadmin.local -q 'cpw -randkey stale@KERBEROS.TEST'")
    done = subprocess.run(
        ["ansible", "-i", str(cluster.INVENTORY), OUTSIDE, "-b", "-m", "streamquorum.ha.keytab", "-a",
         "path=/root/stale.keytab principal=stale@KERBEROS.TEST"],
        cwd=cluster.ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "is not accepted" in done.stdout
    assert "export the keytab anew" in done.stdout
    assert client("client.get_children('/')", "stale.keytab").startswith("refused: ")


# The bracket keeps the command from finding itself.
STOP = "pkill -f '[/]tmp/joiner/zoo.cfg' || true"
JOINER = """
set -eu
rm -rf /tmp/joiner; mkdir -p /tmp/joiner/data; cd /tmp/joiner
echo 9 > data/myid
{{ cat {config}; echo dataDir=/tmp/joiner/data; echo clientPort=2199; echo peerType=observer
   echo server.9=n4.kerberos.test:2888:3888:observer; }} > zoo.cfg
{jaas}
setsid /opt/joiner/java.sh > log 2>&1 < /dev/null &
"""


@pytest.fixture(scope="module")
def release():
    """The release and a configuration of a member, on a host that is none."""
    for host, path in ((MEMBER, "/opt/zookeeper-3.9.5"),):
        subprocess.run(
            f"podman exec {cluster.container(host)} tar -C /opt -cf - {path.rsplit('/', 1)[1]} "
            f"| podman exec -i {cluster.container(OUTSIDE)} tar -C /opt -xf -",
            shell=True, check=True,
        )  # fmt: skip
    config = cluster.shell(MEMBER, "cat /etc/zookeeper/current/zoo.cfg")
    lines = [
        line for line in config.splitlines() if not re.match(r"data|db[.]|admin|clientPort|peerType|superUser|#", line)
    ]
    cluster.shell(
        OUTSIDE, f"mkdir -p /opt/joiner && printf '%s\\n' {shlex.quote(chr(10).join(lines))} > /opt/joiner/zoo.cfg"
    )
    java = cluster.shell(OUTSIDE, "ls -d /usr/lib/jvm/*/bin/java | head -1")
    start = (
        "#!/bin/sh\nexec " + java + " -Xmx100m $JAAS -cp '/opt/zookeeper-3.9.5/lib/*' "
        "org.apache.zookeeper.server.quorum.QuorumPeerMain /tmp/joiner/zoo.cfg\n"
    )
    cluster.shell(OUTSIDE, f"printf '%s' {shlex.quote(start)} > /opt/joiner/java.sh; chmod 755 /opt/joiner/java.sh")
    yield
    cluster.shell(OUTSIDE, STOP)


def join(keytab, principal):
    """A server on a host that is no member; the log lines that the members wrote about it."""
    section = (
        "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true "
        f'keyTab="/root/{keytab}" storeKey=true useTicketCache=false principal="{principal}";'
    )
    jaas = "".join(f"{name} {{ {section} }};\n" for name in ("Server", "QuorumServer", "QuorumLearner"))
    prepare = f"printf '%s' {shlex.quote(jaas)} > jaas; export JAAS=-Djava.security.auth.login.config=/tmp/joiner/jaas"
    config = "/opt/joiner/zoo.cfg"
    if not keytab:
        cluster.shell(OUTSIDE, "grep -v -i 'sasl\\|enforce\\|quorum.auth' /opt/joiner/zoo.cfg > /opt/joiner/plain.cfg")
        prepare, config = "export JAAS=", "/opt/joiner/plain.cfg"
    cluster.shell(OUTSIDE, STOP)
    cluster.shell(OUTSIDE, JOINER.format(config=config, jaas=prepare))


def serves():
    script = (
        "import socket; s = socket.create_connection(('127.0.0.1', 2199), 2); s.sendall(b'srvr'); print(s.recv(9999))"
    )
    try:
        return "Mode: observer" in cluster.shell(OUTSIDE, f"python3 -c {shlex.quote(script)} 2>/dev/null")
    except AssertionError:
        return False


def test_a_server_that_does_not_authenticate_does_not_join(release):
    join("", "")
    words = "Learner not trying to authenticate and authentication is required"
    cluster.until("a member refuses it", lambda: logged(words), 60)
    assert not serves()


def test_a_server_of_a_host_that_is_no_member_does_not_join(release):
    join("no-member.keytab", "zookeeper/n4.kerberos.test@KERBEROS.TEST")
    words = "zookeeper/n4.kerberos.test@KERBEROS.TEST is not authorized to connect"
    cluster.until("a member refuses it", lambda: logged(words), 60)
    assert not serves()


def test_any_key_of_a_members_host_joins_unless_the_firewall_refuses_it(release):
    """Members compare the host part only: a known limit, and why the quorum's ports belong to the members alone."""
    join("other-service.keytab", "flink/n1.kerberos.test@KERBEROS.TEST")
    cluster.until("it joined", serves, 60)
    before = {host: cluster.shell(host, "systemctl show zookeeper -p MainPID") for host in HOSTS}
    for _run in ("first", "second"):
        code, output = cluster.playbook("playbooks/zookeeper.yml", "-e", "zookeeper_firewall=true")
        assert code == 0, output
    assert not re.search(r"changed=[1-9]", output[output.index("PLAY RECAP") :]), output
    assert {host: cluster.shell(host, "systemctl show zookeeper -p MainPID") for host in HOSTS} == before
    join("other-service.keytab", "flink/n1.kerberos.test@KERBEROS.TEST")
    log = lambda: cluster.shell(OUTSIDE, "cat /tmp/joiner/log")  # noqa: E731
    cluster.until("it is refused", lambda: log().count("Connection refused") > 5, 60)
    assert not serves()
    cluster.shell(OUTSIDE, STOP)
    # The members still find each other.
    cluster.shell(HOSTS[0], "systemctl restart zookeeper")
    cluster.until("all serve", lambda: cluster.playbook("playbooks/status.yml")[0] == 0, 90, every=2)


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


def test_without_a_kdc_nothing_is_restarted():
    before = {host: cluster.shell(host, "systemctl show zookeeper -p MainPID") for host in HOSTS}
    cluster.shell(KDC, "systemctl stop krb5-kdc")
    try:
        code, output = cluster.playbook("playbooks/site.yml", "-e", "zookeeper_sync_limit=6")
        assert code != 0, output
        assert "Check kerberos_kdcs" in " ".join(output.split()), output
    finally:
        cluster.shell(KDC, "systemctl start krb5-kdc")
    assert {host: cluster.shell(host, "systemctl show zookeeper -p MainPID") for host in HOSTS} == before


def test_a_kdc_that_is_silent_delays_a_check_and_does_not_hang_it():
    """The servers know each other and go on; who asks them needs a ticket."""
    rule = f"OUTPUT -d {cluster.address(KDC)} -j DROP"
    ask = ["ansible", "-i", str(cluster.INVENTORY), MEMBER, "-b", "-m", "streamquorum.ha.leader_znode", "-a",
           f"servers={MEMBER}:2181 cluster_id=/kerberos timeout=4"]  # fmt: skip
    cluster.shell(MEMBER, f"iptables -I {rule}")
    try:
        began = time.monotonic()
        done = subprocess.run(ask, cwd=cluster.ROOT, capture_output=True, text=True)
        assert done.returncode != 0
        assert "no KDC answered within 4 s" in done.stdout
        assert time.monotonic() - began < 40
    finally:
        cluster.shell(MEMBER, f"iptables -D {rule}")


def test_a_roll_of_the_ensemble_and_a_failover_under_a_job(tmp_path):
    job = submit_job()
    before, restarts = max(counted())[0], job_restarts(job)
    evidence = ["-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={tmp_path}"]
    code, output = cluster.playbook("playbooks/site.yml", "-e", "zookeeper_sync_limit=6", *evidence)
    assert code == 0, output
    (seen,) = [json.loads(path.read_text()) for path in tmp_path.glob("*/availability.json")]
    assert (seen["probe"]["problems"], seen["flink"]) == ([], [])
    assert job_restarts(job) == restarts
    cluster.told("a roll of the secured ensemble", longest_stall_s=seen["probe"]["result"]["longest_stall_ms"] / 1000)
    leader = re.search(r"Flink: led, leader http://(\S+):", output).group(1)
    cluster.shell(leader, "systemctl stop --no-block flink-jobmanager; systemctl kill --signal=KILL flink-jobmanager")
    other = next(host for host in cluster.group("flink_jobmanager") if host != leader)
    running = lambda: cluster.rest(other, 8081, f"/jobs/{job}")["state"] == "RUNNING"  # noqa: E731
    _, took = cluster.until("the job runs again", running, 90)
    cluster.told("SIGKILL of the leading JobManager", job_running_again_s=took)
    assert checkpoints(job)["latest"]["restored"], "the job began anew instead of being restored"
    assert_nothing_lost(before)
    cluster.shell(leader, "systemctl start flink-jobmanager")
    assert state(job) == "RUNNING"
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output


def test_a_reboot_of_all_hosts_brings_everything_back():
    lab("power", "reboot", "all")
    cluster.until("the cluster serves", lambda: cluster.playbook("playbooks/status.yml")[0] == 0, 180, every=5)
