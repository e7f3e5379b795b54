#!/usr/bin/python
"""run_lease: the lock of a run on one host. The action plugin of the same name says who asks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lease
short_description: Take, renew or give back the lease of a run on this host
version_added: 0.1.0
description:
  - Whoever holds the lease on a majority of the voters' hosts may change the cluster; nobody else can have one then.
  - The lease is a small file below C(/run). It ends with its release, after O(duration), with a reboot of the host, or
    when the process of the run that holds it is dead, which its own controller can tell.
  - That somebody else holds it is an answer (RV(granted=false)), not a failure.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Says whether it would be given, and writes nothing.
  diff_mode:
    support: none
    description: A lease is no configuration.
options:
  run:
    description: Id of the run. Without it, the action plugin makes one of the process of C(ansible-playbook).
    type: str
    required: true
  state:
    description: V(held) takes or renews it, V(released) gives it back.
    type: str
    choices: [held, released]
    default: held
  purpose:
    description: What the run does, for those who find the lease.
    type: str
    default: ""
  duration:
    description: Seconds until it ends by itself.
    type: float
    default: 900
  renew:
    description:
      - Give it only to the run that has had it since. What was free in between proves nothing, since another run may have
        worked meanwhile.
    type: bool
    default: false
  take_over:
    description: Take it from whoever holds it.
    type: bool
    default: false
  path:
    description: The lease file.
    type: path
    default: /run/streamquorum/lease.json
  holder:
    description: Who asks. The action plugin fills it in.
    type: dict
    default: {}
  dead:
    description: Runs whose process does not live any more. The action plugin fills it in.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Take the lock of the cluster
  streamquorum.ha.run_lease:
    run: "{{ __rolling_run }}"
    purpose: rolling restart
  delegate_to: "{{ item }}"
  loop: "{{ groups['zookeeper'] }}"
  register: __rolling_leases
"""

RETURN = r"""
granted:
  description: This run holds the lease of this host.
  type: bool
  returned: always
held_by:
  description: The lease of the other run; empty where there is none.
  type: dict
  returned: always
told:
  description: Who holds it, in words; empty where nobody else does.
  type: str
  returned: always
"""

import fcntl
import json
import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.host.files import apply, find
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.lease import grants, kept, lease, told


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "run": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
            "purpose": {"type": "str", "default": ""},
            "duration": {"type": "float", "default": 900},
            "renew": {"type": "bool", "default": False},
            "take_over": {"type": "bool", "default": False},
            "path": {"type": "path", "default": "/run/streamquorum/lease.json"},
            "holder": {"type": "dict", "default": {}},
            "dead": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    request = {**params["holder"], "run": params["run"], "purpose": params["purpose"]}
    folder = os.path.dirname(params["path"])
    if not module.check_mode:
        os.makedirs(folder, mode=0o755, exist_ok=True)
    if not os.path.isdir(folder):
        module.exit_json(changed=False, granted=True, held_by={}, told="")
    # Two controllers may ask at the same moment: reading and writing are one.
    guard = os.open(folder, os.O_RDONLY)
    fcntl.flock(guard, fcntl.LOCK_EX)
    text = find(params["path"]).content
    held: dict[str, Any] = json.loads(text) if text else {}
    now = time.time()
    if params["state"] == "released":
        mine = bool(held) and held["run"] == params["run"]
        if mine and not module.check_mode:
            apply({"path": params["path"], "state": "absent"})
        module.exit_json(changed=mine, granted=False, held_by={}, told="")
    free = kept(held, request) if params["renew"] else params["take_over"] or grants(held, request, now, params["dead"])
    if not free:
        lost = told(held, now) if held else "nobody, since this host was booted or the lease taken back"
        module.exit_json(changed=False, granted=False, held_by=held, told=lost)
    if not module.check_mode:
        entry = {"path": params["path"], "state": "file", "owner": "root", "group": "root", "mode": "0644"}
        apply({**entry, "content": json.dumps(lease(request, now, params["duration"]), sort_keys=True) + "\n"})
    module.exit_json(changed=held.get("run") != params["run"], granted=True, held_by={}, told="")


if __name__ == "__main__":
    main()
