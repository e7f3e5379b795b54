#!/usr/bin/python
"""znode_acl: znodes exist, with the ACLs that are declared for them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: znode_acl
short_description: Znodes that exist with a declared ACL
version_added: 0.1.0
description:
  - Makes each node of O(nodes) where it is missing, with its missing parents, and gives it exactly the ACL that is declared.
    With O(nodes[].below), every node under it that there is gets the same one; what is made there later, its maker decides.
  - ZooKeeper asks the node for reading, writing and changing its ACL, and the I(parent) for making and deleting it. Nothing
    is inherited.
  - Before the first change it proves that the host's credentials are those of a super user, by a node that is gone with
    its session, so that no ACL can lock the operator out. Run it on a member of the ensemble.
  - What was interrupted is finished by the next run. Nodes that come and go meanwhile are no failure.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Says what would be made and rewritten.
  diff_mode:
    support: full
    description: Shows the ACLs that differ; of an id of the scheme digest the name only.
extends_documentation_fragment:
  - streamquorum.ha.zookeeper_connection
  - streamquorum.ha.zookeeper_connection.servers
options:
  nodes:
    description: The nodes, in order; where two reach the same one, the later decides.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Path of the node.
        type: str
        required: true
      acl:
        description:
          - Who may do what, as a list of C(scheme) (V(world), V(sasl), V(digest), V(ip) or V(x509)), C(id) as the server
            knows it, and C(perms), letters of V(cdrwa).
        type: list
        elements: dict
        required: true
      below:
        description: Whether all nodes under it that there are get this ACL too.
        type: bool
        default: false
"""

EXAMPLES = r"""
- name: Only the super user makes nodes at the top; everybody reads their names
  streamquorum.ha.znode_acl:
    servers: [zk1.example.org:2181, zk2.example.org:2181, zk3.example.org:2181]
    nodes:
      - path: /
        acl: [{scheme: world, id: anyone, perms: r}]
      - path: /app
        acl: [{scheme: sasl, id: app@EXAMPLE.ORG, perms: cdrwa}]
  become: true
"""

RETURN = r"""
created:
  description: Paths that were missing.
  returned: success
  type: list
  elements: str
rewritten:
  description: Paths whose ACL was another one.
  returned: success
  type: list
  elements: str
found:
  description: By path of RV(rewritten), the ACL that it had, as lines of C(scheme:id:perms); of a digest the name only.
  returned: success
  type: dict
looked:
  description: How many ACLs were read.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import (
    Connection,
    connection_argument_spec,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import ClientError
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.znode_acl import (
    AclError,
    Outcome,
    apply,
    declared,
    look,
    shown,
)


def as_text(outcome: Outcome, values: str) -> str:
    """A line a node, for the diff."""
    found = getattr(outcome, values)
    return "".join(f"{path} {' '.join(shown(found[path])) or '-'}\n" for path in sorted(found))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_argument_spec(),
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "acl": {"type": "list", "elements": "dict", "required": True},
                    "below": {"type": "bool", "default": False},
                },
            },
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        connection = Connection.from_params(params)
        nodes = [declared(entry) for entry in params["nodes"]]
    except (ValueError, AclError) as error:
        module.fail_json(msg=f"znode_acl cannot start: {error}")
    try:
        with connection.session() as session:
            outcome = look(session, nodes)
            if not module.check_mode:
                apply(session, outcome)
    except (ClientError, AclError) as error:
        module.fail_json(
            msg=f"ACLs below {', '.join(node.path for node in nodes)}: {error}. What was done stays; run again to go on."
        )
    result = {
        "changed": bool(outcome.after),
        "created": outcome.created,
        "rewritten": outcome.rewritten,
        "found": {path: shown(outcome.before[path]) for path in outcome.rewritten},
        "looked": outcome.looked,
    }
    if module._diff and outcome.after:
        result["diff"] = {"before": as_text(outcome, "before"), "after": as_text(outcome, "after")}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
