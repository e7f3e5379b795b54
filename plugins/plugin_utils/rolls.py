"""The groups that a run changes member by member: who is of them, what there is to do, and whom to ask. Pure.

Made of the inventory, and of what the roles noted of each host in this run: docs/architecture.md, "Facts for others".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.members import FLINK_GROUPS, restart_file
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import groups as rolling
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.groups import Described
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import zookeeper_members
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import FLINK_NOTED, ZOOKEEPER_NOTED, noted, written

HostVars = Mapping[str, Mapping[str, Any]]
Groups = Mapping[str, Sequence[str]]
ZOOKEEPER, JOB_MANAGER, TASK_MANAGER = "zookeeper", "jobmanager", "taskmanager"
#: Kind of members -> group of the inventory.
HOSTS = {ZOOKEEPER: "zookeeper", JOB_MANAGER: "flink_jobmanager", TASK_MANAGER: "flink_taskmanager"}


@dataclass(frozen=True)
class Roll:
    """One group that is changed member by member: the ensemble, or the JobManagers or TaskManagers of one Flink cluster."""

    kind: str
    #: What the screen calls it: the kind, and the cluster where there are several.
    label: str
    #: All members, those without which the operator goes on among them.
    members: tuple[Described, ...]
    #: Whether there is something to do.
    needed: bool
    #: Files that ask for a restart of one process each, which are not on their hosts yet: host, path, content.
    requests: tuple[Mapping[str, str], ...]
    #: Whose hosts hold the lock, and those of them that can be reached.
    voters: tuple[str, ...]
    voters_reached: tuple[str, ...]
    #: Hosts of the whole lock: those of the voters, and of the members.
    leased: tuple[str, ...]
    #: Who is asked about the group. A host is enough, its own member need not serve.
    query_host: str
    #: How to come to the ensemble; empty where it is not in the inventory.
    ensemble: Mapping[str, Any]
    #: The Flink cluster that is rolled; empty for the ensemble.
    cluster: Mapping[str, Any]
    #: Clusters that run while this group is rolled, each with its `name` and, by host, `tolerates`.
    watched: tuple[Mapping[str, Any], ...]
    #: Host, servers (host:port) and kazoo_path of the client that writes throughout.
    probe: Mapping[str, Any]
    #: Ids of members of the ensemble without which the operator goes on.
    accepted: tuple[int, ...]
    #: Each member can be waited for, repaired, found to be another process than was decided on, and paused for.
    most_steps: int


class NotReadError(Exception):
    """Hosts were not read in this run."""


def rolls(
    kind: str, hostvars: HostVars, inventory: Groups, unreached: Collection[str], force: bool = False
) -> list[Roll]:
    """The groups of one kind, the clusters in the order of the inventory.

    Args:
        kind: `zookeeper`, `jobmanager` or `taskmanager`.
        hostvars: of all hosts.
        inventory: groups of the inventory, by name.
        unreached: hosts that the run goes on without.
        force: every process is to be restarted, also one that runs what it should.

    Raises:
        NotReadError: nothing is decided about a part of a group, nor beside a Flink of which nothing is known.
    """
    run = _Run(kind, hostvars, inventory, unreached, force)
    unread = run.unread()
    if unread:
        raise NotReadError(f"These hosts were not read in this run, so nothing is rolled: {', '.join(unread)}.")
    if kind == ZOOKEEPER:
        return [run.ensemble()] if inventory.get(HOSTS[ZOOKEEPER]) else []
    return [run.flink(cluster, several=len(run.clusters) > 1) for cluster in run.clusters]


def _noted(hostvars: HostVars, host: str, name: str) -> Mapping[str, Any]:
    """What a role noted of a host; empty where it was not judged."""
    found: Mapping[str, Any] = noted(hostvars, host, name) or {}
    return found


class _Run:
    def __init__(
        self, kind: str, hostvars: HostVars, inventory: Groups, unreached: Collection[str], force: bool
    ) -> None:
        self.hostvars, self.inventory = hostvars, inventory
        self.kind, self.unreached, self.force = kind, unreached, force
        self.members = self._reached(ZOOKEEPER)
        self.voters = list(inventory.get(HOSTS[ZOOKEEPER]) or inventory.get(HOSTS[JOB_MANAGER], ()))
        self.clusters = self._clusters()

    def _reached(self, kind: str) -> list[str]:
        return [host for host in self.inventory.get(HOSTS[kind], ()) if host not in self.unreached]

    def _flink_hosts(self) -> list[str]:
        hosts = (host for name in FLINK_GROUPS for host in self.inventory.get(name, ()))
        return list(dict.fromkeys(host for host in hosts if host not in self.unreached))

    def unread(self) -> list[str]:
        members = self.members if self.kind == ZOOKEEPER else []
        flink = self._flink_hosts()
        unread = [host for host in members if not _noted(self.hostvars, host, ZOOKEEPER_NOTED)]
        return list(dict.fromkeys(unread + [host for host in flink if not _noted(self.hostvars, host, FLINK_NOTED)]))

    def _clusters(self) -> list[dict[str, Any]]:
        """The clusters of the inventory, each with the hosts of it that were read."""
        found: dict[str, dict[str, Any]] = {}
        for host in self._flink_hosts():
            note = _noted(self.hostvars, host, FLINK_NOTED)
            # An application on YARN that does not run has none.
            if note and note["cluster"]["cluster_id"]:
                # /orders and orders are one path in ZooKeeper.
                name = note["cluster"]["cluster_id"].strip("/")
                own = {"name": name, "path": f"{note['cluster']['path_root']}/{name}", "lives": False, "tolerates": {}}
                cluster = found.setdefault(name, {**note["cluster"], **own})
                cluster["tolerates"][host] = note["tolerates"]
                # What runs on YARN has no member of ours.
                cluster["lives"] |= any(each["live"] for each in note["members"] if each["kind"] == JOB_MANAGER) or (
                    not note["members"] and note["cluster"]["serving"]
                )
        return list(found.values())

    def _ensemble(self) -> Mapping[str, Any]:
        known = [_noted(self.hostvars, host, ZOOKEEPER_NOTED) for host in self.members]
        return next((note["ensemble"] for note in known if note), {})

    def ensemble(self) -> Roll:
        found = [_noted(self.hostvars, host, ZOOKEEPER_NOTED)["member"] for host in self.members]
        roll = self._roll(
            label=self.kind,
            found=found,
            accepted=rolling.unreached(
                zookeeper_members(self.hostvars, self.inventory[HOSTS[ZOOKEEPER]]), self.unreached
            ),
            # Where no member runs, the role zookeeper has started all at once.
            starts=any(member["live"] for member in found),
            cluster={},
            watched=[cluster for cluster in self.clusters if cluster["lives"]],
        )
        unseen = [cluster["name"] for cluster in roll.watched if not cluster["job_managers"]]
        if roll.needed and unseen:
            raise NotReadError(
                f"Who leads {', '.join(unseen)} could not be read, and nothing is rolled beside jobs that nobody sees: run again when its JobManager "
                "serves."
            )
        return roll

    def flink(self, cluster: Mapping[str, Any], several: bool) -> Roll:
        hosts = [host for host in self._reached(self.kind) if host in cluster["tolerates"]]
        members = [each for host in hosts for each in _noted(self.hostvars, host, FLINK_NOTED)["members"]]
        return self._roll(
            label=self.kind + (f" of {cluster['name']}" if several else ""),
            found=[each for each in members if each["kind"] == self.kind],
            accepted=[],
            starts=False,  # the role flink_ha has started whatever was down
            cluster=cluster,
            watched=[cluster] if cluster["lives"] else [],
        )

    def _roll(
        self,
        label: str,
        found: Sequence[Described],
        accepted: Sequence[Described],
        starts: bool,
        cluster: Mapping[str, Any],
        watched: Sequence[Mapping[str, Any]],
    ) -> Roll:
        ensemble = self._ensemble()
        members = [*rolling.forced(found, self.force), *accepted]
        live = [member for member in members if member["live"]]
        requested = {member["name"] for member in found if rolling.asked_for(member)}
        reached = [host for host in self.voters if host not in self.unreached]
        query_host = cluster["query_host"] if cluster else (live or members)[0]["host"]
        servers = [rolling.client_endpoint(each) for each in ensemble["members"]] if ensemble else cluster["servers"]
        return Roll(
            kind=self.kind,
            label=label,
            members=tuple(members),
            needed=any(rolling.to_do(member) for member in (members if starts else live)),
            requests=tuple(
                {"host": member["host"], "path": restart_file(member["unit"]), "content": f"{member['process']}\n"}
                for member in members
                if rolling.asked_for(member) and member["name"] not in requested
            ),
            voters=tuple(self.voters),
            voters_reached=tuple(reached),
            leased=tuple(dict.fromkeys([*reached, *(member["host"] for member in found)])),
            query_host=query_host,
            ensemble=ensemble,
            cluster=cluster,
            watched=tuple(watched),
            probe={
                # A host that the roll does not touch, where there is one: its clock and its processes are left alone. A member's
                # where there is one: Flink's own identity may not write outside of its own nodes.
                "host": self.members[0] if cluster and self.members else query_host,
                "servers": servers,
                "kazoo_path": (ensemble or cluster)["kazoo_path"],
            },
            accepted=tuple(member["id"] for member in accepted),
            most_steps=len(members) * (4 if self.kind == TASK_MANAGER else 3) + 2,
        )


def pending(
    hostvars: HostVars,
    hosts: Sequence[str],
    rolled: Collection[str],
    kinds: Collection[str] = tuple(HOSTS),
) -> list[str]:
    """What hosts do not run although they should, by the facts of this run: `host: name: running -> desired`.

    What was down and was started is not counted: it runs what it was started with.

    Args:
        rolled: kinds that this run has rolled.
        kinds: those that are asked about.
    """
    ensemble_lives = any(_noted(hostvars, host, ZOOKEEPER_NOTED).get("member", {}).get("live") for host in hostvars)
    found = []
    for host in hosts:
        own = [member for member in _noted(hostvars, host, FLINK_NOTED).get("members", []) if member["live"]]
        member = _noted(hostvars, host, ZOOKEEPER_NOTED).get("member")
        if member and ensemble_lives and not written(hostvars, host).get("zookeeper_started", {}).get("changed"):
            own.insert(0, member)
        found += [
            f"{host}: {member['unit']}: {member['running'] or 'nothing of ours'} -> {member['desired']}"
            for member in own
            if member["kind"] in kinds and member["kind"] not in rolled and rolling.to_do(member)
        ]
    return found
