"""Runs real playbooks against inventories whose hosts are this machine; nothing is ever changed, since all is refused."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = shutil.which("python3")


def good_inventory(folder: Path) -> dict:
    """An inventory with nothing to refuse, but for the host checks that a test asks for."""
    return {
        "all": {
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": PYTHON,
                "ansible_become": False,
                "zookeeper_data_dir": str(folder / "data"),
                "zookeeper_config_dir": str(folder / "etc"),
                "zookeeper_bundle_dir": str(folder / "bundle"),
                "zookeeper_archive_sha512": "0" * 128,
            },
            "children": {
                "zookeeper": {
                    "hosts": {f"zk{i}": {"zookeeper_id": i, "zookeeper_address": f"zk{i}.invalid"} for i in (1, 2, 3)}
                }
            },
        }
    }


@pytest.fixture
def inventory(tmp_path):
    return good_inventory(tmp_path)


@pytest.fixture
def run(tmp_path):
    """Runs a playbook with an inventory (a dict, or the path of one); gives (exit code, output in one line)."""

    def _run(inventory, *arguments, playbook="playbooks/zookeeper.yml"):
        path = inventory
        if isinstance(inventory, dict):
            path = tmp_path / "hosts.json"
            path.write_text(json.dumps(copy.deepcopy(inventory)))
        command = ["ansible-playbook", "-i", str(path), playbook, *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
            check=False,
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return _run
