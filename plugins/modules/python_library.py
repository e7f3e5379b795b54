#!/usr/bin/python
"""python_library: documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: python_library
short_description: Copy pure Python libraries from the controller's environment to a host
version_added: 0.1.0
description:
  - Packs installed libraries of the controller into one zip and copies it. A zip on C(sys.path) is imported as it is,
    so the host needs no package index, no compiler and no virtual environment.
  - The zip is the same for the same releases, so that an unchanged host stays unchanged.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Says whether the file would change.
  diff_mode:
    support: none
    description: The file is binary.
options:
  libraries:
    description:
      - C(name) and C(version) of each distribution, as in requirements.txt.
      - Another release in the controller's environment is refused.
    type: list
    elements: dict
    required: true
  dest:
    description: Path of the zip on the host; its directory exists.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Copy the client library
  streamquorum.ha.python_library:
    libraries:
      - {name: kazoo, version: 2.11.0}
      - {name: pure-sasl, version: 0.6.2}
    dest: /opt/streamquorum/lib/kazoo-2.11.0-pure-sasl-0.6.2.zip
"""

RETURN = r"""
dest:
  description: Path of the zip.
  type: str
  returned: success
"""
