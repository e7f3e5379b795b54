"""What a host's plan needs of other hosts. Gathered once a run for all of them, since each look at another host costs.

Hosts of one inventory may be of several clusters, which `flink_ha_cluster_id` keeps apart. Of each cluster there is a summary and not
every host's own note: each plan reads it, and what a plan reads must not grow with the hosts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.module_utils.common.validation import check_type_bool
from ansible_collections.streamquorum.ha.plugins.module_utils.core.members import FLINK_GROUPS
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import services as flink_services
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.refusals import SHARED_VARIABLES
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.tls import REST_KEY
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.groups import to_do
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import (
    parse_properties,
    zookeeper_connect_string,
    zookeeper_members,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import ZOOKEEPER_NOTED, noted, plain, unique

HostVars = Mapping[str, Mapping[str, Any]]
Settings = Mapping[str, str]
#: Variables by which others know a host: as the inventory has them, and no play.
SEEN = (*SHARED_VARIABLES, *flink_services.ZOOKEEPER_PORTS)
JOB_MANAGERS, TASK_MANAGERS, CLIENTS = FLINK_GROUPS
ZOOKEEPER = "zookeeper"


@dataclass(frozen=True)
class Ensemble:
    """The ensemble of this inventory: its inputs as its own group has them, and what runs there. Without hosts there is none."""

    hosts: tuple[str, ...]
    members: tuple[Mapping[str, Any], ...]
    client_port: int
    secure_client_port: int
    #: Milliseconds for which a leader that hangs stays unnoticed.
    silence: int
    #: As it was given; empty where the inventory leaves it to the role's default.
    client_tls: str
    client_auth: str
    auth_mechanism: str
    kerberos_service: str
    remove_host_from_principal: bool
    remove_realm_from_principal: bool
    #: Whether the servers look at no ACL.
    unguarded: bool
    #: Paths of zookeeper_acls.
    acl_paths: tuple[str, ...]
    #: zoo.cfg of each member that runs, where this run has looked at them.
    running: tuple[Settings, ...]
    #: Whether this run has judged a member.
    judged: bool
    #: One that can be reached; empty for none.
    reached_host: str

    def servers(self, secure: bool) -> str:
        """host:port,… of all members, by the secure port or the plain one."""
        return zookeeper_connect_string(self.members, self.secure_client_port if secure else self.client_port)


@dataclass(frozen=True)
class Note:
    """What the others have to know of a host once it was read."""

    #: Whether Flink was there before this run.
    has_flink: bool
    #: Whether a service of it was ever started there, by what it logged.
    has_run: bool
    #: Of each service: kind, live, start and restart_needed.
    services: tuple[Mapping[str, Any], ...]
    #: Of each JobManager that runs, its kind and whether its REST speaks TLS, as configured.
    rest: tuple[Settings, ...]
    #: As whom the services authenticate, by what they were installed with before this run.
    principals: tuple[str, ...]
    #: Whether all of them keep the leadership while they change to another server.
    tolerates: bool
    #: As the role `rolling` takes them.
    members: tuple[Mapping[str, Any], ...]
    #: Digest of what an application on YARN is to be started with; empty for a standalone cluster.
    wanted: str = ""
    #: The last application that the host knows, as `record.last` tells it; empty for none, and for a standalone cluster.
    last: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """What is true of a cluster once its hosts were read, the same for all of them. A host that the run does not see tells nothing."""

    #: Whether it was there before this run.
    existing: bool
    #: Whether a process of it was ever started on one of its hosts.
    has_run: bool
    #: Whether a process of it runs.
    serving: bool
    #: Whether something starts in this run: then the storage is proved, and nobody else may lead.
    starting: bool
    #: Whether a process has to be restarted.
    to_roll: bool
    #: Kinds of services that the role `rolling` has something to do with.
    pending: tuple[str, ...]
    #: Whether every host was read. With --limit, others may run as somebody else.
    all_read: bool
    #: Whether hosts were left out that can be read, by --limit: others of the cluster than those that the run goes on without.
    limited: bool
    #: As whom the processes of all hosts authenticate.
    principals: tuple[str, ...]
    #: Each way in which a JobManager that runs serves REST.
    rest: tuple[Settings, ...]
    #: What the hosts of an application on YARN ask it to be started with, each digest once.
    wanted: tuple[str, ...] = ()
    #: The last applications that its hosts know.
    last: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Cluster:
    """The hosts that have one flink_ha_cluster_id, or one flink_ha_yarn_name, from the inventory only. `group` is missing until they were
    read."""

    id: str
    job_manager_hosts: tuple[str, ...]
    task_manager_hosts: tuple[str, ...]
    #: name, address and rest_port of each, sorted.
    job_managers: tuple[Mapping[str, Any], ...]
    #: Addresses of the TaskManagers, sorted; that of a host with several stands there as often.
    workers: tuple[str, ...]
    #: How many of them are on hosts that this run does not go on without.
    workers_due: int
    #: Writes the proof that a local storage is shared, and makes its directories: one host, always the same; empty for none.
    storage_writer: str
    #: JobManagers on hosts that the run goes on without.
    unreached_addresses: tuple[str, ...]
    #: Asks about the cluster for all of its hosts: one that can be asked, a JobManager's if possible; empty for none.
    query_host: str
    #: From which an application on YARN is started; none of a standalone cluster.
    client_hosts: tuple[str, ...] = ()
    group: Group | None = None

    @property
    def hosts(self) -> list[str]:
        return list(dict.fromkeys([*self.job_manager_hosts, *self.task_manager_hosts, *self.client_hosts]))

    @property
    def addresses(self) -> list[str]:
        """Of all JobManagers and TaskManagers, each once."""
        return unique([*(manager["address"] for manager in self.job_managers), *self.workers])


@dataclass(frozen=True)
class Peers:
    """The clusters of the inventory and their ensemble."""

    clusters: Mapping[str, Cluster]
    ensemble: Ensemble
    #: Hosts that the run goes on without.
    unreached: tuple[str, ...]
    #: All hosts that the run is limited to, the failed ones too.
    play_hosts: tuple[str, ...]
    #: What the inventory does not say of another host.
    defaults: Mapping[str, Any]
    #: All hosts of the group flink_client.
    client_hosts: tuple[str, ...] = ()

    def cluster_of(self, host: str) -> Cluster:
        """The cluster that a host belongs to."""
        return next(each for each in self.clusters.values() if host in each.hosts)


def gather(
    hostvars: HostVars,
    groups: Mapping[str, Sequence[str]],
    unreached: Sequence[str],
    play_hosts: Sequence[str],
    active_hosts: Sequence[str],
    defaults: Mapping[str, Any],
) -> Peers:
    """Peers of a run, from the inventory only.

    Args:
        hostvars: of all hosts.
        groups: of the inventory.
        unreached: hosts that the run goes on without.
        play_hosts: hosts that it is limited to.
        active_hosts: those of them that have not failed.
        defaults: of this role and of the role zookeeper, for what the inventory does not say.
    """
    managing, working, members = (list(groups.get(name, ())) for name in (JOB_MANAGERS, TASK_MANAGERS, ZOOKEEPER))
    # A host of two groups is refused, as one of the first.
    clients = [host for host in groups.get(CLIENTS, ()) if host not in {*managing, *working}]
    hosts = list(dict.fromkeys([*managing, *working, *clients]))
    judged = {host: noted(hostvars, host, ZOOKEEPER_NOTED) for host in members}
    # Each look at a host gathers all of its variables anew.
    hostvars = {host: hostvars[host] for host in dict.fromkeys([*hosts, *members])}
    ids = {host: _id(hostvars[host], defaults, host in clients) for host in hosts}
    clusters = {}
    for name in dict.fromkeys(ids.values()):
        leaders, workers, starters = (
            [host for host in group if ids[host] == name] for group in (managing, working, clients)
        )
        clusters[name] = _cluster(name, leaders, workers, starters, hostvars, defaults, unreached, active_hosts)
    return Peers(
        clusters=clusters,
        ensemble=_ensemble(
            hostvars, members, defaults, unreached, {host: each for host, each in judged.items() if each}
        ),
        unreached=tuple(unreached),
        play_hosts=tuple(play_hosts),
        defaults={name: defaults[name] for name in SEEN},
        client_hosts=tuple(groups.get(CLIENTS, ())),
    )


def _id(host: Mapping[str, Any], defaults: Mapping[str, Any], is_client: bool) -> str:
    """/orders for both `orders` and `/orders`, which are one path in ZooKeeper; the name alone of an application on YARN."""
    if is_client:
        return str(plain(host.get("flink_ha_yarn_name", defaults["flink_ha_yarn_name"])))
    return "/" + str(plain(host.get("flink_ha_cluster_id", defaults["flink_ha_cluster_id"]))).strip("/")


def _cluster(
    name: str,
    managing: Sequence[str],
    working: Sequence[str],
    clients: Sequence[str],
    hostvars: HostVars,
    defaults: Mapping[str, Any],
    unreached: Collection[str],
    active_hosts: Collection[str],
) -> Cluster:
    managers = plain(flink_services.job_managers(hostvars, managing, defaults))
    return Cluster(
        id=name,
        job_manager_hosts=tuple(managing),
        task_manager_hosts=tuple(working),
        job_managers=tuple(managers),
        workers=tuple(plain(flink_services.workers(hostvars, working))),
        workers_due=len(flink_services.workers(hostvars, [host for host in working if host not in unreached])),
        storage_writer=next((host for host in [*managing, *clients] if host not in unreached), ""),
        unreached_addresses=tuple(each["address"] for each in managers if each["name"] in unreached),
        query_host=next((host for host in [*managing, *working, *clients] if host in active_hosts), ""),
        client_hosts=tuple(clients),
    )


def with_notes(peers: Peers, notes: Mapping[str, Note]) -> Peers:
    """The same peers once hosts were read; of each its note."""
    return replace(
        peers,
        clusters={
            name: replace(each, group=_group(each, notes, peers.unreached)) for name, each in peers.clusters.items()
        },
    )


def _group(cluster: Cluster, notes: Mapping[str, Note], unreached: Collection[str]) -> Group:
    unread = [host for host in cluster.hosts if host not in notes]
    return summary([notes[host] for host in cluster.hosts if host in notes], unread, unreached)


def summary(notes: Sequence[Note], unread: Sequence[str], unreached: Collection[str]) -> Group:
    """What is true of a cluster, from the notes of those of its hosts that were read; `unreached` are those that nobody can read."""
    services = [service for note in notes for service in note.services]
    members = [member for note in notes for member in note.members]
    rest: list[Settings] = []
    for each in (settings for note in notes for settings in note.rest):
        rest += [each] if each not in rest else []
    return Group(
        existing=any(note.has_flink for note in notes),
        has_run=any(note.has_run for note in notes),
        serving=any(service["live"] for service in services),
        starting=any(service["start"] for service in services),
        to_roll=any(service["restart_needed"] for service in services),
        pending=tuple(sorted({member["kind"] for member in members if member["live"] and to_do(member)})),
        all_read=not unread,
        limited=not set(unread) <= set(unreached),
        principals=tuple(unique(principal for note in notes for principal in note.principals)),
        rest=tuple(rest),
        wanted=tuple(unique(note.wanted for note in notes if note.wanted)),
        last=tuple(note.last for note in notes if note.last),
    )


def _ensemble(
    hostvars: HostVars,
    hosts: Sequence[str],
    defaults: Mapping[str, Any],
    unreached: Collection[str],
    judged: Mapping[str, Mapping[str, Any]],
) -> Ensemble:
    # All members have the same; Flink's own hosts may have other groups.
    first = hostvars[hosts[0]] if hosts else {}

    def of_group(name: str) -> int:
        return flink_services.zookeeper_input(hostvars, hosts, defaults, name)

    def switch(name: str) -> bool:
        return bool(check_type_bool(plain(first.get(name)) or False))

    return Ensemble(
        hosts=tuple(hosts),
        members=tuple(plain(zookeeper_members(hostvars, hosts))),
        client_port=of_group("zookeeper_client_port"),
        secure_client_port=of_group("zookeeper_secure_client_port"),
        silence=of_group("zookeeper_sync_limit") * of_group("zookeeper_tick_time"),
        client_tls=str(first.get("zookeeper_client_tls", "")),
        client_auth=str(first.get("zookeeper_client_auth", "none")),
        auth_mechanism=str(first.get("zookeeper_auth_mechanism", "kerberos")),
        kerberos_service=str(first.get("zookeeper_kerberos_service", defaults["zookeeper_kerberos_service"])),
        remove_host_from_principal=switch("zookeeper_remove_host_from_principal"),
        remove_realm_from_principal=switch("zookeeper_remove_realm_from_principal"),
        # A word of ZooKeeper's: "yes", and nothing else.
        unguarded=(plain(first.get("zookeeper_config_extra")) or {}).get("skipACL", "") == "yes",
        acl_paths=tuple(plain(first.get("zookeeper_acls")) or ()),
        running=tuple(parse_properties(str(each["live_config"])) for each in judged.values() if each["live_config"]),
        judged=bool(judged),
        reached_host=next((host for host in hosts if host not in unreached), ""),
    )


def rest_settings(running: Sequence[Settings]) -> tuple[Settings, ...]:
    """Of the settings of a host's live services, what the others have to know: how its JobManagers serve REST."""
    return tuple(
        {"kind": each["kind"], REST_KEY: each.get(REST_KEY, "")}
        for each in running
        if each["kind"] == flink_services.JOB_MANAGER
    )
