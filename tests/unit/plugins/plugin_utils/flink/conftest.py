"""Whole hosts of Flink: inputs as the role's own files and an inventory give them, and hosts as `host_state` read them."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive as release_archive
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import SEEN, gather, with_notes
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.plan import UNSEEN, Known, plan, plans
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import of_defaults
from unit.plugins.plugin_utils import roles

ROLE = roles.ROOT / "roles/flink_ha"
DEFAULTS = of_defaults(str(ROLE)) | of_defaults(str(ROLE.parent / "zookeeper"))


class Cluster:
    """JobManagers on jm1 and jm2, TaskManagers on tm1 and jm1, beside three voters; a test changes what it is about."""

    def __init__(self, **variables):
        self.groups = {
            "all": [],
            "zookeeper": ["zk3", "zk1", "zk2"],
            "flink_jobmanager": ["jm2", "jm1"],
            "flink_taskmanager": ["tm1", "jm1"],
        }
        self.variables = {
            "flink_ha_cluster_id": "/orders",
            "flink_ha_storage_dir": "hdfs://nameservice/flink",
            "flink_ha_archive_url": "https://repo.invalid/flink.tgz",
            "flink_ha_rest_open": True,
            "flink_ha_archive_sha512": "0" * 128,
            "flink_ha_bundle_dir": "",
            **variables,
        }
        self.hostvars = {name: {"flink_ha_address": f"{name}.invalid"} for name in ("jm1", "jm2", "tm1")}
        self.hostvars |= {f"zk{n}": {"zookeeper_id": n, "zookeeper_address": f"zk{n}.invalid"} for n in (3, 1, 2)}
        self.unreached, self.play_hosts, self.notes = [], ["jm1", "jm2", "tm1", "zk1", "zk2", "zk3"], {}
        self.active_hosts = self.play_hosts

    def seen(self) -> dict[str, dict]:
        """Variables of all hosts, as each reads those of the others."""
        return {name: self.variables | own for name, own in self.hostvars.items()}

    def peers(self):
        found = gather(
            self.seen(),
            self.groups,
            self.unreached,
            self.play_hosts,
            self.active_hosts,
            DEFAULTS,
        )
        return with_notes(found, self.notes) if self.notes else found

    def given(self, host="jm1") -> dict:
        known = {"groups": self.groups, "inventory_hostname": host, **self.seen()[host]}
        return roles.values("flink_ha", [*Inputs.variables(), *Tables.variables()], **known)

    def inputs(self, host="jm1") -> Inputs:
        seen = self.seen()[host]
        return Inputs.of(host, self.given(host), {name: seen[name] for name in SEEN if name in seen})

    def tables(self, host="jm1") -> Tables:
        return Tables.of(self.given(host), str(ROLE))

    def known(self, state=None, host="jm1", stores=None, learnt=UNSEEN) -> Known:
        inputs, tables = self.inputs(host), self.tables(host)
        source = release_archive.release_source(
            tables.releases, "flink", inputs.version, sha512=inputs.archive_sha512, mirrors=inputs.mirrors
        )
        return Known(inputs, source, roles.KEY, HostState.of(state) if state else None, stores, learnt)

    def plan(self, state=None, host="jm1", stores=None, learnt=UNSEEN):
        each = self.known(state, host, stores, learnt)
        return plan(
            each.inputs, self.tables(host), self.peers(), each.source, each.key, each.host, each.stores, each.learnt
        )

    def together(self, stores=None, learnt=UNSEEN, **states):
        """The plans of hosts with what was noted of all of them; of each host its state, and of all the same that they learnt, or of each its own."""
        seen = learnt if isinstance(learnt, dict) else dict.fromkeys(states, learnt)
        self.notes = {}
        known = {host: self.known(state, host, stores, seen[host]) for host, state in states.items()}
        made, _peers = plans(known, self.tables(next(iter(states))), self.peers())
        self.notes = {host: each.note for host, each in made.items() if each.note}
        return made


@pytest.fixture
def after():
    """The state of a host after what was planned for it was written."""

    def _after(plan, state):
        return {**state, "standing": roles.made([*plan.entries.first, *plan.entries.then])}

    return _after


@pytest.fixture
def cluster():
    return Cluster


@pytest.fixture
def host():
    """fresh, or live with a generation of before; without some of the services."""

    def _host(name: str, *without: str) -> dict:
        state, fresh = roles.recorded("flink", name), roles.recorded("flink", "fresh")
        for service in without:
            unit = f"{service}.service"
            state["units"][unit] = fresh["units"][unit]
            state["listening"] = [each for each in state["listening"] if each["unit"] != unit]
            for part in ("lines", "paths"):
                state[part] |= {path: each for path, each in fresh[part].items() if f"/{service}/" in path}
        return state

    return _host
