#!/usr/bin/python
"""storage_proof: the storage is reached through Flink's own file system."""

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_proof
short_description: Prove a storage through Flink's own file system
version_added: 0.1.0
description:
  - Writes, reads or removes a file in each directory, with the configuration, the plugins, the classes of Hadoop and the keytab of a
    generation, as the user of its processes. So what is proved is what a process of Flink would find.
  - The jar that does it stands in the role C(flink_ha), beside its source. It is sent for the time of the task, and nothing is left.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Nothing is written then, and so nothing is proved.
  diff_mode:
    support: none
    description: What is written is removed again.
options:
  verb:
    description:
      - C(write) writes a file and reads it back, C(read) reads what another host wrote, C(remove) removes it.
      - C(find) looks for any other file of the cluster, at any depth of the storage that the generation itself names.
      - C(keep) writes O(text) as a file that stays, and never over another one. C(kept) finds directories of applications on YARN with a
        file whose name begins so, and C(purge) removes such directories, with all that is in them.
      - C(uploads) finds the directories to which Flink has uploaded O(applications), on the file system that is Hadoop's default, and
        C(unload) removes them. Ask YARN before whether they have ended.
    type: str
    choices: [write, read, remove, find, keep, kept, purge, uploads, unload]
    required: true
  name:
    description: Name of the file, or the beginning of those that C(find) does not count, and that C(kept) and C(purge) look for.
    type: str
    default: ""
  applications:
    description: Ids of applications on YARN, for C(uploads) and C(unload).
    type: list
    elements: str
    default: []
  uris:
    description: Directories, as Flink's configuration names them; none for C(find).
    type: list
    elements: str
    default: []
  text:
    description: What another host wrote, for C(read), or what is to be kept.
    type: str
    default: ""
  generation:
    description: Directory of the generation.
    type: path
    required: true
  kind:
    description: Whose options for Java count.
    type: str
    choices: [jobmanager, taskmanager]
    required: true
  user:
    description: Name of the services' user.
    type: str
    required: true
  timeout:
    description: Seconds to wait for all directories together.
    type: int
    default: 180
  jar:
    description: Path of the proof on the host. Set by the action plugin.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: Write a file into the storage
  streamquorum.ha.storage_proof:
    verb: write
    name: .streamquorum-proof-jm1
    uris: [hdfs://nameservice/flink]
    generation: /etc/flink/flink-jobmanager/current
    kind: jobmanager
    user: flink
"""

RETURN = r"""
text:
  description: What was written, or the path of a file that was found; empty for none.
  type: str
  returned: success
where:
  description: The directory that C(find) looked into.
  type: str
  returned: success
kept:
  description: Of C(kept), the C(application) of each directory, and when the last of its files was C(written), in ms since 1970.
  type: list
  elements: dict
  returned: success
uploads:
  description: Of C(uploads), the directories that are there.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import storage_proof


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": list(storage_proof.VERBS), "required": True},
            "name": {"type": "str", "default": ""},
            "applications": {"type": "list", "elements": "str", "default": []},
            "uris": {"type": "list", "elements": "str", "default": []},
            "text": {"type": "str", "default": ""},
            "generation": {"type": "path", "required": True},
            "kind": {"type": "str", "choices": ["jobmanager", "taskmanager"], "required": True},
            "user": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 180},
            "jar": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, skipped=True, text="", where="", kept=[], uploads=[])
    verb = module.params["verb"]
    try:
        told = storage_proof.prove(module.params)
        if verb == "kept":
            module.exit_json(changed=False, text="", where="", kept=storage_proof.kept(told), uploads=[])
        if verb == "uploads":
            module.exit_json(changed=False, text="", where="", kept=[], uploads=told)
        # A proof that ends well and tells nothing is none.
        if len(told) != {"write": 1, "find": 2}.get(verb, 0):
            module.fail_json(msg=f"The proof of the storage ended well, and told {told}.")
        where = told[0] if verb == "find" else ""
        changed = verb in ("keep", "purge", "unload")
        module.exit_json(changed=changed, text=told[-1] if told else "", where=where, kept=[], uploads=[])
    except storage_proof.StorageError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The proof of the storage could not be started: {error}.")


if __name__ == "__main__":
    main()
