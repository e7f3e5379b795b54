"""What there is to do for one member, as the task files of the role ask for it. Data only: plan.py makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.plugin_utils import steps


@dataclass(frozen=True)
class Configure(steps.Configure):
    """Also what comes before the files: tasks/prepare.yml."""

    prepare: bool


@dataclass(frozen=True)
class Service:
    """The unit of the member, as it was when its host was read."""

    exists: bool
    active: bool
    enabled: bool
    needs_reload: bool
    live: bool
    #: Whether it is to be started or enabled.
    due: bool


@dataclass(frozen=True)
class Group:
    """What is true of the ensemble, the same for all members."""

    any_live: bool
    all_live: bool
    to_roll: bool
    loses_identities: bool


@dataclass(frozen=True)
class Verify:
    """What the ensemble has to come to. Without a member that cannot be reached it is degraded at best: all others have to serve."""

    wait_for: str
    wait_for_members: tuple[int, ...]
    #: Whether the host has the record already.
    recorded: bool


@dataclass(frozen=True)
class Steps:
    """What the role's task files ask for; each is there once it is known."""

    install: steps.Install | None = None
    configure: Configure | None = None
    service: Service | None = None
    verify: Verify | None = None
    #: Nodes of `znode_acl`.
    acls: tuple[Mapping[str, Any], ...] = ()
    start_problems: tuple[str, ...] = ()
