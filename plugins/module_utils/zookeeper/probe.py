"""Asks all servers of an ensemble at once, and proves a write. No judgement here: that is verdict.py."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import (
    ClientSession,
    Connection,
    Server,
    connect,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import (
    AuthRefused,
    CallTimedOut,
    ClientError,
    ConnectionFailed,
    LibraryMissing,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.fourletter import (
    Conf,
    NotServing,
    ReplyError,
    Srvr,
    WordRefused,
    ask,
    parse_conf,
    parse_config,
    parse_mntr,
    parse_srvr,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.verdict import (
    Failure,
    Member,
    Observation,
    Proof,
)

#: Parent of the proof's own znode; removed with it unless another proof is at work.
PROBE_PARENT = "/streamquorum-probe"
#: The membership as every server has it, readable for all since 3.5 (DataTree.java), also without reconfiguration.
CONFIG_NODE = "/zookeeper/config"
PARSERS: dict[str, Callable[[str], Any]] = {"srvr": parse_srvr, "mntr": parse_mntr, "conf": parse_conf}
#: What a job may take beyond the time limit of its call (a name that resolves slowly is not under that limit).
GRACE = 0.5

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


def in_parallel(jobs: Mapping[Key, Callable[[], Result]], limit: float) -> dict[Key, Result | Exception]:
    """All jobs at once; by key, what each returned or raised; CallTimedOut for one without an end within the limit.

    Daemon threads, not a pool: the end of a pool waits for a job that hangs in the resolver.
    """
    done: queue.SimpleQueue[tuple[Key, Result | Exception]] = queue.SimpleQueue()

    def run(key: Key, job: Callable[[], Result]) -> None:
        try:
            done.put((key, job()))
        except Exception as error:
            done.put((key, error))

    for key, job in jobs.items():
        threading.Thread(target=run, args=(key, job), daemon=True).start()
    results: dict[Key, Result | Exception] = {}
    deadline = time.monotonic() + limit
    with suppress(queue.Empty):
        while len(results) < len(jobs):
            key, result = done.get(timeout=max(0.0, deadline - time.monotonic()))
            results[key] = result
    late = CallTimedOut(f"no end within {limit:g} s (does the name resolve quickly on this host?)")
    return {key: results.get(key, late) for key in jobs}


class EnsembleProbe:
    """Asks the servers of an ensemble.

    Args:
        connection: how servers are reached; its servers are those of the members, in their order.
        members: who they are.
        open_port: opens a TCP connection to a quorum port; None leaves the quorum ports alone.
    """

    def __init__(
        self,
        connection: Connection,
        members: Sequence[Member],
        open_port: Callable[[Server, float], Any] | None = connect,
    ) -> None:
        self._connection = connection
        self._members = members
        self._open_port = open_port

    def observe(self) -> dict[int, Observation]:
        """What every server says at this moment, by id; every server is asked, none waits for another."""
        jobs: dict[tuple[int, str], Callable[[], Any]] = {}
        for member in self._members:
            server = Server(member.address, member.client_port)
            for word in PARSERS:
                jobs[member.id, word] = partial(self._word, server, word)
            if self._open_port:
                jobs[member.id, "port"] = partial(
                    self._reach, self._open_port, Server(member.address, member.quorum_port)
                )
        found = {
            key: _failure(result) if isinstance(result, Exception) else result
            for key, result in in_parallel(jobs, self._connection.timeout + GRACE).items()
        }
        return {
            member.id: Observation(
                found[member.id, "srvr"],
                found[member.id, "mntr"],
                found[member.id, "conf"],
                found.get((member.id, "port")),
            )
            for member in self._members
        }

    def with_config(self, observed: Mapping[int, Observation]) -> dict[int, Observation]:
        """The observations, with the membership read from /zookeeper/config where a serving server refuses conf.

        Raises:
            LibraryMissing: kazoo is not usable on this host.
        """
        jobs = {
            member.id: partial(self._config, member)
            for member in self._members
            if isinstance(observed[member.id].srvr, Srvr)
            and isinstance(conf := observed[member.id].conf, Failure)
            and conf.kind == "refused"
        }
        found = in_parallel(jobs, 3 * self._connection.timeout + GRACE)
        for result in found.values():
            if isinstance(result, LibraryMissing):
                raise result
        confs = {identity: result for identity, result in found.items() if isinstance(result, Conf)}
        return {
            identity: replace(seen, conf=confs[identity]) if identity in confs else seen
            for identity, seen in observed.items()
        }

    def _config(self, member: Member) -> Conf:
        with self._connection.to(Server(member.address, member.client_port)).session() as session:
            node = session.read(CONFIG_NODE)
        return parse_config(member.id, member.client_port, node.data.decode("utf-8", "replace") if node else "")

    def modes(self) -> dict[int, str]:
        """What each server that answers says that it is, by id: who can take part in a write proof."""
        jobs = {
            member.id: partial(self._word, Server(member.address, member.client_port), "srvr")
            for member in self._members
        }
        found = in_parallel(jobs, self._connection.timeout + GRACE)
        return {identity: reply.mode for identity, reply in found.items() if isinstance(reply, Srvr)}

    def prove_write(self, through: Sequence[Member]) -> Proof:
        """Write a znode through one of these servers and read it, after a sync, through each of them.

        The znode is ephemeral and deleted at the end: killed in between, it goes with its session, and only its
        empty parent stays, which the next proof removes.

        Args:
            through: servers that serve; a standalone one among several would take the write alone.

        Raises:
            LibraryMissing: kazoo is not usable on this host.
        """
        limit = self._connection.timeout
        sessions: dict[int, ClientSession] = {}
        opened = in_parallel({member.id: partial(self._open, member) for member in through}, limit + GRACE)
        unread = {}
        for identity, session in opened.items():
            if isinstance(session, LibraryMissing):
                raise session
            if isinstance(session, Exception):
                unread[identity] = str(session)
            else:
                sessions[identity] = session
        try:
            return self._write_and_read(sessions, unread)
        finally:
            in_parallel(
                {identity: partial(session.__exit__, None, None, None) for identity, session in sessions.items()},
                limit + GRACE,
            )

    def _write_and_read(self, sessions: Mapping[int, ClientSession], unread: dict[int, str]) -> Proof:
        path, data = f"{PROBE_PARENT}/{uuid.uuid4().hex}", uuid.uuid4().bytes
        refusals: list[ClientError] = []
        for writer in sessions.values():
            try:
                _create(writer, path, data)
            except ClientError as error:
                refusals.append(error)
                continue
            try:
                read = in_parallel(
                    {identity: partial(_read, session, path) for identity, session in sessions.items()},
                    2 * self._connection.timeout + GRACE,
                )
            finally:
                _remove(writer, path)
            for identity, result in read.items():
                if isinstance(result, Exception):
                    unread[identity] = str(result)
                elif result != data:
                    unread[identity] = "it has no such znode, or other data"
            return Proof(accepted=True, unread=unread)
        causes = [str(error) for error in refusals] or list(unread.values()) or ["no server serves"]
        return Proof(
            accepted=False,
            refusal="; ".join(dict.fromkeys(causes)),
            denied=bool(refusals) and all(isinstance(error, AuthRefused) for error in refusals),
        )

    def _word(self, server: Server, word: str) -> Any:
        return PARSERS[word](ask(self._connection, server, word))

    def _reach(self, open_port: Callable[[Server, float], Any], server: Server) -> bool:
        open_port(server, self._connection.timeout).close()
        return True

    def _open(self, member: Member) -> ClientSession:
        return self._connection.to(Server(member.address, member.client_port)).session().__enter__()


def _create(session: ClientSession, path: str, data: bytes) -> None:
    """Another proof may remove the empty parent between our two calls: then once more."""
    for _attempt in range(3):
        session.create(PROBE_PARENT)
        if session.create(path, data, ephemeral=True):
            return
    raise ClientError(f"creating {path}: its parent vanished three times, other proofs are at work")


def _read(session: ClientSession, path: str) -> bytes | None:
    session.sync(path)
    node = session.read(path)
    return node.data if node else None


def _remove(session: ClientSession, path: str) -> None:
    """What cannot be removed now goes with the session (the znode) or with the next proof (the parent)."""
    with suppress(ClientError):
        session.delete(path)
        session.delete(PROBE_PARENT)


def _failure(error: Exception) -> Failure:
    kinds = (
        (ConnectionFailed, "unreachable"),
        (CallTimedOut, "silent"),
        (NotServing, "not_serving"),
        (WordRefused, "refused"),
        (ReplyError, "garbled"),
    )
    for kind, name in kinds:
        if isinstance(error, kind):
            return Failure(name, str(error))
    raise error
