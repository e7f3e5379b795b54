"""Runs commands to their end, waits, and says what goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

PROJECT = Path(__file__).resolve().parents[2]
#: As it is typed in the checkout.
COMMAND = "python3 tools/lab"

Answer = TypeVar("Answer")


class LabError(Exception):
    """A refusal or failure, in words that say cause and next step."""


def say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)


def run(
    command: Sequence[str], *, check: bool = True, data: bytes | None = None, limit: float = 120, cwd: Path = PROJECT
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end.

    Raises:
        LabError: it failed (with `check`), is missing, or took longer than `limit` seconds.
    """
    try:
        done = subprocess.run(list(command), input=data, capture_output=True, timeout=limit, cwd=cwd, check=False)
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed. Run as root: {COMMAND} requirements --install") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(command)}` did not end in {limit:.0f} s.") from None
    result = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and result.returncode:
        raise LabError(
            f"`{' '.join(command)}` failed ({result.returncode}): {(result.stderr or result.stdout).strip()}"
        )
    return result


def podman(*arguments: str, check: bool = True, data: bytes | None = None, limit: float = 120) -> str:
    return run(["podman", *arguments], check=check, data=data, limit=limit).stdout


def wait_for(condition: Callable[[], Answer | None], limit: float, failure: Callable[[], str]) -> Answer:
    """Asks until the answer is true; raises LabError with `failure` after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise LabError(failure())
        time.sleep(0.2)
