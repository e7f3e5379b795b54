"""`make bench-scale`: what the controller spends on each host of a second run of site.yml, as the inventory grows.

The hosts exist only as files, and all modules are the stand-in of tests/traps. So what is measured is the controller: the processes of
Ansible, what they plan and template, and for each execution of a module one short process of Python, the same for all modules. That
process, the files for it and the shells around it are in every figure, of site.yml and of the floor alike; a connection over SSH is in
none. With many TaskManagers beside one small ensemble, what grows is Flink's part.

Prints a table and writes all values as JSON. It asserts nothing: machines are noisy, so quote ratios of one run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from hosts import RESULTS, ROOT, Run, median, play, save

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / ".ansible/collections")]

from traps.stand_in import copy_tree  # noqa: I001
from traps.world import FRESH, VERSION, World

from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import Release, marker_text

SIZES = (7, 50, 200)
#: How many of the group the smallest inventory has; larger ones have more TaskManagers only.
ENSEMBLE, JOB_MANAGERS = 3, 2
FLINK = "2.3.0"
SUM = "0" * 128
#: By group: the unit, the port that it listens on, and its release.
SERVICES = {
    "zookeeper": ("zookeeper.service", 2181, Release("zookeeper", VERSION, SUM)),
    "flink_jobmanager": ("flink-jobmanager.service", 8081, Release("flink", FLINK, SUM)),
    "flink_taskmanager": ("flink-taskmanager.service", 6122, Release("flink", FLINK, SUM)),
}
VARIABLES = {
    "zookeeper_version": VERSION,
    "zookeeper_archive_sha512": SUM,
    "zookeeper_java_home": "/opt/java",
    "flink_ha_version": FLINK,
    "flink_ha_archive_sha512": SUM,
    "flink_ha_java_home": "/opt/java",
    "flink_ha_cluster_id": "/scale",
    "flink_ha_storage_dir": "hdfs://nameservice/flink",
    "flink_ha_archive_url": "https://repo.invalid/flink.tgz",
    "flink_ha_rest_open": True,
}
#: Modules that change nothing.
READING = {"fake_ping", "fake_setup", "host_state", "leader_znode", "run_lease", "zookeeper_quorum"}
#: Most that an added host may cost against one that was added before, and against one of the floor.
BUDGETS = {"growth": 1.2, "floor": 1.3}


def groups(size: int) -> dict[str, list[str]]:
    """Names of the hosts by group."""
    counts = {
        "zookeeper": ENSEMBLE,
        "flink_jobmanager": JOB_MANAGERS,
        "flink_taskmanager": size - ENSEMBLE - JOB_MANAGERS,
    }
    short = {"zookeeper": "zk", "flink_jobmanager": "jm", "flink_taskmanager": "tm"}
    return {group: [f"{short[group]}{number}" for number in range(1, count + 1)] for group, count in counts.items()}


def fresh(folder: Path, collections: Path, size: int) -> World:
    """New hosts, on which nothing runs."""
    world = World(folder, collections)
    facts: dict[str, Any] = {}
    children: dict[str, Any] = {}
    for group, names in groups(size).items():
        prefix = "zookeeper" if group == "zookeeper" else "flink_ha"
        hosts = children.setdefault(group, {"hosts": {}})["hosts"]
        for number, name in enumerate(names, 1):
            hosts[name] = {f"{prefix}_address": f"{name}.invalid"}
            hosts[name] |= {"zookeeper_id": number} if group == "zookeeper" else {}
            facts[name] = FRESH | {"id": number if group == "zookeeper" else 0, "services": {}}
    world.take({"all": {"vars": VARIABLES, "children": children}}, facts)
    for host in world.inventory["all"]["hosts"].values():
        host["ansible_connection"] = "local"  # no template, which is a lookup in each task
    return world


def run(world: World, playbook: str, *arguments: str) -> Run:
    facts = {"ANSIBLE_FACTS_MODULES": "streamquorum.ha.fake_setup"}
    return play(
        str(world.prepare()),
        f"playbooks/{playbook}",
        *arguments,
        folder=world.tree,
        environment=world.environment | facts,
    )


def settle(world: World, size: int) -> None:
    """Has a first run tell what each host is to have, and makes that true: everything stands there and runs."""
    run(world, "site.yml", "--tags", "configure")
    written = {call["host"]: call["args"]["entries"] for call in world.calls("host_files")}
    for group, names in groups(size).items():
        unit, port, release = SERVICES[group]
        for name in names:
            targets = [entry["target"] for entry in written[name] if entry["path"].endswith("/current")]
            world.set(
                name, entries=written[name], generation=Path(targets[0]).name, before=Path(targets[0]).name,
                services={unit: port}, installed=True, live=True, process=f"{name}.0", marker=marker_text(release),
                kind=group.removeprefix("flink_"), serves=True, served=group == "zookeeper", data=group == "zookeeper",
                mode={"zk1": "leader"}.get(name, "follower"),
            )  # fmt: skip
    known = {"leads": "jm1", "session": "s1"}
    (world.folder / "flink.json").write_text(json.dumps(known))
    world.forget()


def measured(folder: Path, collections: Path, size: int, repeat: int) -> dict[str, list[Run]]:
    """Runs over a cluster of a size that has nothing to do."""
    world = fresh(folder, collections, size)
    settle(world, size)
    # In turn: what else the machine does hits both.
    runs = [(run(world, "floor.yml"), run(world, "site.yml")) for _each in range(repeat)]
    if done := {call["module"] for call in world.calls()} - READING:
        sys.exit(f"The second run over {size} hosts had something to do: {', '.join(sorted(done))}")
    return {"floor": [floor for floor, _site in runs], "site": [site for _floor, site in runs]}


def figures(runs: Mapping[int, Mapping[str, Sequence[Run]]]) -> dict[str, Any]:
    """Seconds of CPU and of wall by playbook and size, and what follows from them."""
    seconds: dict[str, Any] = {
        name: {
            size: {kind: median([getattr(each, kind) for each in found[name]]) for kind in ("cpu", "wall")}
            for size, found in runs.items()
        }
        for name in ("floor", "site")
    }
    # What a host more costs, from each size to the next.
    added = {
        name: [(each[more]["cpu"] - each[less]["cpu"]) / (more - less) for less, more in pairwise(runs)]
        for name, each in seconds.items()
    }
    growth = {name: later / before for name, (before, later) in added.items()}
    return {
        "seconds": seconds,
        "added": added,
        "growth": growth,
        "of_floor": [a / b for a, b in zip(added["site"], added["floor"], strict=True)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "scale.json", help="file for all values")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the median is told")
    given = parser.parse_args()
    print(
        f"Second runs over {', '.join(map(str, SIZES))} hosts that exist only as files (usually 10 minutes) …",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as place:
        collections = Path(place) / "collections"
        copy_tree(collections, [ROOT / "tools/bench/floor.yml"], ["ping", "setup"])
        runs = {size: measured(Path(place) / str(size), collections, size, given.repeat) for size in SIZES}
    found = figures(runs)
    print(f"{'hosts':>5} {'run':6} {'wall s':>8} {'CPU s':>8}  executions a host")
    for size, each in runs.items():
        for name in each:
            told, counts = found["seconds"][name][size], sorted(each[name][0].executions.values())
            print(f"{size:5} {name:6} {told['wall']:8.2f} {told['cpu']:8.2f}  {counts[0]} to {counts[-1]}")
    print("CPU ms of each host more:")
    for name, costs in found["added"].items():
        print(
            f"{name:8} {costs[0] * 1000:8.0f} from {SIZES[0]} to {SIZES[1]}, {costs[1] * 1000:.0f} from there to {SIZES[2]}: x {found['growth'][name]:.2f}"
        )
    print(
        f"x floor  {found['of_floor'][0]:8.2f} from {SIZES[0]} to {SIZES[1]}, {found['of_floor'][1]:.2f} from there to {SIZES[2]}"
    )
    print(f"budgets: x {BUDGETS['growth']} of a later host to an earlier one, x {BUDGETS['floor']} of the floor's")
    save(
        given.json,
        found
        | {
            "tasks": {size: [dataclasses.asdict(task) for task in each["site"][0].tasks] for size, each in runs.items()}
        },
    )


if __name__ == "__main__":
    main()
