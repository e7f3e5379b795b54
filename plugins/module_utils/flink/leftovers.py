"""What clusters of Flink have left in ZooKeeper: their nodes, who owns them, and the removal of what nobody owns.

A JobManager that ends well removes the nodes of its cluster. One that is killed for good leaves them for ever, and with them the way to its
files; so does a cluster that was only stopped, whose jobs come back with its next start. A node of a living process has an owner: its latch
is ephemeral.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import record
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import Grant, Node
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import AuthRefused

#: Names below a cluster's own node, of every release (HighAvailabilityOptions 1.3 to 1.14, ZooKeeperUtils from 1.15 on).
PARTS = (
    "leader",
    "leaderlatch",
    "jobs",
    "jobgraphs",
    "execution-plans",
    "checkpoints",
    "checkpoint-counter",
    "running_job_registry",
    "running_job_registry_lock",
)
APPLICATION = re.compile(f"^{record.ID}$")
#: A cluster-id may have slashes: so many nodes deep one is looked for.
DEPTH = 3
#: Nodes of one cluster that are looked at, each with two calls. An application with a hundred jobs has some thousand.
NODES = 20_000
DAY = 86_400_000


class LeftoverError(Exception):
    """What is left is not as it should be; the text is for the operator."""


class TooManyError(LeftoverError):
    """A cluster has more nodes than are looked at."""


class Session(Protocol):
    """What is needed of a session with ZooKeeper."""

    def read(self, path: str) -> Node | None: ...
    def children(self, path: str) -> list[str] | None: ...
    def get_acls(self, path: str) -> list[Grant] | None: ...
    def delete(self, path: str) -> bool: ...
    def sync(self, path: str) -> None: ...


@dataclass(frozen=True)
class Left:
    """The nodes of a cluster.

    Attributes:
        id: its cluster-id, without the slash before it.
        nodes: how many.
        owned: whether a session owns one of them.
        changed: when one of them was made or written last, in ms since 1970 by the ensemble's clock.
        jobs: ids of the jobs that it knows.
    """

    id: str
    nodes: int
    owned: bool
    changed: int
    jobs: tuple[str, ...]


def clean_root(root: str) -> str:
    """A root without the slash at its end; empty for the root of all."""
    return root.rstrip("/")


def _paths(session: Session, path: str) -> Iterator[str]:
    """A node and all below it, the deepest first, each read when it is come to. What goes meanwhile is left out.

    Raises:
        TooManyError: somebody has made a tree that is no cluster's; its depth counts as its width does.
    """

    def inside(path: str) -> Iterator[str]:
        # Leaders first: who starts meanwhile makes a node there before it looks for jobs.
        names = sorted(session.children(path) or (), key=lambda each: (each not in ("leader", "leaderlatch"), each))
        return (f"{path}/{name}" for name in names)

    way, seen = [(path, inside(path))], 1
    while way:
        here, below = way[-1]
        found = next(below, None)
        if found is None:
            way.pop()
            yield here
            continue
        seen += 1
        if seen > NODES:
            raise TooManyError(f"there are more than {NODES} nodes below {path}")
        way.append((found, inside(found)))


def ids(session: Session, root: str) -> list[str]:
    """Cluster-ids below a root, those of clusters that live too."""

    session.sync(root or "/")

    def below(path: str, depth: int) -> Iterator[str]:
        for name in session.children(path) or ():
            try:
                inside = session.children(f"{path}/{name}")
            except AuthRefused:
                # Somebody's, and told as such by who looks at it.
                yield f"{path}/{name}"[len(root) + 1 :]
                continue
            if inside is None:
                continue
            # One that has lost all of its nodes but its own is an application: any other name may be anybody's.
            if set(inside) & set(PARTS) or APPLICATION.match(name):
                yield f"{path}/{name}"[len(root) + 1 :]
            elif depth < DEPTH:
                yield from below(f"{path}/{name}", depth + 1)

    return list(below(root, 1))


def look(session: Session, root: str, cluster_id: str) -> Left | None:
    """What a cluster has; None where there is nothing.

    Args:
        session: with the ensemble.
        root: high-availability.zookeeper.path.root.
        cluster_id: as `ids` has it.
    """
    found = {path: node for path in _paths(session, f"{root}/{cluster_id}") if (node := session.read(path))}
    if not found:
        return None
    # Up to 1.14 they are named by job only where it has checkpoints.
    parts = ("jobs", "jobgraphs", "execution-plans", "checkpoints")
    jobs = {name for part in parts for name in session.children(f"{root}/{cluster_id}/{part}") or ()}
    return Left(
        cluster_id,
        len(found),
        any(node.ephemeral_owner for node in found.values()),
        max(max(node.ctime, node.mtime) for node in found.values()),
        tuple(sorted(jobs)),
    )


def export(session: Session, root: str, cluster_id: str) -> str:
    """All nodes of a cluster with their data and ACLs, as JSON: the same nodes are the same text.

    Raises:
        LeftoverError: there is none, or a session owns one of them.
    """
    session.sync(root or "/")
    nodes = {}
    for path in _paths(session, f"{root}/{cluster_id}"):
        node, acls = session.read(path), session.get_acls(path)
        if node is None or acls is None:
            continue
        if node.ephemeral_owner:
            raise LeftoverError(
                f"{path} belongs to the session {node.ephemeral_owner:#x}: a process of {cluster_id} lives"
            )
        nodes[path] = {
            "data": base64.b64encode(node.data).decode(),
            "acl": [[each.scheme, each.id, each.perms] for each in acls],
        }
    if not nodes:
        raise LeftoverError("it has no nodes any more: another run has removed them")
    return json.dumps({"id": cluster_id, "nodes": nodes}, indent=1, sort_keys=True)


def remove(session: Session, root: str, cluster_id: str, exported: str) -> int:
    """Removes the nodes of a cluster, which are those that were exported; their number.

    Raises:
        LeftoverError: they are others now, or somebody owns one of them.
    """
    if export(session, root, cluster_id) != exported:
        raise LeftoverError(f"the nodes of {cluster_id} have changed since they were exported: somebody uses them")
    count = 0
    for path in _paths(session, f"{root}/{cluster_id}"):
        if session.delete(path):
            count += 1
        elif session.read(path) is not None:
            raise LeftoverError(
                f"{path} got a node while it was removed: a process of {cluster_id} has started. {count} nodes had gone by then; they stand in the "
                "export beside its files."
            )
    return count


# --- what is removed


@dataclass(frozen=True)
class Known:
    """What decides about what is left.

    Attributes:
        named: cluster-ids that the inventories name, and the application that runs.
        applications: ids of this inventory's applications on YARN -> what YARN says of each, whether it is live and told, in words.
        asked: cluster-ids whose removal was asked for.
        age: days for which nothing of them has changed.
        now: ms since 1970.
    """

    named: Sequence[str]
    applications: Mapping[str, Mapping[str, Any]]
    asked: Sequence[str]
    age: float
    now: int


def judge(left: Left, known: Known) -> dict[str, Any]:
    """What is left, with `removes`, and `told`, why or why not; empty for a cluster of the inventory, and for one that lives unasked."""
    asked = left.id in _plain(known.asked)
    application = known.applications.get(left.id)
    days = (known.now - left.changed) / DAY
    if left.id in _plain(known.named) or any(each.startswith(f"{left.id}/") for each in _plain(known.named)):
        removes, told = False, "the inventory names it" if asked else ""
    elif left.owned:
        removes, told = False, "a process of it lives" if asked else ""
    elif application:
        removes, told = not application["live"], "" if application["live"] else f"its application {application['told']}"
    elif not asked:
        removes, told = False, f"no inventory of this run names it, and nothing of it has changed for {days:.0f} days"
    elif days < known.age:
        removes, told = False, f"something of it has changed {days:.1f} days ago, and {known.age:g} are asked for"
    else:
        removes, told = True, f"it was asked for, and nothing has changed for {days:.0f} days"
    return {**asdict(left), "jobs": list(left.jobs), "removes": removes, "told": told}


def unread(cluster_id: str, why: str) -> dict[str, Any]:
    """The same of a cluster whose nodes could not be looked through: nobody knows whether it lives."""
    nothing = Left(cluster_id, 0, False, 0, ())
    return {**asdict(nothing), "jobs": [], "removes": False, "told": why}


def missing(found: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Those that were asked for and are not there."""
    return [each for each in _plain(asked) if each not in found]


def _plain(names: Sequence[str]) -> list[str]:
    """/orders and orders are one path in ZooKeeper."""
    return [each.strip("/") for each in names]
