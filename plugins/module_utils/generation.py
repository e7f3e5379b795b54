"""Generations: what a member runs, in one directory named by its digest (docs/architecture.md, "Generations")."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

#: Enough to tell generations of one host apart; short enough to read aloud.
DIGEST_LENGTH = 16


def generation_digest(generation: Mapping[str, Any]) -> str:
    """Digest over everything that a process is started with: contents, rights and links.

    Args:
        generation: `files` (name -> {content, mode}) and `links` (name -> target).
    """
    canonical = json.dumps(
        {"files": generation["files"], "links": generation["links"]}, sort_keys=True, ensure_ascii=True
    )
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


def prune_entries(root: str, present: Sequence[str], keep: Sequence[str]) -> list[dict[str, Any]]:
    """Entries for `host_files` that remove the generations that nothing refers to any more."""
    return [
        {"path": f"{root}/generations/{digest}", "state": "absent", "recursive": True}
        for digest in sorted(set(present) - set(keep))
    ]


def directory_entries(
    roots: Sequence[str], suffixes: Sequence[str], owner: str, group: str, mode: str
) -> list[dict[str, Any]]:
    """Entries for `host_files`: a directory for each root and suffix, parents first."""
    return [
        {"path": root + suffix, "state": "directory", "owner": owner, "group": group, "mode": mode}
        for root in roots
        for suffix in suffixes
    ]
