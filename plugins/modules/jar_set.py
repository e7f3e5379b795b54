#!/usr/bin/python
"""jar_set: plugins and libraries beside a release of Flink, verified by their sha512."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jar_set
short_description: Install plugins and libraries beside a release of Flink
version_added: 0.1.0
description:
  - Makes a directory with C(lib) and C(plugins), which hold links to all that the release has there, and further jars. Each jar that
    the release does not ship is fetched or received, and its sha512 compared.
  - It is made under a temporary name and gets its name when it is whole. One that is there is never written to, and the release
    neither.
  - A jar on the controller is transferred only to hosts that need it.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Says whether the set would be made. Jars on the controller are verified; URLs are not asked.
  diff_mode:
    support: full
    description: Names the jars.
options:
  dest:
    description: Absolute path of the set. Its name is to tell what it holds.
    type: path
    required: true
  release_dir:
    description: Directory of the release.
    type: path
    required: true
  jars:
    description: What the set has beside the release's own.
    type: list
    elements: dict
    required: true
    suboptions:
      file:
        description: Name of the file.
        type: str
        required: true
      source:
        description: A URL, which the host itself fetches, or a path on the controller; empty for one that the release has in C(opt).
        type: str
        default: ""
      sha512:
        description: Its sum; empty for one that the release has.
        type: str
        default: ""
      plugin:
        description: The directory of C(plugins) that it stands in; empty for C(lib).
        type: str
        default: ""
      job:
        description: It stands in C(job), of which no process has anything by itself.
        type: bool
        default: false
  bundle_dir:
    description: Directory of a bundle on the controller, whose C(jars) are taken where their sums are the wanted ones. Read by the
      action plugin.
    type: path
    default: ""
  timeout:
    description: Seconds to wait for a server to connect or to send more.
    type: int
    default: 20
  transferred:
    description: By sha512, paths on the host of the controller's jars. Set by the action plugin.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Install the plugin of S3 that the release ships
  streamquorum.ha.jar_set:
    dest: /opt/flink-2.3.0-jars-0123456789abcdef
    release_dir: /opt/flink-2.3.0
    jars:
      - {file: flink-s3-fs-hadoop-2.3.0.jar, plugin: s3-fs-hadoop}
"""

RETURN = r"""
transfer:
  description: By sha512, controller paths that the host needs first; always empty after the action plugin.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jar_set import JarSet, ensure
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import ReleaseError
from ansible_collections.streamquorum.ha.plugins.module_utils.release.url_opener import UrlOpener


def main() -> None:
    jar = {
        "file": {"type": "str", "required": True},
        "source": {"type": "str", "default": ""},
        "sha512": {"type": "str", "default": ""},
        "plugin": {"type": "str", "default": ""},
        "job": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "release_dir": {"type": "path", "required": True},
            "jars": {"type": "list", "elements": "dict", "required": True, "options": jar},
            "bundle_dir": {"type": "path", "default": ""},
            "timeout": {"type": "int", "default": 20},
            "transferred": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(JarSet(UrlOpener(module.params["timeout"])), module.params, check_mode=module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg=f"{module.params['dest']} could not be made: {error}. Nothing stands there yet: remedy it (room on the file system, "
            "rights) and run again."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
