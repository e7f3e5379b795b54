"""The action part of `jar_set`: which jars a bundle on the controller brings."""

from __future__ import annotations

import hashlib

from ansible_collections.streamquorum.ha.plugins.action.jar_set import from_bundle


def test_jars_come_from_the_bundle_where_it_has_those_of_the_wanted_sum(tmp_path):
    (tmp_path / "jars").mkdir()
    for name in ("a.jar", "b.jar"):
        (tmp_path / "jars" / name).write_bytes(b"content")
    right = hashlib.sha512(b"content").hexdigest()
    wanted = [
        {"file": "a.jar", "source": "https://repo.invalid/a.jar", "sha512": right, "plugin": ""},
        {"file": "b.jar", "source": "https://repo.invalid/b.jar", "sha512": "0" * 128, "plugin": ""},
        {"file": "c.jar", "source": "/srv/c.jar", "sha512": right, "plugin": ""},
        {"file": "a.jar", "source": "", "sha512": "", "plugin": "shipped"},
    ]
    sources = [str(tmp_path / "jars/a.jar"), "https://repo.invalid/b.jar", "/srv/c.jar", ""]
    assert [each["source"] for each in from_bundle(wanted, str(tmp_path))] == sources
    assert from_bundle(wanted, "") == wanted
