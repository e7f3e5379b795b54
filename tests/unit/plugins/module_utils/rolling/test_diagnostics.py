"""What a run that stops leaves behind."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import diagnostics


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ssl.keyStore.password=hunter2 other=1", "ssl.keyStore.password=*** other=1"),
        ('password="hunter 2";', "password=***;"),
        ("user_super: x", "user_super: x"),
        ("s3.secret-key: hunter2", "s3.secret-key: ***"),
        ('{"accessToken": "hunter2", "a": 1}', '{"accessToken": ***, "a": 1}'),
        ("-Djavax.net.ssl.trustStorePassword=hunter2", "-Djavax.net.ssl.trustStorePassword=***"),
    ],
)
def test_trap_18_values_of_secrets_are_masked(text, shown):
    assert diagnostics.masked(text) == shown


def test_a_journal_is_a_file_of_its_member():
    result = {"item": {"host": "h1", "unit": "flink-jobmanager@1.service"}, "stdout": "a"}
    assert diagnostics.journal_file(result) == {"name": "h1-flink-jobmanager@1.service.log", "content": "a\n"}
    assert diagnostics.journal_file({"item": result["item"], "msg": "unreachable"})["content"] == "unreachable\n"


def test_trap_18_no_file_of_a_run_that_stops_holds_a_secret():
    journal = {"item": {"host": "h1", "unit": "zookeeper.service"}, "stdout": "two password=hunter2"}
    found = diagnostics.files([journal], "failed: token=hunter2", '{"secret": "hunter2"}')
    assert [each["name"] for each in found] == ["failure.txt", "verdict.json", "h1-zookeeper.service.log"]
    assert not [each for each in found if "hunter2" in each["content"]]


def test_the_end_of_a_journal_on_the_screen_has_no_secrets():
    result = {"item": {"name": "zk1"}, "stdout": "one\ntwo password=hunter2\nthree"}
    assert diagnostics.journal_tail(result, 2) == ["zk1: the end of its journal", "  two password=***", "  three"]
