"""Histories of rolls: the decisions hold their promises, and the simulation notices when one of them is missing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import decisions as rolling
from simulation import controller
from simulation.controller import Defences
from simulation.history import History
from simulation.world import InvariantError

HISTORIES = int(os.environ.get("SIMULATION_HISTORIES", "6000"))
#: Where they start: another one shows other histories.
FIRST = int(os.environ.get("SIMULATION_SEED", "1"))
#: So many histories are enough to notice that a defence is missing.
MUTATION_HISTORIES = 3000


def play(seed: int, defences: Defences = Defences()) -> InvariantError | None:  # noqa: B008 - frozen
    """What is broken in this history; None in a good one."""
    try:
        History(seed, defences).run()
    except InvariantError as error:
        return error
    return None


def told(seed: int) -> str:
    """The same history in words."""
    history = History(seed, trace=True)
    try:
        history.run()
    except InvariantError as error:
        return "\n".join([*(history.world.trace or []), str(error)])
    return ""


def test_no_history_breaks_a_promise() -> None:
    for seed in range(FIRST, FIRST + HISTORIES):
        if play(seed):
            pytest.fail(told(seed))


def test_a_seed_is_a_history() -> None:
    traces = []
    for _time in range(2):
        history = History(7, trace=True)
        history.run()
        traces.append(history.world.trace)
    assert traces[0] == traces[1]


#: What has to happen somewhere in a few hundred histories, or they prove less than they seem to.
SEEN = (
    *(f": {kind} " for kind in ("start", "wait", "repair", "change", "stop", "done")),
    *(f": {outcome}" for outcome in ("ok", "moved", "closed", "refused", "failed")),
    *("is killed", "dies", "hangs", "power off", "does not lead any more", "leader, so last", "the lock is lost"),
    *("without a vote, so first", "a restart was asked for", "switched back", "cannot be reached"),
)


def test_the_histories_see_what_they_should() -> None:
    found: Counter[str] = Counter()
    for seed in range(1, 300):
        history = History(seed, trace=True)
        history.run()
        text = "\n".join(history.world.trace or [])
        found.update(words for words in SEEN if words in text)
    assert {words: found[words] for words in SEEN if found[words] < 3} == {}


#: What is taken out, and the invariant that has to be found broken.
MUTATIONS = {
    "the gate": (Defences(gate=False), "I1"),
    "reading the leader again": (Defences(reread=False), "I2"),
    "the digest": (Defences(digest=False), "I3"),
    "comparing the process": (Defences(swap=False), "I3"),
    "the lock": (Defences(lock=False), "I6"),
    "noticing that the lock was lost": (Defences(kept=False), "I6"),
    "an own lease on the host": (Defences(own_lease=False), "I6"),
    "asking before the way back": (Defences(guarded_back=False), "I3"),
    "knowing what served last": (Defences(proof=False), "I4"),
}


@pytest.mark.parametrize("missing", MUTATIONS)
def test_a_missing_defence_is_noticed(missing: str) -> None:
    defences, invariant = MUTATIONS[missing]
    found = (play(seed, defences) for seed in range(1, MUTATION_HISTORIES + 1))
    assert any(error and error.invariant == invariant for error in found)


def _served_or_not(
    members: list[rolling.Member], modes: dict[int, str], me: int, expected: str, accept_members_down: bool
) -> str:
    return rolling.stop_refusal(members, modes, me, expected or modes.get(me, ""), accept_members_down)


def _stops_in_an_election(view: rolling.View, policy: rolling.Policy) -> rolling.Step:
    if any(member.name in view.tried and not member.ready for member in view.members):
        return rolling.Step(rolling.STOP, reason="it did not come to serve")
    return rolling.next_step(view, policy)


def _restarts_only_what_is_pending(view: rolling.View, policy: rolling.Policy) -> rolling.Step:
    step = rolling.next_step(view, replace(policy, accept_unhealthy=False))
    wrong = [member.name for member in view.members if member.state == rolling.UNREADY and member.pending]
    if step.kind == rolling.STOP and not view.serves and wrong and policy.accept_unhealthy:
        return rolling.Step(rolling.START, tuple(wrong))
    return step


#: Seeds that broke once: what the rule was then, and what it broke. A seed that does not show it any more, because the
#: model has changed, is to be replaced by one that does.
REGRESSIONS: dict[str, tuple[int, str, str, Callable[..., object]]] = {
    "a leader that was late is repaired": (13, "I2", "stop_refusal", _served_or_not),
    "a member that came to serve is restarted": (11, "I3", "stop_refusal", _served_or_not),
    "the election after the leader's step ends the run": (7, "I4", "next_step", _stops_in_an_election),
    "a majority that hangs is never restarted": (322, "I4", "next_step", _restarts_only_what_is_pending),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_what_broke_once_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seed, invariant, rule, before = REGRESSIONS[name]
    assert play(seed) is None
    monkeypatch.setattr(controller, rule, before)
    error = play(seed)
    assert error is not None
    assert error.invariant == invariant
