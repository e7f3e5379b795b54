"""Releases change on a live cluster, member by member, under writes. In the order of the file."""

from __future__ import annotations

import json

import cluster
import pytest

HOSTS = cluster.group("zookeeper")
NEW = ["-e", "zookeeper_version=3.9.5", "-e", "flink_ha_version=1.20.5"]
CONFIRMED = ["-e", "zookeeper_upgrade_across_minor=true"]
MINOR = ["-e", "flink_ha_version=2.3.0", "-e", "flink_ha_upgrade_across_minor=true"]


def releases():
    return {cluster.word(host, "srvr").split("version: ", 1)[1].split("-")[0] for host in HOSTS}


def flink_release():
    return cluster.rest_any("/config")["flink-version"]


def started():
    units = "zookeeper flink-jobmanager flink-taskmanager"
    return {host: cluster.shell(host, f"systemctl show -p ExecMainStartTimestampMonotonic {units}") for host in HOSTS}


@pytest.mark.parametrize(
    ("playbook", "change", "words"),
    [
        ("site.yml", NEW, "A release is changed by playbooks/upgrade.yml"),
        ("upgrade.yml", NEW, "zookeeper_upgrade_across_minor=true"),
        ("upgrade.yml", ["-e", "zookeeper_version=3.7.2"], "What may be rolled: "),
        ("upgrade.yml", ["-e", "zookeeper_version=3.9.99"], "no release that this toolkit knows"),
        ("upgrade.yml", MINOR[:2], "flink stop JOB"),
        ("upgrade.yml", MINOR, "run playbooks/stop.yml -e stop_cluster=true, and then this again"),
    ],
)
def test_what_is_not_asked_for_or_not_tested_is_refused_before_a_change(playbook, change, words):
    before = started()
    code, output = cluster.playbook(f"playbooks/{playbook}", *change)
    assert code != 0
    assert words in " ".join(output.split()), output
    assert started() == before


@pytest.mark.parametrize(
    ("zookeeper", "flink"),
    [
        pytest.param("3.9.5", "1.20.5", id="from 3.8.6 to 3.9.5"),
        pytest.param("3.9.6", "1.20.4", id="from 3.9.5 to 3.9.6"),
        pytest.param("3.9.5", "1.20.5", id="from 3.9.6 back to 3.9.5"),
        pytest.param("3.8.6", "1.20.4", id="from 3.9.5 back to 3.8.6"),
    ],
)
def test_there_and_back_under_writes(tmp_path, zookeeper, flink):
    wanted = ["-e", f"zookeeper_version={zookeeper}", "-e", f"flink_ha_version={flink}"]
    code, output = cluster.playbook(
        "playbooks/upgrade.yml", *wanted, *CONFIRMED,
        "-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0, output
    assert (releases(), flink_release()) == ({zookeeper}, flink)
    evidence = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*/availability.json"))]
    assert len(evidence) == 3, "one for each group"
    for each in evidence:
        result = each["probe"]["result"]
        assert each["probe"]["problems"] == []
        assert (result["missing"], result["sessions_lost"]) == (0, 0)
        cluster.told(f"to {zookeeper} and {flink}", longest_stall_s=result["longest_stall_ms"] / 1000)
    before = started()
    code, output = cluster.playbook("playbooks/upgrade.yml", *wanted, *CONFIRMED)
    assert code == 0, output
    assert started() == before, "a second run has nothing to do"


def test_another_minor_release_of_flink_is_taken_by_a_cluster_that_is_down():
    """The inventory says 1.20.4. What runs is told to stop.yml, which compares the two."""
    back = ["-e", "flink_ha_upgrade_across_minor=true"]
    for runs, change, release in (([], MINOR, "2.3.0"), (MINOR, back, "1.20.4")):
        code, output = cluster.playbook("playbooks/stop.yml", "-e", "stop_cluster=true", *runs)
        assert code == 0, output
        code, output = cluster.playbook("playbooks/upgrade.yml", *change)
        assert code == 0, output
        assert flink_release() == release
