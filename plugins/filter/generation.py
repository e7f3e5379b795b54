"""Filters about generations; the logic stands in module_utils/core/generation.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.generation import (
    directory_entries,
    generation_digest,
    leftover_entries,
    place,
    place_paths,
    service_entries,
)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "directory_entries": directory_entries,
            "generation_digest": generation_digest,
            "generation_paths": place_paths,
            "generation_place": place,
            "leftover_entries": leftover_entries,
            "service_entries": service_entries,
        }
