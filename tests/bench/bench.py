"""`make bench`: what a first, a second and a `--check` run of site.yml cost on the lab, beside the floor.

Prints a table and writes build/bench.json. It asserts nothing: machines are noisy, so quote ratios of one run.
"""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
INVENTORY = "molecule/default/inventory"
#: Runs of the short plays; the median is told, all are in the file.
REPEAT = 3


def play(*arguments: str) -> dict:
    """One run of ansible-playbook: wall time in seconds, module executions by host, and the output."""
    with tempfile.NamedTemporaryFile() as counter:
        environment = os.environ | {
            "SQ_EXECUTIONS": counter.name,
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/bench/callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "executions",
            "ANSIBLE_NOCOLOR": "1",
        }
        began = time.monotonic()
        done = subprocess.run(
            ["ansible-playbook", "-i", INVENTORY, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        wall = time.monotonic() - began
        lines = Path(counter.name).read_text().splitlines()
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    executions = collections.Counter(line.split()[0] for line in lines)
    return {"wall": round(wall, 2), "executions": dict(executions), "modules": lines, "output": done.stdout}


def median(runs: list[dict]) -> dict:
    return sorted(runs, key=lambda run: run["wall"])[len(runs) // 2]


def verdict_ms() -> float:
    """Time of one full verdict, as the module tells it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as facts:
        play("playbooks/status.yml", "-e", f"status_json={facts.name}")
        return json.loads(Path(facts.name).read_text())["zookeeper"]["duration_ms"]


def lab(verb: str, *arguments: str) -> float:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "molecule/shared/lab.py", verb, "--inventory", INVENTORY, *arguments], cwd=ROOT, check=True
    )
    return time.monotonic() - began


def main() -> None:
    print(f"Booting the lab, then {3 + 3 * REPEAT} runs over SSH (usually 3 minutes) …", flush=True)
    booted = lab("up", "--fresh")
    try:
        play("playbooks/bundle.yml")
        first = play("playbooks/site.yml")
        floor = median([play("tests/bench/floor.yml") for _ in range(REPEAT)])
        second = median([play("playbooks/site.yml") for _ in range(REPEAT)])
        check = play("playbooks/site.yml", "--check")
        verdicts = [verdict_ms() for _ in range(REPEAT)]
    finally:
        lab("down")
    runs = {"floor": floor, "first": first, "second": second, "check": check}
    print(f"{'run':8} {'wall s':>8} {'x floor':>8}  executions a host")
    for name, run in runs.items():
        counts = sorted(run["executions"].values())
        print(f"{name:8} {run['wall']:8.2f} {run['wall'] / floor['wall']:8.2f}  {counts[0]} to {counts[-1]}")
    print(f"verdict on three servers, inside the module: {sorted(verdicts)[REPEAT // 2]:.0f} ms (all: {verdicts})")
    print(f"boot of the lab: {booted:.1f} s")
    report = ROOT / "build/bench.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps({name: {k: v for k, v in run.items() if k != "output"} for name, run in runs.items()}))
    print(f"all values: {report.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
