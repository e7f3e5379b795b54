"""Who may read the logs; what systemd-tmpfiles makes of the rules is tried on real hosts (molecule/upgrade)."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host import log_access


def test_the_group_reads_and_nobody_else_gets_anything():
    rules = [line.split() for line in log_access.rules("/var/log/x", "adm").splitlines() if not line.startswith("#")]
    assert [(rule[0], rule[1]) for rule in rules] == [("a", "/var/log/x"), ("a", "/var/log/x/*.log*")]
    granted = [entry for rule in rules for entry in rule[-1].split(",")]
    assert all("w" not in entry.rsplit(":", 1)[1] for entry in granted if ":user::" not in entry)
    assert {"default:group::---", "default:other::---"} <= set(granted)


@pytest.mark.parametrize(
    ("group", "there", "words"),
    [("shipper", False, "has no group shipper, which x_log_group names"), ("a,b:rwx", True, "no name of a group")],
)
def test_trap_67_a_group_that_cannot_be_meant_is_refused(group, there, words):
    (problem,) = log_access.problems("h1", group, "x_log_group", {"groups": {group: there}})
    assert problem.startswith("h1: ")
    assert words in problem


def test_none_and_one_that_is_there_are_let_through():
    assert log_access.problems("h1", "", "x", {"groups": {}}) == []
    assert log_access.problems("h1", "adm", "x", {"groups": {"adm": True}}) == []
