#!/usr/bin/python
"""roll_step: the next step of a roll, from what was just read. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: roll_step
short_description: Decide on the next step of a roll
version_added: 0.1.0
description:
  - Says what is done next to a group that is changed member by member, why, and all steps that would follow if each of them succeeds.
    Whoever carries a step out reads the group again before the next one is decided on.
  - Runs on the controller; no host is asked.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.reads]
options:
  roll:
    description: The group, as M(streamquorum.ha.rolls) gave it.
    type: dict
    required: true
  members:
    description: Its members, with what runs on them after the last step.
    type: list
    elements: dict
    required: true
  reply:
    description: The answer of the module that has just read the group.
    type: dict
    required: true
  tried:
    description: Names of members that this run started, repaired or changed.
    type: list
    elements: str
    default: []
  waited:
    description: Names of members for which a wait ended in vain.
    type: list
    elements: str
    default: []
  ran:
    description: Ids of jobs that ran before an earlier step.
    type: list
    elements: str
    default: []
  checkpoint_wait:
    description: Seconds that a checkpoint is waited for at most, beyond the time in which all must serve.
    type: int
    required: true
  lease_seconds:
    description: Seconds until the lock ends by itself.
    type: int
    required: true
  allowed:
    description: What the operator allows.
    type: dict
    required: true
    suboptions:
      accept_members_down:
        description: A member that serves may be touched although others do not.
        type: bool
        default: false
      accept_outage:
        description: A member may be restarted although nothing takes its place.
        type: bool
        default: false
      accept_unhealthy:
        description: Members that run may be restarted while the group does not serve.
        type: bool
        default: false
      accept_restart_budget:
        description: Restart strategies of jobs are not looked at.
        type: bool
        default: false
      batch:
        description: TaskManagers that are restarted together.
        type: int
        default: 1
seealso:
  - module: streamquorum.ha.rolls
"""

EXAMPLES = r"""
- name: Decide
  streamquorum.ha.roll_step:
    roll: "{{ __rolling_roll }}"
    members: "{{ __rolling_members }}"
    reply: "{{ __rolling_reply }}"
    checkpoint_wait: 600
    lease_seconds: 900
    allowed: {accept_outage: false}
  register: __rolling_step
"""

RETURN = r"""
kind:
  description: What is done - start, wait, repair, change, pause, stop or done.
  type: str
  returned: always
members:
  description: Names of the members that it is done to.
  type: list
  elements: str
  returned: always
reason:
  description: Why.
  type: str
  returned: always
plan:
  description: This step and those that would follow, a line each.
  type: list
  elements: str
  returned: always
targets:
  description: The members of the step as they were described, with the mode that each has said to serve in.
  type: list
  elements: dict
  returned: always
endpoints:
  description: Host and main port of each.
  type: list
  elements: str
  returned: always
waited:
  description: O(waited) without those that serve again.
  type: list
  elements: str
  returned: always
ran:
  description: Ids of the jobs that are to run after the step.
  type: list
  elements: str
  returned: always
proven:
  description: Ids of those that are to complete a checkpoint after it.
  type: list
  elements: str
  returned: always
checkpoint_wait:
  description: Seconds that such a checkpoint is waited for.
  type: int
  returned: always
calm:
  description: By id of each job that restarted a short time ago, milliseconds without a restart that the step waits for.
  type: dict
  returned: always
others:
  description: Host and port of the TaskManagers that are registered and not of the step.
  type: list
  elements: str
  returned: always
registered:
  description: Ids of the TaskManagers of the step.
  type: list
  elements: str
  returned: always
lease_own:
  description: Hosts of the step, which renew their own lease in it.
  type: list
  elements: str
  returned: always
lease_on:
  description: Hosts of voters that are asked to renew theirs; with those of the step just a majority.
  type: list
  elements: str
  returned: always
lease_spare:
  description: The other voters' hosts.
  type: list
  elements: str
  returned: always
"""
