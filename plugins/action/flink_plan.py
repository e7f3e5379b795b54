"""Action `flink_plan`: the plan of one host of Flink, from its inputs, what is known of others, and what was read of the host."""

from __future__ import annotations

from dataclasses import asdict
from secrets import token_hex
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs as role_inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils import release_source
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import SEEN, Peers
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.plan import UNSEEN, plan
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn.application import Seen
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables, args = task_vars or {}, self._task.args
        role_path, name = str(variables["role_path"]), str(variables["inventory_hostname"])
        found = role_inputs.values([*role_inputs.of_role(role_path), *Inputs.variables()], self._templar, variables)
        seen = variables["hostvars"][name]
        inputs = Inputs.of(name, found, role_inputs.plain({key: seen[key] for key in SEEN if key in seen}))
        tables = Tables.of(found, role_path)
        host = HostState.of(variables[args["host"]]) if "host" in args else None
        published = variables[args["published"]] if "published" in args else {}
        source = release_source.of_role("flink", found, published.get("sums"), published.get("reasons"))
        key = args.get("key") or token_hex(16)
        learnt = Seen.of(args["learnt"]) if "learnt" in args else UNSEEN
        made = plan(inputs, tables, Peers.of(variables[args["peers"]]), source, key, host, args.get("stores"), learnt)
        told = role_inputs.plain(asdict(made))
        # Its texts stand in the entries as well, and no task asks for them here.
        del told["generations"]
        return result | {"changed": False, **told}
