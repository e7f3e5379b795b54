#!/usr/bin/python
"""bundle_archive: release archives, fetched or assembled, in a directory with a manifest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_archive
short_description: Fill a bundle with release archives
version_added: 0.1.0
description:
  - Ensures that a directory on the controller holds release archives in their official layout, and that its
    C(manifest.json) says what they are (name, version, sha512, where they came from).
  - An archive is Apache's own where that can be reached, and otherwise assembled from what the project publishes in
    package registries, through their ordinary clients (mvn, pip). An assembled archive says so in a file of its own,
    and its sum is never the official one.
  - What is there with the sum of the manifest is not touched. The same inputs give the same archive, byte by byte.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Names the archives that are missing.
  diff_mode:
    support: none
    description: Archives are not shown.
options:
  directory:
    description: Directory of the bundle; made when missing.
    type: path
    required: true
  items:
    description: What to hold, as the filter C(streamquorum.ha.bundle_plan) gives it.
    type: list
    elements: dict
    required: true
  mirrors:
    description: Roots of Apache mirrors, tried in order.
    type: list
    elements: str
    default: []
  use_apache:
    description: V(auto) assembles what cannot be had from Apache; V(always) fails instead; V(never) asks no mirror.
    type: str
    choices: [auto, always, never]
    default: auto
  timeout:
    description: Seconds to wait for a mirror to connect or to send more.
    type: int
    default: 10
  files:
    description: Directory with our own files for assembled archives, one folder a name.
    type: path
    required: true
  python:
    description: Python whose pip downloads; empty means the one that runs this module.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: Fill the bundle
  streamquorum.ha.bundle_archive:
    directory: /srv/bundle
    items: "{{ (contents | streamquorum.ha.bundle_plan(releases, recipes))['items'] }}"
    mirrors: [https://dlcdn.apache.org, https://archive.apache.org/dist]
    files: "{{ playbook_dir }}/files/bundle"
"""

RETURN = r"""
missing:
  description: What was missing, each as the item it is in C(item) and the C(reason).
  type: list
  elements: dict
  returned: success
archives:
  description: Entries of the manifest for what was asked for; in check mode those that are there.
  type: list
  elements: dict
  returned: success
failures:
  description: Sources that did not give an archive, and why.
  type: list
  elements: str
  returned: success
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import ReleaseError, bundle_entry
from ansible_collections.streamquorum.ha.plugins.module_utils.release.bundle import Bundle, stale
from ansible_collections.streamquorum.ha.plugins.module_utils.release.url_opener import UrlOpener


def fill(bundle: Bundle, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Fills the bundle with what it lacks. Raises ReleaseError."""
    manifest = bundle.manifest()
    missing = stale(params["items"], manifest, bundle.sums(manifest, params["items"]))
    failures: list[str] = []
    if not check_mode:
        for item, _reason in missing:
            failures += bundle.fill(
                item, params["mirrors"], params["use_apache"], params["files"], params["python"] or sys.executable
            )
        manifest = bundle.manifest()
    entries = [bundle_entry(manifest, item["name"], item["version"]) for item in params["items"]]
    return {
        "changed": bool(missing),
        "missing": [{"item": item, "reason": reason} for item, reason in missing],
        "archives": [entry for entry in entries if entry],
        "failures": failures,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "items": {"type": "list", "elements": "dict", "required": True},
            "mirrors": {"type": "list", "elements": "str", "default": []},
            "use_apache": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
            "timeout": {"type": "int", "default": 10},
            "files": {"type": "path", "required": True},
            "python": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )

    def run(command: Sequence[str], directory: str) -> tuple[int, str]:
        # The clients unpack what they fetch: beside the bundle, not in a /tmp that may be small.
        rc, out, err = module.run_command(
            list(command), cwd=directory, environ_update={"TMPDIR": directory}, handle_exceptions=False
        )
        return rc, out + err

    directory = os.path.abspath(module.params["directory"])
    try:
        bundle = Bundle(directory, run, UrlOpener(module.params["timeout"]))
        result = fill(bundle, module.params, module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The bundle in {directory} could not be filled: {error}. Remedy it and run again.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
