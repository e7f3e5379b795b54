"""Action part of `jar_set`: brings jars from the controller to a host that needs them, and to no other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive
from ansible_collections.streamquorum.ha.plugins.plugin_utils.controller_file import controller_file

MODULE = "streamquorum.ha.jar_set"


def from_bundle(jars: Sequence[Mapping[str, Any]], bundle_dir: str) -> list[dict[str, Any]]:
    """The same jars, those that the bundle holds with the controller's file as their source.

    Args:
        jars: option of the module.
        bundle_dir: directory of the bundle on the controller; empty for none.
    """
    found = []
    for jar in jars:
        path = os.path.join(os.path.expanduser(bundle_dir), "jars", jar["file"])
        bundled = bool(bundle_dir and jar["source"]) and os.path.isfile(path)
        found.append({**jar, "source": path if bundled and archive.sha512_of(path) == jar["sha512"] else jar["source"]})
    return found


class ActionModule(ActionBase):
    """One module execution where the set is there; the module asks for the controller's files by `transfer`."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        args = {key: value for key, value in self._task.args.items() if key not in ("transferred", "bundle_dir")}
        args["jars"] = from_bundle(args["jars"], str(self._task.args.get("bundle_dir") or ""))
        result: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=args, task_vars=variables)
        if result.get("failed") or not result["transfer"]:
            return result
        try:
            paths = {sha512: self._checked(source, sha512) for sha512, source in result["transfer"].items()}
        except archive.ReleaseError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
        if self._task.check_mode:
            return result | {"transfer": {}}
        there = self._transferred(paths)
        found: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args={**args, "transferred": there}, task_vars=variables
        )
        return found

    def _checked(self, source: str, sha512: str) -> str:
        """The controller's file of a source. A wrong one is found before it is sent anywhere."""
        path = controller_file(source, self._find_needle)
        if path is None:
            raise archive.ReleaseError(f"{source} is not a file on the controller.")
        archive.check_sum(archive.sha512_of(path), sha512, source)
        return path

    def _transferred(self, paths: Mapping[str, str]) -> dict[str, str]:
        """The files on the host, by their sums."""
        self._make_tmp_path()
        shell = self._connection._shell
        there = {sha512: shell.join_path(shell.tmpdir, sha512[:16]) for sha512 in paths}
        for sha512, path in paths.items():
            self._transfer_file(path, there[sha512])
        self._fixup_perms2((shell.tmpdir, *there.values()))
        return there
