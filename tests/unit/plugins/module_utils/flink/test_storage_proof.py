"""The proof of a storage: how it is started, and what is told of its end. What it finds is tried in molecule/storage."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import storage_proof

PARAMS = {
    "verb": "write", "name": ".proof", "uris": ["hdfs://ns1/flink"], "text": "", "generation": "/etc/flink/g",
    "release_dir": "/opt/flink", "user": "flink", "environment": {"JAVA_HOME": "/opt/java"}, "timeout": 10,
}  # fmt: skip


@pytest.fixture
def given(tmp_path, monkeypatch):
    """In place of runuser, a script of the test, which gets the same arguments."""
    jar = tmp_path / "sent.jar"
    jar.write_bytes(b"a jar")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def script(shell, /, **params):
        path = tmp_path / "runuser"
        path.write_text(f"#!/bin/bash\n{shell}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return PARAMS | {"jar": str(jar)} | params

    return script


def test_what_was_written_is_told(given):
    assert storage_proof.prove(given("echo 'Setting HADOOP_CONF_DIR=x'; echo a-token")) == "a-token"


def test_it_runs_as_the_services_user_with_what_the_processes_are_started_with(given, tmp_path):
    seen = tmp_path / "seen"
    text = f'printf "%s\\n" "$@" > {seen}; env >> {seen}; cat "${{*:7:1}}" >> {seen}; stat -c "%a %A" "${{@:8:1}}" >> {seen}'
    storage_proof.prove(given(text, verb="read", text="a-token"))
    lines = Path(seen).read_text().splitlines()
    assert lines[:4] == ["--user=flink", "--", "bash", "-c"]
    assert "JAVA_HOME=/opt/java" in lines
    assert "FLINK_CONF_DIR=/etc/flink/g" in lines
    assert lines[lines.index("read") :][:4] == ["read", ".proof", "a-token", "hdfs://ns1/flink"]
    assert "644 -rw-r--r--" in lines, "the user reads the jar"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo 'no file system' >&2; exit 1", "no file system"),
        ("exit 3", "exit code 3"),
        ("exec sleep 60", "no answer within 1 s"),
    ],
)
def test_trap_71_a_storage_that_is_not_reached_is_refused_in_words(given, text, told):
    with pytest.raises(storage_proof.StorageError, match=told) as raised:
        storage_proof.prove(given(text, timeout=1 if "sleep" in text else 10))
    assert "The user flink cannot write to hdfs://ns1/flink, as Flink would" in str(raised.value)
