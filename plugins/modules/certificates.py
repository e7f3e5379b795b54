#!/usr/bin/python
"""certificates: its documentation; the action plugin of this name does the work, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates
short_description: Certificates for a host, judged or made on the controller
version_added: 0.1.0
description:
  - Reads certificates on the controller, vaulted or not, or makes them by a private authority in a directory there, and refuses
    what would not work. Such as one that is expired, is not for the host, does not belong to its key, or leads to no authority.
  - It does not touch the host. It gives the files as M(streamquorum.ha.host_files) takes them, and that puts each one in place at
    once, since a broken file takes a server's port down.
  - Runs on the controller only, as an action plugin.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Makes nothing in the private authority; a certificate that would be made is given as it will not be.
  diff_mode:
    support: none
    description: The files are secret.
options:
  requests:
    description: The certificates.
    type: list
    elements: dict
    required: true
    suboptions:
      variable:
        description: The variable that O(requests[].src) comes from, for messages.
        type: str
        required: true
      src:
        description: PEM file on the controller with the key, the certificate and its chain; empty asks the private authority.
        type: str
        default: ""
      ca:
        description: PEM file on the controller with the authorities that are trusted; for a given O(requests[].src).
        type: str
        default: ""
      authority:
        description: Name of the private authority.
        type: str
        required: true
      holder:
        description: Name under which the private authority keeps it; the host's own where it is empty. For a second one of a host.
        type: str
        default: ""
      subject:
        description: Common name, where the private authority makes it.
        type: str
        required: true
      names:
        description: Host names and addresses that it must be valid for.
        type: list
        elements: str
        required: true
      path:
        description: Where the key, the certificate and its chain go on the host, as one file.
        type: path
        required: true
      ca_path:
        description: Where the authorities go on the host.
        type: path
        required: true
      trusted:
        description: Authorities in PEM that the processes trust which run now; what they would refuse is refused. Empty where none runs.
        type: str
        default: ""
      group:
        description: Group that may read the key, beside root.
        type: str
        required: true
      store_password:
        description: Asks for Java's stores (PKCS 12) as well, under this password.
        type: str
        default: ""
      key_store:
        description: Where the key store goes on the host; what it was made of becomes part of the name.
        type: path
        default: ""
      trust_store:
        description: Where the trust store goes on the host, likewise.
        type: path
        default: ""
  authority_dir:
    description: Directory of the private authorities on the controller; empty where all certificates are given.
    type: str
    default: ""
  days:
    description: For how long the private authority makes a certificate, in days.
    type: int
    default: 397
  renew_days:
    description: So many days before its end a certificate is made anew, or warned of where it was given.
    type: int
    default: 30
  only_inspect:
    description: Judges what is there and makes nothing; no file is in the result.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Certificates
  streamquorum.ha.certificates:
    authority_dir: "{{ inventory_dir }}/authority"
    requests:
      - variable: zookeeper_certificate_file
        authority: clients
        subject: zk1.example.org
        names: [zk1.example.org]
        path: /etc/zookeeper/tls/server.pem
        ca_path: /etc/zookeeper/tls/ca.pem
        group: zookeeper
  register: __zookeeper_certificates_made
  no_log: true
"""

RETURN = r"""
entries:
  description: The files, as M(streamquorum.ha.host_files) takes them; secret.
  type: list
  elements: dict
  returned: without O(only_inspect)
stores:
  description: Paths of the stores that were asked for (key_store, trust_store).
  type: dict
  returned: without O(only_inspect)
problems:
  description: Why certificates are refused.
  type: list
  elements: str
  returned: always
soon:
  description: Certificates that end soon.
  type: list
  elements: str
  returned: always
"""
