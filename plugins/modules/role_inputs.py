#!/usr/bin/python
"""role_inputs: the inputs of a role are of the types that its argument_specs say. The action plugin does all of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: role_inputs
short_description: Refuse inputs of a role that are not of their types
description:
  - Compares the variables of a host with the C(argument_specs) of a role, as Ansible does by itself with each role. Its own
    action prints the whole specification beside what is wrong; this one a line for each input.
  - Runs on the controller; the host is not asked.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: none
    description: Changes nothing.
options:
  role_path:
    description: Directory of the role, whose entry point C(main) has all inputs.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Refuse inputs of a wrong type
  streamquorum.ha.role_inputs:
    role_path: "{{ role_path }}"
"""

RETURN = r"""
msg:
  description: What is wrong, a line for each input.
  type: str
  returned: on failure
"""
