"""Real playbooks, roles and decisions of this tree on hosts that exist only as files: seconds, and nothing is touched.

The tree is copied with its modules replaced by `fake_module.py`, so that what is tested is how Ansible runs what we wrote:
who is delegated to, what stops, what goes on. What the modules themselves do is tested elsewhere.
"""

from __future__ import annotations

import pytest
from traps.stand_in import copy_tree
from traps.world import World


@pytest.fixture(scope="session")
def collections(tmp_path_factory):
    """A collections path with this tree, its modules replaced."""
    folder = tmp_path_factory.mktemp("collections")
    copy_tree(folder, processes=False)
    return folder


@pytest.fixture
def world(tmp_path, collections):
    return World(tmp_path / "world", collections)
