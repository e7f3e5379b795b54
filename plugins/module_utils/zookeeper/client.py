"""The one way to a ZooKeeper server: sockets for four-letter words and kazoo sessions.

Credentials (TLS, SASL, ACL) belong to `Connection`, and nowhere else. Every call ends within its time limit.
kazoo is imported when a session is opened, not before: without it, the words still work.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.credentials import KERBEROS, Credentials
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import (
    AuthRefused,
    CallTimedOut,
    ClientError,
    ConnectionFailed,
    LibraryMissing,
)

DEFAULT_KAZOO_PATH = "/opt/streamquorum/lib/kazoo-2.11.0-pure-sasl-0.6.2.zip"
DEFAULT_CREDENTIALS_PATH = "/etc/streamquorum/zookeeper-client.json"
DEFAULT_TIMEOUT = 5.0


#: kazoo 2.8.0 does not know the server's "authentication required": its thread dies and calls hang.
OLDEST_KAZOO = (2, 11)


@dataclass(frozen=True)
class Server:
    """A server's client address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Server:
        """`host:port` or `[v6 address]:port`.

        Raises:
            ValueError: neither of them, or the port is not 1..65535.
        """
        match = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\]:(\d{1,5})|([^\s:,/\[\]]+):(\d{1,5})", text.strip())
        if not match:
            raise ValueError(f"'{text}' is not host:port (an IPv6 address stands in brackets)")
        server = cls(match[1] or match[3], int(match[2] or match[4]))
        if not 1 <= server.port <= 65535:
            raise ValueError(f"'{text}': the port is not 1..65535")
        return server


@dataclass(frozen=True)
class Node:
    """A znode: its data and the parts of its stat that verdicts need (times in ms since 1970, zxids whole)."""

    data: bytes
    ephemeral_owner: int
    version: int
    czxid: int
    mzxid: int
    pzxid: int
    ctime: int
    mtime: int
    children_count: int


#: Letters of the permissions in the order in which zkCli.sh writes them, with their bits (ZooDefs.java).
PERMISSIONS = {"c": 4, "d": 8, "r": 1, "w": 2, "a": 16}


@dataclass(frozen=True, order=True)
class Grant:
    """What one id may do: scheme and id as ZooKeeper has them, perms as letters of `PERMISSIONS` in their order."""

    scheme: str
    id: str
    perms: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.id}:{self.perms}"

    @classmethod
    def of_bits(cls, scheme: str, identity: str, bits: int) -> Grant:
        """From ZooKeeper's own form."""
        return cls(scheme, identity, "".join(letter for letter, bit in PERMISSIONS.items() if bits & bit))

    @property
    def bits(self) -> int:
        return sum(PERMISSIONS[letter] for letter in self.perms)


def connection_argument_spec(servers: bool = True) -> dict[str, Any]:
    """Arguments of every module that talks to ZooKeeper (documented by the fragment zookeeper_connection).

    Args:
        servers: False for a module that derives the servers from another argument.
    """
    spec: dict[str, Any] = {
        "timeout": {"type": "float", "default": DEFAULT_TIMEOUT},
        "kazoo_path": {"type": "path", "default": DEFAULT_KAZOO_PATH},
        "credentials_path": {"type": "path", "default": DEFAULT_CREDENTIALS_PATH},
    }
    if servers:
        spec["servers"] = {"type": "list", "elements": "str", "required": True}
    return spec


@dataclass(frozen=True)
class Connection:
    """How servers are reached: addresses, time limit of a call in seconds, where kazoo is, who we are."""

    servers: tuple[Server, ...]
    timeout: float = DEFAULT_TIMEOUT
    kazoo_path: str = DEFAULT_KAZOO_PATH
    credentials: Credentials = field(default_factory=Credentials)

    @classmethod
    def from_params(cls, params: Mapping[str, Any], servers: Iterable[Server] | None = None) -> Connection:
        """From module parameters.

        Args:
            params: has timeout, kazoo_path, credentials_path and, unless given apart, servers.
            servers: the servers, where the module derives them.

        Raises:
            ValueError: no server, a server is not host:port, the timeout is not positive, or the credentials are none.
        """
        chosen = tuple(servers) if servers is not None else tuple(Server.parse(text) for text in params["servers"])
        if not chosen:
            raise ValueError("no server is given: name at least one as host:port")
        if not params["timeout"] > 0:
            raise ValueError(f"timeout is {params['timeout']}: it must be more than 0 seconds")
        credentials = Credentials.load(str(params["credentials_path"]))
        if credentials.mechanism == KERBEROS:
            bare = [str(server) for server in chosen if re.fullmatch(r"[0-9.]+|.*:.*", server.host)]
            if bare:
                raise ValueError(f"{', '.join(bare)}: Kerberos knows servers by their names only; give the host names")
        return cls(chosen, float(params["timeout"]), str(params["kazoo_path"]), credentials)

    def to(self, server: Server) -> Connection:
        """The same way of connecting, to this server only."""
        return replace(self, servers=(server,))

    def open_socket(self, server: Server) -> socket.socket:
        """A connected socket for a four-letter word, with the time limit set.

        Raises:
            ConnectionFailed: refused, unreachable, or the name does not resolve.
            CallTimedOut: nothing answered within the limit.
        """
        stream = connect(server, self.timeout)
        try:
            return self.secured(stream, server)
        except TimeoutError as error:
            raise CallTimedOut(f"{server} made no TLS within {self.timeout:g} s") from error
        except OSError as error:
            raise ConnectionFailed(f"{server}: no TLS with it: {tls_words(error)}") from error

    def secured(self, stream: socket.socket, server: Server) -> socket.socket:
        """The same connection, by TLS where it goes to a secure port (see `Tls.wrap` for what it raises)."""
        tls = self.credentials.tls
        return tls.wrap(stream, server.host) if tls and tls.port == server.port else stream

    def session(self) -> ClientSession:
        """A session, to be used as a context manager."""
        return ClientSession(self)


def tls_words(error: OSError) -> str:
    """Why there is no TLS, without the place in OpenSSL's source."""
    return str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or error.strerror or error)


def connect(server: Server, timeout: float) -> socket.socket:
    """A plain TCP connection (see `Connection.open_socket` for what it raises)."""
    try:
        return socket.create_connection((server.host, server.port), timeout)
    except TimeoutError as error:
        raise CallTimedOut(f"{server} did not accept a connection within {timeout:g} s") from error
    except socket.gaierror as error:
        raise ConnectionFailed(f"{server.host} does not resolve on this host: {error.strerror}") from error
    except UnicodeError as error:
        raise ConnectionFailed(f"'{server.host}' is no host name") from error
    except OSError as error:
        raise ConnectionFailed(f"{server}: {error.strerror or error}") from error


def load_kazoo(path: str) -> Any:
    """The module kazoo.client, from the archive at `path` where that exists, else as installed.

    Raises:
        LibraryMissing: there is none, or it is too old.
    """
    if os.path.exists(path) and path not in sys.path:
        sys.path.insert(0, path)
    try:
        client = importlib.import_module("kazoo.client")
        version = importlib.import_module("kazoo.version").__version__
    except ImportError as error:
        raise LibraryMissing(
            f"kazoo cannot be imported on this host by {sys.executable} ({error}): "
            f"the roles put it at {path}; run them on this host, or set kazoo_path to a kazoo archive or directory"
        ) from error
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST_KAZOO:
        raise LibraryMissing(
            f"kazoo {version} at {client.__file__} can hang when a server asks for authentication: "
            f"2.11 or newer is needed; the roles put it at {path}"
        )
    return client


class ClientSession:
    """A ZooKeeper session; opened by `with`, closed at its end.

    Each call ends within the connection's time limit and raises ConnectionFailed, AuthRefused, CallTimedOut, or
    ClientError for any other refusal. Calls are not repeated: after ConnectionFailed the session may come back by
    itself, and whoever needs a second try makes it.

    Args:
        connection: where to.
        client_factory: makes the kazoo client (for tests); by default from `load_kazoo`.
    """

    def __init__(self, connection: Connection, client_factory: Callable[..., Any] | None = None) -> None:
        self._connection = connection
        self._factory = client_factory
        self._client: Any = None
        self._errors: Any = None
        self._outcomes: dict[str, str] = {}
        self._server: str | None = None
        self._handshake = Handshake()
        #: The server knows who we are.
        self.authenticated = False

    def __enter__(self) -> ClientSession:
        """Open the session; a first answer from a server is in. With credentials, they were accepted, or the server does
        not authenticate anybody (an ensemble on its way from none to offered) and the session is anonymous.

        Raises:
            LibraryMissing: kazoo, or what the credentials need, is not usable here.
            ConnectionFailed: no server opened a session within the limit; the text has each server's outcome.
            AuthRefused: the credentials were refused.
        """
        credentials = self._connection.credentials
        self._open(credentials)
        if not credentials.mechanism:
            return self
        try:
            # A refusal shows at the first call, never at connect.
            self._call("authenticating", lambda client: client.exists_async("/"))
        except ClientError as error:
            self._close()
            if not self._handshake.unanswered:
                raise type(error)(
                    f"{error}; we are {credentials.username or credentials.principal} of {credentials.path}"
                ) from error
            self._open(Credentials(tls=credentials.tls))
            return self
        self.authenticated = True
        return self

    def _open(self, credentials: Credentials) -> None:
        kazoo_client = load_kazoo(self._connection.kazoo_path)
        if credentials.mechanism:
            credentials.prepare(self._connection.timeout)
            watch_handshakes(credentials.mechanism)
        self._errors = importlib.import_module("kazoo.exceptions")
        handler = importlib.import_module("kazoo.handlers.threading").SequentialThreadingHandler()
        handler.create_connection = self._recording(handler.create_connection)
        limit = self._connection.timeout
        self._client = (self._factory or kazoo_client.KazooClient)(
            hosts=",".join(str(server) for server in self._connection.servers),
            # kazoo gives each server session timeout / number of servers for its handshake: with the limit of a
            # call as session timeout, every server has had its turn within it. The server raises it to its minimum.
            timeout=limit,
            handler=handler,
            logger=_quiet_logger(),
            sasl_options=credentials.options() | {"handshake": self._handshake} if credentials.mechanism else None,
        )
        started = self._client.start_async()
        if not started.wait(limit) or not self._client.connected:
            self._close()
            raise ConnectionFailed(f"no session within {limit:g} s: {self._why_no_session()}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def session_id(self) -> int:
        """The session's id, as ephemeral nodes name their owner."""
        identity = self._client.client_id
        return int(identity[0]) if identity else 0

    @property
    def server_of_session(self) -> str | None:
        """The server that the session was last opened through, as it was given."""
        return self._server

    def read(self, path: str) -> Node | None:
        """A znode; None where there is none."""
        found = self._call(f"reading {path}", lambda client: client.get_async(path))
        return None if found is None else _node(*found)

    def children(self, path: str) -> list[str] | None:
        """Names of the children, sorted; None where there is no such znode."""
        found = self._call(f"listing {path}", lambda client: client.get_children_async(path))
        return None if found is None else sorted(found)

    def create(
        self, path: str, data: bytes = b"", ephemeral: bool = False, grants: Iterable[Grant] | None = None
    ) -> bool:
        """Create a znode, open to anyone unless grants are given; False where it exists, or its parent does not (read
        tells which)."""
        acls = None if grants is None else [_kazoo_acl(grant) for grant in grants]
        made = self._call(
            f"creating {path}", lambda client: client.create_async(path, data, acl=acls, ephemeral=ephemeral)
        )
        return made is not None

    def write(self, path: str, data: bytes) -> int | None:
        """Set a znode's data; its new version, or None where there is no such znode."""
        stat = self._call(f"writing {path}", lambda client: client.set_async(path, data))
        return None if stat is None else int(stat.version)

    def delete(self, path: str) -> bool:
        """Delete a znode; False where it does not exist or has children (children tells which)."""
        return self._call(f"deleting {path}", lambda client: client.delete_async(path)) is not None

    def get_acls(self, path: str) -> list[Grant] | None:
        """Who may do what with a znode; None where there is none."""
        found = self._call(f"reading the ACL of {path}", lambda client: client.get_acls_async(path))
        return None if found is None else [Grant.of_bits(each.id.scheme, each.id.id, each.perms) for each in found[0]]

    def set_acls(self, path: str, grants: Iterable[Grant]) -> bool:
        """Set a znode's ACL; False where there is no such znode."""
        acls = [_kazoo_acl(grant) for grant in grants]
        return self._call(f"setting the ACL of {path}", lambda client: client.set_acls_async(path, acls)) is not None

    def sync(self, path: str) -> None:
        """Wait until this session's server has all that the leader had committed for the path."""
        self._call(f"syncing {path}", lambda client: client.sync_async(path))

    def _call(self, what: str, start: Callable[[Any], Any]) -> Any:
        errors, limit = self._errors, self._connection.timeout
        where = f"{what} through {self._server or 'no server'}"
        try:
            return start(self._client).get(timeout=limit)
        except (errors.NoNodeError, errors.NodeExistsError, errors.NotEmptyError):
            return None
        except self._client.handler.timeout_exception as error:
            raise CallTimedOut(f"{where}: no answer within {limit:g} s") from error
        except (errors.NoAuthError, errors.InvalidACLError) as error:
            raise AuthRefused(f"{where}: not permitted ({type(error).__name__})") from error
        except (errors.AuthFailedError, errors.SessionClosedRequireSaslError) as error:
            raise AuthRefused(f"{where}: the server refused who we are ({type(error).__name__})") from error
        except (
            errors.ConnectionLoss,
            errors.ConnectionClosedError,
            errors.SessionExpiredError,
            errors.OperationTimeoutError,
        ) as error:
            raise ConnectionFailed(f"{where}: the connection was lost ({type(error).__name__})") from error
        except errors.KazooException as error:
            raise ClientError(f"{where}: {type(error).__name__} {error}".rstrip()) from error

    def _recording(self, create_connection: Callable[..., Any]) -> Callable[..., Any]:
        """kazoo's way of connecting, with a limit per server (its own is the whole session timeout: one server that
        is cut off would use up the time of the others) and a note of each outcome."""
        share = self._connection.timeout / len(self._connection.servers)

        def create(*args: Any, **kwargs: Any) -> Any:
            kwargs["timeout"] = min(share, kwargs.get("timeout") or share)
            server = Server(kwargs["hostname"], kwargs["address"][1])
            name = str(server)
            try:
                # Not by kazoo's own TLS, which also trusts the authorities of the system.
                made = self._connection.secured(create_connection(*args, **kwargs), server)
            except ssl.SSLError as error:
                self._outcomes[name] = f"no TLS with it: {tls_words(error)}"
                raise
            except Exception as error:
                self._outcomes[name] = str(getattr(error, "strerror", None) or error)
                raise
            self._outcomes[name] = "accepted a connection, opened no session"
            self._server = name
            return made

        return create

    def _why_no_session(self) -> str:
        untried = "not tried in this time, or its name does not resolve on this host"
        names = [str(server) for server in self._connection.servers]
        return "; ".join(f"{name}: {self._outcomes.get(name, untried)}" for name in names)

    def _close(self) -> None:
        """End the session. kazoo waits 10 s or more for a server that no longer answers: we wait for our limit only,
        its threads are daemons."""
        client, self._client = self._client, None
        if client is None:
            return

        def stop() -> None:
            try:
                client.stop()
                client.close()
            except Exception:  # the session is given up; the server ends it at its timeout
                _quiet_logger().debug("closing a session failed", exc_info=True)

        closer = threading.Thread(target=stop, daemon=True)
        closer.start()
        closer.join(self._connection.timeout)


class Handshake:
    """What became of a session's authentication."""

    def __init__(self) -> None:
        #: The server authenticates nobody.
        self.unanswered = False


def watch_handshakes(mechanism: str) -> None:
    """Lets a handshake end where the server authenticates nobody: kazoo takes its empty answer for a challenge, and asks
    again without end. The session's `Handshake` comes with the options.

    Raises:
        LibraryMissing: pure-sasl, or for Kerberos the module kerberos, is not usable here.
    """
    try:
        client: Any = importlib.import_module("puresasl.client")
        mechanisms = importlib.import_module("puresasl.mechanisms")
    except ImportError as error:
        raise LibraryMissing(
            f"pure-sasl cannot be imported ({error}); the roles bring it with kazoo: run site.yml"
        ) from error
    if mechanism == KERBEROS and not mechanisms.have_kerberos:
        raise LibraryMissing(
            "the Python module kerberos is missing on this host; the roles install python3-kerberos: run site.yml"
        )
    base: Any = client.SASLClient
    if hasattr(base, "watched"):
        return

    class Watching(base):
        watched = True

        def __init__(self, *args: Any, handshake: Handshake, **options: Any) -> None:
            super().__init__(*args, **options)
            self._handshake, self._asked = handshake, False

        def process(self, challenge: bytes | None = None) -> Any:
            if challenge is None and self._asked:
                self._handshake.unanswered = True
                raise ConnectionFailed("the server authenticates nobody")
            self._asked = True
            return super().process(challenge)

    client.SASLClient = Watching


def _node(data: bytes | None, stat: Any) -> Node:
    return Node(
        data=data or b"",
        ephemeral_owner=stat.ephemeralOwner,
        version=stat.version,
        czxid=stat.czxid,
        mzxid=stat.mzxid,
        pzxid=stat.pzxid,
        ctime=stat.ctime,
        mtime=stat.mtime,
        children_count=stat.numChildren,
    )


def _kazoo_acl(grant: Grant) -> Any:
    security = importlib.import_module("kazoo.security")
    return security.ACL(grant.bits, security.Id(grant.scheme, grant.id))


def _quiet_logger() -> logging.Logger:
    """kazoo logs what we report in our own words; on standard error it would spoil a module's reply."""
    logger = logging.getLogger("streamquorum.zookeeper")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
