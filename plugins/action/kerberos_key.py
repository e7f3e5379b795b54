"""Makes a keytab on the controller that is not there yet, by the KDC's administration server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.module_utils.pki import keytab
from ansible_collections.streamquorum.ha.plugins.module_utils.pki.kadmin import Kadmin, KadminError


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self._task.args
        path = Path(args["path"]).expanduser()
        data = self._read(args["path"])
        if data is not None:
            found = {"changed": False, "path": args["path"]}
            problems = keytab.problems(data, args["principal"], args["path"])
            return result | found | ({"failed": True, "msg": problems[0]} if problems else {})
        if not path.is_absolute():
            return result | {
                "failed": True,
                "msg": f"{args['path']} is not there; to make it, its whole path is needed.",
            }
        if not self._task.check_mode:
            kadmin = Kadmin(args["realm"], args["kdcs"], args["admin_server"], args["admin"], args["password"])
            try:
                made = kadmin.make(args["principal"], path)
            except (KadminError, OSError) as error:
                return result | {"failed": True, "msg": f"No key for {args['principal']}: {error}"}
            return result | {"changed": made, "path": str(path)}
        return result | {"changed": True, "path": str(path)}

    def _read(self, name: str) -> bytes | None:
        try:
            path = self._find_needle("files", name)
        except AnsibleError:
            return None
        return Path(self._loader.get_real_file(path)).read_bytes()
