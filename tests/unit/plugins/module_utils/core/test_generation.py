"""Generations: the digest tells what a process would be started with, and nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.core import generation

BASE = {
    "files": {"zoo.cfg": {"content": "a=1\n", "mode": "0640"}, "unit": {"content": "[Unit]", "mode": "0644"}},
    "links": {"release": "/opt/zookeeper-3.9.5"},
}


def test_the_digest_is_the_same_whatever_the_order():
    other = {"links": dict(BASE["links"]), "files": dict(reversed(BASE["files"].items()))}
    assert generation.generation_digest(other) == generation.generation_digest(BASE)


def test_the_digest_does_not_tell_what_may_be_shown():
    secret = {"files": BASE["files"] | {"zoo.cfg": {"secret_content": "a=1\n", "mode": "0640"}}}
    assert generation.generation_digest(BASE | secret) == generation.generation_digest(BASE)


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
        (f"{home}/unit", "file"),
        (f"{home}/zoo.cfg", "file"),
        (f"{home}/release", "link"),
    ]
    assert {entry.get("owner", "root") for entry in entries} == {"root"}


DIGEST = generation.generation_digest(BASE)


def entries(current="", previous="", present=(), running="", switch=True):
    where = {"root": "/etc/zookeeper", "current": current, "previous": previous, "present": list(present)}
    found = generation.service_entries(BASE, where, "zookeeper.service", "zookeeper", running, switch)
    return {entry["path"].removeprefix("/etc/"): entry.get("target") or entry.get("state", "file") for entry in found}


def test_what_does_not_run_is_switched():
    found = entries()
    assert found["zookeeper/current"] == f"generations/{DIGEST}"
    assert "systemd/system/zookeeper.service" in found
    assert "zookeeper/previous" not in found


def test_trap_15_what_runs_is_staged_beside_and_nothing_else_is_touched():
    found = entries(current="old", present=["old"], running="old", switch=False)
    assert f"zookeeper/generations/{DIGEST}/zoo.cfg" in found
    assert "zookeeper/current" not in found
    assert "systemd/system/zookeeper.service" not in found
    assert "zookeeper/generations/old" not in found


def test_the_one_before_stays_as_previous_and_a_further_run_changes_nothing():
    found = entries(current="old", previous="older", present=["old", "older"])
    assert found["zookeeper/previous"] == "generations/old"
    assert found["zookeeper/generations/older"] == "absent"
    again = entries(current=DIGEST, previous="old", present=[DIGEST, "old"], running=DIGEST)
    assert "zookeeper/previous" not in again
    assert "absent" not in again.values()


def test_only_what_nothing_refers_to_is_pruned():
    found = entries(current="a", previous="b", present=["a", "b", "d", DIGEST], switch=False)
    assert [path for path, what in found.items() if what == "absent"] == ["zookeeper/generations/d"]


def test_trap_17_where_a_process_runs_nothing_is_pruned_since_another_run_may_be_about_to_switch_to_it():
    found = entries(current="a", previous="b", running="a", present=["a", "b", "d", DIGEST], switch=False)
    assert "absent" not in found.values()


def test_trap_63_what_was_staged_and_never_run_goes_where_no_step_will_come():
    """Taken back before its roll: it may hold a secret, and nothing goes back to it."""
    found = entries(current=DIGEST, previous="b", running=DIGEST, present=[DIGEST, "b", "staged"], switch=False)
    assert [path for path, what in found.items() if what == "absent"] == ["zookeeper/generations/staged"]
    waits = entries(current="a", previous="b", running=DIGEST, present=[DIGEST, "a", "b", "staged"], switch=False)
    assert "absent" not in waits.values()


def test_what_is_left_over_is_what_matches_and_is_not_kept():
    names = ["flink-ab.p12", "flink-ca-ab.p12", "flink-cd.p12", "flink.pem", "other-ab.p12"]
    found = generation.leftover_entries("/tls", names, "flink(-ca)?-[0-9a-f]+[.]p12", ["/tls/flink-cd.p12"])
    assert [each["path"] for each in found] == ["/tls/flink-ab.p12", "/tls/flink-ca-ab.p12"]
    assert {each["state"] for each in found} == {"absent"}
