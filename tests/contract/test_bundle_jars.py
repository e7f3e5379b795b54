"""playbooks/bundle.yml adds the jars that the inventory names, in a real run; the archives are there already."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bundle(tmp_path):
    """One that has an archive, so that nothing is fetched."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "zk.tgz").write_bytes(b"an archive")
    entry = {
        "name": "zookeeper", "version": "3.9.5", "file": "zk.tgz", "sha512": hashlib.sha512(b"an archive").hexdigest(),
        "origin": "", "checked_against": "", "assembled": False,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({"archives": [entry]}))
    return folder


def test_the_jars_of_the_inventory_are_added_once(tmp_path, bundle):
    jars = {}
    for name in ("plugin", "library"):
        path = tmp_path / f"{name}.jar"
        path.write_bytes(name.encode())
        jars[name] = {"jar": str(path), "sha512": hashlib.sha512(name.encode()).hexdigest()}
    jars["plugin"] |= {"jar": f"file://{jars['plugin']['jar']}", "name": "some-plugin"}
    shipped = {"name": "s3-fs-hadoop"}
    inventory = tmp_path / "hosts.yml"
    variables = {"flink_ha_plugins": [shipped, jars["plugin"]], "flink_ha_libraries": [jars["library"]]}
    inventory.write_text(json.dumps({"all": {"children": {"flink_jobmanager": {"hosts": {"jm1": variables}}}}}))
    inputs = {"bundle_dir": str(bundle), "bundle_contents": [{"name": "zookeeper", "version": "3.9.5"}]}
    for changed in ("changed=3", "changed=0"):
        done = subprocess.run(
            ["ansible-playbook", "-i", inventory, "playbooks/bundle.yml", "-e", json.dumps(inputs)],
            cwd=ROOT,
            env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert changed in done.stdout, done.stdout
    assert {path.name: path.read_text() for path in (bundle / "jars").iterdir()} == {
        "plugin.jar": "plugin",
        "library.jar": "library",
    }
