"""Flink on YARN: a session from its first start to its end, then an application with one job. In the order of the file."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import cluster
import pytest
from workload import (
    assert_nothing_lost,
    attempts,
    checkpoints,
    counted,
    counting_job,
    job_restarts,
    kill_the_master,
    listed,
    run_job,
    state,
    submit_job,
    wait_for_checkpoint,
)

CLEAN, SITE, STATUS = "playbooks/clean.yml", "playbooks/site.yml", "playbooks/status.yml"
STOP = ("playbooks/stop.yml", "-e", "stop_cluster=true")
CLIENTS, NODES = cluster.group("flink_client"), cluster.group("hadoop_nodemanager")
UNIT = "flink-yarn-orders"
ATTEMPTS = cluster.variable(CLIENTS[0], "flink_ha_yarn_application_attempts", 0)
#: Seconds until YARN has started another ApplicationMaster, and the job runs again.
BACK = 90
#: Another configuration, which no application that runs has.
OTHER = ("-e", "flink_ha_parallelism=2")


def unchanged(printed):
    return all(int(count) == 0 for count in re.findall(r"changed=(\d+)", printed))


def ran(*arguments, code=0):
    """What a playbook printed, which ended so."""
    found, printed = cluster.playbook(*arguments)
    assert found == code, printed
    return printed


def refused(*arguments):
    """Why a run was refused; it has changed nothing."""
    before = cluster.applications()
    printed = ran(*arguments, code=2)
    assert unchanged(printed), printed
    assert [each["id"] for each in cluster.applications()] == [each["id"] for each in before]
    return " ".join(printed.split())


def session():
    return next(each for each in cluster.applications() if each["id"] == cluster.application())


def watched(host):
    """What the unit on a client says, and whether it is active."""
    says = cluster.shell(host, f"journalctl -u {UNIT} -o cat")
    return says, cluster.shell(host, f"systemctl is-active {UNIT} || true")


@pytest.fixture(scope="module")
def job():
    return submit_job()


@pytest.mark.short
def test_the_session_is_the_one_that_the_inventory_asks_for():
    found = session()
    tags = found["applicationTags"].split(",")
    assert (found["state"], found["name"], found["user"], found["queue"].rpartition(".")[2]) == (
        "RUNNING",
        "orders",
        "flink",
        "streams",
    )
    assert "streamquorum-orders" in tags
    assert [tag for tag in tags if re.fullmatch("generation-[0-9a-f]+", tag)]
    # The application's own id is the cluster's.
    with cluster.session() as client:
        names = client.get_children("/flink")
    assert found["id"] in names
    assert all(name.startswith("application_") for name in names)
    for host in CLIENTS:
        says, active = watched(host)
        assert (active, f"{found['id']} is RUNNING" in says) == ("active", True), says


@pytest.mark.short
def test_a_job_runs_there_and_comes_back_when_the_master_is_killed(job):
    before, application, number = max(counted())[0], cluster.application(), len(attempts(cluster.application()))
    began = time.monotonic()
    kill_the_master()
    cluster.until("another attempt", lambda: len(attempts(application)) == number + 1, BACK)
    cluster.until(
        "the job runs again", lambda: state(job) == "RUNNING" and checkpoints(job)["latest"]["restored"], BACK
    )
    cluster.told("SIGKILL of the ApplicationMaster", job_running_again_s=time.monotonic() - began)
    assert checkpoints(job)["latest"]["restored"]["external_path"].startswith(
        cluster.variable(CLIENTS[0], "flink_ha_checkpoint_dir", "") + f"/{job}/chk-"
    )
    assert_nothing_lost(before)
    assert cluster.application() == application
    # It only looks, and goes on looking.
    assert {watched(host)[1] for host in CLIENTS} == {"active"}


@pytest.mark.short
def test_a_run_finds_the_one_that_runs_and_changes_nothing(job):
    application = cluster.application()
    printed = ran(SITE)
    assert unchanged(printed), printed
    assert f"Flink on YARN, {application}: led, leader http://" in printed
    assert (cluster.application(), state(job)) == (application, "RUNNING")
    # The one that was killed, and how its log ends.
    assert f"{application}: Attempt 1 ran on " in " ".join(ran(STATUS).split())
    printed = ran(STATUS)
    assert f"Flink on YARN, {application}: led" in printed
    assert job in printed


def test_the_end_of_the_unit_and_of_its_host_ends_nothing(job):
    application = cluster.application()
    cluster.shell(CLIENTS[0], f"systemctl stop {UNIT}")
    cluster.shell(CLIENTS[1], f"systemctl kill --signal=KILL {UNIT}")
    cluster.until("the unit has ended", lambda: watched(CLIENTS[1])[1] != "active")
    assert (cluster.application(), state(job)) == (application, "RUNNING")
    printed = ran(SITE)
    assert {watched(host)[1] for host in CLIENTS} == {"active"}, printed
    assert (cluster.application(), job_restarts(job)) == (application, 0)


def test_trap_47_what_yarn_would_not_do_is_refused():
    told = refused(SITE, "-e", f"flink_ha_yarn_application_attempts={ATTEMPTS + 1}")
    assert f"the ResourceManager that runs has yarn.resourcemanager.am.max-attempts {ATTEMPTS}" in told
    assert "<name>yarn.resourcemanager.am.global.max-attempts</name>" in told
    told = refused(SITE, "-e", "flink_ha_yarn_queue=nowhere")
    assert "flink_ha_yarn_queue is nowhere, and YARN has no such queue: it has default, " in told
    assert "flink_ha_cluster_id is /orders" in refused(SITE, "-e", "flink_ha_cluster_id=/orders")
    assert f"--limit leaves out {CLIENTS[1]}" in refused(SITE, "--limit", f"zookeeper,{CLIENTS[0]},localhost")


def test_another_session_is_refused_while_jobs_run(job):
    told = refused(SITE, *OTHER)
    assert (
        f"{cluster.application()} was started with something else than the inventory asks for, and 1 job(s) run there"
        in told
    )
    assert state(job) == "RUNNING"


def test_the_job_does_not_notice_that_the_resource_manager_dies(job):
    before, application = max(counted())[0], cluster.application()
    (active,) = [
        host
        for host in cluster.group("hadoop_resourcemanager")
        if cluster.shell(host, "curl -s http://$(hostname):8088/ws/v1/cluster/info").count('"haState":"ACTIVE"')
    ]
    # It must not come back before its session ends: the other one has to take over.
    cluster.shell(
        active, "systemctl stop --no-block yarn-resourcemanager; systemctl kill --signal=KILL yarn-resourcemanager"
    )
    _found, took = cluster.until("another ResourceManager", lambda: cluster.resource_manager("/info"), BACK)
    cluster.told("SIGKILL of the active ResourceManager", another_active_s=took)
    cluster.until("YARN knows the session", lambda: cluster.application() == application, BACK)
    assert_nothing_lost(before)
    assert (job_restarts(job), len(attempts(application))) == (0, 2)
    ran(SITE)
    cluster.shell(active, "systemctl start yarn-resourcemanager")


def test_a_roll_of_the_ensemble_looks_after_the_job(job):
    before = max(counted())[0]
    printed = ran(
        "playbooks/rolling_restart.yml", "-e", "rolling_restart_target=zookeeper", "-e", "rolling_restart_force=true"
    )
    # Before the first member and after each: the session's jobs are looked at as any cluster's.
    assert printed.count("rolling : Ask for the jobs]") == 1 + len(cluster.group("zookeeper"))
    assert_nothing_lost(before)
    assert job_restarts(job) == 0


def test_another_session_takes_its_place_with_savepoints_where_that_is_accepted(job):
    before, application = max(counted())[0], cluster.application()
    printed = ran(SITE, *OTHER, "-e", "flink_ha_yarn_accept_outage=true")
    (command,) = re.findall(r"sudo -u flink flink run --detached --fromSavepoint (\S+) JAR", printed)
    assert cluster.application() != application
    assert {watched(host)[1] for host in CLIENTS} == {"active"}
    record = json.loads(cluster.shell(CLIENTS[0], f"cat /etc/flink/savepoints-{application}.json"))
    assert [(each["id"], each["savepoint"]) for each in record["jobs"]] == [(job, command)]
    with cluster.session() as client:
        # What ended well leaves nothing.
        cluster.until("the nodes are gone", lambda: application not in client.get_children("/flink"), 30)
    resumed = run_job("--fromSavepoint", command)
    wait_for_checkpoint(resumed, 1)
    assert_nothing_lost(before)
    printed = ran(SITE, *OTHER)
    assert unchanged(printed), printed


def test_beyond_its_attempts_it_fails_and_says_so():
    application = cluster.application()
    for number in range(1, ATTEMPTS + 1):
        cluster.until(f"attempt {number}", lambda number=number: len(attempts(application)) == number, BACK)
        cluster.until("its JobManager serves", lambda: cluster.rest_any("/overview"), BACK)
        kill_the_master()
    (found,), _took = cluster.until(
        "the end",
        lambda: [each for each in cluster.applications() if (each["id"], each["state"]) == (application, "FAILED")],
        BACK,
    )
    assert f"failed {ATTEMPTS} times" in found["diagnostics"]
    cluster.until("the unit has failed", lambda: watched(CLIENTS[0])[1] == "failed", 30)
    assert f"failed {ATTEMPTS} times" in watched(CLIENTS[0])[0]
    printed = ran(STATUS, code=2)
    assert f"no application with the tag streamquorum-orders runs on YARN; {application} is FAILED" in " ".join(
        printed.split()
    )


def test_trap_48_two_runs_at_once_start_one_session():
    printed = []
    runs = [threading.Thread(target=lambda: printed.append(cluster.playbook(SITE))) for _each in range(2)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    # The other one was refused by the lease, or it came late enough to find the session.
    assert 0 in [code for code, _text in printed], printed
    for code, text in printed:
        assert code == 0 or "another run is at work" in " ".join(text.split()), text
    assert cluster.application()


def test_the_stop_takes_savepoints_and_leaves_nothing():
    application, resumed = cluster.application(), run_job()
    wait_for_checkpoint(resumed, 1)
    printed = ran(*STOP)
    assert "sudo -u flink flink run --detached --fromSavepoint hdfs://" in printed
    (ended,) = [each for each in cluster.applications() if each["id"] == application]
    assert (ended["state"], ended["finalStatus"]) == ("FINISHED", "SUCCEEDED")
    assert {watched(host)[1] for host in CLIENTS} == {"inactive"}
    ran("playbooks/start.yml")
    with cluster.session() as client:
        assert application not in client.get_children("/flink")
    assert cluster.application() != application


@pytest.mark.parametrize("version", ["1.20.5", "1.18.1"])
def test_a_session_of_an_older_release(version):
    """What vendors bring with YARN today. Another release is another session."""
    ran("playbooks/bundle.yml", "-e", json.dumps({"bundle_contents": [{"name": "flink", "version": version}]}))
    # The options of 2.3 that the inventory has are not those of the release.
    older = ("-e", json.dumps({"flink_ha_version": version, "flink_ha_config_extra": {}}))
    ran(SITE, *older, "-e", "flink_ha_yarn_accept_outage=true")
    assert cluster.rest_any("/overview")["flink-version"] == version
    job, application = submit_job(version), cluster.application()
    before, began = max(counted())[0], time.monotonic()
    kill_the_master()
    cluster.until("another attempt", lambda: len(attempts(application)) == 2, BACK)
    cluster.until(
        "the job runs again", lambda: state(job) == "RUNNING" and checkpoints(job)["latest"]["restored"], BACK
    )
    cluster.told(f"SIGKILL of the ApplicationMaster, {version}", job_running_again_s=time.monotonic() - began)
    assert_nothing_lost(before)
    printed = ran(SITE, *older)
    assert unchanged(printed), printed


# --- an application with one job


@pytest.fixture(scope="module")
def asked():
    """What an inventory with the counting job says more; each argument another one."""
    with counting_job("1.18.1") as jar:
        sha512 = hashlib.sha512(Path(jar).read_bytes()).hexdigest()

        def _asked(*arguments, version="2.3.0", name="CountJob", **more):
            job = {"jar": jar, "sha512": sha512, "class": name, "arguments": arguments}
            extra = {} if version == "2.3.0" else {"flink_ha_config_extra": {}}
            return "-e", json.dumps({"flink_ha_yarn_job": job, "flink_ha_version": version, **extra, **more})

        yield _asked


def the_job():
    """Id of the one job."""
    (found,) = [each["jid"] for each in cluster.rest_any("/jobs/overview")["jobs"]]
    return found


def assert_it_went_on(before, application):
    """Another application has the job, from where that one ended."""
    assert cluster.application() != application
    job = the_job()
    assert checkpoints(job)["latest"]["restored"]["is_savepoint"]
    assert_nothing_lost(before)
    with cluster.session() as client:
        cluster.until("the nodes are gone", lambda: application not in client.get_children("/flink"), 30)
    return job


def stood_still(printed):
    (seconds,) = re.findall(r"the job stood still for\s+(\d+) s", printed)
    return int(seconds)


def test_a_session_is_not_made_an_application(asked):
    told = refused(SITE, *asked(version="1.18.1"))
    assert "is in session mode, and the inventory asks for application mode" in told
    ran(*STOP, "--tags", "flink_ha")
    # Which of the session's savepoints are of this job, nobody knows.
    told = refused(SITE, *asked(version="1.18.1"))
    assert "from which savepoint the job is to start is not known here" in told
    assert "count ended with the savepoint hdfs://" in told


def test_an_application_runs_its_job_and_a_run_finds_it(asked):
    # An argument comes as it was given, whatever a shell would make of it.
    inventory = asked("it's", "$HOME", version="1.18.1")
    ran(SITE, *inventory, "-e", "flink_ha_accept_lost_jobs=true")
    job, application = the_job(), cluster.application()
    assert session()["applicationTags"].count("mode-application") == 1
    config = {each["key"]: each["value"] for each in cluster.rest_any("/jobmanager/config")}
    assert config["$internal.application.program-args"] in ("it's;$HOME", "'it''s';$HOME")
    wait_for_checkpoint(job, 2)
    printed = ran(SITE, *inventory)
    assert unchanged(printed), printed
    before, number = max(counted())[0], len(attempts(application))
    kill_the_master()
    cluster.until("another attempt", lambda: len(attempts(application)) == number + 1, BACK)
    cluster.until(
        "the job runs again", lambda: state(job) == "RUNNING" and checkpoints(job)["latest"]["restored"], BACK
    )
    assert_nothing_lost(before)


@pytest.mark.parametrize("version", ["1.20.5", "2.3.0"])
def test_another_release_goes_on_from_a_savepoint(asked, version):
    before, application = max(counted())[0], cluster.application()
    printed = ran(SITE, *asked(version=version))
    cluster.told(f"Another release, {version}", job_stood_still_s=stood_still(printed))
    assert cluster.rest_any("/overview")["flink-version"] == version
    assert_it_went_on(before, application)
    printed = ran(SITE, *asked(version=version))
    assert unchanged(printed), printed


def test_other_arguments_go_on_from_a_savepoint_also_where_the_run_is_killed_between(asked):
    before, application = max(counted())[0], cluster.application()
    command = ["ansible-playbook", "-i", str(cluster.INVENTORY), SITE, *asked("other")]
    run = subprocess.Popen(
        command, cwd=cluster.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        ended = ("FINISHED", "SUCCEEDED")
        cluster.until(
            "the old one has ended",
            lambda: [
                each
                for each in cluster.applications()
                if each["id"] == application and (each["state"], each["finalStatus"]) == ended
            ],
            BACK,
            every=0.2,
        )
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    # Its lease ends with it, once the host has missed it.
    cluster.until("a run that is let in", lambda: cluster.playbook(SITE, *asked("other"))[0] == 0, BACK)
    assert_it_went_on(before, application)
    assert len([each for each in cluster.applications() if each["state"] == "RUNNING"]) == 1


def test_one_that_does_not_start_is_told_and_nothing_begins_anew(asked):
    before, application = max(counted())[0], cluster.application()
    # At its first attempt: one takes half a minute.
    once = asked(name="NoSuchJob", flink_ha_yarn_application_attempts=1)
    printed = " ".join(ran(SITE, *once, code=2).split())
    assert "NoSuchJob" in printed
    failed = max(cluster.applications(), key=lambda each: each["startedTime"])
    assert (failed["state"], failed["finalStatus"]) == ("FAILED", "FAILED")
    told = refused(SITE, *asked())
    (savepoint,) = set(re.findall(r"It had started from (hdfs:\S+)\. Look", told))
    assert "flink_ha_yarn_savepoint is set, and a session starts no job" in refused(
        SITE, "-e", f"flink_ha_yarn_savepoint={savepoint}"
    )
    ran(SITE, *asked(), "-e", f"flink_ha_yarn_savepoint={savepoint}")
    assert_it_went_on(before, application)
    printed = ran(SITE, *asked(), "-e", f"flink_ha_yarn_savepoint={savepoint}")
    assert unchanged(printed), printed
    told = refused(SITE, *asked(), "-e", f"flink_ha_yarn_savepoint={savepoint}-other")
    assert f"flink_ha_yarn_savepoint is set, and {cluster.application()} runs" in told


def test_an_application_that_was_stopped_is_started_from_its_savepoint(asked):
    stop = (*STOP, "--tags", "flink_ha", *asked())
    wait_for_checkpoint(the_job(), 1)
    before, application = max(counted())[0], cluster.application()
    ran(*stop)
    record = f"cat /etc/flink/savepoints-{application}.json"
    assert cluster.shell(CLIENTS[0], record) == cluster.shell(CLIENTS[1], record)
    # The host that submits it may be a new one: what another knows counts.
    cluster.shell(CLIENTS[0], "rm /etc/flink/savepoints-*")
    ran("playbooks/start.yml", *asked())
    job = assert_it_went_on(before, application)
    # Where nobody knows, it is not begun from nothing.
    wait_for_checkpoint(job, 1)
    before, application = max(counted())[0], cluster.application()
    ran(*stop)
    (noted,) = json.loads(cluster.shell(CLIENTS[1], f"cat /etc/flink/savepoints-{application}.json"))["jobs"]
    for host in CLIENTS:
        cluster.shell(host, "rm /etc/flink/savepoints-*")
    told = refused("playbooks/start.yml", *asked())
    assert f"{application} is FINISHED, SUCCEEDED, and from which savepoint the job is to start is not known" in told
    ran("playbooks/start.yml", *asked(), "-e", f"flink_ha_yarn_savepoint={noted['savepoint']}")
    assert_it_went_on(before, application)


# --- what is left of those that failed

EXPORT = "/.streamquorum-znodes-"
CLEANED = ("-e", "flink_ha_clean=true")


def known_to_zookeeper():
    with cluster.session() as client:
        return client.get_children("/flink")


def recovery(application):
    """What stands in the directory of an application in the storage, and that itself."""
    return [path for path in listed("/flink/recovery") if path.startswith(f"/flink/recovery/{application}")]


def uploaded(application):
    """The same of the directory that Flink has uploaded it to."""
    return [path for path in listed("/user/flink/.flink") if path.startswith(f"/user/flink/.flink/{application}")]


@pytest.fixture(scope="module")
def left():
    """Ids of applications that have ended and still have nodes."""
    ended = [each["id"] for each in cluster.applications() if each["state"] in ("FAILED", "KILLED")]
    found = [each for each in ended if each in known_to_zookeeper()]
    assert found, "no application has left anything"
    return found


def test_what_failed_applications_have_left_is_listed_and_nothing_removed(left):
    printed = " ".join(ran(STATUS).split())
    for each in left:
        assert re.search(
            rf"{each} has \d+ nodes in ZooKeeper and no process: its application is (FAILED|KILLED)", printed
        )
        # Flink removes what it has uploaded only where its last JobManager ends well.
        assert f"{each}: has ended, and what Flink uploaded for it is in hdfs://" in printed
        assert uploaded(each)
    printed = ran(CLEAN)
    assert "Nothing was removed." in printed
    assert unchanged(printed), printed
    assert cluster.application() not in re.findall(r"(application_\w+): \d+ nodes", printed)
    assert set(left) < set(known_to_zookeeper())


def test_trap_76_what_they_have_left_is_removed_and_kept_and_what_runs_is_not_touched(left):
    running, job = cluster.application(), the_job()
    ran(CLEAN, *CLEANED)
    assert not set(left) & set(known_to_zookeeper())
    assert not [path for each in left for path in uploaded(each)]
    assert uploaded(running)
    assert ": has ended, and what Flink uploaded" not in " ".join(ran(STATUS).split())
    for each in left:
        assert any(EXPORT in path for path in recovery(each))
    assert (cluster.application(), state(job), job_restarts(job)) == (running, "RUNNING", 0)
    printed = ran(CLEAN, *CLEANED)
    assert unchanged(printed), printed
    ran(CLEAN, *CLEANED, "-e", "flink_ha_clean_purge_age=0")
    assert not [path for each in left for path in recovery(each)]
    assert (recovery(running) != [], running in known_to_zookeeper(), state(job)) == (True, True, "RUNNING")


def test_trap_76_a_cluster_that_is_stopped_goes_only_by_its_id_and_its_age():
    """Its nodes are all that it has, and no process says that it is needed."""
    with cluster.session() as client:
        client.create("/flink/team/sales/jobs/a1", b"pointer", makepath=True)
        assert "team/sales: 3 nodes, 1 jobs; no inventory of this run names it" in ran(CLEAN, *CLEANED)
        asked = (CLEAN, *CLEANED, "-e", json.dumps({"flink_ha_clean_ids": ["/team/sales"]}))
        assert "days ago, and 30 are asked for" in " ".join(ran(*asked).split())
        assert client.exists("/flink/team/sales/jobs/a1")
        ran(*asked, "-e", "flink_ha_clean_age=0")
        assert not client.exists("/flink/team/sales")
        # What it has in the storage is nobody's to remove but the operator's.
        ran(CLEAN, *CLEANED, "-e", "flink_ha_clean_purge_age=0")
    assert [path for path in listed("/flink/recovery") if path.startswith(f"/flink/recovery/team/sales{EXPORT}")]
    told = refused(*asked)
    assert "there is no team/sales of flink_ha_clean_ids" in told
