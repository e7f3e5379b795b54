"""Where an archive comes from, whether a release is installed, and its installation on a real file system."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import tarfile

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import (
    Installer,
    Place,
    Release,
    ReleaseError,
    SourceError,
)

SUM, OTHER = "a" * 128, "b" * 128
RELEASE = Release("zookeeper", "3.9.5", SUM)
GROUPED = "apache.tar.gz: " + "\n               ".join(" ".join(["AAAAAAAA"] * 8) for _each in range(2))


def member(name, content=b"", mode=0o644, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, link, len(content)
    return info, content


def make_archive(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return str(path)


@pytest.fixture
def good(tmp_path):
    return make_archive(
        tmp_path / "good.tgz",
        member("zk/", kind=tarfile.DIRTYPE),
        member("zk/bin/zkCli.sh", b"#!/bin/sh\n", 0o775),
        member("zk/conf/world", b"x", 0o666),
        member("zk/current", kind=tarfile.SYMTYPE, link="bin/zkCli.sh"),
    )


def no_url(url):
    raise SourceError("no network in this test")


def params(dest, sources, sha512, **more):
    return {
        "name": "zookeeper",
        "version": "3.9.5",
        "dest": str(dest),
        "sources": sources,
        "sha512": sha512,
        "transferred": "",
        "failures": [],
    } | more


def install(dest, path, sha512=None, **more):
    wanted = sha512 or archive.sha512_of(path)
    return archive.ensure_release(Installer(no_url), params(dest, [path], wanted, transferred=path, **more), False)


# --- sums and sources ---


@pytest.mark.parametrize(
    "text",
    [
        SUM,
        SUM.upper(),
        f"{SUM}  apache-zookeeper-3.9.5-bin.tar.gz\n",
        f"{SUM} *apache.tgz",
        f"apache.tgz: {SUM}",
        GROUPED,
    ],
)
def test_a_sum_is_read_in_each_form_that_apache_publishes(text):
    assert archive.parse_sha512(text) == SUM


@pytest.mark.parametrize("text", ["", "md5", "a" * 127, "a" * 64, "<html>404</html>"])
def test_no_sum_is_refused(text):
    with pytest.raises(ReleaseError, match="Without a sum nothing is installed"):
        archive.parse_sha512(text)


def test_another_archive_is_refused_with_both_sums_and_the_source():
    with pytest.raises(ReleaseError) as refusal:
        archive.check_sum(OTHER, SUM, "https://user:secret@mirror.example/zk.tgz")
    assert OTHER in str(refusal.value)
    assert SUM in str(refusal.value)
    assert "https://***@mirror.example/zk.tgz" in str(refusal.value)
    assert "secret" not in str(refusal.value)


RELEASES = [
    {"version": "3.9.5", "archive": "apache-zookeeper-3.9.5-bin.tar.gz", "sha512": SUM},
    {"version": "3.5.10", "archive": "apache-zookeeper-3.5.10-bin.tar.gz", "sha512": ""},
]
MIRRORS = ["https://cdn.example/3.9.5/", "https://archive.apache.org/dist/3.9.5"]
MANIFEST = {
    "archives": [{"name": "zookeeper", "version": "3.9.5", "file": "zk.tar.gz", "sha512": OTHER, "assembled": True}]
}


def source(version="3.9.5", **inputs):
    return archive.release_source(RELEASES, "zookeeper", version, **inputs)


def test_without_inputs_a_release_comes_from_the_mirrors_with_the_pinned_sum():
    found = source(mirrors=MIRRORS)
    assert found["sources"] == [
        "https://cdn.example/3.9.5/apache-zookeeper-3.9.5-bin.tar.gz",
        "https://archive.apache.org/dist/3.9.5/apache-zookeeper-3.9.5-bin.tar.gz",
    ]
    assert (found["sha512"], found["origin"], found["problems"]) == (SUM, "release", [])


def test_the_bundle_comes_before_the_mirrors_and_brings_its_own_sum():
    found = source(mirrors=MIRRORS, bundle_dir="/b", manifest=MANIFEST)
    assert found["sources"] == ["/b/zk.tar.gz"]
    assert (found["sha512"], found["origin"], found["assembled"]) == (OTHER, "bundle", True)


def test_the_operators_archive_comes_before_the_bundle_and_is_not_held_to_its_sum():
    found = source(file="/srv/zk.tgz", manifest=MANIFEST, bundle_dir="/b")
    assert (found["sources"], found["sha512"], found["origin"]) == (["/srv/zk.tgz"], SUM, "operator")


def test_an_operators_sum_passes_over_a_bundle_that_has_another_one():
    found = source(sha512=SUM, mirrors=MIRRORS, manifest=MANIFEST, bundle_dir="/b")
    assert (len(found["sources"]), found["sha512"]) == (2, SUM)


def test_a_release_of_the_operators_own_needs_no_row_in_the_table():
    found = source(version="3.10.0", file="/srv/zk.tgz", sha512=SUM)
    assert (found["sha512"], found["problems"]) == (SUM, [])


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"version": "3.5.10", "mirrors": MIRRORS}, ["No sha512 sum", "zookeeper_archive_sha512", "bundle.yml"]),
        ({"version": "3.5.10", "file": "/srv/zk.tgz"}, ["No sha512 sum", "zookeeper_archive_sha512"]),
        ({"version": "3.4.0", "mirrors": MIRRORS}, ["zookeeper_version is '3.4.0'", "zookeeper_archive_file"]),
        ({"mirrors": []}, ["No source", "zookeeper_mirrors"]),
        ({"sha512": "nonsense", "mirrors": MIRRORS}, ["zookeeper_archive_sha512", "no sha512 sum"]),
    ],
)
def test_what_cannot_be_installed_is_refused_with_the_remedy(inputs, words):
    problems = source(**inputs)["problems"]
    assert len(problems) == 1
    assert all(word in problems[0] for word in words)


def test_a_refusal_names_the_variables_of_the_role():
    found = archive.release_source(RELEASES, "zookeeper", "3.5.10", mirrors=MIRRORS, variable_prefix="flink_ha")
    assert "flink_ha_archive_sha512" in found["problems"][0]


# --- the marker decides ---


@pytest.mark.parametrize("kind", ["absent", "empty"])
def test_a_place_that_holds_nothing_is_installed_to(kind):
    assert archive.decide(Place(kind), RELEASE, "/opt/zk")


def test_the_marker_of_the_same_release_means_installed():
    assert not archive.decide(Place("directory", archive.marker_text(RELEASE)), RELEASE, "/opt/zk")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place("other"), "not a directory"),
        (Place("directory"), "was not installed by this toolkit"),
        (Place("directory", "torn {"), "was not installed by this toolkit"),
        (Place("directory", "[]"), "was not installed by this toolkit"),
        (Place("directory", archive.marker_text(Release("zookeeper", "3.9.5", OTHER))), "never written to"),
        (Place("directory", archive.marker_text(Release("zookeeper", "3.9.4", SUM))), "holds zookeeper 3.9.4"),
    ],
)
def test_what_is_not_this_release_is_refused_and_left_alone(place, words):
    with pytest.raises(ReleaseError, match=words):
        archive.decide(place, RELEASE, "/opt/zk")


def test_release_installed_compares_all_of_the_marker():
    marker = archive.marker_text(RELEASE)
    assert archive.release_installed(marker, "zookeeper", "3.9.5", SUM)
    assert not archive.release_installed(marker, "zookeeper", "3.9.5", OTHER)
    assert not archive.release_installed("", "zookeeper", "3.9.5", SUM)


# --- what an archive may hold ---


@pytest.mark.parametrize(
    "entry",
    [
        member("/etc/passwd", b"x"),
        member("zk/../../etc/passwd", b"x"),
        member("zk/link", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("zk/a/link", kind=tarfile.SYMTYPE, link="../../outside"),
        member("zk/hard", kind=tarfile.LNKTYPE, link="zk/a"),
        member("zk/device", kind=tarfile.CHRTYPE),
        member("zk/pipe", kind=tarfile.FIFOTYPE),
        member("second/file", b"x"),
        member("loose", b"x"),
        member("zk/a", b"again"),
    ],
    ids=lambda entry: entry[0].name + ("@" + entry[0].linkname if entry[0].linkname else ""),
)
def test_an_archive_that_leads_out_of_itself_or_is_no_release_is_refused(tmp_path, entry):
    path = make_archive(tmp_path / "bad.tgz", member("zk/a", b"a"), entry)
    with pytest.raises(ReleaseError):
        install(tmp_path / "opt/zk", path)
    assert os.listdir(tmp_path / "opt") == []


def test_nothing_is_written_through_a_link(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    path = make_archive(
        tmp_path / "bad.tgz", member("zk/dir", kind=tarfile.SYMTYPE, link="lib"), member("zk/dir/file", b"x")
    )
    with pytest.raises((ReleaseError, OSError)):
        install(tmp_path / "opt/zk", path)
    assert os.listdir(tmp_path / "opt") == []


# --- installation ---


def test_a_release_is_installed_with_its_marker_and_rights_of_ours(tmp_path, good):
    dest = tmp_path / "opt/zk-3.9.5"
    result = install(dest, good)
    assert result["changed"]
    assert result["source"] == good
    assert sorted(os.listdir(dest)) == [".streamquorum-release", "bin", "conf", "current"]
    assert json.loads((dest / archive.MARKER).read_text())["version"] == "3.9.5"
    modes = {name: oct((dest / name).stat().st_mode & 0o7777) for name in ("bin", "bin/zkCli.sh", "conf/world")}
    assert modes == {"bin": "0o755", "bin/zkCli.sh": "0o755", "conf/world": "0o644"}
    assert os.readlink(dest / "current") == "bin/zkCli.sh"
    assert os.listdir(tmp_path / "opt") == ["zk-3.9.5"]


def test_a_second_run_touches_nothing(tmp_path, good):
    dest = tmp_path / "opt/zk"
    install(dest, good)
    before = os.stat(dest).st_mtime_ns, os.stat(dest).st_ino
    result = install(dest, good)
    assert not result["changed"]
    assert (os.stat(dest).st_mtime_ns, os.stat(dest).st_ino) == before


def test_a_corrupt_archive_leaves_nothing_and_a_good_one_installs_afterwards(tmp_path, good):
    dest = tmp_path / "opt/zk"
    torn = tmp_path / "torn.tgz"
    with open(good, "rb") as whole:
        torn.write_bytes(whole.read()[:-40])
    with pytest.raises(ReleaseError, match="cannot be unpacked"):
        install(dest, str(torn))
    assert os.listdir(tmp_path / "opt") == []
    assert install(dest, good)["changed"]


def test_a_tampered_archive_is_refused_before_it_is_unpacked(tmp_path, good):
    with pytest.raises(ReleaseError, match="not the one wanted"):
        install(tmp_path / "opt/zk", good, SUM)
    assert os.listdir(tmp_path / "opt") == []


def test_what_a_killed_run_left_is_removed(tmp_path, good):
    left = tmp_path / "opt/zk.partial/tree/lib"
    left.mkdir(parents=True)
    (left / "half.jar").write_text("half")
    install(tmp_path / "opt/zk", good)
    assert os.listdir(tmp_path / "opt") == ["zk"]


def test_two_runs_do_not_install_to_one_place(tmp_path, good):
    work = tmp_path / "opt/zk.partial"
    work.mkdir(parents=True)
    handle = os.open(work, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(ReleaseError, match="Another run"):
            install(tmp_path / "opt/zk", good)
    finally:
        os.close(handle)


def test_a_foreign_directory_is_never_written_to(tmp_path, good):
    dest = tmp_path / "opt/zk"
    dest.mkdir(parents=True)
    (dest / "precious").write_text("mine")
    with pytest.raises(ReleaseError, match=r"mv .*zk .*zk\.old"):
        install(dest, good)
    assert os.listdir(dest) == ["precious"]


def test_an_empty_directory_does_not_count_as_a_release(tmp_path, good):
    dest = tmp_path / "opt/zk"
    dest.mkdir(parents=True)
    assert install(dest, good)["changed"]


def test_mirrors_are_tried_in_order_and_the_first_that_answers_is_used(tmp_path, good):
    asked = []

    @contextlib.contextmanager
    def opener(url):
        asked.append(url)
        if "dead" in url:
            raise SourceError("HTTP status 404 (Not Found)")
        with open(good, "rb") as stream:
            yield stream

    urls = ["https://dead.example/a.tgz", "https://alive.example/a.tgz", "https://never.example/a.tgz"]
    wanted = archive.sha512_of(good)
    result = archive.ensure_release(Installer(opener), params(tmp_path / "opt/zk", urls, wanted), False)
    assert asked == urls[:2]
    assert result["source"] == urls[1]
    assert result["failures"] == ["https://dead.example/a.tgz: HTTP status 404 (Not Found)"]


def test_an_archive_that_no_mirror_has_is_refused_with_each_mirrors_answer(tmp_path):
    urls = ["https://a.example/zk.tgz", "https://b.example/zk.tgz"]
    with pytest.raises(ReleaseError) as refusal:
        archive.ensure_release(Installer(no_url), params(tmp_path / "opt/zk", urls, SUM), False)
    assert all(f"{url}: no network in this test" in str(refusal.value) for url in urls)


def test_a_download_that_breaks_off_is_the_next_mirrors_turn(tmp_path, good):
    class Breaking(io.RawIOBase):
        def read(self, _size=-1):
            raise ConnectionResetError("reset")

    @contextlib.contextmanager
    def opener(url):
        if "breaks" in url:
            yield Breaking()
        else:
            with open(good, "rb") as stream:
                yield stream

    wanted = archive.sha512_of(good)
    urls = ["https://breaks.example/a", "https://whole.example/a"]
    result = archive.ensure_release(Installer(opener), params(tmp_path / "opt/zk", urls, wanted), False)
    assert result["source"] == urls[1]
    assert "broke off" in result["failures"][0]


def test_a_controllers_file_is_asked_for_only_where_it_is_needed(tmp_path, good):
    dest, wanted = tmp_path / "opt/zk", archive.sha512_of(good)
    asked = archive.ensure_release(Installer(no_url), params(dest, ["https://a/x", good, "https://b/x"], wanted), False)
    assert (asked["changed"], asked["transfer"], asked["remaining"]) == (False, good, ["https://b/x"])
    assert len(asked["failures"]) == 1
    install(dest, good)
    again = archive.ensure_release(Installer(no_url), params(dest, [good], wanted), False)
    assert (again["changed"], again["transfer"]) == (False, "")


def test_check_mode_says_what_it_would_do_and_has_the_same_keys(tmp_path, good):
    dest, wanted = tmp_path / "opt/zk", archive.sha512_of(good)
    checked = archive.ensure_release(Installer(no_url), params(dest, [good], wanted), True)
    assert checked["changed"]
    assert not (tmp_path / "opt").exists()
    assert set(checked) == set(install(dest, good))
