"""The module's run: what is there is left alone, check mode names what is missing."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.release.bundle import Bundle
from ansible_collections.streamquorum.ha.plugins.modules.bundle_archive import fill

ITEM = {"name": "flink", "version": "2.3.0", "archive": "flink-2.3.0-bin-scala_2.12.tgz"}
PARAMS = {"items": [ITEM], "mirrors": [], "use_apache": "never", "files": "/none", "python": ""}


class Held(Bundle):
    """A bundle in memory."""

    def __init__(self, *entries):
        self.entries, self.filled = list(entries), []

    def manifest(self):
        return {"archives": self.entries}

    def sums(self, manifest, items):
        return {entry["file"]: "sum" for entry in self.entries}

    def fill(self, item, mirrors, use_apache, files, python):
        self.filled.append(item["name"])
        self.entries = [ENTRY]
        return ["a mirror: 404"]


ENTRY = {"name": "flink", "version": "2.3.0", "file": "flink.tgz", "sha512": "sum"}


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_is_there_is_left_alone(check_mode):
    held = Held(ENTRY)
    result = fill(held, PARAMS, check_mode)
    assert (result["changed"], result["missing"], held.filled) == (False, [], [])
    assert result["archives"] == [ENTRY]


def test_what_is_missing_is_added():
    held = Held()
    result = fill(held, PARAMS, False)
    assert (result["changed"], held.filled, result["failures"]) == (True, ["flink"], ["a mirror: 404"])
    assert result["archives"] == [ENTRY]


def test_check_mode_names_what_is_missing():
    held = Held()
    result = fill(held, PARAMS, True)
    assert result["missing"] == [{"item": ITEM, "reason": "not in the bundle"}]
    assert (result["changed"], held.filled) == (True, [])
    assert set(result) == set(fill(Held(), PARAMS, False))
