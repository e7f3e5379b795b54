"""The program behind availability_probe: one ZooKeeper session that writes until it is told to stop.

It runs on a host as a plain script (`python3 writer.py settings.json [-]`) with record.py beside it, so both use the standard
library and kazoo only, and nothing else of this collection.

One znode takes all writes. Each write sets the next number and names the version that the acknowledged one before it
made, so an acknowledgement proves that none before it is missing; the last one is read back at the end, after a sync.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib
import json
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

if __name__ == "__main__":
    # Of a script that runs isolated, what stands beside it is not found by itself.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from record import Record  # type: ignore[import-not-found]
else:
    from ansible_collections.streamquorum.ha.plugins.module_utils.availability.record import Record

PARENT = "/streamquorum-probe"
SAVE_SECONDS = 1.0
WATCH_SECONDS = 0.2
#: Between two attempts of the same thing.
PAUSE_SECONDS = 0.01


class Fatal(Exception):  # noqa: N818 - says what happened
    """The writer cannot go on; the text says why."""


class _TryAgain(Exception):  # noqa: N818 - says what to do
    """The znode has another version than expected; it was read, the next attempt knows it."""


class Writer:
    """Writes until it is told to stop.

    Args:
        client: a kazoo client that has a session.
        errors: the module kazoo.exceptions.
        timed_out: what the client's calls raise when nothing was answered in time.
        node: path of the znode that is written.
        token: tells this writer's data from another's.
        interval: seconds between two writes.
        limit: seconds after which a write that was not acknowledged counts as failed.
        record: takes what happens.
        stop: says when to stop.
        now: seconds since the start.
        save: keeps the record as it is.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        client: Any,
        errors: Any,
        timed_out: type[Exception],
        node: str,
        token: str,
        interval: float,
        limit: float,
        record: Record,
        stop: threading.Event,
        now: Callable[[], float],
        save: Callable[[], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._errors = errors
        self._node = node
        self._token = token
        self._interval = interval
        self._limit = limit
        self._record = record
        self._stop = stop
        self._now = now
        self._save = save
        self._sleep = sleep
        self._passing = (
            errors.ConnectionLoss,
            errors.OperationTimeoutError,
            errors.SessionExpiredError,
            errors.SessionMovedError,
            timed_out,
            _TryAgain,
        )
        #: The version that the znode must have at the next write; None where it must be read first, -1 for no znode.
        self._version: int | None = None

    def prepare(self) -> None:
        """Removes what an earlier probe of this name left, and makes the parent.

        Raises:
            Fatal: the server refused, or nothing was answered in time.
        """
        self._persist("making room for its znode", self._make_room)
        self._version = -1

    def run(self) -> None:
        """Writes until told to stop, then reads the last number back.

        Raises:
            Fatal: the client is closed, or the server does not know who we are.
        """
        number, due, saved = 0, self._now(), -SAVE_SECONDS
        while not self._stop.is_set():
            number += 1
            self._write(number)
            if self._now() - saved >= SAVE_SECONDS:
                self._save()
                saved = self._now()
            # A late write delays those after it: a burst that catches up would hide the load it makes.
            due = max(due + self._interval, self._now())
            planned = due - self._now()
            if planned > 0 and not self._stop.wait(planned):
                self._record.woke(self._now() - due)
        self.verify()

    def verify(self) -> None:
        """Reads the last number back; without an answer in time the record stays unverified."""
        with contextlib.suppress(Fatal):
            self._persist("reading the last number back", self._read)
            self._record.verified()

    def clean(self) -> None:
        """Removes the znode, and the parent where nobody else uses it.

        Raises:
            Fatal: the server refused, or nothing was answered in time.
        """
        self._persist("removing its znode", self._remove)

    def _write(self, number: int) -> None:
        began, tried = self._now(), False
        problem = "not acknowledged in time"
        while True:
            left = began + self._limit - self._now()
            if left <= 0:
                break
            if tried:
                self._record.retried()
            tried = True
            try:
                zxid = self._attempt(number, left)
            except self._passing as error:
                problem = f"not acknowledged in time ({type(error).__name__})"
                self._sleep(PAUSE_SECONDS)
                continue
            except (self._errors.ConnectionClosedError, self._errors.AuthFailedError) as error:
                raise Fatal(f"the client gave up: {type(error).__name__} {error}".rstrip()) from error
            except self._errors.KazooException as error:
                problem = f"{type(error).__name__} {error}".rstrip()
                break
            self._record.acknowledged(self._now(), self._now() - began, number, zxid)
            return
        self._record.failed(self._now(), number, problem)

    def _attempt(self, number: int, left: float) -> int:
        """The zxid of the write."""
        if self._version is None:
            _found, self._version, _zxid = self._read(left)
        data = f"{self._token} {number}".encode()
        try:
            if self._version < 0:
                _path, stat = self._client.create_async(self._node, data, include_data=True).get(timeout=left)
            else:
                stat = self._client.set_async(self._node, data, version=self._version).get(timeout=left)
        except (self._errors.BadVersionError, self._errors.NodeExistsError, self._errors.NoNodeError):
            self._version = None
            found, version, zxid = self._read(left)
            if found == number:
                # The attempt whose answer was lost had been carried out.
                self._version = version
                return zxid
            if version < 0:
                # Another probe that ended may have removed the parent just now.
                self._make_parent(left)
            raise _TryAgain from None
        self._version = int(stat.version)
        return int(stat.mzxid)

    def _read(self, left: float) -> tuple[int, int, int]:
        """Number, version and zxid of the znode as the leader has it; version -1 where there is none.

        Raises:
            Fatal: it is another writer's.
        """
        self._client.sync_async(self._node).get(timeout=left)
        try:
            data, stat = self._client.get_async(self._node).get(timeout=left)
        except self._errors.NoNodeError:
            self._record.found(0)
            return 0, -1, 0
        token, _space, text = data.decode("ascii", "replace").partition(" ")
        if token != self._token:
            raise Fatal(f"something else writes to {self._node}: each probe needs a name of its own")
        number = int(text)
        self._record.found(number)
        return number, int(stat.version), int(stat.mzxid)

    def _make_parent(self, left: float) -> None:
        with contextlib.suppress(self._errors.NodeExistsError):
            self._client.create_async(PARENT).get(timeout=left)

    def _make_room(self, left: float) -> None:
        self._make_parent(left)
        with contextlib.suppress(self._errors.NoNodeError):
            self._client.delete_async(self._node).get(timeout=left)

    def _remove(self, left: float) -> None:
        with contextlib.suppress(self._errors.NoNodeError):
            self._client.delete_async(self._node).get(timeout=left)
        with contextlib.suppress(self._errors.NoNodeError, self._errors.NotEmptyError):
            self._client.delete_async(PARENT).get(timeout=left)

    def _persist(self, what: str, do: Callable[[float], object]) -> None:
        """Repeats something that may be repeated, until its time is over."""
        end = self._now() + self._limit
        while True:
            try:
                do(max(PAUSE_SECONDS, end - self._now()))
                return
            except self._passing as error:
                if self._now() >= end:
                    raise Fatal(f"{what}: no answer within {self._limit:g} s ({type(error).__name__})") from error
            except self._errors.KazooException as error:
                raise Fatal(f"{what}: {type(error).__name__} {error}".rstrip()) from error
            self._sleep(PAUSE_SECONDS)


class Watcher(threading.Thread):
    """Reads znodes again and again, through the same session, and records what changed.

    It reads instead of setting watches: a watch is lost with the connection, at just the moments that matter here.
    """

    def __init__(
        self,
        client: Any,
        errors: Any,
        paths: list[str],
        record: Record,
        stop: threading.Event,
        now: Callable[[], float],
    ) -> None:
        super().__init__(daemon=True)
        self._client = client
        self._errors = errors
        self._paths = paths
        self._record = record
        self._stopped = stop
        self._now = now

    def run(self) -> None:
        while not self._stopped.is_set():
            for path in self._paths:
                state = self._state(path)
                if state is not None:
                    self._record.watched(self._now(), path, state)
            self._stopped.wait(WATCH_SECONDS)

    def _state(self, path: str) -> dict[str, Any] | None:
        try:
            # Without a time limit: kazoo finds out that a server hangs only while nothing more is sent to it.
            data, stat = self._client.get_async(path).get()
        except self._errors.NoNodeError:
            return {"exists": False, "czxid": 0, "mzxid": 0, "ephemeral_owner": "0x0", "data": ""}
        except Exception:  # the writer tells what is wrong with the session
            return None
        return {
            "exists": True,
            "czxid": stat.czxid,
            "mzxid": stat.mzxid,
            "ephemeral_owner": f"0x{stat.ephemeralOwner & (1 << 64) - 1:x}",
            "data": hashlib.sha256(data or b"").hexdigest()[:16],
        }


def identity(text: str, folder: str) -> dict[str, Any]:
    """Who the writer is, as kazoo takes it; nothing for an anonymous client without TLS.

    Args:
        text: of the standard input: kazoo's `sasl` options, and `keytab`, `ca` and `certificate` in base64.
        folder: of the writer alone, for these files.
    """
    secrets = json.loads(text) if text else {}
    paths = {}
    for name in ("keytab", "ca", "certificate"):
        if secrets.get(name):
            paths[name] = f"{folder}/{name}"
            with open(os.open(paths[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
                handle.write(base64.b64decode(secrets[name]))
    if "keytab" in paths:
        os.environ["KRB5_CLIENT_KTNAME"] = f"FILE:{paths['keytab']}"
        os.environ["KRB5CCNAME"] = "MEMORY:streamquorum"
    options: dict[str, Any] = {"sasl_options": secrets["sasl"]} if secrets.get("sasl") else {}
    if "ca" in paths:
        own = paths.get("certificate")
        options |= {"use_ssl": True, "check_hostname": True, "ca": paths["ca"], "certfile": own, "keyfile": own}
    return options


def open_client(
    settings: Mapping[str, Any],
    secrets: str,
    record: Record,
    closing: threading.Event,
    now: Callable[[], float],
) -> Any:
    """A kazoo client that has a session, whose ups and downs go to the record until `closing` is set.

    Raises:
        Fatal: there is no kazoo, or no server opened a session within the session timeout.
    """
    if os.path.exists(settings["kazoo_path"]):
        sys.path.insert(0, settings["kazoo_path"])
    try:
        kazoo = importlib.import_module("kazoo.client")
        threads = importlib.import_module("kazoo.handlers.threading")
    except ImportError as error:
        raise Fatal(f"kazoo cannot be imported ({error}); {settings['kazoo_path']} should have it") from error
    handler = threads.SequentialThreadingHandler()
    limit = float(settings["session_timeout"])
    share = limit / len(settings["servers"])
    connect = handler.create_connection
    outcomes: dict[str, str] = {}
    trying = ""

    def create(*args: Any, **kwargs: Any) -> Any:
        nonlocal trying
        # kazoo allows a connection the whole session timeout: one server that is cut off would cost the session.
        kwargs["timeout"] = min(share, kwargs.get("timeout") or share)
        host, port = kwargs["hostname"], kwargs["address"][1]
        trying = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            made = connect(*args, **kwargs)
        except Exception as error:
            outcomes[trying] = str(getattr(error, "strerror", None) or error)
            raise
        outcomes[trying] = "accepted a connection, opened no session"
        return made

    handler.create_connection = create
    logger = logging.getLogger("streamquorum.availability")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    delay = settings["reconnect_delay_ms"] / 1000
    client = kazoo.KazooClient(
        # Shuffled once and then gone round, as the Java client does it: after a server that hangs comes another one.
        hosts=",".join(random.sample(settings["servers"], len(settings["servers"]))),
        randomize_hosts=False,
        timeout=limit,
        handler=handler,
        logger=logger,
        **identity(secrets, os.path.dirname(settings["result"])),
        connection_retry={"max_tries": -1, "delay": delay, "max_delay": delay, "backoff": 1, "max_jitter": 0},
    )

    def changed(state: str) -> None:
        if state == "CONNECTED":
            record.connected(now(), trying, client.client_id[0] if client.client_id else 0)
        elif state == "LOST" and not closing.is_set():
            record.lost(now())

    client.add_listener(changed)
    if not client.start_async().wait(limit) or not client.connected:
        names = ", ".join(f"{name}: {outcomes.get(name, 'not tried in this time')}" for name in settings["servers"])
        raise Fatal(f"no session within {limit:g} s ({names})")
    return client


def save(path: str, result: Mapping[str, Any]) -> None:
    """Replaces the result file at once: a reader never meets half of it."""
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="utf-8") as handle:
        json.dump(result, handle)
    os.replace(temporary, path)


def main(settings: Mapping[str, Any], secrets: str) -> int:
    """Runs the probe; its exit code.

    Args:
        settings: name, servers (host:port each), interval_ms, session_timeout (s), reconnect_delay_ms, kazoo_path,
            watch (paths), result (path of the result file).
        secrets: text for `identity`.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # One reading of the clock, the rest by the monotonic one: a clock that is set meanwhile moves no time in here.
    began, zero = time.time(), time.monotonic()

    def now() -> float:
        return time.monotonic() - zero

    interval, limit = settings["interval_ms"] / 1000, float(settings["session_timeout"])
    token = os.urandom(8).hex()
    record = Record(settings["name"], interval, limit, token, began)
    path = settings["result"]
    closing = threading.Event()
    complete = False

    def keep() -> None:
        # A full disk must not end what is to be seen through; the last save tells.
        with contextlib.suppress(OSError):
            save(path, record.result(now(), False))

    try:
        client = open_client(settings, secrets, record, closing, now)
        errors = importlib.import_module("kazoo.exceptions")
        writer = Writer(
            client,
            errors,
            client.handler.timeout_exception,
            f"{PARENT}/{settings['name']}",
            token,
            interval,
            limit,
            record,
            stop,
            now,
            keep,
        )
        writer.prepare()
        if settings["watch"]:
            Watcher(client, errors, list(settings["watch"]), record, stop, now).start()
        writer.run()
        complete = True
        ended = now()
        # Before the znode is removed: were the writer killed in between, its end would be unknown.
        save(path, record.result(ended, complete))
        writer.clean()
        save(path, {**record.result(ended, complete), "znode_removed": True})
        closing.set()
        closer = threading.Thread(target=client.stop, daemon=True)
        closer.start()
        closer.join(limit)
    except Fatal as problem:
        sys.stderr.write(f"{problem}\n")
        save(path, record.result(now(), complete, str(problem)))
        return 1
    return 0


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as given:
        # `-` says that there are secrets on the standard input; otherwise nobody may ever close that.
        code = main(json.load(given), sys.stdin.read() if sys.argv[2:] == ["-"] else "")
    sys.stderr.flush()
    # Not sys.exit: kazoo's threads may wait for a server that does not answer any more.
    os._exit(code)
