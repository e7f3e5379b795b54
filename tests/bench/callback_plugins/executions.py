"""Counts module executions: one line "host module" a call of `_execute_module`, facts and delegated ones too."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: executions
type: aggregate
short_description: Write every module execution to the file that SQ_EXECUTIONS names
description: Used by the benchmark; the workers are forked after this plugin is loaded, so they carry the counter along.
"""

_execute_module = ActionBase._execute_module


def counted(self: ActionBase, *args: Any, **kwargs: Any) -> Any:
    task_vars = kwargs.get("task_vars") or {}
    module = kwargs.get("module_name") or (args[0] if args else None) or self._task.action
    host = self._task.delegate_to or task_vars.get("inventory_hostname", "?")
    # One short write in append mode is one record, whichever worker it comes from.
    with open(os.environ["SQ_EXECUTIONS"], "a", encoding="utf-8") as handle:
        handle.write(f"{host} {module}\n")
    return _execute_module(self, *args, **kwargs)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "executions"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        ActionBase._execute_module = counted
