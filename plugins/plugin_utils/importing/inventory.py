"""One inventory of the files of a cluster that somebody else set up. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from ansible_collections.streamquorum.ha.plugins.module_utils.core.known_names import KnownNames
from ansible_collections.streamquorum.ha.plugins.plugin_utils.importing import flink, zookeeper
from ansible_collections.streamquorum.ha.plugins.plugin_utils.importing.files import (
    FLINK,
    FLINK_LEGACY,
    MASTERS,
    WORKERS,
    ZOOKEEPER,
    File,
    ImportRefusedError,
)

#: What Ansible takes for the begin of a template.
TEMPLATES = re.compile(r"\{[{%#]")
HEAD = """---
# Read from the files of a cluster that was there; what is missing stands below, and has to be put in before it is used.
"""


class Dumper(yaml.SafeDumper):
    """Writes what was read as data: a template in somebody's file must not run on the controller of whoever uses the inventory."""


def _text(dumper: Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("!unsafe" if TEMPLATES.search(text) else "tag:yaml.org,2002:str", text)


Dumper.add_representer(str, _text)


@dataclass(frozen=True)
class Tables:
    """What the roles know, as their own files have it."""

    flink_releases: Sequence[Mapping[str, Any]]
    flink_options: Sequence[Mapping[str, Any]]
    flink_open_options: Sequence[str]
    flink_shipped_java_opts: Mapping[str, Sequence[str]]
    flink_known_options: KnownNames
    flink_defaults: Mapping[str, Any]
    zookeeper_releases: Sequence[Mapping[str, Any]]
    zookeeper_options: Mapping[str, str]
    zookeeper_owned: Mapping[str, str]
    zookeeper_known_keys: KnownNames
    zookeeper_defaults: Mapping[str, Any]


@dataclass(frozen=True)
class Inventory:
    """What was imported: the text of the inventory, and what is to be said."""

    text: str = field(repr=False)
    told: tuple[str, ...]
    missing: tuple[str, ...]


def inventory(files: Sequence[File], versions: Sequence[str], tables: Tables) -> Inventory:
    """The inventory of some files.

    Args:
        files: as `files.read` gives them, one of each kind at most.
        versions: the releases that are to be installed, of either product or of both.
        tables: what the roles know.

    Raises:
        ImportRefusedError: two files are of one kind, or a release is in no table, or none is given for Flink.
    """
    by_kind = _by_kind(files)
    flink_version, zookeeper_version = _versions(versions, tables)
    config = by_kind.get(FLINK) or by_kind.get(FLINK_LEGACY)
    if config and not flink_version:
        known = ", ".join(str(each["version"]) for each in tables.flink_releases)
        raise ImportRefusedError(
            f"import_version names no release of Flink, and {config.path} is one of it. Known: {known}."
        )
    ensemble = zookeeper.Ensemble()
    children: dict[str, Any] = {}
    if ZOOKEEPER in by_kind:
        ensemble = zookeeper.of_file(
            by_kind[ZOOKEEPER],
            zookeeper_version,
            tables.zookeeper_options,
            tables.zookeeper_owned,
            tables.zookeeper_known_keys,
            tables.zookeeper_defaults,
        )
        children["zookeeper"] = {"hosts": ensemble.hosts, "vars": ensemble.variables}
    found = flink.Imported()
    if config:
        found = flink.of_file(
            config,
            flink_version,
            tables.flink_options,
            tables.flink_known_options,
            tables.flink_open_options,
            tables.flink_shipped_java_opts,
            tables.flink_defaults,
            ensemble.members,
            _silence(ensemble, tables) if ensemble.hosts else 0,
        )
    groups = _flink_groups(by_kind, found) if config or MASTERS in by_kind or WORKERS in by_kind else {}
    if groups:
        if flink_version:
            found.variables["flink_ha_version"] = flink_version
        children["flink"] = {"children": groups, "vars": found.variables}
    told = [
        *ensemble.told,
        *found.told,
        *(line for kind in (MASTERS, WORKERS) if kind in by_kind for line in by_kind[kind].told),
    ]
    missing = [*ensemble.missing, *found.missing]
    if config:
        missing.append("flink_ha_user, flink_ha_uid, flink_ha_gid: who owns the storage and the logs.")
    # A value may have lines; each reason stays one of the comment.
    text = HEAD + "".join(f"#   {' '.join(line.split())}\n" for line in missing)
    text += yaml.dump({"all": {"children": children}}, Dumper=Dumper, sort_keys=False, width=1000)
    return Inventory(text, tuple(told), tuple(missing))


def _silence(ensemble: zookeeper.Ensemble, tables: Tables) -> int:
    """How long a leader that hangs stays unnoticed, in ms (Leader.lead: syncLimit ticks)."""
    ticks, tick = (
        int(ensemble.variables.get(name, tables.zookeeper_defaults[name]))
        for name in ("zookeeper_sync_limit", "zookeeper_tick_time")
    )
    return ticks * tick


def _by_kind(files: Sequence[File]) -> dict[str, File]:
    found: dict[str, File] = {}
    for file in files:
        if file.kind in found:
            raise ImportRefusedError(
                f"{file.path} and {found[file.kind].path} are both {file.kind}. Give one of each kind."
            )
        found[file.kind] = file
    if {FLINK, FLINK_LEGACY} <= set(found):
        raise ImportRefusedError(
            f"{found[FLINK].path} and {found[FLINK_LEGACY].path} are both given. Flink 1.19 and 1.20 read {FLINK_LEGACY} where both are there, "
            f"later ones {FLINK} alone: give the one that was read."
        )
    return found


def _versions(versions: Sequence[str], tables: Tables) -> tuple[str, str]:
    flink_ones = [str(each["version"]) for each in tables.flink_releases]
    zookeeper_ones = [str(each["version"]) for each in tables.zookeeper_releases]
    for version in versions:
        if version not in flink_ones and version not in zookeeper_ones:
            raise ImportRefusedError(
                f"import_version {version} is no release that this toolkit installs. Flink: {', '.join(flink_ones)}. ZooKeeper: "
                f"{', '.join(zookeeper_ones)}."
            )
    return (
        next((version for version in versions if version in flink_ones), ""),
        next((version for version in versions if version in zookeeper_ones), ""),
    )


def _flink_groups(by_kind: Mapping[str, File], found: flink.Imported) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    for kind, group in ((MASTERS, "flink_jobmanager"), (WORKERS, "flink_taskmanager")):
        if kind not in by_kind:
            groups[group] = {"hosts": {}}
            found.missing.append(f"The hosts of the group {group}: no {kind} was given.")
            continue
        hosts: dict[str, dict[str, Any]] = {}
        several = Counter(entry.key for entry in by_kind[kind].entries)
        for entry in by_kind[kind].entries:
            own = hosts.setdefault(entry.key, {})
            if several[entry.key] > 1:
                port = {"rest_port": int(entry.value)} if entry.value else {}
                own.setdefault(f"flink_ha_{group.removeprefix('flink_')}_instances", []).append(port)
        ports = {entry.value for entry in by_kind[kind].entries if several[entry.key] == 1 and entry.value}
        if len(ports) == 1:
            found.variables["flink_ha_rest_port"] = int(min(ports))
        elif ports:
            found.missing.append(
                f"flink_ha_rest_port: masters has {', '.join(sorted(ports))}, and it is one for all hosts."
            )
        groups[group] = {"hosts": hosts}
    if found.variables.get("flink_ha_rest_port") == 8081:
        del found.variables["flink_ha_rest_port"]
    return groups
