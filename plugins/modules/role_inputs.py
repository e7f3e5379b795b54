#!/usr/bin/python
"""role_inputs: the inputs of a role are of the types that its argument_specs say. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: role_inputs
short_description: Refuse inputs of a role that are not of their types, and read them
version_added: 0.1.0
description:
  - Compares the variables of a host with the C(argument_specs) of a role, as Ansible does by itself with each role. Its own
    action prints the whole specification beside what is wrong; this one a line for each input.
  - Of the roles C(zookeeper) and C(flink_ha), it gives the values that their hosts are planned from, each templated once.
  - Runs on the controller; the host is not asked.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.reads]
options:
  role_path:
    description: Directory of the role, whose entry point C(main) has all inputs.
    type: path
    required: true
  refuse:
    description: Whether a wrong type is refused.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Refuse inputs of a wrong type
  streamquorum.ha.role_inputs:
    role_path: "{{ role_path }}"
  register: __zookeeper_inputs
"""

RETURN = r"""
values:
  description: Values by name of variable; of a role whose hosts are planned, those too that it has from elsewhere. Secret.
  type: dict
  returned: success
msg:
  description: What is wrong, a line for each input.
  type: str
  returned: on failure
"""
