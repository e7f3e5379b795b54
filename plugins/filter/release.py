"""Filters about release archives; the logic stands in module_utils/release/archive.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive as release_archive
from ansible_collections.streamquorum.ha.plugins.module_utils.release import bundle
from ansible_collections.streamquorum.ha.plugins.plugin_utils.release_source import release_source


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "release_source": release_source,
            "release_installed": release_archive.release_installed,
            "bundle_plan": bundle.plan,
        }
