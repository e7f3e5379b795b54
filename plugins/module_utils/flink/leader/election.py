"""What stands in ZooKeeper of one cluster: its election and its jobs, read through a session that is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader.layouts import LAYOUTS, Layout
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.elections import Znode, ZnodeReader, in_order

#: What Curator's latch makes; other children are left out.
_CONTENDER = re.compile(r".*-latch-([0-9]{10,12})")


@dataclass(frozen=True)
class Latch:
    """Contenders of one election, and the session of the one that wins (0 where there is none)."""

    contenders: int = 0
    owner: int = 0


@dataclass(frozen=True)
class Election:
    """Everything read of one cluster, by path below it; what does not exist is not in it."""

    path: str
    nodes: Mapping[str, Znode] = field(default_factory=dict)
    latches: Mapping[str, Latch] = field(default_factory=dict)


def read_election(session: ZnodeReader, path: str) -> Election:
    """Read every layout's nodes of the cluster at `path`: some fifteen calls, each within the session's limit.

    Raises:
        ClientError: as the session raises it.
    """
    # A server may lag behind the leader: a verdict must not be older than its question.
    session.sync(path)
    components = [component for layout in LAYOUTS for component in layout.components]
    nodes: dict[str, Znode] = {}
    for info in dict.fromkeys(component.info for component in components):
        node = session.read(f"{path}/{info}")
        if node is not None:
            nodes[info] = node
    latches: dict[str, Latch] = {}
    for latch in dict.fromkeys(component.latch for component in components):
        children = session.children(f"{path}/{latch}")
        if children is not None:
            order = in_order(children, _CONTENDER)
            first = session.read(f"{path}/{latch}/{order[0]}") if order else None
            latches[latch] = Latch(len(order), first.ephemeral_owner if first else 0)
    return Election(path, nodes, latches)


#: Below the cluster's path, a child for each job: 2.x, and up to 1.20 (HighAvailabilityOptions, path.execution-plans).
_GRAPHS = ("execution-plans", "jobgraphs")


#: Below it and a job's id, a child for each checkpoint: 1.14 and newer, and older.
_CHECKPOINTS = (("jobs", "/checkpoints"), ("checkpoints", ""))


def read_jobs(session: ZnodeReader, path: str) -> list[str]:
    """Ids of the jobs that the cluster at `path` would recover: ZooKeeper points to their graph, or to a checkpoint, in its storage.

    Raises:
        ClientError: as the session raises it.
    """
    session.sync(path)
    jobs = {job for parent in _GRAPHS for job in session.children(f"{path}/{parent}") or []}
    for parent, below in _CHECKPOINTS:
        for job in session.children(f"{path}/{parent}") or []:
            # What a job that has ended, or never made a checkpoint, leaves there points to nothing.
            if job not in jobs and session.children(f"{path}/{parent}/{job}{below}"):
                jobs.add(job)
    return sorted(jobs)


def choose_layout(election: Election, release: tuple[int, int] | None) -> tuple[Layout | None, list[Layout]]:
    """The layout that tells who leads, and others in which somebody leads as well.

    A live leader comes before a matching release (a cluster of another release may use the cluster-id), the release
    before leftovers (a change of release leaves nodes behind), and newer before older. Contenders come before a leader
    without any: 1.14 and 1.15 write the same nodes, and only their latches tell them apart.

    Returns:
        None where nothing tells: no release is given and no node of any layout exists.
    """

    def live(layout: Layout) -> bool:
        node = election.nodes.get(layout.leading.info)
        return node is not None and node.ephemeral_owner != 0

    def used(layout: Layout) -> bool:
        return live(layout) and contended(layout)

    def contended(layout: Layout) -> bool:
        return election.latches.get(layout.leading.latch, Latch()).contenders > 0

    def score(layout: Layout) -> tuple[bool, ...]:
        expected = release is not None and layout.has(release)
        there = layout.leading.latch in election.latches
        return used(layout), contended(layout), live(layout), expected, there

    best = max(LAYOUTS, key=score)  # the first, and so the newest, of equals
    if not any(score(best)):
        return None, []
    return best, [layout for layout in LAYOUTS if layout is not best and used(layout)]
