"""Runs the stand-in of a module in Ansible's own worker: five shells and a Python of its own cost three times what the rest of a task does."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        if self._connection.transport != "local":
            return self._execute_module(task_vars=task_vars)  # nobody is there, and Ansible says so
        host = Path(self.get_shell_option("remote_tmp")).name
        module = Path(__file__).parents[1] / "modules" / Path(__file__).name
        names = {"__name__": module.stem}
        # No import: Ansible's importer knows no module that begins with a line for the shell.
        exec(compile(module.read_text(), module, "exec"), names)
        arguments = json.loads(json.dumps(self._task.args))
        return names["answer"](host, arguments, self._task.check_mode)
