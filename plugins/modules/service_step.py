#!/usr/bin/python
"""service_step: one step of a roll on the member's own host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_step
short_description: Switch a service to a staged generation and restart it, if nothing has changed since that was decided
version_added: 0.1.0
description:
  - Restarts one service with one of its staged generations, and waits until it listens. A generation whose process
    ends, or does not listen in time, is switched back to the one that served before.
  - Nothing is touched when another process runs than the one that was decided on (RV(outcome=moved)), when the
    ensemble would not tolerate it at this moment (RV(outcome=closed)), or when this run does not hold this host's lease (a
    failure).
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Checks everything and touches nothing.
  diff_mode:
    support: none
    description: The generation's difference was shown when it was staged.
options:
  unit:
    description: The systemd unit.
    type: str
    required: true
  root:
    description: Directory of its generations.
    type: path
    required: true
  generation:
    description: Digest of the generation to run. Empty restarts what C(current) names.
    type: str
    default: ""
  process:
    description: Identity of the process that was decided on, as M(streamquorum.ha.host_state) gives it; empty for none.
    type: str
    required: true
  ports:
    description: It is up when it listens on one of these.
    type: list
    elements: int
    required: true
  timeout:
    description: How long it may take until then, in seconds.
    type: float
    default: 120
  back:
    description: Go back from O(generation) to what served before it, since it was up and did not come to serve.
    type: bool
    default: false
  reason:
    description: Why, for the journal of the host.
    type: str
    default: ""
  run:
    description: Id of this run, which must hold the lease of this host.
    type: str
    required: true
  lease:
    description: The lease file.
    type: path
    default: /run/streamquorum/lease.json
  lease_seconds:
    description: Seconds for which this host's lease is renewed before the step.
    type: float
    default: 900
  guard:
    description: For a server of an ensemble, whom to ask before it is stopped.
    type: dict
    suboptions:
      id:
        description: Its own id.
        type: int
        required: true
      members:
        description: All servers (id, address, client_port, quorum_port, peer_type).
        type: list
        elements: dict
        required: true
      mode:
        description: What it was when it was decided on; empty for one that did not serve.
        type: str
        default: ""
      accept_members_down:
        description: Not all other voters have to serve, as long as a quorum is left.
        type: bool
        default: false
      accept_outage:
        description: No quorum has to be left.
        type: bool
        default: false
      accepted:
        description: Ids of servers whose hosts cannot be reached, and without which the operator goes on.
        type: list
        elements: int
        default: []
      timeout:
        description: Time limit for their answers, in seconds.
        type: float
        default: 5
seealso:
  - module: streamquorum.ha.run_lease
"""

EXAMPLES = r"""
- name: Restart a follower with its staged generation
  streamquorum.ha.service_step:
    unit: zookeeper.service
    root: /etc/zookeeper
    generation: 0123456789abcdef
    process: "{{ __zookeeper_host.units['zookeeper.service'].process }}"
    ports: [2181]
    run: "{{ __rolling_run }}"
"""

RETURN = r"""
outcome:
  description: V(ok), V(moved), V(closed). A step that failed is a failure of the module, with V(failed) here.
  type: str
  returned: always
reason:
  description: Why it is not ok.
  type: str
  returned: always
process:
  description: Identity of the process that runs now.
  type: str
  returned: always
running:
  description: Digest of the generation that it runs.
  type: str
  returned: always
before:
  description: Digest of the generation that served before; C(foreign-unit) for an installation of its own; empty for none.
  type: str
  returned: always
journal:
  description: Last lines of the unit's journal, where the step failed.
  type: list
  elements: str
  returned: always
"""

import fcntl
import json
import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.host.files import apply, find
from ansible_collections.streamquorum.ha.plugins.module_utils.host.service_step import (
    FAILED,
    OK,
    ServiceStep,
    StepError,
    Target,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.host.state import HostReader
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.decisions import stop_refusal
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.lease import forbids, kept, lease
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import (
    DEFAULT_CREDENTIALS_PATH,
    Connection,
    Server,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.credentials import Credentials
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.probe import EnsembleProbe
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.verdict import Member

#: Time limit for one look at whether another member leads, in seconds.
SUCCESSOR_TIMEOUT = 0.5


def ask(given: dict[str, Any], timeout: float) -> tuple[list[Member], dict[int, str]]:
    """The servers, and what each that answers says that it is, by id."""
    fields = ("id", "address", "client_port", "quorum_port", "peer_type")
    members = [Member(**{name: each[name] for name in fields}) for each in given["members"]]
    servers = tuple(Server(member.address, member.client_port) for member in members)
    # By what these hosts have: a server may answer on its secure port only.
    credentials = Credentials.load(DEFAULT_CREDENTIALS_PATH)
    return members, EnsembleProbe(Connection(servers, timeout, credentials=credentials), members, None).modes()


def ask_guard(given: dict[str, Any] | None) -> str:
    """Asks the other servers; why this one must not be stopped now."""
    if not given:
        return ""
    members, modes = ask(given, given["timeout"])
    accepted = given["accepted"]
    return stop_refusal(
        members, modes, given["id"], given["mode"], given["accept_members_down"], given["accept_outage"], accepted
    )


def ask_successor(given: dict[str, Any]) -> bool:
    """Whether another server leads."""
    _members, modes = ask(given, SUCCESSOR_TIMEOUT)
    return any(mode == "leader" for identity, mode in modes.items() if identity != given["id"])


def may_step_down(given: dict[str, Any] | None) -> bool:
    """Whether the server leads, and the others are enough to elect another one: what the guard asked for unless told otherwise."""
    if not given:
        return False
    return given["mode"] == "leader" and not (given["accept_members_down"] or given["accept_outage"])


def renewed(path: str, run: str, seconds: float) -> str:
    """Renews this host's lease where it is still this run's; why the run must not act here, empty where it may."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # as run_lease does
    held = json.loads(find(path).content or "{}")
    if kept(held, {"run": run}):
        held |= lease(held, time.time(), seconds)
        entry = {"path": path, "state": "file", "owner": "root", "group": "root", "mode": "0644"}
        apply({**entry, "content": json.dumps(held, sort_keys=True) + "\n"})
    os.close(folder)
    return forbids(held, run, time.time())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "generation": {"type": "str", "default": ""},
            "process": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "required": True},
            "timeout": {"type": "float", "default": 120},
            "back": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": ""},
            "run": {"type": "str", "required": True},
            "lease": {"type": "path", "default": "/run/streamquorum/lease.json"},
            "lease_seconds": {"type": "float", "default": 900},
            "guard": {
                "type": "dict",
                "options": {
                    "id": {"type": "int", "required": True},
                    "members": {"type": "list", "elements": "dict", "required": True},
                    "mode": {"type": "str", "default": ""},
                    "accept_members_down": {"type": "bool", "default": False},
                    "accept_outage": {"type": "bool", "default": False},
                    "accepted": {"type": "list", "elements": "int", "default": []},
                    "timeout": {"type": "float", "default": 5},
                },
            },
        },
        supports_check_mode=True,
    )
    params = module.params
    os.makedirs(os.path.dirname(params["lease"]), mode=0o755, exist_ok=True)
    # A step goes on when its controller dies: the next run's step on this host waits for its end.
    lock = os.open(f"{params['lease']}.step", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)

    def lease_problem() -> str:
        return renewed(params["lease"], params["run"], params["lease_seconds"])

    if lease_problem():
        module.fail_json(msg=f"Nothing was touched: {lease_problem()}.")
    target = Target(
        params["unit"],
        params["root"],
        params["generation"],
        params["process"],
        params["ports"],
        params["timeout"],
        params["back"],
        params["guard"] is None or params["guard"]["mode"] != "",
    )
    module.log(f"run {params['run']}: step of {params['unit']}: {params['reason']}")
    step = ServiceStep(
        target,
        HostReader(module.run_command),
        module.run_command,
        lambda: ask_guard(params["guard"]) or lease_problem(),
        (lambda: ask_successor(params["guard"])) if may_step_down(params["guard"]) else None,
    )
    try:
        result = step.make(module.check_mode)
    except StepError as error:
        module.fail_json(msg=str(error))
    if result["outcome"] == FAILED:
        module.fail_json(
            msg=f"{params['unit']} did not come up with generation {params['generation']}: {result['reason']}", **result
        )
    module.exit_json(changed=result["outcome"] == OK, **result)


if __name__ == "__main__":
    main()
