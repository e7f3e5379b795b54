"""Each minor release of Flink: installed, idempotent, and its job outlives the leading JobManager."""

from __future__ import annotations

import itertools
import json

import cluster
import pytest
import yaml
from workload import assert_nothing_lost, counted, kill_the_leader, state, submit_job

TABLE = yaml.safe_load((cluster.ROOT / "roles/flink_ha/vars/main/releases.yml").read_text())["flink_ha_releases"]
#: The newest of each minor release, the oldest first.
RELEASES = [
    next(same) for _minor, same in itertools.groupby(TABLE, key=lambda each: each["version"].rpartition(".")[0])
][::-1]
#: Of Debian 12, and of the suite before it (prepare.yml).
JAVA = {17: "", 11: "/usr/lib/jvm/java-11-openjdk-amd64"}
HOSTS, MANAGERS = cluster.group("flink"), cluster.group("flink_jobmanager")
(WORKER,) = cluster.group("flink_taskmanager")
#: By minor release, the jar of the other client of ZooKeeper.
CLIENTS = {
    minor: {
        "jar": str(cluster.ROOT / f".cache/jars/zookeeper-client/{artifact}-{version}.jar"),
        "sha512": each["sha512"],
    }
    for each in yaml.safe_load((cluster.ROOT / "molecule/matrix/vars/jars.yml").read_text())["jars"]
    for _group, artifact, version in [each["artifact"].split(":")]
    for minor in {"3.5.9-14.0": ["1.14"], "3.6.3-15.0": ["1.15", "1.16"]}[version]
}
#: All that a release leaves on its hosts, and in its storage.
LEFT = "/etc/flink /opt/flink* /var/lib/flink /var/log/flink /usr/local/bin/flink /etc/systemd/system/flink-* /etc/systemd/system/*.wants/flink-* /shared/flink"


def site(given):
    return cluster.playbook("playbooks/site.yml", "-e", json.dumps(given))


@pytest.fixture(scope="module", params=RELEASES, ids=[each["version"] for each in RELEASES])
def given(request):
    """Of one release, as the only Flink that these hosts have ever had: what site is given."""
    version = request.param["version"]
    java = max(major for major in JAVA if major <= request.param["java"]["max"])
    given = {"flink_ha_version": version, "flink_ha_java_home": JAVA[java]}
    contents = {"bundle_contents": [{"name": "flink", "version": version}]}
    code, output = cluster.playbook("playbooks/bundle.yml", "-e", json.dumps(contents))
    assert code == 0, output
    try:
        code, output = site(given)
        assert code == 0, output
        yield given
    finally:
        for host in HOSTS:
            # The journal too, in which `counted` would find the job of the release before.
            cluster.shell(
                host,
                f"systemctl stop 'flink-*'; rm -rf {LEFT}; systemctl daemon-reload; journalctl --rotate --vacuum-time=1s",
            )
        with cluster.session() as client:
            client.delete("/flink", recursive=True)


@pytest.fixture(scope="module")
def job(given):
    return submit_job(given["flink_ha_version"])


def test_the_leading_job_manager_is_killed(job, given):
    restored = kill_the_leader(job, what=f"SIGKILL of the leading JobManager, Flink {given['flink_ha_version']}")
    assert restored.startswith(f"file:/shared/flink/checkpoints/{job}/chk-")


def test_another_run_changes_nothing_and_status_is_well(job, given):
    cluster.assert_nothing_changed(site(given))
    code, output = cluster.playbook("playbooks/status.yml", "-e", json.dumps(given))
    assert code == 0, output
    assert state(job) == "RUNNING"


def test_the_other_client_of_zookeeper_is_rolled_and_fails_over(job, given):
    client = CLIENTS.get(given["flink_ha_version"].rpartition(".")[0])
    if not client:
        pytest.skip("one client, or no jar of the other")
    before = max(counted())[0]
    # The job's one TaskManager is away for its step.
    code, output = site({**given, "flink_ha_libraries": [client], "rolling_accept_outage": True})
    assert code == 0, output
    name = client["jar"].rpartition("/")[2]
    for host, unit in [*((each, "flink-jobmanager") for each in MANAGERS), (WORKER, "flink-taskmanager")]:
        opened = cluster.shell(host, f"ls -l /proc/$(systemctl show {unit} -p MainPID --value)/fd")
        assert [line.rpartition("/")[2] for line in opened.splitlines() if "flink-shaded-zookeeper-" in line] == [name]
    assert_nothing_lost(before)
    what = f"SIGKILL of the leading JobManager, Flink {given['flink_ha_version']}, {name}"
    assert kill_the_leader(job, what=what).startswith(f"file:/shared/flink/checkpoints/{job}/chk-")
