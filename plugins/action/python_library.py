"""Packs pure Python libraries of the controller's environment and copies it to the host."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.plugin_utils import client_library


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _spec, args = self.validate_argument_spec(
            argument_spec={
                "libraries": {"type": "list", "elements": "dict", "required": True},
                "dest": {"type": "path", "required": True},
            }
        )
        with tempfile.TemporaryDirectory() as folder:
            archive = os.path.join(folder, os.path.basename(args["dest"]))
            client_library.pack(archive, args["libraries"])
            copy = self._task.copy()
            copy.args = {"src": archive, "dest": args["dest"], "owner": "root", "group": "root", "mode": "0644"}
            action = self._shared_loader_obj.action_loader.get(
                "ansible.builtin.copy",
                task=copy,
                connection=self._connection,
                play_context=self._play_context,
                loader=self._loader,
                templar=self._templar,
                shared_loader_obj=self._shared_loader_obj,
            )
            result: dict[str, Any] = action.run(task_vars=task_vars)
        return result | {"dest": args["dest"]}
