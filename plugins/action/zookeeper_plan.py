"""Action `zookeeper_plan`: the plan of one member, from its inputs, what is known of others, and what was read of its host."""

from __future__ import annotations

from dataclasses import asdict
from secrets import token_hex
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs as role_inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils import release_source
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.peers import Peers
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.plan import plan


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables, args = task_vars or {}, self._task.args
        role_path = str(variables["role_path"])
        names = role_inputs.of_role(role_path)
        found = role_inputs.values([*names, *Inputs.variables()], self._templar, variables)
        inputs, tables = Inputs.of(str(variables["inventory_hostname"]), found), Tables.of(found, role_path)
        published = variables[args["published"]] if "published" in args else {}
        source = release_source.of_role("zookeeper", found, published.get("sums"), published.get("reasons"))
        host = HostState.of(variables[args["host"]]) if "host" in args else None
        made = plan(inputs, tables, Peers.of(variables[args["peers"]]), source, args.get("key") or token_hex(16), host)
        told = role_inputs.plain(asdict(made))
        # Its texts stand in the entries as well, and no task asks for them here.
        del told["generation"]
        return result | {"changed": False, **told}
