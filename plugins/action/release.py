"""Action part of `release`: brings an archive from the controller to a host that needs it, and to no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive
from ansible_collections.streamquorum.ha.plugins.plugin_utils.controller_file import controller_file

MODULE = "streamquorum.ha.release"


class ActionModule(ActionBase):
    """One module execution where the release is installed; the module asks for a controller's file by `transfer`."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        args = {key: value for key, value in self._task.args.items() if key not in ("transferred", "failures")}
        result = self._execute(args, variables)
        if result.get("failed"):
            return result
        try:
            if self._task.check_mode:
                if result["changed"]:
                    self._check_sources(args, result["sha512"])
                return result
            while result.get("transfer"):
                result = self._install_from_controller(args, result, variables)
        except (archive.ReleaseError, AnsibleError) as error:
            return {"failed": True, "changed": False, "msg": str(error)}
        return result

    def _execute(self, args: Mapping[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=dict(args), task_vars=variables)
        return found

    def _install_from_controller(
        self, args: Mapping[str, Any], asked: Mapping[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        source, remaining, failures = asked["transfer"], asked["remaining"], list(asked["failures"])
        path = controller_file(source, self._find_needle)
        if path is None:
            failures.append(f"{source}: is not a file on the controller")
            if not remaining:
                raise archive.nowhere(archive.Release(asked["name"], asked["version"], asked["sha512"]), failures)
            return self._execute({**args, "sources": remaining, "failures": failures}, variables)
        # A wrong archive is found before it is sent anywhere.
        archive.check_sum(archive.sha512_of(path), asked["sha512"], source)
        self._make_tmp_path()
        there = self._connection._shell.join_path(self._connection._shell.tmpdir, "archive")
        self._transfer_file(path, there)
        self._fixup_perms2((self._connection._shell.tmpdir, there))
        return self._execute(
            {**args, "sources": [source, *remaining], "failures": failures, "transferred": there}, variables
        )

    def _check_sources(self, args: Mapping[str, Any], sha512: str) -> None:
        """Check mode: the controller's files are here to be looked at; whether a mirror answers is not asked."""
        missing = []
        for source in args["sources"]:
            if archive.is_url(source):
                continue
            path = controller_file(source, self._find_needle)
            if path is None:
                missing.append(f"{source}: is not a file on the controller")
            else:
                archive.check_sum(archive.sha512_of(path), sha512, source)
        if len(missing) == len(args["sources"]):
            raise archive.nowhere(archive.Release(args["name"], str(args["version"]), sha512), missing)
