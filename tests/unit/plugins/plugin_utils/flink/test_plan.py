"""Whole hosts in, whole plans out: what is refused, written and done, for hosts of Flink in the states that a run meets."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import Release, marker_text
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink import values
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs

OLD = "0123456789abcdef"
NAMES = ("jm1", "jm2", "tm1")
HEADER = "# Written by StreamQuorum from the inventory; a change here is undone by the next run.\n"
TLS = {"flink_ha_tls_store_password": "canary-1", "tls_authority_dir": "/a"}


def everywhere(host, name="fresh"):
    """Each host with the services that it is to have."""
    return {"jm1": host(name), "jm2": host(name, "flink-taskmanager"), "tm1": host(name, "flink-jobmanager")}


def written(plan):
    return [*plan.entries.first, *plan.entries.then]


def paths(plan):
    return [entry["path"] for entry in written(plan)]


def entry(plan, end):
    (found,) = [each for each in written(plan) if each["path"].endswith(end)]
    return found


def config(plan, service="flink-jobmanager"):
    return plan.generations[service].text("config.yaml")


# --- from the inventory


def test_from_the_inventory_alone_it_says_what_to_read(cluster):
    plan = cluster().plan()
    assert plan.problems == ()
    assert plan.reads["resolve"] == [
        "jm1.invalid", "jm2.invalid", "tm1.invalid", "zk1.invalid", "zk2.invalid", "zk3.invalid",
    ]  # fmt: skip
    assert "/etc/flink/flink-taskmanager/current/flink-conf.yaml" in plan.reads["lines"]
    assert plan.cluster["servers"] == ["zk1.invalid:2181", "zk2.invalid:2181", "zk3.invalid:2181"]
    assert [each["name"] for each in plan.cluster["job_managers"]] == ["jm1", "jm2"]
    assert plan.cluster["task_managers"] == 2
    assert (plan.note, plan.generations, plan.entries.then, plan.steps.services) == (None, {}, (), ())


def test_an_inventory_is_refused_with_all_that_is_wrong(cluster):
    wrong = cluster(
        flink_ha_cluster_id="", flink_ha_version="1.2.3", flink_ha_config_extra={"rest.port": 1}, zookeeper_sync_limit=5,
        flink_ha_environment={"JAVA_HOME": "x"}, flink_ha_zookeeper_auth="kerberos", flink_ha_rest_tls="server",
        flink_ha_firewall=True, flink_ha_rest_networks=["x"], flink_ha_read_write_paths=["/etc"],
    )  # fmt: skip
    told = "\n".join(wrong.plan().problems)
    for words in (
        "flink_ha_cluster_id is missing",
        "flink_ha_version is '1.2.3'",
        "unnoticed for 10000 ms",
        "flink_ha_environment has JAVA_HOME",
        "kerberos_realm is empty",
        "flink_ha_tls_store_password is empty",
        "flink_ha_rest_networks has 'x'",
        "which is the system's",
    ):
        assert words in told


def test_a_value_that_only_a_play_knows_is_refused(cluster):
    some = cluster()
    inputs = some.inputs
    some.inputs = lambda host="jm1": Inputs.of(host, inputs(host).given, {})
    assert "jm1: flink_ha_address is set where other hosts do not see it" in "\n".join(some.plan().problems)


def test_what_is_no_port_is_told_once_and_closes_no_firewall(cluster):
    some = cluster(flink_ha_firewall=True, flink_ha_jobmanager_rpc_port="many")
    (told,) = some.plan().problems
    assert told.startswith("jm1: a port is no number")


# --- the options


def test_every_option_of_the_registry_has_a_value_or_a_field(cluster):
    some = cluster()
    found = values.values(some.inputs(), some.tables(), some.peers(), {})
    assert set(found) == {each["name"] for each in some.tables().options if each["scopes"] and "field" not in each}
    assert found["session_timeout"] == 8000
    assert found["zookeeper_quorum"] == "zk1.invalid:2181,zk2.invalid:2181,zk3.invalid:2181"
    assert set(values.derived(some.inputs(), some.tables(), some.peers(), {})) <= set(found)


def test_the_cluster_id_comes_to_its_files_and_nowhere_else(cluster, host):
    """The walk of docs/architecture.md."""
    before, after = (
        cluster(flink_ha_cluster_id=given).plan(host("fresh")).generations for given in ("/orders", "/others")
    )
    for service in ("flink-jobmanager", "flink-taskmanager"):
        lines = [set(each[service].text("config.yaml").splitlines()) for each in (before, after)]
        assert lines[0] ^ lines[1] == {f"high-availability.cluster-id: /{name}" for name in ("orders", "others")}
        files = [each[service].files for each in (before, after)]
        assert [name for name in files[0] if files[0][name] != files[1][name]] == ["config.yaml"]


def test_what_is_written_keeps_the_form_in_which_it_was_given(cluster, host):
    """Of the command line it comes as a text, which is quoted where a number is not."""
    given = {"flink_ha_parallelism": "4", "flink_ha_web_submit": "no", "flink_ha_restart_seconds": "07"}
    plan = cluster(**given).plan(host("fresh"))
    assert 'parallelism.default: "4"\n' in config(plan)
    assert 'web.submit.enable: "false"\n' in config(plan)
    assert "RestartSec=07\n" in plan.generations["flink-jobmanager"].text("unit")


def test_each_service_has_its_own_configuration_and_digest(cluster, host):
    some = cluster(flink_ha_jobmanager_instances=[{}, {}])
    state = host("fresh")
    for number in (1, 2):
        for name in ("current", "current/release", "generations", "previous"):
            state["paths"][f"/etc/flink/flink-jobmanager@{number}/{name}"] = state["paths"]["/etc/flink/tls"]
    plan = some.plan(state)
    assert "rest.port: 8081\n" in config(plan, "flink-jobmanager@1")
    assert "rest.port: 8091\n" in config(plan, "flink-jobmanager@2")
    text = config(plan, "flink-taskmanager")
    assert text.startswith(HEADER)
    assert "taskmanager.numberOfTaskSlots: 2\n" in text
    assert "rest.port" not in text
    assert plan.generations["flink-taskmanager"].files["config.yaml"]["mode"] == "0640"
    assert len({each.digest for each in plan.generations.values()}) == 3


def test_a_change_of_task_managers_asks_only_them_for_a_restart(cluster, host):
    def digests(**given):
        return [each.digest for each in cluster(**given).plan(host("fresh")).generations.values()]

    before, after = digests(), digests(flink_ha_taskmanager_slots=3)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False]
    further = digests(flink_ha_config_extra={"heartbeat.timeout": 1})
    assert all(a != b for a, b in zip(before, further, strict=True))


@pytest.mark.parametrize("key", ["s3.secret-key", "metrics.reporter.x.password", "fs.azure.account.key.x"])
def test_a_configuration_with_a_secret_is_left_out_of_diffs(cluster, host, key):
    for each in cluster(flink_ha_config_extra={key: "hidden"}).plan(host("fresh")).generations.values():
        assert set(each.files["config.yaml"]) == {"secret_content", "mode"}
    assert set(cluster().plan(host("fresh")).generations["flink-jobmanager"].files["config.yaml"]) == {
        "content",
        "mode",
    }


def test_the_command_reads_what_is_the_same_for_all(cluster, host):
    some = cluster(flink_ha_config_extra={"heartbeat.timeout": 1})
    text = entry(some.together(**everywhere(host))["jm1"], "conf/config.yaml")["content"]
    assert text.startswith(HEADER)
    assert "heartbeat.timeout: 1\n" in text
    assert not [line for line in text.splitlines() if line.startswith(("jobmanager.", "taskmanager.", "rest.port"))]


# --- with the host


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unread": {"/x": "is a FIFO."}}, "jm1: is a FIFO. Nothing was changed."),
        ({"resolved": {"jm2.invalid": []}}, "does not resolve jm2.invalid"),
        ({"paths": {"/opt/flink-2.3.0": {"free_mb": 9}}}, "has 9 MB free"),
    ],
)
def test_a_host_that_cannot_run_its_part_is_refused(cluster, host, change, words):
    state = host("fresh")
    for name, found in change.items():
        state[name] |= found
    plan = cluster().plan(state)
    assert words in "\n".join(plan.problems)
    assert (plan.generations, plan.note) == ({}, None)


def test_a_first_start_stages_switches_and_starts(cluster, host):
    plans = cluster().together(**everywhere(host))
    for plan in plans.values():
        assert plan.problems == ()
        assert plan.steps.install.needed
        assert plan.steps.install.archive["dest"] == "/opt/flink-2.3.0"
        assert all(service["start"] for service in plan.steps.services)
    assert [service["name"] for service in plans["jm1"].steps.services] == ["flink-jobmanager", "flink-taskmanager"]
    digest = plans["jm2"].generations["flink-jobmanager"].digest
    assert entry(plans["jm2"], "flink-jobmanager/current")["target"] == f"generations/{digest}"
    assert entry(plans["tm1"], "conf/masters")["content"] == "jm1.invalid:8081\njm2.invalid:8081\n"
    assert entry(plans["tm1"], "conf/workers")["content"] == "jm1.invalid\ntm1.invalid\n"
    # Where both exist, Flink 1.19 and 1.20 silently read the older one.
    assert entry(plans["tm1"], "conf/flink-conf.yaml")["state"] == "absent"


def test_who_asks_about_a_cluster_has_not_failed(cluster):
    """A JobManager's host if there is one, in the order of the inventory."""
    some = cluster()
    asking = []
    for active in (["tm1", "jm1", "jm2"], ["tm1", "jm1"], ["tm1"], []):
        some.active_hosts = active
        (found,) = some.peers().clusters.values()
        asking.append(found.query_host)
    assert asking == ["jm2", "jm1", "tm1", ""]


def test_what_is_true_of_the_cluster_is_told_once_for_all(cluster, host):
    some = cluster()
    some.together(**everywhere(host))
    (found,) = some.peers().clusters.values()
    assert asdict(found.group) == {
        "existing": False, "has_run": False, "serving": False, "starting": True, "to_roll": False, "pending": (), "all_read": True, "limited": False,
        "principals": (), "rest": (), "wanted": (), "last": (),
    }  # fmt: skip
    some.together(jm1=host("live"), jm2=host("fresh"))
    (found,) = some.peers().clusters.values()
    assert (found.group.serving, found.group.starting, found.group.to_roll, found.group.all_read) == (
        True,
        True,
        True,
        False,
    )
    assert found.group.pending == ("jobmanager", "taskmanager")


def test_what_runs_is_left_to_the_roll_and_so_is_the_command(cluster, host):
    plan = cluster().together(**everywhere(host, "live"))["jm1"]
    assert plan.problems == ()
    assert "/etc/flink/flink-jobmanager/current" not in paths(plan)
    assert "/etc/systemd/system/flink-jobmanager.service" not in paths(plan)
    assert "/usr/local/bin/flink" not in paths(plan)
    assert "/usr/local/bin/flink" in [each["path"] for each in plan.entries.after]
    assert not plan.steps.install.needed
    assert plan.note.tolerates
    assert [(member["kind"], member["id"], member["running"]) for member in plan.note.members] == [
        ("jobmanager", 1, OLD), ("taskmanager", 1, OLD),
    ]  # fmt: skip


def test_a_live_cluster_is_not_led_astray(cluster, host):
    wrong = cluster(
        flink_ha_storage_dir="hdfs://other/flink", flink_ha_rest_port=9999, flink_ha_internal_tls=True,
        flink_ha_zookeeper_quorum="else:2181", **TLS,
    )  # fmt: skip
    state = host("live")
    state["resolved"]["else"] = ["192.0.2.99"]
    told = "\n".join(wrong.together(jm1=state)["jm1"].problems)
    for words in (
        "runs with flink_ha_storage_dir",
        "runs with rest.port 8081",
        "flink_ha_internal_tls is true",
        "runs with the ensemble",
    ):
        assert words in told
    (told,) = cluster(flink_ha_cluster_id="/others").together(jm1=host("live"))["jm1"].problems
    assert told.startswith("jm1: runs under flink_ha_cluster_id /orders")


def test_trap_80_an_ensemble_that_flinks_client_cannot_speak_to_is_refused(cluster, host):
    some = cluster(flink_ha_zookeeper_quorum="old1:2181,old2:2181")
    assert some.plan(host="jm1").reads["zookeeper_servers"] == ["old1:2181", "old2:2181"]
    assert some.plan(host="tm1").reads["zookeeper_servers"] == []
    # The second says nothing.
    state = host("fresh") | {"zookeeper_releases": {"old1:2181": "3.4.14", "old2:2181": ""}}
    state["resolved"] |= {"old1": ["192.0.2.98"], "old2": ["192.0.2.99"]}
    (told,) = [text for text in some.plan(state, "jm1").problems if "flink_ha_zookeeper_quorum has" in text]
    assert told.startswith("jm1: flink_ha_zookeeper_quorum has old1:2181 (3.4.14), and Flink 2.3.0 needs")
    # What runs there has shown that it can.
    state["units"]["flink-jobmanager.service"] |= {"active": True}
    assert not [text for text in some.plan(state, "jm1").problems if "flink_ha_zookeeper_quorum has" in text]
    state["units"]["flink-jobmanager.service"] |= {"active": False}
    state["zookeeper_releases"]["old1:2181"] = "3.5.10"
    assert some.plan(state, "jm1").problems == ()


def test_only_an_ensemble_of_another_inventory_is_asked_for_its_release(cluster):
    assert cluster().plan(host="jm1").reads["zookeeper_servers"] == []
    # A secure port is one of 3.5 at least, and has no answer in plain words.
    secure = cluster(flink_ha_zookeeper_quorum="new1:2281", flink_ha_zookeeper_tls=True)
    assert secure.plan(host="jm1").reads["zookeeper_servers"] == []


def test_a_rest_that_is_open_is_refused_before_the_cluster_is_there_and_told_of_after(cluster, host):
    some = cluster(flink_ha_rest_open=False)
    fresh, live = (some.together(**everywhere(host, name))["jm2"] for name in ("fresh", "live"))
    assert "flink_ha_rest_open: true" in "\n".join(fresh.problems)
    assert (live.problems, len(live.cautions)) == ((), 1)


# --- TLS and identities


def test_stores_have_their_names_from_certificates_and_those_that_nobody_reads_go(cluster, host):
    some = cluster(flink_ha_rest_tls="mutual", **TLS)
    state = host("fresh")
    state["paths"]["/etc/flink/tls"]["entries"] = ["flink-00ff.p12", "flink-ca-00ff.p12", "flink.pem"]
    made = {name: f"/etc/flink/tls/flink{ca}-11aa.p12" for name, ca in (("key_store", ""), ("trust_store", "-ca"))}
    before, after = (
        some.together(**everywhere(host) | {"jm1": state}, stores=stores)["jm1"] for stores in (None, made)
    )
    assert "security.ssl.rest.keystore: /etc/flink/tls/flink.p12\n" in config(before)
    assert "security.ssl.rest.keystore: /etc/flink/tls/flink-11aa.p12\n" in config(after)
    assert [each["authority"] for each in after.certificates] == ["flink-orders"]
    assert after.entries.first[-1]["path"] == "/etc/flink/tls"
    gone = [each["path"] for each in after.entries.then if each.get("state") == "absent"]
    assert {"/etc/flink/tls/flink-00ff.p12", "/etc/flink/tls/flink-ca-00ff.p12"} <= set(gone)
    assert not any(path.endswith(".pem") for path in gone)
    assert json.loads(entry(after, "flink-client.json")["content"])["schemes"] == ["https"]


def test_while_flink_goes_to_https_both_are_asked(cluster, host):
    plan = cluster(flink_ha_rest_tls="mutual", **TLS).together(**everywhere(host, "live"))["jm1"]
    assert json.loads(entry(plan, "flink-client.json")["content"])["schemes"] == ["https", "http"]
    (after,) = [each for each in plan.entries.after if each["path"].endswith("flink-client.json")]
    assert json.loads(after["content"])["schemes"] == ["https"]


def test_secrets_are_in_secret_fields_alone(cluster, host):
    given = TLS | {
        "flink_ha_internal_tls": True, "flink_ha_rest_tls": "server", "flink_ha_environment": {"TOKEN": "canary-2"},
        "flink_ha_java_opts": ["-Dx.password=canary-3"], "flink_ha_config_extra": {"s3.secret-key": "canary-4"},
        "flink_ha_storage_credentials": {"fs.azure.x": "canary-5", "fs.gs.keyfile": {"content": "canary-6"}},
    }  # fmt: skip
    some = cluster(**given)
    plan = some.together(**everywhere(host))["jm1"]
    assert "canary" not in repr(plan) + repr(some.inputs()) + repr(some.peers())
    for each in [*written(plan), *plan.entries.after]:
        assert "canary" not in json.dumps(
            {name: value for name, value in each.items() if not name.startswith("secret_")}
        )
    assert "canary-2" in plan.generations["flink-jobmanager"].text("environment")


def test_until_its_roll_is_through_the_nodes_belong_to_both_identities(cluster, host):
    some = cluster(
        flink_ha_zookeeper_auth="kerberos", zookeeper_client_auth="required", kerberos_realm="X.TEST",
        flink_ha_principal="orders@X.TEST", flink_ha_switching_principals=["flink@X.TEST", "orders@X.TEST"],
        flink_ha_keytab="/etc/flink/orders.keytab",
    )  # fmt: skip
    states = everywhere(host, "live")
    for state in states.values():
        state["lines"]["/etc/flink/flink-jobmanager/current/config.yaml"] += [
            "security.kerberos.login.principal: flink@X.TEST",
            "security.kerberos.login.keytab: /etc/flink/flink.keytab",
            "high-availability.zookeeper.client.acl: creator",
        ]
    acls = some.together(**states)["jm1"].steps.acls
    assert (acls.kept, acls.switches, acls.host) == (True, True, "zk3")
    owners = [[grant["id"] for grant in nodes[-1]["acl"]] for nodes in (acls.nodes, acls.nodes_before)]
    assert owners == [["orders@X.TEST"], ["flink@X.TEST", "orders@X.TEST"]]
    assert acls.nodes[-1]["path"] == "/flink/orders"


# --- other hosts


def test_clusters_of_one_inventory_are_kept_apart_by_their_id(cluster, host):
    some = cluster()
    some.hostvars["jm2"]["flink_ha_cluster_id"] = "others"
    plans = some.together(jm1=host("live"), jm2=host("fresh"), tm1=host("fresh"))
    peers = some.peers()
    assert {name: each.hosts for name, each in peers.clusters.items()} == {
        "/others": ["jm2"],
        "/orders": ["jm1", "tm1"],
    }
    assert [peers.clusters[name].group.serving for name in ("/orders", "/others")] == [True, False]
    assert entry(plans["jm1"], "conf/masters")["content"] == "jm1.invalid:8081\n"
    assert entry(plans["jm2"], "conf/masters")["content"] == "jm2.invalid:8081\n"
    assert entry(plans["jm2"], "conf/workers")["content"] == ""
    assert plans["jm2"].reads["resolve"] == ["jm2.invalid", "zk1.invalid", "zk2.invalid", "zk3.invalid"]


def test_one_id_is_written_with_a_slash_or_without(cluster):
    some = cluster()
    some.hostvars["jm2"]["flink_ha_cluster_id"] = "orders"
    assert list(some.peers().clusters) == ["/orders"]


def test_a_task_manager_whose_cluster_nobody_leads_is_refused(cluster):
    some = cluster()
    some.hostvars["tm1"]["flink_ha_cluster_id"] = "/other"
    (told,) = some.plan(host="tm1").problems
    assert told.startswith("tm1: flink_ha_cluster_id is /other, and no host of the group flink_jobmanager has that one")
    assert some.plan(host="jm1").problems == ()


def test_nobody_is_waited_for_that_the_run_goes_on_without(cluster, host):
    some = cluster()
    some.unreached = ["jm2", "tm1"]
    plan = some.together(jm1=host("live"))["jm1"]
    assert (plan.cluster["task_managers"], plan.cluster["awaited"]) == (1, ["jm1.invalid:8081"])
    assert plan.workers == ("jm1.invalid", "tm1.invalid")
    assert not some.peers().clusters["/orders"].group.all_read


@pytest.mark.parametrize(("unreached", "owns"), [(["jm2", "tm1"], False), (["jm2"], True)], ids=["dead", "left out"])
def test_trap_74_a_dead_host_does_not_make_kept_jobs_this_clusters(cluster, host, unreached, owns):
    state = host("fresh")
    state["matches"]["/var/log/flink"] = []
    some = cluster()
    some.unreached = unreached
    assert some.together(jm1=state)["jm1"].steps.prove.owns_jobs == owns


def test_one_host_proves_a_local_storage_and_makes_its_directories(cluster, host):
    given = {"flink_ha_storage_dir": "file:///mnt/flink", "flink_ha_storage_shared": True}
    plans = cluster(**given).together(**everywhere(host))
    assert plans["jm1"].steps.prove.writer == "jm2"
    assert plans["jm1"].steps.prove.files == ("/mnt/flink/.streamquorum-proof",)
    # Another cluster may be in the same storage.
    assert plans["jm1"].steps.prove.kept_in == ("/mnt/flink/orders",)
    assert ["/mnt/flink" in paths(plans[name]) for name in NAMES] == [False, True, False]
    assert "RequiresMountsFor=/mnt/flink\n" in plans["tm1"].generations["flink-taskmanager"].text("unit")


def test_the_firewall_closes_flinks_ports_to_all_but_its_hosts(cluster, host):
    plan = cluster(flink_ha_firewall=True, flink_ha_rest_networks=["198.51.100.0/24"]).together(**everywhere(host))[
        "jm1"
    ]
    assert (
        "ip saddr { 192.0.2.21, 192.0.2.22, 192.0.2.31, 198.51.100.0/24 } accept"
        in entry(plan, "firewall.nft")["content"]
    )
    assert plan.steps.install.firewall
    assert plan.steps.configure.firewall.load == "started"


def test_every_field_of_the_inputs_is_an_input(cluster):
    assert not set(Inputs.variables()) - cluster().given().keys()


@pytest.mark.parametrize("given", [{}, {"flink_ha_firewall": True}])
def test_a_host_on_which_nothing_differs_is_not_written_to(cluster, host, after, given):
    two = cluster(**given)
    states = {name: host("fresh") for name in ("jm1", "jm2", "tm1")}
    first = two.together(**states)
    assert [plan.problems for plan in first.values()] == [()] * 3
    assert all(plan.steps.configure.write for plan in first.values())
    again = two.together(**{name: after(first[name], state) for name, state in states.items()})
    assert not any(plan.steps.configure.write for plan in again.values())
    other = cluster(**given, flink_ha_parallelism=7)
    changed = other.together(**{name: after(first[name], state) for name, state in states.items()})
    assert all(plan.steps.configure.write for plan in changed.values())
    # An entry that is not looked at would be written in every run.
    for plan in first.values():
        asked = set(plan.reads["standing"]["paths"])
        outside = {
            each["path"] for each in (*plan.entries.first, *plan.entries.then) if "/generations/" not in each["path"]
        }
        assert outside <= asked


def test_a_storage_that_is_mounted_is_seen_to_with_other_files_and_before_a_start(cluster, host, after):
    def planned(state, **given):
        return cluster(flink_ha_checkpoint_dir="file:///srv/flink", **given).together(jm2=state)["jm2"]

    def written(state):
        """The state after a first run, of which nobody reads the storage."""
        first = planned(state)
        assert "/srv/flink" in {entry["path"] for entry in first.entries.then}
        assert "/srv/flink" not in first.reads["standing"]["paths"], "a file system that is gone would be waited for"
        done = after(first, state)
        return {**done, "standing": {path: each for path, each in done["standing"].items() if path != "/srv/flink"}}

    runs = written(host("live", "flink-taskmanager"))
    assert not planned(runs).steps.configure.write
    assert planned(runs, flink_ha_parallelism=7).steps.configure.write
    # Nothing differs there either, but it is about to start.
    assert planned(written(host("fresh"))).steps.configure.write


JARS = {
    "flink_ha_plugins": [{"name": "s3-fs-hadoop"}],
    "flink_ha_hadoop_classpath": "/opt/hadoop/*:/etc/extra.jar",
    "flink_ha_hadoop_conf_dir": "/etc/hadoop",
}


def with_hadoop(state, marker=""):
    there = {path: {"exists": True} for path in ("/opt/hadoop", "/etc/extra.jar", "/etc/hadoop")}
    return {
        **state,
        "paths": state["paths"] | there | ({marker: {"exists": True}} if marker else {}),
        "properties": {"/etc/hadoop/core-site.xml": {}, "/etc/hadoop/hdfs-site.xml": {}},
        "matches": {"/var/log/flink": [], "/opt/hadoop": ["hadoop-client-api-3.4.2.jar"], "/etc/extra.jar": []},
    }


def test_jars_are_a_part_of_the_generation_and_installed_once(cluster, host):
    some = cluster(**JARS)
    asked = some.plan()
    (marker,) = [path for path in asked.reads["paths"] if path.endswith("/.streamquorum-jars")]
    jar_set = marker.rpartition("/")[0]
    assert {"/opt/hadoop", "/etc/extra.jar", "/etc/hadoop"} <= set(asked.reads["paths"])
    assert set(asked.reads["matches"]) == {"/opt/hadoop", "/etc/extra.jar", "/var/log/flink"}
    state = with_hadoop(host("fresh"), marker)
    state["paths"][marker] = {"exists": False}
    plan = some.together(jm1=state)["jm1"]
    assert plan.problems == ()
    assert plan.steps.install.jars
    assert plan.steps.install.jar_set["dest"] == jar_set
    assert not some.together(jm1=with_hadoop(state, marker))["jm1"].steps.install.jars
    told = [
        "export HADOOP_CLASSPATH='/opt/hadoop/*:/etc/extra.jar'",
        "export HADOOP_CONF_DIR=/etc/hadoop",
        f"export FLINK_LIB_DIR={jar_set}/lib",
        f"export FLINK_PLUGINS_DIR={jar_set}/plugins",
    ]
    for generation in plan.generations.values():
        assert set(told) <= set(generation.text("start").splitlines())
    assert set(told) <= set(entry(plan, "/usr/local/bin/flink")["content"].splitlines())


KEYS = {"flink_ha_storage_credentials": {"s3.access-key": "hidden-1", "fs.gs.keyfile": {"content": "hidden-2\n"}}}


def test_credentials_of_a_storage_are_for_the_services_alone_and_a_part_of_the_generation(cluster, host):
    plan = cluster(**KEYS).together(**everywhere(host))["jm1"]
    (key,) = [each for each in written(plan) if each["path"].startswith("/etc/flink/keys/")]
    assert (key["secret_content"], key["mode"], key["group"]) == ("hidden-2\n", "0640", "flink")
    assert entry(plan, "/etc/flink/keys")["mode"] == "0750"
    for generation in plan.generations.values():
        text = generation.files["config.yaml"]["secret_content"]
        assert "s3.access-key: hidden-1" in text
        assert f"fs.gs.keyfile: {key['path']}" in text
        assert generation.files["config.yaml"]["mode"] == "0640"
    assert "s3.access-key: hidden-1" in entry(plan, "/etc/flink/conf/config.yaml")["secret_content"]


def test_another_key_of_a_storage_is_another_file_and_the_old_one_goes_after_the_roll(cluster, host):
    first = cluster(**KEYS).together(**everywhere(host))["jm1"]
    (old,) = [each["path"] for each in written(first) if each["path"].startswith("/etc/flink/keys/")]
    states = everywhere(host, "live")
    states["jm1"]["paths"]["/etc/flink/keys"] |= {"entries": [old.rpartition("/")[2], "mine.jks"], "exists": True}
    other = {"flink_ha_storage_credentials": {"fs.gs.keyfile": {"content": "hidden-3"}}}
    plan = cluster(**other).together(**states)["jm1"]
    assert old not in paths(plan), "what runs may read it until it is restarted"
    gone = [each["path"] for each in plan.entries.after if each.get("state") == "absent" and "keys" in each["path"]]
    assert gone == [old], "and what somebody else put there stays"


def test_keys_of_a_storage_that_cannot_be_are_refused(cluster):
    given = {
        "flink_ha_storage_credentials": {"s3.access-key": "a", "s3.x": "b", "rest.port": 1, "fs.gs.y": {"type": "key"}},
        "flink_ha_config_extra": {"s3.x": "c"},
    }
    told = "\n".join(cluster(**given).plan().problems)
    assert "flink_ha_storage_credentials and flink_ha_config_extra both have s3.x" in told
    assert "flink_ha_storage_credentials: rest.port belongs to flink_ha_rest_port" in told
    assert "flink_ha_storage_credentials: fs.gs.y is neither a text nor {content: what a file is to hold}" in told


def test_a_storage_that_is_no_directory_is_proved_before_something_starts_or_is_restarted(cluster, host, after):
    some = cluster(flink_ha_savepoint_dir="s3://bucket/savepoints", flink_ha_checkpoint_dir="file:///srv/flink")
    fresh = some.together(jm1=host("fresh"))["jm1"].steps.prove
    assert fresh.uris == ("hdfs://nameservice/flink", "s3://bucket/savepoints")
    assert fresh.paths == ("/srv/flink",)
    assert fresh.uris_due
    (digest,) = {
        each.digest
        for name, each in some.together(jm1=host("fresh"))["jm1"].generations.items()
        if name == "flink-jobmanager"
    }
    assert fresh.generation == f"/etc/flink/flink-jobmanager/generations/{digest}"
    assert (fresh.kind, fresh.current) == ("jobmanager", "/etc/flink/flink-jobmanager/current")
    # What runs is of another generation, so a roll follows.
    assert some.together(jm1=host("live"))["jm1"].steps.prove.uris_due
    local = cluster(flink_ha_storage_dir="file:///srv/flink", flink_ha_storage_shared=True)
    assert not local.together(jm1=host("fresh"))["jm1"].steps.prove.uris_due


def test_trap_71_a_host_without_hadoops_client_is_refused(cluster, host):
    some = cluster(**JARS | {"flink_ha_plugins": []})
    state = with_hadoop(host("fresh"))
    state["paths"]["/opt/hadoop"] = {"exists": False}
    assert "jm1: /opt/hadoop of flink_ha_hadoop_classpath is not there" in "\n".join(some.plan(state).problems)


def test_trap_71_a_nameservice_that_hadoops_configuration_does_not_have_is_refused(cluster, host):
    some = cluster(**JARS | {"flink_ha_plugins": []})
    reads = some.plan().reads
    # Not the files: they may hold keys.
    assert reads["properties"] == {f"/etc/hadoop/{name}-site.xml": ["dfs.nameservices"] for name in ("core", "hdfs")}
    assert not [path for path in reads["contents"] if "hadoop" in path]
    assert "nameservice" in reads["resolve"]
    state = with_hadoop(host("fresh"))
    state["properties"]["/etc/hadoop/hdfs-site.xml"] = {"dfs.nameservices": "ns1"}
    told = "\n".join(some.plan(state).problems)
    assert (
        "jm1: flink_ha_storage_dir is hdfs://nameservice/flink, and /etc/hadoop of flink_ha_hadoop_conf_dir has no nameservice"
        in told
    )
    state["properties"]["/etc/hadoop/hdfs-site.xml"] = {"dfs.nameservices": "ns1, nameservice"}
    assert some.plan(state).problems == ()


def test_trap_71_a_storage_without_its_file_system_is_refused(cluster):
    told = "\n".join(cluster(flink_ha_archive_url="").plan().problems)
    assert "Set flink_ha_hadoop_classpath" in told
    told = "\n".join(cluster(flink_ha_libraries=[{"jar": "/x.jar"}]).plan().problems)
    assert "flink_ha_libraries: /x.jar has no sha512" in told


def test_without_a_sum_only_what_is_installed_goes_on(cluster, host):
    without = cluster(flink_ha_archive_sha512="")
    state = host("fresh")
    assert "No sha512 sum is known for flink" in "\n".join(without.plan(state).problems)
    inputs = without.inputs()
    state["contents"][inputs.marker] = marker_text(Release("flink", inputs.version, "a1" * 64))
    assert without.plan(state).problems == ()


def test_another_flink_in_the_place_of_the_link_stays_and_the_command_takes_ours(cluster, host):
    state = host("fresh")
    plan = cluster().together(jm1=state)["jm1"]
    assert entry(plan, "/opt/flink")["target"] == "flink-2.3.0"
    assert "/opt/flink/bin/flink" in entry(plan, "/usr/local/bin/flink")["content"]
    state["standing"] = {**state["standing"], "/opt/flink": {"kind": "directory"}}
    plan = cluster().together(jm1=state)["jm1"]
    assert "/opt/flink" not in paths(plan)
    assert "/opt/flink-2.3.0/bin/flink" in entry(plan, "/usr/local/bin/flink")["content"]


def test_trap_72_what_somebody_else_set_up_is_looked_for_and_judged(cluster, host):
    some = cluster()
    asked = some.plan().reads["foreign_configs"]["flink-jobmanager.service"]
    assert asked["directory"] == "/etc/flink/flink-jobmanager/current"
    assert list(asked["files"]) == ["flink-conf.yaml", "config.yaml"]
    state = host("live")
    state["units"] = {name: {**unit, "generation": ""} for name, unit in state["units"].items()}
    state["lines"] = {path: [] for path in state["lines"]}
    told = "\n".join(some.together(jm1=state)["jm1"].problems)
    assert "flink-jobmanager.service was set up by somebody else, and its configuration was not found" in told


def test_trap_79_a_process_that_somebody_else_set_up_keeps_its_release(cluster, host):
    state = host("live")
    for unit in state["units"].values():
        unit["generation"] = ""
    state["units"]["flink-taskmanager.service"]["foreign"] = {"releases": {"flink": "1.20.5"}, "directories": []}
    told = "\n".join(cluster().together(jm1=state)["jm1"].problems)
    assert "jm1: runs Flink 1.20.5, which somebody else set up, and flink_ha_version is 2.3.0" in told


@pytest.mark.parametrize(
    ("name", "logs", "owns", "taken_back"),
    [("fresh", [], False, True), ("fresh", ["flink-x.log"], True, True), ("live", [], True, False)],
    ids=["never ran", "ran", "runs, with another directory for its log"],
)
def test_trap_74_jobs_are_those_of_hosts_that_ran_or_run(cluster, host, name, logs, owns, taken_back):
    states = everywhere(host, name)
    for state in states.values():
        state["matches"]["/var/log/flink"] = logs
    prove = cluster().together(**states)["jm1"].steps.prove
    assert prove.owns_jobs == owns
    current = [f"/etc/flink/flink-{kind}/current" for kind in ("jobmanager", "taskmanager")]
    assert [entry["path"] for entry in prove.taken_back] == (current if taken_back else [])
