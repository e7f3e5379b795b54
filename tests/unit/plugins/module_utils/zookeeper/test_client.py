"""Sockets and sessions: errors by cause, every call with an end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import credentials
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import (
    ClientSession,
    Connection,
    Grant,
    Server,
    connect,
    connection_argument_spec,
    load_kazoo,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.credentials import Credentials
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import (
    AuthRefused,
    CallTimedOut,
    ClientError,
    ConnectionFailed,
    LibraryMissing,
)
from kazoo import exceptions
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import ZnodeStat
from kazoo.security import make_acl

STAT = ZnodeStat(10, 11, 1000, 2000, 3, 0, 0, 77, 4, 1, 12)
SERVERS = (Server("zk1.example.org", 2181), Server("zk2.example.org", 2181))


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("zk1.example.org:2181", Server("zk1.example.org", 2181)),
        (" 10.0.0.1:1 ", Server("10.0.0.1", 1)),
        ("[2001:db8::1]:2181", Server("2001:db8::1", 2181)),
    ],
)
def test_servers_are_parsed_and_written_back(text: str, server: Server) -> None:
    assert Server.parse(text) == server
    assert str(server) == text.strip()


@pytest.mark.parametrize(
    "text",
    ["", "zk1", "zk1:", ":2181", "zk1:0", "zk1:65536", "zk1:2181,zk2:2181", "zk1:2181/chroot", "2001:db8::1:2181"],
)
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="'"):
        Server.parse(text)


def test_a_connection_from_parameters() -> None:
    params = {"servers": ["a:1", "b:2"], "timeout": 2, "kazoo_path": "/x", "credentials_path": "/nowhere/at/all"}
    assert Connection.from_params(params) == Connection((Server("a", 1), Server("b", 2)), 2.0, "/x")
    assert Connection.from_params(params, [Server("c", 3)]).servers == (Server("c", 3),)
    assert Connection.from_params(params).to(Server("d", 4)) == Connection((Server("d", 4),), 2.0, "/x")
    with pytest.raises(ValueError, match="timeout"):
        Connection.from_params({**params, "timeout": 0})
    with pytest.raises(ValueError, match="no server"):
        Connection.from_params({**params, "servers": []})


def test_the_arguments_have_servers_unless_derived() -> None:
    assert set(connection_argument_spec()) == {"servers", "timeout", "kazoo_path", "credentials_path"}
    assert set(connection_argument_spec(servers=False)) == {"timeout", "kazoo_path", "credentials_path"}


DIGEST = {"mechanism": "digest", "username": "app", "password": "canary"}
KERBEROS = {"mechanism": "kerberos", "keytab": "/k", "principal": "app@X", "service": "zookeeper"}


def test_credentials_come_from_their_file_and_are_not_shown(tmp_path) -> None:
    path = tmp_path / "client.json"
    assert Credentials.load(str(path)) == Credentials()
    path.write_text(json.dumps({"sasl": DIGEST}))
    found = Credentials.load(str(path))
    assert found.options() == {"mechanism": "DIGEST-MD5", "username": "app", "password": "canary"}
    assert "canary" not in repr(found)
    path.write_text(json.dumps({"sasl": KERBEROS}))
    assert Credentials.load(str(path)).options() == {
        "mechanism": "GSSAPI",
        "service": "zookeeper",
        "principal": "app@X",
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"sasl": "canary"}),
        json.dumps({"sasl": DIGEST | {"pasword": "canary"}}),
        json.dumps({"sasl": DIGEST | {"mechanism": "canary"}}),
        json.dumps({"sasl": DIGEST | {"username": ""}}),
        json.dumps({"sasl": KERBEROS | {"keytab": None}}),
        json.dumps({"sasl": KERBEROS | {"principal": ""}}),
    ],
)
def test_other_credentials_are_refused_without_showing_them(text) -> None:
    with pytest.raises(ValueError, match=r"/x.*run site.yml") as caught:
        Credentials.parse(text, "/x")
    assert "canary" not in str(caught.value)


def test_kerberos_by_an_address_is_refused(tmp_path) -> None:
    path = tmp_path / "client.json"
    path.write_text(json.dumps({"sasl": KERBEROS}))
    params = {
        "servers": ["198.18.0.1:2181", "zk.x.test:2181"],
        "timeout": 2,
        "kazoo_path": "/x",
        "credentials_path": str(path),
    }
    with pytest.raises(ValueError, match=r"198\.18\.0\.1:2181: Kerberos knows servers by their names only"):
        Connection.from_params(params)


def kinit(tmp_path, monkeypatch, script):
    path = tmp_path / "kinit"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(credentials, "KINIT", str(path))
    return credentials.Credentials(**KERBEROS, path=str(path))


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ("exec sleep 30", ConnectionFailed, "no KDC answered within 0.5 s"),
        ("echo Cannot contact any KDC for realm X >&2; exit 1", ConnectionFailed, "Cannot contact any KDC"),
        ("echo Preauthentication failed >&2; exit 1", AuthRefused, "no ticket for app@X of /k: Preauth"),
    ],
)
def test_kerberos_without_a_ticket_ends_within_the_limit(tmp_path, monkeypatch, script, kind, words) -> None:
    who = kinit(tmp_path, monkeypatch, script)
    began = time.monotonic()
    with pytest.raises(kind, match=words):
        who.prepare(0.5)
    assert time.monotonic() - began < 5


def test_one_ticket_serves_all_sessions_of_a_process(tmp_path, monkeypatch) -> None:
    who = kinit(tmp_path, monkeypatch, f"echo taken >> {tmp_path}/calls")
    monkeypatch.setenv("KRB5CCNAME", "")
    for _session in range(2):
        who.prepare(5)
    assert (tmp_path / "calls").read_text() == "taken\n"
    assert os.environ["KRB5CCNAME"].startswith("FILE:/")


def test_a_refused_port_and_an_unknown_name_say_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}: Connection refused"):
        connect(Server("127.0.0.1", port), 1)
    with pytest.raises(ConnectionFailed, match="is no host name"):
        connect(Server("a" * 70 + ".example.org", 1), 1)


def test_a_name_that_does_not_resolve_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(ConnectionFailed, match=r"zk1\.example\.org does not resolve on this host: Name or service"):
        connect(SERVERS[0], 1)


def test_a_connection_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(CallTimedOut, match=r"did not accept a connection within 1\.5 s"):
        Connection(SERVERS, 1.5).open_socket(SERVERS[0])


class Reply:
    """An asynchronous result of kazoo."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def get(self, timeout: float) -> Any:
        assert timeout == 5.0
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class FakeKazoo:
    """A kazoo client that is connected, and answers each call with `outcome`."""

    connected = True
    client_id = (77, b"")

    def __init__(self, outcome: Any = None, **options: Any) -> None:
        self.outcome, self.options, self.calls = outcome, options, list[Any]()
        self.handler = options["handler"]

    def start_async(self) -> threading.Event:
        self.handler.create_connection(address=("127.0.0.1", 2181), hostname="zk2.example.org", timeout=60)
        event = threading.Event()
        event.set()
        return event

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Reply:
            self.calls.append((name, *args, *kwargs.values()))
            return Reply(self.outcome)

        return call

    def stop(self) -> None:
        self.calls.append(("stop",))

    def close(self) -> None:
        self.calls.append(("close",))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """kazoo's way of connecting, replaced; the time limits that it was given."""
    limits: list[float] = []
    monkeypatch.setattr(
        "kazoo.handlers.threading.SequentialThreadingHandler.create_connection",
        lambda _self, **options: limits.append(options["timeout"]),
    )
    return limits


def session(outcome: Any) -> tuple[ClientSession, list[FakeKazoo]]:
    made: list[FakeKazoo] = []

    def factory(**options: Any) -> FakeKazoo:
        made.append(FakeKazoo(outcome, **options))
        return made[0]

    return ClientSession(Connection(SERVERS, 5.0, "/nonexistent"), factory), made


def test_calls_and_what_they_return(no_network: list[float]) -> None:
    opened, made = session((b"data", STAT))
    with opened as client:
        fake = made[0]
        assert fake.options["hosts"] == "zk1.example.org:2181,zk2.example.org:2181"
        assert client.session_id == 77
        assert client.server_of_session == "zk2.example.org:2181"
        node = client.read("/a")
        assert node is not None
        assert (node.data, node.ephemeral_owner, node.version, node.mzxid, node.children_count) == (
            b"data",
            77,
            3,
            11,
            1,
        )
        fake.outcome = ["b", "a"]
        assert client.children("/a") == ["a", "b"]
        fake.outcome = "/a"
        assert client.create("/a", b"x", ephemeral=True) is True
        assert client.create("/a", b"", grants=[Grant("sasl", "x", "cdrwa")]) is True
        client.sync("/a")
        fake.outcome = STAT
        assert client.write("/a", b"y") == 3
        assert client.set_acls("/a", [Grant("world", "anyone", "r")]) is True
        fake.outcome = ([make_acl("sasl", "x", read=True, admin=True)], STAT)
        assert client.get_acls("/a") == [Grant("sasl", "x", "ra")]
        fake.outcome = True
        assert client.delete("/a") is True
    assert no_network == [2.5], "a server may use its share of the time only"
    assert [call[0] for call in fake.calls[-3:]] == ["delete_async", "stop", "close"]
    assert ("create_async", "/a", b"x", None, True) in fake.calls
    assert ("create_async", "/a", b"", [make_acl("sasl", "x", all=True)], False) in fake.calls
    assert ("set_acls_async", "/a", [make_acl("world", "anyone", read=True)]) in fake.calls


def test_a_znode_without_data_is_empty(no_network: list[float]) -> None:
    opened, _made = session((None, STAT))
    with opened as client:
        node = client.read("/a")
    assert node is not None
    assert node.data == b""


def test_what_is_not_there_is_none_and_no_error(no_network: list[float]) -> None:
    opened, made = session(exceptions.NoNodeError())
    with opened as client:
        assert client.read("/a") is None
        assert client.children("/a") is None
        assert client.write("/a", b"") is None
        assert client.delete("/a") is False
        assert client.get_acls("/a") is None
        assert client.set_acls("/a", []) is False
        made[0].outcome = exceptions.NodeExistsError()
        assert client.create("/a") is False
        made[0].outcome = exceptions.NotEmptyError()
        assert client.delete("/a") is False


@pytest.mark.parametrize(
    ("raised", "error", "words"),
    [
        (KazooTimeoutError(), CallTimedOut, "reading /a through zk2.example.org:2181: no answer within 5 s"),
        (exceptions.NoAuthError(), AuthRefused, "not permitted (NoAuthError)"),
        (exceptions.InvalidACLError(), AuthRefused, "not permitted"),
        (exceptions.AuthFailedError(), AuthRefused, "who we are"),
        (exceptions.SessionClosedRequireSaslError(), AuthRefused, "who we are"),
        (exceptions.ConnectionLoss(), ConnectionFailed, "the connection was lost (ConnectionLoss)"),
        (exceptions.SessionExpiredError(), ConnectionFailed, "SessionExpiredError"),
        (exceptions.ConnectionClosedError(), ConnectionFailed, "ConnectionClosedError"),
        (exceptions.MarshallingError(), ClientError, "MarshallingError"),
    ],
)
def test_errors_by_cause(no_network: list[float], raised: Exception, error: type[Exception], words: str) -> None:
    opened, _made = session(raised)
    with opened as client, pytest.raises(error) as caught:
        client.read("/a")
    assert words in str(caught.value)
    assert caught.type is error


def listener() -> socket.socket:
    """A server that accepts connections in its kernel and never says a word: a process that hangs."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen(8)
    return bound


def test_no_session_tells_what_each_server_did() -> None:
    with listener() as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        silent_port, closed_port = silent.getsockname()[1], closed.getsockname()[1]
        connection = Connection(
            (Server("127.0.0.1", silent_port), Server("127.0.0.1", closed_port)), 1.0, "/nonexistent"
        )
        began = time.monotonic()
        with pytest.raises(ConnectionFailed) as caught, connection.session():
            pass
        assert time.monotonic() - began < 2.5
    assert f"127.0.0.1:{silent_port}: accepted a connection, opened no session" in str(caught.value)
    assert f"127.0.0.1:{closed_port}: Connection refused" in str(caught.value)


def test_kazoo_that_is_missing_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kazoo.client", None)
    with pytest.raises(LibraryMissing, match=r"roles put it at /opt/kazoo\.zip"):
        load_kazoo("/opt/kazoo.zip")


def test_kazoo_that_can_hang_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kazoo.version.__version__", "2.8.0")
    with pytest.raises(LibraryMissing, match=r"kazoo 2\.8\.0 .* 2\.11 or newer is needed"):
        load_kazoo("/nonexistent")


def test_the_archive_at_kazoo_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    load_kazoo(str(tmp_path))
    load_kazoo(str(tmp_path))
    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_the_words_need_no_kazoo() -> None:
    """In a Python of its own: here kazoo is loaded already."""
    package = ClientSession.__module__.rpartition(".")[0]
    program = f"import sys; sys.modules['kazoo'] = None\nimport {package}.client, {package}.fourletter, {package}.probe"
    roots = [root for root in sys.path if root]
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
