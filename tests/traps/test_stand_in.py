"""What stands in for our modules says what they say, so that a filter that reads a further fact of it does not miss it."""

from __future__ import annotations

import importlib
import json
import re
import runpy
from pathlib import Path

import yaml

FAKE = Path(__file__).parent / "fake_module.py"
HOST = {
    "name": "zk1", "id": 1, "installed": True, "marker": "", "live": True, "mode": "leader", "generation": "", "before": "",
    "process": "", "data": True, "zoo_cfg": "", "restart": "", "lease": "", "release": "", "snapshots": [],
    "needs_reload": False,
}  # fmt: skip


def documented(module: str) -> dict:
    path = f"ansible_collections.streamquorum.ha.plugins.modules.{module}"
    return yaml.safe_load(importlib.import_module(path).RETURN)


def reply(monkeypatch, tmp_path, module: str, given: dict) -> dict:
    monkeypatch.setenv("FAKE_WORLD", str(tmp_path))
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts/zk1.json").write_text(json.dumps(HOST))
    return runpy.run_path(str(FAKE))[module](HOST, given, True)


def test_a_verdict_has_every_documented_fact(monkeypatch, tmp_path):
    found = reply(monkeypatch, tmp_path, "zookeeper_quorum", {"members": [{"id": 1, "address": "zk1"}]})
    said = documented("zookeeper_quorum")
    assert set(found) == set(said)
    text = " ".join(said["servers"]["description"])
    facts = re.search(r"\((id,[^)]*)\)", text).group(1).replace("and failures by word", "failures")
    assert set(found["servers"][0]) == set(re.findall(r"\w+", facts))


def test_a_host_has_every_documented_fact(monkeypatch, tmp_path):
    given = {"paths": [], "contents": [], "units": [], "accounts": [], "resolve": [], "java_home": ""}
    found = reply(monkeypatch, tmp_path, "host_state", given)
    assert set(found) == set(documented("host_state"))


def test_a_step_and_a_lease_have_every_documented_key(monkeypatch, tmp_path):
    found = reply(monkeypatch, tmp_path, "service_step", {"process": "", "generation": "new"})
    assert set(found) == set(documented("service_step"))
    (tmp_path / "hosts/zk1.json").unlink()
    (tmp_path / "hosts").rmdir()
    found = reply(monkeypatch, tmp_path, "run_lease", {})
    assert set(found) == set(documented("run_lease"))


def test_certificates_are_told_of_as_documented(monkeypatch, tmp_path):
    found = reply(monkeypatch, tmp_path, "certificates", {"requests": []})
    assert set(found) == set(documented("certificates"))
