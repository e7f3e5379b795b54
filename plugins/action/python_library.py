"""Packs pure Python libraries of the controller's environment and copies it to the host."""

from __future__ import annotations

import os
import tempfile
import zipfile
from importlib import metadata
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

#: zip cannot tell an earlier time; a fixed one makes the same release the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


def library_files(name: str, version: str) -> list[tuple[str, str]]:
    """(name in the zip, path) of an installed library's modules.

    Raises:
        AnsibleActionFail: it is missing, or of another release than the one that is pinned.
    """
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise AnsibleActionFail(f"{name} is missing in the controller's environment. Run `make setup`.") from None
    if found.version != version:
        raise AnsibleActionFail(
            f"The controller has {name} {found.version}, and {version} is pinned. Run `make setup`, "
            "or `pip install -r requirements.txt` in the environment that runs ansible-playbook."
        )
    return sorted(
        (str(file), str(file.locate()))
        for file in found.files or []
        if file.suffix == ".py" and ".." not in file.parts and "tests" not in file.parts
    )


def pack(path: str, files: list[tuple[str, str]]) -> None:
    """Writes a zip that depends on nothing but the files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, source in files:
            with open(source, "rb") as handle:
                archive.writestr(zipfile.ZipInfo(name, EPOCH), handle.read(), zipfile.ZIP_DEFLATED)


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
            pack(archive, [file for each in args["libraries"] for file in library_files(each["name"], each["version"])])
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
