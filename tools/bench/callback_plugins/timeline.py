"""When each task began, and how long each module execution took: one JSON object a line, in the file of SQ_TIMELINE.

A task lasts until the next one begins, so that what Ansible itself takes is in it.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: timeline
type: aggregate
short_description: Write tasks and module executions to the file that SQ_TIMELINE names
description: Used by the benchmark; the workers are forked after this plugin is loaded, so they carry the clock along.
"""

_execute_module = ActionBase._execute_module


def note(**event: Any) -> None:
    # One short write in append mode is one record, whichever worker it comes from.
    with open(os.environ["SQ_TIMELINE"], "a", encoding="utf-8") as handle:
        handle.write(json.dumps({"at": time.time(), **event}) + "\n")


def timed(self: ActionBase, *args: Any, **kwargs: Any) -> Any:
    task_vars = kwargs.get("task_vars") or {}
    module = kwargs.get("module_name") or (args[0] if args else None) or self._task.action
    host = self._task.delegate_to or task_vars.get("inventory_hostname", "?")
    began = time.monotonic()
    try:
        return _execute_module(self, *args, **kwargs)
    finally:
        note(kind="module", host=host, module=module, seconds=time.monotonic() - began)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "timeline"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        ActionBase._execute_module = timed

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        path, _colon, line = (task.get_path() or "").rpartition(":")
        path = os.path.relpath(path, os.getcwd()) if path else ""
        note(kind="task", name=task.get_name().rpartition(" : ")[2], path=path, line=line, action=str(task.action))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        note(kind="end")
