"""What the documents say is what the tree has."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from ansible.parsing.splitter import split_args

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "roles").glob("*/README.md")),
]
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def load(path: str):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


VARIABLES = load("tools/docs/variables.py")


def test_the_list_of_variables_is_up_to_date():
    assert (ROOT / "docs/variables.md").read_text() == "\n".join(VARIABLES.lines()) + "\n", "run `make docs`"


@pytest.mark.parametrize("name", VARIABLES.switches())
def test_a_switch_is_asked_for_by_its_playbooks(name):
    for playbook in VARIABLES.switches()[name]["playbooks"]:
        text, imported = "", [ROOT / "playbooks" / f"{playbook}.yml"]
        while imported:
            path = imported.pop()
            found = path.read_text()
            imported += [path.parent / name for name in re.findall(r"import_playbook: (\S+\.yml)", found)]
            text += found
        assert re.search(rf"\b{name}\b", text), playbook


def test_every_port_stands_in_the_firewall_table():
    assert set(VARIABLES.ports()) == set(VARIABLES.REACHED_BY)


@pytest.mark.parametrize("playbook", sorted(path.name for path in (ROOT / "playbooks").glob("*.yml")))
def test_a_playbook_is_in_the_table_of_commands_and_has_its_page(playbook):
    table = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `")]
    assert any(f"playbooks/{playbook}" in line or f"`{playbook}`" in line for line in table)
    assert re.search(rf"\b{re.escape(playbook)}\b", (ROOT / "docs/operations.md").read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_a_document_exists(document):
    text = document.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets |= {f"molecule-{path.parent.name}" for path in (ROOT / "molecule").glob("*/molecule.yml")} | {
        "molecule-NAME"
    }
    assert {*re.findall(r"(?:`|^)make ([a-z_-]+(?:NAME)?)", text, re.MULTILINE)} <= targets
    for name in re.findall(r"playbooks/([a-z_/]+)\.yml", text):
        assert (ROOT / "playbooks" / f"{name}.yml").exists(), name
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (document.parent / link).exists(), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_gives_behind_e_comes_through_whole(document):
    """Ansible splits at blanks what the shell has left together, and takes a word without a sign of equality for nothing."""
    for command in re.findall(r"`(ansible-playbook [^`]+)`", document.read_text()):
        words = shlex.split(command)
        for value in (after for before, after in pairwise(words) if before == "-e"):
            assert value.startswith("{") or all(re.fullmatch(r"\w+=.*", part) for part in split_args(value)), value


@pytest.mark.parametrize("path", sorted((ROOT / "inventory/example").rglob("*.yml")), ids=lambda path: path.name)
def test_the_example_inventory_names_only_inputs_that_exist(path):
    inputs = set()
    for role in ("zookeeper", "flink_ha"):
        specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
        inputs |= set(specs["main"]["options"])
    named = set(re.findall(r"\b((?:zookeeper|flink_ha)_[a-z_]+)\s*:", path.read_text()))
    assert named <= inputs


def test_the_client_library_is_the_pinned_one_everywhere():
    pinned = dict(re.findall(r"^([a-z-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    role = yaml.safe_load((ROOT / "roles/common/vars/main/client_library.yml").read_text())
    library = {each["name"]: each["version"] for each in role["common_client_library"]}
    assert library == {name: pinned[name] for name in library}
    name = "-".join(f"{name}-{version}" for name, version in library.items())
    for path in ("plugins/module_utils/zookeeper/client.py", "plugins/doc_fragments/zookeeper_connection.py"):
        assert f"/opt/streamquorum/lib/{name}.zip" in (ROOT / path).read_text()


def test_every_path_that_contributing_names_exists():
    """NAME is what somebody adds."""
    words = re.findall(r"`([^`]+)`", (ROOT / "CONTRIBUTING.md").read_text())
    paths = {
        part
        for word in words
        for part in word.split()
        if re.fullmatch(r"\.?[\w.-]*/[\w./-]*|\w+\.(md|yml)|Makefile", part)
    }
    assert {"Makefile", "tests/refusals/", "galaxy.yml", "roles/flink_ha/vars/main/options.yml"} <= paths
    missing = [
        path for path in paths if "NAME" not in path and path != ".venv/bin/activate" and not (ROOT / path).exists()
    ]
    assert missing == []


def test_the_hooks_before_a_commit_are_the_linters_that_ci_runs():
    lint = re.search(r"^lint: ([a-z -]+?) ##", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1)
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert sorted(hook["entry"] for hook in local["hooks"]) == sorted(f"make {target}" for target in lint.split())
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in local["hooks"])


def test_the_fragments_of_the_changelog_are_well_formed():
    done = subprocess.run(["antsibull-changelog", "lint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_of_the_tree_is_released_in_the_changelog():
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert list(yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text())["releases"])[-1] == version
    assert f"## v{version}".replace(".", "\\.") in (ROOT / "CHANGELOG.md").read_text()


def test_nothing_names_a_machine_or_a_registry():
    hosts = ["deb.debian" + ".org", "pypi" + ".org", "repo.maven" + ".apache.org", "repo1.maven" + ".org"]
    paths = ["/" + "work/", "/tmp/" + "sq/"]
    for name in TRACKED:
        path = ROOT / name
        if path.is_file() and path.suffix not in (".jar", ".gz"):
            text = path.read_text(errors="replace")
            assert not [word for word in [*hosts, *paths] if word in text], name


def test_a_role_takes_no_default_of_an_input_outside_defaults():
    for path in [*(ROOT / "roles").glob("*/tasks/**/*.yml"), *(ROOT / "roles").glob("*/vars/main/texts.yml")]:
        assert not re.search(r"(?<!_)\b(?:zookeeper|flink_ha)_[a-z_]+ *\| *default\(", path.read_text()), path


def test_no_failure_is_ignored():
    for path in [*(ROOT / "roles").rglob("*.yml"), *(ROOT / "playbooks").rglob("*.yml")]:
        assert "ignore_errors" not in path.read_text(), path
