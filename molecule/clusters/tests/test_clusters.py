"""Two clusters of one inventory, by their own REST and znodes. In the order of the file."""

from __future__ import annotations

import json

import cluster
import pytest
import yaml

CLUSTERS = {"orders": ("o1.clusters.test", "o2.clusters.test"), "bills": ("b1.clusters.test", "b2.clusters.test")}
UNITS = "'flink-*' zookeeper"


def pids(host):
    return cluster.shell(host, f"systemctl show --property MainPID --value {UNITS}")


def running():
    """The processes of each cluster, and of the ensemble."""
    hosts = {**CLUSTERS, "zookeeper": tuple(cluster.group("zookeeper"))}
    return {name: [pids(host) for host in members] for name, members in hosts.items()}


@pytest.mark.parametrize("name", CLUSTERS)
def test_each_cluster_has_a_leader_and_a_task_manager_of_its_own(name):
    for host in CLUSTERS[name]:
        assert cluster.rest(host, 8081, "/overview")["taskmanagers"] == 1
    (worker,) = cluster.rest(CLUSTERS[name][0], 8081, "/taskmanagers")["taskmanagers"]
    assert CLUSTERS[name][0] in worker["path"]
    with cluster.session() as client:
        (data, _stat) = client.get(f"/flink/{name}/leader/rest_server/connection_info")
    assert any(host.encode() in data for host in CLUSTERS[name])


def test_status_shows_both(tmp_path):
    code, output = cluster.playbook("playbooks/status.yml", "-e", f"status_json={tmp_path}/status.json")
    assert code == 0, output
    for name in CLUSTERS:
        assert f"Flink /flink/{name}: led" in output
    found = json.loads((tmp_path / "status.json").read_text())
    assert sorted(each["flink"]["cluster_path"] for each in found["flink_clusters"]) == [
        "/flink/bills",
        "/flink/orders",
    ]


def test_neither_cluster_notices_a_roll_of_the_ensemble(tmp_path):
    before = running()
    code, output = cluster.playbook(
        "playbooks/rolling_restart.yml",
        *("-e", "rolling_restart_target=zookeeper", "-e", "rolling_restart_force=true"),
        *("-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={tmp_path}"),
    )
    assert code == 0, output
    (path,) = tmp_path.glob("*/availability.json")
    seen = json.loads(path.read_text())
    assert (seen["probe"]["problems"], seen["flink"]) == ([], [])
    assert len(seen["probe"]["leader_changes"]) == 2, "the leaders of both are watched"
    after = running()
    assert after["zookeeper"] != before["zookeeper"]
    assert (after["orders"], after["bills"]) == (before["orders"], before["bills"])


def test_a_change_of_one_cluster_rolls_that_one_alone(tmp_path):
    """With the client that writes throughout, which watches the leader of the cluster that is rolled."""
    before = running()
    described = yaml.safe_load((cluster.INVENTORY / "hosts.yml").read_text())
    for host in described["all"]["children"]["lab"]["children"]["flink"]["children"]["bills"]["hosts"].values():
        host["flink_ha_parallelism"] = 2
    changed = cluster.derived(tmp_path, described)
    evidence = tmp_path / "evidence"
    probe = ("-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={evidence}")
    code, output = cluster.playbook("playbooks/site.yml", *probe, inventory=changed)
    assert code == 0, output
    assert "jobmanager of bills: 1. change" in output
    assert "of orders" not in output
    after = running()
    assert after["bills"] != before["bills"]
    assert (after["orders"], after["zookeeper"]) == (before["orders"], before["zookeeper"])
    for path in evidence.glob("*/availability.json"):
        assert json.loads(path.read_text())["probe"]["problems"] == []
