"""What a difference looks like, and that none is missed."""

from __future__ import annotations

import pytest
from golden import recording

HOME = "/etc/zookeeper/generations/0123456789abcdef"
FILE = {"path": f"{HOME}/zoo.cfg", "content": "a=1\nb=2\n", "group": "zookeeper", "mode": "0640"}
ENTRIES = [
    {"path": HOME, "state": "directory", "mode": "0755"},
    FILE,
    {"path": f"{HOME}/release", "state": "link", "target": "/opt/zookeeper-3.9.5"},
    {"path": "/etc/zookeeper/current", "state": "link", "target": "generations/0123456789abcdef"},
]


def recorded(entries):
    return recording.of_calls({"host": host, "args": {"entries": entries}} for host in ("zk2", "zk1"))


def test_what_is_written_is_read_again_and_stands_once(tmp_path):
    recording.write(recorded(ENTRIES), tmp_path / "three")
    assert recording.read(tmp_path / "three") == recorded(ENTRIES)
    texts = [path.relative_to(tmp_path / "three").as_posix() for path in tmp_path.rglob("*.txt")]
    assert sorted(texts) == ["table.txt", "zk1/etc/zookeeper/zoo.cfg.txt"]


def test_a_text_that_changed_is_shown_once_under_all_who_have_it():
    changed = recorded([{**FILE, "content": "a=1\nb=3\n"} if entry is FILE else entry for entry in ENTRIES])
    assert recording.differences(recorded(ENTRIES), changed).splitlines() == [
        "",
        "zk1 /etc/zookeeper/generations/*/zoo.cfg",
        "zk2 /etc/zookeeper/generations/*/zoo.cfg",
        "--- recorded",
        "+++ now",
        "@@ -1,2 +1,2 @@",
        " a=1",
        "-b=2",
        "+b=3",
    ]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"mode": "0644"}, "zoo.cfg: file root:zookeeper 0640"),
        ({"owner": "zookeeper"}, "=> file zookeeper:zookeeper 0640"),
        ({"path": f"{HOME}/other"}, "/generations/*/zoo.cfg: file root:zookeeper 0640"),
        (
            {"path": FILE["path"].replace("0123", "9876")},
            "/etc/zookeeper generation: 0123456789abcdef => 0123456789abcdef and 9876456789abcdef",
        ),
        ({"state": "absent"}, "zoo.cfg: file root:zookeeper 0640"),
        ({"secret_content": FILE["content"]}, "0640 secret"),
    ],
)
def test_every_other_change_of_an_entry_is_told_too(changed, told):
    entries = [{**entry, **changed} if entry is FILE else entry for entry in ENTRIES]
    assert told in recording.differences(recorded(ENTRIES), recorded(entries))


def test_a_file_that_two_entries_want_is_told_of():
    entries = [*ENTRIES, {**FILE, "mode": "0644"}]
    assert "0640" in recording.differences(recorded(ENTRIES), recorded(entries))


def test_the_name_of_a_generation_is_compared():
    other = "fedcba9876543210"
    entries = [{key: value.replace("0123456789abcdef", other) for key, value in entry.items()} for entry in ENTRIES]
    told = recording.differences(recorded(ENTRIES), recorded(entries))
    for host in ("zk1", "zk2"):
        assert f"{host} /etc/zookeeper generation: 0123456789abcdef => {other}" in told
        assert f"{host} /etc/zookeeper/current: link -> generations/0123456789abcdef => link" in told
