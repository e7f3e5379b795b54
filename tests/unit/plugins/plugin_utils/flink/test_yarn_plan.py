"""The plan of a client host of YARN: what is refused, what is written, and what is to be done with the application that runs."""

from __future__ import annotations

import json

import pytest
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn.application import Seen, generation
from unit.plugins.plugin_utils import roles

UNIT = "flink-yarn-orders.service"
INPUTS = {
    "flink_ha_deployment": "yarn",
    "flink_ha_cluster_id": "",
    "flink_ha_yarn_name": "orders",
    "flink_ha_rest_open": True,
    "flink_ha_hadoop_classpath": "/opt/hadoop/*",
    "flink_ha_hadoop_conf_dir": "/etc/hadoop",
}
TOLD = {
    "read": True,
    "reason": "",
    "later": False,
    "urls": ["http://rm1:8088"],
    "site": {},
    "version": "3.4.2",
    "properties": {"yarn.resourcemanager.recovery.enabled": "true", "yarn.resourcemanager.ha.enabled": "true"},
    "queues": ["default", "streams"],
    "applications": [],
    "last": {},
    "noted": [],
    "failed_attempts": [],
}


def running(generation, **more):
    return {
        "id": "application_1_0001",
        "state": "RUNNING",
        "live": True,
        "generation": generation,
        "mode": "session",
        **more,
    }


def learnt(*applications, jobs=(), complete=True, keep=False, **more):
    leader = {"verdict": "led", "leader": {"host": "10.0.0.9", "port": 43861}} if applications else {}
    found = {"reachable": True, "complete": complete, "jobs": [{"id": each, "name": "count"} for each in jobs]}
    return Seen(
        {**TOLD, "applications": list(applications), **more}, leader, {**found, "reasons": ["it said so"]}, keep
    )


@pytest.fixture
def yarn(cluster):
    def _yarn(**variables):
        some = cluster(**INPUTS | variables)
        some.groups = {"all": [], "zookeeper": ["zk3", "zk1", "zk2"], "flink_client": ["c1", "c2"]}
        some.hostvars |= {"c1": {}, "c2": {}}
        some.play_hosts = some.active_hosts = ["c1", "c2", "zk1", "zk2", "zk3"]
        return some

    return _yarn


@pytest.fixture
def client(host):
    """The state of a client host; `active` for one whose unit watches."""

    def _client(active=False):
        state = host("fresh")
        unit = {**next(iter(state["units"].values())), "active": active, "enabled": active, "exists": active}
        there = {path: {"exists": True} for path in ("/opt/hadoop", "/etc/hadoop")}
        return {
            **state,
            "units": state["units"] | {UNIT: unit},
            "paths": state["paths"] | there,
            "properties": {"/etc/hadoop/core-site.xml": {}, "/etc/hadoop/hdfs-site.xml": {}},
            "matches": {"/var/log/flink": [], "/opt/hadoop": ["hadoop-client-api-3.4.2.jar"]},
            "lines": {**state["lines"]},
        }

    return _client


def written(plan):
    return {entry["path"]: entry for entry in (*plan.entries.first, *plan.entries.then)}


def planned(yarn, client, seen, active=False, unreached=(), **variables):
    some, hosts = yarn(**variables), {"c1": client(active), "c2": client(active)}
    for each in hosts.values():
        # What another inventory looks for beside what a fresh host has.
        reads = some.plan(host="c1").reads
        each["paths"] = dict.fromkeys(reads["paths"], each["paths"]["/opt/flink-2.3.0"]) | each["paths"]
        each["contents"] = dict.fromkeys(reads["contents"], "") | each["contents"]
    for each in unreached:
        del hosts[each]
        some.unreached = [*some.unreached, each]
    return some.together(learnt=seen, **hosts)["c1"]


def test_a_client_host_gets_what_starts_the_application_and_what_watches_it(yarn, client):
    plan = planned(yarn, client, learnt(), flink_ha_yarn_queue="streams", flink_ha_yarn_ship_files=["/opt/a", "/opt/b"])
    assert plan.problems == ()
    config = written(plan)["/etc/flink/conf/config.yaml"]["content"]
    for line in (
        "high-availability.type: zookeeper",
        "yarn.application.name: orders",
        "yarn.application.queue: streams",
        "yarn.application-attempts: 2\n",
        "yarn.application-attempt-failures-validity-interval: 10000\n",
        "yarn.properties-file.location: /var/lib/flink",
        "taskmanager.memory.process.size",
        "jobmanager.memory.process.size",
    ):
        assert line in config
    for key in ("cluster-id", "rest.port", "bind-host", "rpc.address", "taskmanager.host", "io.tmp.dirs"):
        assert key not in config
    start, unit = written(plan)["/etc/flink/conf/start"], written(plan)[f"/etc/systemd/system/{UNIT}"]
    assert start["content"].rstrip().endswith(f"-Dyarn.tags=streamquorum-orders,generation-{plan.note.wanted}")
    assert 'yarn-session.sh" --detached' in start["content"]
    assert "watch.py streamquorum-orders flink '' http://rm1:8088\n" in unit["content"]
    assert "Restart=no" in unit["content"]
    assert "/etc/flink/conf/masters" not in written(plan)
    # All of it is read again in the next run.
    looked_at = set(plan.reads["standing"]["paths"])
    assert set(written(plan)) <= looked_at
    assert UNIT in plan.reads["units"]
    assert plan.asks == {
        "site": "/etc/hadoop/yarn-site.xml",
        "tag": "streamquorum-orders",
        "records": "/etc/flink",
        "keytab": "",
        "principal": "",
    }
    assert "KRB5" not in unit["content"]


KERBEROS = {"flink_ha_zookeeper_auth": "kerberos", "kerberos_realm": "A.TEST", "flink_ha_principal": "flink@A.TEST"}


def test_trap_77_with_kerberos_the_keytab_goes_along_and_asks_the_web_of_yarn(yarn, client):
    site = {"yarn.resourcemanager.principal": "rm/_HOST@A.TEST"}
    plan = planned(yarn, client, learnt(site=site), **KERBEROS)
    # Whoever fetches the application's files for a node renews the tokens for that.
    start = written(plan)["/etc/flink/conf/start"]["content"].rstrip()
    assert start.endswith(" -Dsecurity.kerberos.token.provider.hadoopfs.renewer=rm/_HOST@A.TEST")
    other = {"flink_ha_config_extra": {"security.kerberos.token.provider.hadoopfs.renewer": "yarn"}}
    start = written(planned(yarn, client, learnt(site=site), **KERBEROS, **other))["/etc/flink/conf/start"]["content"]
    assert "rm/_HOST" not in start
    assert (plan.problems, plan.kerberos) == ((), True)
    config = written(plan)["/etc/flink/conf/config.yaml"]["content"].splitlines()
    for line in (
        "security.kerberos.login.keytab: /etc/flink/flink.keytab",
        "security.kerberos.login.principal: flink@A.TEST",
        "security.kerberos.login.contexts: Client",
        "high-availability.zookeeper.client.acl: creator",
    ):
        assert line in config
    assert (plan.asks["keytab"], plan.asks["principal"]) == ("/etc/flink/flink.keytab", "flink@A.TEST")
    unit = written(plan)[f"/etc/systemd/system/{UNIT}"]["content"]
    assert " flink flink@A.TEST http://rm1:8088\n" in unit
    assert "Environment=KRB5_CLIENT_KTNAME=FILE:/etc/flink/flink.keytab KRB5CCNAME=MEMORY:\n" in unit


def test_what_our_modules_need_is_installed_also_where_kinit_is_there_already(yarn, client):
    some, state = yarn(**KERBEROS), client()
    kinit, module = some.tables("c1").kerberos_installed

    def needed(*there):
        paths = state["paths"] | {path: {"exists": path in there} for path in (kinit, module)}
        return some.together(learnt=learnt(), c1={**state, "paths": paths})["c1"].steps.install.kerberos

    assert [needed(), needed(kinit), needed(module), needed(kinit, module)] == [True, True, True, False]


def test_a_principal_of_another_name_than_the_users_is_refused(yarn):
    told = yarn(**KERBEROS | {"flink_ha_principal": "streams@A.TEST"}).plan(host="c1").problems
    assert "to YARN the application is streams's, and a run looks for those of flink" in "\n".join(told)


def test_yarn_may_wait_for_the_keytab_that_this_run_brings(yarn, client):
    seen = learnt(
        read=False, later=True, reason="http://rm1:8088: it asks for Kerberos, and /etc/flink/flink.keytab is not there"
    )
    plan = planned(yarn, client, seen, **KERBEROS)
    assert (plan.problems, plan.steps.application.submits) == ((), True)
    # Another run brings none, and a host that has started something may have something to lose.
    for some in (KERBEROS | {"flink_ha_yarn_submit": False}, KERBEROS):
        plan = planned(yarn, client, seen, active=some is KERBEROS, **some)
        assert "no ResourceManager that is active answers" in plan.problems[0]


def test_both_hosts_ask_for_the_same_application_and_nothing_of_a_host_is_in_it(yarn, client):
    some = yarn()
    some.hostvars["c2"] = {"flink_ha_java_home": "/opt/java", "flink_ha_log_dir": "/srv/log"}
    state = client()
    state["javas"] = {**state["javas"], "/opt/java": {"major": 17}}
    state["matches"]["/srv/log"] = []
    plans = some.together(learnt=learnt(), c1=client(), c2=state)
    assert plans["c1"].note.wanted == plans["c2"].note.wanted
    some.hostvars["c2"] = {"flink_ha_parallelism": 7}
    plans = some.together(learnt=learnt(), c1=client(), c2=client())
    assert "The hosts of the application orders ask for 2 different ones" in plans["c1"].problems[0]


def test_trap_48_what_runs_is_left_alone_and_what_does_not_is_submitted_by_one_host(yarn, client):
    fresh = planned(yarn, client, learnt())
    assert (fresh.steps.application.submits, fresh.steps.application.replaces) == (True, False)
    assert fresh.cluster["query_host"] == "c1"
    seen = learnt(running(fresh.note.wanted), jobs=["a1"])
    state = client(active=True)
    state["standing"] = roles.made([*fresh.entries.first, *fresh.entries.then])
    plan = yarn().together(learnt=seen, c1=state, c2=client())["c1"]
    step = plan.steps.application
    assert (step.submits, step.replaces, step.watches, step.id) == (False, False, False, "application_1_0001")
    assert plan.problems == ()
    assert step.record == "/etc/flink/savepoints-application_1_0001.json"
    # The id is the application's, and the one JobManager is where it is now.
    assert plan.cluster["cluster_id"] == "application_1_0001"
    assert plan.cluster["job_managers"] == [{"name": "10.0.0.9", "address": "10.0.0.9", "rest_port": 43861}]
    assert plan.cluster["awaited"] == ["10.0.0.9:43861"]
    assert plan.note.services == ({"kind": "yarn", "live": True, "start": False, "restart_needed": False},)
    # A watcher that is gone is started, and nothing else.
    step = planned(yarn, client, seen).steps.application
    assert (step.submits, step.watches) == (False, True)


def test_another_session_is_refused_under_its_jobs(yarn, client):
    other = learnt(running("0123"), jobs=["a1", "b2"])
    (told,) = planned(yarn, client, other).problems
    assert (
        "application_1_0001 was started with something else than the inventory asks for, and 2 job(s) run there" in told
    )
    assert "count (a1), count (b2)" in told
    accepted = planned(yarn, client, other, flink_ha_yarn_accept_outage=True)
    assert accepted.problems == ()
    assert (accepted.steps.application.submits, accepted.steps.application.replaces) == (False, True)
    assert accepted.note.services[0]["start"]
    # Without a job nobody loses anything.
    assert planned(yarn, client, learnt(running("0123"))).problems == ()
    # What was not read counts as jobs.
    (told,) = planned(yarn, client, learnt(running("0123"), complete=False)).problems
    assert "which jobs run there could not be read (it said so)" in told


@pytest.mark.parametrize(
    ("variables", "seen"),
    [({"flink_ha_yarn_keep": True}, {}), ({}, {"keep": True})],
    ids=["playbooks that only start or stop", "a part of a run"],
)
def test_what_runs_is_left_alone_by_what_is_no_whole_site(yarn, client, variables, seen):
    other = learnt(running("0123"), jobs=["a1"], **seen)
    # Neither does a cap matter that was lowered since.
    plan = planned(yarn, client, other, flink_ha_yarn_application_attempts=9, **variables)
    step = plan.steps.application
    assert (plan.problems, step.submits, step.replaces, step.kept) == ((), False, False, True)
    assert (
        "application_1_0001 was started with something else than the inventory asks for, and this run leaves it"
        in plan.hints[-1]
    )
    # What does not run is started all the same.
    assert planned(yarn, client, learnt(**seen), **variables).steps.application.submits


# --- an application with one job

JOB = {
    "jar": "/srv/jars/count.jar",
    "sha512": "ab" * 64,
    "class": "org.example.Count",
    "arguments": ["--topic", "it's $HOME"],
}
ENDED = "application_1_0001"


def last(*savepoints, mode="application", **more):
    """What is known of one that has ended."""
    jobs = [{"id": each, "name": "count", "savepoint": each} for each in savepoints]
    found = {"application": ENDED, "tag": "streamquorum-orders", "mode": mode, "from": "", "jobs": jobs}
    return {**found, "noted": True, "known": True, "told": "is FAILED, FAILED", **more}


def asked(yarn, client, seen, **variables):
    return planned(yarn, client, seen, **{"flink_ha_yarn_job": JOB, **variables})


def test_an_application_is_submitted_with_its_jar_and_its_arguments(yarn, client):
    plan = asked(yarn, client, learnt())
    assert plan.problems == ()
    start = written(plan)["/etc/flink/conf/start"]["content"]
    (jar,) = plan.steps.install.jar_set["jars"]
    path = f"{plan.steps.install.jar_set['dest']}/job/{jar['file']}"
    tags = f"streamquorum-orders,generation-{plan.note.wanted},mode-application"
    key = "execution.checkpointing.externalized-checkpoint-retention"
    retained = f"-D{key}=RETAIN_ON_CANCELLATION"
    assert (
        f'/bin/flink" run --target yarn-application --detached -Dyarn.tags={tags} {retained} "$@" --class org.example.Count {path} --topic '
        "'it'\"'\"'s $HOME'\n" in start
    )
    assert "session.sh" not in start
    # Its checkpoints outlive it, unless it is asked for otherwise.
    own = asked(yarn, client, learnt(), flink_ha_config_extra={key: "DELETE_ON_CANCELLATION"})
    assert "RETAIN_ON" not in written(own)["/etc/flink/conf/start"]["content"]
    older = asked(yarn, client, learnt(), flink_ha_version="1.20.5")
    assert '/bin/flink" run-application --target' in written(older)["/etc/flink/conf/start"]["content"]
    assert (plan.steps.application.submits, plan.steps.application.savepoint) == (True, "")


def test_whatever_the_job_is_started_with_makes_it_another_one(yarn, client):
    wanted = [
        asked(yarn, client, learnt(), flink_ha_yarn_job={**JOB, **more}).note.wanted
        for more in ({}, {"sha512": "cd" * 64}, {"class": "org.example.Other"}, {"arguments": []})
    ]
    wanted.append(asked(yarn, client, learnt(), flink_ha_parallelism=7).note.wanted)
    wanted.append(planned(yarn, client, learnt()).note.wanted)
    assert len(set(wanted)) == len(wanted)
    # From where it starts is no part of what it is.
    from_there = asked(yarn, client, learnt(), flink_ha_yarn_savepoint="hdfs://ns1/savepoint-1")
    assert (from_there.note.wanted, from_there.steps.application.savepoint) == (wanted[0], "hdfs://ns1/savepoint-1")


def test_trap_75_a_job_starts_from_the_savepoint_with_which_it_ended_and_never_from_nothing(yarn, client):
    plan = asked(yarn, client, learnt(last=last("hdfs://ns1/1")))
    assert (plan.problems, plan.steps.application.savepoint) == ((), "hdfs://ns1/1")
    for found in (
        last(),
        last("hdfs://ns1/1", "hdfs://ns1/2"),
        last("hdfs://ns1/1", mode="session"),
        last(told="is not known to YARN any more"),
    ):
        seen = learnt(last=found)
        (told,) = asked(yarn, client, seen).problems
        assert f"{ENDED} {found['told']}, and from which savepoint the job is to start is not known here" in told
        # A run that submits nothing is kept by nothing.
        assert asked(yarn, client, seen, flink_ha_yarn_submit=False).problems == ()
        given = asked(yarn, client, seen, flink_ha_yarn_savepoint="hdfs://ns1/1")
        assert (given.problems, given.steps.application.savepoint) == ((), "hdfs://ns1/1")
        lost = asked(yarn, client, seen, flink_ha_accept_lost_jobs=True)
        assert (lost.problems, lost.steps.application.savepoint) == ((), "")
    # A session that ended without jobs has left nothing, and a session asks for nothing.
    assert asked(yarn, client, learnt(last=last(mode="session"))).problems == ()
    assert planned(yarn, client, learnt(last=last())).problems == ()


def test_what_is_known_of_the_last_one_is_told(yarn, client):
    begun = {"id": "a1", "name": "count", "savepoint": "", "looked_for_in": "hdfs://ns1/savepoints/a1"}
    found = last(jobs=[begun], **{"from": "hdfs://ns1/0"})
    # One that was begun may be there: it is not given up by the way.
    for variables in ({}, {"flink_ha_accept_lost_jobs": True}):
        (told,) = asked(yarn, client, learnt(last=found), **variables).problems
        assert "One was begun in hdfs://ns1/savepoints/a1; where there is none, remove /etc/flink/savepoints-" in told
        assert "It had started from hdfs://ns1/0." in told
    (told,) = asked(yarn, client, learnt(last=last("hdfs://ns1/1", "hdfs://ns1/2"))).problems
    assert "count ended with the savepoint hdfs://ns1/1. count ended with the savepoint hdfs://ns1/2." in told


def test_trap_75_what_another_host_knows_counts(yarn, client):
    """The one that submits may have been away, or be new."""
    younger = last("hdfs://ns1/2", application="application_1_0002")
    for own in ({}, last("hdfs://ns1/1"), last(application="application_1_0002")):
        seen = {"c1": learnt(last=own), "c2": learnt(last=younger)}
        plan = asked(yarn, client, seen)
        assert (plan.problems, plan.steps.application.savepoint) == ((), "hdfs://ns1/2")


def test_trap_75_a_host_that_is_away_may_know_of_a_later_one(yarn, client):
    def away(found, **variables):
        return asked(yarn, client, learnt(last=found), unreached=("c2",), **variables)

    for found in ({}, last("hdfs://ns1/1", known=False, told="is not known to YARN any more")):
        (told,) = away(found).problems
        assert "c2 may know of a later one" in told
        assert away(found, flink_ha_accept_lost_jobs=True).problems == ()
        assert away(found, flink_ha_yarn_savepoint="hdfs://ns1/1").problems == ()
    # YARN knows it itself.
    assert away(last("hdfs://ns1/1")).problems == ()
    assert "c2 may know of a savepoint of it." in away(last()).problems[0]


def test_one_that_nobody_has_noted_is_noted_by_the_next_run(yarn, client):
    wanted = asked(yarn, client, learnt()).note.wanted
    one = running(wanted, mode="application")
    step = asked(yarn, client, learnt(one), active=True).steps.application
    assert step.note["path"] == f"/etc/flink/savepoints-{ENDED}.json"
    assert json.loads(step.note["content"]) == {
        "application": ENDED,
        "tag": "streamquorum-orders",
        "mode": "application",
        "from": "",
        "jobs": [],
    }
    step = asked(yarn, client, learnt(one, noted=[ENDED]), active=True).steps.application
    assert step.note == {}


def test_another_job_takes_its_place_without_being_asked_for(yarn, client):
    other = running("0123", mode="application")
    plan = asked(yarn, client, learnt(other, jobs=["a1"]))
    assert (plan.problems, plan.steps.application.replaces) == ((), True)
    (told,) = asked(yarn, client, learnt(other, complete=False)).problems
    assert "its job could not be read (it said so)" in told
    assert asked(yarn, client, learnt(other, complete=False), flink_ha_accept_lost_jobs=True).problems == ()
    kept = asked(yarn, client, learnt(other, complete=False), flink_ha_yarn_keep=True)
    assert (kept.problems, kept.steps.application.kept) == ((), True)
    (told,) = asked(yarn, client, learnt(other), flink_ha_yarn_savepoint="hdfs://ns1/1").problems
    assert f"flink_ha_yarn_savepoint is set, and {ENDED} runs" in told
    # The run that has started it looks again; another one would take it back to where it once began.
    wanted = asked(yarn, client, learnt()).note.wanted
    begun = last(**{"from": "hdfs://ns1/1"})
    for digest, expected in ((wanted, False), ("0123", True)):
        from_there = learnt(running(digest, mode="application"), jobs=["a1"], last=begun)
        problems = asked(yarn, client, from_there, flink_ha_yarn_savepoint="hdfs://ns1/1").problems
        assert ["flink_ha_yarn_savepoint is set" in each for each in problems] == [True] * expected
    # A run that submits nothing ends nothing.
    step = asked(yarn, client, learnt(other), flink_ha_yarn_submit=False).steps.application
    assert (step.replaces, step.kept) == (False, True)


def test_a_session_is_not_made_an_application_nor_the_other_way(yarn, client):
    (told,) = asked(yarn, client, learnt(running("0123"), jobs=["a1"]), flink_ha_yarn_accept_outage=True).problems
    assert f"{ENDED} is in session mode, and the inventory asks for application mode. End it first" in told
    (told,) = planned(yarn, client, learnt(running("0123", mode="application"))).problems
    assert f"{ENDED} is in application mode, and the inventory asks for session mode" in told


def test_a_cap_that_was_lowered_since_keeps_nobody_from_an_application_that_runs(yarn, client):
    many = {"flink_ha_yarn_application_attempts": 9}
    wide = {"yarn.resourcemanager.am.max-attempts": "9"}
    wanted = planned(yarn, client, learnt(properties=wide), **many).note.wanted
    assert planned(yarn, client, learnt(running(wanted)), **many).problems == ()


def test_a_session_whose_rest_is_open_is_refused_until_that_is_said(yarn, client):
    closed = {"flink_ha_rest_open": False}
    (told,) = planned(yarn, client, learnt(), **closed).problems
    assert "whoever reaches it runs code as flink" in told
    wanted = planned(yarn, client, learnt()).note.wanted
    assert planned(yarn, client, learnt(running(wanted)), **closed).problems == ()


def test_another_name_is_refused_while_the_old_application_is_watched(yarn, client):
    state = client()
    state["lines"]["/etc/flink/conf/config.yaml"] = ["yarn.application.name: payments"]
    some = yarn()
    assert some.plan(state, "c1", learnt=learnt()).problems == ()
    state["matches"]["/etc/systemd/system/multi-user.target.wants"] = ["flink-yarn-payments.service"]
    (told,) = some.plan(state, "c1", learnt=learnt()).problems
    assert "c1: has started the application payments, and flink_ha_yarn_name is orders" in told
    reads = some.plan(host="c1").reads
    assert reads["lines"]["/etc/flink/conf/config.yaml"] == ["yarn.application.name"]
    assert reads["matches"]["/etc/systemd/system/multi-user.target.wants"] == r"flink-yarn-.+\.service"


def test_a_watcher_that_asks_others_is_started_anew(yarn, client):
    first = planned(yarn, client, learnt())
    state = client(active=True)
    state["standing"] = roles.made([*first.entries.first, *first.entries.then])
    seen = learnt(running(first.note.wanted))
    assert not yarn().together(learnt=seen, c1=state)["c1"].steps.application.watches
    moved = learnt(running(first.note.wanted), urls=["http://rm3:8088"])
    assert yarn().together(learnt=moved, c1=state)["c1"].steps.application.watches


def test_the_tag_has_nothing_by_which_a_secret_is_guessed_fast(yarn, client):
    def tagged(secret):
        given = {
            "flink_ha_storage_credentials": {"s3.secret-key": secret},
            "flink_ha_config_extra": {"s3.endpoint": "x"},
        }
        return planned(yarn, client, learnt(), **given)

    one, other = tagged("hidden-1"), tagged("hidden-2")
    assert one.note.wanted != other.note.wanted, "another secret asks for another session"
    assert "s3.secret-key: hidden-1" in written(one)["/etc/flink/conf/config.yaml"]["secret_content"]
    some = yarn(flink_ha_storage_credentials={"s3.secret-key": "hidden-1"})
    text = generation(some.inputs("c1"), some.tables("c1"), some.peers()).text("config.yaml")
    assert "s3.secret-key" in text
    assert "hidden-1" not in text


def test_what_yarn_does_not_tell_or_does_not_have_is_refused(yarn, client):
    def refusals(seen, **variables):
        return "\n".join(planned(yarn, client, seen, **variables).problems)

    assert "names no ResourceManager" in refusals(learnt(urls=[]))
    assert "no ResourceManager that is active answers (rm1: timed out)" in refusals(
        learnt(read=False, reason="rm1: timed out")
    )
    assert "flink_ha_yarn_queue is nowhere" in refusals(learnt(), flink_ha_yarn_queue="nowhere")
    assert "flink_ha_yarn_application_attempts is 3" in refusals(learnt(), flink_ha_yarn_application_attempts=3)
    two = learnt(running("0123"), {**running("0123"), "id": "application_1_0002"})
    assert "2 live applications with the tag streamquorum-orders: application_1_0001, application_1_0002" in refusals(
        two
    )


def test_trap_46_a_cluster_id_on_yarn_is_refused(yarn):
    told = "\n".join(yarn(flink_ha_cluster_id="/orders").plan(host="c1").problems)
    assert "flink_ha_cluster_id is /orders, and flink_ha_deployment is yarn" in told
    extra = yarn(flink_ha_config_extra={"high-availability.cluster-id": "/orders"}).plan(host="c1").problems
    assert "high-availability.cluster-id belongs to flink_ha_cluster_id" in "\n".join(extra)


def test_yarn_may_wait_for_the_ensemble_that_this_run_starts(yarn, client):
    """Its ResourceManagers elect there, so that none is active before."""
    silent, some = learnt(read=False, reason="rm1 is STANDBY"), yarn()
    some.hostvars |= {
        name: {**some.hostvars[name], "zookeeper_noted": {name: {"live_config": ""}}} for name in ("zk1", "zk2", "zk3")
    }
    plan = some.together(learnt=silent, c1=client(), c2=client())["c1"]
    assert (plan.problems, plan.steps.application.submits) == ((), True)
    live = {"live_config": "clientPort=2181\n"}
    # One of three has no quorum.
    some.hostvars["zk1"] |= {"zookeeper_noted": {"zk1": live}}
    assert some.together(learnt=silent, c1=client())["c1"].problems == ()
    some.hostvars["zk2"] |= {"zookeeper_noted": {"zk2": live}}
    assert "no ResourceManager that is active answers" in some.together(learnt=silent, c1=client())["c1"].problems[0]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"flink_ha_yarn_name": ""}, "flink_ha_yarn_name is missing"),
        ({"flink_ha_rest_tls": "server", "flink_ha_tls_store_password": "x" * 20}, "flink_ha_rest_tls is set"),
        ({"flink_ha_firewall": True}, "flink_ha_firewall is set"),
        ({"flink_ha_environment": {"A": "b"}}, "flink_ha_environment is set"),
        ({"flink_ha_yarn_application_attempts": 0}, "flink_ha_yarn_application_attempts is 0. Set it to 1 or more"),
        ({"flink_ha_yarn_attempt_failures_validity_interval": -2}, "validity_interval is -2. Set it to -1 or more"),
        ({"flink_ha_hadoop_conf_dir": ""}, "flink_ha_hadoop_conf_dir is empty"),
        ({"flink_ha_hadoop_classpath": ""}, "flink_ha_hadoop_classpath is empty"),
        (
            {"flink_ha_storage_dir": "file:///srv/flink", "flink_ha_storage_shared": True},
            "flink_ha_storage_dir is file:///srv/flink, a path of each host for itself",
        ),
        ({"flink_ha_storage_credentials": {"fs.gs.x": {"content": "y"}}}, "flink_ha_storage_credentials has fs.gs.x"),
        ({"flink_ha_config_extra": {"yarn.tags": "mine"}}, "yarn.tags belongs to this role"),
        ({"flink_ha_storage_dir": "nfs://x"}, "flink_ha_storage_dir has the scheme 'nfs'"),
    ],
)
def test_what_no_application_can_have_is_refused(yarn, variables, told):
    assert told in "\n".join(yarn(**variables).plan(host="c1").problems)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (
            {"flink_ha_yarn_job": JOB, "flink_ha_version": "1.15.4"},
            "before 1.16 the job of every application has the id 0",
        ),
        ({"flink_ha_yarn_savepoint": "hdfs://ns1/1"}, "a session starts no job"),
        ({"flink_ha_yarn_job": JOB, "flink_ha_yarn_savepoint": "a b"}, "'a b', which is no path and no URI"),
        ({"flink_ha_yarn_job": {**JOB, "sha512": ""}}, "flink_ha_yarn_job: /srv/jars/count.jar has no sha512"),
        (
            {"flink_ha_yarn_job": JOB, "flink_ha_config_extra": {"$internal.pipeline.job-id": "00"}},
            "each of its jobs would have that id",
        ),
        (
            {"flink_ha_yarn_job": JOB, "flink_ha_config_extra": {"execution.state-recovery.path": "hdfs://ns1/1"}},
            "each new start would be from it again",
        ),
    ],
)
def test_what_no_job_can_have_is_refused(yarn, variables, told):
    assert told in " ".join(yarn(**variables).plan(host="c1").problems)


def test_hosts_are_of_one_deployment(yarn, cluster):
    some = yarn()
    some.groups["flink_jobmanager"] = ["c1"]
    assert (
        "c1: flink_ha_deployment is yarn, and the host is in flink_jobmanager and flink_client"
        in some.plan(host="c1").problems[0]
    )
    some = yarn(flink_ha_deployment="standalone")
    assert "c1: is in the group flink_client, and flink_ha_deployment is standalone" in some.plan(host="c1").problems[0]
    some = cluster(flink_ha_deployment="yarn")
    assert "jm1: flink_ha_deployment is yarn, and the host is in flink_jobmanager" in some.plan().problems[0]


def test_a_limit_that_leaves_a_client_out_is_refused_and_a_dead_one_is_not(yarn):
    some = yarn()
    assert some.plan(host="c1").problems == ()
    some.play_hosts = ["c1", "zk1", "zk2", "zk3"]
    assert "--limit leaves out c2" in some.plan(host="c1").problems[0]
    some.unreached = ["c2"]
    assert some.plan(host="c1").problems == ()


def test_why_there_is_none_is_told_with_the_last_one(yarn):
    ended = {
        "id": "application_1_0001",
        "state": "FAILED",
        "final_status": "FAILED",
        "live": False,
        "diagnostics": "failed 2 times",
    }
    some = yarn()
    assert some.plan(host="c1", learnt=learnt(ended)).cluster["absent"] == (
        "no application with the tag streamquorum-orders runs on YARN; application_1_0001 is FAILED, FAILED: failed 2 times"
    )
    assert "answers (gone)" in some.plan(host="c1", learnt=learnt(read=False, reason="gone")).cluster["absent"]
    assert some.plan(host="c1", learnt=learnt(running("0123"))).cluster["absent"] == ""


def test_what_this_yarn_does_is_told(yarn, client):
    """By its release and by what it runs with; nothing is refused."""
    some = yarn()

    def told(**more):
        plan = some.together(learnt=learnt(**more), c1=client())["c1"]
        assert plan.problems == ()
        return "\n".join(plan.hints)

    unsafe = {"yarn.resourcemanager.recovery.enabled": "false", "yarn.resourcemanager.ha.enabled": "false"}
    assert "YARN 2.3.0: " in told(version="2.3.0")
    assert told(version="2.3.0") != told(version="2.4.1").replace("2.4.1", "2.3.0") != told(version="3.4.2")
    assert len(told(properties=unsafe).splitlines()) == len(told().splitlines()) + 2


def test_failed_attempts_are_told_of_what_runs_and_of_what_does_not(yarn, client):
    text = "Attempt 1 ran on h1:8042 (log: http://h1:8042/x), which ends:\nFatal."
    runs = learnt(running("x"), failed_attempts=[text])
    assert runs.failed_attempts == [f"application_1_0001: {text}"]
    assert runs.absent("t") == ""
    ended = learnt(failed_attempts=[text])
    assert ended.failed_attempts == []
    assert ended.absent("t").endswith(text)


def test_what_counts_as_a_secret_since_changes_no_tag_of_what_runs(yarn):
    """A word more in the list of secrets would have been another application."""
    some = yarn(flink_ha_config_extra={"fs.s3a.access.key": "AKIA", "s3.secret.word": "x"})
    made = generation(some.inputs("c1"), some.tables("c1"), some.peers())
    text = made.files["config.yaml"]["content"]
    assert "fs.s3a.access.key: AKIA\n" in text
    assert "s3.secret.word: x\n" not in text


@pytest.mark.parametrize(
    ("variable", "uri"),
    [
        ("flink_ha_storage_dir", "hdfs://user:canary@ns1/x"),
        # No URI at all, which nobody may look into before it is refused.
        ("flink_ha_checkpoint_dir", "hdfs://[canary"),
        ("flink_ha_yarn_savepoint", "s3://KEY:canary@bucket/x"),
    ],
)
def test_keys_in_a_uri_are_refused_by_the_inventory(yarn, variable, uri):
    told = "\n".join(yarn(**{variable: uri}).plan(host="c1").problems)
    assert f"{variable} has keys in it" in told
    assert "canary" not in told


def test_two_releases_of_hadoop_are_refused_before_the_first_start_only(yarn, client):
    """A stop needs neither, and what runs has shown that it can."""

    def told(active=False, **variables):
        state = client(active)
        state["matches"]["/opt/hadoop"] = ["hadoop-client-api-3.4.2.jar", "hadoop-client-runtime-3.3.6.jar"]
        return "two releases of Hadoop" in "\n".join(yarn(**variables).plan(state, "c1", learnt=learnt()).problems)

    assert (told(), told(active=True), told(flink_ha_only_stops=True)) == (True, False, False)
