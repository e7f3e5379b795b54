"""The reference of a role (defaults/main.yml) and its argument_specs say the same; Ansible itself never compares them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.parent.name for path in (ROOT / "roles").glob("*/tasks"))
#: Inputs without a default: every host, or every cluster, must give its own.
WITHOUT_DEFAULT = {"zookeeper": {"zookeeper_id"}}


def load(path: Path):
    return yaml.safe_load(path.read_text()) or {} if path.exists() else {}


def specs(role: str):
    return load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_specs_agree(role):
    defaults = load(ROOT / "roles" / role / "defaults/main.yml")
    # A role that runs nothing by itself has another entry point first.
    options = next(iter(specs(role).values())).get("options", {})
    documented = {name: option["default"] for name, option in options.items() if "default" in option}
    required = {name for name, option in options.items() if "default" not in option}
    assert documented == defaults
    # What another role gives is no input.
    if "main" in specs(role):
        assert required == WITHOUT_DEFAULT.get(role, set())


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_described_and_typed(role):
    for entry, spec in specs(role).items():
        assert spec["short_description"], entry
        for name, option in spec.get("options", {}).items():
            assert option["description"], name
            assert option["type"], name
            if option["type"] == "list":
                assert option["elements"], name


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_is_a_task_file_and_is_included_without_its_extension(role):
    """`tasks_from: x.yml` silently skips the specs; `tasks_from: x` does not."""
    for entry in specs(role):
        assert (ROOT / "roles" / role / "tasks" / f"{entry}.yml").exists()
    for path in [*(ROOT / "roles").glob("*/tasks/**/*.yml"), *(ROOT / "playbooks").rglob("*.yml")]:
        assert ".yml" not in "".join(line for line in path.read_text().splitlines() if "tasks_from:" in line)


def test_every_entry_point_that_is_used_is_specified():
    used = {
        (found[1], found[2])
        for path in [*(ROOT / "roles").glob("*/tasks/**/*.yml"), *(ROOT / "playbooks").rglob("*.yml")]
        for found in re.finditer(r"name: streamquorum\.ha\.(\w+)\n\s+tasks_from: (\w+)", path.read_text())
    }
    assert {role for role, _entry in used} > PUBLIC
    assert sorted((role, entry) for role, entry in used if entry not in specs(role)) == []


@pytest.mark.parametrize("role", ROLES)
def test_inputs_carry_the_roles_name_and_the_rest_two_underscores(role):
    """vars/ may hold tables that others read (releases); everything derived is private."""
    for path in (ROOT / "roles" / role / "vars").rglob("*.yml"):
        # A link is to a table of another role, which keeps its name.
        assert path.is_symlink() or all(name.startswith((f"__{role}", role)) for name in load(path)), path


#: Roles that a play of somebody else's may use. The others are for these and for our playbooks.
PUBLIC = {"zookeeper", "flink_ha"}


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_of_a_role_has_its_entry_points_and_says_whose_it_is(role):
    text = (ROOT / "roles" / role / "README.md").read_text()
    rows = [f"| `{entry}` | {spec['short_description']} |" for entry, spec in specs(role).items()]
    assert [line for line in text.splitlines() if line.startswith("| `")] == rows
    assert ("\nPublic: " in text, "\nInternal: " in text) == (role in PUBLIC, role not in PUBLIC)
    anchor = f"## Role {role}\n"
    assert (f"(../../docs/variables.md#role-{role})" in text) == (anchor in (ROOT / "docs/variables.md").read_text())
