#!/usr/bin/python
"""host_state: everything that a role decides on, read from one host in one execution."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_state
short_description: Read the state of a host once
version_added: 0.1.0
description:
  - Reads operating system, Java, systemd units, paths, small files, name resolution, accounts and listening ports
    in one execution, so that a role asks a host once.
  - A unit's RV(units) entry names the generation that its process runs, as its own command line tells.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.reads]
options:
  reads:
    description: Any of the other options, as a plan has them. The action plugin takes them out of it.
    type: dict
    default: {}
  java_home:
    description: A Java installation to look at besides those under C(/usr/lib/jvm).
    type: path
    default: ""
  units:
    description: Names of systemd units.
    type: list
    elements: str
    default: []
  paths:
    description: Paths to look at (without following a link at the end).
    type: list
    elements: path
    default: []
  contents:
    description: Small text files to read (at most 64 KiB of each).
    type: list
    elements: path
    default: []
  secrets:
    description: Keys of C(key=value) lines whose values are left out of RV(contents).
    type: list
    elements: str
    default: []
  lines:
    description:
      - By path, a list of texts, one of which a line must contain to be returned. For settings of a file whose others may
        be secrets.
    type: dict
    default: {}
  foreign_configs:
    description:
      - By unit, C(directory) and C(files), which are names with a pattern each. A process that was not started with a generation, and was
        given a directory of its own (C(--configDir)), is read there, from the first of these files whose pattern its command line does not
        have, and then from that command line. RV(lines) has it under this directory and the first name, with whole keys.
    type: dict
    default: {}
  properties:
    description: By path of a file of Hadoop's, the names of the properties that are told. Nothing is told of one that cannot be read.
    type: dict
    default: {}
  holds:
    description:
      - By path, texts by a name of yours; told is whether the file has each of them. For secrets, of which nobody is told more.
    type: dict
    default: {}
  matches:
    description:
      - By path of a directory, a regular expression; told are the names that it matches whole, the first 1000 of them. For
        what depends on certain names, since RV(paths) lists the first 100 of all.
    type: dict
    default: {}
  resolve:
    description: Host names to resolve with this host's resolver.
    type: list
    elements: str
    default: []
  accounts:
    description: User names to look up.
    type: list
    elements: str
    default: []
  certificates:
    description: PEM files of certificates, of which the end is told and nothing else.
    type: list
    elements: path
    default: []
  groups:
    description: Group names to look up.
    type: list
    elements: str
    default: []
  zookeeper_servers:
    description: Servers of an ensemble, as host:port, to ask for the release that they run.
    type: list
    elements: str
    default: []
  standing:
    description: What to look at so closely that the controller can compare it with the entries of M(streamquorum.ha.host_files).
    type: dict
    suboptions:
      key:
        description: Key of the digests of contents, made for one run. By a digest without one, a password could be guessed.
        type: str
        required: true
      paths:
        description: Paths to look at.
        type: list
        elements: path
        default: []
      roots:
        description: Directories with generations. The one that C(current) names is looked at, with everything in it.
        type: list
        elements: path
        default: []
      settings:
        description: Names of files of a generation, of which a keyed digest of each setting is told by its key.
        type: list
        elements: str
        default: []
"""

EXAMPLES = r"""
- name: Read the host
  streamquorum.ha.host_state:
    units: [zookeeper.service]
    paths: [/var/lib/zookeeper]
    contents: [/var/lib/zookeeper/myid]
    resolve: [zk1.example.org]
  register: __zookeeper_host
"""

RETURN = r"""
os:
  description: Operating system (id, version, codename, name, machine, memory_mb).
  type: dict
  returned: always
javas:
  description: By home of an installation (version, major).
  type: dict
  returned: always
units:
  description: By unit (exists, active, state, sub_state, enabled, fragment, main_pid, started_at in µs since boot,
    restarts, result, generation, java_replaced (on disk, since its process began), process that tells one process from the next). Of one
    that somebody else set up also foreign (releases by product, from the jars that it has open; directories, the lines of a server's zoo.cfg
    that name where its data is).
  type: dict
  returned: always
paths:
  description: By path (exists, type, owner, group, mode, target, the first 100 entries, free_mb of its file system).
  type: dict
  returned: always
contents:
  description: Text by path; empty for a missing file.
  type: dict
  returned: always
lines:
  description: Lines by path; an empty list for a missing file.
  type: dict
  returned: always
holds:
  description: By path and name, whether the file has the text; an empty dictionary for a missing file.
  type: dict
  returned: always
matches:
  description: By path, the names that match, sorted; none where there is no such directory.
  type: dict
  returned: always
resolved:
  description: Addresses by name; an empty list for an unknown name.
  type: dict
  returned: always
accounts:
  description: By user name (exists, uid, gid, home, shell).
  type: dict
  returned: always
unread:
  description: Why a path was not read although something stands there (a FIFO or a device, a link that somebody else than root
    could have made, a directory that cannot be entered), by path. It counts as missing in the other values, and is not.
  type: dict
  returned: always
memory:
  description: What the kernel does with memory (swap_mb, swappiness, huge_pages).
  type: dict
  returned: always
certificates:
  description: By path, the day on which the certificate or its chain ends; empty where there is none.
  type: dict
  returned: always
open_files:
  description: Open files that systemd can give a service at most; 0 where that could not be read.
  type: int
  returned: always
groups:
  description: By group name, whether there is one.
  type: dict
  returned: always
listening:
  description: Listening TCP sockets (address, port, pid, unit).
  type: list
  elements: dict
  returned: always
properties:
  description: By path, values by name.
  type: dict
  returned: always
zookeeper_releases:
  description: By server of O(zookeeper_servers), the release that it runs; empty where it does not say so.
  type: dict
  returned: always
standing:
  description: By path (kind, owner, group, mode, target, keyed digests of the content and of settings); nothing of one that could not be read.
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.host.state import HostReader, read_host
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import Connection, Server
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.fourletter import release_of

#: Seconds that a server has to say its release. One that is silent is not waited for: nothing is concluded from it.
RELEASE_TIMEOUT = 2.0


def releases(servers: list[str]) -> dict[str, str]:
    found = {text: Server.parse(text) for text in servers}
    return {text: release_of(Connection((server,), RELEASE_TIMEOUT), server) for text, server in found.items()}


def main() -> None:
    names = {"type": "list", "elements": "str", "default": []}
    paths = {"type": "list", "elements": "path", "default": []}
    module = AnsibleModule(
        argument_spec={
            "reads": {"type": "dict", "default": {}},
            "java_home": {"type": "path", "default": ""},
            "units": names,
            "paths": paths,
            "contents": paths,
            # The names of the keys are none.
            "secrets": {**names, "no_log": False},
            "lines": {"type": "dict", "default": {}},
            "foreign_configs": {"type": "dict", "default": {}},
            "properties": {"type": "dict", "default": {}},
            "holds": {"type": "dict", "default": {}, "no_log": True},
            "matches": {"type": "dict", "default": {}},
            "resolve": names,
            "accounts": names,
            "groups": names,
            "certificates": paths,
            "zookeeper_servers": names,
            "standing": {
                "type": "dict",
                "options": {
                    "key": {"type": "str", "required": True, "no_log": True},
                    "paths": paths,
                    "roots": paths,
                    "settings": names,
                },
            },
        },
        supports_check_mode=True,
    )
    found = read_host(HostReader(module.run_command), module.params)
    module.exit_json(changed=False, **found, zookeeper_releases=releases(module.params["zookeeper_servers"]))


if __name__ == "__main__":
    main()
