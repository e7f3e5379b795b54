"""Action part of `storage_proof`: sends the jar that proves a storage, for the time of the task."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

JAR = "storage-proof.jar"


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        self._make_tmp_path()
        shell = self._connection._shell
        there = shell.join_path(shell.tmpdir, JAR)
        self._transfer_file(self._find_needle("files", JAR), there)
        self._fixup_perms2((shell.tmpdir, there))
        result: dict[str, Any] = self._execute_module(
            module_name="streamquorum.ha.storage_proof",
            module_args={**self._task.args, "jar": there},
            task_vars=task_vars or {},
        )
        return result
