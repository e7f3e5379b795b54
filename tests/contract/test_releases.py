"""The tables of releases agree with themselves, with the defaults and with the recipes of the bundle."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.streamquorum.ha.plugins.module_utils.core.known_names import parse_known
from ansible_collections.streamquorum.ha.plugins.module_utils.release import bundle
from ansible_collections.streamquorum.ha.plugins.module_utils.release.bundle import version_key
from ansible_collections.streamquorum.ha.plugins.plugin_utils.importing.zookeeper import OPEN_PREFIXES
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import keys

ROOT = Path(__file__).resolve().parents[2]

#: Releases whose official sum was read in no publication: they install with the operator's own sum or from a bundle.
#: Of all others, Apache's own sum is read and recorded.
PINNED: dict[str, set[str]] = {"zookeeper": {"3.6.4", "3.8.4", "3.8.3", "3.9.3", "3.7.2"}, "flink": set()}

ARCHIVES = {"zookeeper": "apache-zookeeper-{}-bin.tar.gz", "flink": "flink-{}-bin-scala_2.12.tgz"}


def read(path):
    return yaml.safe_load((ROOT / path).read_text())


def table(name):
    role = {"zookeeper": "zookeeper", "flink": "flink_ha"}[name]
    return read(f"roles/{role}/vars/main/releases.yml")[f"{role}_releases"]


def recipes():
    return read("playbooks/vars/bundle.yml")["bundle_recipes"]


@pytest.mark.parametrize("name", ARCHIVES)
def test_releases_are_newest_first_and_stand_there_once(name):
    versions = [release["version"] for release in table(name)]
    assert versions == sorted(set(versions), key=version_key, reverse=True)


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_have_their_official_names(name):
    for release in table(name):
        assert release["archive"] == ARCHIVES[name].format(release["version"])


def test_clients_of_zookeeper_are_told_where_a_release_ships_two():
    told = {
        release["version"]: release["zookeeper_clients"] for release in table("flink") if "zookeeper_clients" in release
    }
    assert list(told) == ["1.16.3", "1.15.4", "1.14.6", "1.13.6"]
    assert all(len(clients) == 2 and version_key(clients[0]) < version_key(clients[1]) for clients in told.values())


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_sum_is_pinned_only_with_the_publication_that_it_was_read_in(name):
    for release in table(name):
        assert bool(release["sha512"]) == bool(release["sha512_source"]), release["version"]
        assert re.fullmatch(r"[0-9a-f]{128}|", release["sha512"]), release["version"]
    pinned = [release["sha512"] for release in table(name) if release["sha512"]]
    assert len(pinned) == len(set(pinned))


@pytest.mark.parametrize("name", PINNED)
def test_the_releases_with_a_pinned_sum_are_these(name):
    assert {release["version"] for release in table(name) if release["sha512"]} == PINNED[name]


def test_a_pinned_sum_is_of_a_distribution_or_a_vendors_image():
    """A copy of it, and somebody's script or role, are no publication that an operator would accept."""
    for name in PINNED:
        for release in table(name):
            assert not release["sha512"] or release["sha512_source"].startswith(("NixOS/nixpkgs,", "debezium/")), (
                release
            )


@pytest.mark.parametrize("name", ARCHIVES)
def test_each_release_says_which_java_it_runs_on(name):
    for release in table(name):
        assert 8 <= release["java"]["min"] <= release["java"]["max"]


def test_zookeeper_logs_by_log4j_up_to_3_7_and_by_logback_after():
    for release in table("zookeeper"):
        assert release["logging"] == ("log4j" if version_key(release["version"]) < (3, 8) else "logback")


@pytest.mark.parametrize(("name", "variable"), [("zookeeper", "zookeeper_version"), ("flink", "flink_ha_version")])
def test_the_default_release_is_known_and_can_be_assembled(name, variable):
    role = variable.removesuffix("_version")
    version = read(f"roles/{role}/defaults/main.yml")[variable]
    assert version in {release["version"] for release in table(name)}
    assert name != "zookeeper" or version in recipes()["zookeeper"]["sets"]


def test_sets_of_jars_are_of_known_releases_and_whole():
    known = {release["version"] for release in table("zookeeper")}
    recipe = recipes()["zookeeper"]
    for version in recipe["sets"]:
        coordinates = bundle.coordinates(recipe, version)
        assert version in known
        assert len(coordinates) == len(set(coordinates))
        assert {f"org.apache.zookeeper:zookeeper:{version}", f"org.apache.zookeeper:zookeeper-jute:{version}"} <= set(
            coordinates
        )
        artifacts = {item.split(":")[1] for item in coordinates}
        # What a server does not start without, or does not log without (seen on real servers).
        assert artifacts >= {"slf4j-api", "metrics-core", "snappy-java", "logback-classic", "logback-core"}
        assert all(re.fullmatch(r"[\w.-]+(:[\w.-]+){2,3}", item) for item in coordinates)


def test_every_flink_has_a_python_whose_wheel_brings_its_scripts():
    oldest = min(recipes()["flink"]["python"], key=version_key)
    assert all(version_key(release["version"]) >= version_key(oldest) for release in table("flink"))


@pytest.mark.parametrize("name", ARCHIVES)
def test_what_may_be_rolled_is_of_known_series_and_says_what_was_tested(name):
    role = {"zookeeper": "zookeeper", "flink": "flink_ha"}[name]
    pairs = read(f"roles/{role}/vars/main/upgrades.yml")[f"{role}_upgrades"]
    series = {".".join(release["version"].split(".")[:2]) for release in table(name)}
    assert {pair[end] for pair in pairs for end in ("from", "to")} <= series
    assert len({(pair["from"], pair["to"]) for pair in pairs}) == len(pairs)
    for pair in pairs:
        test = pair["tested"].rpartition(": ")[2]
        assert not test or (ROOT / test).is_dir(), pair
    if name == "flink":
        assert all(pair["from"] == pair["to"] for pair in pairs), "Flink's minor releases are not mixed"


def test_the_list_of_zookeepers_keys_is_sorted_and_has_those_that_the_role_writes():
    text = (ROOT / "roles/zookeeper/files/known_keys.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == sorted(lines)
    known = parse_known(text)
    minors = {str(each["version"]).rpartition(".")[0] for each in table("zookeeper")}
    assert {release for span in known.values() for release in span} <= minors
    variables = {}
    for path in (ROOT / "roles/zookeeper/vars/main").glob("*.yml"):
        variables |= yaml.safe_load(path.read_text()) or {}
    options, owned = keys(variables)
    # Guides have the last one, which no server has ever read.
    unread = [key for key in [*options, *owned] if key not in known and not key.startswith(OPEN_PREFIXES)]
    assert unread == ["requireClientAuthScheme"]
