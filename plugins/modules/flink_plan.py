#!/usr/bin/python
"""flink_plan: the plans of all hosts of Flink. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: flink_plan
short_description: Plan what is refused, written and done on hosts of Flink
version_added: 0.1.0
description:
  - Plans all hosts of the play from the inputs of the role C(flink_ha). What it says grows with what it is given - from the inventory
    alone, what is refused and what has to be read of each host; with the hosts, what is refused there, what their services are to run, what
    the processes that run could not follow, what is written and what there is to do.
  - Runs on the controller, once for all hosts (C(run_once)). A refusal is in RV(problems), and no failure. The result holds secrets.
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
  stores:
    description: Name of the variable that holds the paths of the stores of keys, as M(streamquorum.ha.certificates) made them.
    type: str
  learnt:
    description: >-
      By C(yarn), C(leader) and C(jobs), names of the variables that hold what a host learnt of its application on YARN - answers of
      M(streamquorum.ha.yarn_info), M(streamquorum.ha.leader_znode) and M(streamquorum.ha.flink_job_info).
    type: dict
  keep:
    description: Whether this run is to leave alone what runs on YARN.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Plan from the inventory
  streamquorum.ha.flink_plan:
    inputs: __flink_ha_inputs
  run_once: true
  register: __flink_ha_asked_of
  no_log: true
"""

RETURN = r"""
problems:
  description: What is refused, each reason once, with the variable, the hosts and the remedy.
  type: list
  elements: str
  returned: always
peers:
  description: The clusters and their ensemble, as every host's plan has them; each cluster's group once its hosts were read.
  type: dict
  returned: always
special:
  description: Hosts with anything that most have nothing of - an application on YARN, Kerberos, certificates, or something to be told.
  type: list
  elements: str
  returned: always
changing:
  description: Hosts on which anything is to be done but to prove what runs there.
  type: list
  elements: str
  returned: always
notes:
  description: By host, what others have to know of it - members, tolerates and cluster.
  type: dict
  returned: with the hosts, where they are not refused
plans:
  description: The plans by host.
  type: dict
  returned: always
  contains:
    cluster_key:
      description: Key of the host's cluster among RV(peers).
      type: str
      returned: always
    cluster:
      description: How others come to the cluster - servers, cluster_id, path_root, job_managers, task_managers, kazoo_path and timeout.
      type: dict
      returned: always
    workers:
      description: Addresses of all TaskManagers of the cluster.
      type: list
      elements: str
      returned: always
    reads:
      description: Arguments of M(streamquorum.ha.host_state).
      type: dict
      returned: always
    processes:
      description: What M(streamquorum.ha.service_adoption) is given.
      type: list
      elements: dict
      returned: always
    looks:
      description: The same for status - units and certificates.
      type: dict
      returned: always
    asks:
      description: Arguments of M(streamquorum.ha.yarn_info); empty for a standalone cluster.
      type: dict
      returned: always
    kerberos:
      description: Whether Flink's processes have a keytab.
      type: bool
      returned: always
    certificates:
      description: Certificates of this host, as M(streamquorum.ha.certificates) takes them. Secret.
      type: list
      elements: dict
      returned: always
    hints:
      description: What is told and refuses nothing.
      type: list
      elements: str
      returned: always
    cautions:
      description: The same, of a REST that is open on a cluster that is there.
      type: list
      elements: str
      returned: always
    untested:
      description: Name of the host's platform where nothing was tested on it.
      type: str
      returned: always
    note:
      description: What the others have to know of this host - has_flink, services, rest, principals, tolerates and members.
      type: dict
      returned: with the host, where it is not refused
    entries:
      description: Entries of M(streamquorum.ha.host_files) - first, then (after those of the certificates) and after (a roll). Secret.
      type: dict
      returned: with the hosts, where none is refused
    steps:
      description: What the role's tasks ask for - install, configure, services, service, prove, acls and application.
      type: dict
      returned: with the hosts, where none is refused
"""
