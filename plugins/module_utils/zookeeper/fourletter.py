"""Four-letter words: reading a reply to its end, and what it says. The parsers are pure.

kazoo's own `command()` reads once, at most 8 KiB: mntr is longer since 3.6. Replies are the servers' of 3.5 to 3.9,
and whatever else listens on that port: a parser gives facts or raises, it never guesses.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import Server
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import (
    CallTimedOut,
    ClientError,
    ConnectionFailed,
)

#: Far above any real reply (mntr of 3.9 has about 20 KiB, conf some 100 bytes a member).
REPLY_LIMIT = 1 << 20
NOT_SERVING = "This ZooKeeper instance is not currently serving requests"
REFUSED = "is not executed because it is not in the whitelist"
MODES = ("leader", "follower", "observer", "standalone", "read-only")


class ReplyError(Exception):
    """A server's reply is not an answer to the word; the text says what it is."""


class NotServing(ReplyError):  # noqa: N818 - says what the server said
    """The process runs, and is no member of a quorum at present."""


class WordRefused(ReplyError):  # noqa: N818 - says what the server said
    """The word is not in the server's 4lw.commands.whitelist."""


class Stream(Protocol):
    """The part of a socket that a word needs."""

    def settimeout(self, value: float) -> None: ...
    def sendall(self, data: bytes) -> None: ...
    def recv(self, size: int) -> bytes: ...
    def close(self) -> None: ...


class Opener(Protocol):
    """The part of a `Connection` that a word needs."""

    @property
    def timeout(self) -> float: ...
    def open_socket(self, server: Server) -> Stream: ...


@dataclass(frozen=True)
class Srvr:
    """Reply to srvr. Latencies in ms since the server's start or its last reset; zxid whole (epoch and counter)."""

    version: str
    mode: str
    zxid: int
    latency_min: float
    latency_avg: float
    latency_max: float
    connections: int
    outstanding: int
    znode_count: int

    @property
    def epoch(self) -> int:
        """The high 32 bits of the zxid."""
        return self.zxid >> 32

    @property
    def counter(self) -> int:
        """The low 32 bits of the zxid: 0 on a leader until the first transaction of its epoch."""
        return self.zxid & 0xFFFFFFFF


@dataclass(frozen=True)
class ServerLine:
    """One line of a membership, as a server has it (an address of several is kept whole, with its bars)."""

    address: str
    quorum_port: int
    election_port: int
    peer_type: str


@dataclass(frozen=True)
class Conf:
    """Reply to conf. `members` is empty on a standalone server; `hierarchical`: groups or weights are in use."""

    server_id: int
    client_port: int
    members: dict[int, ServerLine] = field(default_factory=dict)
    hierarchical: bool = False


def ask(connection: Opener, server: Server, word: str, clock: Callable[[], float] = time.monotonic) -> str:
    """A server's whole reply to a four-letter word.

    The end of the stream ends a reply, and the connection's time limit holds for all of it: a server that sends a
    byte now and then does not prolong it.

    Raises:
        ConnectionFailed: refused, unreachable, does not resolve, or broken off.
        CallTimedOut: not at its end within the limit.
        NotServing, WordRefused: the server said so.
        ReplyError: nothing at all, or more than `REPLY_LIMIT`.
    """
    deadline = clock() + connection.timeout
    stream = connection.open_socket(server)
    received = bytearray()
    try:
        stream.sendall(word.encode("ascii"))
        while len(received) <= REPLY_LIMIT:
            left = deadline - clock()
            if left <= 0:
                raise TimeoutError
            stream.settimeout(left)
            chunk = stream.recv(65536)
            if not chunk:
                break
            received += chunk
        else:
            raise ReplyError(f"{server} sent more than {REPLY_LIMIT} bytes to {word}: this is no ZooKeeper")
    except TimeoutError as error:
        raise CallTimedOut(
            f"{server} accepted a connection and did not answer {word} within {connection.timeout:g} s"
        ) from error
    except OSError as error:
        raise ConnectionFailed(f"{server} broke off during {word}: {error.strerror or error}") from error
    finally:
        stream.close()
    return check(word, bytes(received).decode("utf-8", "replace"))


def check(word: str, reply: str) -> str:
    """The reply, where it is one.

    Raises:
        NotServing, WordRefused: the server said so.
        ReplyError: it is empty (a server at its limit of connections closes without a word).
    """
    if not reply.strip():
        raise ReplyError(f"an empty reply to {word} (a server at its maxClientCnxns closes without a word)")
    if reply.startswith(NOT_SERVING):
        raise NotServing("it runs, but does not serve")
    if reply.startswith(f"{word} {REFUSED}"):
        raise WordRefused(f"{word} is not in its 4lw.commands.whitelist")
    return reply


def release_of(connection: Opener, server: Server) -> str:
    """Release that a server says it runs, such as 3.4.14; empty where it does not say so.

    Since 3.4.10 servers answer srvr unless they are told not to (4lw.commands.whitelist), before that always.
    """
    try:
        return parse_srvr(ask(connection, server, "srvr")).version
    except (ClientError, ReplyError):
        return ""


def parse_srvr(reply: str) -> Srvr:
    """Facts of srvr.

    Raises:
        ReplyError: a line that every release has is missing (cut off), or has no such value.
    """
    lines = _pairs(reply, ":")
    latency = _match(lines, "Latency min/avg/max", r"(-?\d{1,19})/(-?[\d.]{1,40}(?:E-?\d{1,3})?)/(-?\d{1,19})")
    mode = _match(lines, "Mode", "|".join(MODES))[0]
    return Srvr(
        version=_version(lines.get("Zookeeper version", "")),
        mode=mode,
        zxid=int(_match(lines, "Zxid", r"0x([0-9a-fA-F]{1,16})")[1], 16),
        latency_min=float(latency[1]),
        latency_avg=_decimal(latency[2]),
        latency_max=float(latency[3]),
        connections=int(_match(lines, "Connections", r"\d{1,10}")[0]),
        outstanding=int(_match(lines, "Outstanding", r"-?\d{1,19}")[0]),
        # The last line of a follower: with it, the reply is whole.
        znode_count=int(_match(lines, "Node count", r"\d{1,19}")[0]),
    )


def parse_mntr(reply: str) -> dict[str, float | str]:
    """Values of mntr by key without `zk_`; a number where it is one (3.5 has integers, 3.6 and later also decimals).

    Raises:
        ReplyError: cut off in the middle of a line, or without the state that every release tells.
    """
    if not reply.endswith("\n"):
        raise ReplyError("a reply to mntr that is cut off")
    values = {key[3:]: _number(value) for key, value in _pairs(reply, "\t").items() if key.startswith("zk_")}
    if values.get("server_state") not in MODES:
        raise ReplyError(f"a reply to mntr without a state: {_quote(reply)}")
    return values


def parse_conf(reply: str) -> Conf:
    """Facts of conf: who this server believes the members are.

    Raises:
        ReplyError: no id, a server line that is none, or a membership without its end (cut off).
    """
    lines = _pairs(reply, "=")
    server_id = int(_match(lines, "serverId", r"\d{1,19}")[0])
    members = _server_lines(lines)
    # A member's reply ends with the version of its membership; only a standalone server, whose id is 0, has neither.
    if (server_id or "initLimit" in lines) and "version" not in lines:
        raise ReplyError("a reply to conf that is cut off")
    return Conf(
        server_id=server_id,
        client_port=int(_match(lines, "clientPort", r"-?\d{1,6}")[0]),
        members=members,
        hierarchical=any(re.fullmatch(r"(group|weight)\.\d+", key) for key in lines),
    )


def parse_config(identity: int, client_port: int, data: str) -> Conf:
    """The membership in the znode /zookeeper/config, for a server whose conf is not in the whitelist.

    The node has no id of the server that was asked: it counts as the expected one.

    Raises:
        ReplyError: a server line that is none.
    """
    lines = _pairs(data, "=")
    weighted = any(re.fullmatch(r"(group|weight)\.\d+", key) for key in lines)
    return Conf(identity, client_port, _server_lines(lines), weighted)


def _server_lines(lines: dict[str, str]) -> dict[int, ServerLine]:
    numbers = {key: re.fullmatch(r"server\.(\d{1,19})", key) for key in lines}
    return {int(number[1]): _server_line(key, lines[key]) for key, number in numbers.items() if number}


def _server_line(key: str, value: str) -> ServerLine:
    """`address:quorum:election[:type][;client]`, IPv6 in brackets, several addresses with bars (3.6 and later)."""
    first, *others = value.partition(";")[0].split("|")
    match = re.fullmatch(
        r"(\[[^\]]{1,60}\]|[^:\[\]|]{1,253}):(\d{1,5}):(\d{1,5})(?::(participant|observer))?", first.strip()
    )
    if not match:
        raise ReplyError(f"a reply to conf with {key}={_quote(value)}")
    kind = match[4] or next((part.rpartition(":")[2] for part in others if part.endswith("observer")), "participant")
    address = "|".join([match[1].strip("[]"), *others])
    return ServerLine(address, int(match[2]), int(match[3]), kind)


def _pairs(reply: str, separator: str) -> dict[str, str]:
    split = (line.partition(separator) for line in reply.splitlines())
    return {key.strip(): value.strip() for key, found, value in split if found}


def _match(lines: dict[str, str], key: str, pattern: str) -> re.Match[str]:
    if key not in lines:
        raise ReplyError(f"a reply without '{key}': cut off, or not ZooKeeper's")
    found = re.fullmatch(pattern, lines[key], re.ASCII)
    if not found:
        raise ReplyError(f"a reply with '{key}' being {_quote(lines[key])}")
    return found


def _version(text: str) -> str:
    found = re.match(r"\d{1,4}(\.\d{1,4}){1,3}", text)
    return found[0] if found else ""


def _decimal(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ReplyError(f"a reply with {_quote(text)} for a number") from error


def _number(text: str) -> float | str:
    if re.fullmatch(r"-?\d{1,19}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"-?\d{1,19}\.\d{1,20}(E-?\d{1,3})?", text, re.ASCII):
        return float(text)
    return text


def _quote(text: str) -> str:
    """Foreign text for a message: short, on one line, without control characters."""
    return repr(text[:60])
