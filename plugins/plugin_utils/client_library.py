"""The ZooKeeper client that our modules use on a host: packed from the controller's own environment, in the releases that are pinned."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import yaml
from ansible.errors import AnsibleActionFail

#: zip cannot tell an earlier time; a fixed one makes the same release the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)
PINNED = Path(__file__).parents[2] / "roles/common/vars/main/client_library.yml"


def pinned() -> list[Mapping[str, str]]:
    """Name and version of each library."""
    found: list[Mapping[str, str]] = yaml.safe_load(PINNED.read_text(encoding="utf-8"))["common_client_library"]
    return found


def pack(path: str, libraries: Iterable[Mapping[str, str]]) -> None:
    """Writes a zip with the modules of some libraries, which depends on nothing else.

    Args:
        path: of the zip.
        libraries: name and version of each.

    Raises:
        AnsibleActionFail: one is missing, or of another release than the one that is pinned.
    """
    files = [file for each in libraries for file in _files(each["name"], each["version"])]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, source in files:
            with open(source, "rb") as handle:
                archive.writestr(zipfile.ZipInfo(name, EPOCH), handle.read(), zipfile.ZIP_DEFLATED)


def _files(name: str, version: str) -> list[tuple[str, str]]:
    """(name in the zip, path) of an installed library's modules."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise AnsibleActionFail(f"{name} is missing in the controller's environment. Run `make setup`.") from None
    if found.version != version:
        raise AnsibleActionFail(
            f"The controller has {name} {found.version}, and {version} is pinned. Run `make setup`, "
            "or `pip install -r requirements.txt` in the environment that runs ansible-playbook."
        )
    return sorted(
        (str(file), str(file.locate()))
        for file in found.files or []
        if file.suffix == ".py" and ".." not in file.parts and "tests" not in file.parts
    )
