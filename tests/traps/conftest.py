"""Real playbooks, roles and decisions of this tree on hosts that exist only as files: seconds, and nothing is touched.

The tree is copied with its modules replaced by `fake_module.py`, so that what is tested is how Ansible runs what we wrote:
who is delegated to, what stops, what goes on. What the modules themselves do is tested elsewhere.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from traps.world import ROOT, World


@pytest.fixture(scope="session")
def collections(tmp_path_factory):
    """A collections path with this tree, its modules replaced."""
    folder = tmp_path_factory.mktemp("collections")
    tree = folder / "ansible_collections/streamquorum/ha"
    for name in ("playbooks", "plugins", "roles", "meta"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "galaxy.yml", tree)
    fake = (Path(__file__).parent / "fake_module.py").read_text()
    for path in (tree / "plugins/modules").glob("[a-z]*.py"):
        path.write_text(fake.replace("@MODULE@", path.stem) + "\n# WANT_JSON\n")
    return folder


@pytest.fixture
def world(tmp_path, collections):
    return World(tmp_path / "world", collections)
