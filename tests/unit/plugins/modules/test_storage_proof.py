"""The module `storage_proof`: what it gives, and that it does nothing under --check."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.streamquorum.ha.plugins.modules import storage_proof

GIVEN = {"name": ".proof", "generation": "/etc/flink/g", "kind": "jobmanager", "user": "flink", "jar": "/x.jar"}


@pytest.fixture
def module(monkeypatch, capsys):
    """What it returns for a verb, where the proof told these lines; None: nothing may be proved."""

    def _module(verb, told, check=False):
        def prove(_params):
            assert told is not None, "it was proved"
            return told

        monkeypatch.setattr(storage_proof.storage_proof, "prove", prove)
        with (
            patch_module_args({**GIVEN, "verb": verb, "_ansible_check_mode": check}),
            pytest.raises(SystemExit),
        ):
            storage_proof.main()
        return json.loads(capsys.readouterr().out)

    return _module


def test_nothing_is_proved_under_check_and_nothing_is_said_to_be_there(module):
    found = module("write", None, check=True)
    assert (found["skipped"], found["text"]) == (True, "")


def test_a_file_of_a_job_is_told_with_where_it_was_looked_for(module):
    found = module("find", ["s3://b/x", "s3://b/x/blob"])
    assert (found["where"], found["text"]) == ("s3://b/x", "s3://b/x/blob")
    assert module("find", ["s3://b/x", ""])["text"] == ""


def test_what_is_kept_is_told_with_when_it_was_written(module):
    found = module("kept", ["1700000000001 application_1_0001"])
    assert found["kept"] == [
        {"application": "application_1_0001", "written": 1700000000001},
    ]
    assert not found["changed"]
    assert [module(verb, [])["changed"] for verb in ("kept", "keep", "purge")] == [False, True, True]


@pytest.mark.parametrize(("verb", "told"), [("find", []), ("find", ["s3://b/x"]), ("write", [])])
def test_a_proof_that_tells_nothing_is_none(module, verb, told):
    assert module(verb, told)["failed"]
