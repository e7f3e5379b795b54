"""Action `import_config`: an inventory from configuration on the controller. It changes nothing, and asks no host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.module_utils.core.known_names import parse_known
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs as role_inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils.importing import files
from ansible_collections.streamquorum.ha.plugins.plugin_utils.importing.inventory import Tables, inventory
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import keys


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = role_inputs.plain(self._task.args)
        try:
            read = [files.read(path, _text(path)) for path in args["files"]]
            made = inventory(read, args["versions"], _tables(Path(args["roles"])))
        except files.ImportRefusedError as problem:
            return result | {"failed": True, "changed": False, "msg": str(problem)}
        return result | {"changed": False, "text": made.text, "told": list(made.told), "missing": list(made.missing)}


def _text(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise files.ImportRefusedError(f"{path} cannot be read on the controller: {error}.") from error


def _known(path: Path) -> dict[str, tuple[str, str]]:
    return parse_known(path.read_text(encoding="utf-8"))


def _tables(roles: Path) -> Tables:
    """From the roles' own files."""

    def of(role: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path in sorted((roles / role / "vars/main").glob("*.yml")):
            found |= yaml_load(path.read_text(encoding="utf-8")) or {}
        return found

    flink, zookeeper = of("flink_ha"), of("zookeeper")
    options, owned = keys(zookeeper)
    return Tables(
        flink_releases=flink["flink_ha_releases"],
        flink_options=flink["flink_ha_options"],
        flink_open_options=flink["flink_ha_open_options"],
        flink_shipped_java_opts=flink["flink_ha_shipped_java_opts"],
        flink_known_options=_known(roles / "flink_ha/files/known_options.txt"),
        flink_defaults=role_inputs.of_defaults(str(roles / "flink_ha")),
        zookeeper_releases=zookeeper["zookeeper_releases"],
        zookeeper_options=options,
        zookeeper_owned=owned,
        zookeeper_known_keys=_known(roles / "zookeeper/files/known_keys.txt"),
        zookeeper_defaults=role_inputs.of_defaults(str(roles / "zookeeper")),
    )
