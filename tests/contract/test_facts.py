"""What one role reads of another is a fact that docs/architecture.md names; a name that begins with two underscores is the role's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
CODE = [
    path
    for folder in ("roles", "playbooks", "plugins")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".yml", ".py", ".j2") and path.parent != ROOT / "plugins/modules"
]
#: Data of a role that its own planner and its own actions read by name.
PLANNERS = {"zookeeper": "plugins/plugin_utils/zookeeper/", "flink_ha": "plugins/plugin_utils/flink/"}


def facts() -> set[str]:
    table = (ROOT / "docs/architecture.md").read_text().split("### Facts for others")[1].split("## ")[0]
    return {
        name
        for line in table.splitlines()
        for name in re.findall(r"`([a-z_]+)`", line.split("|")[1] if "|" in line else "")
    }


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reads_a_name_that_another_keeps_to_itself(role):
    found = []
    for path in CODE:
        name = str(path.relative_to(ROOT))
        if name.startswith((f"roles/{role}/", PLANNERS.get(role, "-"))):
            continue
        used = set(re.findall(rf"\b__{role}_\w+", path.read_text()))
        found += [f"{name}: {each}" for each in sorted(used)]
    assert found == []


def test_the_facts_of_the_table_are_those_that_the_roles_set():
    given = set()
    for path in (ROOT / "roles").glob("*/tasks/**/*.yml"):
        text = path.read_text()
        prefix = path.relative_to(ROOT / "roles").parts[0]
        given |= set(re.findall(rf"^ +register: ({prefix}_\w+)$", text, re.MULTILINE))
        for block in re.findall(r"(?m)^( +)ansible\.builtin\.set_fact:\n((?:\1  .*\n?)+)", text):
            given |= set(re.findall(rf"(?m)^{block[0]}  ({prefix}_\w+):", block[1]))
    assert given == facts()
