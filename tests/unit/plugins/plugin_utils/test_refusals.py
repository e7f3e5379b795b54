"""What is refused is told once for a run, with the hosts that it concerns."""

from __future__ import annotations

from ansible_collections.streamquorum.ha.plugins.plugin_utils.refusals import refusals


def told(**problems: list[str]) -> list[str]:
    return refusals(problems)


def test_what_all_hosts_have_is_told_once():
    assert told(a=["no such release"], b=["no such release"]) == ["no such release"]


def test_what_some_hosts_have_begins_with_their_names():
    assert told(a=["no such release"], b=[], c=["no such release"]) == ["a, c: no such release"]


def test_a_problem_that_names_its_host_stays_as_it_is():
    assert told(a=["a: no Java"], b=["b: no Java"], c=[]) == ["a: no Java", "b: no Java"]


def test_each_host_may_have_several_in_their_order():
    assert told(a=["first", "second"], b=["second", "first"]) == ["first", "second"]
