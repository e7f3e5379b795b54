#!/usr/bin/python
"""zookeeper_plan: the plans of all members of an ensemble. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zookeeper_plan
short_description: Plan what is refused, written and done on the hosts of an ensemble's members
version_added: 0.1.0
description:
  - Plans all members of the play from the inputs of the role C(zookeeper). What it says grows with what it is given - from the inventory
    alone, what is refused and what has to be read of each host; with the hosts, what is refused there, what each member is to run, what
    they cannot become together, what is written and what there is to do.
  - Runs on the controller, once for all members (C(run_once)). A refusal is in RV(problems), and no failure. The result holds secrets.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.reads]
options:
  inputs:
    description: Name of the variable that holds what M(streamquorum.ha.role_inputs) gave of each host. Hosts without it are left out.
    type: str
    required: true
  asked:
    description: Name of the variable that holds what this module gave before the hosts were read; left out then.
    type: str
  host:
    description: Name of the variable that holds what M(streamquorum.ha.host_state) gave of each host, asked for C(reads); left out before.
    type: str
  published:
    description: Name of the variable that holds what M(streamquorum.ha.published_sum) gave, with the hosts.
    type: str
"""

EXAMPLES = r"""
- name: Plan from the inventory
  streamquorum.ha.zookeeper_plan:
    inputs: __zookeeper_inputs
  run_once: true
  register: __zookeeper_asked_of
  no_log: true
"""

RETURN = r"""
problems:
  description: What is refused, each reason once, with the variable, the hosts and the remedy.
  type: list
  elements: str
  returned: always
special:
  description: Hosts with anything that most have nothing of - Kerberos, certificates, or something to be told.
  type: list
  elements: str
  returned: always
changing:
  description: Hosts on which anything is to be done but to prove what runs there.
  type: list
  elements: str
  returned: always
notes:
  description: By host, what others have to know of it - member, ensemble and live_config.
  type: dict
  returned: with the hosts, where they are not refused
plans:
  description: The plans by host.
  type: dict
  returned: always
  contains:
    reads:
      description: Arguments of M(streamquorum.ha.host_state). Secret.
      type: dict
      returned: always
    processes:
      description: What M(streamquorum.ha.service_adoption) is given.
      type: list
      elements: dict
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
      returned: with the hosts, where none is refused
    steps:
      description: What the role's tasks ask for - install, configure, service, verify, acls and start_problems.
      type: dict
      returned: always
"""
