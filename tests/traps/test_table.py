"""The table of traps in docs/traps.md has every row, and names tests that exist."""

from __future__ import annotations

import re

import pytest
from traps.world import ROOT

ROWS = re.findall(
    r"^\| (\d+) \|(.+)\|(.+)\|(.+)\|$",
    (ROOT / "docs/traps.md").read_text(),
    re.MULTILINE,
)


def test_every_trap_has_a_row():
    """Rows 39 to 49 are of what this toolkit does not do yet."""
    numbers = [int(number) for number, *_rest in ROWS]
    assert numbers == sorted(set(numbers))
    assert set(range(1, 39)) <= set(numbers)


@pytest.mark.parametrize(("number", "tests"), [(row[0], row[3]) for row in ROWS], ids=[row[0] for row in ROWS])
def test_every_named_test_exists(number, tests):
    named = re.findall(r"`([^`]+)`", tests)
    assert named
    for name in named:
        if name.endswith("…"):  # all tests of a scenario whose name begins so
            folder, start = name.removesuffix("…").split(": ")
            text = "".join(path.read_text() for path in (ROOT / folder / "tests").glob("*.py"))
            assert f"def {start}" in text, name
        else:
            path, function = name.split("::")
            assert re.search(rf"^ *def {function}\(", (ROOT / path).read_text(), re.MULTILINE), name


def test_every_test_that_carries_a_number_is_of_that_row():
    """Who looks for a row finds its tests by name, and what is named so stands in the table or beside what does."""
    rows = {int(number) for number, *_rest in ROWS}
    for folder in ("tests", "molecule"):
        for path in (ROOT / folder).rglob("test_*.py"):
            for numbers in re.findall(r"def test_trap((?:_\d\d)+)_", path.read_text()):
                assert {int(number) for number in numbers.strip("_").split("_")} <= rows, path
