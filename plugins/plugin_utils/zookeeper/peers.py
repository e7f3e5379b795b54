"""What a member's plan needs of other hosts. Gathered once a run for all members, since each look at another host costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.members import FLINK_GROUPS
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import PARTICIPANT, zookeeper_members
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import plain

HostVars = Mapping[str, Mapping[str, Any]]
PRESENT = "present"


@dataclass(frozen=True)
class Member:
    """A member as the inventory has it; its id is what was given there, until it was judged."""

    host: str
    id: Any
    address: str
    peer_type: str
    #: What the ensemble is to come to with it. Nothing but `present` so far.
    state: str = PRESENT


@dataclass(frozen=True)
class Client:
    """A host of Flink, the client that this inventory knows: its own switches, as they were given."""

    host: str
    auth: Any
    tls: Any
    #: Between two identities, Flink's processes read each other's nodes as super users.
    switching: tuple[str, ...]


@dataclass(frozen=True)
class Note:
    """What the others have to know of a member once its host was read."""

    has_data: bool
    may_vote: bool
    #: Whether its host has the record of an ensemble that accepted a write.
    served: bool
    #: Stage of authentication of its clients, in what is configured there now.
    client_stage: str
    #: The ports of clients in the configuration that runs; None where nothing runs.
    ports: Mapping[str, str] | None
    #: As the role `rolling` takes it.
    member: Mapping[str, Any]

    @property
    def live(self) -> bool:
        return bool(self.member["live"])


@dataclass(frozen=True)
class Peers:
    """The ensemble and its clients. `notes` is empty until the hosts were read."""

    members: tuple[Member, ...]
    #: Hosts of the ensemble in the order of the inventory.
    hosts: tuple[str, ...]
    #: Those of them that the run goes on without.
    unreached: tuple[str, ...]
    #: All hosts that the run is limited to, the failed ones too.
    play_hosts: tuple[str, ...]
    clients: tuple[Client, ...]
    notes: Mapping[str, Note] = field(default_factory=dict)

    @property
    def present(self) -> list[dict[str, Any]]:
        """The members that the ensemble is to have, sorted by id, as the rules of `zookeeper_config` take them."""
        return [asdict(member) for member in self.members if member.state == PRESENT]

    @property
    def voters(self) -> list[str]:
        """Hosts of the members that vote."""
        return [member["host"] for member in self.present if member["peer_type"] == PARTICIPANT]

    @property
    def reached(self) -> list[str]:
        return [host for host in self.hosts if host not in self.unreached]

    @property
    def reached_notes(self) -> list[Note]:
        return [self.notes[host] for host in self.reached]


def gather(
    hostvars: HostVars,
    groups: Mapping[str, Sequence[str]],
    unreached: Sequence[str],
    play_hosts: Sequence[str],
) -> Peers:
    """Peers of a run, from the inventory only.

    Args:
        hostvars: of all hosts.
        groups: of the inventory.
        unreached: hosts that the run goes on without.
        play_hosts: hosts that it is limited to.
    """
    hosts = list(groups.get("zookeeper", ()))
    clients = dict.fromkeys(host for name in FLINK_GROUPS for host in groups.get(name, ()))
    return Peers(
        members=tuple(Member(**each) for each in plain(zookeeper_members(hostvars, hosts))),
        hosts=tuple(hosts),
        unreached=tuple(host for host in hosts if host in unreached),
        play_hosts=tuple(play_hosts),
        clients=tuple(_client(host, hostvars[host]) for host in clients),
    )


def _client(host: str, variables: Mapping[str, Any]) -> Client:
    return Client(
        host,
        plain(variables.get("flink_ha_zookeeper_auth", "none")),
        plain(variables.get("flink_ha_zookeeper_tls", False)),
        tuple(_flat(plain(variables.get("flink_ha_switching_principals", [])))),
    )


def _flat(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for each in value for text in _flat(each)]
    return [] if value is None else [str(value)]
