"""Two clusters of one inventory, by their own REST and znodes; and others, which other inventories have. In the order of the file."""

from __future__ import annotations

import json
import re
import subprocess

import cluster
import pytest
import yaml
from workload import counting_job, state, submit_job

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


@pytest.fixture
def jobs():
    """A job on each cluster that checkpoints, by the cluster's first host."""
    found = {}
    with counting_job() as jar:
        for host in (members[0] for members in CLUSTERS.values()):
            subprocess.run(["podman", "cp", jar, f"{cluster.container(host)}:/var/tmp/count.jar"], check=True)
            printed = cluster.shell(host, "/usr/local/bin/flink run -d -c CountJob /var/tmp/count.jar 2>&1")
            found[host] = re.search(r"JobID ([0-9a-f]{32})", printed)[1]
    cluster.until("both checkpoint", lambda: all(completed(*each) for each in found.items()), 90)
    yield found
    for host, job in found.items():
        cluster.shell(host, f"/usr/local/bin/flink cancel {job}")


def completed(host, job):
    """How many checkpoints it has completed; 0 while it does not run."""
    if cluster.rest(host, 8081, f"/jobs/{job}")["state"] != "RUNNING":
        return 0
    return cluster.rest(host, 8081, f"/jobs/{job}/checkpoints")["counts"]["completed"]


def restarts(host, job):
    (found,) = cluster.rest(host, 8081, f"/jobs/{job}/metrics?get=numRestarts")
    return int(found["value"])


def test_neither_cluster_notices_a_roll_of_the_ensemble(tmp_path, jobs):
    before, checkpoints = running(), {host: completed(host, job) for host, job in jobs.items()}
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
    for host, job in jobs.items():
        assert restarts(host, job) == 0
        cluster.until("it goes on", lambda host=host, job=job: completed(host, job) > checkpoints[host], 60)


# --- clusters of other inventories

SERVERS = ",".join(f"{host}:2181" for host in cluster.group("zookeeper"))


def another(directory, host, name, **ensemble):
    """An inventory with one host, which is a cluster by itself; with the ensemble where it is given, else only its address."""
    directory.mkdir()
    here = {**cluster.variables(host), "flink_ha_cluster_id": name}
    if not ensemble:
        here["flink_ha_zookeeper_quorum"] = SERVERS
    kinds = {"flink_jobmanager": {"hosts": {host: here}}, "flink_taskmanager": {"hosts": {host: {}}}}
    return cluster.derived(
        directory, {"all": {"children": {"lab": {"children": {"flink": {"children": kinds}, **ensemble}}}}}
    )


def started(host):
    return cluster.shell(host, "systemctl list-units --plain --no-legend --state=active 'flink-*' | wc -l") != "0"


def refused(inventory, host, words, playbook="flink.yml"):
    code, output = cluster.playbook(f"playbooks/{playbook}", inventory=inventory)
    assert code != 0, output
    assert words in " ".join(output.split()), output
    assert not started(host)


def test_trap_74_another_inventory_gets_no_cluster_id_that_is_led(tmp_path):
    before = running()
    late = "late1.clusters.test"
    refused(another(tmp_path / "late", late, "/orders"), late, "which is no JobManager of this inventory")
    assert running() == before


def test_trap_74_nor_the_jobs_of_a_cluster_that_is_stopped(tmp_path):
    """Nobody leads, and the storage is the one of the jobs: the second cluster would have taken them."""
    job = submit_job()
    for host in CLUSTERS["orders"]:
        cluster.shell(host, "systemctl stop 'flink-*'")
    late = "late1.clusters.test"
    refused(another(tmp_path / "late", late, "/orders"), late, "no host of this inventory has run Flink")
    code, output = cluster.playbook("playbooks/start.yml")
    assert code == 0, output
    cluster.until("the job goes on", lambda: state(job) == "RUNNING", 60)
    cluster.shell(CLUSTERS["orders"][0], f"/usr/local/bin/flink cancel {job}")


def test_a_cluster_of_another_inventory_starts_on_the_same_ensemble(tmp_path):
    inventory = another(tmp_path / "late", "late1.clusters.test", "/late")
    code, output = cluster.playbook("playbooks/flink.yml", inventory=inventory)
    assert code == 0, output
    with cluster.session() as client:
        assert b"late1.clusters.test" in client.get("/flink/late/leader/rest_server/connection_info")[0]
    code, output = cluster.playbook("playbooks/flink.yml", inventory=inventory)
    assert code == 0, output
    assert not re.findall(r"changed=(?!0 )", output), output


def test_a_cluster_of_another_inventory_has_the_verbs_of_the_whole(tmp_path):
    host = "late1.clusters.test"
    inventory = another(tmp_path / "late", host, "/late")
    elsewhere = "ZooKeeper: of another inventory"

    def runs(playbook, *switches):
        code, output = cluster.playbook(f"playbooks/{playbook}.yml", *switches, inventory=inventory)
        assert code == 0, output
        return output

    before = running()
    output = runs("site")
    assert elsewhere in output
    assert not re.findall(r"changed=(?!0 )", output), output
    assert elsewhere in runs("status")
    first = pids(host)
    switches = ("rolling_restart_target=all", "rolling_restart_force=true", "rolling_accept_outage=true")
    runs("rolling_restart", *(word for switch in switches for word in ("-e", switch)))
    assert not set(first.split()) & set(pids(host).split()) - {"0"}, "each process was restarted"
    runs("stop", "-e", "stop_cluster=true")
    assert not started(host)
    code, output = cluster.playbook("playbooks/status.yml", inventory=inventory)
    assert code != 0, "nobody leads"
    runs("start")
    assert elsewhere in runs("status")
    runs("upgrade")
    runs("acls")
    assert running() == before, "the ensemble, and the clusters of its inventory"


def test_trap_74_the_inventory_with_the_ensemble_gets_no_cluster_id_of_another_one_either(tmp_path):
    members = {host: cluster.variables(host) for host in cluster.group("zookeeper")}
    late = "late2.clusters.test"
    inventory = another(tmp_path / "own", late, "/late", zookeeper={"hosts": members})
    before = running()
    refused(inventory, late, "which is no JobManager of this inventory", "site.yml")
    assert running() == before


@pytest.mark.parametrize("clients", [[], [{"kind": "flink", "path": "/flink/late"}]], ids=["unknown", "known"])
def test_a_roll_says_which_cluster_it_does_not_see(clients):
    with cluster.session() as client:
        node = "/flink/late/leader/rest_server/connection_info"
        cluster.until("the other one leads", lambda: client.exists(node), 60)
    before, late = running(), pids("late1.clusters.test")
    code, output = cluster.playbook(
        "playbooks/rolling_restart.yml",
        *("-e", "rolling_restart_target=zookeeper", "-e", "rolling_restart_force=true"),
        *("-e", json.dumps({"zookeeper_clients": clients})),
    )
    assert code == 0, output
    told = " ".join(output.split())
    named = (
        "Flink at /flink/late is led by http://late1.clusters.test:8081, and no inventory of this run has it" in told
    )
    assert named == (not clients), output
    assert "/flink/orders is led" not in told
    after = running()
    assert after["zookeeper"] != before["zookeeper"]
    assert (after["orders"], pids("late1.clusters.test")) == (before["orders"], late)


# --- what leaves another configuration behind, so it is the last one


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
