"""What stands at the paths that a role writes: read with everything else of a host, and compared on the controller.

Where nothing differs, `host_files` is not called at all. Contents are told by a keyed digest only: the key is made for one run and is
shown nowhere, so that nobody can guess a password by the digest of its file.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import files, guarded_paths

#: What an entry of `host_files` is taken for where it does not say.
DEFAULTS = {"state": "file", "content": "", "target": "", "owner": "root", "group": "root", "mode": "0644"}
#: A line of a configuration that sets something: `key=value` of zoo.cfg, `key: value` of Flink.
SETTING = re.compile(r"([A-Za-z][\w.\-/]*)\s*[=:]")


def digest(key: str, content: str) -> str:
    """HMAC-SHA-256 of a content."""
    return hmac.new(key.encode(), content.encode("utf-8", "surrogateescape"), "sha256").hexdigest()


def read(
    key: str, paths: Iterable[str], roots: Iterable[str] = (), settings: Iterable[str] = ()
) -> dict[str, dict[str, Any]]:
    """What stands on this host, by path: kind, owner, group, mode, digest of the content, settings, and target.

    Args:
        key: of the digests.
        paths: to look at.
        roots: directories with generations; of each the one that `current` names is looked at too, and what is in it.
        settings: names of files of which the digest of each setting is told, by its key.

    Returns:
        Nothing of a path that cannot be read: what was not read is never right.
    """
    found, names = {}, set(settings)
    for path in [*paths, *(each for root in roots for each in _generation(root))]:
        try:
            there = files.find(path)
        except (guarded_paths.EntryError, OSError):
            continue
        found[path] = {
            "kind": there.kind,
            "owner": there.owner,
            "group": there.group,
            "mode": there.mode,
            "digest": digest(key, there.content),
            "settings": settings_of(key, there.content) if os.path.basename(path) in names else {},
            "target": there.target,
        }
    return found


def _generation(root: str) -> list[str]:
    """The directory of the generation that is current, and what is in it."""
    try:
        target = files.find(f"{root}/current").target
        home = os.path.join(root, target)
        return [home, *(f"{home}/{name}" for name in sorted(os.listdir(home)))] if target else []
    except (guarded_paths.EntryError, OSError):
        return []


def settings_of(key: str, content: str) -> dict[str, str]:
    """Digest of each line of a configuration that sets something, by the key that it sets."""
    lines = [(SETTING.match(line), line) for line in content.splitlines()]
    return {found.group(1): digest(key, line) for found, line in lines if found}


def changes(
    files_wanted: Mapping[str, Mapping[str, str]], home: str, standing: Mapping[str, Mapping[str, Any]], key: str
) -> list[str]:
    """What of a generation is another than in the one that stands, in words: names of files, with the settings of which it is told.

    Args:
        files_wanted: of the generation that is wanted (name -> content or secret_content, and mode).
        home: directory of the one that stands; nothing is said where it was not looked at.
        standing: what `read` gave.
        key: of its digests.
    """
    here = {path.removeprefix(f"{home}/"): there for path, there in standing.items() if path.startswith(f"{home}/")}
    told = []
    for name in sorted({*files_wanted, *here} if here else ()):
        there = here.get(name)
        if name not in files_wanted:
            if there and there["kind"] == "file":
                told.append(f"{name} (goes)")
        elif there is None:
            told.append(f"{name} (new)")
        else:
            told += _change(name, files_wanted[name], there, key)
    return told


def _change(name: str, wanted: Mapping[str, str], there: Mapping[str, Any], key: str) -> list[str]:
    content = str(files.wanted_value({**DEFAULTS, **wanted}, "content"))
    if digest(key, content) == there["digest"]:
        return [f"{name} (rights)"] if there["mode"] != wanted["mode"] else []
    before, now = there["settings"], settings_of(key, content)
    keys = sorted(each for each in {*before, *now} if before.get(each) != now.get(each)) if before else []
    return [f"{name} ({', '.join(keys)})" if keys else name]


def differing(entries: Iterable[Mapping[str, Any]], standing: Mapping[str, Mapping[str, str]], key: str) -> list[str]:
    """Paths of the entries that `host_files` would have something to do for, as far as is known.

    Args:
        entries: as `host_files` takes them.
        standing: what `read` gave; a path that is not in it counts as one that differs.
        key: of its digests.
    """
    return [entry["path"] for entry in entries if _differs({**DEFAULTS, **entry}, standing.get(entry["path"]), key)]


def _differs(entry: Mapping[str, Any], there: Mapping[str, str] | None, key: str) -> bool:
    if there is None:
        return True
    if entry["state"] == "absent":
        return there["kind"] != "absent"
    content = str(files.wanted_value(entry, "content"))
    same = hmac.compare_digest(digest(key, content), there["digest"])
    facts = {name: there[name] for name in ("kind", "owner", "group", "mode", "target")}
    # Any other text will do where the digests differ.
    return bool(files.differences(entry, files.Found(**facts, content=content if same else f"{content}.")))
