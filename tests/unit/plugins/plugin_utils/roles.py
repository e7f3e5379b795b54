"""Inputs of a role as its own files and an inventory give them, and hosts as `host_state` read them."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.streamquorum.ha.plugins.module_utils.host import files, standing
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs as role_inputs

ROOT = Path(__file__).parents[4]


@functools.cache
def _variables(role: str) -> dict[str, Any]:
    """Defaults and tables of a role and of those that it depends on, with their templates."""
    loader, found = DataLoader(), {}
    for name in ("common", "kerberos", "tls", role):
        folder = ROOT / "roles" / name
        for path in [folder / "defaults/main.yml", *sorted(folder.glob("vars/main/*.yml"))]:
            if path.exists():
                found |= loader.load_from_file(str(path), trusted_as_template=True) or {}
    return found


@functools.cache
def _names(role: str) -> list[str]:
    return role_inputs.names((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())


@functools.cache
def _values(role: str, further: tuple[str, ...], known: str) -> dict[str, Any]:
    variables = _variables(role) | {"playbook_dir": "/playbooks"} | json.loads(known)
    templar = Templar(loader=DataLoader(), variables=variables)
    return role_inputs.values([*_names(role), *further], templar, variables)


def values(role: str, further: list[str], **known: Any) -> dict[str, Any]:
    """Values of a role's inputs, and of further variables, where these are known of a host. Each is worked out once."""
    return copy.deepcopy(_values(role, tuple(further), json.dumps(known, sort_keys=True)))


def recorded(product: str, name: str) -> dict[str, Any]:
    """A host as `host_state` read it: fresh, or live with a generation of before."""
    return copy.deepcopy(json.loads((ROOT / f"tests/fixtures/{product}/hosts/{name}.json").read_text()))


#: Of the digests by which a host tells what stands there.
KEY = "of one run"


def made(entries) -> dict:
    """What a host tells on which all of these entries were made."""
    found = {}
    for given in entries:
        entry = {**standing.DEFAULTS, **given}
        content = str(files.wanted_value(entry, "content")) if entry["state"] == "file" else ""
        found[entry["path"]] = {
            **{name: entry[name] for name in ("owner", "group", "mode", "target")},
            "kind": entry["state"],
            "digest": standing.digest(KEY, content),
            "settings": standing.settings_of(KEY, content),
        }
    return found
