"""Says who asks for a lease, and takes it from a run of this controller whose process is dead."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.lease import is_dead


def process_started(pid: int) -> str:
    """Start time of a process of this machine, in ticks since boot; empty where there is none (proc(5), field 22)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def controller() -> dict[str, Any]:
    """The process of ansible-playbook: action plugins run in workers, which are its children."""
    pid = os.getppid()
    return {
        "host": socket.gethostname(),
        "machine": _text("/etc/machine-id"),
        "boot": _text("/proc/sys/kernel/random/boot_id"),
        "namespace": os.readlink("/proc/self/ns/pid"),
        "pid": pid,
        "started": process_started(pid),
        "user": getpass.getuser(),
    }


def run_of(holder: dict[str, Any]) -> str:
    """An id of the run that a process makes."""
    return hashlib.sha256(json.dumps(holder, sort_keys=True).encode()).hexdigest()[:8]


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        mine = controller()
        # One for all hosts of the run, where the caller has none of its own.
        arguments = {"run": run_of(mine), **self._task.args, "holder": mine}
        reply = self._ask(arguments, task_vars)
        held = reply.get("held_by") or {}
        if (
            held
            and not arguments.get("renew")
            and is_dead(held, mine, {int(held["pid"]): process_started(int(held["pid"]))})
        ):
            reply = self._ask({**arguments, "dead": [held["run"]]}, task_vars)
        return reply

    def _ask(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        reply: dict[str, Any] = self._execute_module(
            module_name="streamquorum.ha.run_lease", module_args=arguments, task_vars=task_vars
        )
        return reply
