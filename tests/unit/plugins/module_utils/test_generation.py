"""Generations: the digest tells what a process would be started with, and nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils import generation

BASE = {
    "files": {"zoo.cfg": {"content": "a=1\n", "mode": "0640"}, "start": {"content": "#!", "mode": "0755"}},
    "links": {"release": "/opt/zookeeper-3.9.5"},
}


def test_the_digest_is_the_same_whatever_the_order():
    other = {"links": dict(BASE["links"]), "files": dict(reversed(BASE["files"].items()))}
    assert generation.generation_digest(other) == generation.generation_digest(BASE)


@pytest.mark.parametrize(
    "change",
    [
        {"files": BASE["files"] | {"zoo.cfg": {"content": "a=2\n", "mode": "0640"}}},
        {"files": BASE["files"] | {"zoo.cfg": {"content": "a=1\n", "mode": "0600"}}},
        {"files": BASE["files"] | {"jaas.conf": {"content": "", "mode": "0400"}}},
        {"links": {"release": "/opt/zookeeper-3.9.6"}},
    ],
)
def test_the_digest_changes_with_everything_that_is_started(change):
    assert generation.generation_digest(BASE | change) != generation.generation_digest(BASE)


def test_a_generation_is_staged_in_a_directory_of_its_own():
    entries = generation.generation_entries(BASE, "/etc/zookeeper", "zookeeper")
    home = f"/etc/zookeeper/generations/{generation.generation_digest(BASE)}"
    assert [(entry["path"], entry["state"]) for entry in entries] == [
        (home, "directory"),
        (f"{home}/start", "file"),
        (f"{home}/zoo.cfg", "file"),
        (f"{home}/release", "link"),
    ]
    assert {entry.get("owner", "root") for entry in entries} == {"root"}


def test_only_what_nothing_refers_to_is_pruned():
    entries = generation.prune_entries("/etc/zookeeper", ["a", "b", "c"], ["b", "c", ""])
    assert [entry["path"] for entry in entries] == ["/etc/zookeeper/generations/a"]
