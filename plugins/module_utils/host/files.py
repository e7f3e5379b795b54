"""Directories, files and links of a role, ensured in one execution, in the order given.

`plan` says what differs, `apply` makes it so; a file is written beside its path and renamed over it,
so that a reader (or a run that was killed) never meets half a file. How a path is reached, and as whom, is `guarded_paths`:
owner and mode are set only through the descriptor of what was opened.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import grp
import os
import pwd
import secrets
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.secret_text import holds_secret
from ansible_collections.streamquorum.ha.plugins.module_utils.host import guarded_paths
from ansible_collections.streamquorum.ha.plugins.module_utils.host.guarded_paths import EntryError

__all__ = [
    "Entry",
    "EntryError",
    "Found",
    "apply",
    "check",
    "diff_of",
    "differences",
    "find",
    "is_secret",
    "wanted_value",
]

Entry = Mapping[str, Any]

#: Bytes of a file that are compared; none of ours is nearly as large.
CONTENT_LIMIT = 16 * 2**20


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
    """What stands at `path`, without following a link.

    Raises:
        EntryError: a link on the way that somebody else than root could have made, or a file system that does not answer.
    """
    try:
        return Found(**guarded_paths.visit(path, _found))
    except (FileNotFoundError, NotADirectoryError):
        return Found()


def _found(folder: int, name: str) -> dict[str, str]:
    handle = os.open(name, guarded_paths.LOOK, dir_fd=folder)
    try:
        info = os.fstat(handle)
        found = {
            "kind": "other",
            "owner": guarded_paths.user_name(info.st_uid),
            "group": _group_name(info.st_gid),
            "mode": f"{stat.S_IMODE(info.st_mode):04o}",
        }
        if stat.S_ISLNK(info.st_mode):
            return found | {"kind": "link", "target": os.readlink("", dir_fd=handle)}
        if stat.S_ISDIR(info.st_mode):
            return found | {"kind": "directory"}
        if not stat.S_ISREG(info.st_mode):
            return found
        return found | {"kind": "file", "content": _text(handle, name)}
    finally:
        os.close(handle)


def _text(handle: int, name: str) -> str:
    try:
        return guarded_paths.content_of(handle, name, CONTENT_LIMIT).decode("utf-8", "surrogateescape")
    except PermissionError:
        if os.geteuid() == 0:
            raise
        # A file in a directory of somebody else's that its owner cannot read is not what is wanted there.
        return ""


def differences(entry: Entry, found: Found) -> list[str]:
    """Names of what differs between an entry and what was found; empty when nothing does."""
    wanted = entry["state"]
    if wanted == "absent" and any(_leads_to(link, entry["path"]) for link in entry.get("unless_linked") or []):
        return []
    if found.kind != wanted:
        return ["state"]
    if wanted == "absent":
        return []
    if wanted == "link":
        return [] if found.target == entry["target"] else ["target"]
    fields = ["owner", "group", "mode"] + (["content"] if wanted == "file" and not entry.get("once") else [])
    return [name for name in fields if str(wanted_value(entry, name)) != getattr(found, name)]


def _leads_to(link: str, path: str) -> bool:
    """Whether a link points to a path right now, by whatever the link says."""
    target = find(link).target
    return bool(target) and os.path.normpath(os.path.join(os.path.dirname(link), target)) == os.path.normpath(path)


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
        text_before, text_after = found.content or _content(entry.get("compare")), str(wanted_value(entry, "content"))
        # Either side: what is dropped from a file is still somebody's password.
        if is_secret(entry) or holds_secret(text_before) or holds_secret(text_after):
            text_before, text_after = "(secret)\n", "(secret, changed)\n"
    return {
        "before_header": f"{entry['path']} {_facts(before)}",
        "after_header": f"{entry['path']} {_facts(after)}",
        "before": text_before or _facts(before) + "\n",
        "after": text_after or _facts(after) + "\n",
    }


def _content(path: str | None) -> str:
    return find(path).content if path else ""


def _facts(facts: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in facts.items())


def apply(entry: Entry) -> None:
    """Makes one entry so.

    Raises:
        EntryError: it lies below a directory of somebody else's, and would not belong to them; or a link stands on the way.
        OSError: with the system's reason.
        KeyError: unknown owner or group.
    """
    path, state = entry["path"], entry["state"]
    if state == "absent":
        guarded_paths.visit(path, _remove)
        return
    if state == "link":
        target = entry["target"]
        guarded_paths.visit(
            path, lambda folder, name: _replace(folder, name, lambda new: os.symlink(target, new, dir_fd=folder))
        )
        return
    rights = _Rights(
        path,
        pwd.getpwnam(entry["owner"]).pw_uid,
        grp.getgrnam(entry["group"]).gr_gid,
        int(entry["mode"], 8),
        entry["owner"],
    )
    if state == "directory":
        guarded_paths.visit(path, lambda folder, name: _make_directory(folder, name, rights), make=True)
        return
    data = str(wanted_value(entry, "content")).encode("utf-8", "surrogateescape")
    guarded_paths.visit(path, lambda folder, name: _write(folder, name, data, rights))


@dataclass(frozen=True)
class _Rights:
    """Whose something is to be, and its mode; `path` and `owner` for the words of a refusal."""

    path: str
    uid: int
    gid: int
    mode: int
    owner: str

    def check(self) -> None:
        """Refuses to give away what is made by somebody else than root, who alone can. Needs the effective user of the deed."""
        maker = os.geteuid()
        if maker not in (0, self.uid):
            name = guarded_paths.user_name(maker)
            raise EntryError(
                f"{self.path} is to belong to {self.owner}, and lies below a directory that belongs to {name}, who could put anything "
                f"in its place: nothing there is given to anybody but {name}. Give that directory to root or to {self.owner}, or "
                "choose another path."
            )

    def give(self, handle: int) -> None:
        """Through what was opened, never by a path, at which something else may stand by now."""
        found = os.fstat(handle)
        if (found.st_uid, found.st_gid) != (self.uid, self.gid):
            os.fchown(handle, self.uid if os.geteuid() == 0 else -1, self.gid)
        # Not before: the system takes bits away where the owner changes.
        if stat.S_IMODE(os.fstat(handle).st_mode) != self.mode:
            os.fchmod(handle, self.mode)


def _make_directory(folder: int, name: str, rights: _Rights) -> None:
    rights.check()
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=folder)
    try:
        _give_directory(folder, name, rights)
    except PermissionError:
        # Storage in which root is nobody (NFS with root_squash): whose it is already sets the rest.
        there = os.open(name, guarded_paths.LOOK | os.O_DIRECTORY, dir_fd=folder)
        try:
            found = os.fstat(there)
            if os.geteuid() != 0 or found.st_uid != rights.uid or rights.uid == 0:
                raise
            guarded_paths.as_owner(rights.path, found, lambda: _give_directory(there, ".", rights))
        finally:
            os.close(there)


def _give_directory(folder: int, name: str, rights: _Rights) -> None:
    # For the words, before an open that may fail; and for what was opened, since another may stand there by now.
    _check_giver(folder, os.stat(name, dir_fd=folder, follow_symlinks=False), rights)
    handle = guarded_paths.directory(folder, name)
    try:
        _check_giver(folder, os.fstat(handle), rights)
        rights.give(handle)
    finally:
        os.close(handle)


def _check_giver(folder: int, found: os.stat_result, rights: _Rights) -> None:
    """Refuses to give away a directory that somebody could have moved to where it is, from where it was safe."""
    holder, owner = os.fstat(folder), found.st_uid
    if owner not in (0, rights.uid) and (holder.st_mode & 0o022 or os.geteuid() != 0):
        raise EntryError(
            f"{rights.path} belongs to {guarded_paths.user_name(owner)}, and others may put directories there. "
            f"If it is the right one, give it to {rights.owner} by hand: chown {rights.owner} {rights.path}"
        )
    if owner == 0 and os.geteuid() != 0:
        raise EntryError(
            f"{rights.path} belongs to root, and lies in a directory of {rights.owner}, who can have moved it there: root's are not given "
            f"away. If it is the right one (a file system that is mounted there), do so by hand: chown {rights.owner} {rights.path}"
        )


def _write(folder: int, name: str, data: bytes, rights: _Rights) -> None:
    rights.check()

    def fill(new: str) -> None:
        # Rights before content: a secret is never readable to others, not even for a moment.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600, dir_fd=folder), "wb") as stream:
            rights.give(stream.fileno())
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())

    _replace(folder, name, fill)


def _replace(folder: int, name: str, make: Callable[[str], None]) -> None:
    new = f".streamquorum-{secrets.token_hex(8)}"
    try:
        make(new)
        os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise


def _remove(folder: int, name: str) -> None:
    """Removes what stands there, and what is in it. A directory is opened before it is emptied, and never through a link."""
    try:
        os.unlink(name, dir_fd=folder)
        return
    except OSError as error:
        if error.errno != errno.EISDIR:
            raise
    handle = guarded_paths.directory(folder, name)
    try:
        for each in os.listdir(handle):
            _remove(handle, each)
    finally:
        os.close(handle)
    os.rmdir(name, dir_fd=folder)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
