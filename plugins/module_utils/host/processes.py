"""Processes of this host as /proc has them (proc(5))."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.streamquorum.ha.plugins.module_utils.host.state import unit_of_cgroup


@dataclass(frozen=True)
class Process:
    """One process. Texts may have bytes that are no UTF-8, as surrogates.

    Attributes:
        started: ticks since boot; with the pid, what tells it from the next one.
        executable: path of its program.
        words: of its command line.
        directory: the one that it works in.
        uid, gid, umask: as texts.
        limits: name in /proc/<pid>/limits -> (soft, hard).
        unit: by its control group; empty outside of one.
        of_session: its unit is one of a user's own service manager.
        contained: in a PID namespace of its own, as in a container.
    """

    pid: int
    parent: int
    started: str
    executable: str
    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    uid: str = "0"
    gid: str = "0"
    umask: str = "0022"
    limits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    unit: str = ""
    of_session: bool = False
    contained: bool = False

    @property
    def service(self) -> str:
        """The service that holds it; empty for a login session, and for none."""
        return self.unit if self.unit.endswith(".service") else ""

    @property
    def identity(self) -> str:
        """What tells it from every other one since the boot."""
        return f"{self.pid}@{self.started}"


def pids() -> list[int]:
    """All that there are."""
    return sorted(int(each) for each in os.listdir("/proc") if each.isdigit())


def read(pid: int) -> Process | None:
    """A process; None for one that has ended, or is the kernel's own."""
    base, fields = f"/proc/{pid}", _stat(pid)
    words = _text(f"{base}/cmdline").removesuffix("\0").split("\0")
    if len(fields) < 20 or words == [""]:
        return None
    status = dict(line.split(":", 1) for line in _text(f"{base}/status").splitlines() if ":" in line)
    limits = re.findall(r"^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)", _text(f"{base}/limits"), re.MULTILINE)
    pairs = (each.partition("=") for each in _text(f"{base}/environ").split("\0"))
    cgroup = _text(f"{base}/cgroup")
    found = Process(
        pid=pid,
        parent=int(fields[1]),
        started=fields[19],
        executable=_link(f"{base}/exe"),
        words=tuple(words),
        environment={name: value for name, equals, value in pairs if equals},
        directory=_link(f"{base}/cwd"),
        uid=status.get("Uid", "-1").split()[0],
        gid=status.get("Gid", "-1").split()[0],
        umask=status.get("Umask", "0022").strip(),
        limits={name: (soft, hard) for name, soft, hard in limits},
        unit=unit_of_cgroup(cgroup),
        of_session="/user@" in cgroup,
        # One pid for each namespace that it is in.
        contained=len(status.get("NSpid", "").split()) > 1,
    )
    # Another one may have taken its pid meanwhile.
    return found if _stat(pid)[19:20] == [found.started] else None


def in_unit(unit: str) -> list[int]:
    """The processes that a unit's control group holds."""
    return [pid for pid in pids() if unit_of_cgroup(_text(f"/proc/{pid}/cgroup")) == unit]


def descendants(pid: int) -> list[int]:
    """A process, and all that it started, as far as their parents live."""
    parents = {each: int(fields[1]) for each in pids() if (fields := _stat(each))}
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the third on; the second, its name, may have spaces and parentheses."""
    return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _text(path: str) -> str:
    try:
        with open(path, "rb") as handle:
            return handle.read().decode("utf-8", "surrogateescape")
    except OSError:  # it has ended
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:  # it has ended
        return ""
