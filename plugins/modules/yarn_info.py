#!/usr/bin/python
"""yarn_info: the ResourceManagers of YARN and the applications with a tag."""

from __future__ import annotations

DOCUMENTATION = r"""
module: yarn_info
short_description: ResourceManagers of YARN, their configuration and queues, and applications by tag
version_added: 0.1.0
description:
  - Asks the active ResourceManager that the host's own yarn-site.xml names what it runs with, which queues it has, and which applications
    have a tag, over REST.
  - That none answers is a result (RV(read=false)), not a failure. What was not read is no answer - decide nothing by it.
  - Reads only. Run it on a host that reaches the web ports of the ResourceManagers.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment:
  - streamquorum.ha.attributes.reads
  - streamquorum.ha.yarn_web
options:
  site:
    description: The host's yarn-site.xml.
    type: path
    required: true
  tag:
    description: Tag of the applications.
    type: str
    required: true
  user:
    description: Whose they are; anybody may give an application of theirs the same tag.
    type: str
    required: true
  records:
    description: Directory in which M(streamquorum.ha.yarn_application) notes applications.
    type: path
    required: true
  logs:
    description: Read how the logs of failed attempts end of an application that is live, too.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait until all of it is told; a ResourceManager that fails over, or whose ensemble has just started, takes some.
    type: float
    default: 0
"""

EXAMPLES = r"""
- name: Ask YARN
  streamquorum.ha.yarn_info:
    site: /etc/hadoop/yarn-site.xml
    tag: streamquorum-orders
    user: flink
    records: /etc/flink
  register: __flink_ha_yarn
"""

RETURN = r"""
read:
  description: All of it was told.
  type: bool
  returned: always
reason:
  description: Why not, in words; empty where it was.
  type: str
  returned: always
later:
  description: Not all was told because a ticket of Kerberos is asked for, and what gives one is not installed on this host yet.
  type: bool
  returned: always
urls:
  description: Of the ResourceManagers, by the host's own file.
  type: list
  elements: str
  returned: always
site:
  description: The same of RV(properties), by the host's own file.
  type: dict
  returned: always
version:
  description: Its release.
  type: str
  returned: always
properties:
  description: Those of its configuration that something is decided by.
  type: dict
  returned: always
queues:
  description: Names of its queues.
  type: list
  elements: str
  returned: always
applications:
  description:
    - Applications of the user with the tag, the youngest first, those that have ended among them as long as YARN knows of them - id, state, final_status,
      tags, user, queue, diagnostics, and whether it is live.
  type: list
  elements: dict
  returned: always
failed_attempts:
  description: Of the application that is live, or else of the youngest one, where the last three JobManagers that have ended ran and how
    their logs end, in words. Of one that is live only with O(logs).
  type: list
  elements: str
  returned: always
noted:
  description: Ids of the applications of which this host has noted something.
  type: list
  elements: str
  returned: always
last:
  description:
    - The youngest application that YARN knows, or else of those that were noted on this host - application (empty for none), tag, mode,
      from (its savepoint), jobs (those that were ended, with savepoint, or looked_for_in where none is known), noted (whether something was), known
      (whether YARN knows of it) and told (what it says).
  type: dict
  returned: always; empty where YARN does not tell
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.core.polling import poll
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import record, site, ticket
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn.applications import (
    application,
    failed_attempts,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn.resource_manager import (
    NoAnswerError,
    ResourceManagers,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.host.state import hadoop_properties

POLL_SECONDS = 1.0
NOTHING: dict[str, Any] = {
    "version": "",
    "properties": {},
    "queues": [],
    "applications": [],
    "last": {},
    "noted": [],
    "failed_attempts": [],
}


def decisive(properties: Mapping[str, str]) -> dict[str, str]:
    """Those that something is decided by."""
    return {name: value for name, value in properties.items() if name in site.READ}


def of_file(path: str) -> dict[str, str]:
    """The properties of the host's own file; none of one that cannot be read."""
    try:
        return hadoop_properties(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def told_attempts(managers: ResourceManagers, found: list[dict[str, Any]], *, logs: bool) -> list[str]:
    """Those of the one that is live, where they are asked for: a node that is lost takes its time to say nothing."""
    live = [each for each in found if each["live"]]
    asked = live if logs else [] if live else found
    return failed_attempts(managers, asked[0]) if asked else []


def read(managers: ResourceManagers, tag: str, user: str, records: str, *, logs: bool = False) -> dict[str, Any]:
    """What the active ResourceManager tells."""
    try:
        _url, info = managers.active()
        found = [application(each) for each in managers.applications(tag, user)]
        return {
            "read": True,
            "reason": "",
            "later": False,
            "version": str(info["resourceManagerVersion"]),
            "properties": decisive(hadoop_properties(managers.configuration())),
            "queues": managers.queues(),
            "applications": found,
            "last": record.last(records, tag, found),
            "noted": record.noted(records),
            "failed_attempts": told_attempts(managers, found, logs=logs),
        }
    except NoAnswerError as error:
        return {**NOTHING, "read": False, "reason": str(error), "later": error.later}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "path", "required": True},
            "tag": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "records": {"type": "path", "required": True},
            "logs": {"type": "bool", "default": False},
            "keytab": {"type": "path", "default": ""},
            "principal": {"type": "str", "default": ""},
            "wait_timeout": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    params = module.params
    own = of_file(params["site"])
    urls = site.resource_managers(own)
    managers = ResourceManagers.by(ticket.web(params["keytab"], params["principal"]), urls)
    deadline = time.monotonic() + params["wait_timeout"]
    found = poll(
        lambda: read(managers, params["tag"], params["user"], params["records"], logs=params["logs"]),
        lambda found: None if found["read"] else deadline,
        POLL_SECONDS,
        time.monotonic,
        time.sleep,
    )
    module.exit_json(changed=False, urls=urls, site=decisive(own), **found)


if __name__ == "__main__":
    main()
