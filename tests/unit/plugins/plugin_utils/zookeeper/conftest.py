"""Whole members of an ensemble: inputs as the role's own files and an inventory give them, and hosts as `host_state` read them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.streamquorum.ha.plugins.plugin_utils import release_source
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.peers import gather
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.plan import Known, plan, plans
from unit.plugins.plugin_utils import roles


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
        known = {"groups": self.groups, "inventory_hostname": host, **self.variables, **self.hostvars[host]}
        return roles.values("zookeeper", [*Inputs.variables(), *Tables.variables()], **known)

    def inputs(self, host="zk1") -> Inputs:
        return Inputs.of(host, self.given(host))

    def tables(self, host="zk1") -> Tables:
        return Tables.of(self.given(host), str(roles.ROOT / "roles/zookeeper"))

    def known(self, state=None, host="zk1") -> Known:
        source = release_source.of_role("zookeeper", self.given(host), None)
        return Known(self.inputs(host), source, roles.KEY, HostState.of(state) if state else None)

    def plan(self, state=None, host="zk1"):
        each = self.known(state, host)
        return plan(each.inputs, self.tables(host), self.peers(), each.source, each.key, each.host)

    def together(self, **states):
        """The plans of members with what was noted of all of them; of each host its state."""
        self.notes = {}
        known = {host: self.known(state, host) for host, state in states.items()}
        made = plans(known, self.tables(next(iter(states))), self.peers())
        self.notes = {host: each.note for host, each in made.items() if each.note}
        return made


@pytest.fixture
def after():
    """The state of a host after what was planned for it was written."""

    def _after(plan, state):
        return {**state, "standing": roles.made([*plan.entries.first, *plan.entries.then])}

    return _after


@pytest.fixture
def ensemble():
    return Ensemble


@pytest.fixture
def host():
    """fresh, or live as the member with a number."""

    def _host(name: str, number: int = 1) -> dict:
        state = roles.recorded("zookeeper", name)
        if name == "live":
            state["contents"]["/var/lib/zookeeper/myid"] = str(number)
        return state

    return _host
