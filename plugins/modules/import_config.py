#!/usr/bin/python
"""import_config: an inventory from the configuration of a cluster that somebody else set up. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: import_config
short_description: Make an inventory of existing configuration
version_added: 0.1.0
description:
  - Reads C(flink-conf.yaml), C(config.yaml), C(zoo.cfg), C(masters) and C(workers) on the controller, and tells the inventory that
    reproduces them, with what is dead, ignored or changed in the release that is wanted, by the numbers of the lines.
  - A value that is a secret is told to nobody.
  - Runs on the controller.
  - Meant for the playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: It reads.
  diff_mode:
    support: none
    description: It changes nothing.
options:
  files:
    description: Paths of the files, one of each kind at most.
    type: list
    elements: path
    required: true
  versions:
    description: The releases that are to be installed, of Flink, of ZooKeeper, or of both.
    type: list
    elements: str
    required: true
  roles:
    description: Directory of the roles, whose tables are read.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Read what is there
  streamquorum.ha.import_config:
    files: [/tmp/old/flink-conf.yaml, /tmp/old/masters]
    versions: ["1.20.5"]
    roles: "{{ playbook_dir | dirname }}/roles"
"""

RETURN = r"""
text:
  description: The inventory.
  type: str
  returned: success
told:
  description: What is to be known of single lines.
  type: list
  elements: str
  returned: success
missing:
  description: What the files cannot say, and the operator has to.
  type: list
  elements: str
  returned: success
"""
