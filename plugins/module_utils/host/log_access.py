"""Log files that a group may read, such as that of a log shipper. Pure.

By an ACL of the log directory that its new files take over. The service's mask (0077) does not count there, nothing else that the
service writes is opened, and a heap dump stays closed, since Java makes it for its owner alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

GROUP = re.compile(r"^[a-z_][a-z0-9_-]*$")


def rules(directory: str, group: str) -> str:
    """Rules of systemd-tmpfiles for a log directory, and for the log files that are there already.

    Args:
        directory: of the logs.
        group: who may read them.
    """
    inherited = f"default:user::rwx,default:group::---,default:other::---,default:group:{group}:r--"
    return (
        "# Written by StreamQuorum.\n"
        f"a {directory} - - - - group:{group}:r-x,{inherited}\n"
        f"a {directory}/*.log* - - - - group::---,group:{group}:r--\n"
    )


def problems(host: str, group: str, variable: str, state: Mapping[str, Any]) -> list[str]:
    """Refuses a group that the host does not have.

    Args:
        host: its name.
        group: name of the group; empty for none.
        variable: that names it.
        state: what `host_state` returned, with this group.
    """
    if not group:
        return []
    if not GROUP.match(group):
        return [f"{host}: {variable} is {group!r}, which is no name of a group."]
    if not state["groups"][group]:
        return [
            f"{host}: has no group {group}, which {variable} names. Make it, or install what brings it, before this."
        ]
    return []
