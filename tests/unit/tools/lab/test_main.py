"""The command line as it is typed, before anything is installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[4] / "tools/lab"


@pytest.mark.parametrize("words", [["tools/lab"], ["-m", "lab"]], ids=["directory", "package"])
def test_it_runs_from_anywhere_with_the_standard_library_alone(tmp_path, words):
    """-S leaves the packages of the environment out."""
    cwd = TOOL.parent if "-m" in words else tmp_path
    command = [str(TOOL) if word == "tools/lab" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-S", *command, "up", "--help"], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("usage: python3 tools/lab up"), done.stderr


@pytest.mark.parametrize("path", sorted(TOOL.glob("*.py")), ids=lambda path: path.name)
def test_a_python_that_is_too_old_gets_as_far_as_its_refusal(path):
    ast.parse(path.read_text(), feature_version=(3, 9))
