"""Generations: what a member runs, in one directory named by its digest (docs/architecture.md, "Generations")."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Enough to tell generations of one host apart; short enough to read aloud.
DIGEST_LENGTH = 16


def generation_digest(generation: Mapping[str, Any]) -> str:
    """Digest over everything that a process is started with: contents, rights and links.

    Args:
        generation: `files` (name -> {content, mode}) and `links` (name -> target).
    """
    # Whether a difference may be shown is no part of what is run.
    files = {
        name: {key.removeprefix("secret_"): value for key, value in file.items()}
        for name, file in generation["files"].items()
    }
    canonical = json.dumps({"files": files, "links": generation["links"]}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:DIGEST_LENGTH]


def generation_entries(generation: Mapping[str, Any], root: str, group: str) -> list[dict[str, Any]]:
    """Entries for `host_files` that stage a generation under `root`, owned by root and readable by `group`.

    Nothing refers to the directory until `current` is switched, so a half staged one does no harm.
    """
    home = f"{root}/generations/{generation_digest(generation)}"
    entries: list[dict[str, Any]] = [{"path": home, "state": "directory", "mode": "0755"}]
    for name, file in sorted(generation["files"].items()):
        compare = f"{root}/current/{name}"
        entries.append({"path": f"{home}/{name}", "state": "file", "group": group, "compare": compare, **file})
    for name, target in sorted(generation["links"].items()):
        entries.append({"path": f"{home}/{name}", "state": "link", "target": target})
    return entries


def generation_links(state: Mapping[str, Any], root: str) -> dict[str, Any]:
    """The generations that stand under `root`: digests that `current` and `previous` name, and all `present`.

    Args:
        state: what `host_state` returned, with the paths that `link_paths` names.
    """
    paths = state["paths"]
    return {
        "root": root,
        "current": _digest_of(paths[f"{root}/current"]),
        "previous": _digest_of(paths[f"{root}/previous"]),
        "present": paths[f"{root}/generations"]["entries"],
    }


def link_paths(root: str) -> list[str]:
    """Paths that `host_state` has to look at for `generation_links`."""
    return [f"{root}/{name}" for name in ("current", "previous", "generations")]


def _digest_of(link: Mapping[str, Any]) -> str:
    return str(link["target"]).rpartition("/")[2]


def service_entries(
    generation: Mapping[str, Any], where: Mapping[str, Any], unit: str, group: str, running: str, switch: bool
) -> list[dict[str, Any]]:
    """Entries for `host_files`: a service's generation staged, switched to if wanted, and the stale ones removed.

    The one that was current before stays, as `previous`. Where a process waits for its step, nothing is removed: another run may
    have staged what it is just about to switch to. There, the step removes what it leaves behind. Where it runs what is wanted, no
    step will come, and what was staged and never run (it may hold a secret) goes, but for what the links name by then; the step of
    another run that had staged it says so, and touches nothing.

    Args:
        generation: files (one of them named `unit`, the text of the systemd unit) and links.
        where: what `generation_links` gave.
        unit: name of the systemd unit.
        running: digest that the process was started with; empty where none runs.
        switch: whether the next start is to be with this generation.
    """
    root, previous, digest = where["root"], where["previous"], generation_digest(generation)
    entries: list[dict[str, Any]] = [
        {"path": root, "state": "directory", "mode": "0755"},
        {"path": f"{root}/generations", "state": "directory", "mode": "0755"},
        *generation_entries(generation, root, group),
    ]
    if switch:
        if where["current"] not in ("", digest):
            previous = where["current"]
            entries.append({"path": f"{root}/previous", "state": "link", "target": f"generations/{previous}"})
        entries += [
            {"path": f"/etc/systemd/system/{unit}", "content": generation["files"]["unit"]["content"]},
            {"path": f"{root}/current", "state": "link", "target": f"generations/{digest}"},
        ]
    settled = not running or running == digest == where["current"]
    stale = set(where["present"]) - {digest, where["current"], previous} if settled else set()
    links = [f"{root}/current", f"{root}/previous"]
    return entries + [
        {"path": f"{root}/generations/{name}", "state": "absent", "recursive": True, "unless_linked": links}
        for name in sorted(stale)
    ]


def leftover_entries(directory: str, names: Iterable[str], pattern: str, kept: Iterable[str]) -> list[dict[str, Any]]:
    """Entries for `host_files` that remove files whose name matches, but those that are kept.

    Args:
        directory: where they are.
        names: what is there, as `host_state` read it.
        pattern: regular expression of the whole name.
        kept: paths.
    """
    stay = set(kept)
    paths = [f"{directory}/{name}" for name in sorted(names) if re.fullmatch(pattern, name)]
    return [{"path": path, "state": "absent"} for path in paths if path not in stay]


def directory_entries(
    roots: Sequence[str], suffixes: Sequence[str], owner: str, group: str, mode: str
) -> list[dict[str, Any]]:
    """Entries for `host_files`: a directory for each root and suffix, parents first."""
    return [
        {"path": root + suffix, "state": "directory", "owner": owner, "group": group, "mode": mode}
        for root in roots
        for suffix in suffixes
    ]
