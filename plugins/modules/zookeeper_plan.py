#!/usr/bin/python
"""zookeeper_plan: the plan of one member of an ensemble. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zookeeper_plan
short_description: Plan what is refused, written and done on the host of an ensemble's member
version_added: 0.1.0
description:
  - Reads the inputs of the role C(zookeeper), each once, and plans one member. What it says grows with what it is given - from the
    inventory alone, what is refused and what has to be read of the host; with the host, what is refused there and what the member is to
    run; with what was noted of all members, what they cannot become together, what is written and what there is to do.
  - Runs on the controller; the host is not asked. A refusal is in RV(problems), and no failure. The result holds secrets.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.reads]
options:
  peers:
    description: Name of the variable that holds what M(streamquorum.ha.zookeeper_peers) gave.
    type: str
    required: true
  host:
    description: Name of the variable that holds what M(streamquorum.ha.host_state) gave, asked for RV(reads); left out before.
    type: str
  published:
    description: Name of the variable that holds what M(streamquorum.ha.published_sum) gave, with the host.
    type: str
  key:
    description: The key of the digests that the host was asked with; one is made where it is left out.
    type: str
"""

EXAMPLES = r"""
- name: Plan from the inventory
  streamquorum.ha.zookeeper_plan:
    peers: __zookeeper_peers
  register: __zookeeper_asked
  no_log: true
"""

RETURN = r"""
problems:
  description: What is refused, each with the variable, the host and the remedy.
  type: list
  elements: str
  returned: always
reads:
  description: Arguments of M(streamquorum.ha.host_state). Secret.
  type: dict
  returned: always
ensemble:
  description: How others come to the ensemble - members, standalone, kazoo_path and timeout.
  type: dict
  returned: always
servers:
  description: Host and port of the members' client ports.
  type: list
  elements: str
  returned: always
kerberos:
  description: Whether the member authenticates by Kerberos.
  type: bool
  returned: always
certificates:
  description: Certificates of this host, as M(streamquorum.ha.certificates) takes them.
  type: list
  elements: dict
  returned: always
hints:
  description: What is told and refuses nothing.
  type: list
  elements: str
  returned: always
untested:
  description: Name of the host's platform where nothing was tested on it.
  type: str
  returned: always
note:
  description: What the others have to know of this member - has_data, may_vote, served, client_stage, ports and member.
  type: dict
  returned: with the host, where it is not refused
live_config:
  description: Configuration of the member that runs; empty where none does.
  type: str
  returned: always
entries:
  description: Entries of M(streamquorum.ha.host_files) - first, then (after those of the certificates) and record. Secret.
  type: dict
  returned: always
group:
  description: What is true of the ensemble - any_live, all_live, to_roll and loses_identities.
  type: dict
  returned: with what was noted of all members
steps:
  description: What the role's tasks ask for - install, configure, service, verify, acls and start_problems.
  type: dict
  returned: always
"""
