"""Paths of which a part may belong to somebody else than root, who can swap what stands there between any two steps of ours.

A service's user owns its data, log and home directories, and with Flink whoever submits a job is that user. So a path is never
given to the system twice: `visit` walks it directory by directory, each one opened from the one before (O_NOFOLLOW), and
hands the last directory to an action as a descriptor. Two rules:

- a link is followed only where root alone could have made it: in a directory of root's that nobody else writes to;
- what lies below a directory of somebody else's is looked at and written as that somebody, in a process of its own, with a time
  limit. There no privilege of root's is used at all, so that none can be lent.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pwd
import select
import signal
import stat
import time
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

#: Seconds for what is done as somebody else: a local file system needs none of it, and what hangs must not hang the run.
OWNER_SECONDS = 60.0
#: As the kernel's own (MAXSYMLINKS).
LINKS_LIMIT = 40
#: Opens whatever it is without touching it: no FIFO waits, no device acts, no link is followed.
#: (A controller imports this too, and may be no Linux.)
LOOK = getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC


class EntryError(Exception):
    """What stands at a path, or on the way to it, is nothing that may be read or written; the text says what, and the remedy."""


def visit(path: str, action: Callable[[int, str], Result], make: bool = False, follow: bool = False) -> Result:
    """Result of `action(directory, name)`: the directory that holds the path, as a descriptor, and the name in it.

    Below a directory of somebody else's it runs as its owner in a child: what it gives must be JSON then, and what it changes
    in memory is lost.

    Args:
        path: absolute.
        action: reads or writes, by dir_fd and without following a link.
        make: directories on the way that are missing are made.
        follow: a link at the end is followed too, if root alone could have made it.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no directory that would hold the path.
        EntryError: a link on the way that somebody else than root could have made; or what is done there takes too long.
        OSError: of the action.
    """
    names = [name for name in path.split("/") if name not in ("", ".")]
    if not path.startswith("/") or not names or names[-1] == "..":
        raise EntryError(
            f"{path} is no path that can be looked at: an absolute one that names something below / is wanted."
        )
    with contextlib.ExitStack() as held:
        walk = _Walk(path, held, make)
        folder, rest, owner = walk.down(names, follow)
        if owner is None:
            return action(folder, rest[0])

        def below() -> Result:
            with contextlib.ExitStack() as inner:
                last, name = _Walk(path, inner, make).strictly(folder, rest)
                return action(last, name)

        return as_owner(path, owner, below)


def owner_on_the_way(path: str) -> str:
    """Who else than root owns a directory that leads to `path`; empty where it is root's all the way, as far as it exists.

    Raises:
        EntryError: a link on the way that somebody else than root could have made.
    """
    with contextlib.ExitStack() as held:
        try:
            names = [name for name in path.split("/") if name not in ("", ".")]
            # The last one counts as well.
            _folder, _rest, owner = _Walk(path, held, make=False).down([*names, "."], follow=False)
        except (FileNotFoundError, NotADirectoryError):
            return owner_on_the_way(os.path.dirname(path.rstrip("/"))) if path.strip("/") else ""
        return user_name(owner.st_uid) if owner else ""


def kind_of(mode: int) -> str:
    """What a file of this mode is called in a refusal."""
    kinds = {
        stat.S_IFLNK: "link",
        stat.S_IFDIR: "directory",
        stat.S_IFREG: "file",
        stat.S_IFIFO: "FIFO",
        stat.S_IFSOCK: "socket",
    }
    return kinds.get(stat.S_IFMT(mode), "device")


def content(folder: int, name: str, limit: int) -> bytes:
    """Content of a regular file, up to `limit` bytes.

    Raises:
        EntryError: it is no regular file. No FIFO is waited for, and no link is followed.
    """
    handle = os.open(name, LOOK, dir_fd=folder)
    try:
        return content_of(handle, name, limit)
    finally:
        os.close(handle)


def content_of(handle: int, name: str, limit: int) -> bytes:
    """The same of what was opened with LOOK: what is read is what was judged, whatever stands at the name by now."""
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        raise EntryError(f"{name} is a {kind_of(mode)}, and a file is wanted.")
    # O_NONBLOCK: the owner of a file may hold a lease on it, for which an open would wait.
    opened = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as stream:
        return stream.read(limit)


def directory(folder: int, name: str) -> int:
    """A directory, opened for reading; never through a link."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


class _Walk:
    """Opens the directories of a path one from the other; they stay open as long as `held`."""

    def __init__(self, path: str, held: contextlib.ExitStack, make: bool) -> None:
        self._path = path
        self._held = held
        self._make = make

    def down(self, names: list[str], follow: bool) -> tuple[int, list[str], os.stat_result | None]:
        """The last directory and the name in it; or, with its owner, the first directory of somebody else's and what is left."""
        pending = names[::-1]
        stack = [self._opened(os.open("/", LOOK | os.O_DIRECTORY))]
        links = 0
        while len(pending) > 1 or follow:
            if not pending:
                raise _no_directory("/", self._path)
            name = pending.pop()
            if name == "..":
                stack = stack[:-1] or stack
                continue
            try:
                child, info = self._look(stack[-1], name, last=not pending)
            except FileNotFoundError:
                if pending:
                    raise
                return stack[-1], [name], None
            if stat.S_ISLNK(info.st_mode):
                links += 1
                if links > LINKS_LIMIT or not _of_root_alone(os.fstat(stack[-1]), info):
                    raise self._refusal(name, info)
                target = os.readlink("", dir_fd=child)
                if target.startswith("/"):
                    del stack[1:]
                pending += [part for part in target.split("/") if part not in ("", ".")][::-1]
                continue
            if not pending:
                return stack[-1], [name], None
            if not stat.S_ISDIR(info.st_mode):
                raise _no_directory(name, self._path)
            stack.append(child)
            if _foreign(info):
                return child, pending[::-1], info
        return stack[-1], pending[::-1], None

    def strictly(self, folder: int, names: list[str]) -> tuple[int, str]:
        """The same in the child, as the owner: no link is followed, no way leads up, and in each further owner's directory it is
        done as that one. A directory of root's does not give root's privileges back."""
        for name in names[:-1]:
            folder, info = self._look(folder, name, last=False)
            if stat.S_ISLNK(info.st_mode) or name == "..":
                raise self._refusal(name, info)
            if not stat.S_ISDIR(info.st_mode):
                raise _no_directory(name, self._path)
            if info.st_uid not in (0, os.geteuid()):
                _become(info)
        return folder, names[-1]

    def _look(self, folder: int, name: str, last: bool) -> tuple[int, os.stat_result]:
        try:
            child = os.open(name, LOOK, dir_fd=folder)
        except FileNotFoundError:
            if last or not self._make:
                raise
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            child = os.open(name, LOOK, dir_fd=folder)
        return self._opened(child), os.fstat(child)

    def _opened(self, handle: int) -> int:
        self._held.callback(os.close, handle)
        return handle

    def _refusal(self, name: str, info: os.stat_result) -> EntryError:
        whose = f"a link that somebody else than root could have made (it belongs to {user_name(info.st_uid)}), and is not followed"
        if self._path.rstrip("/").endswith(f"/{name}"):
            return EntryError(
                f"{self._path} is {whose}. Look who made it, and put there in its place what it is to lead to."
            )
        return EntryError(
            f"{name}, on the way to {self._path}, is {whose}: it could lead anywhere. Look who made it, and name the directory "
            "itself, or let root make the link in a directory that root alone writes to."
        )


def _foreign(info: os.stat_result) -> bool:
    # Without root's privileges there are none that could be lent.
    return os.geteuid() == 0 and info.st_uid != 0


def _no_directory(name: str, path: str) -> NotADirectoryError:
    return NotADirectoryError(errno.ENOTDIR, f"{name}, on the way, is no directory that could hold it", path)


def _of_root_alone(holder: os.stat_result, link: os.stat_result) -> bool:
    """Whether nobody but root (or ourselves) can have put a link where it is.

    The sticky bit does not help: in /tmp everybody makes links, and where hard links are not protected, links of root's too.
    """
    ours = {0, os.geteuid()}
    written_by_others = holder.st_mode & stat.S_IWOTH or (holder.st_mode & stat.S_IWGRP and holder.st_gid != 0)
    return holder.st_uid in ours and link.st_uid in ours and not written_by_others


def as_owner(path: str, owner: os.stat_result, what: Callable[[], Result], seconds: float = OWNER_SECONDS) -> Result:
    """Result of `what`, done by the owner of a directory in a process of its own.

    Only the effective ids change: the real ones stay root's, so that the owner cannot send it signals, nor look into it.

    Raises:
        EntryError: it was refused, or did not come to an end.
        OSError: as `what` raised it.
    """
    user = user_name(owner.st_uid)
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        _reply(receiver, sender, owner, what)
    os.close(sender)
    try:
        text = _received(receiver, time.monotonic() + seconds)
    finally:
        os.close(receiver)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not text:
        raise EntryError(
            f"{path}: a directory on the way belongs to {user}, and what was to be done there as {user} gave no answer within {seconds:g} s. "
            "Look whether the file system answers, and run again."
        )
    reply = json.loads(text)
    if "refused" in reply:
        raise EntryError(reply["refused"])
    if "error" in reply:
        number, reason = reply["error"]
        raise OSError(number, f"{reason} (as {user}, to whom a directory on the way belongs)", path)
    result: Result = reply["result"]
    return result


def _reply(receiver: int, sender: int, owner: os.stat_result, what: Callable[[], Any]) -> None:
    """The child: becomes the owner, tells the result, and ends without going back to where it was forked."""
    try:
        os.close(receiver)
        _become(owner)
        try:
            reply: dict[str, Any] = {"result": what()}
        except EntryError as error:
            reply = {"refused": str(error)}
        except OSError as error:
            reply = {"error": [error.errno or 0, error.strerror or str(error)]}
        with os.fdopen(sender, "wb") as stream:
            stream.write(json.dumps(reply).encode())
    finally:
        os._exit(0)


def _become(owner: os.stat_result) -> None:
    try:
        entry = pwd.getpwuid(owner.st_uid)
        group, groups = entry.pw_gid, os.getgrouplist(entry.pw_name, entry.pw_gid)
    except KeyError:
        group, groups = owner.st_gid, [owner.st_gid]
    os.seteuid(0)
    os.setgroups(groups)
    os.setegid(group)
    os.seteuid(owner.st_uid)


def _received(receiver: int, deadline: float) -> bytes:
    """All that a child wrote until it ended; nothing where it did not end in time."""
    parts: list[bytes] = []
    while True:
        ready, _writable, _failed = select.select([receiver], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return b""
        part = os.read(receiver, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def user_name(uid: int) -> str:
    """Name of a user; the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
