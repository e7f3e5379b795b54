"""What operators give the services besides their configuration, on processes that run. Before the releases change."""

from __future__ import annotations

import shlex

import cluster
import pytest

SERVICES = [
    *[(host, "zookeeper", "zookeeper", "/var/log/zookeeper/zookeeper") for host in cluster.group("zookeeper")],
    *[
        (host, unit, "flink", f"/var/log/flink/{unit}")
        for unit in ("flink-jobmanager", "flink-taskmanager")
        for host in cluster.group(unit.replace("flink-", "flink_"))
    ],
]
FLINK = [service for service in SERVICES if service[2] == "flink"]
#: Has a JobManager and a TaskManager.
SHARED = next(host for host in cluster.group("flink_jobmanager") if host in cluster.group("flink_taskmanager"))
TMP = "/var/lib/flink/tmp"


def pid(host, unit):
    return int(cluster.shell(host, f"systemctl show --value -p MainPID {unit}"))


def names(host, directory):
    return set(cluster.shell(host, f"ls -A {directory}").split())


def succeeds(host, command):
    return cluster.shell(host, f"{command} >/dev/null 2>&1 && echo yes || echo no") == "yes"


def test_a_second_run_changes_nothing():
    code, output = cluster.playbook("playbooks/site.yml")
    assert code == 0, output
    recap = [line for line in output.splitlines() if "changed=" in line]
    assert recap
    assert all("changed=0 " in line for line in recap), recap


@pytest.mark.parametrize(("host", "unit"), [service[:2] for service in FLINK])
def test_a_variable_reaches_the_process_and_nobody_else(host, unit):
    wanted = cluster.variable(host, "flink_ha_environment", {})["CANARY"]
    environment = cluster.shell(host, f"tr '\\0' '\\n' < /proc/{pid(host, unit)}/environ").splitlines()
    assert f"CANARY={wanted}" in environment
    assert cluster.shell(host, f"stat -c '%U %G %a' /etc/flink/{unit}/current/environment") == "root flink 640"


@pytest.mark.parametrize(("host", "unit"), [service[:2] for service in FLINK])
def test_a_path_is_open_in_the_sandbox_and_its_neighbour_is_not(host, unit):
    cluster.shell(host, "install -d -o flink -g flink /srv/closed && chown flink:flink /srv/sink")
    inside = f"nsenter --mount --target {pid(host, unit)} setpriv --reuid=flink --regid=flink --clear-groups"
    assert succeeds(host, f"{inside} touch /srv/sink/written")
    assert not succeeds(host, f"{inside} touch /srv/closed/written")


@pytest.mark.parametrize(("host", "unit", "user", "base"), SERVICES)
def test_java_logs_its_collections_with_a_bound(host, unit, user, base):
    command = cluster.shell(host, f"tr '\\0' '\\n' < /proc/{pid(host, unit)}/cmdline").splitlines()
    (collections,) = [option for option in command if option.startswith("-Xlog:gc*")]
    assert f"file={base}-gc.log:" in collections
    assert collections.endswith("filecount=5,filesize=50m")
    assert {f"-XX:HeapDumpPath={base}.hprof", f"-XX:ErrorFile={base}-hs_err.log"} <= set(command)
    assert "Pause" in cluster.shell(host, f"cat {base}-gc.log*")


@pytest.mark.parametrize(("host", "unit", "user", "base"), SERVICES)
def test_the_log_group_reads_logs_and_nothing_else(host, unit, user, base):
    cluster.shell(host, "id shipper 2>/dev/null || useradd --groups adm shipper")
    shipper, folder = "runuser -u shipper --", base.rpartition("/")[0]
    logs = [name for name in names(host, folder) if ".log" in name and name.startswith(unit.rpartition("-")[0])]
    assert logs
    for name in logs:
        assert succeeds(host, f"{shipper} cat {folder}/{name}"), name
        assert not succeeds(host, f"{shipper} sh -c 'echo x >> {folder}/{name}'"), name
    # As Java makes a heap dump, whatever its directory says.
    dump = f"import os; os.close(os.open('{folder}/x.hprof', os.O_CREAT | os.O_WRONLY, 0o600))"
    cluster.shell(host, f"runuser -u {user} -- python3 -c {shlex.quote(dump)}")
    assert not succeeds(host, f"{shipper} cat {folder}/x.hprof")
    cluster.shell(host, f"rm {folder}/x.hprof")


@pytest.mark.parametrize(("host", "unit"), [service[:2] for service in SERVICES])
def test_a_service_has_as_many_open_files_as_the_host_can_give(host, unit):
    def hard(process):
        return int(cluster.shell(host, f"awk '/Max open files/ {{print $5}}' /proc/{process}/limits"))

    assert hard(pid(host, unit)) == min(65536, max(hard(1), 20000))


def test_trap_68_what_a_killed_task_manager_left_is_gone_and_a_job_managers_is_not():
    before, neighbour = pid(SHARED, "flink-taskmanager"), pid(SHARED, "flink-jobmanager")
    cluster.shell(SHARED, f"runuser -u flink -- mkdir {TMP}/flink-taskmanager/flink-io-of-before")
    left, others = names(SHARED, f"{TMP}/flink-taskmanager"), names(SHARED, f"{TMP}/flink-jobmanager")
    assert {name.split("_")[0] for name in left} >= {"tm"}, left
    assert others
    cluster.shell(SHARED, f"kill -9 {before}")
    cluster.until(
        "another TaskManager",
        lambda: any(name.startswith("tm_") for name in names(SHARED, f"{TMP}/flink-taskmanager") - left),
        60,
    )
    assert names(SHARED, f"{TMP}/flink-taskmanager") & left == set()
    assert names(SHARED, f"{TMP}/flink-jobmanager") >= others
    assert pid(SHARED, "flink-jobmanager") == neighbour


def test_a_host_has_several_task_managers():
    several = [
        host
        for host in cluster.group("flink_taskmanager")
        if len(cluster.variable(host, "flink_ha_taskmanager_instances", [])) == 2
    ]
    assert several
    wanted = {f"{host}:{port}" for host in cluster.group("flink_taskmanager") for port in (6122,)}
    wanted |= {f"{host}:6132" for host in several}
    registered = cluster.rest_any("/taskmanagers")["taskmanagers"]
    assert {each["id"].rpartition("-")[0] for each in registered} == wanted
    for host in several:
        assert names(host, f"{TMP}/flink-taskmanager@2")


def test_a_java_that_was_updated_under_a_process_is_told_and_nothing_is_restarted():
    before = [pid(*service[:2]) for service in SERVICES]
    java = cluster.shell(SHARED, f"readlink /proc/{pid(SHARED, 'flink-taskmanager')}/exe")
    # As a package does.
    cluster.shell(SHARED, f"cp -a {java} {java}.new && mv {java}.new {java}")
    for playbook in ("status", "site"):
        code, output = cluster.playbook(f"playbooks/{playbook}.yml")
        assert code == 0, output
        # Ansible folds long lines.
        told = " ".join(output.split())
        assert f"{SHARED}: flink-taskmanager.service runs a Java that was updated since its start" in told
    assert [pid(*service[:2]) for service in SERVICES] == before
