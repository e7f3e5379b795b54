"""What the zookeeper role derives from the inventory."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import config


def member(identity, host=None, peer_type="participant", address=None):
    host = host or f"zk{identity}"
    return {"host": host, "id": identity, "address": address or f"{host}.lab.test", "peer_type": peer_type}


def ensemble(count, observers=0):
    voters = [member(i) for i in range(1, count + 1)]
    return voters + [member(i, peer_type="observer") for i in range(count + 1, count + observers + 1)]


HOSTVARS = {
    "zk3.lab.test": {"zookeeper_id": 3},
    "zk1.lab.test": {"zookeeper_id": 1},
    "zk2.lab.test": {"zookeeper_id": 2, "zookeeper_address": "other.lab.test", "zookeeper_peer_type": "observer"},
}


def test_trap_33_the_order_of_the_inventory_changes_nothing():
    results = [
        (
            config.zookeeper_connect_string(config.zookeeper_members(HOSTVARS, hosts), 2181),
            config.render_properties(
                config.zookeeper_server_lines(config.zookeeper_members(HOSTVARS, hosts), 2888, 3888)
            ),
        )
        for hosts in itertools.permutations(HOSTVARS)
    ]
    assert len(set(results)) == 1
    assert results[0][0] == "zk1.lab.test:2181,other.lab.test:2181,zk3.lab.test:2181"
    assert results[0][1] == (
        "server.1=zk1.lab.test:2888:3888:participant\n"
        "server.2=other.lab.test:2888:3888:observer\n"
        "server.3=zk3.lab.test:2888:3888:participant\n"
    )


def test_server_lines_are_sorted_by_number_not_by_letter():
    text = config.render_properties({f"server.{i}": "h" for i in (10, 9, 2)} | {"tickTime": 2000})
    assert [line.split("=")[0] for line in text.splitlines()] == ["server.2", "server.9", "server.10", "tickTime"]


@pytest.mark.parametrize("value", [None, "", "  ", "a\nb", "a\\b"])
def test_trap_21_a_value_that_java_would_not_read_back_is_refused(value):
    with pytest.raises(config.ConfigError, match="dataDir"):
        config.render_properties({"dataDir": value})


def test_booleans_are_what_the_parser_of_zookeeper_takes():
    assert config.render_properties({"standaloneEnabled": False}) == "standaloneEnabled=false\n"


def test_a_key_that_does_not_read_back_is_refused():
    with pytest.raises(config.ConfigError, match="read back"):
        config.render_properties({"a=b": "c"})


@pytest.mark.parametrize("members", [ensemble(3), ensemble(5), ensemble(7), ensemble(3, 2)])
def test_an_ensemble_is_accepted(members):
    assert config.membership_problems(members, single_node=False) == []


def test_a_single_node_needs_its_switch():
    assert "zookeeper_single_node: true" in config.membership_problems(ensemble(1), single_node=False)[0]
    assert config.membership_problems(ensemble(1), single_node=True) == []
    assert "Remove the switch" in config.membership_problems(ensemble(3), single_node=True)[0]


@pytest.mark.parametrize(
    ("count", "tolerated", "better", "better_tolerates"),
    [(2, 0, 3, 1), (4, 1, 5, 2), (6, 2, 7, 3), (8, 3, 7, 3), (9, 4, 7, 3)],
)
def test_trap_09_a_number_of_voters_that_is_no_use_is_refused(count, tolerated, better, better_tolerates):
    (problem,) = config.membership_problems(ensemble(count), single_node=False)
    assert f"has {count} voters, which tolerate the loss of {tolerated}" in problem
    assert f"{better} voters tolerate the loss of {better_tolerates}" in problem


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"id": None}, ["zk2", "zookeeper_id is missing"]),
        ({"id": 0}, ["zk2", "1 to 254"]),
        ({"id": 255}, ["zk2", "1 to 254"]),
        ({"id": "2"}, ["zk2", "whole number"]),
        ({"id": True}, ["zk2", "whole number"]),
        ({"id": 1}, ["zk2", "already that of zk1"]),
        ({"peer_type": "voter"}, ["zk2", "participant or observer"]),
        ({"address": "0.0.0.0"}, ["zk2", "zookeeper_address"]),
        ({"address": "a b"}, ["zk2", "zookeeper_address"]),
        ({"address": "zk1.lab.test"}, ["zk2", "belongs to two members"]),
    ],
)
def test_trap_07_08_27_a_wrong_identity_is_refused(broken, words):
    members = ensemble(3)
    members[1] = members[1] | broken
    problems = "\n".join(config.membership_problems(members, single_node=False))
    assert all(word in problems for word in words)


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("clientPort", 1, "zookeeper_client_port"),
        ("group.1", "1:2:3", "hierarchical"),
        ("weight.1", 2, "hierarchical"),
        ("server.4", "h:1:2", "member list"),
        ("dynamicConfigFile", "/x", "member list"),
        ("peerType", "observer", "member list"),
        ("zookeeper.superUser", "x", "Write superUser"),
        ("jute.maxbuffer", 1, "-Djute.maxbuffer"),
        ("snapCount", "", "empty"),
    ],
)
def test_an_extra_key_that_would_do_harm_or_nothing_is_refused(key, value, word):
    (problem,) = config.extra_problems({key: value}, {"clientPort": "zookeeper_client_port"})
    assert word in problem
    assert key in problem


def test_other_extra_keys_are_taken():
    assert config.extra_problems({"snapCount": 1, "autopurge.x": "y"}, {"clientPort": "zookeeper_client_port"}) == []


@pytest.mark.parametrize(("on_disk", "refused"), [("", False), ("2\n", False), ("3\n", True)])
def test_trap_07_an_id_never_changes_over_data(on_disk, refused):
    problems = config.identity_problems("zk2", 2, "/data", on_disk)
    assert bool(problems) is refused
    assert all("zk2: /data/myid says 3" in problem and "zookeeper_id: 3" in problem for problem in problems)


@pytest.mark.parametrize(
    ("running", "full", "refused"),
    [
        ("", [], []),
        ("dataDir=/old\n", ["/new", "/log"], []),
        ("dataDir=/old\n", [], ["data_dir", "data_log_dir"]),
        # What the one directory holds says nothing of the other.
        ("dataDir=/old\n", ["/new"], ["data_log_dir"]),
        ("dataDir=/new\n", ["/new"], ["data_log_dir"]),
        ("dataDir=/old\ndataLogDir=/log\n", [], ["data_dir"]),
        ("dataDir=/new\ndataLogDir=/log\n", [], []),
    ],
)
def test_trap_05_an_empty_data_directory_does_not_replace_a_full_one(running, full, refused):
    found = {
        f"{path}/version-2": {"entries": ["log.1", "snapshot.0"] if path in full else []} for path in ("/new", "/log")
    }
    problems = config.data_dir_problems("zk1", running, "/new", "/log", found)
    assert len(problems) == len(refused)
    assert all(f"zookeeper_{name} is" in problem for name, problem in zip(refused, problems, strict=True))


def test_trap_79_the_snapshots_alone_are_not_the_directory_of_the_logs():
    found = {"/data/version-2": {"entries": ["acceptedEpoch", "snapshot.0"]}}
    (told,) = config.data_dir_problems("zk1", "dataDir=/data\ndataLogDir=/log\n", "/data", "/data", found)
    assert "zookeeper_data_log_dir is /data, but the transaction logs are in /log" in told
    assert config.data_dir_problems("zk1", "dataDir=/data\n", "/data", "/data", found) == []


@pytest.mark.parametrize(
    ("running", "told"),
    [
        ("dataDir=/data/\ndataLogDir=/log\n", []),
        ("", []),
        (
            "dataDir=/data\n",
            [
                "zookeeper_data_log_dir is /log, and the server that runs writes to /data. Set zookeeper_data_log_dir: /data"
            ],
        ),
        ("dataDir=/old\ndataLogDir=/log\n", ["zookeeper_data_dir is /data, and the server that runs writes to /old"]),
        ("dataDir=/x; rm -r /\ndataLogDir=/log\n", ["writes to another directory, which its zoo.cfg names"]),
    ],
)
def test_trap_79_a_server_that_runs_keeps_its_directories_whatever_others_hold(running, told):
    found = config.running_dir_problems("zk1", running, "/data", "/log")
    assert len(found) == len(told)
    assert all(words in text for words, text in zip(told, found, strict=True)), found


PACKAGES = {"debian 12": {"version": "3.8.0"}}


@pytest.mark.parametrize(
    ("platform", "version", "word"),
    [("debian 13", "3.8.0", "not on debian 13"), ("debian 12", "3.9.5", "Set zookeeper_version: 3.8.0")],
)
def test_a_package_that_is_not_there_is_refused(platform, version, word):
    (problem,) = config.package_problems("zk1", platform, version, PACKAGES)
    assert word in problem


def test_the_platforms_own_package_is_taken():
    assert config.package_problems("zk1", "debian 12", "3.8.0", PACKAGES) == []


@pytest.mark.parametrize(
    ("may_vote", "refused"),
    [
        ({"a": True}, False),
        ({"a": True, "b": True, "c": False}, False),
        ({"a": True, "b": True, "c": True, "d": False, "e": False}, False),
        ({"a": True, "b": False, "c": False}, True),
        ({"a": True, "b": True, "c": False, "d": False, "e": False}, True),
    ],
)
def test_an_ensemble_that_could_not_elect_a_leader_is_not_started(may_vote, refused):
    problems = config.lost_data_problems(may_vote, ["/d", "/l"])
    assert bool(problems) == refused
    assert all("only a" in problem and "/d and /l" in problem for problem in problems)


def noted(**members):
    """What the preflight noted of each member: (holds data, has the record); None where it was not read."""
    return {name: {"has_data": told[0], "served": told[1]} if told else {} for name, told in members.items()}


EMPTY, SERVED, FULL, NEW = (False, False), (False, True), (True, True), (True, False)


@pytest.mark.parametrize(
    ("members", "accepted", "refused"),
    [
        ({"a": EMPTY, "b": EMPTY, "c": EMPTY}, False, False),
        ({"a": SERVED, "b": SERVED, "c": SERVED}, False, True),
        ({"a": SERVED, "b": EMPTY, "c": EMPTY}, False, True),
        ({"a": SERVED}, False, True),
        ({"a": EMPTY}, False, False),
        # A member that was replaced, or lost its directory: another one holds the data.
        ({"a": SERVED, "b": SERVED, "c": FULL}, False, False),
        ({"a": SERVED, "b": EMPTY, "c": NEW}, False, False),
        ({"a": SERVED, "b": SERVED, "c": SERVED}, True, False),
        ({"a": SERVED}, True, False),
        # What was not read may hold the data, whatever was accepted.
        ({"a": SERVED, "b": SERVED, "c": None}, False, True),
        ({"a": SERVED, "b": SERVED, "c": None}, True, True),
        ({"a": EMPTY, "b": EMPTY, "c": None}, False, False),
    ],
)
def test_trap_53_an_ensemble_that_served_is_not_taken_for_a_new_one(members, accepted, refused):
    problems = config.gone_problems(
        noted(**members), list(members), ["/d/version-2"], "/etc/zookeeper/served", accepted
    )
    assert bool(problems) == refused
    for problem in problems:
        assert "/d/version-2" in problem
        assert "/etc/zookeeper/served" in problem
        assert "-e zookeeper_accept_empty_ensemble=true" in problem
        assert ("c was not read" in problem) == (members.get("c", EMPTY) is None)


@pytest.mark.parametrize(
    ("may_vote", "refused"),
    [
        ({"a": False, "b": False, "c": False}, True),
        ({"a": True, "b": False, "c": False}, True),
        ({"a": True, "b": True, "c": False}, False),
        ({"a": False}, True),
        ({"a": True}, False),
    ],
)
def test_what_nobody_made_ready_for_a_first_start_is_not_started(may_vote, refused):
    problems = config.unready_problems(may_vote)
    assert bool(problems) == refused
    assert all("playbooks/site.yml" in problem for problem in problems)


RUNNING = "dataDir=/d\nserver.1=a:2888:3888:participant\nserver.2=b:2888:3888\nserver.9=o:2888:3888:observer\n"


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (RUNNING, ""),
        (RUNNING.replace(":participant", ""), ""),
        (RUNNING.replace("server.9=o:2888:3888:observer\n", ""), ""),
        (RUNNING.replace("/d", "/e"), ""),
        (RUNNING + "server.3=c:2888:3888\n", "server.3=c:2888:3888"),
        (RUNNING.replace("server.2=b:2888:3888\n", ""), "server.2=b:2888:3888 (running)"),
        (RUNNING.replace("b:2888", "b:2889"), "server.2=b:2888:3888 (running), server.2=b:2889:3888"),
        (RUNNING.replace("server.2=b:2888:3888", "server.2=b:2888:3888:observer"), "server.2=b:2888:3888 (running)"),
    ],
)
def test_trap_06_the_voters_of_a_live_ensemble_stay(wanted, named):
    problems = config.voter_problems("h", RUNNING, wanted)
    assert bool(problems) == bool(named)
    assert all(named in problem for problem in problems)


@pytest.mark.parametrize(
    ("listens_on", "refused"), [([2181, 3888], False), ([2281, 3888], False), ([2182, 3888], True)]
)
def test_the_client_port_of_a_live_member_stays(listens_on, refused):
    problems = config.moved_problems("h", listens_on, 2181, 2281)
    assert bool(problems) == refused
    assert not refused or "listens on 2182, 3888" in problems[0]


@pytest.mark.parametrize(
    ("found", "refused"),
    [
        ({"owner": "zookeeper", "entries": ["snapshot.0"]}, False),
        ({"owner": "root", "entries": []}, False),
        ({"owner": "", "entries": []}, False),
        ({"owner": "root", "entries": ["snapshot.0"]}, True),
    ],
)
def test_a_database_of_another_owner_is_refused(found, refused):
    problems = config.owner_problems("h", {"/data/version-2": found}, "zookeeper")
    assert bool(problems) == refused
    assert not refused or "chown -R zookeeper: /data/version-2" in problems[0]


def test_what_runs_without_our_configuration_is_compared_by_its_servers_instead():
    assert config.voter_problems("h", "", RUNNING) == []


def test_trap_51_what_stands_in_myid_and_is_no_id_is_not_repeated():
    (problem,) = config.identity_problems("zk1", 1, "/data", "root:$6$canary:19000\n")
    assert "canary" not in problem
    assert "echo 1 > /data/myid" in problem
