"""What a bundle is to hold, how its archives are assembled, and its manifest; registries' clients are stand-ins."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
import zipfile
from xml.etree import ElementTree

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive, bundle

RELEASES = {
    "zookeeper": [{"version": "3.9.5", "archive": "apache-zookeeper-3.9.5-bin.tar.gz", "sha512": "a" * 128}],
    "flink": [
        {"version": "1.20.5", "archive": "flink-1.20.5-bin-scala_2.12.tgz", "sha512": ""},
        {"version": "1.9.3", "archive": "flink-1.9.3-bin-scala_2.12.tgz", "sha512": ""},
    ],
}
RECIPES = {
    "zookeeper": {
        "kind": "maven",
        "jars": {"server": ["g:zookeeper:{release}", "g:epoll:{netty}:linux"], "metrics": ["g:metrics:1"]},
        "sets": {"3.9.5": {"parts": ["server"], "versions": {"netty": "1"}}},
        "takes": "5 s",
    },
    "flink": {"kind": "pypi", "python": {"1.13.0": "3.8", "1.19.0": "3.11"}, "takes": "1 min"},
}
ZOOKEEPER, FLINK = {"name": "zookeeper", "version": "3.9.5"}, {"name": "flink", "version": "1.20.5"}


def items(*contents):
    planned = bundle.plan(contents, RELEASES, RECIPES)
    assert planned["problems"] == []
    return planned["items"]


# --- plan ---


def test_a_plan_has_the_official_name_and_the_way_to_assemble_it():
    (item,) = items(FLINK)
    assert (item["archive"], item["kind"], item["python"]) == ("flink-1.20.5-bin-scala_2.12.tgz", "pypi", "3.11")


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ([{"name": "kafka", "version": "1"}], "known names: flink, zookeeper"),
        ([{"name": "flink", "version": "9.9"}], "Known: 1.20.5, 1.9.3"),
        ([{}], "known names"),
    ],
)
def test_what_is_not_known_is_refused(contents, words):
    assert words in bundle.plan(contents, RELEASES, RECIPES)["problems"][0]


@pytest.mark.parametrize(
    ("version", "value"), [("1.13.6", "3.8"), ("1.18.1", "3.8"), ("1.19.0", "3.11"), ("2.3.0", "3.11"), ("1.9.3", "")]
)
def test_the_greatest_release_that_is_not_newer_counts(version, value):
    assert bundle.greatest_since({"1.13.0": "3.8", "1.19.0": "3.11"}, version) == value


def test_an_archive_is_stale_when_it_is_missing_or_not_what_the_manifest_says():
    manifest = {"archives": [ZOOKEEPER | {"file": "zk", "sha512": "a"}, FLINK | {"file": "flink", "sha512": "b"}]}
    wanted = items(ZOOKEEPER, FLINK)
    assert bundle.stale(wanted, manifest, {"zk": "a", "flink": "b"}) == []
    assert [reason for _item, reason in bundle.stale(wanted, manifest, {"zk": "x"})] == [
        "zk is not what the manifest says",
        "flink is missing",
    ]
    assert [reason for _item, reason in bundle.stale(wanted, {"archives": []}, {})] == ["not in the bundle"] * 2


def test_an_entry_replaces_its_own_and_entries_are_sorted_by_version():
    manifest = {"archives": [{"name": "flink", "version": version, "file": "old"} for version in ("1.20.5", "1.9.3")]}
    changed = bundle.with_entry(manifest, FLINK | {"file": "new"})["archives"]
    assert [(entry["version"], entry["file"]) for entry in changed] == [("1.9.3", "old"), ("1.20.5", "new")]


def test_a_set_names_the_versions_and_the_parts_of_its_release():
    recipe = RECIPES["zookeeper"]
    assert bundle.coordinates(recipe, "3.9.5") == ["g:zookeeper:3.9.5", "g:epoll:1:linux"]
    assert bundle.coordinates(recipe, "3.9.4") == []


def test_the_pom_copies_each_artifact_and_depends_on_none():
    root = ElementTree.fromstring(bundle.pom(["g:a:1", "g:b:2:linux"]))
    found = [(item.findtext("artifactId"), item.findtext("classifier")) for item in root.iter("artifactItem")]
    assert found == [("a", None), ("b", "linux")]
    assert list(root.iter("dependency")) == []


# --- archives ---


def names(path):
    with tarfile.open(path) as tar:
        return {member.name: (oct(member.mode), member.uid, member.mtime) for member in tar}


def test_an_archive_depends_on_names_contents_and_executable_bits_only(tmp_path):
    for number in (1, 2):
        path = tmp_path / f"jar{number}"
        path.write_bytes(b"jar")
        os.utime(path, (number, number))
        os.chmod(path, 0o600 + number)
        tree = {"lib/a.jar": bundle.Source(str(path)), "bin/run": bundle.Source(text="#!", executable=True)}
        bundle.pack(tree if number == 1 else dict(reversed(tree.items())), "top", str(tmp_path / f"{number}.tgz"))
    assert (tmp_path / "1.tgz").read_bytes() == (tmp_path / "2.tgz").read_bytes()
    assert names(tmp_path / "1.tgz") == {
        "top": ("0o755", 0, 0),
        "top/bin": ("0o755", 0, 0),
        "top/bin/run": ("0o755", 0, 0),
        "top/lib": ("0o755", 0, 0),
        "top/lib/a.jar": ("0o644", 0, 0),
    }


class Registry:
    """Stands for mvn and pip: leaves the files that they would bring."""

    def __init__(self, rc=0, out=""):
        self.commands, self.rc, self.out = [], rc, out

    def __call__(self, command, directory):
        self.commands.append(command)
        if self.rc:
            return self.rc, self.out
        if command[0] == "mvn":
            output = command[-1].split("=")[1]
            for name in ("zookeeper-3.9.5.jar", "epoll-1-linux.jar"):
                with open(os.path.join(output, name), "wb") as jar:
                    jar.write(name.encode())
            return 0, ""
        output = command[command.index("-d") + 1]
        if "--no-binary" in command:
            with tarfile.open(os.path.join(output, "apache_flink_libraries-1.20.5.tar.gz"), "w:gz") as tar:
                for name in ("deps/lib/flink-dist.jar", "deps/bin/bash-java-utils.jar", "setup.py"):
                    info = tarfile.TarInfo(f"apache_flink_libraries-1.20.5/{name}")
                    tar.addfile(info, io.BytesIO())
        else:
            with zipfile.ZipFile(os.path.join(output, "apache_flink-1.20.5.whl"), "w") as wheel:
                for name in ("pyflink/bin/flink", "pyflink/conf/config.yaml", "pyflink/table.py"):
                    wheel.writestr(name, "text")
        return 0, ""


def unreachable(url):
    raise archive.SourceError("cannot be reached")


class Apache:
    """A mirror that has these files."""

    def __init__(self, files):
        self.files, self.asked = files, []

    @contextlib.contextmanager
    def __call__(self, url):
        self.asked.append(url)
        if url not in self.files:
            raise archive.SourceError("HTTP status 404 (Not Found)")
        yield io.BytesIO(self.files[url])


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    wrapper = tmp_path / "files/zookeeper/bin/zkCli.sh"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text("#!/bin/sh\n")
    return str(tmp_path / "files")


def fill(tmp_path, files, item, run=None, opener=unreachable, use_apache="auto"):
    held = bundle.Bundle(str(tmp_path / "bundle"), run or Registry(), opener)
    held.fill(item, ["https://cdn.example"], use_apache, files, "/usr/bin/python3")
    return archive.bundle_entry(held.manifest(), item["name"], item["version"])


def test_zookeeper_is_assembled_from_its_jars_and_our_wrappers(tmp_path, files):
    entry = fill(tmp_path, files, items(ZOOKEEPER)[0])
    path = tmp_path / "bundle" / entry["file"]
    top = "apache-zookeeper-3.9.5-bin"
    assert [name.removeprefix(top) for name in names(path)] == [
        "",
        "/README.streamquorum",
        "/bin",
        "/bin/zkCli.sh",
        "/lib",
        "/lib/epoll-1-linux.jar",
        "/lib/zookeeper-3.9.5.jar",
    ]
    assert entry["sha512"] == archive.sha512_of(str(path))
    assert entry["assembled"]
    assert [component["coordinates"] for component in entry["components"]] == ["g:zookeeper:3.9.5", "g:epoll:1:linux"]


def test_an_assembled_archive_says_so_and_is_not_held_to_the_official_sum(tmp_path, files):
    entry = fill(tmp_path, files, items(ZOOKEEPER)[0])
    assert entry["sha512"] != RELEASES["zookeeper"][0]["sha512"]
    assert entry["origin"].startswith("assembled by StreamQuorum")
    assert entry["checked_against"] == ""
    with tarfile.open(tmp_path / "bundle" / entry["file"]) as tar:
        note = tar.extractfile("apache-zookeeper-3.9.5-bin/README.streamquorum").read().decode()
    assert "It is not the official archive" in note
    assert entry["components"][0]["sha512"] in note


def test_flink_is_assembled_from_its_two_halves(tmp_path, files):
    entry = fill(tmp_path, files, items(FLINK)[0])
    found = names(tmp_path / "bundle" / entry["file"])
    assert set(found) >= {f"flink-1.20.5/{name}" for name in ("lib/flink-dist.jar", "bin/flink", "conf/config.yaml")}
    assert found["flink-1.20.5/bin/flink"][0] == "0o755"
    assert found["flink-1.20.5/bin/bash-java-utils.jar"][0] == "0o644"
    assert not any("table.py" in name or "setup.py" in name for name in found)


def test_what_is_assembled_can_be_installed(tmp_path, files):
    entry = fill(tmp_path, files, items(FLINK)[0])
    (tmp_path / "opt").mkdir()
    archive.unpack(str(tmp_path / "bundle" / entry["file"]), str(tmp_path / "opt"))
    assert (tmp_path / "opt/bin/flink").stat().st_mode & 0o111


def test_apaches_archive_comes_first_and_is_held_to_the_pinned_sum(tmp_path, files):
    url = "https://cdn.example/zookeeper/zookeeper-3.9.5/apache-zookeeper-3.9.5-bin.tar.gz"
    with pytest.raises(archive.ReleaseError, match="not the one wanted"):
        fill(tmp_path, files, items(ZOOKEEPER)[0], opener=Apache({url: b"tampered"}))
    assert os.listdir(tmp_path / "bundle") == []


def test_without_a_pinned_sum_apaches_own_sum_file_is_asked(tmp_path, files):
    url = "https://cdn.example/flink/flink-1.20.5/flink-1.20.5-bin-scala_2.12.tgz"
    content = b"official"
    (tmp_path / "official").write_bytes(content)
    wanted = archive.sha512_of(str(tmp_path / "official"))
    told = f"{wanted}  flink-1.20.5-bin-scala_2.12.tgz\n".encode()
    own = "https://archive.apache.org/dist/flink/flink-1.20.5/flink-1.20.5-bin-scala_2.12.tgz.sha512"
    run = Registry()
    entry = fill(tmp_path, files, items(FLINK)[0], run, Apache({url: content, own: told}))
    assert (entry["origin"], entry["checked_against"]) == (url, own)
    assert (entry["assembled"], run.commands) == (False, [])


def test_a_mirror_is_never_asked_for_a_sum(tmp_path, files):
    url = "https://cdn.example/flink/flink-1.20.5/flink-1.20.5-bin-scala_2.12.tgz"
    apache = Apache({url: b"tampered", url + ".sha512": b"0" * 128})
    assert fill(tmp_path, files, items(FLINK)[0], Registry(), apache)["assembled"]
    assert url + ".sha512" not in apache.asked


def test_without_apache_nothing_is_assembled_when_apaches_is_demanded(tmp_path, files):
    run = Registry()
    with pytest.raises(archive.ReleaseError, match="cannot be reached"):
        fill(tmp_path, files, items(FLINK)[0], run, use_apache="always")
    assert run.commands == []


def test_apache_is_not_asked_when_it_is_switched_off(tmp_path, files):
    apache = Apache({})
    fill(tmp_path, files, items(FLINK)[0], opener=apache, use_apache="never")
    assert apache.asked == []


@pytest.mark.parametrize(
    ("run", "wanted", "words"),
    [
        (Registry(1, "/usr/bin/python3: No module named pip"), FLINK, "python3-pip"),
        (Registry(1, "line\n" * 50 + "the reason"), FLINK, "the reason"),
        (Registry(1, "no route"), ZOOKEEPER, "Maven Central"),
    ],
)
def test_a_client_that_fails_is_told_with_its_last_words(tmp_path, files, run, wanted, words):
    with pytest.raises(archive.ReleaseError, match=words):
        fill(tmp_path, files, items(wanted)[0], run)
    assert os.listdir(tmp_path / "bundle") == []


def test_a_missing_client_is_named_with_its_package(tmp_path, files, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(archive.ReleaseError, match="apt-get install maven"):
        fill(tmp_path, files, items(ZOOKEEPER)[0])


def test_a_release_without_a_set_of_jars_is_refused(tmp_path, files):
    item = items(ZOOKEEPER)[0] | {"components": []}
    with pytest.raises(archive.ReleaseError, match="no set of jars is known"):
        fill(tmp_path, files, item)


def test_a_torn_manifest_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(archive.ReleaseError, match="Remove it"):
        bundle.Bundle(str(tmp_path), Registry(), unreachable).manifest()


def test_entries_of_other_archives_are_kept(tmp_path, files):
    fill(tmp_path, files, items(ZOOKEEPER)[0])
    fill(tmp_path, files, items(FLINK)[0])
    manifest = json.loads((tmp_path / "bundle/manifest.json").read_text())
    assert [entry["name"] for entry in manifest["archives"]] == ["flink", "zookeeper"]
