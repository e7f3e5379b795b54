"""What a run that refuses looks like."""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def refused(result, *words):
    """A refusal with these words, before anything was changed, and without a secret (tests name theirs canary)."""
    code, output = result
    assert code != 0, output
    for word in words:
        assert word in output, output
    assert "changed=0" in output or "PLAY RECAP" not in output, "something was changed before the refusal"
    assert "Traceback" not in output, output
    assert "canary" not in output, "a secret was shown"


def some(cases: Iterable[str]) -> list:
    """Names of a table's cases, all but every third for `make refusals` alone: its rules have unit tests, and the way from a rule to the
    end of a run is one for all of a table."""
    return [
        case if number % 3 == 0 else pytest.param(case, marks=pytest.mark.long) for number, case in enumerate(cases)
    ]
