#!/usr/bin/python
"""python_library: documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: python_library
short_description: Copy a pure Python library from the controller's environment to a host
description:
  - Packs the installed library of the controller into one zip and copies it. A zip on C(sys.path) is imported as it is,
    so the host needs no package index, no compiler and no virtual environment.
  - The zip is the same for the same release, so that an unchanged host stays unchanged.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Says whether the file would change.
  diff_mode:
    support: none
    description: The file is binary.
options:
  name:
    description: Name of the distribution, as in requirements.txt.
    type: str
    required: true
  version:
    description: Its release; another one in the controller's environment is refused.
    type: str
    required: true
  dest:
    description: Path of the zip on the host; its directory exists.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Copy the client library
  streamquorum.ha.python_library:
    name: kazoo
    version: 2.11.0
    dest: /opt/streamquorum/lib/kazoo-2.11.0.zip
"""

RETURN = r"""
dest:
  description: Path of the zip.
  type: str
  returned: success
"""
