"""What JobManagers answer over REST: `RestReader` asks, pure functions read the bodies.

Every JobManager of Flink 1.8 and newer, leader or standby, answers `/overview` by asking the leading dispatcher: a 200
does not say who leads. Without a leader, and while a new one takes over, the answer is 500 or 503 alike (seen on 1.13
to 2.3), so neither is a failure of the JobManager that gave it.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.urls import open_url

DEFAULT_TIMEOUT = 5.0
#: `/overview` has some 200 bytes, `/jobmanager/config` some thousand.
BODY_LIMIT = 1024 * 1024
#: Statuses of a JobManager that knows no leader yet.
WITHOUT_LEADER = (500, 503)

#: `get(url, seconds)` -> status and body; raises where there is no answer.
Get = Callable[[str, float], tuple[int, bytes]]


@dataclass(frozen=True)
class Overview:
    """Counts of `/overview`."""

    task_managers: int
    slots_total: int
    slots_available: int
    jobs_running: int
    flink_version: str

    def as_dict(self) -> dict[str, Any]:
        """As a module returns it."""
        return {
            "taskmanagers": self.task_managers,
            "slots_total": self.slots_total,
            "slots_available": self.slots_available,
            "jobs_running": self.jobs_running,
            "flink_version": self.flink_version,
        }


@dataclass(frozen=True)
class Answer:
    """One JobManager's answer.

    Attributes:
        status: HTTP status of `/overview`; 0 where nothing answered.
        overview: the counts, where the status is 200 and the body is Flink's.
        detail: why there are no counts, in words; empty where there are.
        rpc: the JobManager's own RPC address as (host, port), where it was asked for and given.
    """

    status: int = 0
    overview: Overview | None = None
    detail: str = ""
    rpc: tuple[str, int] | None = None

    @property
    def reachable(self) -> bool:
        """An HTTP server answered, whatever it said."""
        return self.status != 0


def parse_overview(body: bytes) -> Overview:
    """The body of `/overview`.

    Raises:
        ValueError: it is not Flink's.
    """
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")

    def count(key: str) -> int:
        value = found.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{key} is missing or not a count")
        return value

    version = found.get("flink-version")
    if not isinstance(version, str) or not version.isprintable() or len(version) > 100:
        raise ValueError("flink-version is missing or not a text")
    return Overview(
        count("taskmanagers"), count("slots-total"), count("slots-available"), count("jobs-running"), version
    )


def parse_rpc_address(body: bytes) -> tuple[str, int]:
    """(host, port) of the answering JobManager's RPC, from the body of `/jobmanager/config`.

    The answering JobManager puts its real address into these two keys (ClusterEntrypoint, 1.13 and newer).

    Raises:
        ValueError: the body has no such address.
    """
    found = json.loads(body)
    if not isinstance(found, list):
        raise ValueError("not a JSON list")
    options = {entry.get("key"): entry.get("value") for entry in found if isinstance(entry, dict)}
    host, port = options.get("jobmanager.rpc.address"), options.get("jobmanager.rpc.port")
    if not isinstance(host, str) or not str(port).isdecimal():
        raise ValueError("no jobmanager.rpc.address and jobmanager.rpc.port")
    return host, int(str(port))


def read_overview(status: int, body: bytes) -> Answer:
    """An answer from the status and the body of `/overview`."""
    if status in WITHOUT_LEADER:
        return Answer(status, detail=f"answers {status}: it knows no leader yet")
    if status != 200:
        return Answer(status, detail=f"answers {status}")
    try:
        return Answer(status, parse_overview(body))
    except (ValueError, RecursionError) as error:
        return Answer(status, detail=f"answers 200, but not as Flink does: {error}")


def http_get(url: str, seconds: float) -> tuple[int, bytes]:
    """GET without proxy, netrc or redirects: the answer must be that of the host in the address."""
    try:
        with open_url(
            url,
            timeout=seconds,
            use_proxy=False,
            use_netrc=False,
            follow_redirects="none",
            headers={"Accept": "application/json"},
        ) as reply:
            return int(reply.status), bytes(reply.read(BODY_LIMIT))
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code), b""


class RestReader:
    """Asks JobManagers in parallel.

    Args:
        timeout: seconds for everything that one JobManager is asked.
        get: transport.
    """

    def __init__(self, timeout: float = DEFAULT_TIMEOUT, get: Get = http_get) -> None:
        self._timeout = timeout
        self._get = get

    def ask(self, addresses: Iterable[str], with_rpc: bool = False) -> list[Answer]:
        """Answers in the order of the addresses (`http://host:port`), within the time limit whatever happens.

        Args:
            addresses: base addresses.
            with_rpc: ask for the RPC address too.
        """
        # The limit of a socket starts anew with each byte and does not cover name resolution: so the threads are given
        # the limit too, and are daemons, so that one that hangs does not keep the module from ending.
        slow = Answer(detail=f"does not answer: no reply within {self._timeout:g} s")
        bases = list(addresses)
        answers = [slow] * len(bases)

        def ask_one(index: int) -> None:
            answers[index] = self._ask(bases[index], with_rpc)

        threads = [threading.Thread(target=ask_one, args=(index,), daemon=True) for index in range(len(bases))]
        deadline = time.monotonic() + self._timeout
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return list(answers)

    def _ask(self, base: str, with_rpc: bool) -> Answer:
        try:
            answer = read_overview(*self._get(f"{base}/overview", self._timeout))
        except Exception as error:  # open_url has kinds of its own; whichever it is, this one did not answer
            return Answer(detail=f"does not answer: {_cause(error)}")
        if not with_rpc:
            return answer
        try:
            status, body = self._get(f"{base}/jobmanager/config", self._timeout)
            rpc = parse_rpc_address(body) if status == 200 else None
        except Exception:  # the address is one more way to tell who leads; without it the others remain
            return answer
        return Answer(answer.status, answer.overview, answer.detail, rpc)


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, TimeoutError):
        return "timed out"
    text = str(getattr(reason, "strerror", None) or reason or type(reason).__name__)[:200]
    return text if text.isprintable() else ascii(text)  # it can hold what the other side sent
