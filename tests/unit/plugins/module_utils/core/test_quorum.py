"""The rule of the majority, against what it says."""

from __future__ import annotations

from itertools import combinations

from ansible_collections.streamquorum.ha.plugins.module_utils.core.quorum import survives, tolerance
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.verdict import Member


def test_survives_is_more_than_half_of_the_voters() -> None:
    for voters in range(1, 8):
        members = [Member(i, f"zk{i}", 2181, 2888) for i in range(voters)] + [Member(99, "obs", 2181, 2888, "observer")]
        for lost in range(voters + 1):
            for down in combinations(range(voters), lost):
                assert survives(members, {*down, 99}) == (voters - lost > voters / 2)
        assert tolerance(members, {99}) == (voters - 1) // 2
    assert not survives([], set())
    assert tolerance([], set()) == 0


def test_unknown_ids_do_not_count() -> None:
    assert survives([Member(1, "zk1", 2181, 2888)], {7})
