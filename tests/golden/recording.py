"""What a run asks `host_files` for, as a table that a reviewer reads in a diff, and the texts behind its sums."""

from __future__ import annotations

import base64
import difflib
import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]

#: A path of a generation: its root, its name, and what is below it.
GENERATION = re.compile(r"(/.+)/generations/([0-9a-f]{16})(/.+)?")


@dataclass(frozen=True)
class Recording:
    """`table` has a line for each generation and each entry of each host; `texts` has the files' contents by their sums."""

    table: list[str]
    texts: dict[str, bytes]


def of_calls(calls: Iterable[Mapping[str, Any]]) -> Recording:
    """The recording of a run, from the calls of `host_files` that the world has logged."""
    rows: set[str] = set()
    texts: dict[str, bytes] = {}
    for call in calls:
        for entry in call["args"]["entries"]:
            rows.update(f"{call['host']} {row}" for row in _rows(entry))
            if _state(entry) == "file":
                texts[_sum(entry)] = _content(entry)
    return Recording(sorted(rows), texts)


def _rows(entry: Entry) -> list[str]:
    """The name of a generation stands in a row of its own: else the least change would be one of all its files."""
    found = GENERATION.fullmatch(entry["path"])
    if not found or _state(entry) == "absent":
        return [_row(entry, entry["path"])]
    return [f"{found[1]} generation {found[2]}", _row(entry, f"{found[1]}/generations/*{found[3] or ''}")]


def _row(entry: Entry, where: str) -> str:
    state = _state(entry)
    if state == "absent":
        return f"{where} absent"
    if state == "link":
        return f"{where} link -> {entry['target']}"
    # What is left out counts as the module takes it.
    rights = f"{state} {entry.get('owner', 'root')}:{entry.get('group', 'root')} {entry.get('mode', '0644')}"
    if state == "directory":
        return f"{where} {rights}"
    secret = "" if entry.keys().isdisjoint({"secret_content", "secret_base64"}) else " secret"
    return f"{where} {rights}{secret} {_sum(entry)}"


def _state(entry: Entry) -> str:
    return str(entry.get("state", "file"))


def _content(entry: Entry) -> bytes:
    if "secret_base64" in entry:
        return base64.b64decode(entry["secret_base64"])
    return str(entry.get("secret_content", entry.get("content", ""))).encode()


def _sum(entry: Entry) -> str:
    return hashlib.sha256(_content(entry)).hexdigest()


# --- on disk -----------------------------------------------------------------------------------------------------------


def write(recording: Recording, folder: Path) -> None:
    """Replaces what was recorded: `table.txt`, and each text once, under the first host and path that has it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "table.txt").write_text("".join(f"{row}\n" for row in recording.table))
    written = set()
    for row in recording.table:
        host, _blank, rest = row.partition(" ")
        total = rest.rpartition(" ")[2]
        if recording.texts.get(total) and total not in written:
            written.add(total)
            path = re.split(r" file ", rest)[0].replace("/generations/*", "").strip("/")
            # With a suffix of its own, nothing takes the file for one that it should judge.
            file = folder / host / f"{path}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(recording.texts[total])


def read(folder: Path) -> Recording:
    """What was recorded; empty where nothing was."""
    table = folder / "table.txt"
    files = [path.read_bytes() for path in folder.rglob("*.txt") if path != table]
    return Recording(
        table.read_text().splitlines() if table.exists() else [],
        {hashlib.sha256(content).hexdigest(): content for content in files},
    )


# --- differences ---------------------------------------------------------------------------------------------------------


def generations(recording: Recording) -> Recording:
    """The generations alone, which are the same whatever runs on a host."""
    rows = [row for row in recording.table if re.search(r" generation |/generations/\*", row)]
    return Recording(rows, recording.texts)


def differences(recorded: Recording, found: Recording) -> str:
    """What differs, for a reader; empty for nothing.

    Rows of the table, but where only the sum differs; then each text that became another one, once, under all who have it.
    """
    before, after = (_by_place(each.table) for each in (recorded, found))
    rows: list[str] = []
    changed: dict[tuple[str, str], list[str]] = {}
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, "nothing"), after.get(key, "nothing")
        if old == new:
            continue
        (said, was), (says, now) = (text.rpartition(" ")[::2] for text in (old, new))
        if now in found.texts and was != now:
            changed.setdefault((was, now), []).append(key)
        if now not in found.texts or said != says:
            rows.append(f"{key}: {old} => {new}")
    for (was, now), keys in changed.items():
        texts = (
            each.get(total, b"").decode(errors="replace").splitlines()
            for each, total in ((recorded.texts, was), (found.texts, now))
        )
        rows += ["", *keys, *difflib.unified_diff(*texts, "recorded", "now", lineterm="")]
    return "\n".join(rows)


def _by_place(table: Iterable[str]) -> dict[str, str]:
    """What is said of each path of a host, and of its generation; two rows of one are two wishes for it."""
    said: dict[str, list[str]] = {}
    for row in table:
        found = re.fullmatch(r"(\S+ .+? generation|\S+ .+?) ([0-9a-f]{16}|(?:file|directory|link|absent)\b.*)", row)
        assert found, row
        said.setdefault(found[1], []).append(found[2])
    return {place: " and ".join(each) for place, each in said.items()}
