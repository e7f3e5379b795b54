"""The loop of everything that waits, by a clock of its own."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.core.polling import poll


@pytest.mark.parametrize(
    ("enough", "end", "found", "slept"),
    [
        pytest.param(1, 10.0, 1, [], id="the first look is enough"),
        pytest.param(3, 10.0, 3, [2.0, 2.0], id="a later one is"),
        pytest.param(9, 5.0, 4, [2.0, 2.0, 1.0], id="no longer than its time"),
        pytest.param(9, 0.0, 1, [], id="one look where there is no time"),
    ],
)
def test_it_looks_until_it_is_enough_or_its_time_is_over(enough, end, found, slept):
    now, looks, pauses = [0.0], [0], []

    def look():
        looks[0] += 1
        return looks[0]

    def sleep(seconds):
        pauses.append(seconds)
        now[0] += seconds

    assert poll(look, lambda look: None if look >= enough else end, 2.0, lambda: now[0], sleep) == found
    assert pauses == slept
