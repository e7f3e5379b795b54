"""What a probe's result says: problems, the share of each step, the lines for the screen."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.availability import result as av
from ansible_collections.streamquorum.ha.plugins.module_utils.availability.record import Record

STEPS = [
    {"member": "zk1", "began": 1001.0, "ended": 1003.0},
    {"member": "zk2", "began": 1003.0, "ended": 1006.0},
    {"member": "zk3", "began": 1007.0, "ended": 1009.0},
]


def result(complete=True, verified=True, error="", sessions=(), **events):
    """A record of ten seconds: ten writes a second, but none in the pauses (begin, end)."""
    record = Record("t", 0.1, 10.0, "me", 1000.0)
    record.connected(0.0, "zk1:2181", 1)
    number = 0
    for tenth in range(100):
        at = tenth / 10
        if not any(began < at < ended for began, ended in events.get("pauses", ())):
            number += 1
            record.acknowledged(at, 0.002, number, number)
    for at in events.get("failures", ()):
        record.failed(at, 1000, "NoAuthError")
    for at in sessions:
        record.lost(at)
    if verified:
        record.found(events.get("found", number))
        record.verified()
    return record.result(9.9, complete, error)


def test_a_good_result_has_no_problems():
    assert av.problems(result()) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"complete": False}, "was killed after 00:16:49Z"),
        ({"error": "the client gave up"}, "ended early: the client gave up"),
        ({"verified": False}, "could not be read back"),
        ({"found": 98}, "2 acknowledged writes missing"),
        ({"failures": [3.0]}, "1 write failed, the first at 00:16:43Z: NoAuthError"),
        ({"sessions": [3.0]}, "1 session lost"),
        ({"pauses": [(-1, 11)]}, "no write was acknowledged"),
    ],
)
def test_problems(given, words):
    (problem,) = av.problems(result(**given))
    assert words in problem


def test_a_zxid_below_an_earlier_one_is_a_problem():
    (problem,) = av.problems({**result(), "zxid_regressions": 1})
    assert "1 write got a zxid below" in problem


def test_no_result_is_a_problem():
    assert av.problems({}) == ["the probe left no result"]
    assert av.report_lines({}, STEPS) == ["availability: the probe left no result"]
    assert av.attribute({}, STEPS)["zk1"]["writes"] == 0


# --- Shares ----------------------------------------------------------------------------------------------------------


def test_writes_failures_and_sessions_fall_into_the_steps():
    shares = av.attribute(result(failures=[1.5, 6.5], sessions=[8.0]), STEPS)
    assert list(shares) == ["zk1", "zk2", "zk3"]
    assert [share["writes"] for share in shares.values()] == [20, 30, 20]
    assert [share["failures"] for share in shares.values()] == [1, 0, 0]
    assert [share["sessions_lost"] for share in shares.values()] == [0, 0, 1]
    assert [share["seconds"] for share in shares.values()] == [2.0, 3.0, 2.0]


@pytest.mark.parametrize(
    ("pause", "member", "milliseconds"),
    [
        ((1.5, 2.5), "zk1", 900.0),
        # begins in zk1's step, and reaches into zk2's
        ((2.5, 4.0), "zk1", 1400.0),
        # begins before any step
        ((0.5, 1.5), "zk1", 900.0),
        ((6.5, 8.0), "zk3", 1400.0),
        # between the steps
        ((6.1, 6.9), None, 0.0),
    ],
)
def test_a_stall_belongs_to_one_step(pause, member, milliseconds):
    shares = av.attribute(result(pauses=[pause]), STEPS)
    assert {name: share["longest_stall_ms"] for name, share in shares.items() if share["longest_stall_ms"] > 100} == (
        {member: milliseconds} if member else {}
    )


def test_a_short_stall_is_found_among_the_seconds():
    # 0.3 s are under the threshold of the list
    shares = av.attribute(result(pauses=[(3.5, 3.9)]), STEPS)
    assert shares["zk2"]["longest_stall_ms"] == 300.0
    assert shares["zk1"]["longest_stall_ms"] < 1


def test_two_steps_of_a_member_are_one_share():
    shares = av.attribute(result(pauses=[(7.5, 8.5)]), [*STEPS[:1], {**STEPS[2], "member": "zk1"}])
    assert shares == {
        "zk1": {"seconds": 4.0, "writes": 31, "failures": 0, "longest_stall_ms": 900.0, "sessions_lost": 0}
    }


def test_a_step_outside_the_time_has_nothing():
    shares = av.attribute(result(), [{"member": "zk1", "began": 2000.0, "ended": 2001.0}])
    assert shares["zk1"]["writes"] == 0


# --- A writer that was killed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "missing"),
    [(b"me 100", 0), (b"me 115", 0), (b"me 97", 3), (None, 100), (b"other 5", None), (b"me x", None)],
)
def test_the_znode_proves_a_saved_result(data, missing):
    assert av.verified(result(complete=False, verified=False), data)["missing"] == missing


def test_what_was_never_acknowledged_is_not_missing():
    given = {**result(complete=False, verified=False), "unacknowledged": [99, 100]}
    assert av.verified(given, b"me 97")["missing"] == 1


# --- Who leads -------------------------------------------------------------------------------------------------------


def seen(path="/leader", owner="0x1", data="a", exists=True):
    return {"path": path, "exists": exists, "ephemeral_owner": owner, "data": data}


@pytest.mark.parametrize(
    ("states", "changes"),
    [
        ([seen()], 0),
        ([seen(), seen()], 0),
        ([seen(), seen(exists=False, owner="0x0", data=""), seen()], 0),
        ([seen(), seen(exists=False, owner="0x0", data=""), seen(owner="0x2")], 1),
        ([seen(), seen(data="b")], 1),
        ([seen(exists=False), seen()], 0),
        ([seen(), seen(owner="0x2"), seen()], 2),
    ],
)
def test_changes_of_the_holder(states, changes):
    assert av.leader_changes({"watched": states}) == {"/leader": changes}
    assert av.leader_changes({}) == {}


# --- Lines -----------------------------------------------------------------------------------------------------------


def test_the_lines_of_a_roll():
    given = {**result(pauses=[(1.5, 2.5)]), "watched": [seen(), seen(owner="0x2")]}
    assert av.report_lines(given, STEPS) == [
        "availability: 91 writes in 9.9 s (one every 100 ms)",
        "  0 failed, 0 retried, 0 missing, 0 sessions lost",
        "  longest stall 0.90 s at 00:16:41Z during the step of zk1, connected to zk1:2181",
        "  a write took 2 ms (median), 2 ms (99 %), 2 ms (longest)",
        "  zk1  step    2.0 s  longest stall  0.90 s      11 writes  0 failed  0 sessions lost",
        "  zk2  step    3.0 s  longest stall  0.00 s      30 writes  0 failed  0 sessions lost",
        "  zk3  step    2.0 s  longest stall  0.00 s      20 writes  0 failed  0 sessions lost",
        "  /leader: 1 change of its holder",
    ]


def test_the_lines_say_what_is_not_proved():
    lines = av.report_lines(result(verified=False), [])
    assert "? missing" in lines[1]
    assert lines[-1] == "  NOT PROVED: the last acknowledged write could not be read back"


def test_times_by_another_clock():
    assert av.shifted([{"member": "a", "began": 1.0, "ended": 2.0}], 10) == [
        {"member": "a", "began": 11.0, "ended": 12.0}
    ]
