"""Filters about generations; the logic stands in module_utils/core/generation.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.generation import (
    directory_entries,
    leftover_entries,
    place_paths,
)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "directory_entries": directory_entries,
            "generation_paths": place_paths,
            "leftover_entries": leftover_entries,
        }
