"""The unit in which a probe runs on its host: started, collected, removed, whatever became of the writer."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.availability.result import verified
from ansible_collections.streamquorum.ha.plugins.module_utils.availability.writer import PARENT
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import Server
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.credentials import Credentials
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import ClientError

PYTHON = "/usr/bin/python3"
POLL_SECONDS = 0.1
JOURNAL_LINES = 20
#: Characters of what the writer left; its own result is far smaller.
RESULT_LIMIT = 16 * 2**20
KILL_SECONDS = 5.0
#: The sandbox of this toolkit's units; a JVM is not in this one, so that memory need not be writable and executable.
SANDBOX = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateUsers=yes",
    "PrivateIPC=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
    "RemoveIPC=yes",
    "DevicePolicy=closed",
    "KeyringMode=private",
    "LimitCORE=0",
    "UMask=0077",
    "TasksMax=32",
    "MemoryMax=256M",
)

Run = Callable[[list[str]], tuple[int, str, str]]


class ProbeError(Exception):
    """The probe is not as it was asked for; the text says why and what to do."""


class ProbeUnit:
    """A probe on this host.

    Args:
        name: its name.
        run: runs a command: (rc, stdout, stderr).
        connect: opens a ZooKeeper session.
        wait_timeout: seconds to wait for the first write, or for the end.
        root: the directory `/run`.
        clock: monotonic seconds.
        sleep: waits for seconds.
        credentials: who the writer is.
    """

    def __init__(
        self,
        name: str,
        run: Run,
        connect: Callable[[], AbstractContextManager[Any]],
        wait_timeout: float,
        root: str = "/run",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        credentials: Credentials | None = None,
    ) -> None:
        self._credentials = credentials or Credentials()
        self.unit = f"streamquorum-probe-{name}.service"
        self.znode = f"{PARENT}/{name}"
        # Of the writer's user; with DynamicUser, systemd makes the first a link to the second.
        self._runtime = f"streamquorum-probe-{name}"
        self._results = [f"{root}/{self._runtime}", f"{root}/private/{self._runtime}"]
        self._program = f"{root}/streamquorum/probe/{name}"
        self._run = run
        self._connect = connect
        self._wait_timeout = wait_timeout
        self._clock = clock
        self._sleep = sleep

    def start(
        self,
        settings: Mapping[str, Any],
        script: str,
        time_limit: int,
        check_mode: bool,
        beside: Mapping[str, str] | None = None,
    ) -> bool:
        """Starts the writer and waits for its first acknowledged write; whether anything was changed.

        Args:
            settings: what the writer is given, except for the path of its result.
            script: the writer's source.
            time_limit: seconds.
            beside: source of what the writer imports, by the name of its file.

        Raises:
            ProbeError: it does not come to write, or another probe of this name runs.
        """
        text = json.dumps({**settings, "result": f"{self._results[0]}/result.json"}, indent=2)
        if self._active():
            if _text(f"{self._program}/settings.json") != text:
                raise ProbeError(f"{self.unit} runs with other settings: collect it or remove it first")
            return False
        if check_mode:
            return True
        self._clear()
        os.makedirs(self._program, exist_ok=True)
        parent = os.path.dirname(self._program)
        for path in (os.path.dirname(parent), parent, self._program):
            os.chmod(path, 0o755)
        for name, content in {**(beside or {}), "writer.py": script, "settings.json": text}.items():
            _write(f"{self._program}/{name}", content)
        code, out, error = self._run(self._command(settings["servers"], time_limit, float(settings["session_timeout"])))
        cause = (error or out).strip() if code != 0 else self._first_write()
        if cause:
            self._stop()
            with contextlib.suppress(ClientError):
                self._remove_znode()
            self._clear()
            raise ProbeError(f"{self.unit} does not write: {cause}")
        return True

    def collect(self, check_mode: bool) -> tuple[bool, dict[str, Any], list[str]]:
        """Stops the writer and removes everything: whether anything was there, the result, and what is to be known."""
        active, there = self._active(), self._there()
        if check_mode:
            return active or there, self.result(), []
        notes = []
        if active and not self._stop():
            notes.append(f"the writer did not end within {self._wait_timeout:g} s and was killed")
        result = self.result()
        if result and not active and result["complete"]:
            notes.append(f"the probe had ended by itself before it was collected, {result['ended']:.0f} in unix time")
        removed = False
        if not result or not result["znode_removed"]:
            try:
                removed, data = self._remove_znode()
                if result and result["missing"] is None:
                    result = verified(result, data)
            except ClientError as error:
                notes.append(f"{self.znode} may be left, remove it with state absent: {error}")
        self._clear()
        return active or there or removed, result, notes

    def remove(self, check_mode: bool) -> bool:
        """Removes everything; whether anything was there.

        Raises:
            ProbeError: ZooKeeper cannot be asked; everything on this host is removed then.
        """
        there = self._active() or self._there()
        if not check_mode:
            self._stop()
            self._clear()
        try:
            removed, _data = self._remove_znode(check_mode)
        except ClientError as error:
            raise ProbeError(f"this host is clean, but {self.znode} may be left; run this again: {error}") from error
        return there or removed

    def result(self) -> dict[str, Any]:
        """What the writer saved last; empty where that is nothing."""
        text = _text(f"{self._results[0]}/result.json")
        return json.loads(text) if text else {}

    def _command(self, servers: list[str], time_limit: int, session_timeout: float) -> list[str]:
        secrets = self._secrets(servers)
        properties = [
            *SANDBOX,
            *secrets,
            "Description=Writes to ZooKeeper to show that it is available",
            "DynamicUser=yes",
            f"RuntimeDirectory={self._runtime}",
            "RuntimeDirectoryMode=0700",
            # The result outlives the writer, however that ends.
            "RuntimeDirectoryPreserve=yes",
            f"RuntimeMaxSec={time_limit}",
            # The pending write, the read at the end, the removal, the goodbye: each may take a session timeout.
            f"TimeoutStopSec={4 * session_timeout + 5:g}",
        ]
        command = ["systemd-run", "--quiet", "--collect", f"--unit={self.unit}"]
        command += [f"--property={each}" for each in properties]
        return [
            *command,
            PYTHON,
            "-I",
            f"{self._program}/writer.py",
            f"{self._program}/settings.json",
            *["-"] * len(secrets),
        ]

    def _secrets(self, servers: list[str]) -> list[str]:
        """The writer's credentials on its standard input, which systemd opens as root: its user may not read root's files.
        Nothing where the servers ask for none."""
        secrets = self._sasl() | self._tls(servers)
        if not secrets:
            return []
        path = f"{self._program}/credentials.json"
        _write(path, json.dumps(secrets), 0o600)
        return [f"StandardInput=file:{path}"]

    def _sasl(self) -> dict[str, Any]:
        who = self._credentials
        if not who.mechanism:
            return {}
        with self._connect() as session:
            if not session.authenticated:
                return {}
        return {"sasl": who.options(), "keytab": _base64(who.keytab)}

    def _tls(self, servers: list[str]) -> dict[str, Any]:
        tls = self._credentials.tls
        if not tls or not any(Server.parse(server).port == tls.port for server in servers):
            return {}
        return {"ca": _base64(tls.ca), "certificate": _base64(tls.certificate)}

    def _first_write(self) -> str:
        """Waits for it; why it does not come, empty when it did."""
        deadline = self._clock() + self._wait_timeout
        while True:
            active, result = self._active(), self.result()
            if result.get("error"):
                return str(result["error"])
            if result.get("writes"):
                return ""
            if result.get("failures"):
                return str(result["failed"][0]["error"])
            if not active:
                return f"it ended at once; its journal ends with: {self._journal()}"
            if self._clock() >= deadline:
                return f"no write was acknowledged within {self._wait_timeout:g} s"
            self._sleep(POLL_SECONDS)

    def _stop(self) -> bool:
        """Stops the writer; False when it had to be killed."""
        if not self._active():
            return True
        self._run(["systemctl", "stop", "--no-block", self.unit])
        if self._ended(self._wait_timeout):
            return True
        self._run(["systemctl", "kill", "--signal=SIGKILL", self.unit])
        self._ended(KILL_SECONDS)
        return False

    def _ended(self, limit: float) -> bool:
        deadline = self._clock() + limit
        while self._active():
            if self._clock() >= deadline:
                return False
            self._sleep(POLL_SECONDS)
        return True

    def _active(self) -> bool:
        _code, out, _error = self._run(["systemctl", "show", "--property=ActiveState", "--value", self.unit])
        return out.strip() not in ("", "inactive", "failed")

    def _journal(self) -> str:
        _code, out, _error = self._run(
            ["journalctl", "--unit", self.unit, "--lines", str(JOURNAL_LINES), "--output", "cat", "--no-pager"]
        )
        return " | ".join(line.strip() for line in out.splitlines()[-JOURNAL_LINES:])

    def _there(self) -> bool:
        return any(os.path.lexists(path) for path in (*self._results, self._program))

    def _clear(self) -> None:
        """Removes what is on this host. The unit is gone by itself."""
        for path in (*self._results, self._program):
            if os.path.islink(path):
                os.unlink(path)
            else:
                shutil.rmtree(path, ignore_errors=True)

    def _remove_znode(self, check_mode: bool = False) -> tuple[bool, bytes | None]:
        """Removes the znode; whether it was there, and its data."""
        with self._connect() as session:
            session.sync(self.znode)
            node = session.read(self.znode)
            if not check_mode:
                session.delete(self.znode)
                session.delete(PARENT)
            return node is not None, None if node is None else node.data


def _text(path: str) -> str:
    """A file's content; empty where there is none. Its directory may be another user's: no link is followed."""
    try:
        # Nor is a FIFO waited for.
        with open(
            os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), encoding="utf-8"
        ) as handle:
            regular = stat.S_ISREG(os.fstat(handle.fileno()).st_mode)
            return handle.read(RESULT_LIMIT) if regular else ""
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _base64(path: str) -> str:
    """A file's content; empty where no file is named."""
    if not path:
        return ""
    with open(path, "rb") as handle:
        return base64.b64encode(handle.read()).decode()


def _write(path: str, content: str, mode: int = 0o644) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as handle:
        handle.write(content)
    os.chmod(path, mode)
