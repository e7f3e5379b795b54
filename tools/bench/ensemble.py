"""The benchmark's ensemble, seen from outside: who leads, whether it is whole, and a client that writes to it.

Everything that waits, waits for a condition; the intervals below are those of looking.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hosts import ROOT
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.retry import KazooRetry

# The plugins resolve as the collection that `make setup` links.
sys.path.insert(0, str(ROOT / ".ansible/collections"))
from ansible_collections.streamquorum.ha.plugins.module_utils.availability.result import problems

INVENTORY = "tools/bench/inventory"
UNIT = "zookeeper.service"
WRITER = ROOT / "plugins/module_utils/availability/writer.py"
WRITE_MS = 5
#: Pause of the client when it has tried all servers in vain: that of the figures in the issue.
RECONNECT_MS = 50
SESSION_SECONDS = 10
LOOK_SECONDS = 0.05
PORT = 2181

Answer = TypeVar("Answer")
# Lost connections are what this is about.
logging.getLogger("kazoo").addHandler(logging.NullHandler())


def until(what: str, condition: Callable[[], Answer | None], seconds: float = 90) -> Answer:
    """Looks until the answer is true; the benchmark ends where it does not become so."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= end:
            sys.exit(f"not within {seconds:g} s: {what}")
        time.sleep(LOOK_SECONDS)


@dataclass(frozen=True)
class Member:
    name: str
    address: str

    def word(self, word: str) -> str:
        """Answer of a four-letter word; empty where nothing listens."""
        try:
            with socket.create_connection((self.address, PORT), timeout=2) as connection:
                connection.sendall(word.encode())
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return ""

    def mode_and_zxid(self) -> tuple[str, int]:
        """leader or follower, and its zxid; nothing and 0 while it does not serve."""
        answer = self.word("srvr")
        mode, zxid = re.search(r"^Mode: (\w+)$", answer, re.M), re.search(r"^Zxid: 0x(\w+)$", answer, re.M)
        return (mode[1], int(zxid[1], 16)) if mode and zxid else ("", 0)

    def monitor(self) -> dict[str, str]:
        """mntr, by key."""
        lines = (line.partition("\t") for line in self.word("mntr").splitlines())
        return {key: value for key, _tab, value in lines}

    def run(self, *command: str) -> str:
        """Runs a command on the host as root, by the door that Ansible takes."""
        config = ROOT / ".lab/bench/ssh_config"
        done = subprocess.run(
            ["ssh", "-F", str(config), self.address, "sudo", "-n", *command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{self.name}: {' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout


@dataclass(frozen=True)
class Whole:
    """All members serve and are in step."""

    leader: Member
    epoch: int
    #: Transactions after which a member's digest differed from the leader's, since its process started; the most of all.
    mismatches: int


class Ensemble:
    def __init__(self) -> None:
        listing = json.loads(
            subprocess.run(
                ["ansible-inventory", "-i", INVENTORY, "--list"], cwd=ROOT, check=True, capture_output=True, text=True
            ).stdout
        )
        hosts = listing["_meta"]["hostvars"]
        self.members = [Member(name, hosts[name]["ansible_host"]) for name in sorted(hosts)]

    @property
    def servers(self) -> list[str]:
        return [f"{member.address}:{PORT}" for member in self.members]

    def whole(self, after: int = 0) -> Whole | None:
        """The ensemble, where all of it serves in one epoch that is newer than `after`."""
        seen = {member: member.mode_and_zxid() for member in self.members}
        leaders = [member for member, (mode, _zxid) in seen.items() if mode == "leader"]
        if len(leaders) != 1 or any(not mode for mode, _zxid in seen.values()):
            return None
        epochs = {zxid >> 32 for _mode, zxid in seen.values()}
        if len(epochs) != 1 or min(epochs) <= after:
            return None
        monitors = {member: member.monitor() for member in self.members}
        if monitors[leaders[0]].get("zk_synced_followers") != str(len(self.members) - 1):
            return None
        counters = [int(each.get("zk_digest_mismatches_count", "0")) for each in monitors.values()]
        return Whole(leaders[0], min(epochs), max(counters))

    def stop_leader(self, session: Session, *command: str) -> dict[str, Any]:
        """Stops the leader with a command of its host; waits until all is whole and the probe has written again."""
        before = until("the ensemble is whole", self.whole)
        began = time.time()
        before.leader.run(*command)
        after = until("the ensemble is whole again", lambda: self.whole(before.epoch))
        session.await_write()
        return {
            "leader": before.leader.name,
            "began": began,
            "ended": time.time(),
            "mismatches": max(before.mismatches, after.mismatches),
            "load": os.getloadavg()[0],
        }


class Session:
    """A client of the benchmark itself, beside the one whose stalls are told."""

    def __init__(self, servers: list[str], probe: str) -> None:
        again = KazooRetry(max_tries=-1, delay=0.05, backoff=1, max_delay=0.05, max_jitter=0)
        self.client = KazooClient(
            ",".join(servers), timeout=SESSION_SECONDS, connection_retry=again, command_retry=again
        )
        self._probe = f"/streamquorum-probe/{probe}"

    def __enter__(self) -> Session:
        self.client.start(30)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop()
        self.client.close()

    def await_write(self) -> None:
        """Waits until the probe has written after this call."""

        def written() -> int:
            try:
                return int(self.client.retry(self.client.get, self._probe)[1].mzxid)
            except NoNodeError:
                return 0

        before = written()
        until("the probe writes", lambda: written() > before)


class Probe:
    """The product's own writer, run on this machine; its result once it has ended."""

    def __init__(self, name: str, servers: list[str], directory: Path) -> None:
        self._directory = directory
        settings = {
            "name": name,
            "servers": servers,
            "interval_ms": WRITE_MS,
            "session_timeout": SESSION_SECONDS,
            "reconnect_delay_ms": RECONNECT_MS,
            # The one of this Python.
            "kazoo_path": "",
            "watch": [],
            "result": str(directory / "result.json"),
        }
        (directory / "settings.json").write_text(json.dumps(settings))
        self._process = subprocess.Popen([sys.executable, "-I", str(WRITER), str(directory / "settings.json")])
        until("the probe has written", lambda: self._result().get("writes") or self._process.poll() is not None)

    def _result(self) -> dict[str, Any]:
        path = self._directory / "result.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def end(self) -> dict[str, Any]:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        return self._result()


@contextlib.contextmanager
def probing(name: str, servers: list[str]) -> Iterator[Probe]:
    with tempfile.TemporaryDirectory() as directory:
        probe = Probe(name, servers, Path(directory))
        try:
            yield probe
        finally:
            probe.end()


def stalls_ms(result: dict[str, Any], steps: list[dict[str, Any]]) -> list[float]:
    """The longest stall of each step, in milliseconds; at least the threshold from which the probe lists stalls.

    A stall belongs to the step that it overlaps most: it may begin with the very write that ended the step before.
    """
    longest = [float(result["stall_threshold_ms"])] * len(steps)
    for stall in result["stalls"]:
        ends = stall["at"] + stall["seconds"]
        overlaps = [min(ends, step["ended"]) - max(stall["at"], step["began"]) for step in steps]
        index = overlaps.index(max(overlaps))
        if overlaps[index] > 0:
            longest[index] = max(longest[index], round(stall["seconds"] * 1000, 1))
    return longest


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The parts of a probe's result that a benchmark tells."""
    keys = ("writes", "failures", "retries", "missing", "zxid_regressions", "sessions_lost", "longest_stall_ms")
    return {
        **{key: result.get(key) for key in keys},
        "longest_late_wake_ms": result.get("longest_late_wake_ms"),
        "latency_ms": result.get("latency_ms"),
        "problems": problems(result),
    }


class Watch(threading.Thread):
    """Notes when each member served and when it did not: (unix time, member, mode)."""

    def __init__(self, members: list[Member]) -> None:
        super().__init__(daemon=True)
        self._members = members
        self._stopped = threading.Event()
        self.seen: list[tuple[float, str, str]] = []

    def run(self) -> None:
        modes: dict[str, str] = {}
        while not self._stopped.wait(LOOK_SECONDS):
            for member in self._members:
                mode = member.mode_and_zxid()[0]
                if modes.get(member.name) != mode:
                    self.seen.append((time.time(), member.name, mode))
                modes[member.name] = mode

    def end(self) -> None:
        self._stopped.set()
        self.join()

    def out_of_service(self, name: str, began: float, ended: float) -> float:
        """Seconds from a member's first not serving to its last coming to serve, within this time."""
        mine = [(at, mode) for at, member, mode in self.seen if member == name and began <= at < ended]
        gone = [at for at, mode in mine if not mode]
        back = [at for at, mode in mine if mode]
        return max(back) - min(gone) if gone and back else 0.0
