"""An application of Flink on YARN: found by its tag, submitted once, ended with savepoints of its jobs.

YARN knows an application from its submission on, and nobody before it; what submits holds a lock of its host until then, also where the run
that asked for it was killed. Two client hosts are kept apart by the lease of the run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.polling import poll
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import record
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn.resource_manager import (
    LIVE,
    RUNNING,
    NoAnswerError,
    ResourceManagers,
    printable,
)

#: Beginnings of the tags: whose application it is, what it was started with, and its mode where it is no session. YARN lower-cases tags.
OWNER, GENERATION, MODE = "streamquorum-", "generation-", "mode-"
POLL_SECONDS = 1.0
#: How often jobs are looked for that were submitted to a session while savepoints of the others were taken.
ROUNDS = 5
#: Lines of what a submission printed, where it failed, and of a log.
TOLD = 15
LOG_LINES = 5
#: Attempts whose logs are read, the last ones of an application.
LOGS = 3

Run = Callable[[Sequence[str], float, Sequence[int]], tuple[int, str]]
#: `ask(method, path, content)` of the application's REST, the content empty for none: status and body; raises OSError where there is no
#: answer.
Ask = Callable[[str, str, Mapping[str, Any]], tuple[int, Any]]


class ApplicationError(Exception):
    """The application is not as it was asked for; the text is for the operator."""


def owner_tag(name: str) -> str:
    return f"{OWNER}{name}"


def generation_tag(digest: str) -> str:
    return f"{GENERATION}{digest}"


def application(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of an application, from what the ResourceManager tells."""
    # The application itself may make up any of these.
    told = {name: printable(value) if isinstance(value, str) else value for name, value in told.items()}
    tags = [each.strip() for each in str(told.get("applicationTags") or "").split(",") if each.strip()]
    return {
        "id": str(told["id"]),
        "state": str(told["state"]),
        "live": told["state"] in LIVE,
        "final_status": str(told["finalStatus"]),
        "generation": _tagged(tags, GENERATION),
        "mode": _tagged(tags, MODE) or record.SESSION,
        "user": str(told.get("user") or ""),
        "queue": str(told.get("queue") or ""),
        "diagnostics": str(told.get("diagnostics") or "").strip(),
    }


def _tagged(tags: Sequence[str], beginning: str) -> str:
    return next((tag.removeprefix(beginning) for tag in tags if tag.startswith(beginning)), "")


def failed_attempts(managers: ResourceManagers, found: Mapping[str, Any]) -> list[str]:
    """Where the last JobManagers of an application ran that have ended, and how their logs end, in words; none where nobody tells.

    Args:
        managers: to ask.
        found: id of the application, and whether it is live: then its last attempt is.
    """
    try:
        attempts = managers.attempts(found["id"])
        return [_attempt(managers, each) for each in (attempts[:-1] if found["live"] else attempts)[-LOGS:]]
    except (NoAnswerError, LookupError):
        return []


def _attempt(managers: ResourceManagers, attempt: Mapping[str, Any]) -> str:
    told = f"Attempt {attempt['id']} ran on {attempt['nodeHttpAddress']} (log: {attempt['logsLink']})"
    try:
        lines = [line for line in managers.log(dict(attempt)).splitlines()[1:] if not line.startswith("\t")]
        return printable("\n".join([f"{told}, which ends:", *lines[-LOG_LINES:]]))
    except OSError as error:
        return printable(f"{told}, which cannot be read: {error}")


def only(found: Sequence[Mapping[str, Any]], tag: str) -> Mapping[str, Any]:
    """The one application that is live; empty for none.

    Raises:
        ApplicationError: there are several.
    """
    live = [each for each in found if each["live"]]
    if len(live) > 1:
        raise ApplicationError(several(live, tag))
    return live[0] if live else {}


def several(live: Sequence[Mapping[str, Any]], tag: str) -> str:
    """The refusal of more than one application."""
    return (
        f"YARN has {len(live)} live applications with the tag {tag}: {', '.join(each['id'] for each in live)}. There is to be one. See "
        "which of them has your jobs, take savepoints of the other's, end it (echo stop | yarn-session.sh -id ID), and run again."
    )


@contextlib.contextmanager
def lock(path: str, seconds: float) -> Iterator[int]:
    """The lock of a submission on this host, as a file descriptor that what submits inherits.

    Raises:
        ApplicationError: another submission has it for longer than that.
    """
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + seconds

        def taken() -> bool:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not poll(taken, lambda ours: None if ours else deadline, POLL_SECONDS, time.monotonic, time.sleep):
            raise ApplicationError(
                f"a submission of another run goes on, or its end of the application, for more than {seconds:g} s, and holds {path} (fuser {path} names it). Let "
                "it end, or end it, and run again."
            )
        yield descriptor
    finally:
        os.close(descriptor)


def run(command: Sequence[str], seconds: float, inherited: Sequence[int]) -> tuple[int, str]:
    """Exit code and output of a command; what does not end in time is killed with all its children.

    Raises:
        OSError: it could not be started.
    """
    with tempfile.TemporaryFile() as out:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"},
            start_new_session=True,
            pass_fds=tuple(inherited),
        ) as process:
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                # SIGTERM: Flink's client takes back what it has not deployed.
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                code = -1
        out.seek(0)
        return code, out.read().decode(errors="replace")


@dataclass
class Yarn:
    """A user's applications with a tag, and time."""

    managers: ResourceManagers
    tag: str
    user: str
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def applications(self) -> list[dict[str, Any]]:
        """Those with the tag, the youngest first.

        Raises:
            ApplicationError: YARN does not say.
        """
        try:
            return [application(each) for each in self.managers.applications(self.tag, self.user)]
        except NoAnswerError as error:
            raise ApplicationError(
                f"no ResourceManager answers ({error}): whether the application runs is not known."
            ) from None

    def note(self, records: str, found: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        """Notes something more of an application.

        Raises:
            ApplicationError: what was noted before cannot be read.
        """
        try:
            before = record.read(records, found["id"])
        except ValueError as error:
            raise ApplicationError(f"{error}. See what is in it, and move it away.") from None
        record.write(records, {**before, "application": found["id"], "tag": self.tag, "mode": found["mode"], **more})

    def until(self, is_so: Callable[[Sequence[Mapping[str, Any]]], bool], seconds: float) -> list[dict[str, Any]]:
        """The first reading of which it is so, or the last one in that time; a ResourceManager that fails over is waited for."""
        deadline = self.clock() + seconds

        def look() -> tuple[list[dict[str, Any]], ApplicationError | None, bool]:
            try:
                found = self.applications()
                return found, None, is_so(found)
            except ApplicationError as error:
                return [], error, False

        found, error, _is_so = poll(
            look, lambda told: None if told[2] else deadline, POLL_SECONDS, self.clock, self.sleep
        )
        if error:
            raise error
        return found


def start(
    yarn: Yarn, command: Sequence[str], savepoint: str, records: str, seconds: float, locked: int, run: Run
) -> tuple[bool, Mapping[str, Any]]:
    """Submits the application where none is live, notes it, and waits until it runs.

    Args:
        yarn: which application.
        command: what submits it, detached.
        savepoint: from which its job starts; empty for from nothing.
        records: directory of what is noted of applications.
        seconds: for the submission, and again until it runs.
        locked: descriptor of the lock.
        run: runs a command.

    Returns:
        Whether it was submitted, and the application.

    Raises:
        ApplicationError: it does not run; the text has what YARN says of it.
    """
    known = yarn.applications()
    found, before = only(known, yarn.tag), {each["id"] for each in known}
    submitted = not found
    code, printed = 0, ""
    if submitted:
        code, printed = run([*command, *(["--fromSavepoint", savepoint] if savepoint else [])], seconds, [locked])
    # Whatever the command says, it may be there, and is noted before anything else is waited for.
    last = yarn.until(lambda _found: True, seconds)
    if last and last[0]["id"] not in before:
        yarn.note(records, last[0], {"from": savepoint})
    if not code:
        last = yarn.until(lambda found: not only(found, yarn.tag) or only(found, yarn.tag)["state"] == RUNNING, seconds)
    if code:
        raise ApplicationError(_failed(yarn, last, code, seconds, printed))
    found = only(last, yarn.tag)
    if not found:
        ended = last[0] if last else {}
        raise ApplicationError(
            f"the application with the tag {yarn.tag} has ended: "
            + ("\n".join([_ended(ended), *failed_attempts(yarn.managers, ended)]) if ended else _of_others(yarn))
        )
    if found["state"] != RUNNING:
        raise ApplicationError(
            f"{found['id']} is {found['state']} after {seconds:g} s: YARN has given it no container in the queue {found['queue']}. It stays "
            f"submitted, and starts when there is room. {found['diagnostics']}"
        )
    return submitted, found


def _failed(yarn: Yarn, last: Sequence[Mapping[str, Any]], code: int, seconds: float, printed: str) -> str:
    why = f"did not end in {seconds:g} s" if code < 0 else f"ended with {code}"
    if last and not last[0]["live"]:
        logs = failed_attempts(yarn.managers, last[0])
        return "\n".join(each for each in (f"the submission {why}. {_ended(last[0])}", *logs, _last(printed)) if each)
    return f"the submission {why}:\n{_last(printed)}"


def _of_others(yarn: Yarn) -> str:
    """Where an application is that was submitted, and is not the user's: by the rules of Hadoop, its principal is somebody else."""
    try:
        live = [each for each in map(application, yarn.managers.applications(yarn.tag, "")) if each["live"]]
    except NoAnswerError:
        live = []
    return "YARN does not know of it" + "".join(
        f"; it has {each['id']} as {each['user']}'s, not as {yarn.user}'s. Where that is it (hadoop.security.auth_to_local), end it (yarn application "
        f"-kill {each['id']}), and set flink_ha_user: {each['user']}"
        for each in live
    )


def _ended(found: Mapping[str, Any]) -> str:
    return f"{found['id']} {record.told_state(found)}. {found['diagnostics']}"


def _last(printed: str) -> str:
    """What was printed last, without the places in the program."""
    lines = [line for line in printed.splitlines() if line.strip() and not line.lstrip().startswith(("at ", "... "))]
    return "\n".join(lines[-TOLD:])


# --- its end


class _GoesOnError(Exception):
    """A savepoint that was begun has not come to its end yet."""


@dataclass
class Stop:
    """How an application is ended.

    Attributes:
        yarn: applications with its tag.
        application: its id; another one is left alone.
        ask: asks its REST.
        savepoints: directory of the savepoints.
        lose: its jobs end without a savepoint.
        records: directory of root's in which it is noted which savepoints were taken, before each.
        seconds: for each savepoint, and for the application's end.
    """

    yarn: Yarn
    application: str
    ask: Ask
    savepoints: str
    lose: bool
    records: str
    seconds: float

    def __call__(self) -> dict[str, Any]:
        """What was done: application (empty where none was live), jobs (id, name, savepoint) and idle, the seconds since the first of its
        jobs has stood still.

        Raises:
            ApplicationError: the application is still there; the text says why, and which savepoints were taken.
        """
        found = only(self.yarn.applications(), self.yarn.tag)
        if not found:
            return {"application": "", "mode": "", "jobs": [], "idle": 0.0}
        if found["id"] != self.application:
            raise ApplicationError(
                f"{self.application} is not there any more, and {found['id']} is: another run has started it. Nothing was done."
            )
        runs = found["state"] == RUNNING
        if not runs and not self.lose:
            self._wait_for(found)
        jobs = self._jobs(found["id"]) if runs and not self.lose else []
        # One that runs again goes on from somewhere later.
        taken = [each for each in self._taken_before(found) if each["id"] not in [job["id"] for job in jobs]]
        if runs and not self.lose and not jobs and not taken and found["mode"] == record.APPLICATION:
            raise ApplicationError(
                f"{found['id']} has no job, so that there is nothing to take a savepoint of, and nothing was done. Where its main method takes long, wait "
                f"for it. To end it all the same: -e flink_ha_accept_lost_jobs=true; what it had started from stands in "
                f"{record.path(self.records, found['id'])}."
            )
        began, rounds, here = None, 0, set[str]()
        while jobs:
            rounds += 1
            if rounds > ROUNDS:
                raise ApplicationError(
                    f"{found['id']} was not told to end: jobs are submitted to it again and again. See to it that nobody does, and run again."
                    f"{_taken(taken)}"
                )
            for job in jobs:
                taken.append({**job, "savepoint": self._savepoint(found, job, taken)})
                began = self.yarn.clock() if began is None else began
                self.yarn.note(self.records, found, {"jobs": taken})
            here |= {job["id"] for job in jobs}
            # A savepoint takes its time, in which others submit to a session. An application has no job but its own, and ends with it.
            jobs = self._jobs(found["id"], taken) if found["mode"] == record.SESSION else []
            jobs = [job for job in jobs if job["id"] not in here]
            taken = [each for each in taken if each["id"] not in [job["id"] for job in jobs]]
        why = self._end(found["id"], runs)
        last = self.yarn.until(lambda found: not only(found, self.yarn.tag), self.seconds)
        if only(last, self.yarn.tag):
            raise ApplicationError(
                f"{found['id']} was told to end, and is there after {self.seconds:g} s{why}. Have YARN end it, as the user {self.yarn.user}: "
                f"yarn application -kill {found['id']}.{_taken(taken)}"
            )
        return {
            "application": found["id"],
            "mode": found["mode"],
            "jobs": taken,
            "idle": 0.0 if began is None else self.yarn.clock() - began,
        }

    def _wait_for(self, found: Mapping[str, Any]) -> None:
        """Ends the run where one that does not run now may have jobs; one that has never had a container has none.

        After a ResourceManager has failed over, and between two attempts, an application with jobs is ACCEPTED for a while. Then it serves at
        another place.

        Raises:
            ApplicationError: it has been running.
        """
        if not self._had_container(found["id"]):
            return
        last = self.yarn.until(
            lambda each: not only(each, self.yarn.tag) or only(each, self.yarn.tag)["state"] == RUNNING, self.seconds
        )
        if only(last, self.yarn.tag).get("state") != RUNNING:
            raise ApplicationError(
                f"{found['id']} has been running and does not run now, so its jobs could not be asked for savepoints, and nothing was done. Run "
                "again when it is back. To give up what its jobs hold: -e flink_ha_accept_lost_jobs=true."
            )
        raise ApplicationError(
            f"{found['id']} was away for a while, and is back at another place. Nothing was done: run again."
        )

    def _had_container(self, application_id: str) -> bool:
        try:
            attempts = self.yarn.managers.attempts(application_id)
        except NoAnswerError:
            return True
        return len(attempts) > 1 or any(each.get("containerId") for each in attempts)

    def _taken_before(self, found: Mapping[str, Any]) -> list[dict[str, str]]:
        """Savepoints of a run that did not come to its end."""
        try:
            return [dict(each) for each in record.read(self.records, found["id"])["jobs"] if each["savepoint"]]
        except ValueError as error:
            raise ApplicationError(f"{error}. See what is in it, and move it away. Nothing was done.") from None

    def _end(self, application_id: str, runs: bool) -> str:
        """Tells the application to end: by itself, which leaves nothing behind, or by YARN; how that went, where it went wrong."""
        if runs:
            # It may close before it has answered: whether it ends is seen.
            with contextlib.suppress(OSError, ValueError):
                if self.ask("DELETE", "/cluster", {})[0] == 200:
                    return ""
            if not self.lose:
                return ""
        try:
            self.yarn.managers.kill(application_id, self.yarn.user)
        except NoAnswerError as error:
            return f" ({error})"
        return ""

    def _jobs(self, application_id: str, taken: Sequence[Mapping[str, str]] = ()) -> list[dict[str, str]]:
        try:
            status, body = self.ask("GET", "/jobs/overview", {})
            if status != 200:
                raise ValueError(f"answers {status}")
            return [
                {"id": _job_id(each["jid"]), "name": _line(str(each["name"])), "state": _line(str(each["state"]))}
                for each in body["jobs"]
                if each["state"] not in ("FINISHED", "CANCELED", "FAILED")
            ]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ApplicationError(
                f"{application_id}: which jobs run could not be read ({error}), so it was not told to end.{_taken(taken)}"
            ) from None

    def _savepoint(self, found: Mapping[str, Any], job: Mapping[str, str], taken: Sequence[Mapping[str, str]]) -> str:
        """Ends a job with a savepoint: its path."""
        # A directory of its own: whatever becomes of this run, what is there is this savepoint.
        target = f"{self.savepoints.rstrip('/')}/{found['id']}-{job['id']}"
        self.yarn.note(self.records, found, {"jobs": [*taken, {**job, "savepoint": "", "looked_for_in": target}]})
        try:
            status, body = self.ask("POST", f"/jobs/{job['id']}/stop", {"targetDirectory": target, "drain": False})
            if status != 202:
                raise ValueError(f"answers {status}: {_line(str(body))}")
            place = f"/jobs/{job['id']}/savepoints/{urllib.parse.quote(str(body['request-id']), safe='')}"
            told = self._completed(place)
            if told is None:
                raise _GoesOnError
            return self._location(told)
        except _GoesOnError:
            raise ApplicationError(
                f"{found['id']}: the savepoint of job {job['id']} ({job['name']}) was begun, and has not come to its end in {self.seconds:g} s. It goes "
                f"on, and the job ends with it: its place is in {target}. Wait for it, and run again; a longer flink_ha_start_timeout waits "
                f"longer.{_taken(taken)}"
            ) from None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ApplicationError(
                f"{found['id']} runs on: of job {job['id']} ({job['name']}, {job['state']}) no savepoint was taken: {error}. One that still "
                f"goes on is found in {target}. Mend the job, or give it up and all others without a savepoint: "
                f"-e flink_ha_accept_lost_jobs=true.{_taken(taken)}"
            ) from None

    def _completed(self, place: str) -> Mapping[str, Any] | None:
        """What came of a savepoint, the good or the bad; None where it is not known yet. A JobManager that does not answer for a while is
        asked again: what was begun goes on without us."""

        def look() -> Mapping[str, Any] | None:
            try:
                status, body = self.ask("GET", place, {})
            except (OSError, ValueError):
                return None
            return body["operation"] if status == 200 and body["status"]["id"] == "COMPLETED" else None

        deadline = self.yarn.clock() + self.seconds
        return poll(
            look, lambda told: None if told is not None else deadline, POLL_SECONDS, self.yarn.clock, self.yarn.sleep
        )

    @staticmethod
    def _location(operation: Mapping[str, Any]) -> str:
        if "location" not in operation:
            cause = operation.get("failure-cause") or {}
            trace = str(cause.get("stack-trace") or cause.get("class") or "it says no reason")
            raise ValueError(printable("; ".join(_last(trace).splitlines()))[:600])
        place = str(operation["location"])
        if not record.PLACE.match(place):
            raise ValueError(f"its place is no path ({_line(place)})")
        return place


def _job_id(text: Any) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", str(text)):
        raise ValueError("a job has an id that is none")
    return str(text)


def _line(text: str) -> str:
    """A text that a job made up, in a line of at most 80 signs."""
    return " ".join(printable(text).split())[:80]


def _taken(jobs: Sequence[Mapping[str, str]]) -> str:
    told = [f"{each['name']}: {each['savepoint']}" for each in jobs if each["savepoint"]]
    return f" Ended with a savepoint before: {'; '.join(told)}" if told else ""
