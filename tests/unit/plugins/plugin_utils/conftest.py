"""Whole members: inputs as the role's own files and an inventory give them, and hosts as `host_state` read them."""

from __future__ import annotations

import copy
import functools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.streamquorum.ha.plugins.module_utils.host import files, standing
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive as release_archive
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs as role_inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.peers import gather
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.plan import plan

ROOT = Path(__file__).parents[4]
HOSTS = ROOT / "tests/fixtures/zookeeper/hosts"
ROLE = ROOT / "roles/zookeeper"
KEY = "of one run"


@functools.cache
def role_variables() -> dict:
    """Defaults and tables of the role and of those that it depends on, with their templates."""
    loader, found = DataLoader(), {}
    for name in ("common", "kerberos", "tls", "zookeeper"):
        role = ROOT / "roles" / name
        for path in [role / "defaults/main.yml", *sorted(role.glob("vars/main/*.yml"))]:
            if path.exists():
                found |= loader.load_from_file(str(path), trusted_as_template=True) or {}
    return found


@functools.cache
def variable_names() -> list[str]:
    return [*role_inputs.of_role(str(ROLE)), *Inputs.variables()]


class Ensemble:
    """Three members, zk1 to zk3, as an inventory has them; a test changes what it is about."""

    def __init__(self, **variables):
        self.groups = {"all": [], "zookeeper": ["zk3", "zk1", "zk2"]}
        self.variables = {"zookeeper_archive_sha512": "0" * 128, "zookeeper_bundle_dir": "", **variables}
        self.hostvars = {
            f"zk{number}": {"zookeeper_id": number, "zookeeper_address": f"zk{number}.invalid"} for number in (3, 1, 2)
        }
        self.unreached, self.play_hosts, self.notes = [], ["zk1", "zk2", "zk3"], {}

    def peers(self):
        found = gather(self.hostvars, self.groups, self.unreached, self.play_hosts)
        return replace(found, notes=self.notes)

    def given(self, host="zk1") -> dict:
        known = role_variables() | {
            "groups": self.groups, "inventory_hostname": host, "playbook_dir": "/playbooks", **self.variables, **self.hostvars[host],
        }  # fmt: skip
        templar = Templar(loader=DataLoader(), variables=known)
        return role_inputs.values(variable_names(), templar, known)

    def inputs(self, host="zk1") -> Inputs:
        return Inputs.of(host, self.given(host))

    def plan(self, state=None, host="zk1"):
        given = self.given(host)
        inputs, tables = Inputs.of(host, given), Tables.of(given, str(ROLE))
        source = release_archive.release_source(
            tables.releases, "zookeeper", inputs.version, sha512=inputs.archive_sha512, mirrors=inputs.mirrors
        )
        return plan(inputs, tables, self.peers(), source, KEY, HostState.of(state) if state else None)

    def together(self, **states):
        """The plans of members with what was noted of all of them; of each host its state."""
        self.notes = {host: self.plan(state, host).note for host, state in states.items()}
        return {host: self.plan(state, host) for host, state in states.items()}


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


@pytest.fixture
def after():
    """The state of a host after what was planned for it was written."""

    def _after(plan, state):
        return {**state, "standing": made([*plan.entries.first, *plan.entries.then])}

    return _after


@pytest.fixture
def ensemble():
    return Ensemble


def recorded(name: str, number: int = 1) -> dict:
    """A host as `host_state` read it: fresh.json, or live.json with the id of a member."""
    state = copy.deepcopy(json.loads((HOSTS / f"{name}.json").read_text()))
    if name == "live":
        state["contents"]["/var/lib/zookeeper/myid"] = str(number)
    return state


@pytest.fixture
def host():
    return recorded
