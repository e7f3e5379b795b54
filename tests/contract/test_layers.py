"""The packages of module_utils stand on each other in one direction, and no file is too long to be read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
UTILS = PLUGINS / "module_utils"
NAME = "ansible_collections.streamquorum.ha.plugins"
#: From the top down: a package imports from those below it, and from none beside it.
LAYERS = (
    ("rolling",),
    ("flink", "availability"),
    ("zookeeper", "release"),
    ("host",),
    ("pki",),
    ("core",),
)
#: Lines of a file under plugins/ and tools/.
LONGEST = 600
LEVEL = {package: level for level, packages in enumerate(reversed(LAYERS)) for package in packages}
FILES = sorted(UTILS.rglob("*.py"))


def module_of(path):
    parts = path.relative_to(PLUGINS).with_suffix("").parts
    return ".".join((NAME, *(parts[:-1] if parts[-1] == "__init__" else parts)))


MODULES = {module_of(path): path for path in [*FILES, *PLUGINS.glob("*/*.py")]}


def imports(path):
    """Names of the collection's modules that a file imports, at its top or later."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are written in full here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return {name for name in found if name in MODULES}


def package_of(module):
    return module.removeprefix(f"{NAME}.module_utils.").partition(".")[0]


def test_every_package_has_its_layer_and_no_file_stands_outside_of_one():
    assert {path.name for path in UTILS.iterdir() if path.name != "__pycache__"} == set(LEVEL)
    assert {path.parent for path in FILES} == {path.parent for path in UTILS.rglob("__init__.py")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_a_package_imports_only_from_those_below_it(path):
    own = package_of(module_of(path))
    assert [
        name
        for name in sorted(imports(path))
        if not name.startswith(f"{NAME}.module_utils.")
        or (package_of(name) != own and LEVEL[package_of(name)] >= LEVEL[own])
    ] == []


def test_no_file_stands_on_itself():
    """Within a package the layers say nothing: there a circle would show only where Python happens to enter it."""
    left = {name: imports(path) - {name} for name, path in MODULES.items()}
    while free := {name for name, needed in left.items() if not needed & left.keys()}:
        left = {name: needed for name, needed in left.items() if name not in free}
    assert sorted(left) == []


@pytest.mark.parametrize("path", sorted(UTILS.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_a_package_says_what_it_knows_and_does_nothing(path):
    """Each module that uses one file of a package carries its __init__.py to every host, and runs it there."""
    (document,) = ast.parse(path.read_text()).body
    assert isinstance(document, ast.Expr)
    assert "Private to this collection." in ast.literal_eval(document.value)


def test_a_majority_is_counted_in_one_place():
    counting = [path for path in FILES for line in path.read_text().splitlines() if "// 2 + 1" in line]
    assert counting == [UTILS / "core/quorum.py"]


@pytest.mark.parametrize(
    "path",
    sorted([*PLUGINS.rglob("*.py"), *(ROOT / "tools").rglob("*.py")]),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_file_is_too_long_to_be_read(path):
    assert len(path.read_text().splitlines()) <= LONGEST


def test_what_is_derived_is_derived_in_python():
    """A filter is a call written in YAML, and a variable that is derived is derived again at each use."""
    names = [
        name
        for path in sorted((PLUGINS / "filter").glob("*.py"))
        for name in re.findall(r'"(\w+)": ', path.read_text().split("def filters")[1])
    ]
    assert len(names) == len(set(names)) <= 20, names
    for role in ("zookeeper", "flink_ha", "rolling"):
        texts = [path.read_text() for path in (ROOT / "roles" / role / "vars/main").glob("*.yml")]
        lazy = [name for text in texts for name in re.findall(r"(?m)^(__\w+):(?=.*\{\{| *>-)", text)]
        assert len(lazy) <= 25, lazy
