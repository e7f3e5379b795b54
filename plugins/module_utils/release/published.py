"""The sum that Apache publishes beside an archive: where it stands, and the record of what was read. Pure.

Apache keeps sums on its own hosts only, and asks that they are taken from there and never from a mirror
(https://infra.apache.org/release-distribution.html). The record is a file as `sha512sum` writes and checks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import (
    ReleaseError,
    parse_sha512,
    release_installed,
)

#: Current releases; every release.
HOSTS = ("https://downloads.apache.org", "https://archive.apache.org/dist")
#: Name of the record, beside the inventory. Ansible takes no .txt for an inventory.
RECORD = "published-sums.txt"
HEAD = "# Sums as Apache published them when each was first read. An archive with another sum is refused.\n"


def urls(name: str, version: str, archive: str) -> list[str]:
    """Where the sum of an archive is published.

    Args:
        name: `zookeeper` or `flink`.
        version: of the release.
        archive: official name of the archive.
    """
    return [f"{host}/{name}/{name}-{version}/{archive}.sha512" for host in HOSTS]


def recorded(text: str) -> dict[str, str]:
    """Sums by archive.

    Raises:
        ReleaseError: a line is none of a record.
    """
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        parts = re.fullmatch(r"([0-9a-f]{128}) [ *](\S+)", line.strip())
        if not parts:
            raise ReleaseError(f"{RECORD} has the line {line[:60]!r}, which is no sum with the name of an archive.")
        found[parts.group(2)] = parts.group(1)
    return found


def with_sum(text: str, archive: str, sha512: str, url: str, day: str) -> str:
    """The record with one more archive.

    Args:
        text: of the record so far; empty where there is none.
        archive: official name.
        sha512: in lower-case hexadecimal.
        url: where it was read.
        day: when, YYYY-MM-DD.
    """
    return f"{text or HEAD}# {url}, {day}\n{sha512}  {archive}\n"


def read_sum(text: str, archive: str) -> str:
    """The sum in a .sha512 file.

    Raises:
        ReleaseError: the file holds none, or names another archive.
    """
    names = [word.lstrip("*").removesuffix(":") for word in text.split() if "." in word]
    if names and archive not in names:
        raise ReleaseError(f"it names {names[0]}, and not {archive}")
    return parse_sha512(text)


def to_ask(source: Mapping[str, object], markers: Iterable[str], method: str = "archive") -> bool:
    """Whether Apache has to be asked for a sum.

    Args:
        source: of the release, as `release_source` found it.
        markers: text of each host's marker of this release; empty where it is not installed.
        method: how it is installed.
    """
    if source["sha512"] or not source["archive"] or method == "package":
        return False
    name, version = str(source["name"]), str(source["version"])
    return not all(release_installed(each, name, version, "") for each in markers)
