"""Flink by TLS: who is served, who is refused, and that everything of ours goes on. In the order of the file."""

from __future__ import annotations

import datetime
import http.client
import re
import socket
import ssl
import subprocess
import time

import cluster
import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.pki import certificates
from workload import TASK_MANAGERS, assert_nothing_lost, counted, kill_the_leader, leader_by_a_member, state, submit_job

JOB_MANAGERS = cluster.group("flink_jobmanager")
HOSTS = [*JOB_MANAGERS, *TASK_MANAGERS]
NAME = "flink-tls"
AUTHORITIES = cluster.ROOT / ".lab/flink-tls/authorities"
CANARY = "store-canary"
# What they were made of is in their names.
STORES = "$(ls /etc/flink/tls/flink-*.p12 | grep -v /flink-ca-)"


def context(authority, certificate=None):
    made = ssl.create_default_context(cafile=str(authority))
    # Hosts are reached by their addresses here; that names are compared is what the playbooks show.
    made.check_hostname = False
    if certificate:
        made.load_cert_chain(certificate)
    return made


OURS = AUTHORITIES / NAME / "ca.pem"
OWN = AUTHORITIES / NAME / f"{JOB_MANAGERS[0]}.flink.pem"
cluster.REST_TLS = context(OURS, OWN)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """What an attacker makes: the same names, by an authority of his own. (file with the certificate, store)."""
    folder = tmp_path_factory.mktemp("foreign")
    now = datetime.datetime.now(datetime.UTC)
    bundle, trusted = certificates.Authority(folder, "foreign").issue("jm1", NAME, HOSTS, 2, 1, now)
    (folder / "own.pem").write_text(bundle.pem())
    (folder / "own.p12").write_bytes(certificates.stores(bundle, trusted, CANARY)[0])
    return folder / "own.pem", folder / "own.p12"


def overview(tls):
    """The status of /overview, asked with the given context; raises where the handshake fails."""
    connection = http.client.HTTPSConnection(cluster.address(JOB_MANAGERS[0]), 8081, timeout=10, context=tls)
    try:
        connection.request("GET", "/overview")
        return connection.getresponse().status
    finally:
        connection.close()


def serial(host):
    """The number of the certificate that a JobManager shows, which is one for its name."""
    tls = context(OURS, OWN)
    tls.check_hostname = True
    with (
        socket.create_connection((cluster.address(host), 8081), 10) as plain,
        tls.wrap_socket(plain, server_hostname=host) as connection,
    ):
        return connection.getpeercert()["serialNumber"]


def processes():
    units = {host: "flink-jobmanager" if host in JOB_MANAGERS else "flink-taskmanager" for host in HOSTS}
    return {host: cluster.shell(host, f"systemctl show {unit} -p MainPID") for host, unit in units.items()}


def registered():
    return cluster.rest_any("/overview")["taskmanagers"]


def logged(host, unit, words, since):
    return re.search(words, cluster.shell(host, f"journalctl -u {unit} -o cat --since @{since:.0f}"))


# --- what has to work


def test_the_cluster_serves_and_says_so():
    code, output = cluster.playbook("playbooks/status.yml")
    assert code == 0, output
    assert re.search(r"Flink: led, leader https://jm\d", output), output
    assert f"{len(TASK_MANAGERS)} of {len(TASK_MANAGERS)} TaskManagers registered" in " ".join(output.split()), output


def test_a_second_run_changes_nothing():
    before = processes()
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    assert set(re.findall(r"changed=(\d+)", output)) == {"0"}, output
    assert processes() == before


@pytest.mark.parametrize("host", HOSTS)
def test_flink_goes_to_the_secure_port_only(host):
    peers = cluster.shell(host, "ss -Htn state established | awk '{print $4}'").split()
    ports = {peer.rpartition(":")[2] for peer in peers}
    assert "2281" in ports
    assert "2181" not in ports


def test_the_command_reads_rest_and_zookeeper():
    """As a member of the group flink, on a host where a JobManager is: by ZooKeeper it finds REST."""
    assert "No running jobs" in cluster.shell(JOB_MANAGERS[0], "sudo -u flink flink list 2>&1")


# --- who is refused


def test_plain_http_is_answered_by_nothing_but_a_redirect():
    connection = http.client.HTTPConnection(cluster.address(JOB_MANAGERS[0]), 8081, timeout=10)
    connection.request("GET", "/overview")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (301, b"")
    assert answer.getheader("Location", "").startswith("https://")


def test_a_client_with_our_certificate_is_served():
    assert overview(cluster.REST_TLS) == 200


def test_a_client_without_a_certificate_is_refused():
    since = time.time() - 1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        overview(context(OURS))
    words = "Empty client certificate chain"
    cluster.until("the JobManager says why", lambda: logged(JOB_MANAGERS[0], "flink-jobmanager", words, since), 20)


def test_a_certificate_of_another_authority_is_refused(foreign):
    since = time.time() - 1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        overview(context(OURS, foreign[0]))
    words = "PKIX path (building|validation) failed"
    cluster.until("the JobManager says why", lambda: logged(JOB_MANAGERS[0], "flink-jobmanager", words, since), 20)


def test_a_task_manager_with_a_foreign_certificate_is_not_registered(foreign):
    host = TASK_MANAGERS[-1]
    cluster.shell(host, f"systemctl stop flink-taskmanager; cp -a {STORES} /root/own.p12")
    try:
        cluster.until("it is missed", lambda: registered() == len(TASK_MANAGERS) - 1, 120, every=1)
        subprocess.run(["podman", "cp", str(foreign[1]), f"{cluster.container(host)}:/root/foreign.p12"], check=True)
        since = time.time() - 1
        cluster.shell(host, f"cat /root/foreign.p12 > {STORES}; systemctl start flink-taskmanager")
        # Java shows none where it has none of the authority that is asked for.
        words = rf"Remote connection to \[/{cluster.address(host)}:\d+\] failed with \S*SSLHandshakeException"

        def refused():
            return any(logged(each, "flink-jobmanager", words, since) for each in JOB_MANAGERS)

        cluster.until("a JobManager refuses it", refused, 90, every=1)
        assert cluster.shell(host, "systemctl is-active flink-taskmanager") == "active"
        assert registered() == len(TASK_MANAGERS) - 1
    finally:
        cluster.shell(host, f"cat /root/own.p12 > {STORES}; rm /root/own.p12; systemctl restart flink-taskmanager")
    cluster.until("with its own certificate it is back", lambda: registered() == len(TASK_MANAGERS), 120, every=1)


# --- secrets


@pytest.mark.parametrize("host", HOSTS)
def test_keys_are_the_groups_and_the_password_is_nowhere_else(host):
    modes = cluster.shell(host, "stat -c '%a %U %G %n' /etc/flink/tls /etc/flink/tls/*").splitlines()
    assert modes[0] == "750 root flink /etc/flink/tls"
    for line in modes[1:]:
        mode, owner, _group, path = line.split()
        assert owner == "root", line
        assert mode == ("444" if path.endswith("-ca.pem") else "440"), line
    assert len([line for line in modes if line.endswith(".p12")]) == 2, "stores that no process reads any more are kept"
    assert CANARY not in cluster.shell(host, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert CANARY not in cluster.shell(host, "journalctl -o cat; cat /var/log/flink/* /etc/streamquorum/*")
    # Whatever holds it is closed to others.
    assert not cluster.shell(
        host, f"find / -xdev -type f -perm -004 -size -1M ! -path '/proc/*' -exec grep -l {CANARY} {{}} + || true"
    )


def test_no_secret_is_printed():
    code, output = cluster.playbook(
        "playbooks/site.yml", "-vvv", "--diff", "--check", "-e", "flink_ha_jobmanager_memory=1000m"
    )
    assert code == 0, output
    assert CANARY not in output
    assert "PRIVATE KEY" not in output


# --- what goes on working


@pytest.fixture(scope="module")
def job():
    return submit_job()


def test_a_roll_of_the_job_managers_under_a_job(job):
    before, workers = max(counted())[0], {host: pid for host, pid in processes().items() if host in TASK_MANAGERS}
    code, output = cluster.playbook("playbooks/site.yml", "-e", "flink_ha_jobmanager_memory=1000m")
    assert code == 0, output
    assert_nothing_lost(before)
    assert {host: pid for host, pid in processes().items() if host in TASK_MANAGERS} == workers


def test_rest_is_switched_to_plain_http_and_back_under_a_job(job):
    before = max(counted())[0]
    secure, cluster.REST_TLS = cluster.REST_TLS, None
    try:
        code, output = cluster.playbook("playbooks/site.yml", "-e", "flink_ha_rest_tls=none")
        assert code == 0, output
        assert "leader http://" in output
        assert state(job) == "RUNNING"
    finally:
        cluster.REST_TLS = secure
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    assert "leader https://" in output
    assert_nothing_lost(before)
    access = cluster.shell(JOB_MANAGERS[0], "cat /etc/streamquorum/flink-client.json")
    assert '"http"' not in access, "plain http must not be tried any more"


def test_a_killed_leader_is_followed_by_the_other(job):
    kill_the_leader(job, leader_by_a_member)
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output


def test_a_renewed_certificate_is_rolled(job):
    before, old, processes_before = max(counted())[0], {host: serial(host) for host in JOB_MANAGERS}, processes()
    # Every certificate of the private authorities ends before that.
    code, output = cluster.playbook("playbooks/site.yml", "-e", "tls_renew_days=398")
    assert code == 0, output
    assert all(serial(host) != old[host] for host in JOB_MANAGERS)
    assert all(pid != processes_before[host] for host, pid in processes().items())
    assert_nothing_lost(before)
    assert state(job) == "RUNNING"
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    assert set(re.findall(r"changed=(\d+)", output)) == {"0"}, output


def test_another_password_of_the_stores_is_rolled(job):
    before, processes_before = max(counted())[0], processes()
    for change in (["-e", f"flink_ha_tls_store_password={CANARY}-2"], []):
        code, output = cluster.playbook("playbooks/site.yml", *change)
        assert code == 0, output
        assert all(pid != processes_before[host] for host, pid in processes().items())
        assert_nothing_lost(before)
        assert state(job) == "RUNNING"
        before, processes_before = max(counted())[0], processes()
    for host in HOSTS:
        assert len(cluster.shell(host, "ls /etc/flink/tls/*.p12").split()) == 2, "those of before are removed"
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    assert set(re.findall(r"changed=(\d+)", output)) == {"0"}, output


# --- what would not work


def test_the_processes_own_tls_is_not_switched_while_they_run():
    before = processes()
    code, output = cluster.playbook("playbooks/site.yml", "-e", "flink_ha_internal_tls=false")
    assert code != 0
    assert "this is not rolled" in " ".join(output.split()), output
    assert processes() == before
