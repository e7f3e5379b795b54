"""Directories, files and links of a role, ensured in one execution, in the order given.

`plan` says what differs, `apply` makes it so; a file is written beside its path and renamed over it,
so that a reader (or a run that was killed) never meets half a file.
"""

from __future__ import annotations

import base64
import grp
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Entry = Mapping[str, Any]


class EntryError(Exception):
    """An entry that cannot be ensured; the text names the path and the remedy."""


@dataclass(frozen=True)
class Found:
    """What stands at a path now."""

    kind: str = "absent"
    owner: str = ""
    group: str = ""
    mode: str = ""
    content: str = ""
    target: str = ""


def find(path: str) -> Found:
    """What stands at `path`, without following a link."""
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found()
    owner, group = _user_name(info.st_uid), _group_name(info.st_gid)
    mode = f"{stat.S_IMODE(info.st_mode):04o}"
    if stat.S_ISLNK(info.st_mode):
        return Found("link", owner, group, mode, target=os.readlink(path))
    if stat.S_ISDIR(info.st_mode):
        return Found("directory", owner, group, mode)
    if not stat.S_ISREG(info.st_mode):
        return Found("other", owner, group, mode)
    with open(path, "rb") as handle:
        return Found("file", owner, group, mode, handle.read().decode("utf-8", "surrogateescape"))


def differences(entry: Entry, found: Found) -> list[str]:
    """Names of what differs between an entry and what was found; empty when nothing does."""
    wanted = entry["state"]
    if found.kind != wanted:
        return ["state"]
    if wanted == "absent":
        return []
    if wanted == "link":
        return [] if found.target == entry["target"] else ["target"]
    fields = ["owner", "group", "mode"] + (["content"] if wanted == "file" and not entry.get("once") else [])
    return [name for name in fields if str(wanted_value(entry, name)) != getattr(found, name)]


def wanted_value(entry: Entry, name: str) -> Any:
    """An entry's value; the content may stand under `secret_content` or `secret_base64`, which are never shown."""
    if name == "content" and is_secret(entry):
        if entry.get("secret_base64") is not None:
            return base64.b64decode(entry["secret_base64"]).decode("utf-8", "surrogateescape")
        return entry["secret_content"]
    return entry[name]


def is_secret(entry: Entry) -> bool:
    """Whether an entry's content is never shown."""
    return entry.get("secret_content") is not None or entry.get("secret_base64") is not None


def check(entry: Entry, found: Found) -> None:
    """Refuses what would lose something.

    Raises:
        EntryError: something of another kind stands at the path, or a directory to be removed.
    """
    replaceable = {"absent", entry["state"]} | (
        {"file", "link"} if entry["state"] in ("file", "link", "absent") else set()
    )
    if entry["state"] == "absent" and found.kind == "directory" and entry.get("recursive"):
        return
    if found.kind not in replaceable:
        raise EntryError(
            f"{entry['path']} is a {found.kind}, and a {entry['state']} is wanted there. "
            "Nothing is removed by itself: move it away and run again."
        )


def diff_of(entry: Entry, found: Found, changed: Iterable[str]) -> dict[str, str]:
    """Before and after of one entry for `--diff`; a secret's content is not in it."""
    names = list(changed)
    before = {"state": found.kind} | {name: getattr(found, name) for name in names if name not in ("state", "content")}
    after = {"state": entry["state"]} | {
        name: str(wanted_value(entry, name)) for name in names if name not in ("state", "content")
    }
    text_before = text_after = ""
    if entry["state"] == "file" and ("content" in names or "state" in names):
        if is_secret(entry):
            text_before, text_after = "(secret)\n", "(secret, changed)\n"
        else:
            text_before, text_after = (found.content or _content(entry.get("compare"))), str(entry["content"])
    return {
        "before_header": f"{entry['path']} {_facts(before)}",
        "after_header": f"{entry['path']} {_facts(after)}",
        "before": text_before or _facts(before) + "\n",
        "after": text_after or _facts(after) + "\n",
    }


def _content(path: str | None) -> str:
    return find(path).content if path and os.path.isfile(path) else ""


def _facts(facts: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in facts.items())


def apply(entry: Entry) -> None:
    """Makes one entry so. Raises OSError with the system's reason, KeyError for an unknown owner or group."""
    path = entry["path"]
    if entry["state"] == "absent":
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        return
    if entry["state"] == "link":
        _replace(path, lambda temporary: os.symlink(entry["target"], temporary))
        return
    uid, gid = pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    if entry["state"] == "directory":
        os.makedirs(path, exist_ok=True)
    else:
        _write(path, str(wanted_value(entry, "content")), int(entry["mode"], 8), uid, gid)
    os.chown(path, uid, gid)
    os.chmod(path, int(entry["mode"], 8))


def _write(path: str, content: str, mode: int, uid: int, gid: int) -> None:
    def fill(temporary: str) -> None:
        # Rights before content: a secret is never readable to others, not even for a moment.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            os.fchown(handle, uid, gid)
            os.fchmod(handle, mode)
            stream.write(content.encode("utf-8", "surrogateescape"))
            stream.flush()
            os.fsync(handle)

    _replace(path, fill)


def _replace(path: str, make: Any) -> None:
    folder = tempfile.mkdtemp(prefix=".streamquorum-", dir=os.path.dirname(path))
    try:
        temporary = os.path.join(folder, "new")
        make(temporary)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
