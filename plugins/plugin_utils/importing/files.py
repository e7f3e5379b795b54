"""The files of a cluster that somebody else set up, with the numbers of their lines, as the releases read them. Pure.

A value is a text: which type it has is known by what reads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import yaml

#: What a file is, by its name.
FLINK_LEGACY, FLINK, ZOOKEEPER, MASTERS, WORKERS = "flink-conf.yaml", "config.yaml", "zoo.cfg", "masters", "workers"
NAMES = {
    "flink-conf.yaml": FLINK_LEGACY,
    "config.yaml": FLINK,
    "zoo.cfg": ZOOKEEPER,
    "masters": MASTERS,
    "workers": WORKERS,
    # Up to 1.10.
    "slaves": WORKERS,
}


class ImportRefusedError(Exception):
    """What was given cannot be imported; the text is for the operator."""


@dataclass(frozen=True)
class Entry:
    """A key that counts, or a line of masters and workers."""

    key: str
    value: str
    line: int


@dataclass(frozen=True)
class File:
    """What a file says, and its lines that say nothing, in words."""

    kind: str
    path: str
    entries: tuple[Entry, ...]
    told: tuple[str, ...]

    def value(self, key: str) -> str:
        return next((entry.value for entry in self.entries if entry.key == key), "")


def read(path: str, text: str) -> File:
    """A file, by its name.

    Raises:
        ImportRefusedError: its name is of none, or it cannot be read as what its name says.
    """
    kind = NAMES.get(os.path.basename(path))
    if kind is None:
        raise ImportRefusedError(
            f"{path} is none of {', '.join(NAMES)}. Give the file under the name that the release reads it by."
        )
    entries, told = PARSERS[kind](path, text)
    if not entries:
        raise ImportRefusedError(f"{path} has no line that {kind} could have. Is it the right file?")
    # Two TaskManagers of a host are two lines. Two JobManagers have a port each, by which the lines differ.
    return File(kind, path, tuple(entries) if kind == WORKERS else _last(path, entries, told, kind), tuple(told))


def _last(path: str, entries: Iterable[Entry], told: list[str], kind: str) -> tuple[Entry, ...]:
    """Of a key that is there twice, the last one counts."""
    found: dict[str, Entry] = {}
    for entry in entries:
        key = f"{entry.key}:{entry.value}" if kind == MASTERS else entry.key
        if key in found:
            told.append(
                f"{path}:{found[key].line}: {key.rstrip(':')} is there again in line {entry.line}, which counts."
            )
        found[key] = entry
    return tuple(found.values())


def _legacy(path: str, text: str) -> tuple[list[Entry], list[str]]:
    """flink-conf.yaml as GlobalConfiguration up to 1.20 reads it: `key: value` a line, all behind a # is no part of it."""
    entries, told = [], []
    for number, line in _lines(text):
        key, colon, value = line.partition("#")[0].strip().partition(": ")
        if colon and key.strip() and value.strip():
            entries.append(Entry(key.strip(), value.strip(), number))
            if "#" in line:
                told.append(f"{path}:{number}: what stands behind the # is no part of the value of {key.strip()}.")
        elif key:
            told.append(f"{path}:{number}: Flink reads nothing here, since it is no `key: value`.")
    return entries, told


def _standard(path: str, text: str) -> tuple[list[Entry], list[str]]:
    """config.yaml: YAML, of which the scalars are taken as they are written; nested keys are joined by dots."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        raise ImportRefusedError(
            f"{path}{where} is no YAML, and Flink would not start with it: {getattr(error, 'problem', error)}."
        ) from error
    if not isinstance(root, yaml.MappingNode):
        raise ImportRefusedError(f"{path} is no map of keys. Is it the right file?")
    told = [
        f"{path}:{line}: {key} is there again in the same map, and Flink does not start with such a file."
        for key, line in _repeated(root, "")
    ]
    return list(_flat(root, "")), told


def _repeated(node: yaml.MappingNode, prefix: str) -> Iterable[tuple[str, int]]:
    """Keys of a map that it has had before, with their lines: seen with Flink 2.3, which takes them from two maps."""
    seen = set()
    for name, value in node.value:
        if name.value in seen:
            yield f"{prefix}{name.value}", name.start_mark.line + 1
        seen.add(name.value)
        if isinstance(value, yaml.MappingNode):
            yield from _repeated(value, f"{prefix}{name.value}.")


def _flat(node: yaml.MappingNode, prefix: str) -> Iterable[Entry]:
    for name, value in node.value:
        key, line = f"{prefix}{name.value}", name.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            yield from _flat(value, f"{key}.")
        elif isinstance(value, yaml.SequenceNode):
            yield Entry(key, ";".join(str(each.value) for each in value.value), line)
        elif value.value:
            yield Entry(key, str(value.value), line)


def _properties(path: str, text: str) -> tuple[list[Entry], list[str]]:
    """zoo.cfg, as far as java.util.Properties is used there."""
    entries, told = [], []
    for number, line in _lines(text):
        if line.startswith("!"):
            continue
        # A colon or a space separates too.
        found = re.fullmatch(r"([^=:\s]+)\s*[=:\s]\s*(.*)", line)
        if found and found.group(2) and not line.endswith("\\"):
            entries.append(Entry(found.group(1), found.group(2), number))
        else:
            told.append(f"{path}:{number}: no `key=value` on one line, which this toolkit reads.")
    return entries, told


def _hosts(path: str, text: str) -> tuple[list[Entry], list[str]]:
    entries, told = [], []
    for number, line in _lines(text):
        found = re.fullmatch(r"([A-Za-z0-9._-]+)(?::(\d+))?", line.partition("#")[0].strip())
        if found:
            entries.append(Entry(found.group(1), found.group(2) or "", number))
        else:
            told.append(f"{path}:{number}: no host.")
    return entries, told


def _lines(text: str) -> Iterable[tuple[int, str]]:
    """Lines that are no comment, with their numbers."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.strip().startswith("#"):
            yield number, line.strip()


PARSERS: Mapping[str, Callable[[str, str], tuple[list[Entry], list[str]]]] = {
    FLINK_LEGACY: _legacy,
    FLINK: _standard,
    ZOOKEEPER: _properties,
    MASTERS: _hosts,
    WORKERS: _hosts,
}
