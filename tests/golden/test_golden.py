"""Whole generations, byte for byte: one changed byte restarts every member of everybody who updates this toolkit.

Each inventory of `inventories/` is given to the real playbooks and roles in the stand-in world of tests/traps, and what they ask
the module `host_files` for is compared with what was recorded in `recorded/`: the name of each generation; of each file its path,
rights and sum; and its text, so that a difference can be read.

Where the bytes are meant to change, `make golden` records them anew (GOLDEN=record pytest tests/golden). Look at its diff: all that
is in it is what a user's next run rolls. Say in the changelog that it does.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from golden import recording
from traps.world import FRESH, ROOT, World

HERE = Path(__file__).parent
INVENTORIES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((HERE / "inventories").glob("*.yml"))}
RECORDS = os.environ.get("GOLDEN") == "record"
LIVE = "-live"
#: What runs on a host of each group, and the port that it listens on.
SERVICES = {
    "zookeeper": {"zookeeper.service": 2181},
    "flink_jobmanager": {"flink-jobmanager.service": 8081},
    "flink_taskmanager": {"flink-taskmanager.service": 6122},
}


def facts(name: str, live: bool) -> dict[str, dict]:
    """What is true of each host of an inventory: new, or with another generation of each of its services, which runs."""
    said, found = INVENTORIES[name].get("facts", {}), {}
    for group, each in INVENTORIES[name]["inventory"]["all"]["children"].items():
        for host, variables in each["hosts"].items():
            state = found.setdefault(host, {"id": 0, "services": {}} | said | ({} if live else FRESH))
            state["id"] = variables.get("zookeeper_id", state["id"])
            if live:
                state["services"] |= SERVICES[group]
    return found


def measured(world: World, case: str) -> recording.Recording:
    """What the playbook of an inventory writes on its hosts."""
    name = case.removesuffix(LIVE)
    given = INVENTORIES[name]
    world.take(given["inventory"], facts(name, case.endswith(LIVE)))
    code, output = world.run(given["playbook"], "--tags", "configure")
    # Without the roll, a run over live hosts ends with what it left undone.
    assert code == 0 or "It is staged; playbooks/site.yml" in output, output
    found = recording.of_calls(world.calls("host_files"))
    here = [str(place).encode() for place in (ROOT, world.folder, world.tree)]
    assert not [text for text in found.texts.values() if any(place in text for place in here)]
    return found


@pytest.fixture(scope="session")
def runs(request, collections, tmp_path_factory):
    """The runs that the selected tests ask for, as many at a time as there are cores."""
    folder = tmp_path_factory.mktemp("golden")
    # `runs` is a parameter's name in other tests, which may be in the same call.
    asked = [
        item.callspec.params["case"]
        for item in request.session.items
        if "runs" in getattr(item, "fixturenames", []) and "case" in item.callspec.params
    ]
    pool = ThreadPoolExecutor(os.cpu_count())
    yield {case: pool.submit(measured, World(folder / case, collections), case) for case in asked}
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", INVENTORIES)
def test_every_generation_is_the_one_that_was_recorded(runs: dict[str, Future], case):
    found, folder = runs[case].result(), HERE / "recorded" / case
    if RECORDS:
        recording.write(found, folder)
    told = recording.differences(recording.read(folder), found)
    assert not told, f"inventories/{case}.yml:\n{told}\n\nWhere that is meant: make golden"


@pytest.mark.parametrize("case", [f"three{LIVE}"])
def test_a_host_on_which_everything_runs_gets_the_same_generations(runs: dict[str, Future], case):
    """They are staged beside what runs, and nothing is switched."""
    found, recorded = runs[case].result(), recording.read(HERE / "recorded" / case.removesuffix(LIVE))
    assert not [row for row in found.table if "/current link" in row or "/etc/systemd/system/" in row], found.table
    assert recording.generations(recorded).table
    told = recording.differences(recording.generations(recorded), recording.generations(found))
    assert not told, f"inventories/{case.removesuffix(LIVE)}.yml, where all runs:\n{told}"


def test_nothing_is_recorded_of_an_inventory_that_is_none():
    assert {path.name for path in (HERE / "recorded").iterdir()} == set(INVENTORIES)
