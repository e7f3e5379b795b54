"""Filters about an ensemble; the logic stands in module_utils/zookeeper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import auth, config, tls
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import znode_acl as acl


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "zookeeper_members": config.zookeeper_members,
            "zookeeper_connect_string": config.zookeeper_connect_string,
            "zookeeper_kerberos_id": auth.kerberos_id,
            "zookeeper_speaks_tls": tls.speaks_tls,
            "zookeeper_parsed": config.parse_properties,
            "zookeeper_locked_problems": acl.locked_problems,
        }
