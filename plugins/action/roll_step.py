"""Action `roll_step`: the next step of a roll, and the plan of all that are to come, from what was just read."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import groups, lease
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import plain

ALLOWED = {
    "accept_members_down": {"type": "bool", "default": False},
    "accept_outage": {"type": "bool", "default": False},
    "accept_unhealthy": {"type": "bool", "default": False},
    "accept_restart_budget": {"type": "bool", "default": False},
    "batch": {"type": "int", "default": 1},
}
ARGUMENTS = {
    "roll": {"type": "dict", "required": True},
    "members": {"type": "list", "elements": "dict", "required": True},
    "reply": {"type": "dict", "required": True},
    "tried": {"type": "list", "elements": "str", "default": []},
    "waited": {"type": "list", "elements": "str", "default": []},
    "ran": {"type": "list", "elements": "str", "default": []},
    "checkpoint_wait": {"type": "int", "required": True},
    "lease_seconds": {"type": "int", "required": True},
    "allowed": {"type": "dict", "options": ALLOWED, "required": True},
}
PROGRESS = ("tried", "waited", "ran", "checkpoint_wait", "lease_seconds")


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _valid, args = self.validate_argument_spec(ARGUMENTS)
        given = plain(args)
        roll, members = given["roll"], given["members"]
        run = {name: given[name] for name in PROGRESS} | {"start_timeout": roll["cluster"].get("timeout", 0)}
        seen = (members, roll["kind"], given["reply"], run, given["allowed"])
        step = groups.step(*seen)
        own = [target["host"] for target in step["targets"]]
        asked = lease.asked_first(roll["voters"], own, set(roll["voters"]) - set(roll["voters_reached"]))
        return result | {
            "changed": False,
            **step,
            "lease_own": own,
            "lease_on": asked,
            "lease_spare": [host for host in roll["voters"] if host not in asked],
            "plan": groups.plan_lines(*seen, label=roll["label"]),
        }
