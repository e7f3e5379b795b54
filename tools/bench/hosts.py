"""What all benchmarks do with a lab: boot it, run playbooks on it and see where the time went."""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: Where the figures go unless an option says otherwise; git-ignored.
RESULTS = ROOT / ".bench"


@dataclass(frozen=True)
class Task:
    """A task of a run; began in unix time, seconds until the next one began."""

    name: str
    path: str
    action: str
    began: float
    seconds: float


@dataclass(frozen=True)
class Run:
    """A run of ansible-playbook: wall time and CPU time of it and its children in seconds, and what happened in it, in order."""

    wall: float
    cpu: float
    output: str
    tasks: list[Task] = field(default_factory=list)
    #: at (unix time of the end), host, module, seconds
    modules: list[dict[str, Any]] = field(default_factory=list)

    @property
    def executions(self) -> dict[str, int]:
        """Module executions by host."""
        return dict(collections.Counter(each["host"] for each in self.modules))


def cpu() -> float:
    """CPU seconds, user and system, of all children that have ended so far, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def play(inventory: str, *arguments: str, folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> Run:
    """Runs ansible-playbook; the benchmark ends where it fails.

    Args:
        inventory: its path.
        arguments: the playbook, and options.
        folder: to run it in.
        environment: what is said there beside what ours says.
    """
    with tempfile.NamedTemporaryFile() as timeline:
        settings = (
            os.environ
            | (environment or {})
            | {
                "SQ_TIMELINE": timeline.name,
                "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tools/bench/callback_plugins"),
                "ANSIBLE_CALLBACKS_ENABLED": "timeline",
                "ANSIBLE_NOCOLOR": "1",
            }
        )
        began, used = time.monotonic(), cpu()
        done = subprocess.run(
            ["ansible-playbook", "-i", inventory, *arguments],
            cwd=folder,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )
        wall, used = time.monotonic() - began, cpu() - used
        events = [json.loads(line) for line in Path(timeline.name).read_text().splitlines()]
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    marks = [event for event in events if event["kind"] in ("task", "end")]
    tasks = [
        Task(this["name"], this["path"], this["action"], this["at"], following["at"] - this["at"])
        for this, following in itertools.pairwise(marks)
    ]
    modules = [event for event in events if event["kind"] == "module"]
    return Run(round(wall, 2), round(used, 2), done.stdout, tasks, modules)


def lab(inventory: str, verb: str, *arguments: str) -> float:
    """A verb of the lab; how long it took, in seconds."""
    began = time.monotonic()
    subprocess.run([sys.executable, "tools/lab", verb, "--inventory", inventory, *arguments], cwd=ROOT, check=True)
    return time.monotonic() - began


@contextlib.contextmanager
def booted(inventory: str, keep: bool = False) -> Iterator[float]:
    """A lab from its boot, whose seconds it gives, to its removal: also when the benchmark is told to end (SIGTERM).

    Args:
        keep: take hosts that run already, and leave them running.
    """
    signal.signal(signal.SIGTERM, lambda *_given: sys.exit(128 + signal.SIGTERM))
    try:
        yield lab(inventory, "up", *([] if keep else ["--fresh"]))
    finally:
        if not keep:
            lab(inventory, "down")


def save(path: Path, figures: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"all values: {os.path.relpath(path)}")


def median(values: list[float]) -> float:
    """The middle one, the upper one of two."""
    return sorted(values)[len(values) // 2]


def share(values: list[float], part: float) -> float:
    """The smallest value that at least this part (0..1) of all is not above."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(part * 100) // 100) - 1)]
