"""Asking all servers at once, and the write proof, against servers that are played."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import Node, Server
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import (
    AuthRefused,
    CallTimedOut,
    ClientError,
    ConnectionFailed,
    LibraryMissing,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.fourletter import Srvr
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.probe import (
    PROBE_PARENT,
    EnsembleProbe,
    in_parallel,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.verdict import Failure, Member

FIXTURES = Path(__file__).parents[4] / "fixtures" / "zookeeper"
MEMBERS = [Member(identity, f"zk{identity}.example.org", 2181, 2888) for identity in (1, 2, 3)]


class Stream:
    """One exchange: the word comes, the recorded reply goes."""

    def __init__(self, folder: Path, identity: int) -> None:
        self.name = folder / str(identity)
        self.rest: Iterator[bytes] = iter(())

    def settimeout(self, value: float) -> None: ...

    def sendall(self, data: bytes) -> None:
        self.rest = iter([self.name.with_suffix(f".{data.decode()}").read_bytes()])

    def recv(self, size: int) -> bytes:
        return next(self.rest, b"")

    def close(self) -> None: ...


class Tree:
    """What the quorum holds, for all played sessions."""

    def __init__(self) -> None:
        self.nodes: dict[str, bytes] = {}
        self.made: list[str] = []
        self.closed: list[str] = []
        self.lock = threading.Lock()


class Session:
    """A played session; `faults`: by name of a call, what it raises."""

    def __init__(self, tree: Tree, server: Server, faults: dict[str, Exception], blind: bool) -> None:
        self.tree, self.server, self.faults, self.blind = tree, server, faults, blind

    def __enter__(self) -> Session:
        self._fault("open")
        return self

    def __exit__(self, *_error: Any) -> None:
        self.tree.closed.append(self.server.host)

    def _fault(self, call: str) -> None:
        if call in self.faults:
            raise self.faults[call]

    def create(self, path: str, data: bytes = b"", ephemeral: bool = False) -> bool:
        self._fault("create")
        with self.tree.lock:
            if path in self.tree.nodes or (path.count("/") > 1 and PROBE_PARENT not in self.tree.nodes):
                return False
            assert ephemeral == (path != PROBE_PARENT)
            self.tree.nodes[path] = data
            self.tree.made.append(path)
            return True

    def sync(self, path: str) -> None:
        self._fault("sync")

    def read(self, path: str) -> Node | None:
        data = self.tree.nodes.get(path)
        return None if data is None or self.blind else Node(data, 1, 0, 1, 1, 1, 0, 0, 0)

    def delete(self, path: str) -> bool:
        self._fault("delete")
        if any(name.startswith(path + "/") for name in self.tree.nodes):
            return False
        return self.tree.nodes.pop(path, None) is not None


class Wire:
    """A connection to the played servers."""

    timeout = 1.0

    def __init__(self, faults: dict[str, dict[str, Exception]] | None = None, blind: str = "") -> None:
        self.tree, self.faults, self.blind = Tree(), faults or {}, blind
        self.target: Server | None = None

    def to(self, server: Server) -> Wire:
        other = Wire(self.faults, self.blind)
        other.tree, other.target = self.tree, server
        return other

    def session(self) -> Session:
        assert self.target
        host = self.target.host
        return Session(self.tree, self.target, self.faults.get(host, {}), host == self.blind)

    def open_socket(self, server: Server) -> Stream:
        fault = self.faults.get(server.host, {}).get("socket")
        if fault:
            raise fault
        return Stream(FIXTURES / "3.9.5" / "written", int(server.host[2]))


def probe(wire: Wire, **options: Any) -> EnsembleProbe:
    return EnsembleProbe(wire, MEMBERS, **options)  # type: ignore[arg-type]


def test_all_jobs_run_at_once_and_each_has_its_outcome() -> None:
    gate = threading.Barrier(3, timeout=5)

    def fail() -> int:
        gate.wait()
        raise ConnectionFailed("x")

    found = in_parallel({"a": gate.wait, "b": gate.wait, "c": fail}, 5)
    assert {found["a"], found["b"]} < {0, 1, 2}
    assert isinstance(found["c"], ConnectionFailed)


def test_a_job_without_an_end_does_not_hold_the_others_back() -> None:
    release = threading.Event()
    began = time.monotonic()
    found = in_parallel({"slow": release.wait, "quick": lambda: True}, 0.1)
    release.set()
    assert time.monotonic() - began < 2
    assert found["quick"] is True
    assert isinstance(found["slow"], CallTimedOut)


def test_no_jobs() -> None:
    assert in_parallel({}, 0.1) == {}


def test_observe_reads_every_server_and_its_quorum_port() -> None:
    tried: list[Server] = []

    def open_port(server: Server, timeout: float) -> Any:
        assert timeout == 1.0
        tried.append(server)
        if server.host != "zk3.example.org":
            raise ConnectionFailed(f"{server}: Connection refused")
        return Stream(FIXTURES, 3)

    found = probe(Wire(), open_port=open_port).observe()
    assert sorted(found) == [1, 2, 3]
    assert {server.port for server in tried} == {2888}
    modes = {identity: seen.srvr.mode for identity, seen in found.items() if isinstance(seen.srvr, Srvr)}
    assert sorted(modes.values()) == ["follower", "follower", "leader"]
    assert found[3].quorum_port is True
    assert found[1].quorum_port == Failure("unreachable", "zk1.example.org:2888: Connection refused")


@pytest.mark.parametrize(
    ("fault", "kind"), [(ConnectionFailed("refused"), "unreachable"), (CallTimedOut("no answer"), "silent")]
)
def test_a_server_that_does_not_answer_is_a_failure_of_its_own(fault: Exception, kind: str) -> None:
    found = probe(Wire({"zk2.example.org": {"socket": fault}}), open_port=None).observe()
    assert found[2].srvr == found[2].mntr == found[2].conf == Failure(kind, str(fault))
    assert isinstance(found[1].srvr, Srvr)
    assert found[1].quorum_port is None


def test_modes_are_those_of_the_servers_that_answer() -> None:
    modes = probe(Wire({"zk2.example.org": {"socket": CallTimedOut("no answer")}})).modes()
    assert modes.keys() == {1, 3}
    assert set(modes.values()) <= {"leader", "follower"}


def test_a_write_is_read_through_every_server_and_leaves_nothing() -> None:
    wire = Wire()
    proof = probe(wire).prove_write(MEMBERS)
    assert (proof.accepted, proof.unread) == (True, {})
    assert wire.tree.nodes == {}
    assert [path.rpartition("/")[0] for path in wire.tree.made] == ["", PROBE_PARENT]
    assert sorted(wire.tree.closed) == [member.address for member in MEMBERS]


def test_the_parent_stays_while_another_proof_uses_it() -> None:
    wire = Wire()
    wire.tree.nodes = {PROBE_PARENT: b"", f"{PROBE_PARENT}/other": b""}
    assert probe(wire).prove_write(MEMBERS).accepted
    assert set(wire.tree.nodes) == {PROBE_PARENT, f"{PROBE_PARENT}/other"}


def test_a_server_that_does_not_show_the_write() -> None:
    proof = probe(Wire(blind="zk2.example.org")).prove_write(MEMBERS)
    assert proof.accepted
    assert proof.unread == {2: "it has no such znode, or other data"}


def test_a_server_that_opens_no_session_or_does_not_sync() -> None:
    wire = Wire(
        {"zk1.example.org": {"open": ConnectionFailed("no session")}, "zk3.example.org": {"sync": CallTimedOut("late")}}
    )
    proof = probe(wire).prove_write(MEMBERS)
    assert proof.accepted
    assert proof.unread == {1: "no session", 3: "late"}
    assert wire.tree.nodes == {}
    assert sorted(wire.tree.closed) == ["zk2.example.org", "zk3.example.org"]


def everywhere(call: str, error: Exception) -> Wire:
    return Wire({member.address: {call: error} for member in MEMBERS})


def test_a_write_that_nobody_takes() -> None:
    proof = probe(everywhere("create", CallTimedOut("no answer"))).prove_write(MEMBERS)
    assert (proof.accepted, proof.refusal, proof.denied) == (False, "no answer", False)


def test_a_write_that_is_denied() -> None:
    proof = probe(everywhere("create", AuthRefused("not permitted"))).prove_write(MEMBERS)
    assert (proof.accepted, proof.refusal, proof.denied) == (False, "not permitted", True)


def test_no_session_at_all() -> None:
    proof = probe(everywhere("open", ConnectionFailed("no session"))).prove_write(MEMBERS)
    assert (proof.accepted, proof.refusal, proof.denied) == (False, "no session", False)


def test_what_cannot_be_removed_does_not_spoil_the_proof() -> None:
    assert probe(everywhere("delete", ConnectionFailed("lost"))).prove_write(MEMBERS).accepted


def test_a_parent_that_always_vanishes_ends() -> None:
    wire = Wire()

    def never(path: str, data: bytes = b"", ephemeral: bool = False) -> bool:
        return False

    original = wire.to

    def to(server: Server) -> Wire:
        other = original(server)
        session = other.session()
        session.create = never  # type: ignore[method-assign]
        other.session = lambda: session  # type: ignore[method-assign]
        return other

    wire.to = to  # type: ignore[method-assign]
    proof = probe(wire).prove_write(MEMBERS)
    assert not proof.accepted
    assert "vanished three times" in proof.refusal


def test_a_missing_library_is_no_verdict() -> None:
    with pytest.raises(LibraryMissing):
        probe(everywhere("open", LibraryMissing("kazoo"))).prove_write(MEMBERS)


def test_a_client_error_of_any_kind_is_told() -> None:
    proof = probe(everywhere("create", ClientError("odd"))).prove_write(MEMBERS)
    assert (proof.refusal, proof.denied) == ("odd", False)
