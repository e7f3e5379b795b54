#!/usr/bin/python
"""service_adoption: a process that runs without its unit gets one, without a restart."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_adoption
short_description: Give a Java process that runs without its unit that unit, without a restart
version_added: 0.1.0
description:
  - Finds a process by its main class that somebody started by a script, or under a unit of another name, writes a unit that would start it
    again, and makes systemd take the process for that unit's. The unit that it had ends, once it holds nothing any more, and is enabled no
    longer; the new one is enabled where that one was.
  - Refused, with nothing changed, are processes in containers, those that another process or another unit would start again, those
    whose unit's end would take something from them, and those that no unit could start as they were started.
  - A run that was ended in the middle is finished by the next one.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Judges, and changes nothing.
  diff_mode:
    support: none
    description: The text of the unit may hold passwords.
options:
  unit:
    description: The unit that the process is to have.
    type: str
    required: true
  main_classes:
    description: The process is Java's, with one of these main classes.
    type: list
    elements: str
    required: true
  ports:
    description: The process listens on one of these. Without any, there may be only one with one of O(main_classes).
    type: list
    elements: int
    default: []
  other_units:
    description: A process of one of these is another one.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Give the server its unit
  streamquorum.ha.service_adoption:
    unit: zookeeper.service
    main_classes: [org.apache.zookeeper.server.quorum.QuorumPeerMain]
    ports: [2181]
"""

RETURN = r"""
pid:
  description: The process that was adopted; 0 where there was none without its unit.
  type: int
  returned: always
before:
  description: The service that it was of; empty for none.
  type: str
  returned: always
left:
  description: Processes that RV(before) still holds; it was not ended then.
  type: list
  elements: int
  returned: always
wanted_by:
  description: Units that start RV(before) still.
  type: list
  elements: str
  returned: always
told:
  description: The same in sentences.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.host.adoption import AdoptionError, Wanted, told
from ansible_collections.streamquorum.ha.plugins.module_utils.host.guarded_paths import EntryError
from ansible_collections.streamquorum.ha.plugins.module_utils.host.service_adoption import Adoption


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "main_classes": {"type": "list", "elements": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "default": []},
            "other_units": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    # By run_command alone, one that is missing would end the module in the middle.
    for program in ("systemctl", "busctl"):
        module.get_bin_path(program, required=True)
    try:
        result = Adoption(module.run_command, Wanted(**params)).make(module.check_mode)
    except (AdoptionError, EntryError, OSError) as error:
        module.fail_json(msg=f"{params['unit']}: {error}")
    if result["pid"] and not module.check_mode:
        module.log(
            f"process {result['pid']} is that of {params['unit']} now, and was that of {result['before'] or 'no unit'}"
        )
    module.exit_json(told=told(result, params["unit"], module.check_mode), **result)


if __name__ == "__main__":
    main()
