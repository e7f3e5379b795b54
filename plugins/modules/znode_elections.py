#!/usr/bin/python
"""znode_elections: which systems elect in an ensemble, and who leads each."""

from __future__ import annotations

DOCUMENTATION = r"""
module: znode_elections
short_description: Which systems elect in a ZooKeeper ensemble, and who leads each
version_added: 0.1.0
description:
  - Looks through the upper nodes of an ensemble for what Flink, HDFS, YARN and Kafka leave there, and reads who leads each.
  - It finds what stands at most three nodes deep. Elections that any program may make, such as latches, cannot be told from other nodes;
    M(streamquorum.ha.leader_znode) reads one whose path is known.
  - Reads only.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment:
  - streamquorum.ha.zookeeper_connection
  - streamquorum.ha.zookeeper_connection.servers
  - streamquorum.ha.attributes.reads
options:
  limit:
    description: How many nodes are looked at; each costs two calls.
    type: int
    default: 500
  watched:
    description: Paths of those that somebody looks after already, for RV(unwatched).
    type: list
    elements: str
    default: []
seealso:
  - module: streamquorum.ha.leader_znode
"""

EXAMPLES = r"""
- name: Who else leads here
  streamquorum.ha.znode_elections:
    servers: [zk1.example.org:2181, zk2.example.org:2181, zk3.example.org:2181]
  register: __elections
"""

RETURN = r"""
elections:
  description:
    - What was found, each with C(kind) and C(path) as M(streamquorum.ha.leader_znode) takes them, and its C(leader) (C(address), C(owner);
      empty texts where nobody leads).
  type: list
  elements: dict
  returned: always
  sample: [{kind: hdfs, path: /hadoop-ha/ns1, leader: {address: "nn1.example.org:8020", owner: "0x100000a"}}]
unwatched:
  description: Who leads at none of O(watched), and what was left out, each in a sentence.
  type: list
  elements: str
  returned: always
left_out:
  description: Nodes that were not looked below; O(limit) was reached, they have more than 100 children, or their ACL lets nobody.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader.election import read_election
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader.verdict import Expectation, judge
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.leaders import unwatched
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import elections
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import (
    Connection,
    connection_argument_spec,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import (
    AuthRefused,
    ClientError,
    LibraryMissing,
)


def leader(session: elections.ZnodeReader, kind: str, path: str) -> dict[str, str]:
    """Who leads at a place: address and owner, both empty where nobody does.

    Raises:
        ClientError: ZooKeeper cannot be asked.
    """
    if kind == "flink":
        found = judge(read_election(session, path), [], Expectation(), lambda _host: set()).leader
        return {"address": found.address, "owner": found.owner}
    other = elections.read(session, kind, path)
    return {"address": other.address, "owner": other.owner}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_argument_spec(),
            "limit": {"type": "int", "default": 500},
            "watched": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        connection = Connection.from_params(module.params)
    except ValueError as error:
        module.fail_json(msg=f"znode_elections cannot start: {error}")
    try:
        with connection.session() as session:
            places = elections.search(session, max(1, module.params["limit"]))
            found, closed = [], []
            for kind, path in places.found:
                try:
                    found.append({"kind": kind, "path": path, "leader": leader(session, kind, path)})
                except AuthRefused:
                    closed.append(path)
    except ClientError as error:
        module.fail_json(
            msg=f"ZooKeeper cannot be asked who leads: {error}. Check that the ensemble serves and that this host reaches the client "
            "ports in 'servers'.",
            # The action plugin lends it.
            library_missing=isinstance(error, LibraryMissing),
        )
    left_out = [*places.left_out, *closed]
    told = unwatched(found, left_out, module.params["watched"])
    module.exit_json(changed=False, elections=found, unwatched=told, left_out=left_out)


if __name__ == "__main__":
    main()
