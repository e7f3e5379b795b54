"""Filter about release archives; the logic stands in module_utils/release."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.release import bundle


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"bundle_plan": bundle.plan}
