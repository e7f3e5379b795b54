"""Action `role_inputs`: a role's inputs are compared with its argument_specs, and what is wrong is told in a line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import validate_argument_spec


class ActionModule(validate_argument_spec.ActionModule):
    """Ansible's own comparison. That prints the whole specification, over a thousand lines, with each failure."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        role = Path(self._task.args["role_path"])
        # Not by the loader, which keeps the place of each value, and copies all of it.
        specs = yaml_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
        self._task.args = {"argument_spec": specs["main"]["options"]}
        try:
            result: dict[str, Any] = super().run(tmp, variables)
        except AnsibleActionFail as failure:  # raised, or returned: that differs between releases of Ansible
            return {"failed": True, "msg": str(failure)}
        if not result.get("failed"):
            return {"changed": False}
        told = [f"{variables['inventory_hostname']}: {each}." for each in result["argument_errors"]]
        return {"failed": True, "msg": "\n".join([*told, "docs/variables.md lists the inputs with their types."])}
