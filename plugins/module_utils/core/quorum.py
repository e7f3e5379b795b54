"""The rule by which a majority is counted, for the ensemble and for the lock of a roll alike. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Voting(Protocol):
    """What a quorum is counted from."""

    @property
    def id(self) -> int: ...

    @property
    def votes(self) -> bool: ...


@dataclass(frozen=True)
class Voter:
    """A member of whom no more than its vote counts."""

    id: int
    votes: bool = True


def majority(voters: int) -> int:
    """How many of so many voters decide: more than half of them. The only place that counts this."""
    return voters // 2 + 1


def survives(members: Iterable[Voting], down: Collection[int]) -> bool:
    """Whether a quorum is left of these members with the ids in `down` gone.

    Observers do not count; groups and weights are refused elsewhere.
    """
    voters = [member.id for member in members if member.votes]
    return sum(identity not in down for identity in voters) >= majority(len(voters))


def tolerance(members: Sequence[Voting], down: Collection[int]) -> int:
    """How many more voters may be lost, whichever they are, with a quorum left."""
    gone = set(down)
    left = [member.id for member in members if member.votes and member.id not in gone]
    for number, identity in enumerate(left):
        gone.add(identity)
        if not survives(members, gone):
            return number
    return 0
