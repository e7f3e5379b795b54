"""Release archives: where one comes from (pure), whether it is installed (pure), and the installation.

A release is installed once, beside the others, under a name that holds its version. The marker inside of it decides
whether it is there: it is written last, before the directory gets its name, so a directory that a killed run or a
corrupt archive left behind is never taken for a release, and a release that may be running is never written to.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.streamquorum.ha.plugins.module_utils.host import guarded_paths

MARKER = ".streamquorum-release"
#: The archive, while it is fetched, and the tree, while it is unpacked, stand in `<dest>.partial`.
PARTIAL = ".partial"
BLOCK = 1024 * 1024
URL_SCHEMES = ("http", "https", "ftp")


class ReleaseError(Exception):
    """A release that cannot be installed; the text says why and what to do."""


class SourceError(Exception):
    """One source that did not give the archive; the next one is tried."""


@dataclass(frozen=True)
class Release:
    """What is wanted: `sha512` is in lower-case hexadecimal."""

    name: str
    version: str
    sha512: str


# --- sums ------------------------------------------------------------------------------------------------------------


def parse_sha512(text: str) -> str:
    """The sum in lower-case hexadecimal, from any form in which Apache publishes one.

    Those are `SUM`, `SUM  FILE`, `SUM *FILE`, `FILE: SUM`, and gpg's groups of eight over several lines.

    Raises:
        ReleaseError: the text holds no sha512 sum.
    """
    for word in text.replace(":", " ").split():
        if re.fullmatch(r"[0-9A-Fa-f]{128}", word):
            return word.lower()
    grouped = "".join(re.findall(r"(?<![0-9A-Za-z.-])[0-9A-Fa-f]{8}(?![0-9A-Za-z.-])", text))
    if len(grouped) == 128:
        return grouped.lower()
    raise ReleaseError(
        f"{text.strip()[:40]!r} is no sha512 sum (128 hexadecimal digits). "
        "Without a sum nothing is installed: take it from the publisher's .sha512 file."
    )


def sha512_of(path: str) -> str:
    """The sha512 of a file, in lower-case hexadecimal. Raises OSError."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha512").hexdigest()


def check_sum(found: str, wanted: str, source: str) -> None:
    """Raises ReleaseError when an archive is not the wanted one. It ends the run: no other mirror is asked then."""
    if found != wanted:
        raise ReleaseError(
            f"The archive from {redacted(source)} is not the one wanted: its sha512 is {found}, wanted is {wanted}. "
            "It is corrupt, was tampered with, or belongs to another release: nothing was installed. "
            "Replace the archive, or correct the sum from the publisher's .sha512 file."
        )


# --- sources ---------------------------------------------------------------------------------------------------------


def is_url(source: str) -> bool:
    """Whether the target host fetches a source itself; `file://` and paths are on the controller."""
    return urlsplit(source).scheme in URL_SCHEMES


def controller_path(source: str) -> str:
    """The path of a source on the controller."""
    return source.removeprefix("file://")


def redacted(source: str) -> str:
    """A source without the user and password that a URL may hold."""
    parts = urlsplit(source)
    if "@" not in parts.netloc:
        return source
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))


def nowhere(release: Release, failures: Sequence[str]) -> ReleaseError:
    """The refusal when no source gave the archive."""
    tried = "".join(f"\n  {line}" for line in failures) or "\n  (no source is named)"
    return ReleaseError(
        f"The archive of {release.name} {release.version} is on none of its sources:{tried}\n"
        f"Where the Apache archive cannot be reached, build a bundle (playbooks/bundle.yml) or name a file on the "
        f"controller that holds the archive."
    )


def release_source(
    releases: Sequence[Mapping[str, Any]],
    name: str,
    version: str,
    *,
    url: str = "",
    file: str = "",
    sha512: str = "",
    mirrors: Sequence[str] = (),
    bundle_dir: str = "",
    manifest: Mapping[str, Any] | None = None,
    published: Mapping[str, str] | None = None,
    unpublished: str = "",
    variable_prefix: str = "",
) -> dict[str, Any]:
    """Where an archive comes from, and the sum that it must have.

    The operator's own file or URL comes first, then the bundle, then the mirrors. A sum is never taken from another
    place than its archive: what a bundle assembled has the sum of its manifest, and no other archive is held to it.

    Args:
        releases: the table of releases (`version`, `archive`, `sha512`, empty where none was published to be read).
        name: `zookeeper` or `flink`.
        version: the release wanted.
        url: the operator's URL of the archive.
        file: the operator's archive on the controller.
        sha512: the operator's sum, in any published form.
        mirrors: URLs of directories that hold the archive under its official name, tried in order.
        bundle_dir: the directory of the bundle on the controller.
        manifest: its manifest; None or empty where there is none.
        published: sums by archive that were read from Apache's own hosts and recorded.
        unpublished: why none was to be had from there, in words; empty where nobody asked.
        variable_prefix: prefix of the operator's variables, for the refusals (default: `name`).

    Returns:
        name, version, archive, sources, sha512, origin (operator, bundle, release), assembled (whether this toolkit
        put the archive together itself), and problems: refusals in words, empty when the archive can be installed.
    """
    prefix = variable_prefix or name
    found = next((item for item in releases if str(item["version"]) == str(version)), None)
    result: dict[str, Any] = {
        "name": name,
        "version": str(version),
        "archive": str(found["archive"]) if found else "",
        "sources": [],
        "sha512": "",
        "origin": "",
        "assembled": False,
        "problems": [],
    }
    pinned = str(found.get("sha512") or (published or {}).get(str(found["archive"]), "")) if found else ""
    own = ""
    if sha512:
        try:
            own = parse_sha512(sha512)
        except ReleaseError as error:
            result["problems"] = [f"{prefix}_archive_sha512: {error}"]
            return result
    bundled = bundle_entry(manifest or {}, name, version)
    if file or url:
        result |= {
            "sources": [source for source in (file, url) if source],
            "sha512": own or pinned,
            "origin": "operator",
        }
    elif bundled and own in ("", bundled["sha512"]):
        result |= {
            "archive": bundled["file"],
            "sources": [os.path.join(bundle_dir, bundled["file"])],
            "sha512": bundled["sha512"],
            "origin": "bundle",
            "assembled": bool(bundled["assembled"]),
        }
    elif found:
        result |= {
            "sources": [f"{mirror.rstrip('/')}/{found['archive']}" for mirror in mirrors],
            "sha512": own or pinned,
            "origin": "operator" if own else "release",
        }
    else:
        result["problems"] = [
            f"{prefix}_version is {version!r}, which is no release that this toolkit knows for {name}, and neither "
            f"{prefix}_archive_url nor {prefix}_archive_file is set."
        ]
        return result
    if not result["sha512"]:
        result["problems"] = [
            f"No sha512 sum is known for {name} {version}, and nothing is installed without one. {unpublished}Set "
            f"{prefix}_archive_sha512 to the content of the publisher's .sha512 file ({result['archive'] or 'archive'}"
            f".sha512), or build a bundle, whose manifest has the sum of what it holds: {bundle_command(name, version)}"
        ]
    elif not result["sources"]:
        result["problems"] = [
            f"No source is named for {name} {version}. Set {prefix}_mirrors, {prefix}_archive_url or "
            f"{prefix}_archive_file, or build a bundle: {bundle_command(name, version)}"
        ]
    return result


def bundle_command(name: str, version: str) -> str:
    """What puts a release into the bundle, beside what is there."""
    contents = json.dumps({"bundle_contents": [{"name": name, "version": version}]})
    return f"ansible-playbook playbooks/bundle.yml -e '{contents}'"


def bundle_entry(manifest: Mapping[str, Any], name: str, version: str) -> Mapping[str, Any] | None:
    """The archive of a release in a bundle's manifest; None where the bundle does not hold it."""
    for entry in manifest.get("archives", []):
        if entry["name"] == name and str(entry["version"]) == str(version):
            found: Mapping[str, Any] = entry
            return found
    return None


# --- marker ----------------------------------------------------------------------------------------------------------


def marker_text(release: Release) -> str:
    """The content of the marker of an installed release."""
    fields = {"name": release.name, "sha512": release.sha512, "version": release.version}
    return json.dumps(fields, sort_keys=True) + "\n"


def parse_marker(text: str) -> Release | None:
    """The release that a marker names; None for a text that is no marker."""
    try:
        fields = json.loads(text)
        return Release(str(fields["name"]), str(fields["version"]), str(fields["sha512"]))
    except (ValueError, TypeError, KeyError):
        return None


def release_installed(marker: str, name: str, version: str, sha512: str) -> bool:
    """Whether a marker's text (empty for a missing one) names exactly this release.

    Where nobody knows a sum now, the one that it was installed by holds: nothing has to be fetched for what is there.
    """
    found = parse_marker(marker)
    return found is not None and found == Release(name, str(version), sha512 or found.sha512)


@dataclass(frozen=True)
class Place:
    """What stands where a release is to be installed."""

    kind: str = "absent"  # absent, empty, directory, other
    marker: str = ""


def decide(place: Place, release: Release, dest: str) -> bool:
    """Whether the release has to be installed.

    Raises:
        ReleaseError: something stands at `dest` that is not this release. It is never written to or removed.
    """
    if place.kind in ("absent", "empty"):
        return True
    if place.kind == "other":
        raise ReleaseError(f"{dest} is not a directory, and a release is wanted there. Move it away and run again.")
    present = parse_marker(place.marker)
    if present == release:
        return False
    if present is None:
        raise ReleaseError(
            f"{dest} exists and was not installed by this toolkit (it has no {MARKER}), so it may be in use or half "
            f"unpacked. Nothing is written there. Make sure that no service runs from it, move it away "
            f"(mv {dest} {dest}.old) and run again, or choose another installation directory."
        )
    raise ReleaseError(
        f"{dest} holds {present.name} {present.version} from the archive with sha512 {present.sha512}, and "
        f"{release.name} {release.version} with sha512 {release.sha512} is wanted. An installed release is never "
        f"written to. Install from the archive that it came from, or stop the service on this host, move the directory "
        f"away (mv {dest} {dest}.old) and run again."
    )


# --- archive ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """One entry of an archive, its top directory removed; `target` is a link's."""

    path: str
    kind: str  # directory, file, link
    mode: int = 0o644
    target: str = ""


def plan_member(info: tarfile.TarInfo) -> tuple[str, Member | None]:
    """(top directory, member) of an archive's entry; None for the top directory itself.

    What is written depends on the archive's names and on its executable bits only: owners and other rights are ours.

    Raises:
        ReleaseError: the entry is of a kind or has a path that an installation must not have.
    """
    parts = [part for part in info.name.split("/") if part not in ("", ".")]
    if info.name.startswith("/") or ".." in parts or "\0" in info.name:
        raise ReleaseError(f"The archive has the entry {info.name!r}, which leads out of it. Nothing was installed.")
    if not parts:
        return "", None
    top, path = parts[0], "/".join(parts[1:])
    if not path:
        if not info.isdir():
            raise ReleaseError(
                f"The archive has {info.name!r} beside its top directory, so it is no release of the expected layout."
            )
        return top, None
    if info.isdir():
        return top, Member(path, "directory", 0o755)
    if info.isreg():
        return top, Member(path, "file", 0o755 if info.mode & 0o111 else 0o644)
    if info.issym():
        where = os.path.normpath(os.path.join(os.path.dirname(path), info.linkname))
        if info.linkname.startswith("/") or where == ".." or where.startswith("../"):
            raise ReleaseError(
                f"The archive has the link {info.name!r} to {info.linkname!r}, which leads out of it. "
                "Nothing was installed."
            )
        return top, Member(path, "link", target=info.linkname)
    raise ReleaseError(f"The archive has {info.name!r}, which is no file, directory or symbolic link.")


def unpack(archive: str, target: str) -> None:
    """Unpacks an archive into the directory `target`, without its single top directory.

    Links are made last, so that no entry is written through one; nothing is written twice.

    Raises:
        ReleaseError: the archive cannot be read, or has an entry that must not be.
    """
    tops: set[str] = set()
    links: list[Member] = []
    try:
        with tarfile.open(archive, "r|*") as stream:
            for info in stream:
                top, member = plan_member(info)
                tops |= {top} - {""}
                if len(tops) > 1:
                    raise ReleaseError(
                        f"The archive has several top directories ({', '.join(sorted(tops))}): no release of the "
                        "expected layout."
                    )
                if member is None:
                    continue
                if member.kind == "link":
                    links.append(member)
                    continue
                _write_member(stream, info, member, target)
    except (tarfile.TarError, EOFError, FileExistsError, NotADirectoryError) as error:
        raise ReleaseError(f"The archive cannot be unpacked: {error}. Nothing was installed.") from error
    if not os.listdir(target):
        raise ReleaseError("The archive is empty. Nothing was installed.")
    for link in links:
        path = os.path.join(target, link.path)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        os.symlink(link.target, path)


def _write_member(stream: tarfile.TarFile, info: tarfile.TarInfo, member: Member, target: str) -> None:
    path = os.path.join(target, member.path)
    if member.kind == "directory":
        os.makedirs(path, mode=0o755, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    content = stream.extractfile(info)
    if content is None:
        raise ReleaseError(f"The archive has no content for {info.name!r}.")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        shutil.copyfileobj(content, out, BLOCK)
        os.fchmod(out.fileno(), member.mode)


def settle(tree: str) -> None:
    """Root owns every file, nobody else may write, and all of it is on disk: the rename after it must not come first."""
    for folder, _folders, files in os.walk(tree, topdown=False):
        for name in files:
            path = os.path.join(folder, name)
            _own(path)
            if not os.path.islink(path):
                _sync(path)
        _own(folder)
        os.chmod(folder, 0o755)
        _sync(folder)


def _own(path: str) -> None:
    # Only root can give files away, and only root installs to /opt; in tests a user unpacks for itself.
    if os.geteuid() == 0:
        os.chown(path, 0, 0, follow_symlinks=False)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_way(dest: str) -> None:
    """Refuses to unpack as root where somebody else can swap what was unpacked, or the directory itself.

    Raises:
        ReleaseError: a directory on the way belongs to somebody else, or a link there may have been made by them.
    """
    parent = os.path.dirname(dest)
    try:
        owner = guarded_paths.owner_on_the_way(parent)
    except guarded_paths.EntryError as error:
        raise ReleaseError(f"{error} Nothing was installed.") from error
    if owner:
        raise ReleaseError(
            f"{dest} lies below a directory that belongs to {owner}, who could swap what root unpacks there. Nothing was "
            f"installed. Give the directories that lead to it to root (namei -l {parent}), or choose another installation directory."
        )


@contextlib.contextmanager
def workspace(dest: str) -> Iterator[str]:
    """`<dest>.partial`, emptied of what a killed run left, and removed afterwards.

    Raises:
        ReleaseError: another run has it.
    """
    work = dest + PARTIAL
    os.makedirs(os.path.dirname(dest), mode=0o755, exist_ok=True)
    os.makedirs(work, mode=0o700, exist_ok=True)
    lock = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ReleaseError(f"Another run works on {dest} at this moment. Wait for it and run again.") from error
        for entry in os.scandir(work):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    finally:
        os.close(lock)


# --- installation ----------------------------------------------------------------------------------------------------

#: Opens a URL for reading; raises SourceError.
Opener = Callable[[str], contextlib.AbstractContextManager[IO[bytes]]]


class Installer:
    """Installs releases on this host. `open_url` gives the stream of a URL, or raises SourceError."""

    def __init__(self, open_url: Opener) -> None:
        self._open_url = open_url

    @staticmethod
    def find(dest: str) -> Place:
        """What stands at `dest`."""
        try:
            info = os.lstat(dest)
        except FileNotFoundError:
            return Place()
        if not stat.S_ISDIR(info.st_mode):
            return Place("other")
        try:
            with open(os.path.join(dest, MARKER), encoding="utf-8", errors="replace") as handle:
                return Place("directory", handle.read(4096))
        except FileNotFoundError:
            return Place("directory" if os.listdir(dest) else "empty")

    def install(
        self, release: Release, dest: str, sources: Iterable[str], transferred: str, failures: Sequence[str]
    ) -> dict[str, Any]:
        """Installs from the first source that has the archive.

        Args:
            release: what is wanted.
            dest: absolute path of the release.
            sources: URLs and controller paths, in the order in which they are tried.
            transferred: path on this host of the first source, brought here by the action plugin; may be empty.
            failures: why the sources before it did not give the archive.

        Returns:
            `source` (the one that was used, or empty), `transfer` (a controller path that has to be brought here
            first, or empty), `remaining` (the sources that follow it) and `failures`.

        Raises:
            ReleaseError: no source has the archive, or it is not the wanted one, or it cannot be unpacked.
        """
        check_way(dest)
        left, told = list(sources), list(failures)
        while left:
            source = left.pop(0)
            if not is_url(source) and not transferred:
                return {"source": "", "transfer": source, "remaining": left, "failures": told}
            try:
                with workspace(dest) as work:
                    archive = transferred or self._fetch(source, os.path.join(work, "archive"))
                    self._place(release, archive, source, work, dest)
                return {"source": redacted(source), "transfer": "", "remaining": [], "failures": told}
            except SourceError as error:
                told.append(f"{redacted(source)}: {error}")
        raise nowhere(release, told)

    def _place(self, release: Release, archive: str, source: str, work: str, dest: str) -> None:
        check_sum(sha512_of(archive), release.sha512, source)
        # Another run may have finished between the first look and the lock.
        if not decide(self.find(dest), release, dest):
            return
        tree = os.path.join(work, "tree")
        os.mkdir(tree, 0o755)
        unpack(archive, tree)
        with open(os.path.join(tree, MARKER), "w", encoding="utf-8") as handle:
            os.fchmod(handle.fileno(), 0o644)
            handle.write(marker_text(release))
        settle(tree)
        os.rename(tree, dest)
        _sync(os.path.dirname(dest))

    def _fetch(self, url: str, path: str) -> str:
        try:
            with self._open_url(url) as stream, open(path, "wb") as out:
                shutil.copyfileobj(stream, out, BLOCK)
        except SourceError:
            raise
        except OSError as error:
            raise SourceError(f"the download broke off: {error}") from error
        return path


def ensure_release(installer: Installer, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """All that the module `release` returns, for its validated `params`. Raises ReleaseError."""
    release = Release(params["name"], params["version"], parse_sha512(params["sha512"]))
    dest = os.path.normpath(params["dest"])
    result: dict[str, Any] = {
        "changed": False,
        "name": release.name,
        "version": release.version,
        "sha512": release.sha512,
        "directory": dest,
        "source": "",
        "transfer": "",
        "remaining": [],
        "failures": [],
        "diff": {"before": "", "after": ""},
    }
    if not decide(installer.find(dest), release, dest):
        return result
    if not params["sources"]:
        raise nowhere(release, [])
    if not check_mode:
        result |= installer.install(release, dest, params["sources"], params["transferred"], params["failures"])
    line = f"{dest}: {release.name} {release.version}, sha512 {release.sha512}\n"
    return result | {"changed": not result["transfer"], "diff": {"before": f"{dest}: absent\n", "after": line}}
