"""Reads a keytab on the controller, vaulted or not, refuses one without the principal, and hands it to the module."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.module_utils.pki.keytab import problems


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        source = args.get("src", "")
        if source:
            try:
                data = Path(self._loader.get_real_file(self._find_needle("files", source))).read_bytes()
            except AnsibleError as error:
                return result | {"failed": True, "msg": f"{source} cannot be read on the controller: {error.message}"}
            found = problems(data, args["principal"], source)
            if found:
                return result | {"failed": True, "msg": found[0]}
            args["content"] = base64.b64encode(data).decode()
        if args.get("only_inspect"):
            return result | {"changed": False}
        made: dict[str, Any] = self._execute_module("streamquorum.ha.keytab", module_args=args, task_vars=task_vars)
        return result | made
