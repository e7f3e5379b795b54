"""How waiting ends."""

from __future__ import annotations

import pytest
from lab import run


def test_waiting_ends_with_the_reason():
    with pytest.raises(run.LabError, match="the reason"):
        run.wait_for(lambda: None, 0, lambda: "the reason")
    assert run.wait_for(lambda: "yes", 0, lambda: "never") == "yes"
