#!/usr/bin/python
"""availability_probe: a client session that writes throughout a change of a live ensemble, and tells what it met."""

from __future__ import annotations

DOCUMENTATION = r"""
module: availability_probe
short_description: Evidence that a live ZooKeeper ensemble kept its writes and sessions
description:
  - Runs one ZooKeeper session on a host that writes at a fixed rate until it is collected, and reports writes, failures,
    stalls, lost sessions, and whether every acknowledged write is still there.
  - The writer is a transient systemd unit, C(streamquorum-probe-NAME.service), without privileges, in a sandbox, and with
    a time limit, so that it ends when nobody comes back for it. It needs nothing of the host but Python and kazoo.
  - It writes one znode, C(/streamquorum-probe/NAME), which is removed afterwards. Each write names the version that the
    acknowledged one before it made, so that an acknowledgement proves that none before it is missing; the last one is
    read back at the end.
  - The client reconnects by itself, and repeats a write whose connection was lost. A write counts as failed when it was
    refused, or not acknowledged within O(session_timeout).
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.zookeeper_connection]
attributes:
  check_mode:
    support: full
    description: Says whether anything would change, and starts, stops and removes nothing.
  diff_mode:
    support: none
    description: It has no content to compare.
options:
  name:
    description:
      - Name of the probe, lower-case letters, digits and hyphens; two probes of an ensemble need two names.
      - A probe of the same name that has ended is replaced by V(started), with its result.
    type: str
    required: true
  state:
    description:
      - V(started) starts it, and returns when the first write was acknowledged.
      - V(collected) stops it, reads its result, and removes everything. It also works when the writer had ended, or was
        killed; its result is saved every second.
      - V(absent) removes everything without a look at the result.
    type: str
    choices: [started, collected, absent]
    default: started
  interval_ms:
    description: Time between two writes, in milliseconds, 1 or more.
    type: int
    default: 50
  session_timeout:
    description:
      - Session timeout that is asked for, in seconds; the servers may grant another. It is also the time after which a
        write that was not acknowledged has failed.
    type: float
    default: 10.0
  reconnect_delay_ms:
    description: Pause of the client when it has tried all servers in vain, in milliseconds.
    type: int
    default: 50
  time_limit:
    description: After this many seconds the writer ends by itself, with its result.
    type: int
    default: 3600
  watch:
    description:
      - Znodes whose changes are recorded, such as that of Flink's leader. They are read five times a second, through
        the same session.
    type: list
    elements: str
    default: []
  steps:
    description: With V(state=collected), what was done meanwhile; the result is shared out to it.
    type: list
    elements: dict
    default: []
    suboptions:
      member:
        description: Whose step it was.
        type: str
        required: true
      began:
        description: Unix time of its begin, of a clock that agrees with this host's (see RV(clock)).
        type: float
        required: true
      ended:
        description: Unix time of its end.
        type: float
        required: true
  wait_timeout:
    description: How long to wait for the first write, or for the writer's end, in seconds.
    type: float
    default: 60.0
notes:
  - The writer authenticates as the module does, by what systemd hands to it, since its user may read no file of root.
seealso:
  - module: streamquorum.ha.zookeeper_quorum
"""

EXAMPLES = r"""
- name: Write throughout
  streamquorum.ha.availability_probe:
    name: roll
    servers: [zk1.example.org:2181, zk2.example.org:2181, zk3.example.org:2181]

- name: What came of it
  streamquorum.ha.availability_probe:
    name: roll
    state: collected
    servers: [zk1.example.org:2181, zk2.example.org:2181, zk3.example.org:2181]
    steps:
      - {member: zk1.example.org, began: 1750000000.0, ended: 1750000004.5}
  register: __zookeeper_probe
  failed_when: __zookeeper_probe.problems | length > 0
"""

RETURN = r"""
state:
  description: What was asked for.
  type: str
  returned: always
unit:
  description: The writer's systemd unit.
  type: str
  returned: always
znode:
  description: The znode that it writes.
  type: str
  returned: always
clock:
  description: This host's clock at the end of the module's work, unix time in seconds.
  type: float
  returned: always
result:
  description:
    - What the writer recorded, all times in unix time of this host. Empty where there is none, and with V(state=absent).
  type: dict
  returned: always
  contains:
    complete:
      description: The writer came to its end, by V(collected) or by its time limit. Otherwise the result is up to a second old.
      type: bool
    error:
      description: Why it ended early.
      type: str
    started:
      description: When it started; C(ended) when it ended.
      type: float
    writes:
      description: Acknowledged writes.
      type: int
    failures:
      description: Writes that no repetition got through; the first 500 are in C(failed) (at, number, error).
      type: int
    retries:
      description: Attempts that were made once more.
      type: int
    missing:
      description: Acknowledged writes that were not there afterwards; null where that could not be read.
      type: int
    zxid_regressions:
      description: Writes whose zxid was not above that of the one before.
      type: int
    sessions_lost:
      description: Sessions that ended; C(sessions) (at, id) and C(lost) (at, id) name them.
      type: int
    servers:
      description: Each connection of the session (at, server).
      type: list
      elements: dict
    longest_stall_ms:
      description: Longest time between two acknowledged writes, beyond the interval, in milliseconds.
      type: float
    stalls:
      description:
        - Stalls of more than C(stall_threshold_ms), the 1000 longest. C(at) is the last acknowledged write, C(seconds) the
          time beyond the interval, C(server) the one of the session then.
      type: list
      elements: dict
    longest_late_wake_ms:
      description: How late the writer itself woke at most; a stall of that size may be the host's own.
      type: float
    latency_ms:
      description: Time from the first attempt of a write until it was acknowledged (p50, p99, max), in milliseconds.
      type: dict
    per_second:
      description: For each second since the start the C(writes), and the longest stall in C(longest_ms).
      type: dict
    watched:
      description:
        - What each watched znode was, and became (at, path, exists, czxid, mzxid, ephemeral_owner, and the begin of the
          SHA-256 of its C(data)); the first 500.
      type: list
      elements: dict
problems:
  description: What speaks against "no write and no session was lost", in words. Empty when nothing does.
  type: list
  elements: str
  returned: always
members:
  description: For each member of O(steps) its share (seconds, writes, failures, longest_stall_ms, sessions_lost).
  type: dict
  returned: always
leader_changes:
  description: How often the holder of each znode of O(watch) changed.
  type: dict
  returned: always
report:
  description: The result in lines for the screen.
  type: list
  elements: str
  returned: always
"""

import base64
import contextlib
import inspect
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.availability import writer as availability_writer
from ansible_collections.streamquorum.ha.plugins.module_utils.availability.result import (
    attribute,
    leader_changes,
    problems,
    report_lines,
    verified,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import (
    Connection,
    Server,
    connection_argument_spec,
)
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
        self.znode = f"{availability_writer.PARENT}/{name}"
        # Of the writer's user; with DynamicUser, systemd makes the first a link to the second.
        self._runtime = f"streamquorum-probe-{name}"
        self._results = [f"{root}/{self._runtime}", f"{root}/private/{self._runtime}"]
        self._program = f"{root}/streamquorum/probe/{name}"
        self._run = run
        self._connect = connect
        self._wait_timeout = wait_timeout
        self._clock = clock
        self._sleep = sleep

    def start(self, settings: Mapping[str, Any], script: str, time_limit: int, check_mode: bool) -> bool:
        """Starts the writer and waits for its first acknowledged write; whether anything was changed.

        Args:
            settings: what the writer is given, except for the path of its result.
            script: the writer's source.
            time_limit: seconds.

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
        for name, content in (("writer.py", script), ("settings.json", text)):
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
                session.delete(availability_writer.PARENT)
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


def problem_of(params: Mapping[str, Any]) -> str:
    """Why the arguments cannot be used; empty when they can."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", params["name"]):
        return f"name is '{params['name']}': 1 to 40 lower-case letters, digits and hyphens are possible"
    for name in ("interval_ms", "reconnect_delay_ms", "session_timeout", "time_limit", "wait_timeout"):
        if not params[name] > 0:
            return f"{name} is {params[name]}: it must be more than 0"
    for path in params["watch"]:
        if not path.startswith("/"):
            return f"watch has '{path}': a znode's path begins with /"
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_argument_spec(),
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "collected", "absent"], "default": "started"},
            "interval_ms": {"type": "int", "default": 50},
            "session_timeout": {"type": "float", "default": 10.0},
            "reconnect_delay_ms": {"type": "int", "default": 50},
            "time_limit": {"type": "int", "default": 3600},
            "watch": {"type": "list", "elements": "str", "default": []},
            "steps": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "member": {"type": "str", "required": True},
                    "began": {"type": "float", "required": True},
                    "ended": {"type": "float", "required": True},
                },
            },
            "wait_timeout": {"type": "float", "default": 60.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        connection = Connection.from_params(params)
        problem = problem_of(params)
        if problem:
            raise ValueError(problem)
    except ValueError as error:
        module.fail_json(msg=f"availability_probe cannot start: {error}")
    probe = ProbeUnit(
        params["name"],
        module.run_command,
        connection.session,
        params["wait_timeout"],
        credentials=connection.credentials,
    )
    result: dict[str, Any] = {}
    said: list[str] = []
    report: list[str] = []
    try:
        if params["state"] == "started":
            settings = {
                "name": params["name"],
                "servers": [str(server) for server in connection.servers],
                **{
                    name: params[name]
                    for name in ("interval_ms", "session_timeout", "reconnect_delay_ms", "kazoo_path")
                },
                "watch": params["watch"],
            }
            script = inspect.getsource(availability_writer)
            changed = probe.start(settings, script, params["time_limit"], module.check_mode)
            result = probe.result()
        elif params["state"] == "collected":
            changed, result, notes = probe.collect(module.check_mode)
            if not module.check_mode:
                said = problems(result) + notes
                report = report_lines(result, params["steps"]) + [f"  note: {note}" for note in notes]
        else:
            changed = probe.remove(module.check_mode)
    except (ProbeError, OSError) as error:
        module.fail_json(msg=f"availability_probe {params['name']}: {error}")
    module.exit_json(
        changed=changed,
        state=params["state"],
        unit=probe.unit,
        znode=probe.znode,
        clock=round(time.time(), 3),
        result=result,
        problems=said,
        members=attribute(result, params["steps"]),
        leader_changes=leader_changes(result),
        report=report,
    )


if __name__ == "__main__":
    main()
