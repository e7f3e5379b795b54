"""Action `flink_peers`: what the plans of all Flink hosts need of other hosts, gathered once a run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import gather
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import of_defaults, plain


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        role = str(variables["role_path"])
        found = gather(
            variables["hostvars"],
            variables["groups"],
            self._templar.template(variables["common_unreached"]),
            variables["ansible_play_hosts_all"],
            variables["ansible_play_hosts"],
            # Of its own hosts, a role knows the defaults. Those of the ensemble may have another role's only.
            of_defaults(role) | of_defaults(f"{role}/../zookeeper"),
            str(self._task.args.get("noted", "")),
        )
        return result | {"changed": False, **plain(asdict(found))}
