"""States of a real host: a first start that was killed, wrong hosts, wrong archives. In the order of the file."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import cluster
import pytest

PLAYBOOK = "playbooks/zookeeper.yml"
HOSTS = cluster.group("zookeeper")
FIRST, SECOND, THIRD = HOSTS
SPARE = [host for host in cluster.group("lab") if host not in HOSTS]
MARKER = "/var/lib/zookeeper/initialize"
# Off the controller; a reset also ends the connections that earlier runs left open.
CUT = "INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset"


def has(host, path):
    return cluster.shell(host, f"test -e {path} && echo yes || true") == "yes"


def nothing_runs():
    return not any("active" in cluster.shell(host, "systemctl is-active zookeeper || true").split() for host in HOSTS)


def inventory(directory, members):
    """An inventory with these members, in this order; each one's id is the number in its name."""
    hosts = {host: {"ansible_host": cluster.address(host), "zookeeper_id": int(host[2])} for host in members}
    return cluster.derived(directory, {"all": {"children": {"lab": {"children": {"zookeeper": {"hosts": hosts}}}}}})


def refused(result, *words):
    code, output = result
    text = " ".join(output.split())
    assert code != 0, output
    assert all(word in text for word in words), output


def killed_when(condition, *arguments):
    """Runs the playbook and kills the controller, with all that it started, as soon as the condition holds."""
    command = ["ansible-playbook", "-i", str(cluster.INVENTORY), PLAYBOOK, *arguments]
    run = subprocess.Popen(
        command, cwd=cluster.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        cluster.until(
            "the moment to kill the controller", lambda: condition() or run.poll() is not None, 120, every=0.02
        )
        assert run.poll() is None, "the run had ended before it could be killed"
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()


# --- refusals on hosts that have nothing yet


def test_check_on_a_fresh_host_without_java_changes_nothing():
    code, output = cluster.playbook(PLAYBOOK, "--check", "--diff")
    assert code == 0, output
    assert not any(has(host, "/etc/zookeeper") or has(host, "/opt/zookeeper") for host in HOSTS)


def test_a_name_that_one_host_resolves_to_loopback_is_refused():
    cluster.shell(SECOND, f"cp /etc/hosts /etc/hosts.good; sed -i '1i 127.0.1.1 {SECOND}' /etc/hosts")
    try:
        refused(cluster.playbook(PLAYBOOK), f"{SECOND}: resolves {SECOND} to loopback", "127.0.1.1")
    finally:
        cluster.shell(SECOND, "cat /etc/hosts.good > /etc/hosts")


def test_a_port_that_somebody_else_has_is_refused():
    cluster.shell(
        THIRD,
        "systemd-run --unit=squatter python3 -c \"import socket,time; s=socket.create_server(('',2181)); time.sleep(300)\"",
    )
    try:
        cluster.until("the squatter listens", lambda: cluster.shell(THIRD, "ss -Hltn sport = :2181"), 10)
        refused(cluster.playbook(PLAYBOOK), f"{THIRD}: port 2181 (zookeeper_client_port) is in use by squatter.service")
    finally:
        cluster.shell(THIRD, "systemctl stop squatter.service")


def test_trap_04_a_host_that_cannot_be_reached_stops_the_run_before_a_change():
    cluster.shell(THIRD, f"iptables -I {CUT}")
    try:
        code, output = cluster.playbook(PLAYBOOK)
        assert code != 0, output
        assert not has(FIRST, "/etc/zookeeper")
    finally:
        cluster.shell(THIRD, f"iptables -D {CUT}")


def test_trap_20_30_31_an_archive_with_another_sum_leaves_nothing(tmp_path):
    archive = next((cluster.ROOT / ".bundle").glob("apache-zookeeper-*-bin.tar.gz"))
    wrong = ["-e", f"zookeeper_archive_file={archive}", "-e", f"zookeeper_archive_sha512={'0' * 128}"]
    refused(cluster.playbook(PLAYBOOK, *wrong), "0000000000000000", "sha512")
    missing = ["-e", f"zookeeper_archive_file={tmp_path}/none.tar.gz", "-e", f"zookeeper_archive_sha512={'0' * 128}"]
    refused(cluster.playbook(PLAYBOOK, *missing), f"{tmp_path}/none.tar.gz")
    assert not any(has(host, "/opt/zookeeper-3.9.5") for host in HOSTS)
    assert nothing_runs()


# --- a first start that was killed


def test_a_first_run_killed_before_a_start_is_finished_by_the_next():
    killed_when(lambda: any(has(host, MARKER) for host in HOSTS))
    with_marker = [host for host in HOSTS if has(host, MARKER)]
    assert with_marker, "killed too early to be of use"
    # The other half of the same accident: the marker came to some of them only.
    if len(with_marker) == len(HOSTS):
        cluster.shell(THIRD, f"rm {MARKER}")
    code, output = cluster.playbook(PLAYBOOK)
    assert code == 0, output
    assert sorted(cluster.mode(host) for host in HOSTS) == ["follower", "follower", "leader"]
    assert not any(has(host, MARKER) for host in HOSTS)


# --- all data is gone

DATA, AWAY = "/var/lib/zookeeper", "/var/lib/zookeeper.away"
SWITCH = ["-e", "zookeeper_accept_empty_ensemble=true"]


@pytest.fixture
def gone():
    """An ensemble that is down, and whose directories are mounted nowhere; its data is back and served afterwards."""
    with cluster.session() as client:
        client.create("/precious", b"value")
    for host in HOSTS:
        cluster.shell(host, "systemctl stop zookeeper")
    for host in HOSTS:
        cluster.shell(host, f"mv {DATA} {AWAY} && install -d -o zookeeper -g zookeeper -m 0750 {DATA}")
    yield
    for host in HOSTS:
        cluster.shell(host, f"systemctl stop zookeeper; rm -rf {DATA} && mv {AWAY} {DATA}")
    code, output = cluster.playbook("playbooks/start.yml")
    assert code == 0, output
    for host in HOSTS:
        with cluster.session(host) as client:
            client.sync("/")
            assert client.get("/precious")[0] == b"value"
    with cluster.session() as client:
        client.delete("/precious")


def test_trap_53_data_that_is_gone_everywhere_is_no_new_ensemble(gone):
    assert {cluster.shell(host, "stat -c '%U %a' /etc/zookeeper/served") for host in HOSTS} == {"root 644"}
    for playbook in ("playbooks/site.yml", "playbooks/start.yml"):
        refused(cluster.playbook(playbook), "No member holds data", *HOSTS, "/etc/zookeeper/served", SWITCH[1])
    assert nothing_runs()
    assert {cluster.shell(host, f"ls -A {DATA}") for host in HOSTS} == {""}


def test_trap_53_servers_that_started_over_empty_directories_are_no_new_ensemble(gone):
    """As a boot starts them, over a mount point that has what it takes; they write their epochs there."""
    for host in HOSTS:
        cluster.shell(host, f"cp -p {AWAY}/myid {DATA}; install -d -o zookeeper -g zookeeper -m 0750 {DATA}/version-2")
        cluster.shell(host, "systemctl start zookeeper")
    for host in HOSTS:
        cluster.until("it listens", lambda host=host: cluster.shell(host, "ss -Hltn sport = :2181"), 30)
    refused(cluster.playbook("playbooks/site.yml"), "No member holds data", *HOSTS)
    assert not any(has(host, MARKER) for host in HOSTS)
    assert not any(cluster.mode(host) for host in HOSTS)
    code, output = cluster.playbook("playbooks/stop.yml", "-e", "stop_cluster=true")
    assert code == 0, output
    assert nothing_runs()


def test_trap_53_with_the_switch_a_new_ensemble_is_made(gone):
    code, output = cluster.playbook(PLAYBOOK, *SWITCH)
    assert code == 0, output
    assert sorted(cluster.mode(host) for host in HOSTS) == ["follower", "follower", "leader"]
    with cluster.session() as client:
        assert client.exists("/precious") is None
    code, output = cluster.playbook(PLAYBOOK)
    assert code == 0, output
    assert output[output.index("PLAY RECAP") :].count("changed=0") == len(HOSTS) + 1, output


def test_data_survives_the_loss_of_one_members_directory():
    with cluster.session() as client:
        client.create("/kept", b"value")
    follower = next(host for host in HOSTS if cluster.mode(host) == "follower")
    cluster.shell(follower, "systemctl stop zookeeper && rm -rf /var/lib/zookeeper/version-2")
    code, output = cluster.playbook(PLAYBOOK)
    assert code == 0, output
    with cluster.session(follower) as client:
        client.sync("/")
        assert client.get("/kept")[0] == b"value"


def made_bare(host):
    everything = "/etc/zookeeper /var/lib/zookeeper /var/log/zookeeper /opt/zookeeper* /opt/streamquorum"
    cluster.shell(
        host,
        "systemctl disable --now zookeeper 2> /dev/null; "
        f"rm -rf {everything} /etc/systemd/system/zookeeper.service && userdel zookeeper && systemctl daemon-reload",
    )


def test_a_host_that_is_replaced_by_a_new_one_gets_the_data_from_the_others():
    follower = next(host for host in HOSTS if cluster.mode(host) == "follower")
    made_bare(follower)
    code, output = cluster.playbook(PLAYBOOK)
    assert code == 0, output
    with cluster.session(follower) as client:
        client.sync("/")
        assert client.get("/kept")[0] == b"value"


# --- a live ensemble


def test_trap_07_an_id_that_differs_from_the_one_on_disk_is_refused(tmp_path):
    swapped = tmp_path / "ids.yml"
    swapped.write_text("zookeeper_id: \"{{ {'zk1': 2, 'zk2': 1, 'zk3': 3}[inventory_hostname.split('.')[0]] }}\"\n")
    refused(cluster.playbook(PLAYBOOK, "-e", f"@{swapped}"), "myid says 1, and zookeeper_id is 2", "myid says 2")


def test_trap_13_15_what_is_only_staged_restarts_nothing_and_is_not_forgotten():
    before = started()
    staged = ["-e", "zookeeper_init_limit=11", "--tags", "configure"]
    for _attempt in range(2):
        refused(cluster.playbook("playbooks/site.yml", *staged), *[f"{host}: zookeeper.service: " for host in HOSTS])
    assert started() == before
    # A crash before the switch starts exactly what ran before.
    cluster.shell(SECOND, "systemctl kill --kill-whom=main --signal=KILL zookeeper")
    cluster.until("the member serves again", lambda: cluster.mode(SECOND), 60)
    assert "initLimit=10" in cluster.shell(SECOND, "cat /etc/zookeeper/current/zoo.cfg")
    code, output = cluster.playbook(PLAYBOOK)
    assert code == 0, output


def started():
    return {host: cluster.shell(host, "systemctl show zookeeper -p ExecMainStartTimestamp") for host in HOSTS}


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("zookeeper_client_port", "2182", "The client port of a live ensemble is not changed"),
        ("zookeeper_user", "daemon", "belongs to zookeeper, and zookeeper_user is daemon"),
        ("zookeeper_data_log_dir", "/var/lib/log", "but the transaction logs are in /var/lib/zookeeper"),
    ],
)
def test_what_a_live_ensemble_cannot_be_rolled_to_is_refused(variable, value, words):
    before = started()
    refused(cluster.playbook("playbooks/site.yml", "-e", f"{variable}={value}"), words)
    assert started() == before
    owners = "stat -c %U /var/lib/zookeeper /var/lib/zookeeper/version-2"
    assert {owner for host in HOSTS for owner in cluster.shell(host, owners).split()} == {"zookeeper"}


def test_a_member_whose_process_keeps_ending_is_mended_by_the_next_run():
    cluster.shell(SECOND, "systemctl stop zookeeper; chmod u+w /etc/zookeeper/current/zoo.cfg")
    cluster.shell(SECOND, "echo 'electionAlg=1' >> /etc/zookeeper/current/zoo.cfg; systemctl start zookeeper")
    cluster.until(
        "it keeps ending",
        lambda: "NRestarts=0" not in cluster.shell(SECOND, "systemctl show zookeeper -p NRestarts"),
        60,
    )
    code, output = cluster.playbook(PLAYBOOK)
    assert code == 0, output
    assert cluster.mode(SECOND)


def test_trap_33_the_order_of_the_inventory_changes_nothing(tmp_path):
    before = started()
    code, output = cluster.playbook(PLAYBOOK, inventory=inventory(tmp_path, HOSTS[::-1]))
    assert code == 0, output
    assert output[output.index("PLAY RECAP") :].count("changed=0") == len(HOSTS) + 1, output
    assert started() == before


@pytest.mark.parametrize("lost", [1, 2])
def test_status_tells_what_is_left_by_words_and_exit_code(lost):
    down = HOSTS[:lost]
    for host in down:
        cluster.shell(host, "systemctl stop zookeeper")
    time_limit = time.monotonic() + 30
    while True:
        code, output = cluster.playbook("playbooks/status.yml")
        assert code != 0, output
        if ("degraded" if lost == 1 else "lost") in output:
            break
        assert time.monotonic() < time_limit, output
    for host in down:
        cluster.shell(host, "systemctl start zookeeper")
    cluster.until("all serve", lambda: all(cluster.mode(host) for host in HOSTS), 60)


def test_status_asks_from_a_member_that_can_be_reached():
    cluster.shell(FIRST, f"iptables -I {CUT}")
    try:
        code, output = cluster.playbook("playbooks/status.yml")
    finally:
        cluster.shell(FIRST, f"iptables -D {CUT}")
    assert code != 0, "a host that cannot be reached is not all well"
    assert "3 of 3 voters serve" in " ".join(output.split()), output


# --- other voters: refused while the ensemble lives, done while it is down


def serve_with_the_data(members):
    assert sorted(cluster.mode(host) for host in members) == ["follower"] * (len(members) - 1) + ["leader"]
    for host in members:
        with cluster.session(host) as client:
            client.sync("/")
            assert client.get("/kept")[0] == b"value"


def test_voters_are_added_while_the_ensemble_is_down(tmp_path):
    five = inventory(tmp_path, [*HOSTS, *SPARE])
    refused(
        cluster.playbook("playbooks/site.yml", inventory=five),
        "the inventory has other voters than the ensemble that runs",
    )
    code, output = cluster.playbook("playbooks/stop.yml", "-e", "stop_cluster=true")
    assert code == 0, output
    code, output = cluster.playbook("playbooks/site.yml", inventory=five)
    assert code == 0, output
    serve_with_the_data([*HOSTS, *SPARE])


def test_voters_that_are_dead_are_taken_out(tmp_path):
    """As the page says: stop wants all hosts, so the others are stopped by hand."""
    five = inventory(tmp_path, [*HOSTS, *SPARE])
    for host in SPARE:
        cluster.shell(host, f"systemctl disable --now zookeeper; iptables -I {CUT}")
    refused(cluster.playbook("playbooks/stop.yml", "-e", "stop_cluster=true", inventory=five), "Nothing was changed")
    for host in HOSTS:
        cluster.shell(host, "systemctl stop zookeeper")
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    serve_with_the_data(HOSTS)


def copy_of_the_data(source, target):
    """The page's two commands, and the way from host to host."""
    read, write = (f"podman exec -i {cluster.container(host)} tar -C /var/lib/zookeeper" for host in (source, target))
    subprocess.run(f"{read} -cf - version-2 | {write} -xpf -", shell=True, check=True)


def test_one_member_with_data_is_not_left_to_elect_a_leader():
    code, output = cluster.playbook("playbooks/stop.yml", "-e", "stop_cluster=true")
    assert code == 0, output
    for host in (SECOND, THIRD):
        cluster.shell(host, "rm -rf /var/lib/zookeeper/version-2")
    for playbook in ("playbooks/site.yml", "playbooks/start.yml"):
        refused(cluster.playbook(playbook), f"Of 3 voters only {FIRST} may vote", "Most members have no data")
    assert nothing_runs()
    copy_of_the_data(FIRST, SECOND)
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    serve_with_the_data(HOSTS)


def test_the_data_is_copied_to_a_host_that_has_nothing_yet():
    code, output = cluster.playbook("playbooks/stop.yml", "-e", "stop_cluster=true")
    assert code == 0, output
    for host in (SECOND, THIRD):
        made_bare(host)
    refused(cluster.playbook("playbooks/site.yml"), f"Of 3 voters only {FIRST} may vote")
    cluster.shell(
        SECOND,
        "useradd --system --user-group --no-create-home --home-dir /var/lib/zookeeper --shell /usr/sbin/nologin zookeeper"
        " && install -d -o zookeeper -g zookeeper -m 0750 /var/lib/zookeeper",
    )
    copy_of_the_data(FIRST, SECOND)
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    serve_with_the_data(HOSTS)
