#!/usr/bin/python
"""zookeeper_peers: what the plans of all members need of other hosts. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zookeeper_peers
short_description: Gather what the plans of an ensemble's members need of other hosts
version_added: 0.1.0
description:
  - Reads the members, Flink's switches and the hosts that are left out from the inventory, once for all members of a run. With
    O(noted), also what was noted of each member once its host was read.
  - Runs on the controller; no host is asked. For the role C(zookeeper), whose variables it reads.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.reads]
options:
  noted:
    description: Name of the variable that holds the plan of each member (M(streamquorum.ha.zookeeper_plan)); empty before there is one.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Gather what is needed of other hosts
  streamquorum.ha.zookeeper_peers:
  run_once: true
  register: __zookeeper_peers
"""

RETURN = r"""
members:
  description: Members from the inventory, sorted by id, with host, id, address, peer_type and state.
  type: list
  elements: dict
  returned: always
hosts:
  description: Hosts of the ensemble.
  type: list
  elements: str
  returned: always
unreached:
  description: Those of them that the run goes on without.
  type: list
  elements: str
  returned: always
play_hosts:
  description: Hosts that the run is limited to.
  type: list
  elements: str
  returned: always
clients:
  description: Hosts of Flink, with host, auth, tls and switching.
  type: list
  elements: dict
  returned: always
notes:
  description: By host, what was noted of each member; empty without O(noted).
  type: dict
  returned: always
"""
