"""Sets of jars, made in a directory of the test."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import jar_set
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive

CONTENT = b"a jar of the operator's"
SUM = hashlib.sha512(CONTENT).hexdigest()
OWN = {"file": "own.jar", "source": "https://repo.example/own.jar", "sha512": SUM, "plugin": ""}
SHIPPED = {"file": "flink-s3-fs-hadoop-2.3.0.jar", "source": "", "sha512": "", "plugin": "s3-fs-hadoop"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A release as it is unpacked. The way to the test's own directories belongs to whoever runs it."""
    monkeypatch.setattr(archive, "check_way", lambda dest: None)
    for name in (
        "lib/flink-dist-2.3.0.jar",
        "plugins/metrics-jmx/flink-metrics-jmx-2.3.0.jar",
        f"opt/{SHIPPED['file']}",
    ):
        path = tmp_path / "release" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def ensure(place, *jars, check_mode=False, content=CONTENT, **transferred):
    @contextlib.contextmanager
    def opened(_url):
        yield io.BytesIO(content)

    params = {
        "dest": str(place / "set"),
        "release_dir": str(place / "release"),
        "jars": list(jars),
        "transferred": transferred,
    }
    return jar_set.ensure(jar_set.JarSet(opened), params, check_mode=check_mode)


def listed(place):
    return sorted(str(path.relative_to(place / "set")) for path in (place / "set").rglob("*.jar"))


def test_a_set_has_the_releases_jars_and_the_given_ones(place):
    os.umask(0o077)
    assert ensure(place, OWN, SHIPPED)["changed"]
    assert listed(place) == [
        "lib/flink-dist-2.3.0.jar",
        "lib/own.jar",
        "plugins/s3-fs-hadoop/flink-s3-fs-hadoop-2.3.0.jar",
    ]
    # A directory of the release is a link, and Flink follows it.
    jmx = place / "set/plugins/metrics-jmx/flink-metrics-jmx-2.3.0.jar"
    assert jmx.read_text() == "plugins/metrics-jmx/flink-metrics-jmx-2.3.0.jar"
    assert (place / "set/lib/own.jar").read_bytes() == CONTENT
    for path in (place / "set", place / "set/plugins/s3-fs-hadoop"):
        assert path.stat().st_mode & 0o777 == 0o755, "the service's user reads here"
    assert (place / "set/lib/own.jar").stat().st_mode & 0o777 == 0o644


def test_a_set_that_is_there_is_not_touched(place):
    ensure(place, OWN)
    before = (place / "set").stat().st_mtime_ns
    assert ensure(place, OWN, content=b"")["changed"] is False
    assert (place / "set").stat().st_mtime_ns == before


def test_check_mode_makes_nothing_and_says_what_would_be(place):
    result = ensure(place, OWN, check_mode=True)
    assert result["changed"]
    assert f"{place / 'set'}: lib/own.jar" in result["diff"]["after"]
    assert {path.name for path in place.iterdir()} == {"release"}


def test_a_jar_of_the_controller_is_asked_for_first(place):
    own = OWN | {"source": "/srv/own.jar"}
    assert ensure(place, own) | {"diff": None} == {"changed": False, "transfer": {SUM: "/srv/own.jar"}, "diff": None}
    (place / "there").write_bytes(CONTENT)
    assert ensure(place, own, **{SUM: str(place / "there")})["changed"]
    assert (place / "set/lib/own.jar").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("jars", "content", "told"),
    [
        ([OWN], b"another", "own.jar"),
        ([OWN | {"file": "flink-dist-2.3.0.jar"}], CONTENT, "has lib/flink-dist-2.3.0.jar itself"),
        ([OWN | {"plugin": "metrics-jmx"}], CONTENT, "has plugins/metrics-jmx itself"),
        ([SHIPPED | {"file": "flink-gs-fs-hadoop-2.3.0.jar"}], b"", "ships no opt/flink-gs-fs-hadoop-2.3.0.jar"),
    ],
)
def test_what_cannot_be_made_whole_is_not_there(place, jars, content, told):
    with pytest.raises(archive.ReleaseError, match=told):
        ensure(place, *jars, content=content)
    assert not (place / "set").exists()


def test_what_this_toolkit_did_not_make_is_left_alone(place):
    Path(place / "set").mkdir()
    with pytest.raises(archive.ReleaseError, match="was not made by this toolkit"):
        ensure(place, OWN)


def test_a_chosen_client_of_zookeeper_stands_in_the_place_of_the_releases_own(place):
    for name in ("lib/flink-shaded-zookeeper-3.4.14.jar", "opt/flink-shaded-zookeeper-3.5.9.jar"):
        (place / "release" / name).write_text(name)
    chosen = {"file": "flink-shaded-zookeeper-3.5.9.jar", "source": "", "sha512": "", "plugin": ""}
    ensure(place, chosen)
    assert [name for name in listed(place) if "zookeeper" in name] == ["lib/flink-shaded-zookeeper-3.5.9.jar"]
    assert (place / "set/lib/flink-shaded-zookeeper-3.5.9.jar").read_text() == "opt/flink-shaded-zookeeper-3.5.9.jar"


def test_a_client_of_zookeeper_that_the_archive_does_not_ship_is_asked_for(place):
    chosen = {"file": "flink-shaded-zookeeper-3.5.9.jar", "source": "", "sha512": "", "plugin": ""}
    with pytest.raises(
        archive.ReleaseError, match=r"Name the jar and its sha512 in flink_ha_libraries.*flink-shaded-zookeeper-3"
    ):
        ensure(place, chosen)
    assert not (place / "set").exists()
