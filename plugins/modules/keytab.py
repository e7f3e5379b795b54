#!/usr/bin/python
"""keytab: a keytab on its place, proved against the KDC before anything depends on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keytab
short_description: Put a keytab on a host, and prove it against the KDC
version_added: 0.1.0
description:
  - A keytab is proved before it takes its place, by a ticket that the KDC gives for it. So a wrong, a stale and a foreign one
    never replace one that works, and a KDC that cannot be reached shows here, not at the next start of a service.
  - Without O(src), the keytab that is on the host is proved.
  - Needs C(kinit) on the host. Under C(--check) a missing C(kinit) is what the real run would have installed before.
  - Meant for the roles and playbooks of this collection; its options and results may change with any release.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Proves the keytab and says whether the file would change.
  diff_mode:
    support: none
    description: The file is secret.
options:
  path:
    description: Where it is on the host.
    type: path
    required: true
  principal:
    description: Whose key must be in it.
    type: str
    required: true
  src:
    description: The file on the controller, which may be vaulted; empty proves the one that is on the host.
    type: path
    default: ""
  only_inspect:
    description: Looks into O(src) on the controller and leaves the host alone; the KDC is not asked.
    type: bool
    default: false
  owner:
    description: Owner of the file.
    type: str
    default: root
  group:
    description: Group of the file.
    type: str
    default: root
  mode:
    description: Rights in four octal digits.
    type: str
    default: "0400"
  timeout:
    description: Time limit for the KDC's answer, in seconds.
    type: float
    default: 20.0
  content:
    description: What the action plugin of this module read from O(src), in base64; not for playbooks.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Put the keytab in place
  streamquorum.ha.keytab:
    path: /etc/zookeeper/zookeeper.keytab
    principal: zookeeper/zk1.example.org@EXAMPLE.ORG
    src: keytabs/zk1.keytab
    owner: zookeeper
"""

RETURN = r"""
versions:
  description: Versions (kvno) of the principal's keys in the file.
  type: list
  elements: int
  returned: success
"""

import base64
import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.host import files as host_files
from ansible_collections.streamquorum.ha.plugins.module_utils.host import guarded_paths
from ansible_collections.streamquorum.ha.plugins.module_utils.pki import keytab

#: kinit takes the KDC's time for its own, in silence; the services do not, and refuse every ticket.
OWN_TIME = "[libdefaults]\nkdc_timesync = 0\n"
#: Bytes of a keytab that are read; a key has some 100.
SIZE_LIMIT = 2**20
REMEDIES = {
    "Clock skew": "Set the clocks of this host and of the KDC (chrony).",
    "Cannot contact any KDC": "Check kerberos_kdcs, and that port 88 of the KDC is open to this host.",
    "Preauthentication failed": "The KDC has a newer key: export the keytab anew.",
    "Password incorrect": "The KDC has a newer key: export the keytab anew.",
    "not found in Kerberos database": "Make the principal, and export its keytab.",
}


def remedy(text: str) -> str:
    """What to do about an answer of kinit."""
    return next(
        (what for words, what in REMEDIES.items() if words in text), "Try it by hand: kinit -k -t FILE PRINCIPAL."
    )


def prove(module: AnsibleModule, path: str) -> None:
    """Fails unless the KDC gives a ticket for the key."""
    principal = module.params["principal"]
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/krb5.conf", "w") as file:
            file.write(OWN_TIME)
        command = [
            "timeout",
            str(module.params["timeout"]),
            keytab.KINIT,
            "-k",
            "-t",
            path,
            "-c",
            f"FILE:{folder}/ticket",
            principal,
        ]
        # What stands in the first file holds.
        config = f"{folder}/krb5.conf:{keytab.CONFIG}"
        code, output, error = module.run_command(command, environ_update={"KRB5_CONFIG": config})
    if code:
        said = (error or output).strip() or f"no answer within {module.params['timeout']:g} s"
        module.fail_json(msg=f"The keytab for {principal} is not accepted: {said}. {remedy(said)}")


def place(module: AnsibleModule, data: bytes) -> bool:
    """Puts the proved keytab on its place; True where something changed."""
    params = module.params
    # Not beside the path, which may be in a directory of the service's user.
    handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        prove(module, temporary)
        text = data.decode("utf-8", "surrogateescape")
        entry = {"path": params["path"], "state": "file", "secret_content": text} | {
            name: params[name] for name in ("owner", "group", "mode")
        }
        if not host_files.differences(entry, host_files.find(params["path"])):
            return False
        if not module.check_mode:
            host_files.apply(entry)
        return True
    finally:
        os.unlink(temporary)


def read(path: str) -> bytes:
    """The keytab on the host. It may lie in a directory of the service's user: no FIFO is waited for, no link of theirs followed."""
    text = guarded_paths.visit(
        path, lambda folder, name: guarded_paths.content(folder, name, SIZE_LIMIT).hex(), follow=True
    )
    return bytes.fromhex(text)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "principal": {"type": "str", "required": True},
            "src": {"type": "path", "default": ""},
            "only_inspect": {"type": "bool", "default": False},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "mode": {"type": "str", "default": "0400"},
            "timeout": {"type": "float", "default": 20.0},
            "content": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    try:
        data = base64.b64decode(params["content"]) or read(params["path"])
    except host_files.EntryError as error:
        module.fail_json(msg=f"{params['path']}: {error}")
    except OSError as error:
        module.fail_json(
            msg=f"{params['path']}: {error.strerror}. Put the keytab there, or name the one on the controller."
        )
    problems = keytab.problems(data, params["principal"], params["src"] or params["path"])
    if problems:
        module.fail_json(msg=problems[0])
    versions = sorted({entry.version for entry in keytab.parse(data) if entry.principal == params["principal"]})
    if not os.path.exists(keytab.KINIT):
        if module.check_mode:
            module.exit_json(changed=bool(params["content"]), versions=versions)
        module.fail_json(msg=f"{keytab.KINIT} is missing. Install krb5-user.")
    try:
        changed = bool(params["content"]) and place(module, data)
    except host_files.EntryError as error:
        module.fail_json(msg=str(error))
    except (OSError, KeyError) as error:
        module.fail_json(msg=f"{params['path']} cannot be written: {error}.")
    if not params["content"]:
        prove(module, params["path"])
    module.exit_json(changed=changed, versions=versions)


if __name__ == "__main__":
    main()
