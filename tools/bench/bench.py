"""`make bench`, first part: what a first, a second and a `--check` run of site.yml cost on the lab, beside the floor.

Prints a table and writes all values as JSON. It asserts nothing: machines are noisy, so quote ratios of one run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path

from hosts import RESULTS, Run, booted, play, save

INVENTORY = "molecule/default/inventory"
#: Runs of the short plays; the median is told, all are in the file.
REPEAT = 3


def middle(runs: list[Run]) -> Run:
    return sorted(runs, key=lambda run: run.wall)[len(runs) // 2]


def verdict_ms() -> float:
    """Time of one full verdict, as the module tells it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as facts:
        play(INVENTORY, "playbooks/status.yml", "-e", f"status_json={facts.name}")
        return float(json.loads(Path(facts.name).read_text())["zookeeper"]["duration_ms"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "runs.json", help="file for all values")
    given = parser.parse_args()
    print(f"Booting the lab, then {3 + 3 * REPEAT} runs over SSH (usually 3 minutes) …", flush=True)
    with booted(INVENTORY) as seconds:
        play(INVENTORY, "playbooks/bundle.yml")
        first = play(INVENTORY, "playbooks/site.yml")
        floor = middle([play(INVENTORY, "tools/bench/floor.yml") for _each in range(REPEAT)])
        second = middle([play(INVENTORY, "playbooks/site.yml") for _each in range(REPEAT)])
        check = play(INVENTORY, "playbooks/site.yml", "--check")
        verdicts = [verdict_ms() for _each in range(REPEAT)]
    runs = {"floor": floor, "first": first, "second": second, "check": check}
    print(f"{'run':8} {'wall s':>8} {'x floor':>8}  executions a host")
    for name, run in runs.items():
        counts = sorted(run.executions.values())
        print(f"{name:8} {run.wall:8.2f} {run.wall / floor.wall:8.2f}  {counts[0]} to {counts[-1]}")
    print(f"verdict on three servers, inside the module: {sorted(verdicts)[REPEAT // 2]:.0f} ms (all: {verdicts})")
    print(f"boot of the lab: {seconds:.1f} s")
    figures = {
        name: {
            "wall": run.wall,
            "executions": run.executions,
            "modules": run.modules,
            "tasks": [dataclasses.asdict(task) for task in run.tasks],
        }
        for name, run in runs.items()
    }
    save(given.json, figures)


if __name__ == "__main__":
    main()
