"""Action `flink_plan`: the plans of all Flink hosts of a play, from their inputs, what others know of them, and what was read of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from secrets import token_hex
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs as role_inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils import release_source
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import SEEN, gather
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.plan import Known, Plan, plans
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn.application import Seen
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState, PlanError, for_each_host
from ansible_collections.streamquorum.ha.plugins.plugin_utils.refusals import refusals


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables, args = task_vars or {}, self._task.args
        role, hostvars = str(variables["role_path"]), variables["hostvars"]
        tables = role_inputs.values(Tables.variables(), self._templar, variables)
        peers = gather(
            hostvars,
            variables["groups"],
            self._templar.template(variables["common_unreached"]),
            variables["ansible_play_hosts_all"],
            variables["ansible_play_hosts"],
            # Of its own hosts, a role knows the defaults. Those of the ensemble may have another role's only.
            role_inputs.of_defaults(role) | role_inputs.of_defaults(f"{role}/../zookeeper"),
        )
        read = role_inputs.read(hostvars, variables["ansible_play_hosts"], args["inputs"], args.get("host"))
        try:
            known = for_each_host(read, lambda host, each: self._known(host, each, hostvars[host], tables, variables))
            made, peers = plans(known, Tables.of(tables, role), peers)
        except PlanError as error:
            # The task is no_log, which would hide it.
            self._display.error(str(error))
            raise
        return result | {
            "changed": False,
            "plans": {host: _told(each) for host, each in made.items()},
            "peers": role_inputs.plain(asdict(peers)),
            "problems": refusals({host: each.problems for host, each in made.items()}),
            "special": [host for host, each in made.items() if each.special],
            "changing": [host for host, each in made.items() if each.changing],
            "notes": {host: _noted(each) for host, each in made.items() if each.note},
        }

    def _known(
        self,
        host: str,
        read: Mapping[str, Any],
        seen: Mapping[str, Any],
        tables: Mapping[str, Any],
        variables: Mapping[str, Any],
    ) -> Known:
        args = self._task.args
        given = {**tables, **read[args["inputs"]]["values"]}
        published = variables[args["published"]] if "published" in args else {}
        asked = variables[args["asked"]]["plans"] if "asked" in args else {}
        return Known(
            inputs=Inputs.of(host, given, role_inputs.plain({name: seen[name] for name in SEEN if name in seen})),
            source=release_source.of_role("flink", given, published.get("sums"), published.get("reasons")),
            key=asked[host]["reads"]["standing"]["key"] if host in asked else token_hex(16),
            host=HostState.of(read[args["host"]]) if "host" in args else None,
            stores=read.get(args.get("stores", "")),
            learnt=self._learnt(read),
        )

    def _learnt(self, read: Mapping[str, Any]) -> Seen | None:
        names: Mapping[str, str] = self._task.args.get("learnt", {})
        if names.get("yarn") not in read:
            return None
        found = {part: read.get(name, {}) for part, name in names.items()}
        return Seen.of({**found, "keep": self._task.args.get("keep", False)})


def _told(plan: Plan) -> dict[str, Any]:
    told: dict[str, Any] = role_inputs.plain(asdict(plan))
    # Its texts stand in the entries as well, and no task asks for them here.
    del told["generations"]
    return told


def _noted(plan: Plan) -> dict[str, Any]:
    """What others must know of a host: docs/architecture.md, "Facts for others"."""
    note = role_inputs.plain(asdict(plan.note)) if plan.note else {}
    return {"members": note["members"], "tolerates": note["tolerates"], "cluster": role_inputs.plain(plan.cluster)}
