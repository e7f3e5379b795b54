"""The lock of a roll: who gets a lease, who keeps it, and when its holder counts as dead."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.lease import (
    HOLDER,
    STEP_SECONDS,
    asked_first,
    forbids,
    grants,
    is_dead,
    kept,
    lease,
    refusal,
    told,
    won,
)

MINE: dict[str, Any] = {
    "run": "r1",
    "host": "controller",
    "machine": "m1",
    "boot": "b1",
    "namespace": "pid:[1]",
    "pid": 100,
    "started": "5000",
    "user": "alice",
    "purpose": "roll",
}
HELD = {**MINE, "run": "r0", "pid": 99, "started": "4000", "renewed": 0.0, "expires": 900.0}


@pytest.mark.parametrize(
    ("held", "now", "dead", "given"),
    [
        pytest.param({}, 0.0, (), True, id="nobody-has-it"),
        pytest.param(HELD, 10.0, (), False, id="somebody-has-it"),
        pytest.param({**HELD, "run": "r1"}, 10.0, (), True, id="it-is-mine"),
        pytest.param(HELD, 899.9, (), False, id="not-over-yet"),
        pytest.param(HELD, 900.0, (), True, id="over"),
        pytest.param(HELD, 10.0, ("r0",), True, id="its-holder-is-dead"),
        pytest.param(HELD, 10.0, ("r9",), False, id="somebody-else-is-dead"),
    ],
)
def test_a_host_gives_its_lease(held: dict[str, Any], now: float, dead: tuple[str, ...], given: bool) -> None:
    assert grants(held, MINE, now, dead) is given


def test_a_lease_has_its_holder_and_the_clock_of_the_host() -> None:
    found = lease({**MINE, "more": 1}, 100.0, 900.0)
    assert set(found) == {*HOLDER, "renewed", "expires"}
    assert (found["run"], found["renewed"], found["expires"]) == ("r1", 100.0, 1000.0)


@pytest.mark.parametrize(
    ("held", "mine"),
    [({}, False), (HELD, False), ({**HELD, "run": "r1"}, True), ({**HELD, "run": "r1", "expires": 0.0}, True)],
)
def test_a_lease_is_kept_while_it_names_this_run(held: dict[str, Any], mine: bool) -> None:
    assert kept(held, MINE) is mine


@pytest.mark.parametrize(
    ("granted", "voters", "majority"),
    [
        ({"a", "b"}, {"a", "b", "c"}, True),
        ({"a"}, {"a", "b", "c"}, False),
        ({"a", "b"}, {"a", "b", "c", "d"}, False),
        ({"a", "x", "y"}, {"a", "b", "c"}, False),
        ({"a"}, {"a"}, True),
        (set(), set(), False),
        (["a", "a"], ["a", "b", "c"], False),
    ],
)
def test_a_majority_of_the_voters_hosts_is_the_lock(granted: set[str], voters: set[str], majority: bool) -> None:
    assert won(granted, voters) is majority


@pytest.mark.parametrize(
    ("held", "living", "dead"),
    [
        pytest.param(HELD, {}, True, id="no-such-process"),
        pytest.param(HELD, {99: "4000"}, False, id="it-lives"),
        pytest.param(HELD, {99: "4001"}, True, id="its-number-is-another-process-now"),
        pytest.param({**HELD, "started": 4000}, {99: "4000"}, False, id="a-number-is-its-text"),
        pytest.param({**HELD, "host": "laptop"}, {}, False, id="another-controller"),
        pytest.param({**HELD, "machine": "m2"}, {}, False, id="another-machine-of-that-name"),
        pytest.param({**HELD, "boot": "b0"}, {99: "4000"}, True, id="before-the-last-boot"),
        pytest.param({**HELD, "namespace": "pid:[2]"}, {}, False, id="in-a-container-that-is-not-seen"),
    ],
)
def test_only_its_own_controller_knows_that_a_holder_is_dead(
    held: dict[str, Any], living: dict[int, str], dead: bool
) -> None:
    assert is_dead(held, MINE, living) is dead


@pytest.mark.parametrize(
    ("held", "now", "words"),
    [
        pytest.param({**HELD, "run": "r1"}, 0.0, "", id="mine"),
        pytest.param({**HELD, "run": "r1"}, 900.0 - STEP_SECONDS, "", id="mine-for-just-long-enough"),
        pytest.param({**HELD, "run": "r1"}, 899.0, "ends in 1 s", id="mine-and-nearly-over"),
        pytest.param(HELD, 0.0, "alice@controller", id="of-somebody-else"),
        pytest.param(HELD, 5000.0, "alice@controller", id="of-somebody-else-and-over"),
        pytest.param({}, 0.0, "no lease of this run", id="none"),
    ],
)
def test_a_step_needs_a_lease_of_its_own_that_lasts(held: dict[str, Any], now: float, words: str) -> None:
    answer = forbids(held, "r1", now)
    assert answer == "" if not words else words in answer


def test_the_holder_is_told() -> None:
    text = told(HELD, 300.0)
    assert "alice@controller, process 99, run r0, for roll" in text
    assert "600 s" in text
    assert "it ends in 0 s" in told(HELD, 5000.0)


VOTERS = ["z1", "z2", "z3", "z4", "z5"]


@pytest.mark.parametrize(
    ("voters", "own", "first"),
    [
        (VOTERS, ["z1"], ["z2", "z3"]),
        (VOTERS, ["z4"], ["z1", "z2"]),
        (VOTERS, ["jm1"], ["z1", "z2", "z3"]),
        (["z1"], ["z1"], []),
        (["z1"], ["jm1"], ["z1"]),
        (VOTERS, VOTERS, []),
    ],
)
def test_a_renewal_asks_just_a_majority_first(voters: list[str], own: list[str], first: list[str]) -> None:
    assert asked_first(voters, own) == first


def test_who_cannot_be_reached_is_asked_last() -> None:
    assert asked_first(VOTERS, ["z1"], ["z2"]) == ["z3", "z4"]
    assert asked_first(["z1", "z2", "z3"], ["z1"], ["z2", "z3"]) == ["z2"]


def given(host: str) -> dict[str, Any]:
    return {"item": host, "granted": True, "told": ""}


def refused(host: str) -> dict[str, Any]:
    return {"item": host, "granted": False, "told": "bob@other, process 7"}


def silent(host: str) -> dict[str, Any]:
    return {"item": host, "unreachable": True, "msg": "No route to host"}


@pytest.mark.parametrize(
    ("results", "counted", "locked", "why"),
    [
        pytest.param([silent("z1"), given("z2"), given("z3")], ["jm1", "z4"], True, "", id="a-majority-without-one"),
        pytest.param(
            [silent("z1"), silent("z2"), silent("z3"), given("z4")],
            ["z5"],
            True,
            "This run lost the lock: no answer from z1, z2, z3. A majority of the voters' hosts has to answer.",
            id="a-majority-is-silent",
        ),
        pytest.param(
            [refused("z1"), refused("z2"), refused("z3"), silent("z4")],
            ["z5"],
            True,
            "This run lost the lock: bob@other, process 7; no answer from z4. Wait for it; where it is certain that it is "
            "over: rolling_take_over=true. A majority of the voters' hosts has to answer.",
            id="another-run-has-it",
        ),
        pytest.param(
            [silent("z1"), silent("z2"), silent("z3"), given("z4"), given("z5")],
            [],
            False,
            "The lock is not to be had: no answer from z1, z2, z3. A majority of the voters' hosts has to answer.",
            id="nobody-holds-it",
        ),
    ],
)
def test_trap_60_who_did_not_answer_is_named(
    results: list[dict[str, Any]], counted: list[str], locked: bool, why: str
) -> None:
    assert refusal(results, counted, VOTERS, locked) == why
