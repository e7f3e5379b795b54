"""Connection arguments of the modules that talk to ZooKeeper (module_utils/zookeeper/client.py reads them)."""

from __future__ import annotations


class ModuleDocFragment:
    """`DOCUMENTATION`: what all of them take; `SERVERS`: also for a module that does not derive the servers from its members."""

    DOCUMENTATION = r"""
options:
  timeout:
    description: Time limit of each single call to a server, in seconds; more than 0.
    type: float
    default: 5.0
  kazoo_path:
    description:
      - The kazoo library (2.11 or newer) on the host that runs the module, as an archive or a directory.
      - Where it does not exist, an installed kazoo is used. Four-letter words need none.
    type: path
    default: /opt/streamquorum/lib/kazoo-2.11.0-pure-sasl-0.6.2.zip
  credentials_path:
    description:
      - Who the module is for the servers, as a file on the host that runs it, which the roles write; root's alone.
      - Where it does not exist, the module is an anonymous client.
    type: path
    default: /etc/streamquorum/zookeeper-client.json
"""

    SERVERS = r"""
options:
  servers:
    description: Servers of the ensemble, each as C(host:port) of its client port.
    type: list
    elements: str
    required: true
"""
