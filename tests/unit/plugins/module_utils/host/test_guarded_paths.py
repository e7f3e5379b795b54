"""Root among files that somebody else can swap at any moment: each swap is made here between two steps, on a real file system."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import time

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.availability import unit
from ansible_collections.streamquorum.ha.plugins.module_utils.host import files as host_files
from ansible_collections.streamquorum.ha.plugins.module_utils.host import guarded_paths
from ansible_collections.streamquorum.ha.plugins.module_utils.host import state as host_state
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive as release_archive
from ansible_collections.streamquorum.ha.plugins.modules import keytab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to lose")

USER = pwd.getpwnam("nobody")
GROUP = grp.getgrgid(USER.pw_gid).gr_name
ENTRY = {"content": "", "secret_content": None, "target": "", "owner": USER.pw_name, "group": GROUP, "mode": "0640"}
SECRET = "root:canary"


@pytest.fixture
def lair(tmp_path):
    """A directory of the service's user in one of root's."""
    path = tmp_path / "data"
    path.mkdir()
    path.chmod(0o750)
    os.chown(path, USER.pw_uid, USER.pw_gid)
    return path


@pytest.fixture
def sentinel(tmp_path):
    """Directories and files of root's, and what they were: called, it says whether they still are."""
    folder = tmp_path / "sentinel"
    (folder / "below").mkdir(parents=True)
    for path in (folder / "file", folder / "below" / "file"):
        path.write_text(SECRET)
        path.chmod(0o600)

    def seen():
        found = {}
        for path in sorted([folder, *folder.rglob("*")]):
            info = path.stat()
            text = path.read_text() if path.is_file() else sorted(os.listdir(path))
            found[path.name, path.parent.name] = (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode), text)
        return found

    before = seen()
    yield folder
    assert seen() == before


def entry(path, **fields):
    return ENTRY | {"path": str(path)} | fields


def swap(path, target):
    """A link in place of what stands there, as its owner makes it."""
    if os.path.lexists(path):
        os.rename(path, f"{path}.away")
    os.symlink(target, path)
    os.lchown(path, USER.pw_uid, USER.pw_gid)


def after(monkeypatch, name, deed, when=lambda arguments: True):
    """Does something right after a function of the system, once; as root in a child too, which the attacker is not slower than."""
    real = getattr(os, name)

    def swapped(*arguments, **named):
        result = real(*arguments, **named)
        if when(arguments):
            monkeypatch.setattr(os, name, real)
            effective = os.geteuid()
            os.seteuid(0)
            deed()
            os.seteuid(effective)
        return result

    monkeypatch.setattr(os, name, swapped)


def refused_or_done(action):
    try:
        action()
    except (guarded_paths.EntryError, OSError) as error:
        return str(error)
    return ""


def test_trap_50_a_file_that_becomes_a_link_after_the_rename_gives_nothing_away(lair, sentinel, monkeypatch):
    path = lair / "myid"
    after(monkeypatch, "replace", lambda: swap(path, sentinel / "file"))
    refused_or_done(lambda: host_files.apply(entry(path, state="file", content="1\n", mode="0666")))


def test_trap_50_a_directory_that_becomes_a_link_when_it_was_made_gives_nothing_away(lair, sentinel, monkeypatch):
    path = lair / "version-2"
    after(monkeypatch, "mkdir", lambda: swap(path, sentinel))
    told = refused_or_done(lambda: host_files.apply(entry(path, state="directory", mode="0777")))
    assert "version-2" in told


def test_trap_50_a_directory_that_is_there_and_becomes_a_link_gives_nothing_away(lair, sentinel, monkeypatch):
    path = lair / "version-2"
    path.mkdir(mode=0o700)
    os.chown(path, USER.pw_uid, USER.pw_gid)
    item = entry(path, state="directory", mode="0777")
    assert host_files.differences(item, host_files.find(str(path))) == ["mode"]
    swap(path, sentinel)
    refused_or_done(lambda: host_files.apply(item))


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "file", "content": "theirs"},
        {"state": "link", "target": "x"},
        {"state": "directory"},
        {"state": "absent", "recursive": True},
    ],
)
def test_trap_50_a_directory_on_the_way_that_becomes_a_link_leads_nowhere(lair, sentinel, fields):
    swap(lair / "tmp", sentinel)
    with pytest.raises(guarded_paths.EntryError, match=r"tmp, on the way to .* is a link .* nobody"):
        host_files.apply(entry(lair / "tmp" / "below", **fields))


def test_trap_50_a_directory_of_roots_that_was_moved_into_place_is_not_given_away(lair):
    (lair / "lost+found").mkdir(mode=0o700)
    os.rename(lair / "lost+found", lair / "version-2")
    with pytest.raises(guarded_paths.EntryError, match=r"belongs to root.*chown nobody"):
        host_files.apply(entry(lair / "version-2", state="directory"))
    assert (lair / "version-2").stat().st_uid == 0


def test_trap_50_what_is_removed_is_not_left_through_a_link(lair, sentinel, monkeypatch):
    (lair / "old" / "inner").mkdir(parents=True)
    after(monkeypatch, "listdir", lambda: swap(lair / "old" / "inner", sentinel))
    refused_or_done(lambda: host_files.apply(entry(lair / "old", state="absent")))


def test_what_lies_below_somebodys_directory_is_made_by_them(lair):
    for fields in ({"state": "file", "content": "1\n"}, {"state": "directory"}, {"state": "link", "target": "x"}):
        path = lair / fields["state"]
        host_files.apply(entry(path, **fields))
        assert path.lstat().st_uid == USER.pw_uid
        assert host_files.differences(entry(path, **fields), host_files.find(str(path))) == []
    assert sorted(os.listdir(lair)) == ["directory", "file", "link"], "nothing temporary is left"


def test_what_would_belong_to_root_there_is_refused(lair):
    with pytest.raises(
        guarded_paths.EntryError, match="is to belong to root, and lies below a directory that belongs to nobody"
    ):
        host_files.apply(entry(lair / "x", state="file", owner="root", group="root"))
    assert os.listdir(lair) == []


def test_links_that_root_made_where_root_alone_writes_are_followed(tmp_path, lair):
    (tmp_path / "mnt").mkdir()
    os.symlink("mnt", tmp_path / "relative")
    os.symlink(tmp_path / "mnt" / ".." / "relative", tmp_path / "absolute")
    host_files.apply(entry(tmp_path / "absolute" / "new" / "data", state="directory"))
    assert (tmp_path / "mnt/new/data").stat().st_uid == USER.pw_uid
    assert (tmp_path / "mnt/new").stat().st_uid == 0
    assert host_files.find(str(tmp_path / "relative/new/data")).owner == "nobody"


@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o775])
def test_a_link_in_a_directory_that_others_write_to_is_not_followed(tmp_path, sentinel, mode):
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, 0, USER.pw_gid)
    shared.chmod(mode)
    os.symlink(sentinel, shared / "x")
    with pytest.raises(guarded_paths.EntryError, match="root alone writes to"):
        host_files.find(str(shared / "x" / "file"))


def test_a_circle_of_links_ends(tmp_path):
    os.symlink("circle", tmp_path / "circle")
    with pytest.raises(guarded_paths.EntryError, match="circle"):
        host_files.find(str(tmp_path / "circle" / "x"))


def test_what_hangs_as_its_owner_ends_the_entry_and_not_the_run(lair):
    began = time.monotonic()
    with pytest.raises(guarded_paths.EntryError, match=r"data belongs|belongs to nobody.* no answer within 0\.2 s"):
        guarded_paths.as_owner("data", lair.stat(), lambda: time.sleep(60), seconds=0.2)
    assert time.monotonic() - began < 10


def test_a_further_owner_on_the_way_writes_in_its_own_directory(lair):
    inner = lair / "inner"
    inner.mkdir()
    daemon = pwd.getpwnam("daemon")
    os.chown(inner, daemon.pw_uid, daemon.pw_gid)
    fields = {"state": "file", "owner": "daemon", "group": grp.getgrgid(daemon.pw_gid).gr_name}
    host_files.apply(entry(inner / "x", **fields))
    assert (inner / "x").stat().st_uid == daemon.pw_uid


def test_a_file_of_roots_becomes_its_directorys_owners_once(lair):
    (lair / "myid").write_text("1\n")
    os.chown(lair / "myid", 0, USER.pw_gid)
    (lair / "myid").chmod(0o640)
    item = entry(lair / "myid", state="file", content="1\n")
    assert host_files.differences(item, host_files.find(item["path"])) == ["owner"]
    host_files.apply(item)
    assert host_files.differences(item, host_files.find(item["path"])) == []


def test_where_root_is_nobody_the_owner_sets_the_rights_of_its_directory(tmp_path, monkeypatch):
    """Storage on NFS with root_squash: a directory of root's holds one of the user's, in which root may nothing."""
    real = os.open

    def squashed(path, flags, *arguments, **named):
        if os.geteuid() == 0 and path == "flink" and not flags & os.O_PATH:
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, *arguments, **named)

    (tmp_path / "flink").mkdir(mode=0o700)
    os.chown(tmp_path / "flink", USER.pw_uid, USER.pw_gid)
    monkeypatch.setattr(os, "open", squashed)
    for path, mode in ((tmp_path / "flink", "0750"), (tmp_path / "flink" / "checkpoints", "0750")):
        host_files.apply(entry(path, state="directory", mode=mode))
        assert host_files.differences(entry(path, state="directory", mode=mode), host_files.find(str(path))) == []


def test_a_file_that_its_owner_cannot_read_is_replaced(lair):
    (lair / "myid").write_text("1\n")
    (lair / "myid").chmod(0o600)
    item = entry(lair / "myid", state="file", content="1\n")
    assert "content" in host_files.differences(item, host_files.find(item["path"]))
    host_files.apply(item)
    assert (lair / "myid").read_text() == "1\n"


def test_trap_51_a_file_that_becomes_a_link_before_it_is_read_tells_nothing(lair, sentinel, monkeypatch):
    path = lair / "myid"
    path.write_text("1\n")
    os.chown(path, USER.pw_uid, USER.pw_gid)
    for name in ("lstat", "fstat"):
        after(monkeypatch, name, lambda: swap(path, sentinel / "file"), lambda given: len(given) == 1)
    found = host_files.find(str(path))
    assert "canary" not in found.content


# --- host_state


def reader():
    return host_state.HostReader(lambda command: (1, "", ""))


@pytest.fixture
def fifo(lair):
    os.mkfifo(lair / "myid")
    return str(lair / "myid")


def test_trap_51_a_fifo_is_not_waited_for_and_is_not_absent(fifo):
    state = reader()
    assert guarded_paths.as_owner("x", os.stat("/"), lambda: state.contents([fifo]), seconds=5) == {fifo: ""}
    assert state.contents([fifo]) == {fifo: ""}
    assert "myid is a FIFO" in state.unread[fifo]
    assert "remove it" in state.unread[fifo]
    assert state.paths([fifo])[fifo]["type"] == "other"


def test_trap_51_a_link_of_the_services_user_is_not_read(lair, sentinel):
    swap(lair / "myid", sentinel / "file")
    path = str(lair / "myid")
    state = reader()
    read = [state.contents([path]), state.lines({path: ["root"]}), state.holds({path: {"it": SECRET}})]
    assert read == [{path: ""}, {path: []}, {path: {}}]
    assert "link" in state.unread[path]
    assert "canary" not in str(state.unread)


def test_trap_51_a_hard_link_of_the_services_user_is_not_read(lair, sentinel):
    os.link(sentinel / "file", lair / "myid")
    state, path = reader(), str(lair / "myid")
    assert state.contents([path]) == {path: ""}
    assert "cannot be read" in state.unread[path]


def test_trap_51_a_directory_behind_a_link_is_not_listed(lair, sentinel):
    swap(lair / "version-2", sentinel)
    state = reader()
    found = state.paths([str(lair / "version-2"), str(lair / "version-2" / "below")])
    assert [each["entries"] for each in found.values()] == [[], []]
    assert found[str(lair / "version-2")]["type"] == "link"
    assert list(state.unread) == [str(lair / "version-2" / "below")]


def test_what_is_missing_is_missing_and_what_root_linked_is_read(tmp_path):
    (tmp_path / "generations").mkdir()
    (tmp_path / "generations" / "zoo.cfg").write_text("a=1\n")
    os.symlink("generations", tmp_path / "current")
    os.symlink("generations/zoo.cfg", tmp_path / "zoo.cfg")
    read, state = [str(tmp_path / "current/zoo.cfg"), str(tmp_path / "zoo.cfg")], reader()
    assert state.contents(read) == dict.fromkeys(read, "a=1\n")
    assert state.paths([str(tmp_path / "none" / "x")])[str(tmp_path / "none" / "x")]["free_mb"] > 0
    assert state.paths([str(tmp_path / "current")])[str(tmp_path / "current")]["target"] == "generations"
    assert state.unread == {}


# --- Others that work as root


def test_trap_50_no_release_is_unpacked_as_root_where_somebody_could_swap_it(lair, tmp_path, sentinel):
    for way in (lair, lair / "opt" / "deeper"):
        assert guarded_paths.owner_on_the_way(str(way)) == "nobody"
        with pytest.raises(release_archive.ReleaseError, match=r"belongs to nobody.*namei -l"):
            release_archive.check_way(f"{way}/zookeeper-3.9.5")
    swap(lair / "link", sentinel)
    release_archive.check_way(str(tmp_path / "opt" / "zookeeper-3.9.5"))


def test_trap_51_a_keytab_that_is_a_fifo_is_not_waited_for(fifo):
    with pytest.raises(guarded_paths.EntryError, match="is a FIFO"):
        guarded_paths.as_owner("x", os.stat("/"), lambda: keytab.read(fifo).hex(), seconds=5)


def test_trap_51_what_a_probes_writer_left_is_read_where_it_is_a_file(fifo):
    assert guarded_paths.as_owner("x", os.stat("/"), lambda: unit._text(fifo), seconds=5) == ""
