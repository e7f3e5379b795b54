"""The bundle's manifest on the controller; where an archive comes from is tested with its logic."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.streamquorum.ha.plugins.plugin_utils import release_source as sources

RELEASES = [{"version": "3.9.5", "archive": "zk.tar.gz", "sha512": "a" * 128}]


def release_source(**inputs):
    return sources.release_source(RELEASES, "zookeeper", "3.9.5", **inputs)


def test_the_bundle_on_the_controller_is_read(tmp_path):
    entry = {"name": "zookeeper", "version": "3.9.5", "file": "zk.tgz", "sha512": "b" * 128, "assembled": True}
    (tmp_path / "manifest.json").write_text(json.dumps({"archives": [entry]}))
    found = release_source(bundle_dir=str(tmp_path))
    assert (found["sources"], found["sha512"]) == ([str(tmp_path / "zk.tgz")], "b" * 128)


@pytest.mark.parametrize("directory", ["", "/nonexistent"])
def test_no_bundle_means_the_mirrors(directory):
    assert release_source(bundle_dir=directory, mirrors=["https://m"])["sources"] == ["https://m/zk.tar.gz"]


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_torn_manifest_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(AnsibleFilterError, match=r"manifest\.json"):
        release_source(bundle_dir=str(tmp_path))
    told = sources.told_source(RELEASES, "zookeeper", "3.9.5", bundle_dir=str(tmp_path))
    assert "manifest.json" in told["problems"][0]
