#!/usr/bin/python
"""rolls: the groups of one kind that a run changes member by member. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rolls
short_description: Gather the groups that a run changes member by member
version_added: 0.1.0
description:
  - Says of the ensemble, or of the JobManagers or TaskManagers of each Flink cluster, who is of them, what there is to do, and whom to
    ask, from the inventory and from the facts that the roles set in the preflight of this run.
  - Runs on the controller; no host is asked. It fails where a host was not read in this run, since nothing is decided about a part of a
    group.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.reads]
options:
  kind:
    description: What is rolled.
    type: str
    choices: [zookeeper, jobmanager, taskmanager]
    required: true
  unreached:
    description: Hosts that the run goes on without.
    type: list
    elements: str
    default: []
  force:
    description: Every process is to be restarted, also one that runs what it should.
    type: bool
    default: false
seealso:
  - module: streamquorum.ha.roll_step
"""

EXAMPLES = r"""
- name: Gather what this run knows of the ensemble
  streamquorum.ha.rolls:
    kind: zookeeper
  register: __rolling_found
"""

RETURN = r"""
rolls:
  description:
    - A group each, with kind, label, members, needed, requests, voters, voters_reached, leased, query_host, ensemble, cluster, watched,
      probe, accepted and most_steps. C(plugins/plugin_utils/rolls.py) says what they are.
  type: list
  elements: dict
  returned: always
"""
