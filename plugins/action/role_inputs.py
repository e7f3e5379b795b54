"""Action `role_inputs`: a role's inputs are compared with its argument_specs, what is wrong is told in a line each, and their values kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs as role_inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink import inputs as flink
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper import inputs as zookeeper

#: Role whose hosts are planned -> the variables that their plans are made of, besides its inputs.
PLANNED = {"zookeeper": zookeeper.Inputs.variables, "flink_ha": flink.Inputs.variables}


class ActionModule(ActionBase):
    """As validate_argument_spec. That prints the whole specification, over a thousand lines, with each failure, and gives no values."""

    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        role = Path(self._task.args["role_path"])
        # Not by the loader, which keeps the place of each value, and copies all of it.
        specs = yaml_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
        options = specs["main"]["options"]
        further = PLANNED[role.name]() if role.name in PLANNED else []
        values = role_inputs.values([*options, *further], self._templar, variables)
        given = {name: value for name, value in values.items() if name in options}
        wrong = ArgumentSpecValidator(options).validate(given, validate_role_argument_spec=True).error_messages
        if wrong and self._task.args.get("refuse", True):
            told = [f"{variables['inventory_hostname']}: {each}." for each in wrong]
            msg = "\n".join([*told, "docs/variables.md lists the inputs with their types."])
            return result | {"failed": True, "msg": msg}
        # There are passwords among the values. A refusal is shown, which no_log at the task would hide.
        return result | {"changed": False, "values": values, "_ansible_no_log": True}
