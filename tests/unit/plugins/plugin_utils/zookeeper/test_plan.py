"""Whole hosts in, whole plans out: what is refused, written and done, for members in the states that a run meets."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

import pytest
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import PlanError
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import Inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.peers import PRESENT

OLD = "0123456789abcdef"
NAMES = ("zk1", "zk2", "zk3")


def paths(plan):
    return [entry["path"] for entry in (*plan.entries.first, *plan.entries.then)]


def entry(plan, end):
    (found,) = [each for each in (*plan.entries.first, *plan.entries.then) if each["path"].endswith(end)]
    return found


def live(host):
    return {name: host("live", int(name[-1])) for name in NAMES}


def test_from_the_inventory_alone_it_says_what_to_read(ensemble):
    plan = ensemble().plan()
    assert plan.problems == ()
    assert plan.reads["resolve"] == ["zk1.invalid", "zk2.invalid", "zk3.invalid"]
    assert "/var/lib/zookeeper/version-2" in plan.reads["paths"]
    assert [each["client_port"] for each in plan.ensemble.members] == [2181] * 3
    assert (plan.generation, plan.note, plan.group, plan.entries.then) == (None, None, None, ())


def test_an_inventory_is_refused_with_all_that_is_wrong(ensemble):
    wrong = ensemble(zookeeper_version="3.4.0", zookeeper_config_extra={"clientPort": 1, "db.autocreate": True})
    wrong.hostvars["zk2"]["zookeeper_id"] = 3
    del wrong.hostvars["zk1"]["zookeeper_id"]
    wrong.play_hosts = ["zk1"]
    told = "\n".join(wrong.plan().problems)
    for words in (
        "zk1: zookeeper_id is missing",
        "zookeeper_id 3 is already that of",
        "--limit leaves out zk2, zk3",
        "zookeeper_version is '3.4.0'",
        "clientPort belongs to zookeeper_client_port",
        "db.autocreate belongs to data safety",
    ):
        assert words in told


def test_with_a_host_it_says_what_the_member_is_to_run(ensemble, host):
    plan = ensemble().plan(host("fresh"))
    assert plan.problems == ()
    assert sorted(plan.generation.files) == ["logback.xml", "start", "unit", "zoo.cfg"]
    assert plan.generation.links == {"release": "/opt/zookeeper-3.9.5"}
    assert plan.note.member["desired"] == plan.generation.digest
    assert (plan.note.has_data, plan.note.may_vote, plan.note.live) == (False, False, False)
    assert plan.group is None, "nothing is known of the others yet"


def test_max_client_cnxns_comes_to_the_file_and_nowhere_else(ensemble, host):
    """The walk of docs/architecture.md."""
    before, after = (
        ensemble(**given).plan(host("fresh")).generation for given in ({}, {"zookeeper_max_client_cnxns": 100})
    )
    lines = [set(each.text("zoo.cfg").splitlines()) for each in (before, after)]
    assert lines[0] ^ lines[1] == {"maxClientCnxns=60", "maxClientCnxns=100"}
    assert [name for name in before.files if before.files[name] != after.files[name]] == ["zoo.cfg"]
    assert before.digest != after.digest


def test_what_is_written_keeps_the_form_in_which_it_was_given(ensemble, host):
    """`yes` is a switch that is on, and was always written as it is."""
    given = {"zookeeper_admin_enabled": "yes", "zookeeper_heap_mb": "0512", "zookeeper_firewall": "false"}
    plan = ensemble(**given).plan(host("fresh"))
    assert "admin.enableServer=yes\n" in plan.generation.text("zoo.cfg")
    assert "-Xms0512m" in plan.generation.files["start"]["content"]
    assert ensemble(**given).inputs().firewall is False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"contents": {"/var/lib/zookeeper/myid": "2"}}, "myid says 2, and zookeeper_id is 1"),
        ({"unread": {"/x": "is a FIFO."}}, "zk1: is a FIFO. Nothing was changed."),
        ({"resolved": {"zk2.invalid": []}}, "does not resolve zk2.invalid"),
    ],
)
def test_a_host_that_cannot_be_a_member_is_refused(ensemble, host, change, words):
    state = host("fresh")
    for name, values in change.items():
        state[name] |= values
    plan = ensemble().plan(state)
    assert words in "\n".join(plan.problems)
    assert (plan.generation, plan.note) == (None, None)


def test_a_value_that_cannot_be_written_is_refused_with_its_key(ensemble, host):
    (told,) = ensemble(zookeeper_admin_address="").plan(host("fresh")).problems
    assert told == "zk1: zoo.cfg: admin.serverAddress is empty; leave the key out instead."


def test_a_first_start_marks_every_member_and_switches(ensemble, host):
    plans = ensemble().together(**{name: host("fresh") for name in NAMES})
    for plan in plans.values():
        assert plan.problems == ()
        assert asdict(plan.group) == {"any_live": False, "all_live": False, "to_roll": False, "loses_identities": False}
        assert "/var/lib/zookeeper/initialize" in paths(plan)
        assert entry(plan, "/current")["target"] == f"generations/{plan.generation.digest}"
        assert plan.steps.install.needed
        assert plan.steps.install.java
        assert not plan.steps.install.kerberos
        assert plan.steps.install.archive["dest"] == "/opt/zookeeper-3.9.5"
    assert [entry(plans[name], "/myid")["content"] for name in NAMES] == ["1", "2", "3"]
    assert len({plan.generation.digest for plan in plans.values()}) == 1


def test_what_runs_is_left_to_the_roll(ensemble, host):
    plans = ensemble().together(**live(host))
    for plan in plans.values():
        assert plan.problems == ()
        assert (plan.group.all_live, plan.group.to_roll) == (True, True)
        assert "/etc/zookeeper/current" not in paths(plan)
        assert "/etc/systemd/system/zookeeper.service" not in paths(plan)
        assert "/var/lib/zookeeper/initialize" not in paths(plan)
        assert not plan.steps.install.needed
        assert plan.steps.verify.recorded
    assert plans["zk2"].note.member["running"] == OLD


def test_a_live_ensemble_keeps_its_voters_and_goes_one_step_at_a_time(ensemble, host):
    wrong = ensemble(zookeeper_client_port=2191, zookeeper_quorum_port=2999, zookeeper_client_auth="required",
                     zookeeper_auth_mechanism="digest", zookeeper_admin_password="canary-1")  # fmt: skip
    told = "\n".join(wrong.together(**live(host))["zk1"].problems)
    assert "has other voters than the ensemble that runs" in told
    assert "zookeeper_client_port is 2191, and the ZooKeeper that runs there listens on 2181, 3888, 8080" in told
    assert "zookeeper_client_auth is required, and this member runs with none" in told
    assert "canary" not in told


def test_where_all_data_is_gone_nothing_is_made(ensemble, host):
    states = live(host)
    for state in states.values():
        state["paths"]["/var/lib/zookeeper/version-2"]["entries"] = ["currentEpoch"]
        state["units"]["zookeeper.service"]["active"] = False
    told = "\n".join(ensemble().together(**states)["zk1"].problems)
    assert "No member holds data" in told
    accepted = ensemble(zookeeper_accept_empty_ensemble=True).together(**states)["zk1"]
    assert accepted.problems == ()
    assert "/var/lib/zookeeper/initialize" in paths(accepted)
    assert "nothing is started from nothing here" in "\n".join(accepted.steps.start_problems)


def test_too_few_voters_with_data_are_not_started(ensemble, host):
    states = live(host) | {"zk2": host("fresh"), "zk3": host("fresh")}
    states["zk1"]["units"]["zookeeper.service"]["active"] = False
    plans = ensemble().together(**states)
    assert "Of 3 voters only zk1 may vote" in "\n".join(plans["zk2"].problems)


def test_nobody_is_waited_for_that_the_run_goes_on_without(ensemble, host):
    some = ensemble()
    some.unreached = ["zk2"]
    plans = some.together(zk1=host("live", 1), zk3=host("live", 3))
    assert plans["zk1"].problems == ()
    assert plans["zk1"].steps.verify.wait_for == "serving"
    assert plans["zk1"].steps.verify.wait_for_members == (1, 3)
    assert "server.2=zk2.invalid:" in plans["zk1"].generation.text("zoo.cfg")


def test_tls_needs_certificates_and_writes_them_before_what_needs_them(ensemble, host):
    given = {"zookeeper_client_tls": "required", "zookeeper_quorum_tls": "required", "tls_authority_dir": "/a"}
    plan = ensemble(**given).together(**{name: host("fresh") for name in NAMES})["zk1"]
    assert [each["authority"] for each in plan.certificates] == ["clients", "ensemble"]
    assert plan.entries.first[-1]["path"] == "/etc/zookeeper/tls"
    assert "clientPort=" not in plan.generation.text("zoo.cfg").replace("secureClientPort=", "")
    assert plan.servers == ("zk1.invalid:2281", "zk2.invalid:2281", "zk3.invalid:2281")
    assert plan.steps.configure.prepare


def test_those_that_run_decide_which_port_is_asked(ensemble, host):
    """On the way from offered to required and back it is one that every member has."""
    plan = ensemble(zookeeper_client_tls="offered", tls_authority_dir="/a").together(**live(host))["zk1"]
    assert plan.servers[0] == "zk1.invalid:2181"


def test_secrets_are_in_secret_fields_alone(ensemble, host):
    given = {
        "zookeeper_client_auth": "required", "zookeeper_quorum_auth": "required", "zookeeper_auth_mechanism": "digest",
        "zookeeper_config_extra": {"fips-mode": False}, "zookeeper_admin_password": "canary-1",
        "zookeeper_client_users": {"app": "canary-2"}, "zookeeper_quorum_password": "canary-3",
        "zookeeper_super_password": "canary-4-which-is-long",
    }  # fmt: skip
    some = ensemble(**given)
    plan = some.together(**{name: host("fresh") for name in NAMES})["zk1"]
    assert "canary" not in repr(plan) + repr(some.inputs())
    for each in (*plan.entries.first, *plan.entries.then):
        shown = {name: value for name, value in each.items() if not name.startswith("secret_")}
        assert "canary" not in json.dumps(shown)
    assert "canary-1" in plan.generation.files["jaas.conf"]["secret_content"]
    assert "secret_content" in plan.generation.files["zoo.cfg"]


@pytest.mark.parametrize(
    ("kind", "target", "ours"),
    [
        ("", "", True),
        ("link", "/etc/zookeeper/current/release", True),
        # What runs may be started by it, and an own unit leads nowhere before its member's step.
        ("link", "/opt/apache-zookeeper-3.8.4", False),
        ("directory", "", False),
    ],
)
def test_a_release_that_somebody_else_put_there_stays(ensemble, host, kind, target, ours):
    states = {name: host("fresh") for name in NAMES}
    facts = {"exists": bool(kind), "type": kind, "target": target, "entries": [], "free_mb": 9999}
    states["zk1"] = {**states["zk1"], "paths": {**states["zk1"]["paths"], "/opt/zookeeper": facts}}
    plan = ensemble().together(**states)["zk1"]
    assert ("/opt/zookeeper" in paths(plan)) == ours
    shell = entry(plan, "/zkcli")["content"]
    assert ("/opt/zookeeper/bin/zkCli.sh" in shell, "/etc/zookeeper/current/release/bin/zkCli.sh" in shell) == (
        ours,
        not ours,
    )


def test_kerberos_ids_are_those_of_members_and_of_a_flink_that_is_switched(ensemble, host):
    some = ensemble(zookeeper_client_auth="offered", kerberos_realm="X.TEST", zookeeper_super_users=["admin@X.TEST"])
    some.groups |= {"flink_jobmanager": ["jm"], "flink_taskmanager": ["jm"]}
    some.hostvars["jm"] = {"flink_ha_switching_principals": ["a@X.TEST", "b@X.TEST"]}
    config = some.plan(host("fresh")).generation.text("zoo.cfg")
    assert [line.partition("=")[2] for line in config.splitlines() if line.startswith("superUser.")] == [
        *(f"zookeeper/zk{number}.invalid@X.TEST" for number in (1, 2, 3)), "a@X.TEST", "b@X.TEST", "admin@X.TEST",
    ]  # fmt: skip


def test_the_firewall_lets_in_the_members_by_all_their_addresses(ensemble, host):
    state = host("fresh")
    state["resolved"]["zk3.invalid"] = ["2001:db8::3", "192.0.2.3"]
    plan = ensemble(zookeeper_firewall=True).together(zk1=state, zk2=state, zk3=state)["zk1"]
    rules = entry(plan, "firewall.nft")["content"]
    assert "ip saddr { 192.0.2.1, 192.0.2.2, 192.0.2.3 } accept" in rules
    assert "ip6 saddr { 2001:db8::3 } accept" in rules
    assert plan.steps.install.firewall


def test_a_firewall_that_is_not_wanted_any_more_is_taken_away(ensemble, host):
    states = live(host)
    for state in states.values():
        state["units"]["streamquorum-firewall.service"]["exists"] = True
    plan = ensemble().together(**states)["zk1"]
    assert entry(plan, "firewall.nft")["state"] == "absent"
    assert plan.steps.configure.prepare
    assert plan.steps.configure.firewall.unload


def test_the_package_has_its_own_place_logger_and_classpath(ensemble, host):
    some = ensemble(zookeeper_install_method="package", zookeeper_version="3.8.0", zookeeper_archive_sha512="")
    state = host("fresh")
    state["paths"]["/usr/share/zookeeper"] = state["paths"]["/opt/zookeeper-3.9.5"]
    state["contents"]["/usr/share/zookeeper/.streamquorum-release"] = ""
    generation = some.plan(state).generation
    assert "log4j.properties" in generation.files
    assert generation.links == {"release": "/usr/share/zookeeper"}
    assert (
        '-cp "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-log4j12.jar:' in generation.files["start"]["content"]
    )


#: The ensemble that Flink brings.
BUNDLED = {
    "zookeeper_install_method": "flink",
    "zookeeper_flink_version": "2.3.0",
    "zookeeper_version": "3.7.2",
    "zookeeper_admin_enabled": False,
}


def on_flink(state):
    """A host as it is read where the release is Flink's."""
    state["paths"]["/opt/flink-2.3.0"] = state["paths"]["/opt/zookeeper-3.9.5"]
    state["contents"]["/opt/flink-2.3.0/.streamquorum-release"] = ""
    return state


def test_flinks_own_server_is_the_same_member_by_other_classes(ensemble, host):
    plan = ensemble(**BUNDLED).plan(on_flink(host("fresh")))
    assert plan.problems == ()
    assert sorted(plan.generation.files) == ["log4j2.properties", "start", "unit", "zoo.cfg"]
    assert plan.generation.links == {"release": "/opt/flink-2.3.0"}
    start = plan.generation.files["start"]["content"]
    assert "    org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.quorum.QuorumPeerMain " in start
    assert '"-Dlog4j.configurationFile=file:$generation/log4j2.properties"' in start


def test_its_advice_is_said_by_the_first_host_and_only_before_it_is_made(ensemble, host):
    some = ensemble(**BUNDLED)
    told = {name: some.plan(on_flink(host("fresh")), name).hints for name in NAMES}
    assert [name for name, hints in told.items() if "advises an ensemble of its own" in "".join(hints)] == ["zk3"]
    state = on_flink(host("fresh"))
    state["paths"]["/etc/zookeeper/current/release"] |= {"type": "link", "target": "/opt/flink-2.3.0"}
    assert not some.plan(state, "zk3").hints


def test_its_archive_is_flinks_and_its_shell_a_class_in_there(ensemble, host):
    plans = ensemble(**BUNDLED).together(**{name: on_flink(host("fresh")) for name in NAMES})
    archive = plans["zk1"].steps.install.archive
    assert (archive["name"], archive["version"], archive["dest"]) == ("flink", "2.3.0", "/opt/flink-2.3.0")
    assert archive["sources"] == [
        f"https://{each}/flink/flink-2.3.0/flink-2.3.0-bin-scala_2.12.tgz"
        for each in ("dlcdn.apache.org", "archive.apache.org/dist")
    ]
    assert "-cp '/opt/zookeeper/lib/*' org.apache.flink.shaded.zookeeper3." in entry(plans["zk1"], "/zkcli")["content"]


def test_an_ensemble_of_another_kind_on_disk_is_not_what_flinks_server_starts_on(ensemble, host):
    told = "\n".join(ensemble(**BUNDLED).plan(on_flink(host("live"))).problems)
    assert "zk1: /var/lib/zookeeper hold data of /opt/zookeeper-3.9.5" in told


def test_trap_81_it_starts_on_no_data_of_which_nobody_knows_who_wrote_it(ensemble, host):
    states = {name: on_flink(host("fresh")) for name in NAMES}
    states["zk1"]["paths"]["/var/lib/zookeeper/version-2"] |= {
        "exists": True,
        "entries": ["snapshot.0"],
        "owner": "zookeeper",
    }
    told = {name: "\n".join(plan.problems) for name, plan in ensemble(**BUNDLED).together(**states).items()}
    assert "zk1: /var/lib/zookeeper hold data, and no member of this ensemble has ever served" in told["zk1"]
    # It was brought there, where another one has served.
    states["zk2"]["paths"]["/etc/zookeeper/served"] |= {"exists": True}
    plans = ensemble(**BUNDLED).together(**states)
    assert not [problem for plan in plans.values() for problem in plan.problems if "has ever served" in problem]


def test_the_way_out_is_an_upgrade_like_any_other(ensemble, host):
    state = host("live")
    state["paths"]["/etc/zookeeper/current/release"]["target"] = "/opt/flink-2.3.0"
    given = {"zookeeper_version": "3.8.6", "zookeeper_upgrade": True}
    state["paths"]["/opt/zookeeper-3.8.6"] = state["paths"]["/opt/zookeeper-3.9.5"]
    state["contents"]["/opt/zookeeper-3.8.6/.streamquorum-release"] = ""
    (told,) = ensemble(**given).plan(state).problems
    assert "runs ZooKeeper 3.7.2, and zookeeper_version is 3.8.6: a change across minor releases" in told
    assert ensemble(**given, zookeeper_upgrade_across_minor=True).plan(state).problems == ()


def test_trap_79_a_server_that_somebody_else_set_up_keeps_its_release_and_its_directories(ensemble, host):
    state = host("live")
    state["paths"]["/etc/zookeeper/current/release"]["target"] = ""
    state["contents"]["/etc/zookeeper/current/zoo.cfg"] = ""
    runs = {"releases": {"zookeeper": "3.9.5"}, "directories": ["dataDir=/var/lib/zookeeper"]}
    state["units"]["zookeeper.service"] |= {"generation": "", "foreign": runs}
    assert ensemble().plan(state).problems == ()
    runs |= {"releases": {"flink": "1.20.5"}, "directories": ["dataDir=/srv/zk", "dataLogDir=/srv/log"]}
    told = "\n".join(ensemble().plan(state).problems)
    assert "runs ZooKeeper 3.7.1, which somebody else set up, and zookeeper_version is 3.9.5" in told
    assert "zookeeper_data_dir is /var/lib/zookeeper, and the server that runs writes to /srv/zk" in told
    assert "zookeeper_data_log_dir is /var/lib/zookeeper, and the server that runs writes to /srv/log" in told


def test_members_that_the_inventory_has_are_to_be_present(ensemble):
    assert {member.state for member in ensemble().peers().members} == {PRESENT}


def test_every_field_of_the_inputs_is_an_input(ensemble):
    given = ensemble().given()
    unknown = set(Inputs.variables()) - given.keys()
    assert not unknown
    assert {field.name for field in fields(Inputs)} >= {"client_port", "data_dir"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"zookeeper_firewall": True},
        {
            "zookeeper_client_auth": "required",
            "zookeeper_auth_mechanism": "digest",
            "zookeeper_client_users": {"a": "canary-a"},
            "zookeeper_admin_password": "canary-b",
        },
    ],
)
def test_a_host_on_which_nothing_differs_is_not_written_to(ensemble, host, after, given):
    three = ensemble(**given)
    states = {name: host("fresh") for name in NAMES}
    first = three.together(**states)
    assert all(plan.steps.configure.write for plan in first.values())
    # An entry that is asked of no host, or not looked at, would be written in every run.
    asked = {path for plan in first.values() for path in plan.reads["standing"]["paths"]}
    outside = {path for plan in first.values() for path in paths(plan) if "/generations/" not in path}
    assert outside - asked == {"/var/lib/zookeeper/initialize"}, "of a first start"
    again = three.together(**{name: after(first[name], states[name]) for name in NAMES})
    assert not any(plan.steps.configure.write for plan in again.values())
    other = ensemble(**given, zookeeper_max_client_cnxns=100)
    changed = other.together(**{name: after(first[name], states[name]) for name in NAMES})
    assert all(plan.steps.configure.write for plan in changed.values())


def test_what_a_killed_run_wrote_and_nobody_loaded_is_finished_by_the_next(ensemble, host, after):
    """Nothing differs on the host by then, so nothing is written: what is missing is that systemd and the firewall know."""

    def needed(three, **unit):
        states = {name: host("fresh") for name in NAMES}
        first = three.together(**states)
        again = {name: after(first[name], states[name]) for name in NAMES}
        for state in again.values():
            state["units"] = {name: {**each, **unit} for name, each in state["units"].items()}
        plans = three.together(**again).values()
        assert not any(plan.steps.configure.write for plan in plans)
        return {plan.steps.configure.needed for plan in plans}

    assert needed(ensemble()) == {False}
    assert needed(ensemble(), needs_reload=True) == {True}
    # The rules stand there, and are not loaded.
    assert needed(ensemble(zookeeper_firewall=True)) == {True}


def test_a_host_that_cannot_be_planned_is_named_without_what_was_read(ensemble, host):
    some = ensemble()
    with pytest.raises(PlanError, match=r"^zk2 cannot be planned: KeyError at \w+\.py:\d+$"):
        some.together(zk1=host("live"), zk2={**host("live"), "contents": {"canary": ""}}, zk3=host("live"))
