"""Filters about an ensemble; the logic stands in module_utils/zookeeper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import znode_acl as acl


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "zookeeper_locked_problems": acl.locked_problems,
        }
