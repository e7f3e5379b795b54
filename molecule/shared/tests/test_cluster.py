"""Behaviour of the cluster, whatever its size, ports and releases."""

from __future__ import annotations

import json
import re

import cluster
import pytest

ZOOKEEPER, FLINK = cluster.group("zookeeper"), cluster.group("flink")
VOTERS = [h for h in ZOOKEEPER if cluster.variable(h, "zookeeper_peer_type", "participant") == "participant"]
TASK_MANAGERS = cluster.group("flink_taskmanager")


def services(host):
    """Our units that systemd knows on a host, by name: {property: value}."""
    names = cluster.shell(host, "systemctl list-units --all --plain --no-legend 'zookeeper*' 'flink-*' | cut -d' ' -f1")
    found = {}
    for name in names.split():
        text = cluster.shell(host, f"systemctl show {name} -p ActiveState,UnitFileState,MainPID,ExecMainStartTimestamp")
        found[name] = dict(line.split("=", 1) for line in text.splitlines())
    return found


def all_services():
    return {host: services(host) for host in {*ZOOKEEPER, *FLINK}}


def test_every_service_runs_and_comes_back_after_a_boot(host):
    names = host.check_output("systemctl list-units --all --plain --no-legend 'zookeeper*' 'flink-*' | cut -d' ' -f1")
    assert names, "nothing of ours runs here"
    for name in names.split():
        service = host.service(name)
        assert service.is_running, name
        assert service.is_enabled, name


def test_there_is_one_leader_and_every_other_member_has_its_role():
    modes = {host: cluster.mode(host) for host in ZOOKEEPER}
    assert sorted(modes[host] for host in VOTERS) == ["follower"] * (len(VOTERS) - 1) + ["leader"]
    assert {modes[host] for host in ZOOKEEPER if host not in VOTERS} <= {"observer"}


def test_every_member_has_the_same_ensemble():
    lines = {
        tuple(sorted(line for line in cluster.word(host, "conf").splitlines() if line.startswith("server.")))
        for host in ZOOKEEPER
    }
    assert len(lines) == 1
    assert len(lines.pop()) == len(ZOOKEEPER)


def test_a_write_is_seen_from_all_members():
    with cluster.session(ZOOKEEPER[0]) as client:
        client.create("/test-write", b"seen", ephemeral=True)
        for host in ZOOKEEPER:
            with cluster.session(host) as other:
                other.sync("/")
                assert other.get("/test-write")[0] == b"seen", host


def test_trap_05_no_marker_of_a_first_start_is_left():
    for host in ZOOKEEPER:
        data = cluster.variable(
            host, "zookeeper_data_log_dir", cluster.variable(host, "zookeeper_data_dir", "/var/lib/zookeeper")
        )
        assert "initialize" not in cluster.shell(host, f"ls {data}").split()


def test_only_the_words_that_the_checks_need_are_answered():
    assert cluster.word(ZOOKEEPER[0], "ruok") == "imok"
    assert "not in the whitelist" in cluster.word(ZOOKEEPER[0], "dump")


def test_an_operator_has_a_shell_on_every_member():
    for host in ZOOKEEPER:
        assert cluster.shell(host, "zkcli ls /zookeeper 2> /dev/null").splitlines()[-1] == "[config, quota]", host


def documented_ports(host):
    """Ports of the table in docs/variables.md, as this host's variables set them; a JobManager's once an instance, 10 apart
    where the instance names none."""
    table = re.findall(r"^\| `(\w+_port)` \| (\S+) \|", (cluster.ROOT / "docs/variables.md").read_text(), re.M)
    instances = cluster.variable(host, "flink_ha_jobmanager_instances", [])
    named = {int(port) for instance in instances for port in instance.values()}
    return named | {
        int(number) + 10 * each
        for name, default in table
        for number in re.findall(r"\d+", str(cluster.variable(host, name, default)))
        for each in range(len(instances) or 1)
    }


def listening(host):
    """(address, port) of every socket that waits for connections and belongs to a service of ours."""
    found = cluster.shell(host, "ss -Hltnp | grep java || true").splitlines()
    return [tuple(line.split()[3].rsplit(":", 1)) for line in found]


def test_nothing_listens_but_what_the_table_of_ports_names():
    for host in {*ZOOKEEPER, *FLINK}:
        table, found = documented_ports(host), listening(host)
        assert found, host
        assert not [each for each in found if int(each[1]) not in table], (host, found)


@pytest.mark.skipif(
    not FLINK or not cluster.variable(FLINK[0], "flink_ha_firewall", False), reason="Flink's firewall is off here"
)
def test_trap_65_flinks_ports_are_closed_to_hosts_of_the_ensemble():
    """They are in no network that is declared; the machine that runs this is, and the tests of REST come from there."""
    (other, *_others) = [host for host in ZOOKEEPER if host not in FLINK]
    for host, port in cluster.job_managers():
        found = cluster.shell(
            other,
            "python3 -c 'import socket, sys; s = socket.socket(); s.settimeout(4); print(s.connect_ex((sys.argv[1], int(sys.argv[2]))))' "
            f"{cluster.address(host)} {port}",
        )
        assert found == "111", "ECONNREFUSED"
        assert cluster.rest(host, port, "/overview")["taskmanagers"] >= 1


def test_what_is_the_hosts_alone_listens_on_no_other_address():
    for host in ZOOKEEPER:
        loopback = {"127.0.0.1", "[::ffff:127.0.0.1]", "[::1]"}
        own = {cluster.address(host), f"[::ffff:{cluster.address(host)}]"} | loopback
        everywhere = cluster.variable(host, "zookeeper_quorum_listen_on_all_ips", False)
        wanted = {cluster.variable(host, "zookeeper_admin_port", 8080): loopback}
        if not everywhere:
            wanted |= {cluster.variable(host, f"zookeeper_{name}_port", port): own
                       for name, port in (("quorum", 2888), ("election", 3888))}  # fmt: skip
        found = [(address, int(port)) for address, port in listening(host) if int(port) in wanted]
        assert cluster.variable(host, "zookeeper_admin_port", 8080) in [port for _address, port in found], host
        assert not [each for each in found if each[0] not in wanted[each[1]]], (host, found)


def test_trap_34_code_units_and_configuration_belong_to_root(host):
    wrong = host.check_output(
        "sudo find /etc/zookeeper /etc/flink /etc/systemd/system/zookeeper* /etc/systemd/system/flink* "
        r"/opt /srv/opt \( ! -user root -o -perm /0022 ! -type l \) 2>/dev/null | head -5"
    )
    assert wrong == ""


def test_trap_19_no_configuration_that_may_hold_a_secret_is_world_readable(host):
    names = r"\( -name zoo.cfg -o -name flink-conf.yaml -o -name config.yaml \)"
    assert (
        host.check_output(f"sudo find /etc/zookeeper/generations /etc/flink -perm /0004 {names} 2>/dev/null | head -5")
        == ""
    )


def test_a_process_runs_the_generation_that_is_current_as_its_own_user():
    for host, units in all_services().items():
        for name, unit in units.items():
            root = "/etc/zookeeper" if name == "zookeeper.service" else f"/etc/flink/{name.removesuffix('.service')}"
            wanted = cluster.shell(host, f"readlink -f {root}/current")
            assert wanted in cluster.shell(host, f"tr '\\0' ' ' < /proc/{unit['MainPID']}/cmdline"), (host, name)
            owner = cluster.shell(host, f"stat -c %U /proc/{unit['MainPID']}")
            assert owner == ("zookeeper" if name == "zookeeper.service" else "flink"), (host, name)


@pytest.mark.skipif(not FLINK, reason="this scenario has no Flink")
class TestFlink:
    def test_every_job_manager_answers_with_the_same_cluster(self):
        slots = sum(cluster.variable(host, "flink_ha_taskmanager_slots", 0) or 0 for host in TASK_MANAGERS)
        for host, port in cluster.job_managers():
            overview = cluster.rest(host, port, "/overview")
            assert overview["taskmanagers"] == len(TASK_MANAGERS), host
            assert overview["slots-total"] >= max(slots, len(TASK_MANAGERS)), host

    def test_the_leader_in_the_znode_is_one_of_the_job_managers(self):
        with cluster.session() as client:
            leader = cluster.flink_leader(client)
        names = {(name, port) for host, port in cluster.job_managers() for name in (host, cluster.address(host))}
        assert leader in names

    def test_masters_and_workers_name_the_inventory(self):
        host = cluster.group("flink_jobmanager")[0]
        masters = cluster.shell(host, "cat /etc/flink/conf/masters").splitlines()
        assert [line for line in masters if not line.startswith("#")] == [f"{h}:{p}" for h, p in cluster.job_managers()]
        workers = cluster.shell(host, "cat /etc/flink/conf/workers").splitlines()
        assert [line for line in workers if not line.startswith("#")] == TASK_MANAGERS


def test_status_says_who_leads_and_that_all_is_well(tmp_path):
    code, output = cluster.playbook("playbooks/status.yml", "-e", f"status_json={tmp_path}/status.json")
    assert code == 0, output
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["healthy"]
    assert status["zookeeper"]["leader"]["address"] == cluster.variable(
        cluster.zookeeper_leader(), "zookeeper_address", cluster.zookeeper_leader()
    )
    assert cluster.zookeeper_leader() in output
    if FLINK:
        with cluster.session() as client:
            assert status["flink"]["leader"]["host"] == cluster.flink_leader(client)[0]
        assert len(re.findall(r":\d+ +leads ", output)) == 1, output
        slots = {host: cluster.variable(host, "flink_ha_taskmanager_slots", 2) for host in TASK_MANAGERS}
        assert all(re.search(rf"{host}:\d+ +{number} +\d+", output) for host, number in slots.items()), output


def test_trap_25_a_second_run_changes_nothing_and_no_process_is_started_again():
    before = {host: {n: u["ExecMainStartTimestamp"] for n, u in s.items()} for host, s in all_services().items()}
    cluster.assert_nothing_changed(cluster.playbook("playbooks/site.yml"))
    after = {host: {n: u["ExecMainStartTimestamp"] for n, u in s.items()} for host, s in all_services().items()}
    assert after == before
