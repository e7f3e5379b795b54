"""What `make setup` installs: the pinned versions, all with their hashes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_has_every_pin(name):
    pins = {key.lower(): version for key, version in PIN.findall((ROOT / name).read_text())}
    locked = dict(PIN.findall(LOCK))
    assert {key: locked.get(key) for key in pins} == pins, "run `make lock`"


def test_every_package_of_the_lock_has_a_hash():
    without = [entry.split("==")[0] for entry in re.split(r"\n(?=[a-z])", LOCK) if "--hash=sha256:" not in entry]
    assert without == []


def test_setup_installs_from_the_lock_alone():
    assert re.findall(r"python -m pip install (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE) == [
        "--quiet --disable-pip-version-check --require-hashes -r requirements.lock"
    ]
