"""What there is to do for one host of Flink, as the task files of the role ask for it. Data only: plan.py makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.services import Service
from ansible_collections.streamquorum.ha.plugins.plugin_utils import steps
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn.application import Application
from ansible_collections.streamquorum.ha.plugins.plugin_utils.steps import Configure


@dataclass(frozen=True)
class Install(steps.Install):
    """Also jars beside those of the release."""

    jars: bool
    #: Arguments of the module `jar_set`.
    jar_set: Mapping[str, Any]


@dataclass(frozen=True)
class Prove:
    """How a storage is proved to be one and the same everywhere, before anything starts."""

    #: The host that writes there; the others read.
    writer: str
    paths: tuple[str, ...]
    files: tuple[str, ...]
    #: What ZooKeeper points into, where that is a local path.
    kept_in: tuple[str, ...]
    #: Directories that only Flink's own file system reaches, what the first service of the host is to be started with, and what it starts
    #: with where nothing of it runs.
    uris: tuple[str, ...]
    kind: str
    generation: str
    current: str
    #: Whether it is to be proved in this run: something starts, or is to be restarted.
    uris_due: bool
    #: Whether jobs that ZooKeeper keeps under the cluster-id can be this cluster's: a host of it has run Flink.
    owns_jobs: bool
    #: Entries by which a host that had no Flink has none again.
    taken_back: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Acls:
    """To whom the cluster's nodes in ZooKeeper belong."""

    #: Whether this toolkit sees to it.
    kept: bool
    #: Whether processes run as somebody else than they are to be.
    switches: bool
    #: A member of the ensemble, on whose host they are set.
    host: str
    servers: tuple[str, ...]
    #: Nodes of `znode_acl`, once every process runs what the inventory asks for.
    nodes: tuple[Mapping[str, Any], ...]
    #: Until then, they belong to those who need them before and after.
    nodes_before: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Steps:
    """What the role's task files ask for; each is there once it is known."""

    install: Install | None = None
    configure: Configure | None = None
    #: Each service of the host: name, unit, exists, enabled, active, needs_reload, start and restart_needed.
    services: tuple[Service, ...] = ()
    #: Whether a unit of the host is to be started or enabled, what starts anywhere is to be proved, or what runs on YARN to be noted.
    service: bool = False
    prove: Prove | None = None
    acls: Acls | None = None
    #: On YARN.
    application: Application | None = None
