"""Action part of `leader_znode` and `znode_elections`: lends the client library to a host that has none yet.

Such is a host of a Flink that somebody else set up.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.plugin_utils import client_library


class ActionModule(ActionBase):
    """One module execution where the library is there; nothing stays of one that was lent."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        result: dict[str, Any] = self._execute_module(task_vars=task_vars)
        if not result.get("library_missing"):
            return result
        shell = self._connection._shell
        # Without pipelining the first execution has made one.
        if shell.tmpdir is None:
            self._make_tmp_path()
        lent = shell.join_path(shell.tmpdir, "client-library.zip")
        with tempfile.TemporaryDirectory() as folder:
            packed = os.path.join(folder, "client-library.zip")
            client_library.pack(packed, client_library.pinned())
            self._transfer_file(packed, lent)
        self._fixup_perms2((shell.tmpdir, lent))
        found: dict[str, Any] = self._execute_module(
            module_args={**self._task.args, "kazoo_path": lent}, task_vars=task_vars
        )
        self._remove_tmp_path(shell.tmpdir)
        return found
