#!/usr/bin/python
"""availability_probe: a client session that writes throughout a change of a live ensemble, and tells what it met."""

from __future__ import annotations

DOCUMENTATION = r"""
module: availability_probe
short_description: Evidence that a live ZooKeeper ensemble kept its writes and sessions
version_added: 0.1.0
description:
  - Runs one ZooKeeper session on a host that writes at a fixed rate until it is collected, and reports writes, failures,
    stalls, lost sessions, and whether every acknowledged write is still there.
  - The writer is a transient systemd unit, C(streamquorum-probe-NAME.service), without privileges, in a sandbox, and with
    a time limit, so that it ends when nobody comes back for it. It needs nothing of the host but Python and kazoo.
  - It writes one znode, C(/streamquorum-probe/NAME), which is removed afterwards. Each write names the version that the
    acknowledged one before it made, so that an acknowledgement proves that none before it is missing; the last one is
    read back at the end.
  - The client reconnects by itself, and repeats a write whose connection was lost. A write counts as failed when it was
    refused, or not acknowledged within O(session_timeout).
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.zookeeper_connection, streamquorum.ha.zookeeper_connection.servers]
attributes:
  check_mode:
    support: full
    description: Says whether anything would change, and starts, stops and removes nothing.
  diff_mode:
    support: none
    description: It has no content to compare.
options:
  name:
    description:
      - Name of the probe, lower-case letters, digits and hyphens; two probes of an ensemble need two names.
      - A probe of the same name that has ended is replaced by V(started), with its result.
    type: str
    required: true
  state:
    description:
      - V(started) starts it, and returns when the first write was acknowledged.
      - V(collected) stops it, reads its result, and removes everything. It also works when the writer had ended, or was
        killed; its result is saved every second.
      - V(absent) removes everything without a look at the result.
    type: str
    choices: [started, collected, absent]
    default: started
  interval_ms:
    description: Time between two writes, in milliseconds, 1 or more.
    type: int
    default: 50
  session_timeout:
    description:
      - Session timeout that is asked for, in seconds; the servers may grant another. It is also the time after which a
        write that was not acknowledged has failed.
    type: float
    default: 10.0
  reconnect_delay_ms:
    description: Pause of the client when it has tried all servers in vain, in milliseconds.
    type: int
    default: 50
  time_limit:
    description: After this many seconds the writer ends by itself, with its result.
    type: int
    default: 3600
  watch:
    description:
      - Znodes whose changes are recorded, such as that of Flink's leader. They are read five times a second, through
        the same session.
    type: list
    elements: str
    default: []
  steps:
    description: With V(state=collected), what was done meanwhile; the result is shared out to it.
    type: list
    elements: dict
    default: []
    suboptions:
      member:
        description: Whose step it was.
        type: str
        required: true
      began:
        description: Unix time of its begin, of a clock that O(clock_ahead) compares with this host's.
        type: float
        required: true
      ended:
        description: Unix time of its end.
        type: float
        required: true
  clock_ahead:
    description: Seconds that this host's clock (RV(clock)) is ahead of the one that the times of O(steps) are of.
    type: float
    default: 0.0
  wait_timeout:
    description: How long to wait for the first write, or for the writer's end, in seconds.
    type: float
    default: 60.0
notes:
  - The writer authenticates as the module does, by what systemd hands to it, since its user may read no file of root.
seealso:
  - module: streamquorum.ha.zookeeper_quorum
"""

EXAMPLES = r"""
- name: Write throughout
  streamquorum.ha.availability_probe:
    name: roll
    servers: [zk1.example.org:2181, zk2.example.org:2181, zk3.example.org:2181]

- name: What came of it
  streamquorum.ha.availability_probe:
    name: roll
    state: collected
    servers: [zk1.example.org:2181, zk2.example.org:2181, zk3.example.org:2181]
    steps:
      - {member: zk1.example.org, began: 1750000000.0, ended: 1750000004.5}
  register: __zookeeper_probe
  failed_when: __zookeeper_probe.problems | length > 0
"""

RETURN = r"""
state:
  description: What was asked for.
  type: str
  returned: always
unit:
  description: The writer's systemd unit.
  type: str
  returned: always
znode:
  description: The znode that it writes.
  type: str
  returned: always
clock:
  description: This host's clock at the end of the module's work, unix time in seconds.
  type: float
  returned: always
result:
  description:
    - What the writer recorded, all times in unix time of this host. Empty where there is none, and with V(state=absent).
  type: dict
  returned: always
  contains:
    complete:
      description: The writer came to its end, by V(collected) or by its time limit. Otherwise the result is up to a second old.
      type: bool
    error:
      description: Why it ended early.
      type: str
    started:
      description: When it started; C(ended) when it ended.
      type: float
    writes:
      description: Acknowledged writes.
      type: int
    failures:
      description: Writes that no repetition got through; the first 500 are in C(failed) (at, number, error).
      type: int
    retries:
      description: Attempts that were made once more.
      type: int
    missing:
      description: Acknowledged writes that were not there afterwards; null where that could not be read.
      type: int
    zxid_regressions:
      description: Writes whose zxid was not above that of the one before.
      type: int
    sessions_lost:
      description: Sessions that ended; C(sessions) (at, id) and C(lost) (at, id) name them.
      type: int
    servers:
      description: Each connection of the session (at, server).
      type: list
      elements: dict
    longest_stall_ms:
      description: Longest time between two acknowledged writes, beyond the interval, in milliseconds.
      type: float
    stalls:
      description:
        - Stalls of more than C(stall_threshold_ms), the 1000 longest. C(at) is the last acknowledged write, C(seconds) the
          time beyond the interval, C(server) the one of the session then.
      type: list
      elements: dict
    longest_late_wake_ms:
      description: How late the writer itself woke at most; a stall of that size may be the host's own.
      type: float
    latency_ms:
      description: Time from the first attempt of a write until it was acknowledged (p50, p99, max), in milliseconds.
      type: dict
    per_second:
      description: For each second since the start the C(writes), and the longest stall in C(longest_ms).
      type: dict
    watched:
      description:
        - What each watched znode was, and became (at, path, exists, czxid, mzxid, ephemeral_owner, and the begin of the
          SHA-256 of its C(data)); the first 500.
      type: list
      elements: dict
problems:
  description: What speaks against "no write and no session was lost", in words. Empty when nothing does.
  type: list
  elements: str
  returned: always
members:
  description: For each member of O(steps) its share (seconds, writes, failures, longest_stall_ms, sessions_lost).
  type: dict
  returned: always
leader_changes:
  description: How often the holder of each znode of O(watch) changed.
  type: dict
  returned: always
report:
  description: The result in lines for the screen.
  type: list
  elements: str
  returned: always
"""

import inspect
import re
import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.availability import record, writer
from ansible_collections.streamquorum.ha.plugins.module_utils.availability.result import (
    attribute,
    leader_changes,
    problems,
    report_lines,
    shifted,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.availability.unit import ProbeError, ProbeUnit
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import (
    Connection,
    connection_argument_spec,
)


def problem_of(params: Mapping[str, Any]) -> str:
    """Why the arguments cannot be used; empty when they can."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", params["name"]):
        return f"name is '{params['name']}': 1 to 40 lower-case letters, digits and hyphens are possible"
    for name in ("interval_ms", "reconnect_delay_ms", "session_timeout", "time_limit", "wait_timeout"):
        if not params[name] > 0:
            return f"{name} is {params[name]}: it must be more than 0"
    for path in params["watch"]:
        if not path.startswith("/"):
            return f"watch has '{path}': a znode's path begins with /"
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_argument_spec(),
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "collected", "absent"], "default": "started"},
            "interval_ms": {"type": "int", "default": 50},
            "session_timeout": {"type": "float", "default": 10.0},
            "reconnect_delay_ms": {"type": "int", "default": 50},
            "time_limit": {"type": "int", "default": 3600},
            "watch": {"type": "list", "elements": "str", "default": []},
            "steps": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "member": {"type": "str", "required": True},
                    "began": {"type": "float", "required": True},
                    "ended": {"type": "float", "required": True},
                },
            },
            "clock_ahead": {"type": "float", "default": 0.0},
            "wait_timeout": {"type": "float", "default": 60.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        connection = Connection.from_params(params)
        problem = problem_of(params)
        if problem:
            raise ValueError(problem)
    except ValueError as error:
        module.fail_json(msg=f"availability_probe cannot start: {error}")
    probe = ProbeUnit(
        params["name"],
        module.run_command,
        connection.session,
        params["wait_timeout"],
        credentials=connection.credentials,
    )
    steps = shifted(params["steps"], params["clock_ahead"])
    result: dict[str, Any] = {}
    said: list[str] = []
    report: list[str] = []
    try:
        if params["state"] == "started":
            settings = {
                "name": params["name"],
                "servers": [str(server) for server in connection.servers],
                **{
                    name: params[name]
                    for name in ("interval_ms", "session_timeout", "reconnect_delay_ms", "kazoo_path")
                },
                "watch": params["watch"],
            }
            beside = {"record.py": inspect.getsource(record)}
            script = inspect.getsource(writer)
            changed = probe.start(settings, script, params["time_limit"], module.check_mode, beside)
            result = probe.result()
        elif params["state"] == "collected":
            changed, result, notes = probe.collect(module.check_mode)
            if not module.check_mode:
                said = problems(result) + notes
                report = report_lines(result, steps) + [f"  note: {note}" for note in notes]
        else:
            changed = probe.remove(module.check_mode)
    except (ProbeError, OSError) as error:
        module.fail_json(msg=f"availability_probe {params['name']}: {error}")
    module.exit_json(
        changed=changed,
        state=params["state"],
        unit=probe.unit,
        znode=probe.znode,
        clock=round(time.time(), 3),
        result=result,
        problems=said,
        members=attribute(result, steps),
        leader_changes=leader_changes(result),
        report=report,
    )


if __name__ == "__main__":
    main()
