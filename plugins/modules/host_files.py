#!/usr/bin/python
"""host_files: directories, files and links of a role in one execution."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Ensure a list of directories, files and links in one execution
version_added: 0.1.0
description:
  - Ensures each entry in the order given; what is right already is not touched.
  - A file is written beside its path and renamed over it.
  - Something of another kind that stands at a path is never removed, but refused.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Says what would change, on a fresh host too (missing users and parents are taken as made by then).
  diff_mode:
    support: full
    description: Shows rights and contents; never the contents of a secret.
options:
  entries:
    description: What to ensure, in order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      state:
        description: Kind of the entry.
        type: str
        choices: [directory, file, link, absent]
        default: file
      content:
        description: Text of a file.
        type: str
        default: ""
      secret_content:
        description: Text of a file that is never shown or logged; used in place of O(entries[].content).
        type: str
      secret_base64:
        description: The same for what is no text, in base64.
        type: str
      once:
        description: The content is written where there is no such file, and not compared. For what differs each time it is made,
          under a name that says what it was made of.
        type: bool
        default: false
      compare:
        description: File that a new one is compared with in the diff, such as that of the generation before.
        type: path
      target:
        description: Where a link points to.
        type: str
        default: ""
      owner:
        description: Owner of a directory or file.
        type: str
        default: root
      group:
        description: Group of a directory or file.
        type: str
        default: root
      mode:
        description: Rights in four octal digits.
        type: str
        default: "0644"
      recursive:
        description: Whether a directory may be removed with what is in it (only with O(entries[].state=absent)).
        type: bool
        default: false
      unless_linked:
        description: Links. What one of them points to when this entry's turn comes is not removed (only with O(entries[].state=absent)).
        type: list
        elements: path
        default: []
"""

EXAMPLES = r"""
- name: Write the configuration
  streamquorum.ha.host_files:
    entries:
      - {path: /etc/zookeeper, state: directory, mode: "0755"}
      - {path: /etc/zookeeper/zoo.cfg, content: "tickTime=2000\n", group: zookeeper, mode: "0640"}
      - {path: /etc/zookeeper/current, state: link, target: generations/0123456789abcdef}
"""

RETURN = r"""
changes:
  description: What differed, as C(path) and the names of the C(fields).
  type: list
  elements: dict
  returned: always
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.host import files as host_files

ENTRY = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["directory", "file", "link", "absent"], "default": "file"},
    "content": {"type": "str", "default": ""},
    "secret_content": {"type": "str", "no_log": True},
    "secret_base64": {"type": "str", "no_log": True},
    "once": {"type": "bool", "default": False},
    "compare": {"type": "path"},
    "target": {"type": "str", "default": ""},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "recursive": {"type": "bool", "default": False},
    "unless_linked": {"type": "list", "elements": "path", "default": []},
}


def ensure(entries: list[dict[str, Any]], check_mode: bool) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Ensures the entries; gives (changes, diffs). Raises EntryError before anything is written."""
    for entry in entries:
        host_files.check(entry, host_files.find(entry["path"]))
    changes, diffs = [], []
    for entry in entries:
        found = host_files.find(entry["path"])
        fields = host_files.differences(entry, found)
        if not fields:
            continue
        changes.append({"path": entry["path"], "fields": fields})
        diffs.append(host_files.diff_of(entry, found, fields))
        if not check_mode:
            host_files.apply(entry)
    return changes, diffs


class QuietModule(AnsibleModule):
    """Ansible writes a module's arguments to the host's journal, and finds a secret in them only where it is one line."""

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        """Writes the paths only."""
        super().log("Ensures " + ", ".join(str(entry["path"]) for entry in self.params["entries"]))


def main() -> None:
    module = QuietModule(
        argument_spec={"entries": {"type": "list", "elements": "dict", "required": True, "options": ENTRY}},
        supports_check_mode=True,
    )
    try:
        changes, diffs = ensure(module.params["entries"], module.check_mode)
    except host_files.EntryError as error:
        module.fail_json(msg=str(error))
    except (OSError, KeyError) as error:
        module.fail_json(msg=f"Could not write: {error}. What was written before stays; run again after the remedy.")
    module.exit_json(changed=bool(changes), changes=changes, diff=diffs)


if __name__ == "__main__":
    main()
