"""Who a client of ZooKeeper is: TLS, SASL and the ticket of a keytab, from a file that is root's alone."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.pki.keytab import KINIT
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import (
    AuthRefused,
    ConnectionFailed,
    LibraryMissing,
)

DIGEST, KERBEROS = "digest", "kerberos"


#: What each mechanism needs of a credentials file.
NEEDED = {"": (), DIGEST: ("username", "password"), KERBEROS: ("keytab", "principal", "service")}


@dataclass(frozen=True)
class Tls:
    """How servers are reached by TLS: on this port of theirs, and on no other.

    Attributes:
        port: the servers' secure client port.
        certificate: PEM file with our key, certificate and chain; empty where we have none.
        ca: PEM file of the authorities that are trusted; those of the system are not.
    """

    port: int
    ca: str
    certificate: str = ""

    def wrap(self, stream: socket.socket, host: str) -> ssl.SSLSocket:
        """TLS on a connection; its time limit is kept. The connection is closed where that fails.

        Args:
            host: name that the server's certificate must have.

        Raises:
            OSError: no TLS with this server (ssl.SSLError says why), or a file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate:
                context.load_cert_chain(self.certificate)
            return context.wrap_socket(stream, server_hostname=host)
        except OSError:
            stream.close()
            raise


@dataclass(frozen=True)
class Credentials:
    """Who the client is, as the roles wrote it beside the modules: `{"sasl": {…}, "tls": {…}}`, root's alone.

    So no secret passes through a playbook, a module's arguments or a command line.

    Attributes:
        mechanism: digest, kerberos, or empty for an anonymous client.
        username, password: for digest.
        keytab, principal, service: for Kerberos; the service part of the servers' principals.
        tls: None where no server has a secure port.
        path: of the file.
    """

    mechanism: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    keytab: str = ""
    principal: str = ""
    service: str = "zookeeper"
    tls: Tls | None = None
    path: str = ""

    @classmethod
    def parse(cls, text: str, path: str) -> Credentials:
        """From the file's text.

        Raises:
            ValueError: it is not what the roles write; no value is in the text.
        """
        try:
            given = json.loads(text)
            tls = Tls(**given["tls"]) if given.get("tls") else None
            found = cls(**given.get("sasl", {}), tls=tls, path=path)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} holds no credentials ({type(error).__name__}); the roles write it: run site.yml"
            ) from None
        words = (found.mechanism, found.username, found.password, found.keytab, found.principal, found.service)
        if found.mechanism not in NEEDED or not all(isinstance(each, str) for each in words):
            raise ValueError(f"{path}: the mechanism is neither digest nor kerberos; the roles write it: run site.yml")
        if not found.mechanism and not found.tls:
            raise ValueError(f"{path} is empty; the roles write it: run site.yml")
        missing = [name for name in NEEDED[found.mechanism] if not getattr(found, name)]
        if missing:
            raise ValueError(f"{path}: {', '.join(missing)} is missing; the roles write it: run site.yml")
        return found

    @classmethod
    def load(cls, path: str) -> Credentials:
        """From the file, where there is one; else an anonymous client.

        Raises:
            ValueError: it cannot be read, or is not what the roles write.
        """
        try:
            with open(path, encoding="utf-8") as handle:
                return cls.parse(handle.read(), path)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise ValueError(
                f"{path}: {error.strerror}; the modules authenticate by it, and it is root's alone"
            ) from None

    def options(self) -> dict[str, Any]:
        """As kazoo takes them."""
        if self.mechanism == DIGEST:
            return {"mechanism": "DIGEST-MD5", "username": self.username, "password": self.password}
        return {"mechanism": "GSSAPI", "service": self.service, "principal": self.principal}

    def prepare(self, limit: float, anew: bool = False) -> None:
        """Points the Kerberos library to a ticket of the keytab, which is this process's alone, whatever root has.

        kinit takes it, which can be ended: the library holds the interpreter for as long as it waits for a KDC, and that is
        50 s for one that is silent.

        Args:
            limit: seconds.
            anew: takes another one, since the one that was taken ends some time.

        Raises:
            LibraryMissing: there is no kinit.
            ConnectionFailed: no KDC answered within the limit.
            AuthRefused: it gives no ticket for this keytab.
        """
        if self.mechanism == KERBEROS:
            with _tickets_lock:
                if anew or self not in _tickets:
                    _tickets[self] = _ticket(self.keytab, self.principal, limit)
                os.environ["KRB5CCNAME"] = _tickets[self]


#: Where each ticket is that this process took.
_tickets: dict[Credentials, str] = {}
_tickets_lock = threading.Lock()


def _ticket(keytab: str, principal: str, limit: float) -> str:
    folder = tempfile.mkdtemp(prefix="streamquorum-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    name = f"FILE:{folder}/ticket"
    try:
        done = subprocess.run(
            [KINIT, "-k", "-t", keytab, "-c", name, principal],
            capture_output=True, text=True, timeout=limit, check=False, env=os.environ | {"LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise LibraryMissing(f"{KINIT} is missing on this host; the roles install it: run site.yml") from error
    except subprocess.TimeoutExpired as error:
        raise ConnectionFailed(f"no KDC answered within {limit:g} s for {principal}") from error
    if done.returncode:
        said = done.stderr.strip()
        kind = ConnectionFailed if "Cannot contact any KDC" in said else AuthRefused
        raise kind(f"Kerberos gives no ticket for {principal} of {keytab}: {said}")
    return name
