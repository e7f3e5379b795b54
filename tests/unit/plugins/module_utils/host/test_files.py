"""host_files on a real file system."""

from __future__ import annotations

import grp
import os
import pwd

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host import files as host_files

OWNER = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
ENTRY = {"state": "file", "content": "", "secret_content": None, "target": "", "mode": "0644", "recursive": False}


def entry(path, **fields):
    return ENTRY | OWNER | {"path": str(path)} | fields


def ensure(item):
    found = host_files.find(item["path"])
    host_files.check(item, found)
    fields = host_files.differences(item, found)
    if fields:
        host_files.apply(item)
    return fields


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "directory", "mode": "0750"},
        {"content": "a=1\n", "mode": "0640"},
        {"secret_content": "hidden\n", "mode": "0400"},
        {"state": "link", "target": "generations/abc"},
    ],
)
def test_an_entry_is_made_once(tmp_path, fields):
    item = entry(tmp_path / "x", **fields)
    assert ensure(item) == ["state"]
    assert ensure(item) == []
    assert os.listdir(tmp_path) == ["x"], "nothing temporary is left"


def test_content_and_rights_are_mended(tmp_path):
    item = entry(tmp_path / "x", content="a\n", mode="0600")
    ensure(item)
    (tmp_path / "x").write_text("b\n")
    (tmp_path / "x").chmod(0o666)
    assert ensure(item) == ["mode", "content"]
    assert (tmp_path / "x").read_text() == "a\n"
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


def test_a_link_is_turned_in_one_step(tmp_path):
    ensure(entry(tmp_path / "current", state="link", target="a"))
    assert ensure(entry(tmp_path / "current", state="link", target="b")) == ["target"]
    assert os.readlink(tmp_path / "current") == "b"


def test_nothing_of_another_kind_is_removed(tmp_path):
    (tmp_path / "x").mkdir()
    for state in ("file", "link", "absent"):
        with pytest.raises(host_files.EntryError, match="is a directory"):
            ensure(entry(tmp_path / "x", state=state))
    assert (tmp_path / "x").is_dir()


def test_trap_63_what_another_run_has_switched_to_meanwhile_is_not_removed(tmp_path):
    links = [str(tmp_path / name) for name in ("current", "previous")]
    for name in ("a", "b", "c"):
        (tmp_path / "generations" / name).mkdir(parents=True)
    os.symlink("generations/a", links[0])
    os.symlink(tmp_path / "generations/b", links[1])
    for name in ("a", "b", "c"):
        path = tmp_path / "generations" / name
        ensure(entry(path, state="absent", recursive=True, unless_linked=links))
    assert sorted(os.listdir(tmp_path / "generations")) == ["a", "b"]


def test_absent(tmp_path):
    (tmp_path / "x" / "y").mkdir(parents=True)
    assert ensure(entry(tmp_path / "x", state="absent", recursive=True)) == ["state"]
    assert ensure(entry(tmp_path / "x", state="absent")) == []


def test_trap_18_a_secret_is_not_in_the_diff(tmp_path):
    item = entry(tmp_path / "x", secret_content="canary", mode="0400")
    found = host_files.find(item["path"])
    assert "canary" not in str(host_files.diff_of(item, found, host_files.differences(item, found)))
    ensure(item)
    changed = item | {"secret_content": "canary2"}
    found = host_files.find(item["path"])
    assert "canary" not in str(host_files.diff_of(changed, found, host_files.differences(changed, found)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("s3.secret-key: canary\nrest.port: 8081\n", "rest.port: 8081\n", id="dropped-from-flink"),
        pytest.param("fs.azure.sas.c.account: sv=1&sig=canary\n", "rest.port: 8081\n", id="dropped-from-azure"),
        pytest.param("s3.access-key: canary\n", "rest.port: 8081\n", id="dropped-with-a-role-of-the-host"),
        pytest.param("DigestAuthenticationProvider.superDigest=super:canary=\n", "tickTime=2000\n", id="dropped-hash"),
        pytest.param('Server { x required\n  user_admin="canary";\n};\n', "Server { };\n", id="digest-to-kerberos"),
        pytest.param('Client { x required username="a" password="canary"; };\n', "Client { };\n", id="a-client's"),
        pytest.param('{"apiKey": "canary"}\n', "{}\n", id="json"),
        pytest.param("tickTime=2000\n", "ssl.keyStore.password=canary\n", id="named-late"),
    ],
)
def test_trap_63_a_secret_of_either_side_is_not_in_the_diff(tmp_path, old, new):
    """Neither in place, nor beside what it is compared with."""
    (tmp_path / "x").write_text(old)
    for item in (
        entry(tmp_path / "x", content=new),
        entry(tmp_path / "generation", content=new, compare=str(tmp_path / "x")),
    ):
        found = host_files.find(item["path"])
        diff = host_files.diff_of(item, found, host_files.differences(item, found))
        assert "canary" not in str(diff)
        assert diff["before"] != diff["after"]


def test_what_is_made_once_keeps_its_content_and_its_rights_are_mended(tmp_path):
    store = entry(tmp_path / "store", secret_base64="AAH/", mode="0440", once=True)
    assert ensure(store) == ["state"]
    assert (tmp_path / "store").read_bytes() == b"\x00\x01\xff"
    os.chmod(tmp_path / "store", 0o644)
    assert ensure(store | {"secret_base64": "AAA="}) == ["mode"]
    assert ensure(store) == []


def test_the_diff_shows_contents(tmp_path):
    item = entry(tmp_path / "x", content="new\n")
    diff = host_files.diff_of(item, host_files.find(item["path"]), ["state"])
    assert diff["after"] == "new\n"


def test_the_diff_of_a_new_generation_is_told_against_the_one_before(tmp_path):
    (tmp_path / "old").write_text("a=1\n")
    item = entry(tmp_path / "new", content="a=2\n", compare=str(tmp_path / "old"))
    diff = host_files.diff_of(item, host_files.find(item["path"]), ["state"])
    assert (diff["before"], diff["after"]) == ("a=1\n", "a=2\n")
