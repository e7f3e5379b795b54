"""Action `rolls`: the groups of one kind that a run changes member by member."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import plain
from ansible_collections.streamquorum.ha.plugins.plugin_utils.rolls import HOSTS, NotReadError, rolls

ARGUMENTS = {
    "kind": {"type": "str", "choices": list(HOSTS), "required": True},
    "unreached": {"type": "list", "elements": "str", "default": []},
    "force": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _valid, args = self.validate_argument_spec(ARGUMENTS)
        variables = task_vars or {}
        try:
            found = rolls(
                args["kind"], variables["hostvars"], variables["groups"], plain(args["unreached"]), args["force"]
            )
        except NotReadError as refusal:
            return result | {"failed": True, "msg": str(refusal)}
        return result | {"changed": False, "rolls": plain([asdict(each) for each in found])}
