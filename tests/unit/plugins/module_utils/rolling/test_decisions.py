"""Decisions of a roll, one by one; what comes of them together is in tests/simulation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.decisions import (
    CHANGE,
    DONE,
    DOWN,
    READY,
    REPAIR,
    START,
    STOP,
    UNREACHABLE,
    UNREADY,
    WAIT,
    Member,
    Policy,
    Step,
    View,
    next_step,
    plan,
    quorum_tolerates_loss,
    standby_tolerates_loss,
    stop_refusal,
)


def group(states: str, *, leader: int = 0, running: str = "", observers: int = 0) -> list[Member]:
    """One letter a member: r ready, u unready, d down, x unreachable; `running`: n new or o old, all old without it."""
    names = {"r": READY, "u": UNREADY, "d": DOWN, "x": UNREACHABLE}
    return [
        Member(
            name=f"zk{number}",
            id=number,
            state=names[state],
            running="new" if running[number - 1 : number] == "n" else "old",
            desired="new",
            votes=number <= len(states) - observers,
            leads=number == leader,
            process="" if state == "d" else f"p{number}",
        )
        for number, state in enumerate(states, 1)
    ]


def view(members: list[Member], serves: bool = True, **more: object) -> View:
    return replace(View(members, serves), **more)


ACCEPTS_DOWN = Policy(accept_members_down=True)
ACCEPTS_OUTAGE = Policy(accept_outage=True)
ACCEPTS_UNHEALTHY = Policy(accept_unhealthy=True)


@pytest.mark.parametrize(
    ("seen", "policy", "kind", "members"),
    [
        pytest.param(view(group("rrr", leader=1, running="nnn")), Policy(), DONE, (), id="nothing-to-do"),
        pytest.param(view(group("rrr", leader=1)), Policy(), CHANGE, ("zk2",), id="followers-first-by-id"),
        pytest.param(view(group("rrr", leader=1, running="onn")), Policy(), CHANGE, ("zk1",), id="leader-last"),
        pytest.param(view(group("rrrr", leader=3, observers=1)), Policy(), CHANGE, ("zk4",), id="observers-before-all"),
        pytest.param(
            view(group("rrr", leader=2, running="noo")), Policy(), CHANGE, ("zk3",), id="goes-on-where-it-was"
        ),
        pytest.param(
            view(group("rrrrr"), has_leader=False), Policy(batch=2), CHANGE, ("zk1", "zk2"), id="workers-in-a-batch"
        ),
        pytest.param(view(group("rrrrr", leader=5)), Policy(batch=2), CHANGE, ("zk1",), id="never-where-one-leads"),
        pytest.param(view(group("rrr"), has_leader=False), Policy(batch=2), STOP, (), id="a-batch-that-is-not-borne"),
        pytest.param(view(group("rru", leader=1)), Policy(), WAIT, ("zk3",), id="unready-is-waited-for"),
        pytest.param(view(group("rru", leader=1), waited=["zk3"]), Policy(), REPAIR, ("zk3",), id="then-repaired"),
        pytest.param(view(group("rrd", leader=1)), Policy(), REPAIR, ("zk3",), id="down-is-repaired-at-once"),
        pytest.param(view(group("rrd", leader=1, running="nnn")), Policy(), REPAIR, ("zk3",), id="whatever-it-ran"),
        pytest.param(view(group("rrx", leader=1)), Policy(), STOP, (), id="a-host-is-cut-off"),
        pytest.param(view(group("rrx", leader=1)), ACCEPTS_DOWN, STOP, (), id="accepted-but-no-quorum-would-be-left"),
        pytest.param(view(group("rrrrx", leader=1)), ACCEPTS_DOWN, CHANGE, ("zk2",), id="accepted-and-borne"),
        pytest.param(view(group("rr", leader=1)), Policy(), STOP, (), id="two-do-not-bear-one"),
        pytest.param(view(group("rr", leader=1)), ACCEPTS_OUTAGE, CHANGE, ("zk2",), id="an-outage-is-accepted"),
        pytest.param(view(group("r", leader=1)), ACCEPTS_OUTAGE, CHANGE, ("zk1",), id="one-alone"),
        pytest.param(view(group("rrr")), Policy(), WAIT, ("zk1", "zk2", "zk3"), id="nobody-leads"),
        pytest.param(view(group("rrr"), waited=["zk1", "zk2", "zk3"]), Policy(), STOP, (), id="nobody-leads-for-long"),
        pytest.param(
            view(group("rrr", leader=1), blockers=["zk2 has other voters"]), Policy(), STOP, (), id="blockers"
        ),
        pytest.param(
            view(group("rur", leader=1), tried=["zk2"]), Policy(), WAIT, ("zk2",), id="ours-does-not-serve-now"
        ),
        pytest.param(view(group("uuu"), False, tried=["zk2"]), Policy(), WAIT, ("zk2",), id="nor-in-an-election"),
        pytest.param(
            view(group("rur", leader=1), tried=["zk2"], waited=["zk2"]), Policy(), STOP, (), id="ours-stays-away"
        ),
        pytest.param(view(group("ddd"), False), Policy(), START, ("zk1", "zk2", "zk3"), id="cold-start-all-at-once"),
        pytest.param(view(group("dud"), False), Policy(), START, ("zk1", "zk3"), id="what-runs-is-left-alone"),
        pytest.param(view(group("uur"), False), Policy(), WAIT, ("zk1", "zk2"), id="no-quorum-is-waited-for"),
        pytest.param(view(group("uur"), False, waited=["zk1", "zk2"]), Policy(), STOP, (), id="no-quorum-stays"),
        pytest.param(
            view(group("uur", running="non"), False, waited=["zk1", "zk2"]),
            ACCEPTS_UNHEALTHY,
            START,
            ("zk1", "zk2"),
            id="no-quorum-and-restarts-are-accepted",
        ),
        pytest.param(
            view(group("uud"), False, waited=["zk1", "zk2"]),
            ACCEPTS_UNHEALTHY,
            START,
            ("zk1", "zk2", "zk3"),
            id="those-that-hang-with-those-that-are-down",
        ),
    ],
)
def test_the_next_step(seen: View, policy: Policy, kind: str, members: tuple[str, ...]) -> None:
    step = next_step(seen, policy)
    assert (step.kind, step.members) == (kind, members)
    assert step.reason or step.kind == DONE


def test_an_unready_member_that_others_may_need_is_not_restarted() -> None:
    step = next_step(view(group("ruu", leader=1), waited=["zk2", "zk3"]), Policy())
    assert step.kind == STOP
    assert "1 of 3 voters would be left" in step.reason


@pytest.mark.parametrize(("process", "pending"), [("p1", True), ("p2", False), ("", False)])
def test_a_restart_is_asked_for_one_process(process: str, pending: bool) -> None:
    assert replace(group("r", running="n")[0], restart_asked="p1", process=process).pending is pending


def test_a_group_without_a_leader_needs_none() -> None:
    seen = view(group("rr"), has_leader=False)
    assert next_step(seen, Policy(tolerates_loss=standby_tolerates_loss)).members == ("zk1",)


def test_a_stop_names_the_switch() -> None:
    assert "rolling_accept_members_down=true" in next_step(view(group("rrx", leader=1)), Policy()).reason
    assert "rolling_accept_outage=true" in next_step(view(group("rr", leader=1)), Policy()).reason
    seen = view(group("uuu"), False, waited=["zk1", "zk2", "zk3"])
    assert "rolling_accept_unhealthy=true" in next_step(seen, Policy()).reason


def test_the_plan_has_every_step_to_come() -> None:
    steps = plan(view(group("rrdr", leader=1, observers=1)), Policy())
    assert [(step.kind, step.members) for step in steps] == [
        (REPAIR, ("zk3",)),
        (CHANGE, ("zk4",)),
        (CHANGE, ("zk2",)),
        (CHANGE, ("zk1",)),
        (DONE, ()),
    ]


@pytest.mark.parametrize(
    ("states", "serves", "kinds"),
    [
        ("ddd", False, [START, DONE]),
        ("uuu", False, [WAIT, CHANGE, CHANGE, CHANGE, DONE]),
        ("rrr", True, [WAIT, CHANGE, CHANGE, CHANGE, DONE]),
        ("rrx", True, [STOP]),
    ],
)
def test_a_plan_ends_although_nobody_leads(states: str, serves: bool, kinds: list[str]) -> None:
    assert [step.kind for step in plan(view(group(states), serves), Policy())] == kinds


@pytest.mark.parametrize(
    ("states", "down", "tolerates_loss"),
    [("rrr", {1}, True), ("rrr", {1, 2}, False), ("rrrrr", {1, 2}, True), ("rrrr", {1, 2}, False), ("rr", {2}, False)],
)
def test_an_ensemble_tolerates_what_leaves_a_quorum(states: str, down: set[int], tolerates_loss: bool) -> None:
    assert (quorum_tolerates_loss(group(states), down) == "") is tolerates_loss


@pytest.mark.parametrize(("states", "tolerates_loss"), [("rr", True), ("ru", False), ("r", False)])
def test_a_jobmanager_needs_one_that_stands_by(states: str, tolerates_loss: bool) -> None:
    assert (standby_tolerates_loss(group(states), {1}) == "") is tolerates_loss


ALL = {1: "leader", 2: "follower", 3: "follower"}


@pytest.mark.parametrize(
    ("modes", "me", "expected", "accepts", "words"),
    [
        pytest.param(ALL, 2, "follower", False, "", id="open"),
        pytest.param(ALL, 1, "leader", False, "", id="leader-that-is-leader-still"),
        pytest.param(ALL, 1, "follower", False, "it is leader now, and was follower", id="became-leader"),
        pytest.param({1: "leader", 2: "follower"}, 3, "follower", False, "it is not serving now", id="died"),
        pytest.param(ALL, 2, "", False, "it is follower now, and was not serving", id="came-to-serve"),
        pytest.param({1: "leader", 2: "follower"}, 3, "", False, "", id="does-not-serve-still"),
        pytest.param({1: "leader", 2: "follower"}, 2, "follower", False, "id 3", id="another-is-down"),
        pytest.param({1: "leader", 2: "follower"}, 2, "follower", True, "no quorum", id="no-quorum-even-if-accepted"),
        pytest.param({1: "leader", 2: "follower", 3: "read-only"}, 2, "follower", False, "id 3", id="cut-off"),
    ],
)
def test_the_last_question_before_a_stop(
    modes: dict[int, str], me: int, expected: str, accepts: bool, words: str
) -> None:
    answer = stop_refusal(group("rrr"), modes, me, expected, accepts)
    assert answer == "" if not words else words in answer


def test_an_outage_that_is_accepted_is_borne_on_the_host_too() -> None:
    two = {1: "leader", 2: "follower"}
    assert "no quorum" in stop_refusal(group("rr"), two, 2, "follower", False)
    assert stop_refusal(group("rr"), two, 2, "follower", False, accept_outage=True) == ""


def test_an_observer_that_is_down_does_not_count() -> None:
    assert stop_refusal(group("rrrr", observers=1), ALL, 2, "follower", False) == ""


def test_one_that_is_alone_is_never_in_doubt() -> None:
    assert stop_refusal(group("r"), {1: "standalone"}, 1, "standalone", False) == ""


def test_a_step_goes_into_a_template() -> None:
    assert Step(CHANGE, ("zk1",), "why").as_dict() == {"kind": CHANGE, "members": ["zk1"], "reason": "why"}
