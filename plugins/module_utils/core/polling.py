"""The loop of everything that waits: look, judge, sleep, and no longer than it may. Pure but for the sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll(
    look: Callable[[], T],
    until: Callable[[T], float | None],
    interval: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The last look: the first that is enough, or the one at the end of its time.

    Args:
        look: reads once.
        until: up to when another look is worth it after one like this, by the clock; None where it is enough.
        interval: seconds between two looks.
        clock: monotonic seconds.
        sleep: waits for seconds.
    """
    while True:
        found = look()
        end = until(found)
        if end is None:
            return found
        left = end - clock()
        if left <= 0:
            return found
        sleep(min(interval, left))
