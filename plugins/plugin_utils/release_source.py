"""Where a release's archive comes from, with the bundle that lies on the controller."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive as release_archive
from ansible_collections.streamquorum.ha.plugins.module_utils.release import bundle


def read_manifest(bundle_dir: str) -> Mapping[str, Any]:
    """The manifest of a bundle on the controller; empty where there is no bundle.

    Raises:
        AnsibleFilterError: it cannot be read, or is none.
    """
    path = os.path.join(os.path.expanduser(bundle_dir), bundle.MANIFEST)
    try:
        with open(path, encoding="utf-8") as handle:
            found = json.load(handle)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AnsibleFilterError(f"{path} cannot be read: {error}. Build the bundle again.") from error
    if not isinstance(found, dict):
        raise AnsibleFilterError(f"{path} is no manifest of a bundle. Build the bundle again.")
    return found


def release_source(
    releases: Sequence[Mapping[str, Any]], name: str, version: str, bundle_dir: str = "", **inputs: Any
) -> dict[str, Any]:
    """Where a release's archive comes from; see module_utils/release/archive.py.

    Raises:
        AnsibleFilterError: there is a bundle whose manifest cannot be read.
    """
    manifest = read_manifest(bundle_dir) if bundle_dir else {}
    directory = os.path.expanduser(bundle_dir)
    return release_archive.release_source(releases, name, version, bundle_dir=directory, manifest=manifest, **inputs)


def told_source(releases: Sequence[Mapping[str, Any]], name: str, version: str, **inputs: Any) -> dict[str, Any]:
    """As `release_source`. A bundle that cannot be read is one of the problems: as an error of a planner, no_log would hide its words."""
    try:
        return release_source(releases, name, version, **inputs)
    except AnsibleFilterError as error:
        return {
            "name": name,
            "version": version,
            "archive": "",
            "sources": [],
            "sha512": "",
            "problems": [error.message],
        }


#: Prefix of the role's variables, by product.
PREFIXES = {"zookeeper": "zookeeper", "flink": "flink_ha"}
#: Inputs that say where an archive comes from, without their prefix, by the name that `release_source` has for each.
INPUTS = {
    "bundle_dir": "bundle_dir",
    "archive_url": "url",
    "archive_file": "file",
    "archive_sha512": "sha512",
    "mirrors": "mirrors",
}


#: Inputs of the role that say which release is installed, and by what means.
CHOICE = {"zookeeper": ("version", "install_method", "flink_version"), "flink": ("version",)}


def variables(name: str) -> list[str]:
    """Names of the variables of a role that `of_role` goes by."""
    prefix = PREFIXES[name]
    return [
        *(f"{each}_releases" for each in PREFIXES.values()),
        *(f"{prefix}_{each}" for each in (*CHOICE[name], *INPUTS)),
    ]


def product(name: str, given: Mapping[str, Any]) -> tuple[str, str]:
    """What is installed for a role: its name, and its release. An ensemble's server may come in the archive of Flink."""
    prefix = PREFIXES[name]
    if given.get(f"{prefix}_install_method") == "flink":
        return "flink", str(given[f"{prefix}_flink_version"])
    return name, str(given[f"{prefix}_version"])


def of_role(
    name: str,
    given: Mapping[str, Any],
    sums: Mapping[str, str] | None,
    reasons: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Where the archive that a role's variables ask for comes from, as `told_source` says it.

    Args:
        name: `zookeeper` or `flink`.
        given: values by name of variable.
        sums: published sums by archive.
        reasons: by release, why none was to be had; nothing where nobody asked.
    """
    prefix = PREFIXES[name]
    installed, version = product(name, given)
    return told_source(
        given[f"{PREFIXES[installed]}_releases"],
        installed,
        version,
        published=sums,
        unpublished=(reasons or {}).get(version, ""),
        variable_prefix=prefix,
        **{option: given.get(f"{prefix}_{each}") or "" for each, option in INPUTS.items()},
    )
