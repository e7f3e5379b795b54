"""The record of published sums on the controller, and the question to Apache's own hosts."""

from __future__ import annotations

import contextlib
import datetime
import os
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.streamquorum.ha.plugins.module_utils.release import published
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import ReleaseError

#: Seconds for one host; a .sha512 file has less than 1 KB.
SECONDS = 20
LIMIT = 4096


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


def of_record(path: str) -> dict[str, str]:
    """Sums by archive that were recorded; none where there is no record.

    Raises:
        ReleaseError: it cannot be read.
    """
    try:
        return published.recorded(_text(path))
    except OSError as error:
        raise ReleaseError(f"{path} cannot be read: {error}.") from error


def ask(name: str, version: str, archive: str) -> tuple[str, str]:
    """The sum that Apache publishes, and where.

    Raises:
        ReleaseError: none of its hosts gives one; the text says why, host by host.
    """
    failures = []
    for url in published.urls(name, version, archive):
        try:
            # No redirect: what another host says is not Apache's word.
            reply = open_url(url, timeout=SECONDS, follow_redirects="none", http_agent="streamquorum.ha")
            return published.read_sum(reply.read(LIMIT).decode("utf-8", "replace"), archive), url
        except (ReleaseError, OSError, ValueError) as error:
            failures.append(f"{url}: {error}")
        except Exception as error:  # Ansible's own errors of TLS and of a missing library have no common parent
            failures.append(f"{url}: {type(error).__name__}: {error}")
    raise ReleaseError(f"Apache's own hosts did not give it ({'; '.join(failures)}). ")


def record(path: str, archive: str, sha512: str, url: str) -> None:
    """Adds a sum to the record, which a reader never meets half written.

    Raises:
        ReleaseError: it cannot be written.
    """
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    # What a killed run leaves of it stands beside the inventory, and must not be read as one.
    partial = f"{path}.{os.getpid()}.txt"
    try:
        with open(partial, "w", encoding="utf-8") as handle:
            handle.write(published.with_sum(_text(path), archive, sha512, url, day))
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise ReleaseError(f"{path} cannot be written: {error}.") from error


def record_path(variables: dict[str, Any]) -> str:
    """Path of the record: beside the inventory, or in the directory of the call where the inventory is no file."""
    return os.path.join(str(variables.get("inventory_dir") or os.getcwd()), published.RECORD)
