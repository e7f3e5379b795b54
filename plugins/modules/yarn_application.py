#!/usr/bin/python
"""yarn_application: one application of Flink on YARN, started once or ended with savepoints."""

from __future__ import annotations

DOCUMENTATION = r"""
module: yarn_application
short_description: Start an application of Flink on YARN once, or end it with savepoints
version_added: 0.1.0
description:
  - Looks for a live application with a tag before it submits one. Where one is there, nothing is changed.
  - A submission holds a lock of its host, also when the run that asked for it was killed, and so no second one is made meanwhile. Client
    hosts of one application are kept apart by the caller's lease.
  - To end it, each job is stopped with a savepoint. Which ones were taken is noted in O(records) before anything else happens.
  - Run it on a client host, as root.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.no_diff, streamquorum.ha.yarn_web]
attributes:
  check_mode:
    support: full
    description: Says whether one would be submitted, or ended.
options:
  state:
    description: V(started) submits it where none is live, V(stopped) ends it.
    type: str
    choices: [started, stopped]
    default: started
  name:
    description: Name of the application, which its tag and the lock have.
    type: str
    required: true
  urls:
    description: Of all ResourceManagers.
    type: list
    elements: str
    required: true
  application:
    description: With V(stopped), the id of the one that is to end; another one is left alone.
    type: str
    default: ""
  command:
    description: What submits it.
    type: path
    default: ""
  user:
    description: As whom, and whose applications count; anybody may give one of theirs the same tag.
    type: str
    required: true
  address:
    description: C(host:port) of its REST, for V(stopped).
    type: str
    default: ""
  savepoint_dir:
    description: Where savepoints go, for V(stopped).
    type: str
    default: ""
  accept_lost_jobs:
    description: End it without savepoints.
    type: bool
    default: false
  savepoint:
    description: From which its job starts, for V(started); empty for from nothing, and for a session.
    type: str
    default: ""
  records:
    description: Directory in which it is noted what was started and which savepoints were taken, a file for each application.
    type: path
    required: true
  timeout:
    description: Seconds for the submission or for each savepoint, and again until the application runs or has ended.
    type: float
    default: 180
"""

EXAMPLES = r"""
- name: Start the application
  streamquorum.ha.yarn_application:
    name: orders
    urls: [http://rm1.example.org:8088, http://rm2.example.org:8088]
    command: /etc/flink/conf/start
    user: flink
    records: /etc/flink
"""

RETURN = r"""
application:
  description: Its id; empty where there is none.
  type: str
  returned: always
mode:
  description: With V(stopped), whether it was a C(session) or an C(application) with one job.
  type: str
  returned: always
jobs:
  description: With V(stopped), id, name and savepoint of each job that was ended.
  type: list
  elements: dict
  returned: always
idle:
  description: With V(stopped), the seconds since the first of its jobs has stood still.
  type: float
  returned: always
record:
  description: The path and the content of what is noted of it, empty where nothing is.
  type: dict
  returned: always
"""

import json
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.rest import RestAccess
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import applications, record, ticket
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn.resource_manager import ResourceManagers

REST_SECONDS = 20.0


def lock_path(params: Mapping[str, Any]) -> str:
    return f"/run/streamquorum/yarn-{params['name']}.lock"


def started(module: AnsibleModule, yarn: applications.Yarn) -> dict[str, Any]:
    params = module.params
    if module.check_mode:
        found = applications.only(yarn.applications(), yarn.tag)
        return {"changed": not found, "application": found.get("id", "")}
    with applications.lock(lock_path(params), params["timeout"]) as locked:
        command = ["runuser", f"--user={params['user']}", "--", params["command"]]
        changed, found = applications.start(
            yarn, command, params["savepoint"], params["records"], params["timeout"], locked, applications.run
        )
    return {"changed": changed, "application": found["id"]}


def stopped(module: AnsibleModule, yarn: applications.Yarn) -> dict[str, Any]:
    params = module.params
    access = RestAccess()

    def ask(method: str, path: str, content: Mapping[str, Any]) -> tuple[int, Any]:
        body = json.dumps(content).encode() if content else None
        status, answer = access.call(method, f"{params['address']}{path}", REST_SECONDS, body)
        return status, json.loads(answer) if answer else {}

    if module.check_mode:
        found = applications.only(yarn.applications(), yarn.tag)
        return {"changed": bool(found), "application": found.get("id", "")}
    stop = applications.Stop(
        yarn,
        params["application"],
        ask,
        params["savepoint_dir"],
        params["accept_lost_jobs"],
        params["records"],
        params["timeout"],
    )
    # Of a run that was killed, what it has begun goes on.
    with applications.lock(lock_path(params), params["timeout"]):
        done = stop()
    return {"changed": bool(done["application"]), **done}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "name": {"type": "str", "required": True},
            "urls": {"type": "list", "elements": "str", "required": True},
            "application": {"type": "str", "default": ""},
            "command": {"type": "path", "default": ""},
            "user": {"type": "str", "required": True},
            "keytab": {"type": "path", "default": ""},
            "principal": {"type": "str", "default": ""},
            "address": {"type": "str", "default": ""},
            "savepoint_dir": {"type": "str", "default": ""},
            "accept_lost_jobs": {"type": "bool", "default": False},
            "savepoint": {"type": "str", "default": ""},
            "records": {"type": "path", "required": True},
            "timeout": {"type": "float", "default": 180},
        },
        supports_check_mode=True,
    )
    params = module.params
    managers = ResourceManagers.by(ticket.web(params["keytab"], params["principal"]), params["urls"])
    yarn = applications.Yarn(managers, applications.owner_tag(params["name"]), params["user"])
    newest = record.newest(params["records"])
    before = record.content(params["records"], newest)
    try:
        done = {"started": started, "stopped": stopped}[params["state"]](module, yarn)
    except applications.ApplicationError as error:
        # What was noted on the way is for the other hosts all the same.
        noted = record.content(params["records"], record.newest(params["records"]))
        told = {} if noted == before else {"record": noted}
        module.fail_json(msg=f"The application {params['name']} on YARN: {error}", **told)
    except OSError as error:
        module.fail_json(msg=f"The application {params['name']} on YARN: {error}.")
    noted = record.content(params["records"], done["application"])
    module.exit_json(**{"mode": "", "jobs": [], "idle": 0.0, **done, "record": noted})


if __name__ == "__main__":
    main()
