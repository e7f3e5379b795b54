#!/usr/bin/python
"""flink_peers: what the plans of all Flink hosts need of other hosts. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: flink_peers
short_description: Gather what the plans of Flink's hosts need of other hosts
version_added: 0.1.0
description:
  - Reads the clusters, which C(flink_ha_cluster_id) keeps apart, and their ensemble from the inventory, once for all hosts of a run. With
    O(noted), also what is true of each cluster once its hosts were read.
  - Runs on the controller; no host is asked. For the role C(flink_ha), whose variables it reads.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.reads]
options:
  noted:
    description: Name of the variable that holds the plan of each host (M(streamquorum.ha.flink_plan)); empty before there is one.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Gather what is needed of other hosts
  streamquorum.ha.flink_peers:
  run_once: true
  register: __flink_ha_peers
"""

RETURN = r"""
clusters:
  description:
    - By flink_ha_cluster_id, each cluster of the inventory with id, job_manager_hosts, task_manager_hosts, job_managers, workers,
      workers_due, storage_writer and unreached_addresses.
    - With O(noted) group is what is true of it - existing, serving, starting, to_roll, pending, all_read, principals and rest.
  type: dict
  returned: always
ensemble:
  description: The ensemble of the inventory, as its own group has it.
  type: dict
  returned: always
unreached:
  description: Hosts that the run goes on without.
  type: list
  elements: str
  returned: always
play_hosts:
  description: Hosts that the run is limited to.
  type: list
  elements: str
  returned: always
defaults:
  description: What the inventory does not say of another host.
  type: dict
  returned: always
tls:
  description: Whether a host needs certificates; false without O(noted).
  type: bool
  returned: always
"""
