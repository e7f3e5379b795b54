"""What a writer's probe saw, from the times at which it happened. Pure; it runs on a host beside writer.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

#: A stall is listed from this many seconds on, or from this many intervals where that is more.
STALL_SECONDS, STALL_INTERVALS = 0.1, 5
#: Longest lists in a result. Stalls keep the longest ones, the others the first ones.
MOST_STALLS, MOST_ENTRIES = 1000, 500


class Record:
    """What happened, from the times at which it happened; without I/O.

    Args:
        name: the probe's name.
        interval: seconds between two writes.
        session_timeout: seconds.
        token: tells this writer's data from another's.
        began: unix time of the start, seconds. All times are given, and kept, in seconds since then.
    """

    def __init__(self, name: str, interval: float, session_timeout: float, token: str, began: float) -> None:
        self._name = name
        self._token = token
        self._interval = interval
        self._session_timeout = session_timeout
        self._began = began
        self._threshold = max(STALL_SECONDS, STALL_INTERVALS * interval)
        self._writes = 0
        self._retries = 0
        self._failures = 0
        self._failed: list[dict[str, Any]] = []
        self._unacknowledged: set[int] = set()
        self._last_number = 0
        self._last_zxid = 0
        self._last_at: float | None = None
        self._zxid_regressions = 0
        self._missing = 0
        self._verified = False
        self._servers: list[dict[str, Any]] = []
        self._sessions: list[dict[str, Any]] = []
        self._lost: list[dict[str, Any]] = []
        self._sessions_lost = 0
        self._stalls: list[dict[str, Any]] = []
        self._stalls_left_off = 0
        self._longest = 0.0
        self._latest_wake = 0.0
        self._latencies: Counter[float] = Counter()
        self._seconds: list[list[float]] = []
        self._watched: list[dict[str, Any]] = []
        self._server = ""
        #: The server of the session at the last acknowledged write.
        self._stall_server = ""

    def acknowledged(self, at: float, took: float, number: int, zxid: int) -> None:
        """A write was acknowledged, `took` seconds after its first attempt."""
        gap = 0.0 if self._last_at is None else max(0.0, at - self._last_at - self._interval)
        if self._last_at is not None and gap > self._threshold:
            self._list_stall({"at": self._unix(self._last_at), "seconds": round(gap, 4), "server": self._stall_server})
        self._writes += 1
        self._longest = max(self._longest, gap)
        self._latencies[round(took * 1000, 1 if took < 1 else 0)] += 1
        second = self._second(at)
        second[0] += 1
        second[1] = max(second[1], round(gap * 1000, 1))
        self._zxid_regressions += zxid <= self._last_zxid
        self._last_number, self._last_zxid, self._last_at = number, zxid, at
        self._stall_server = self._server

    def retried(self) -> None:
        """An attempt was made once more."""
        self._retries += 1

    def failed(self, at: float, number: int, error: str) -> None:
        """A write was given up; whether it happened is unknown."""
        self._failures += 1
        self._unacknowledged.add(number)
        self._append(self._failed, {"at": self._unix(at), "number": number, "error": error})

    def found(self, number: int) -> None:
        """The number that was read, after a sync: acknowledged writes above it are missing."""
        if number < self._last_number:
            above = sum(1 for each in self._unacknowledged if number < each <= self._last_number)
            self._missing += self._last_number - number - above
            self._last_number = number

    def verified(self) -> None:
        """The last number was read back after the last write."""
        self._verified = True

    def connected(self, at: float, server: str, session: int) -> None:
        """The session was opened through a server, or came back through one."""
        self._server = server
        if self._last_at is None:
            self._stall_server = server
        self._append(self._servers, {"at": self._unix(at), "server": server})
        identity = f"0x{session & (1 << 64) - 1:x}"
        if not self._sessions or self._sessions[-1]["id"] != identity:
            self._append(self._sessions, {"at": self._unix(at), "id": identity})

    def lost(self, at: float) -> None:
        """The session is gone."""
        self._sessions_lost += 1
        identity = self._sessions[-1]["id"] if self._sessions else ""
        self._append(self._lost, {"at": self._unix(at), "id": identity})

    def woke(self, late: float) -> None:
        """The writer itself woke so many seconds later than it wanted to."""
        self._latest_wake = max(self._latest_wake, late)

    def watched(self, at: float, path: str, state: Mapping[str, Any]) -> None:
        """What a watched znode is; kept where it differs from what it was."""
        before = next((each for each in reversed(self._watched) if each["path"] == path), None)
        if before is None or any(before[name] != value for name, value in state.items()):
            self._append(self._watched, {"at": self._unix(at), "path": path, **state})

    def result(self, at: float, complete: bool, error: str = "") -> dict[str, Any]:
        """Everything so far, ready for JSON. A stall that has not ended counts as long as it is now."""
        stalls = list(self._stalls)
        longest = self._longest
        if self._last_at is not None:
            open_gap = max(0.0, at - self._last_at - self._interval)
            longest = max(longest, open_gap)
            if open_gap > self._threshold:
                stalls.append(
                    {"at": self._unix(self._last_at), "seconds": round(open_gap, 4), "server": self._stall_server}
                )
        return {
            "name": self._name,
            "token": self._token,
            "complete": complete,
            "error": error,
            "znode_removed": False,
            "started": self._unix(0),
            "ended": self._unix(at),
            "interval_ms": round(self._interval * 1000, 3),
            "session_timeout": self._session_timeout,
            "stall_threshold_ms": round(self._threshold * 1000, 1),
            "writes": self._writes,
            "failures": self._failures,
            "failed": list(self._failed),
            "retries": self._retries,
            "missing": self._missing if self._verified else None,
            "missing_seen": self._missing,
            "last_number": self._last_number,
            "unacknowledged": sorted(self._unacknowledged)[-MOST_ENTRIES:],
            "zxid_regressions": self._zxid_regressions,
            "sessions": list(self._sessions),
            "sessions_lost": self._sessions_lost,
            "lost": list(self._lost),
            "servers": list(self._servers),
            "longest_stall_ms": round(longest * 1000, 1),
            "longest_late_wake_ms": round(self._latest_wake * 1000, 1),
            "stalls": stalls,
            "stalls_left_off": self._stalls_left_off,
            "latency_ms": {
                "p50": percentile(self._latencies, 0.5),
                "p99": percentile(self._latencies, 0.99),
                "max": max(self._latencies, default=0.0),
            },
            "per_second": {
                "writes": [int(each[0]) for each in self._seconds],
                "longest_ms": [each[1] for each in self._seconds],
            },
            "watched": list(self._watched),
        }

    def _unix(self, at: float) -> float:
        return round(self._began + at, 3)

    def _second(self, at: float) -> list[float]:
        index = int(at)
        while len(self._seconds) <= index:
            self._seconds.append([0, 0.0])
        return self._seconds[index]

    def _list_stall(self, stall: dict[str, Any]) -> None:
        self._stalls.append(stall)
        if len(self._stalls) > MOST_STALLS:
            self._stalls.remove(min(self._stalls, key=lambda each: float(each["seconds"])))
            self._stalls_left_off += 1

    @staticmethod
    def _append(entries: list[dict[str, Any]], entry: dict[str, Any]) -> None:
        if len(entries) < MOST_ENTRIES:
            entries.append(entry)


def percentile(values: Mapping[float, int], share: float) -> float:
    """The smallest value that at least this share of all is not above; 0 without any.

    Args:
        values: how often each value occurred.
        share: 0..1.
    """
    wanted = share * sum(values.values())
    seen = 0
    for value in sorted(values):
        seen += values[value]
        if seen >= wanted:
            return value
    return 0.0
