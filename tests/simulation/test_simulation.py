"""Histories of rolls: the decisions hold their promises, and the simulation notices when one of them is missing."""

from __future__ import annotations

import os

import pytest

from simulation.controller import Defences
from simulation.history import History
from simulation.world import Violation

HISTORIES = int(os.environ.get("SIMULATION_HISTORIES", "8000"))
#: Where they start: `make simulate` with another one sees other histories.
FIRST = int(os.environ.get("SIMULATION_SEED", "1"))


#: So many histories are enough to notice that a defence is missing.
MUTATION_HISTORIES = 2000


def play(seed: int, defences: Defences = Defences()) -> Violation | None:  # noqa: B008 - frozen
    try:
        History(seed, defences).run()
    except Violation as violation:
        return violation
    return None


def told(seed: int, defences: Defences = Defences()) -> str:  # noqa: B008 - frozen
    history = History(seed, defences, trace=True)
    try:
        history.run()
    except Violation as violation:
        return "\n".join([*(history.world.trace or []), str(violation)])
    return ""


def test_no_history_breaks_a_promise():
    for seed in range(FIRST, FIRST + HISTORIES):
        if play(seed):
            pytest.fail(told(seed))


MUTATIONS = {
    "without the gate": (Defences(gate=False), "I1"),
    "without reading the leader again": (Defences(reread=False), "I2"),
    "without the digest": (Defences(digest=False), "I3"),
    "without comparing the process": (Defences(swap=False), "I3"),
    "without the lock": (Defences(lock=False), "I6"),
    "without noticing that the lock was lost": (Defences(kept=False), "I6"),
    "without an own lease on the host": (Defences(own_lease=False), "I6"),
    "without asking before the way back": (Defences(guarded_back=False), "I3"),
    "without a proof of what served last": (Defences(proof=False), "I4"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_missing_defence_is_noticed(mutation: str):
    defences, invariant = MUTATIONS[mutation]
    found = (play(seed, defences) for seed in range(1, MUTATION_HISTORIES + 1))
    assert any(violation and violation.invariant == invariant for violation in found)
