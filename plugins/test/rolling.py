"""Tests of the roles; the logic stands in module_utils/rolling/groups.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.groups import asked_for, to_do


class TestModule:
    def tests(self) -> dict[str, Callable[..., Any]]:
        return {"rolling_asked_for": asked_for, "rolling_to_do": to_do}
