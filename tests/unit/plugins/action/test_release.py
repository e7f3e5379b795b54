"""The action part of `release`: what is sent to a host, and when."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.streamquorum.ha.plugins.action.release import ActionModule
from ansible_collections.streamquorum.ha.plugins.module_utils.release import archive

URL = "https://mirror.example/zk.tgz"


class Host(ActionModule):
    """An action whose host is a list of replies; it records what was executed and sent."""

    def __init__(self, replies, args, check_mode=False):
        self.replies, self.executed, self.sent = list(replies), [], []
        self._task = SimpleNamespace(args=args, check_mode=check_mode)
        shell = SimpleNamespace(tmpdir="/remote", join_path=lambda *parts: "/".join(parts))
        self._connection = SimpleNamespace(_shell=shell)

    def _execute_module(self, module_name=None, module_args=None, task_vars=None):
        self.executed.append(module_args)
        return self.replies.pop(0)

    def _make_tmp_path(self, remote_user=None):
        return "/remote"

    def _transfer_file(self, local_path, remote_path):
        self.sent.append((local_path, remote_path))

    def _fixup_perms2(self, remote_paths, remote_user=None, execute=True):
        return list(remote_paths)

    def _find_needle(self, dirname, needle):
        raise AssertionError("only absolute paths here")


@pytest.fixture(autouse=True)
def _no_base(monkeypatch):
    # The base class wants a whole task executor; nothing of it is under test.
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp=None, task_vars=None: {})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "zk.tgz"
    path.write_bytes(b"archive")
    return str(path)


def arguments(sources, sha512):
    return {"name": "zookeeper", "version": "3.9.5", "dest": "/opt/zk", "sources": sources, "sha512": sha512}


def reply(sha512, **fields):
    return {
        "changed": False,
        "transfer": "",
        "remaining": [],
        "failures": [],
        "name": "zookeeper",
        "version": "3.9.5",
        "sha512": sha512,
    } | fields


def test_an_installed_release_costs_one_execution(file):
    wanted = archive.sha512_of(file)
    host = Host([reply(wanted)], arguments([file], wanted))
    assert not host.run()["changed"]
    assert (len(host.executed), host.sent) == (1, [])


def test_the_file_is_sent_when_the_host_asks_for_it(file):
    wanted = archive.sha512_of(file)
    replies = [reply(wanted, transfer=file, remaining=[URL]), reply(wanted, changed=True, source=file)]
    host = Host(replies, arguments([file, URL], wanted))
    assert host.run()["changed"]
    assert host.sent == [(file, "/remote/archive")]
    assert host.executed[1]["transferred"] == "/remote/archive"
    assert host.executed[1]["sources"] == [file, URL]


def test_a_wrong_archive_is_not_sent(file):
    host = Host([reply("a" * 128, transfer=file)], arguments([file], "a" * 128))
    result = host.run()
    assert result["failed"]
    assert "not the one wanted" in result["msg"]
    assert host.sent == []


def test_a_missing_file_is_the_next_sources_turn():
    replies = [reply("a" * 128, transfer="/none.tgz", remaining=[URL]), reply("a" * 128, changed=True, source=URL)]
    host = Host(replies, arguments(["/none.tgz", URL], "a" * 128))
    assert host.run()["source"] == URL
    assert host.executed[1]["sources"] == [URL]
    assert host.executed[1]["failures"] == ["/none.tgz: is not a file on the controller"]


def test_a_missing_file_that_is_the_last_source_is_refused_with_all_that_was_tried():
    host = Host([reply("a" * 128, transfer="/none.tgz", failures=[f"{URL}: 404"])], arguments([URL], "a" * 128))
    result = host.run()
    assert result["failed"]
    assert f"{URL}: 404" in result["msg"]
    assert "/none.tgz: is not a file on the controller" in result["msg"]


@pytest.mark.parametrize("content", [b"archive", b"other"])
def test_check_mode_looks_at_the_controllers_file(tmp_path, file, content):
    wanted = archive.sha512_of(file)
    with open(file, "wb") as handle:
        handle.write(content)
    host = Host([reply(wanted, changed=True)], arguments([file], wanted), check_mode=True)
    assert bool(host.run().get("failed")) == (content == b"other")
    assert host.sent == []


@pytest.mark.parametrize(("sources", "failed"), [(["/none.tgz"], True), (["/none.tgz", URL], False)])
def test_check_mode_refuses_a_file_that_is_missing_everywhere(sources, failed):
    host = Host([reply("a" * 128, changed=True)], arguments(sources, "a" * 128), check_mode=True)
    assert bool(host.run().get("failed")) == failed


def test_a_refusal_of_the_module_is_passed_on():
    host = Host([{"failed": True, "msg": "no"}], arguments([URL], "a" * 128))
    assert host.run()["msg"] == "no"
