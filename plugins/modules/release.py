#!/usr/bin/python
"""release: one archive, verified and unpacked beside the others."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Install a release archive side by side, verified by its sha512
version_added: 0.1.0
description:
  - Fetches or receives an archive, compares its sha512, unpacks it under a temporary name, marks it and gives it its
    name. A killed run leaves nothing but C(<dest>.partial), which the next run removes.
  - The marker file C(.streamquorum-release) in O(dest) decides whether a release is installed. An installed release
    is never written to.
  - Without a sum nothing is installed.
  - A source on the controller is transferred only to hosts that need it.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Says whether the release would be installed. Archives on the controller are verified; URLs are not asked.
  diff_mode:
    support: full
    description: Names the release and its sum.
options:
  name:
    description: Name of the product.
    type: str
    required: true
  version:
    description: Its release.
    type: str
    required: true
  dest:
    description: Absolute path of the installed release; its parent is made when missing.
    type: path
    required: true
  sources:
    description:
      - Where the archive is, tried in order.
      - A URL (http, https, ftp) is fetched by the host itself; a path or a C(file://) URL is on the controller.
      - A source that cannot be reached is skipped; one that gives another archive than the wanted one ends the run.
    type: list
    elements: str
    required: true
  sha512:
    description: Sum of the archive, in any form that a publisher's C(.sha512) file has.
    type: str
    required: true
  timeout:
    description: Seconds to wait for a mirror to connect or to send more.
    type: int
    default: 20
  transferred:
    description: Path on the host of the first source. Set by the action plugin.
    type: path
    default: ""
  failures:
    description: What the sources before answered. Set by the action plugin.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Install ZooKeeper from a file on the controller, else from Apache's archive
  streamquorum.ha.release:
    name: zookeeper
    version: 3.9.5
    dest: /opt/zookeeper-3.9.5
    sources:
      - /srv/bundle/apache-zookeeper-3.9.5-bin.tar.gz
      - https://archive.apache.org/dist/zookeeper/zookeeper-3.9.5/apache-zookeeper-3.9.5-bin.tar.gz
    sha512: "{{ lookup('ansible.builtin.file', 'apache-zookeeper-3.9.5-bin.tar.gz.sha512') }}"
"""

RETURN = r"""
name:
  description: Name of the product.
  type: str
  returned: success
version:
  description: Its release.
  type: str
  returned: success
directory:
  description: Where it is installed (O(dest), normalised).
  type: str
  returned: success
sha512:
  description: Sum of the archive that it came from.
  type: str
  returned: success
source:
  description: The source that gave the archive; empty when nothing had to be installed, and in check mode.
  type: str
  returned: success
transfer:
  description: A controller path that the host needs first; always empty after the action plugin.
  type: str
  returned: success
remaining:
  description: The sources after that one.
  type: list
  elements: str
  returned: success
failures:
  description: Sources that did not give the archive, and why.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import (
    Installer,
    ReleaseError,
    ensure_release,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.release.url_opener import UrlOpener


def main() -> None:
    texts = {"type": "list", "elements": "str"}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "sources": {**texts, "required": True},
            "sha512": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 20},
            "transferred": {"type": "path", "default": ""},
            "failures": {**texts, "default": []},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure_release(Installer(UrlOpener(module.params["timeout"])), module.params, module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg=f"{module.params['dest']} could not be installed: {error}. Nothing stands there yet: remedy it "
            "(room on the file system, rights) and run again."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
