"""What stands on a host, and whether an entry differs from it."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host import files, guarded_paths, standing
from ansible_collections.streamquorum.ha.plugins.modules.host_files import ENTRY

KEY = "of one run"


@pytest.fixture
def root(tmp_path):
    """A directory of root's with a generation that is current."""
    home = tmp_path / "generations/0123456789abcdef"
    home.mkdir(parents=True)
    (home / "zoo.cfg").write_text("tickTime=2000\n")
    (home / "release").symlink_to("/opt/zookeeper")
    (tmp_path / "current").symlink_to("generations/0123456789abcdef")
    (tmp_path / "jaas.conf").write_text('password="canary"\n')
    return tmp_path


def entry_of(path) -> dict:
    """The entry of `host_files` by which something was made."""
    there = files.find(str(path))
    kept = {name: getattr(there, name) for name in ("owner", "group", "mode", "content", "target")}
    return {"path": str(path), "state": there.kind, **kept}


def differing(root, *entries):
    paths = [str(root), *(entry["path"] for entry in entries)]
    return standing.differing(entries, standing.read(KEY, paths, [str(root)]), KEY)


def test_what_stands_as_it_should_differs_in_nothing(root):
    home = root / "generations/0123456789abcdef"
    entries = [entry_of(path) for path in (root, root / "current", root / "jaas.conf", home, *sorted(home.iterdir()))]
    assert differing(root, *entries, {"path": str(root / "gone"), "state": "absent"}) == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("jaas.conf", {"content": "other"}),
        ("jaas.conf", {"secret_content": "other"}),
        ("jaas.conf", {"mode": "0400"}),
        ("jaas.conf", {"owner": "nobody"}),
        ("jaas.conf", {"group": "nogroup"}),
        ("jaas.conf", {"state": "directory"}),
        ("jaas.conf", {"state": "absent"}),
        ("current", {"target": "generations/fedcba9876543210"}),
        ("missing", {"state": "file"}),
    ],
)
def test_each_difference_is_seen(root, name, change):
    entry = entry_of(root / name) | change
    assert differing(root, entry) == [str(root / name)]


def test_what_is_not_text_and_what_is_written_once(root):
    (root / "store").write_bytes(b"\xff\x00\xfe")
    entry = {"path": str(root / "store"), "state": "file", "mode": f"{os.stat(root / 'store').st_mode & 0o777:04o}"}
    assert differing(root, entry | {"secret_base64": "/wD+"}) == []
    assert differing(root, entry | {"secret_base64": "/wD/"}) == [str(root / "store")]
    assert differing(root, entry | {"secret_content": "made anew each time", "once": True}) == []


def test_what_was_not_looked_at_or_could_not_be_read_differs(root, monkeypatch):
    entry = entry_of(root / "jaas.conf")
    assert standing.differing([entry], {}, KEY) == [entry["path"]]

    def refuses(path):
        raise guarded_paths.EntryError(path)

    monkeypatch.setattr(files, "find", refuses)
    assert standing.read(KEY, [entry["path"]], [str(root)]) == {}


def test_no_content_and_no_plain_digest_of_it_is_told(root):
    told = [json.dumps(standing.read(key, [str(root / "jaas.conf")], [])) for key in (KEY, "of another run")]
    assert "canary" not in told[0]
    assert told[0] != told[1], "without the key, the digest says nothing"


def test_what_an_entry_does_not_say_is_what_host_files_takes_it_for():
    assert {name: ENTRY[name]["default"] for name in standing.DEFAULTS} == standing.DEFAULTS


def test_a_host_without_a_generation_tells_what_there_is(tmp_path):
    told = standing.read(KEY, [str(tmp_path / "current")], [str(tmp_path)])
    assert {path: there["kind"] for path, there in told.items()} == {str(tmp_path / "current"): "absent"}


def test_what_differs_between_two_generations_is_named_by_file_and_setting(root):
    home = root / "generations/0123456789abcdef"
    (home / "zoo.cfg").write_text("# Written\ntickTime=2000\nserver.1=a:2888\nadmin.serverPort=8080\n")
    (home / "gone.conf").write_text("")
    for name, mode in (("start", 0o755), ("unit", 0o644), ("zoo.cfg", 0o640)):
        (home / name).touch()
        (home / name).chmod(mode)
    wanted = {
        "zoo.cfg": {"mode": "0640", "secret_content": "# Written\ntickTime=3000\nserver.1=a:2888\nmaxClientCnxns=1\n"},
        "start": {"mode": "0755", "content": "#!/bin/sh\n"},
        "unit": {"mode": "0600", "content": ""},
        "jaas.conf": {"mode": "0440", "secret_content": ""},
    }
    there = standing.read(KEY, [], [str(root)], ["zoo.cfg"])
    assert standing.changes(wanted, str(home), there, KEY) == [
        "gone.conf (goes)",
        "jaas.conf (new)",
        "start",
        "unit (rights)",
        "zoo.cfg (admin.serverPort, maxClientCnxns, tickTime)",
    ]
    assert standing.changes(wanted, str(root / "generations/other"), there, KEY) == []
