"""Hosts leave a live cluster and come back."""

from __future__ import annotations

import cluster
import pytest
import yaml

OBSERVER = next(host for host in cluster.group("zookeeper") if "zookeeper_peer_type" in cluster.variables(host))
VOTERS = [host for host in cluster.group("zookeeper") if host != OBSERVER]
MANAGER, WORKER = cluster.group("flink_jobmanager")[-1], cluster.group("flink_taskmanager")[-1]
GONE = {"flink_jobmanager": MANAGER, "flink_taskmanager": WORKER, "zookeeper": OBSERVER}


@pytest.fixture
def site(tmp_path):
    """Runs site without the hosts that left these groups."""

    def run(*groups):
        described = yaml.safe_load((cluster.INVENTORY / "hosts.yml").read_text())
        lab = described["all"]["children"]["lab"]["children"]
        for name in groups:
            del (lab | lab["flink"]["children"])[name]["hosts"][GONE[name]]
        code, output = cluster.playbook("playbooks/site.yml", inventory=cluster.derived(tmp_path, described))
        assert code == 0, output

    return run


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("flink_ha_rest_port", 18181, "This port is not changed on a process that runs"),
        ("flink_ha_taskmanager_rpc_port", 16222, "This port is not changed on a process that runs"),
        ("flink_ha_user", "daemon", "belongs to flink, and flink_ha_user is daemon"),
        ("flink_ha_storage_dir", "file:///shared/other", "where the jars of its jobs are not"),
        (
            "flink_ha_checkpoint_dir",
            "file:///shared/other",
            "where a TaskManager that was not restarted yet may not write",
        ),
        ("flink_ha_zookeeper_path_root", "/flink", "set flink_ha_zookeeper_path_root: /streaming"),
        ("flink_ha_zookeeper_quorum", "198.18.11.21:2181", "of which it knows no server"),
        ("zookeeper_client_port", 2182, "The client port of a live ensemble is not changed"),
    ],
)
def test_what_a_live_cluster_cannot_be_rolled_to_is_refused(variable, value, words):
    everything = cluster.group("lab"), "'flink-*' zookeeper"
    before = pids(*everything)
    code, output = cluster.playbook("playbooks/site.yml", "-e", f"{variable}={value}")
    assert code != 0, output
    assert words in " ".join(output.split()), output
    assert pids(*everything) == before


def limit_on(host):
    return cluster.shell(host, "grep ^maxClientCnxns= /etc/zookeeper/current/zoo.cfg")


def test_trap_69_a_change_goes_on_without_a_dead_host_and_the_next_run_finishes_it(site):
    """The dead one is a voter of five and a TaskManager; everybody else gets the change, and nobody else waits for it."""
    change = "zookeeper_max_client_cnxns=77"
    others = [host for host in cluster.group("zookeeper") if host != WORKER]
    cluster.power("off", WORKER)
    try:
        before = pids(others, "zookeeper")
        code, output = cluster.playbook("playbooks/site.yml", "-e", change)
        assert code != 0, output
        assert pids(others, "zookeeper") == before
        code, output = cluster.playbook("playbooks/site.yml", "-e", change, "-e", f"accept_unreachable={WORKER}")
        assert code == 0, output
        assert f"left as they are: {WORKER}" in " ".join(output.split())
        assert {limit_on(host) for host in others} == {"maxClientCnxns=77"}
    finally:
        cluster.power("on", WORKER)
    cluster.until("it serves as before", lambda: cluster.mode(WORKER) == "follower")
    rolled = pids(others, "zookeeper")
    code, output = cluster.playbook("playbooks/site.yml", "-e", change)
    assert code == 0, output
    assert limit_on(WORKER) == "maxClientCnxns=77"
    assert pids(others, "zookeeper") == rolled
    site()


def leave(host, unit):
    cluster.shell(host, f"systemctl disable --now {unit}")


def pids(hosts, units):
    return {host: cluster.shell(host, f"systemctl show {units} -p MainPID") for host in hosts}


def test_hosts_of_flink_leave_and_nothing_else_is_restarted(site):
    rest = [host for host in cluster.group("flink") if host not in GONE.values()]
    before = pids(rest, "'flink-*'"), pids(cluster.group("zookeeper"), "zookeeper")
    leave(MANAGER, "flink-jobmanager")
    leave(WORKER, "flink-taskmanager")
    site("flink_jobmanager", "flink_taskmanager")
    assert (pids(rest, "'flink-*'"), pids(cluster.group("zookeeper"), "zookeeper")) == before


def test_an_observer_leaves_a_live_ensemble(site):
    leave(OBSERVER, "zookeeper")
    site(*GONE)
    # Not `conf`: a member that is restarted takes the list from the leader, so the old one lives until all were down.
    for host in VOTERS:
        assert OBSERVER not in cluster.shell(host, "cat /etc/zookeeper/current/zoo.cfg")
    assert sorted(cluster.mode(host) for host in VOTERS) == ["follower"] * (len(VOTERS) - 1) + ["leader"]


def test_all_of_them_come_back(site):
    """What they are afterwards is what the tests of every cluster look at next."""
    site()
    assert cluster.mode(OBSERVER) == "observer"
