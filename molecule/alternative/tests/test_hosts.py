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
