"""What a client host notes of an application on YARN: that it was started from here, from what, and which savepoints its end has left.

YARN forgets applications: those that ended long ago, and all of them where it restarts without recovery. What was noted stays, in a file
for each application, so that its jobs are not begun from nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import files

#: Modes of an application on YARN.
SESSION, APPLICATION = "session", "application"
#: An application's id, as YARN writes it (ApplicationId.toString).
ID = r"application_\d+_\d+"
NAME = re.compile(rf"^savepoints-({ID})\.json$")
#: Paths and URIs that Flink makes of a directory of ours. Whatever else stands there, the JobManager has made it up.
PLACE = re.compile(r"^[\w./][\w.:/=@%+-]*\Z")


def told_state(found: Mapping[str, Any]) -> str:
    """What YARN says of an application, as the end of a sentence about it."""
    return f"is {found['state']}, {found['final_status']}"


def path(directory: str, application: str) -> str:
    return f"{directory}/savepoints-{application}.json"


def write(directory: str, record: Mapping[str, Any]) -> None:
    """Notes an application; the file says it in the order in which it happens.

    Raises:
        OSError: it could not be written.
    """
    entry = {"path": path(directory, record["application"]), "state": "file", "owner": "root", "group": "root"}
    files.apply({**entry, "mode": "0644", "content": json.dumps(record, indent=2, sort_keys=True) + "\n"})


def content(directory: str, application: str) -> dict[str, str]:
    """Path and content of a record, for other hosts that are to have it; empty where there is none."""
    try:
        with open(path(directory, application), encoding="utf-8") as handle:
            return {"path": path(directory, application), "content": handle.read()}
    except OSError:
        return {}


def read(directory: str, application: str) -> dict[str, Any]:
    """What was noted of an application: tag (empty where nothing was), mode, from and jobs.

    Raises:
        ValueError: there is a record that cannot be read.
    """
    record = {"application": application, "tag": "", "mode": "", "from": "", "jobs": []}
    try:
        with open(path(directory, application), encoding="utf-8") as handle:
            found = json.load(handle)
        return {name: found[name] for name in record} | {"application": application}
    except FileNotFoundError:
        return record
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path(directory, application)} cannot be read: {type(error).__name__}") from error


def noted(directory: str) -> list[str]:
    """Ids of all that were noted."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        names = []
    return [match.group(1) for name in names if (match := NAME.match(name))]


def newest(directory: str) -> str:
    """Id of the youngest that was noted; empty for none."""
    return max(noted(directory), key=order, default="")


def order(application: str) -> tuple[int, ...]:
    """By which ids are in the order of their submission: when the ResourceManager started, and the number since."""
    return tuple(int(number) for number in re.findall(r"\d+", application))


def last(directory: str, tag: str, applications: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The last application of a client host, of those that YARN knows, or else of those that were noted.

    A session that has left no savepoint is passed over where there is an older one: nothing of it is to be gone on with. Whatever stands in
    the directory is of one and the same application, also under a name that it had before.

    Args:
        directory: of the records.
        tag: whose application it is.
        applications: what YARN tells of those with the tag.

    Returns:
        application (empty for none), tag, mode, from, jobs, as they were noted; noted, whether something was; known, whether YARN knows of
        it; and told, what YARN says of it.
    """
    known = {each["id"]: each for each in applications}
    # What YARN knows is later than what it does not: the site may have moved to another YARN, whose ids are its own.
    ids = sorted({*known, *noted(directory)}, key=lambda each: (each in known, order(each)), reverse=True)
    found = [_known(directory, tag, each, known) for each in ids]
    if not found:
        return {**read(directory, ""), "noted": False, "known": False, "told": ""}
    return next((each for each in found if each["mode"] != SESSION or each["jobs"]), found[0])


def _known(directory: str, tag: str, application: str, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    unread = ""
    try:
        record = read(directory, application)
    except ValueError as error:
        # It is one of which nothing is known, and no reason to take an older one.
        record, unread = (
            {**read(directory, ""), "application": application, "tag": tag, "mode": APPLICATION},
            str(error),
        )
    found = known.get(application)
    told = told_state(found) if found else "is not known to YARN any more"
    if not found and record["tag"] != tag:
        told = f"was started under the tag {record['tag']}"
    return {
        **record,
        "mode": found["mode"] if found else record["mode"],
        "noted": bool(record["tag"]),
        "known": bool(found),
        "told": f"{told} ({unread})" if unread else told,
    }
