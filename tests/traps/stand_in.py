"""A copy of this tree whose modules are stand-ins, so that its playbooks run on hosts that exist only as files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from traps.world import ROOT

#: Modules of Ansible that change a host, and are replaced too: the hosts of a world are this machine.
REPLACED = ("apt", "command", "group", "systemd_service", "user")
#: Those that run as they are, since they do nothing to a host, or only what a test has a directory for (the diagnostics).
AS_THEY_ARE = {
    "assert", "copy", "debug", "fail", "file", "group_by", "import_playbook", "import_role", "import_tasks", "include_role", "include_tasks", "include_vars",
    "meta", "ping", "set_fact",
}  # fmt: skip
#: Action plugins of ours that stay: they only read on the controller, or call a module, which is replaced.
STAY = {
    "flink_plan",
    "host_state",
    "published_sum",
    "role_inputs",
    "roll_step",
    "rolls",
    "run_lease",
    "zookeeper_plan",
}
#: They reach no host, and are not run here.
CONTROLLERS_OWN = {"bundle.yml", "import.yml"}
#: Where `file` and `copy` may stand: in what runs on the controller, and in what no test here comes to.
MAY_WRITE = {"diagnostics.yml", "probe_save.yml", "prove.yml", "status.yml"}


def copy_tree(
    folder: Path, playbooks: Iterable[Path] = (), also: Iterable[str] = (), *, processes: bool = True
) -> None:
    """Makes a collections path of a folder: this tree, its modules replaced by `fake_module.py`.

    Args:
        folder: where it goes.
        playbooks: further ones, which are put beside ours.
        also: modules of Ansible that are replaced besides those that change a host.
        processes: each call of a module is a process of its own, as on a host; otherwise `fake_action.py` makes it.
    """
    replaced = [*REPLACED, *also]
    tree = folder / "ansible_collections/streamquorum/ha"
    for name in ("playbooks", "plugins", "roles", "meta"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "galaxy.yml", tree)
    for path in playbooks:
        shutil.copy(path, tree / "playbooks")
    fake = (Path(__file__).parent / "fake_module.py").read_text()
    modules = tree / "plugins/modules"
    for path in [*modules.glob("[a-z]*.py"), *(modules / f"fake_{name}.py" for name in replaced)]:
        path.write_text("#!/usr/bin/python\n" + fake.replace("@MODULE@", path.stem) + "\n# WANT_JSON\n")
    for path in (tree / "plugins/action").glob("*.py"):
        if path.stem not in STAY:
            path.unlink()  # they send files
    if not processes:
        _in_the_worker(tree)
    for path in [
        *tree.glob("roles/*/tasks/**/*.yml"),
        *tree.glob("playbooks/*.yml"),
        *tree.glob("playbooks/phases/*.yml"),
    ]:
        if path.name in CONTROLLERS_OWN:
            continue
        text = path.read_text()
        used = set(re.findall(r"^\s*(?:- )?ansible\.builtin\.(\w+):", text, re.MULTILINE))
        assert used <= AS_THEY_ARE | set(replaced), (
            f"{path.name}: say in stand_in.py what {used - AS_THEY_ARE} does here"
        )
        assert path.name in MAY_WRITE or not used & {"copy", "file"}, f"{path.name} would write to this machine"
        path.write_text(re.sub(rf"ansible\.builtin\.({'|'.join(replaced)}):", r"streamquorum.ha.fake_\1:", text))


def _in_the_worker(tree: Path) -> None:
    shutil.copy(Path(__file__).with_name("fake_action.py"), tree / "plugins/plugin_utils")
    place = "ansible_collections.streamquorum.ha.plugins.plugin_utils.fake_action"
    for path in (tree / "plugins/modules").glob("[a-z]*.py"):
        action = tree / "plugins/action" / path.name
        if action.exists():
            text = action.read_text()
            action.write_text(
                text.replace("from ansible.plugins.action import ActionBase", f"from {place} import ActionBase")
            )
        else:
            action.write_text(f"from {place} import ActionModule  \n")
