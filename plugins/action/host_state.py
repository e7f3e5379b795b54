"""Action part of `host_state`: what is read stands in a plan as a whole. Ansible would template each part of it by itself."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = {name: value for name, value in self._task.args.items() if name != "reads"}
        found: dict[str, Any] = self._execute_module(
            module_args={**self._task.args.get("reads", {}), **args}, task_vars=task_vars
        )
        return found
