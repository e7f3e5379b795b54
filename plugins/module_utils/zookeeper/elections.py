"""Who leads other systems that elect in ZooKeeper: HDFS, YARN, Kafka, whatever uses a latch or one ephemeral node. Pure.

Sources: HAZKInfo.proto and ActiveStandbyElector of Hadoop 3.4.2, yarn_server_resourcemanager_service_protos.proto of the same,
ZkData.scala of Kafka 3.9 (ControllerZNode, BrokerIdZNode), LeaderLatch of Curator 5.9 and Lock of kazoo 2.11. Nothing of the data is
trusted: any client may have written it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import AuthRefused

#: Ephemeral, while a NameNode or ResourceManager is active. Beside it stands ActiveBreadCrumb, which outlives that one: it is never read.
LOCK = "ActiveStandbyElectorLock"
#: A leader writes some tens of bytes, a broker some hundreds.
_DATA_LIMIT = 64 * 1024
#: Bytes of a latch's or an ephemeral node's data that are shown.
_SHOWN = 200
#: A child with a sequence number: `_c_<uuid>-latch-0000000001` of Curator, `<uuid>__lock__0000000001` of kazoo.
_IN_ORDER = re.compile(r".*[-_]([0-9]{10,12})")


class Znode(Protocol):
    """What is needed of a node (`Node` of the client has it)."""

    @property
    def data(self) -> bytes: ...

    @property
    def ephemeral_owner(self) -> int: ...

    @property
    def czxid(self) -> int: ...

    @property
    def children_count(self) -> int: ...


class ZnodeReader(Protocol):
    """What is needed of a session (`ClientSession` has it)."""

    def sync(self, path: str) -> None: ...

    def read(self, path: str) -> Znode | None: ...

    def children(self, path: str) -> list[str] | None: ...


@dataclass(frozen=True)
class Election:
    """One election as it was read; of nobody all is empty.

    Attributes:
        address: the leader as its system names it: host:port, an id, or the data of its node.
        host, port: where it is reached; empty and 0 where the node does not tell.
        leadership: the transaction that made the leader's node: another one is another leadership, of whomever.
        owner: session of the leader.
        contenders: how many stand in it, the leader among them; 1 where only the leader leaves a node.
        absent: why nobody leads.
        wrong: what contradicts.
    """

    address: str = ""
    host: str = ""
    port: int = 0
    leadership: str = ""
    owner: str = ""
    contenders: int = 0
    absent: str = ""
    wrong: str = ""


def read(session: ZnodeReader, kind: str, path: str) -> Election:
    """Who leads what elects at a path.

    Args:
        session: with the ensemble.
        kind: one of `KINDS`.
        path: of HDFS /hadoop-ha/NAMESERVICE, of YARN /yarn-leader-election/CLUSTER-ID, of Kafka its chroot, else the latch or node.

    Raises:
        ClientError: as the session raises it.
    """
    # A server may lag behind the leader: a verdict must not be older than its question.
    session.sync(path)
    return KINDS[kind](session, path)


def below(path: str, name: str) -> str:
    """A child's path, of the root too."""
    return f"{path.rstrip('/')}/{name}"


def client_problems(clients: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with zookeeper_clients; empty for nothing."""
    told, kinds = [], ["flink", *KINDS]
    for number, client in enumerate(clients, 1):
        unknown, path = sorted(client.keys() - {"kind", "path"}), str(client.get("path", ""))
        where = f"zookeeper_clients, entry {number}"
        if unknown:
            told.append(f"{where}: {', '.join(unknown)} is nothing that it takes. It takes kind and path.")
        if client.get("kind") not in kinds:
            told.append(f"{where}: kind is {client.get('kind')!r}, and is one of {', '.join(kinds)}.")
        parts = path.split("/")[1:] if path.startswith("/") else [""]
        if path != "/" and not all(part.isprintable() and part not in ("", ".", "..") for part in parts):
            told.append(f"{where}: path is {path!r}. Name the node at which it elects, as /hadoop-ha/NAMESERVICE.")
    return told


#: Nodes deep, as /kafka/controller, /hadoop-ha/NAMESERVICE/LOCK or /flink/CLUSTER/leader stand.
_DEPTH = 3
#: Of a node with more children than this, none is fetched: such are jobs, locks, partitions, and a list of a million is tens of MB.
_CHILDREN = 100


@dataclass(frozen=True)
class Places:
    """Where somebody may elect, each kind and path; and what was not searched, as paths."""

    found: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]


def search(session: ZnodeReader, limit: int = 500) -> Places:
    """Looks for elections of kinds that can be told by the names of their nodes: Flink, HDFS, YARN and Kafka.

    Args:
        session: with the ensemble.
        limit: how many nodes are looked at; each is two calls.

    Raises:
        ClientError: as the session raises it.
    """
    session.sync("/")
    found: list[tuple[str, str]] = []
    left_out: list[str] = []
    waiting = [("/", 0)]
    while waiting:
        path, depth = waiting.pop(0)
        if limit == 0:
            left_out.append(path)
            continue
        limit -= 1
        names = _children(session, path)
        if names is None:
            left_out.append(path)
            continue
        kind = _kind_of(path, names)
        if kind:
            found.append((kind, path))
        if kind in ("", "kafka") and depth < _DEPTH:
            waiting += [(below(path, name), depth + 1) for name in sorted(names) if (path, name) != ("/", "zookeeper")]
    return Places(tuple(found), tuple(left_out))


def _children(session: ZnodeReader, path: str) -> list[str] | None:
    """Names of the children; None where they are too many to be fetched, or closed."""
    try:
        node = session.read(path)
        if node is not None and node.children_count > _CHILDREN:
            return None
        return session.children(path) or []
    except AuthRefused:
        return None


def _kind_of(path: str, names: Iterable[str]) -> str:
    """What elects at a node, by the names of its children; empty for nothing that is known."""
    if LOCK in names:
        return "yarn" if path.startswith("/yarn") else "hdfs"
    if {"controller", "brokers"} <= set(names):
        return "kafka"
    # Since 1.3: leader, and beside it what each release has of latches and jobs.
    return "flink" if "leader" in names and path != "/" else ""


# --- Hadoop


def protobuf(data: bytes) -> dict[int, bytes | int]:
    """Fields of a message, by number: text as bytes, numbers as they are; the last of each.

    Raises:
        ValueError: it is no message of texts and numbers.
    """
    if len(data) > _DATA_LIMIT:
        raise ValueError(f"{len(data)} bytes are more than a leader writes")
    found: dict[int, bytes | int] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            if at + value > len(data):
                raise ValueError("the message is cut short")
            found[tag >> 3] = data[at : at + value]
            at += value
        elif tag & 7 == 0:
            found[tag >> 3] = value
        else:
            raise ValueError(f"a field of type {tag & 7}, which no leader writes")
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("the message is cut short")
        value |= (data[at] & 127) << shift
        at, shift, more = at + 1, shift + 7, data[at] & 128
        if not more:
            return value, at


def _text(fields: Mapping[int, bytes | int], number: int) -> str:
    value = fields.get(number)
    if not isinstance(value, bytes) or not value:
        raise ValueError(f"the message has no text in field {number}")
    text = value.decode()
    if not text.isprintable():
        raise ValueError(f"field {number} of the message is no name")
    return text


def name_node(data: bytes) -> tuple[str, str, int]:
    """Address, host and RPC port of the active NameNode (ActiveNodeInfo).

    Raises:
        ValueError: it is anything else.
    """
    fields = protobuf(data)
    host, port = _text(fields, 3), fields.get(4)
    if not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("the message has no port")
    return f"{host}:{port}", host, port


def resource_manager(data: bytes) -> tuple[str, str, int]:
    """Id of the active ResourceManager (ActiveRMInfoProto, which has no address: yarn.resourcemanager.hostname.ID has).

    Raises:
        ValueError: it is anything else.
    """
    return _text(protobuf(data), 2), "", 0


def _elector(decode: Callable[[bytes], tuple[str, str, int]]) -> Callable[[ZnodeReader, str], Election]:
    def election(session: ZnodeReader, path: str) -> Election:
        lock = below(path, LOCK)
        return _led(session.read(lock), lock, decode)

    return election


# --- Kafka


def _broker(data: bytes) -> str:
    """Id of the broker that controls. It becomes a part of a path, and whoever may write the node chooses it.

    Raises:
        ValueError: it is no number.
        LookupError: there is none.
    """
    found = str(_object(data)["brokerid"])
    if not re.fullmatch(r"[0-9]{1,10}", found, re.ASCII):
        raise ValueError("the id of its broker is no number")
    return found


def _kafka(session: ZnodeReader, path: str) -> Election:
    node, where = session.read(below(path, "controller")), below(path, "controller")
    brokers = session.children(below(path, "brokers/ids")) or []
    found = _led(node, where, lambda data: (_broker(data), "", 0), len(brokers))
    if not found.owner or found.wrong:
        return found
    ids = below(path, f"brokers/ids/{found.address}")
    broker = session.read(ids)
    if node is None or broker is None or broker.ephemeral_owner != node.ephemeral_owner:
        return replace(found, wrong=f"{where} names broker {found.address}, and {ids} is not of its session")
    try:
        host, port = _endpoint(_object(broker.data))
    except ValueError as error:
        return replace(found, wrong=f"the data of {ids} cannot be read: {error}")
    return replace(found, address=f"{host}:{port}", host=host, port=port)


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > _DATA_LIMIT:
        raise ValueError(f"{len(data)} bytes are more than a broker writes")
    try:
        found = json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested deeper than anything that a broker writes") from error
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def _endpoint(broker: Mapping[str, Any]) -> tuple[str, int]:
    """Host and port of a broker: of its plain listener, else of its first one."""
    host, port = broker.get("host"), broker.get("port")
    if not host:
        endpoints = broker.get("endpoints")
        first = str(endpoints[0]) if isinstance(endpoints, list) and endpoints else ""
        match = re.fullmatch(r"[^:/]+://(.+):(\d+)", first)
        if not match:
            raise ValueError("it has neither a host nor an endpoint")
        host, port = match[1], match[2]
    if not str(host).isprintable():
        raise ValueError("its host is no name")
    return str(host), int(str(port))


# --- whatever else


def in_order(children: Iterable[str], pattern: re.Pattern[str] = _IN_ORDER) -> list[str]:
    """Children with a sequence number, the first one first; others are left out.

    Their names begin with random ids, so their order is that of the number.

    Args:
        children: names.
        pattern: of a whole name, with the number as its group.
    """
    found = ((int(match[1]), name) for name in children if (match := pattern.fullmatch(name)))
    return [name for _sequence, name in sorted(found)]


def _latch(session: ZnodeReader, path: str) -> Election:
    order = in_order(session.children(path) or [])
    if not order:
        return Election(absent=f"nobody stands in the election at {path}")
    first = below(path, order[0])
    return _led(session.read(first), first, _shown, len(order))


def _ephemeral(session: ZnodeReader, path: str) -> Election:
    return _led(session.read(path), path, _shown)


def _shown(data: bytes) -> tuple[str, str, int]:
    text = data.decode(errors="replace")
    return (text if text.isprintable() else data.hex())[:_SHOWN], "", 0


def _led(
    node: Znode | None, path: str, decode: Callable[[bytes], tuple[str, str, int]], contenders: int = 1
) -> Election:
    if node is None:
        return Election(absent=f"{path} is not there")
    if not node.ephemeral_owner:
        return Election(wrong=f"{path} belongs to no session, so it tells nobody who leads")
    owner, leadership = f"0x{node.ephemeral_owner:x}", f"0x{node.czxid:x}"
    try:
        address, host, port = decode(node.data)
    except (ValueError, KeyError) as error:
        told = f"the data of {path} cannot be read: {error}"
        return Election(leadership=leadership, owner=owner, contenders=contenders, wrong=told)
    return Election(address, host, port, leadership, owner, contenders)


#: Kinds of elections beside Flink's.
KINDS: Mapping[str, Callable[[ZnodeReader, str], Election]] = {
    "hdfs": _elector(name_node),
    "yarn": _elector(resource_manager),
    "kafka": _kafka,
    "latch": _latch,
    "ephemeral": _ephemeral,
}
