"""What a keytab holds, by one that kadmin of MIT Kerberos 1.20 wrote for a realm that is no more."""

from __future__ import annotations

import base64
import struct

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.pki import keytab

PRINCIPAL = "zookeeper/n1.migration.test@MIGRATION.TEST"
RECORDED = base64.b64decode(
    "BQIAAABhAAIADk1JR1JBVElPTi5URVNUAAl6b29rZWVwZXIAEW4xLm1pZ3JhdGlvbi50ZXN0AAAAAWsEEh0BABIAINhj2KWE0BDU"
    "79etycTzgpxIqj9W+vK2yhkOZHic5ySRAAAAAQAAAFEAAgAOTUlHUkFUSU9OLlRFU1QACXpvb2tlZXBlcgARbjEubWlncmF0aW9u"
    "LnRlc3QAAAABawQSHQEAEQAQwhs4Ne8Fs/iJZ3JRv2cuhgAAAAE="
)


def test_a_keytab_names_its_principal_with_the_version_of_each_key():
    found = keytab.parse(RECORDED)
    assert {(entry.principal, entry.version) for entry in found} == {(PRINCIPAL, 1)}
    assert len(found) == 2, "one for each encryption type"
    assert keytab.problems(RECORDED, PRINCIPAL, "file") == []


def test_a_deleted_entry_leaves_a_hole_that_is_passed_over():
    hole = RECORDED[:2] + struct.pack(">i", -10) + b"x" * 10 + RECORDED[2:]
    assert keytab.parse(hole) == keytab.parse(RECORDED)


def test_a_version_above_255_stands_behind_the_key():
    (size,) = struct.unpack_from(">i", RECORDED, 2)
    entry = RECORDED[6 : 6 + size - 4] + struct.pack(">I", 300)
    assert keytab.parse(b"\x05\x02" + struct.pack(">i", len(entry)) + entry)[0].version == 300


@pytest.mark.parametrize("length", range(3, 60))
def test_one_that_was_cut_off_is_none(length):
    with pytest.raises(keytab.KeytabError, match="in the middle"):
        keytab.parse(RECORDED[:length])


@pytest.mark.parametrize("data", [b"", b"\x05\x01", b"not a keytab", b"$ANSIBLE_VAULT;1.1;AES256"])
def test_something_else_is_refused_with_the_way_to_get_one(data):
    assert "ktadd" in keytab.problems(data, PRINCIPAL, "file")[0]


def test_another_principals_is_refused_by_name():
    (text,) = keytab.problems(RECORDED, "flink@MIGRATION.TEST", "file")
    assert "has no key of flink@MIGRATION.TEST" in text
    assert PRINCIPAL in text
