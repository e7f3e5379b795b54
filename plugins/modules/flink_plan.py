#!/usr/bin/python
"""flink_plan: the plan of one host of Flink. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: flink_plan
short_description: Plan what is refused, written and done on a host of Flink
version_added: 0.1.0
description:
  - Reads the inputs of the role C(flink_ha), each once, and plans one host. What it says grows with what it is given - from the inventory
    alone, what is refused and what has to be read of the host; with the host, what is refused there and what its services are to run;
    with what was noted of all hosts, what the processes that run could not follow, what is written and what there is to do.
  - Runs on the controller; the host is not asked. A refusal is in RV(problems), and no failure. The result holds secrets.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.reads]
options:
  peers:
    description: Name of the variable that holds what M(streamquorum.ha.flink_peers) gave.
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
  learnt:
    description:
      - What the host learnt of its application on YARN, C(yarn), C(leader) and C(jobs) - answers of M(streamquorum.ha.yarn_info),
        M(streamquorum.ha.leader_znode) and M(streamquorum.ha.flink_job_info), each empty where it was not asked; and whether this run is to
        C(keep) what runs.
    type: dict
  stores:
    description: Paths of the stores of keys, as M(streamquorum.ha.certificates) made them; left out before.
    type: dict
"""

EXAMPLES = r"""
- name: Plan from the inventory
  streamquorum.ha.flink_plan:
    peers: __flink_ha_peers
  register: __flink_ha_asked
  no_log: true
"""

RETURN = r"""
problems:
  description: What is refused, each with the variable, the host and the remedy.
  type: list
  elements: str
  returned: always
cluster_key:
  description: Key of the host's cluster among those of M(streamquorum.ha.flink_peers).
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
  returned: with what was noted of all hosts
steps:
  description: What the role's tasks ask for - install, configure, services, prove, acls and application.
  type: dict
  returned: with what was noted of all hosts
"""
