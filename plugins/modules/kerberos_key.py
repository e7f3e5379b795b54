#!/usr/bin/python
"""kerberos_key: its documentation; the action plugin of this name does the work, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kerberos_key
short_description: Make a principal and its keytab on the controller, where the file is missing
version_added: 0.1.0
description:
  - Asks the KDC's administration server by C(kadmin) for a new principal with a random key, and keeps its keytab in a file of the
    controller that the user of this run alone reads. M(streamquorum.ha.keytab) puts it on a host.
  - A principal that is there already is refused. Its key may be in use elsewhere, and a new one would replace it.
  - Runs on the controller only, as an action plugin. The password is handed to kadmin by standard input.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Says whether a key would be made; the KDC is not asked.
  diff_mode:
    support: none
    description: The file is secret.
options:
  path:
    description: The keytab on the controller. Where it is there, nothing is done; it is refused where it has no key of the principal.
    type: path
    required: true
  principal:
    description: Whose key.
    type: str
    required: true
  realm:
    description: Realm of the key and of the administrator.
    type: str
    required: true
  kdcs:
    description: KDCs, as host or host:port; empty leaves finding them to DNS.
    type: list
    elements: str
    required: true
  admin_server:
    description: Host of the administration server; empty is the first KDC.
    type: str
    required: true
  admin:
    description: Principal of the administrator.
    type: str
    required: true
  password:
    description: The administrator's.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Make the member's key
  streamquorum.ha.kerberos_key:
    path: "{{ zookeeper_keytab_file }}"
    principal: "{{ zookeeper_principal }}"
    realm: EXAMPLE.ORG
    kdcs: [kdc.example.org]
    admin_server: ""
    admin: admin/admin
    password: "{{ kerberos_admin_password }}"
"""

RETURN = r"""
path:
  description: The keytab on the controller.
  type: str
  returned: success
"""
