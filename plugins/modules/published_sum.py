#!/usr/bin/python
"""published_sum: the published sum of a release that nobody has given one of. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: published_sum
short_description: Read the SHA-512 sum that Apache publishes beside a release's archive, once
version_added: 0.1.0
description:
  - Asks Apache's own hosts over HTTPS, never a mirror, for the sum of a release of which neither this toolkit, the operator nor a bundle
    gives one. What was read is shown, and kept in C(published-sums.txt) beside the inventory. From then on it is the sum of that
    archive, and nobody is asked again; an archive with another sum is refused.
  - Runs on the controller.
  - Meant for the roles of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Asks, and records nothing.
  diff_mode:
    support: none
    description: What is recorded is shown in any case.
options:
  name:
    description: The product.
    type: str
    choices: [zookeeper, flink]
    required: true
  inputs:
    description: Name of the variable that holds what M(streamquorum.ha.role_inputs) gave of each host.
    type: str
    required: true
  state:
    description: Name of the variable that holds what M(streamquorum.ha.host_state) gave. Where all hosts have the release, nobody is asked.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Read the sum that Apache publishes
  streamquorum.ha.published_sum:
    name: zookeeper
    inputs: __zookeeper_inputs
    state: __zookeeper_host
  run_once: true
  register: __zookeeper_published
"""

RETURN = r"""
sums:
  description: Sums by archive, those of the record and the one that was just read.
  type: dict
  returned: always
reasons:
  description: By release, why no sum was to be had, for a refusal; nothing where none was needed or one was read.
  type: dict
  returned: always
"""
