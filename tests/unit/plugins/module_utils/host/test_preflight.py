"""Refusals that both roles share."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host import preflight

PLATFORMS = {"debian 12": {"java_package": "openjdk-17-jre-headless", "java_major": 17}}
HOME = "/usr/lib/jvm/java-17-openjdk-amd64"


def state(javas=None, system="debian", version="12"):
    return {"os": {"id": system, "version": version, "machine": "x86_64"}, "javas": javas or {}}


def test_the_distributions_java_is_planned_before_it_is_installed():
    plan = preflight.java_plan(state(), "", PLATFORMS)
    assert plan == {"home": HOME, "major": 17, "package": "openjdk-17-jre-headless", "installed": False}
    assert preflight.java_plan(state({HOME: {"major": 17}}), "", PLATFORMS)["installed"]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (preflight.java_plan(state(system="arch"), "", PLATFORMS), "no Java package for its platform"),
        (preflight.java_plan(state(), "/opt/jdk", PLATFORMS), "no bin/java"),
        (
            preflight.java_plan(state({"/opt/jdk": {"major": 8}}), "/opt/jdk", PLATFORMS),
            "Java 8 (/opt/jdk) does not fit",
        ),
        (preflight.java_plan(state({"/opt/jdk": {"major": 24}}), "/opt/jdk", PLATFORMS), "needs Java 11 to 21"),
    ],
)
def test_a_java_that_does_not_fit_is_refused(plan, words):
    (problem,) = preflight.java_problems("h1", plan, {"min": 11, "max": 21}, "zookeeper_java_home", "ZooKeeper 3.9.5")
    assert words in problem
    assert "h1" in problem
    assert "zookeeper_java_home" in problem


def test_a_java_that_fits_is_taken():
    plan = preflight.java_plan(state({"/opt/jdk": {"major": 21}}), "/opt/jdk", PLATFORMS)
    assert preflight.java_problems("h1", plan, {"min": 11, "max": 21}, "v", "w") == []


@pytest.mark.parametrize(
    ("addresses", "word"), [([], "does not resolve"), (["127.0.1.1"], "loopback"), (["::1", "10.0.0.1"], "loopback")]
)
def test_a_name_that_peers_cannot_use_is_refused(addresses, word):
    (problem,) = preflight.name_problems("h1", {"zk1": addresses, "zk2": ["198.18.0.2"]})
    assert word in problem
    assert "zk1" in problem


def test_two_services_on_one_port_are_refused():
    ports = [{"port": 8080, "what": "a_port"}, {"port": "8080", "what": "b_port"}, {"port": 0, "what": "c_port"}]
    problems = preflight.port_problems("h1", ports)
    assert "port 8080 is wanted by a_port and by b_port" in problems[0]
    assert "c_port is 0" in problems[1]


def test_a_port_that_another_process_has_is_refused():
    ports = [{"port": 2181, "what": "zookeeper_client_port"}, {"port": 8080, "what": "zookeeper_admin_port"}]
    listening = [
        {"port": 2181, "unit": "zookeeper.service", "pid": 1},
        {"port": 8080, "unit": "", "pid": 77},
        {"port": 22, "unit": "ssh.service", "pid": 2},
    ]
    assert preflight.occupied_problems("h1", ports, listening, ["zookeeper.service"]) == [
        "h1: port 8080 (zookeeper_admin_port) is in use by process 77. Stop that, or change the variable. Where that is this "
        "member itself, playbooks/adopt.yml puts it under its unit, without a restart."
    ]


def test_trap_04_37_a_limit_to_a_part_is_refused_with_the_command():
    assert preflight.limit_problems(["a", "b"], ["b", "a", "c"], "the ensemble") == []
    (problem,) = preflight.limit_problems(["a", "b"], ["a"], "the ensemble")
    assert "leaves out b" in problem
    assert "Run without --limit" in problem


def test_an_unknown_release_is_refused():
    releases = [{"version": "3.9.5"}, {"version": "3.8.6"}]
    assert preflight.release_problems("3.9.5", releases, "ZooKeeper", "zookeeper_version") == []
    (problem,) = preflight.release_problems("3.9", releases, "ZooKeeper", "zookeeper_version")
    assert "zookeeper_version is '3.9'" in problem
    assert "3.9.5, 3.8.6" in problem


PAIRS = [{"from": "3.8", "to": "3.9", "tested": ""}, {"from": "3.9", "to": "3.9", "tested": ""}]


@pytest.mark.parametrize(
    ("running", "wanted", "upgrade", "across", "words"),
    [
        ("", "3.9.5", False, False, ""),
        ("3.9.5", "3.9.5", False, False, ""),
        ("3.9.4", "3.9.5", True, False, ""),
        ("3.8.6", "3.9.5", True, True, ""),
        ("3.9.4", "3.9.5", False, False, "playbooks/upgrade.yml"),
        ("3.8.6", "3.9.5", True, False, "zookeeper_upgrade_across_minor=true"),
        (
            "3.9.5",
            "3.8.6",
            True,
            True,
            "that pair was never tested. What may be rolled: 3.8.x to 3.9.x, 3.9.x to 3.9.x",
        ),
    ],
)
def test_a_release_changes_only_where_it_was_asked_for_and_tested(running, wanted, upgrade, across, words):
    problems = preflight.upgrade_problems(
        "h", "ZooKeeper", "zookeeper_version", running, wanted, PAIRS, upgrade, across
    )
    assert bool(problems) == bool(words)
    assert all(words in problem and problem.startswith("h: runs ZooKeeper") for problem in problems)


@pytest.mark.parametrize(
    ("path", "release"),
    [("/opt/zookeeper-3.9.5", "3.9.5"), ("/usr/share/zookeeper", ""), ("/opt/flink-1.20.5", ""), ("", "")],
)
def test_the_release_of_a_directory(path, release):
    assert preflight.release_in(path, "zookeeper") == release


def test_a_release_needs_room():
    assert not preflight.space_problems("h", "/opt", 100, 100, "ZooKeeper")
    assert (
        "/opt has 99 MB free, and ZooKeeper needs 100 MB"
        in preflight.space_problems("h", "/opt", 99, 100, "ZooKeeper")[0]
    )


def test_a_misspelt_variable_is_named_with_what_is_meant():
    hosts = {
        "a": {
            "zookeeper_heapp_mb": 1,
            "zookeeper_id": 1,
            "__zookeeper_wanted": {},
            "ansible_host": "x",
            "lab_name": "y",
            "__own": "z",
        },
        "b": {
            "zookeeper_heapp_mb": 1,
            "availability_probe": True,
            "availability_zone": "a",
            "stop_cluter": True,
            "flink_version": "2",
            "flink_ha_slotz": 3,
        },
    }
    known = ["zookeeper_id", "zookeeper_heap_mb", "flink_ha_cluster_id", "rolling_kind", "tls_certificate_requests"]
    problems = preflight.unknown_variables(hosts, known, ["availability_probe", "stop_cluster"])
    assert [problem.split()[0] for problem in problems] == ["flink_ha_slotz", "stop_cluter", "zookeeper_heapp_mb"]
    assert problems[0].endswith("docs/variables.md lists them.")
    assert problems[1].endswith("Is stop_cluster meant?")
    assert "(of a, b)" in problems[2]
    assert problems[2].endswith("Is zookeeper_heap_mb meant?")


@pytest.mark.parametrize(
    ("wanted", "possible", "given"), [(65536, 1048576, 65536), (65536, 20000, 20000), (65536, 0, 65536)]
)
def test_a_unit_gets_no_more_open_files_than_systemd_can_give(wanted, possible, given):
    assert preflight.open_files(wanted, possible) == given


def test_an_input_of_before_is_refused_with_its_new_name():
    (problem,) = preflight.unknown_variables({"zk1": {"zookeeper_command": "/x"}}, ["zookeeper_shell_path"])
    assert problem.endswith("Its name is zookeeper_shell_path now.")


@pytest.mark.parametrize(
    ("running", "wanted", "refused"),
    [
        ("3.8.4", "3.8.4", False),
        ("3.8.4", "3.8.6", False),
        ("3.8.4", "3.8.0", True),
        ("3.8.10", "3.8.6", True),
        ("3.8.4", "3.9.5", True),
        ("1.20.0-amzn-1", "1.20.5", False),
        ("", "3.9.5", False),
    ],
)
def test_trap_79_a_takeover_brings_no_other_release_than_a_later_patch(running, wanted, refused):
    told = preflight.takeover_problems("zk1", "ZooKeeper", "zookeeper_version", running, wanted)
    assert bool(told) == refused
    assert all(f"a later {preflight.series(running)}.x" in text for text in told)
