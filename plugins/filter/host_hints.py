"""Filters on what an operator should know of a host; the logic stands in module_utils/host/hints.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import hints as host_hints

#: Where the roles register what they read for `status`.
READ = ("__zookeeper_looked_at", "__flink_ha_looked_at")


def of_hosts(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> list[str]:
    """`host_hints.status_hints` of what the roles registered."""
    return host_hints.status_hints({host: [hostvars[host].get(name) or {} for name in READ] for host in hosts})


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"status_hints": of_hosts}
