#!/usr/bin/python
"""flink_leftovers: what clusters of Flink have left in ZooKeeper, and its removal."""

from __future__ import annotations

DOCUMENTATION = r"""
module: flink_leftovers
short_description: What clusters of Flink have left in ZooKeeper, and its removal
version_added: 0.1.0
description:
  - Reads which clusters have nodes below a root, whether a process owns one of them, and when something of them changed last; says which of
    them may be removed, and why.
  - That no process lives is no proof that nobody needs a cluster; one that is stopped has its jobs there. Only an application on YARN that
    has ended is removed unasked.
  - Removes the nodes of one cluster, which are those that were exported before.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment:
  - streamquorum.ha.zookeeper_connection
  - streamquorum.ha.zookeeper_connection.servers
  - streamquorum.ha.attributes.no_diff
attributes:
  check_mode:
    support: full
    description: Says that it would remove.
options:
  state:
    description: V(found) reads all of them, V(exported) gives the nodes of O(id), V(absent) removes them.
    type: str
    choices: [found, exported, absent]
    default: found
  path_root:
    description: C(high-availability.zookeeper.path.root).
    type: str
    default: /flink
  id:
    description: Cluster-id, for V(exported) and V(absent).
    type: str
    default: ""
  exported:
    description: What V(exported) gave, for V(absent).
    type: str
    default: ""
  named:
    description: Cluster-ids that an inventory names, and the application that runs.
    type: list
    elements: str
    default: []
  applications:
    description: Applications of the inventory, as M(streamquorum.ha.yarn_info) gives them.
    type: list
    elements: dict
    default: []
  own:
    description: Those of O(applications) that this host may remove.
    type: list
    elements: dict
    default: []
  asked:
    description: Cluster-ids whose removal is asked for.
    type: list
    elements: str
    default: []
  age:
    description: Days for which nothing of those may have changed.
    type: float
    default: 30
"""

EXAMPLES = r"""
- name: What is left
  streamquorum.ha.flink_leftovers:
    servers: [zk1.example.org:2181, zk2.example.org:2181, zk3.example.org:2181]
    named: [/orders]
  register: __flink_ha_left
"""

RETURN = r"""
found:
  description: Of each cluster that is no living one, C(id), C(nodes), C(owned), C(changed) (ms since 1970), C(jobs), C(removes) and C(told), why.
  type: list
  elements: dict
  returned: when O(state=found)
ids:
  description: Cluster-ids of all that have nodes.
  type: list
  elements: str
  returned: when O(state=found)
missing:
  description: Cluster-ids of O(asked) that are not there.
  type: list
  elements: str
  returned: when O(state=found)
exported:
  description: The nodes of O(id) with their data and ACLs, as JSON.
  type: str
  returned: when O(state=exported)
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import leftovers
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import record
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import (
    Connection,
    connection_argument_spec,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import (
    AuthRefused,
    ClientError,
    LibraryMissing,
)


def found(session: leftovers.Session, root: str, params: dict[str, Any]) -> dict[str, Any]:
    """What is left, as the module returns it."""
    applications = {
        each["id"]: {"live": each["live"], "told": record.told_state(each)} for each in params["applications"]
    }
    known = leftovers.Known(params["named"], applications, params["asked"], params["age"], int(time.time() * 1000))
    names = leftovers.ids(session, root)
    judged = []
    for name in names:
        try:
            left = leftovers.look(session, root, name)
        except AuthRefused:
            judged.append(leftovers.unread(name, "its nodes are closed to this host's own user"))
            continue
        except leftovers.TooManyError as error:
            judged.append(leftovers.unread(name, str(error)))
            continue
        judged += [leftovers.judge(left, known)] if left else []
    mine = [each["id"] for each in params["own"]]
    return {
        # What is another name's is told by its own host.
        "found": [
            {**each, "removes": each["removes"] and (each["id"] in mine or each["id"] not in applications)}
            for each in judged
            if each["told"]
        ],
        "ids": names,
        "missing": leftovers.missing(names, params["asked"]),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_argument_spec(),
            "state": {"type": "str", "choices": ["found", "exported", "absent"], "default": "found"},
            "path_root": {"type": "str", "default": "/flink"},
            "id": {"type": "str", "default": ""},
            "exported": {"type": "str", "default": ""},
            "named": {"type": "list", "elements": "str", "default": []},
            "applications": {"type": "list", "elements": "dict", "default": []},
            "own": {"type": "list", "elements": "dict", "default": []},
            "asked": {"type": "list", "elements": "str", "default": []},
            "age": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
        required_if=[("state", "exported", ["id"]), ("state", "absent", ["id", "exported"])],
    )
    params = module.params
    try:
        connection = Connection.from_params(params)
    except ValueError as error:
        module.fail_json(msg=f"flink_leftovers cannot start: {error}")
    root = leftovers.clean_root(params["path_root"])
    try:
        with connection.session() as session:
            if params["state"] == "found":
                module.exit_json(changed=False, **found(session, root, params))
            if params["state"] == "exported":
                module.exit_json(changed=False, exported=leftovers.export(session, root, params["id"]))
            if not module.check_mode:
                leftovers.remove(session, root, params["id"], params["exported"])
            module.exit_json(changed=True)
    except leftovers.LeftoverError as error:
        module.fail_json(msg=f"{params['id']}: {error}.")
    except ClientError as error:
        module.fail_json(
            msg=f"ZooKeeper cannot be asked what is left: {error}. Check that the ensemble serves, and that Flink's own user may read below "
            f"{root or '/'}.",
            # The action plugin lends it.
            library_missing=isinstance(error, LibraryMissing),
        )


if __name__ == "__main__":
    main()
