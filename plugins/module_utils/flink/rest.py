"""What JobManagers answer over REST: `RestReader` asks, pure functions read the bodies.

Every JobManager of Flink 1.8 and newer, leader or standby, answers `/overview` by asking the leading dispatcher: a 200
does not say who leads. Without a leader, and while a new one takes over, the answer is 500 or 503 alike (seen on 1.13
to 2.3), so neither is a failure of the JobManager that gave it.

A JobManager that serves https answers plain http by a redirect (`RedirectingSslHandler`), and one that serves http does
not understand a handshake: so both are told apart without being asked who they are.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
import urllib.error
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.urls import open_url

DEFAULT_TIMEOUT = 5.0
DEFAULT_ACCESS_PATH = "/etc/streamquorum/flink-client.json"
HTTP, HTTPS = "http", "https"
#: `/overview` has some 200 bytes, `/jobmanager/config` some thousand.
BODY_LIMIT = 1024 * 1024
#: Statuses of a JobManager that knows no leader yet.
WITHOUT_LEADER = (500, 503)

#: How a server says that it is reached by the other scheme; Flink has no other redirects.
REDIRECTS = (301, 302, 307, 308)

#: Asks for a checkpoint of the kind that the job takes by itself.
CONFIGURED_CHECKPOINT = b'{"checkpointType": "CONFIGURED"}'

#: `get(place, seconds)`, such as `jm1:8081/overview` -> status and body; raises where there is no answer.
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
    if status in REDIRECTS:
        return Answer(status, detail=f"answers {status}: it serves https, and was asked by http")
    if status != 200:
        return Answer(status, detail=f"answers {status}")
    try:
        return Answer(status, parse_overview(body))
    except (ValueError, RecursionError) as error:
        return Answer(status, detail=f"answers 200, but not as Flink does: {error}")


@dataclass(frozen=True)
class RestAccess:
    """How REST is reached, as the role wrote it beside the modules. There is no secret in it, only names of files.

    Attributes:
        schemes: http, https, or both, https first: while a live cluster goes from one to the other.
        authorities: file on this host (PEM) with those that JobManagers' certificates come from; of https.
        certificate: file on this host (PEM: key, certificate, chain) that is shown to them; empty for none.
    """

    schemes: tuple[str, ...] = (HTTP,)
    authorities: str = ""
    certificate: str = ""

    @classmethod
    def load(cls, path: str) -> RestAccess:
        """From the file, where there is one; else plain http.

        Raises:
            ValueError: it cannot be read, or is not what the role writes.
        """
        try:
            with open(path, encoding="utf-8") as handle:
                found = json.load(handle)
            access = cls(tuple(found["schemes"]), found["authorities"], found["certificate"])
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}; it says how REST is reached") from None
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f"{path} does not say how REST is reached ({type(error).__name__}); the role writes it: run site.yml"
            ) from None
        if not access.schemes or not set(access.schemes) <= {HTTP, HTTPS} or not access.authorities:
            raise ValueError(f"{path} does not say how REST is reached; the role writes it: run site.yml")
        return access

    def get(self, place: str, seconds: float) -> tuple[int, bytes]:
        """GET, by the other scheme as well where this JobManager serves that one still.

        A certificate that does not hold is a failure, and never a reason to ask in plain.
        """
        return self._ask(place, seconds)

    def trigger_checkpoint(self, base: str, job_id: str, seconds: float) -> tuple[int, bytes]:
        """POST for one checkpoint of one job: the only thing that is asked of a cluster that runs on.

        Args:
            base: host and REST port of a JobManager.
            job_id: 32 hexadecimal digits.
            seconds: time limit.

        Raises:
            ValueError: the id is none.
        """
        if not re.fullmatch("[0-9a-f]{32}", job_id):
            raise ValueError("no job id")
        return self._ask(f"{base}/jobs/{job_id}/checkpoints", seconds, CONFIGURED_CHECKPOINT)

    def call(self, method: str, place: str, seconds: float, content: bytes | None) -> tuple[int, bytes]:
        """Any request, for who ends a cluster.

        Raises:
            OSError: there is no answer.
        """
        try:
            return self._ask(place, seconds, content, method)
        except OSError:
            raise
        except Exception as error:  # open_url has kinds of its own
            raise OSError(str(error)) from error

    def _ask(self, place: str, seconds: float, content: bytes | None = None, method: str = "") -> tuple[int, bytes]:
        failed: Exception | None = None
        for scheme in self.schemes:
            try:
                status, body = self._open(f"{scheme}://{place}", seconds, content, method)
            except Exception as error:  # open_url has kinds of its own; whichever it is, there was no answer
                if failed is None:
                    failed = error
                if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
                    break
            else:
                if failed is None or status not in REDIRECTS:
                    return status, body
        raise failed or ValueError("no scheme")

    def _open(self, url: str, seconds: float, content: bytes | None, method: str) -> tuple[int, bytes]:
        """Without proxy, netrc or redirects: the answer must be that of the host in the address."""
        try:
            with open_url(
                url,
                data=content,
                method=method or ("GET" if content is None else "POST"),
                timeout=seconds,
                use_proxy=False,
                use_netrc=False,
                follow_redirects="none",
                headers={"Accept": "application/json"}
                | ({} if content is None else {"Content-Type": "application/json"}),
                ca_path=self.authorities or None,
                client_cert=self.certificate or None,
            ) as reply:
                return int(reply.status), bytes(reply.read(BODY_LIMIT))
        except urllib.error.HTTPError as error:
            with error:
                return int(error.code), b""


class RestReader:
    """Asks JobManagers in parallel.

    Args:
        timeout: seconds for everything that one JobManager is asked.
        get: transport, such as `RestAccess.get`.
    """

    def __init__(self, timeout: float, get: Get) -> None:
        self._timeout = timeout
        self._get = get

    def ask(self, addresses: Iterable[str], with_rpc: bool = False) -> list[Answer]:
        """Answers in the order of the addresses (`host:port`), within the time limit whatever happens.

        Args:
            addresses: host and REST port of each.
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
