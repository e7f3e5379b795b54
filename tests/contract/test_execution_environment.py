"""What ansible-builder makes of execution-environment.yml: a build context whose collection installs. No image is built."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEFINITION = yaml.safe_load((ROOT / "execution-environment.yml").read_text())
NAME = "streamquorum-ha-{version}.tar.gz".format(**yaml.safe_load((ROOT / "galaxy.yml").read_text()))


def run(*command, cwd=ROOT, **environment):
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, env=os.environ | environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    """The context, made offline in a copy of what the definition names."""
    folder = tmp_path_factory.mktemp("environment")
    for name in ("execution-environment.yml", "requirements.txt", "bindep.txt"):
        shutil.copy(ROOT / name, folder)
    run("ansible-galaxy", "collection", "build", "--output-path", str(folder / "build"))
    run("ansible-builder", "create", "--file", "execution-environment.yml", "--context", "context", cwd=folder)
    return folder / "context"


def test_the_context_has_what_the_controller_needs(context):
    build = context / "_build"
    assert (build / "requirements.txt").read_text().count("==") == (ROOT / "requirements.txt").read_text().count("==")
    for name in ("openssh-clients", "krb5-workstation"):
        assert name in (build / "bindep.txt").read_text()
    assert "FROM $EE_BASE_IMAGE" in (context / "Containerfile").read_text()


def test_the_collection_of_this_tree_is_installed_by_it(context, tmp_path):
    """As the Containerfile does it, in the directory that it does it in."""
    command = ["ansible-galaxy", "collection", "install", "--offline", "-r", "requirements.yml", "-p", str(tmp_path)]
    run(*command, cwd=context / "_build", ANSIBLE_COLLECTIONS_PATH=str(tmp_path))
    installed = tmp_path / "ansible_collections/streamquorum/ha"
    # Where ansible-builder looks for what a collection needs.
    for name in ("requirements.txt", "bindep.txt", "playbooks/site.yml"):
        assert (installed / name).exists()


def test_the_definition_has_the_versions_of_this_tree():
    pinned = re.search(r"^ansible-core==\S+", (ROOT / "requirements.txt").read_text(), re.MULTILINE).group()
    assert DEFINITION["dependencies"]["ansible_core"]["package_pip"] == pinned
    assert [each["src"] for each in DEFINITION["additional_build_files"]] == [f"build/{NAME}"]
    assert [each["name"] for each in DEFINITION["dependencies"]["galaxy"]["collections"]] == [f"collections/{NAME}"]
