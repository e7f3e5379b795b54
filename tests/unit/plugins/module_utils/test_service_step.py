"""One step on the member's host; what it does to real services is in the scenarios faults, takeover and upgrade."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.service_step import served_before

NOW, A, B = "generations/now", "generations/a", "generations/b"


@pytest.mark.parametrize(
    ("current", "previous", "running", "serves", "live", "restarts", "served"),
    [
        pytest.param(A, B, "a", True, True, 0, A, id="what-serves"),
        pytest.param(A, B, "a", True, True, 1, A, id="what-serves-although-systemd-restarted-it-once"),
        pytest.param(NOW, A, "a", True, True, 0, A, id="switched-and-not-restarted-by-a-run-that-was-killed"),
        pytest.param(NOW, A, "", False, False, 3, A, id="switched-to-what-keeps-ending"),
        pytest.param(NOW, A, "now", False, True, 0, "", id="hangs-with-what-it-should-run-and-is-not-switched"),
        pytest.param(A, B, "", False, False, 0, A, id="stopped-by-hand"),
        pytest.param(A, B, "", False, False, 2, B, id="keeps-ending-with-what-was-switched-to-before"),
        pytest.param(A, "", "", False, False, 2, A, id="keeps-ending-and-nothing-else-is-known"),
        pytest.param("", "", "", True, True, 0, "", id="an-installation-of-its-own"),
    ],
)
def test_where_a_step_goes_back_to(current, previous, running, serves, live, restarts, served):
    assert served_before(NOW, current, previous, running, serves, live, restarts) == served
