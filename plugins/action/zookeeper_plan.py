"""Action `zookeeper_plan`: the plans of all members of a play, from their inputs, what others know of them, and what was read of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from secrets import token_hex
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs as role_inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils import release_source
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState, PlanError, for_each_host
from ansible_collections.streamquorum.ha.plugins.plugin_utils.refusals import refusals
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.peers import gather
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.plan import Known, Plan, plans


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables, args = task_vars or {}, self._task.args
        tables = role_inputs.values(Tables.variables(), self._templar, variables)
        peers = gather(
            variables["hostvars"],
            variables["groups"],
            self._templar.template(variables["common_unreached"]),
            variables["ansible_play_hosts_all"],
        )
        read = role_inputs.read(
            variables["hostvars"], variables["ansible_play_hosts"], args["inputs"], args.get("host")
        )
        try:
            known = for_each_host(read, lambda host, each: self._known(host, each, tables, variables))
            made = plans(known, Tables.of(tables, str(variables["role_path"])), peers)
        except PlanError as error:
            # The task is no_log, which would hide it.
            self._display.error(str(error))
            raise
        return result | {
            "changed": False,
            "plans": {host: _told(each) for host, each in made.items()},
            "problems": refusals({host: each.problems for host, each in made.items()}),
            "special": [host for host, each in made.items() if each.special],
            "changing": [host for host, each in made.items() if each.changing],
            "notes": {host: _noted(each) for host, each in made.items() if each.note},
        }

    def _known(
        self, host: str, read: Mapping[str, Any], tables: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> Known:
        args = self._task.args
        given = {**tables, **read[args["inputs"]]["values"]}
        published = variables[args["published"]] if "published" in args else {}
        asked = variables[args["asked"]]["plans"] if "asked" in args else {}
        return Known(
            inputs=Inputs.of(host, given),
            source=release_source.of_role("zookeeper", given, published.get("sums"), published.get("reasons")),
            key=asked[host]["reads"]["standing"]["key"] if host in asked else token_hex(16),
            host=HostState.of(read[args["host"]]) if "host" in args else None,
        )


def _told(plan: Plan) -> dict[str, Any]:
    told: dict[str, Any] = role_inputs.plain(asdict(plan))
    # Its texts stand in the entries as well, and no task asks for them here.
    del told["generation"]
    return told


def _noted(plan: Plan) -> dict[str, Any]:
    """What others must know of a member: docs/architecture.md, "Facts for others"."""
    told: dict[str, Any] = role_inputs.plain(
        {
            "member": plan.note.member if plan.note else {},
            "ensemble": asdict(plan.ensemble),
            "live_config": plan.live_config,
        }
    )
    return told
