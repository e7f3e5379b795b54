"""Who reaches Flink's ports: refusals, warnings, and what the firewall lets in."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import exposure

MANAGER = {
    "kind": "jobmanager",
    "rest_port": 8081,
    "rpc_port": "6123",
    "blob_port": 6124,
    "metrics_port": 6125,
}
WORKER = {"kind": "taskmanager", "rpc_port": 6122, "data_port": 6121, "metrics_port": 6126}
OPEN = {"bind": "0.0.0.0", "tls": "none", "firewall": False, "open": False}
WAYS = ("flink_ha_firewall: true", "flink_ha_rest_networks", "flink_ha_rest_tls: mutual", "flink_ha_rest_open: true")


def test_trap_64_a_new_cluster_whose_rest_is_open_is_refused_with_the_three_ways():
    said = exposure.open_rest("jm1", OPEN, [WORKER, MANAGER], False)
    (problem,) = said["problems"]
    for word in ("jm1:", "port 8081", "0.0.0.0", *WAYS):
        assert word in problem
    # Uploads alone are no way: graphs of jobs still come in.
    assert "web_submit" not in problem
    assert said["warnings"] == []


def test_trap_64_a_cluster_that_is_there_is_warned_with_the_same_words_and_goes_on():
    said = exposure.open_rest("jm1", OPEN, [MANAGER, {**MANAGER, "rest_port": 8082}], True)
    assert said["problems"] == []
    (warning,) = said["warnings"]
    assert "port 8081 and 8082" in warning
    assert all(word in warning for word in WAYS)


@pytest.mark.parametrize(
    ("change", "is_open"),
    [
        ({}, True),
        # It encrypts, and serves everybody.
        ({"tls": "server"}, True),
        ({"bind": "192.0.2.1"}, True),
        ({"bind": "::"}, True),
        ({"tls": "mutual"}, False),
        ({"firewall": True}, False),
        ({"open": True}, False),
        ({"bind": "127.0.0.1"}, False),
        ({"bind": "localhost"}, False),
        ({"bind": "[::1]"}, False),
    ],
)
def test_trap_64_each_of_the_ways_is_enough(change, is_open):
    assert exposure.is_open(OPEN | change) is is_open
    assert bool(exposure.open_rest("jm1", OPEN | change, [MANAGER], False)["problems"]) is is_open


def test_a_host_without_a_job_manager_serves_no_rest():
    assert exposure.open_rest("tm1", OPEN, [WORKER], False) == {"problems": [], "warnings": []}


def state(current="", unit=""):
    """What host_state says of a host."""
    return {
        "paths": {"/etc/flink/flink-jobmanager/current": {"target": current}, "/opt/flink-2.3.0": {"target": ""}},
        "listening": [{"unit": unit, "port": 1}],
    }


@pytest.mark.parametrize(
    ("found", "there"),
    [
        (state(), False),
        (state(unit="zookeeper.service"), False),
        # What ran before us.
        (state(unit="flink-jobmanager.service"), True),
        # Down for maintenance, or after a power loss.
        (state(current="generations/ab"), True),
    ],
)
def test_flink_is_on_a_host_that_was_switched_to_a_generation_or_has_one_that_listens(found, there):
    assert exposure.has_flink(found) is there


def test_trap_65_rest_is_for_networks_and_the_rest_for_the_clusters_hosts():
    rules = exposure.firewall_rules([MANAGER, WORKER], ["192.0.2.1", "192.0.2.2", "2001:db8::1"], ["198.51.100.0/24"])
    others = ["6121-6126"]
    assert rules == [
        {"ports": others, "family": "ip", "sources": ["192.0.2.1", "192.0.2.2"]},
        {"ports": others, "family": "ip6", "sources": ["2001:db8::1"]},
        {"ports": ["8081"], "family": "ip", "sources": ["192.0.2.1", "192.0.2.2", "198.51.100.0/24"]},
        {"ports": ["8081"], "family": "ip6", "sources": ["2001:db8::1"]},
        # What was let in above is let in already; this closes every port to all others.
        {"ports": ["6121-6126", "8081"], "family": "", "sources": []},
    ]


def test_trap_65_sets_have_no_overlaps_which_nftables_would_refuse():
    services = [{**MANAGER, "rpc_port": "50100-50200"}, {**MANAGER, "rest_port": 8082, "rpc_port": "50150-50250"}]
    rules = exposure.firewall_rules(services, ["192.0.2.1"], ["192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32"])
    assert rules[0]["ports"] == ["6124-6125", "50100-50250"]
    assert rules[1] == {"ports": ["8081-8082"], "family": "ip", "sources": ["192.0.2.0/24"]}
    assert rules[2] == {"ports": ["8081-8082"], "family": "ip6", "sources": ["2001:db8::/32"]}


def test_a_host_with_task_managers_only_has_no_rest():
    (first, last) = exposure.firewall_rules([WORKER], ["fe80::1%eth0"], ["192.0.2.0/24"])
    assert first == {"ports": ["6121-6122", "6126"], "family": "ip6", "sources": ["fe80::1"]}
    assert last["ports"] == first["ports"]


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (["192.0.2.0/24", "2001:db8::/32", "192.0.2.7"], []),
        (["192.0.2.1/24"], ["flink_ha_rest_networks has '192.0.2.1/24'", "host bits"]),
        (["office"], ["flink_ha_rest_networks has 'office'"]),
        (["0.0.0.0/0"], ["every address", "flink_ha_rest_open: true"]),
        (["::/1", "8000::/1"], ["every address"]),
    ],
)
def test_trap_65_a_network_that_is_none_or_all_is_refused(networks, words):
    problems = exposure.firewall_problems("jm1", networks, [MANAGER])
    assert len(problems) == bool(words)
    assert all(word in problems[0] for word in words)


def test_trap_65_a_port_that_may_be_any_cannot_be_closed():
    (problem,) = exposure.firewall_problems("jm1", [], [{**MANAGER, "rpc_port": "0"}])
    assert "jm1: flink_ha_jobmanager_rpc_port is 0" in problem


def test_trap_65_a_new_host_is_not_added_behind_the_back_of_the_others_firewall():
    fresh, there = state(), state("generations/ab")
    (problem,) = exposure.limit_problems(["jm1", "tm1", "tm2"], ["tm2"], fresh, "tm2")
    assert problem.startswith("tm2: is new, and --limit leaves out jm1, tm1")
    assert exposure.limit_problems(["jm1", "tm2"], ["tm2"], there, "tm2") == []
    assert exposure.limit_problems(["jm1", "tm2"], ["jm1", "tm2"], fresh, "tm2") == []
