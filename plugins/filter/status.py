"""Filters of the report and of status; the logic stands in module_utils/rolling/status.py and module_utils/host/hints.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host.hints import status_hints
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import status

#: Where the roles note what they saw of a host for `status`.
SEEN = ("zookeeper_seen", "flink_ha_seen")


def cluster_status(
    hostvars: Mapping[str, Mapping[str, Any]],
    hosts: Iterable[str],
    unreached: Iterable[str],
    groups: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """What status.yml tells of these hosts, in this run: text, summary and healthy.

    Args:
        hostvars: of all hosts.
        hosts: of the ensemble and of Flink.
        unreached: those of them that cannot be reached over SSH.
        groups: of the inventory.
    """
    given = {host: hostvars[host] for host in hosts}
    found, gone = status.answers(given, given, elsewhere=not groups.get("zookeeper")), list(unreached)
    hints = status_hints({host: [each.get(name) or {} for name in SEEN] for host, each in given.items()})
    return {
        "text": status.status_text(found, gone, hints),
        "summary": status.summary(found),
        "healthy": status.healthy(found) and not gone,
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"leaders": status.leaders, "cluster_status": cluster_status, "ensemble_text": status.ensemble_text}
