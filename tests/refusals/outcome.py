"""What a run that refuses looks like."""

from __future__ import annotations


def refused(result, *words):
    """A refusal with these words, before anything was changed, and without a secret (tests name theirs canary)."""
    code, output = result
    assert code != 0, output
    for word in words:
        assert word in output, output
    assert "changed=0" in output or "PLAY RECAP" not in output, "something was changed before the refusal"
    assert "Traceback" not in output, output
    assert "canary" not in output, "a secret was shown"
