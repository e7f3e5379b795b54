"""A file on the controller, as an input names it."""

from __future__ import annotations

import os
from collections.abc import Callable

from ansible.errors import AnsibleError
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import controller_path


def controller_file(source: str, find: Callable[[str, str], str]) -> str | None:
    """The file of a source; None where there is none.

    Args:
        source: a path, or a `file://` URL. A relative path is looked up as everywhere in a role (files/, then the playbook).
        find: of the action, which looks it up.
    """
    path = os.path.expanduser(controller_path(source))
    if not os.path.isabs(path):
        try:
            path = find("files", path)
        except AnsibleError:
            return None
    return path if os.path.isfile(path) else None
