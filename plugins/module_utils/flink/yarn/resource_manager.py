"""The ResourceManagers of YARN over REST: who is active, what it is configured with, its queues, and applications by tag.

Needs Python's standard library alone and imports nothing of this collection: on the client this very file is the program that watches an
application (`python3 watch.py TAG USER PRINCIPAL URL...`). The Python module kerberos, which python3-kerberos brings, is needed only where the web of
YARN asks for a ticket.

One that stands by answers `/ws/v1/cluster/info` itself and sends on for everything else, by the host name of the active one (307, seen on
3.4.2), so only the active one is asked.
"""

from __future__ import annotations

import http.client
import importlib
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any

#: States in which an application is, or is about to be, there (YarnApplicationState).
LIVE = ("NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED", "RUNNING")
RUNNING = "RUNNING"
#: What a cluster of some thousand applications answers is smaller.
BODY_LIMIT = 32 * 2**20
TIMEOUT = 10.0
#: Of the end of a log.
LOG_BYTES = 1500
#: Characters of a text of others that are shown.
SHOWN = 2000
WATCH_SECONDS = 10.0

JSON, XML, PLAIN = "application/json", "application/xml", "text/plain"

#: `get(url, type)`: the body of that type.
Get = Callable[[str, str], bytes]
Put = Callable[[str, bytes], bytes]
Found = dict[str, Any]


class NoAnswerError(Exception):
    """No ResourceManager that is active answers; the text says what each of them did.

    Attributes:
        later: one asks for a ticket of Kerberos, and what gives one is not installed on this host yet.
    """

    def __init__(self, text: str, later: bool = False) -> None:
        super().__init__(text)
        self.later = later


class NegotiateError(OSError):
    """A ticket of Kerberos is asked for, and there is none; the text says why.

    Attributes:
        later: what gives one is not installed on this host yet.
    """

    def __init__(self, text: str, later: bool = False) -> None:
        super().__init__(text)
        self.later = later


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing: an answer of another host is not the one that was asked for."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


class Web:
    """The web of ResourceManagers and of their nodes, with a ticket of Kerberos where it asks for one (SPNEGO, RFC 4559).

    Args:
        principal: who asks; empty for whose ticket the Kerberos library finds.
        ticket: lets it find one; raises NegotiateError where it cannot.
    """

    def __init__(self, principal: str = "", ticket: Callable[[], None] = lambda: None) -> None:
        self._principal, self._ticket = principal, ticket

    def get(self, url: str, accept: str) -> bytes:
        """The body of an answer 200, of the type that is asked for.

        Raises:
            OSError: there is none.
        """
        return self._answer(urllib.request.Request(url, headers={"Accept": accept}))

    def put(self, url: str, content: bytes) -> bytes:
        """The body of what answers a PUT with JSON.

        Raises:
            OSError: it is refused, or there is no answer.
        """
        return self._answer(urllib.request.Request(url, content, {"Content-Type": JSON, "Accept": JSON}, method="PUT"))

    def _answer(self, request: urllib.request.Request) -> bytes:
        try:
            return _open(request)
        except urllib.error.HTTPError as error:
            asked = [each.strip().lower() for each in error.headers.get_all("WWW-Authenticate", [])]
            if error.code != http.client.UNAUTHORIZED or not any(each.startswith("negotiate") for each in asked):
                raise
        self._ticket()
        host = urllib.parse.urlsplit(request.full_url).hostname
        request.add_header("Authorization", f"Negotiate {_token(f'HTTP@{host}', self._principal)}")
        return _open(request)


def _open(request: urllib.request.Request) -> bytes:
    # No proxy of the environment: ResourceManagers are hosts of the site.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            body: bytes = answer.read(BODY_LIMIT)
    except http.client.HTTPException as error:
        # What speaks another protocol, or dies within its answer.
        raise OSError(f"no whole answer ({type(error).__name__})") from error
    return body


def _token(service: str, principal: str) -> str:
    """What proves to a service who asks, by the ticket that the Kerberos library finds."""
    try:
        kerberos: Any = importlib.import_module("kerberos")
    except ImportError:
        raise NegotiateError("it asks for Kerberos, and the Python module kerberos is missing here", True) from None
    try:
        _code, context = kerberos.authGSSClientInit(service, **({"principal": principal} if principal else {}))
        kerberos.authGSSClientStep(context, "")
        return str(kerberos.authGSSClientResponse(context))
    except kerberos.GSSError as error:
        # The last of them is what the mechanism says: ((text, code), (text, code)).
        raise NegotiateError(f"it asks for Kerberos: {error.args[-1][0]}") from error


class ResourceManagers:
    """Asks the active one of the ResourceManagers.

    Args:
        urls: of each, such as http://rm1:8088.
        get: the body that a URL answers, of a type; raises OSError where it does not.
        put: the same of a PUT with a content.
    """

    def __init__(self, urls: Sequence[str], get: Get, put: Put) -> None:
        self._urls, self._get, self._put = tuple(urls), get, put

    @classmethod
    def by(cls, web: Web, urls: Sequence[str]) -> ResourceManagers:
        """Those that are asked over the web."""
        return cls(urls, web.get, web.put)

    def active(self) -> tuple[str, Found]:
        """URL of the active one, and what it says of itself.

        Raises:
            NoAnswerError: there is none.
        """
        told, later = [], False
        for url in self._urls:
            try:
                info = self._json(f"{url}/ws/v1/cluster/info")["clusterInfo"]
                if info["haState"] == "ACTIVE":
                    return url, info
                told.append(f"{url} is {info['haState']}")
            except (OSError, ValueError, LookupError, TypeError) as error:
                told.append(f"{url}: {_reason(error)}")
                later = later or getattr(error, "later", False)
        raise NoAnswerError("; ".join(told) or "none is configured", later)

    def configuration(self) -> str:
        """The configuration that the active one runs with, as XML: JSON is told by the header of some releases, by a parameter of others.

        Raises:
            NoAnswerError: it was not told.
        """
        url, _info = self.active()
        try:
            return self._get(f"{url}/conf", XML).decode()
        except (OSError, ValueError) as error:
            raise NoAnswerError(f"{url}/conf: {_reason(error)}") from error

    def queues(self) -> list[str]:
        """Names of all queues, the short ones, and the whole ones where the scheduler tells them.

        Raises:
            NoAnswerError: they were not told.
        """
        found = self._of_active("/ws/v1/cluster/scheduler")
        return sorted(set(_queue_names(found["scheduler"]["schedulerInfo"])))

    def applications(self, tag: str, user: str) -> list[Found]:
        """A user's applications with a tag, those that have ended too as long as YARN knows of them; the youngest first.

        Without a user, those of all: anybody may give an application of theirs any tag.

        Raises:
            NoAnswerError: they were not told.
        """
        wanted = {"applicationTags": tag} | ({"user": user} if user else {})
        found = self._of_active(f"/ws/v1/cluster/apps?{urllib.parse.urlencode(wanted)}")
        return sorted(((found["apps"] or {}).get("app") or []), key=lambda each: -int(each["startedTime"]))

    def attempts(self, application: str) -> list[Found]:
        """Attempts of an application, the first one first.

        Raises:
            NoAnswerError: they were not told.
        """
        found = self._of_active(f"/ws/v1/cluster/apps/{urllib.parse.quote(application)}/appattempts")
        return sorted(((found["appAttempts"] or {}).get("appAttempt") or []), key=lambda each: int(each["id"]))

    def kill(self, application: str, user: str) -> None:
        """Has YARN end an application, as its own user, where YARN asks nobody who he is.

        Raises:
            NoAnswerError: it is refused, or nobody answers.
        """
        url, _info = self.active()
        path = (
            f"/ws/v1/cluster/apps/{urllib.parse.quote(application)}/state?{urllib.parse.urlencode({'user.name': user})}"
        )
        try:
            self._put(f"{url}{path}", json.dumps({"state": "KILLED"}).encode())
        except OSError as error:
            raise NoAnswerError(f"{url}{path}: {_reason(error)}") from error

    def log(self, attempt: Found) -> str:
        """The end of what an attempt's JobManager logged, from the node that ran it, as long as that keeps it (seen on 3.4.2).

        Raises:
            OSError: it is not told.
        """
        scheme = self._urls[0].partition(":")[0]
        container = urllib.parse.quote(str(attempt["containerId"]))
        url = f"{scheme}://{attempt['nodeHttpAddress']}/ws/v1/node/containers/{container}/logs/jobmanager.log?size=-{LOG_BYTES}"
        text = self._get(url, PLAIN).decode(errors="replace")
        return text.partition("LogContents:\n")[2].partition("\nEnd of LogType:")[0]

    def _of_active(self, path: str) -> Found:
        url, _info = self.active()
        try:
            return self._json(f"{url}{path}")
        except (OSError, ValueError) as error:
            raise NoAnswerError(f"{url}{path}: {_reason(error)}") from error

    def _json(self, url: str) -> Found:
        found = json.loads(self._get(url, JSON))
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        return found


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"answers {error.code}"
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _queue_names(queue: Any) -> Iterator[str]:
    """Names below a part of the scheduler's answer: of the capacity scheduler, the fair one and the FIFO one."""
    if isinstance(queue, list):
        for each in queue:
            yield from _queue_names(each)
    elif isinstance(queue, dict):
        # Of the capacity scheduler queueName is the last part, of the fair one the whole.
        whole = [str(queue[name]) for name in ("queueName", "queuePath") if queue.get(name)]
        yield from (name for each in whole for name in (each, each.rpartition(".")[2]))
        for name in ("rootQueue", "queues", "queue", "childQueues"):
            yield from _queue_names(queue.get(name))


def printable(text: str) -> str:
    """A text that an application, or whoever answers, made up: as it may be shown."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text[:SHOWN])


# --- the program that watches an application


def describe(application: Found) -> str:
    """An application in a line, without what changes all the time."""
    final = f", {application['finalStatus']}" if application["state"] not in LIVE else ""
    place = f", ApplicationMaster at {application['amHostHttpAddress']}" if application.get("amHostHttpAddress") else ""
    return f"{application['id']} is {application['state']}{final}{place}"


def watch(
    tag: str, user: str, managers: ResourceManagers, tell: Callable[[str], None], sleep: Callable[[float], None]
) -> int:
    """Tells each change of the user's application with this tag until it ends: the exit code of the program.

    It only looks: its own end is nothing to the application.
    """
    told = ""
    while True:
        try:
            found = managers.applications(tag, user)
            text = describe(found[0]) if found else f"YARN knows no application with the tag {tag}"
            ended = not found or found[0]["state"] not in LIVE
        except NoAnswerError as error:
            text, ended = f"no ResourceManager answers: {error}", False
        if text != told:
            tell(text)
            told = text
        if ended:
            if found and found[0].get("diagnostics"):
                tell(str(found[0]["diagnostics"]).strip())
            return 0 if found and found[0]["finalStatus"] == "SUCCEEDED" else 1
        sleep(WATCH_SECONDS)


def _say(text: str) -> None:
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(
        watch(sys.argv[1], sys.argv[2], ResourceManagers.by(Web(sys.argv[3]), sys.argv[4:]), _say, time.sleep)
    )
