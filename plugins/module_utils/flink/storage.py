"""Where Flink keeps its jobs and checkpoints: local paths, and what is refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.services import JOB_MANAGER, TASK_MANAGER

#: Options that name the storage and the checkpoints, of all releases that are supported.
STORAGE_KEYS = (
    "high-availability.storageDir",
    "high-availability.zookeeper.storageDir",
    "recovery.zookeeper.storageDir",
)
CHECKPOINT_KEYS = ("execution.checkpointing.dir", "state.checkpoints.dir")

#: The unit sees nothing of these (ProtectHome), or a directory of its own (PrivateTmp).
PRIVATE_PATHS = ("/tmp", "/var/tmp", "/home", "/root", "/run/user")


def storage_path(uri: str) -> str:
    """Local path of a `file:` URI; empty for any other."""
    # file:///path and file:/path; in file://path the first part would be a host.
    found = re.match(r"^file:(?://)?(/(?!/).*)$", uri)
    return found.group(1).rstrip("/") or "/" if found else ""


def local_paths(uris: Iterable[str]) -> list[str]:
    """Local paths of `file:` URIs, sorted, without those that lie in another one."""
    paths = sorted({path for path in map(storage_path, uris) if path})
    return [path for path in paths if not any(path.startswith(other.rstrip("/") + "/") for other in paths)]


def storage_problems(given: Mapping[str, Any]) -> list[str]:
    problems = []
    for variable in ("flink_ha_storage_dir", "flink_ha_checkpoint_dir", "flink_ha_savepoint_dir"):
        uri = str(given[variable])
        scheme = re.match(r"^([a-z][a-z0-9+.-]*):", uri)
        if not uri:
            problems.append(
                f"{variable} is missing. Set it to a directory that every JobManager and TaskManager reaches, "
                "such as hdfs://nameservice/flink or file:///mnt/shared/flink."
            )
        elif not scheme:
            problems.append(
                f"{variable} is {uri!r}, without a scheme. Write it as a URI, such as file:///mnt/shared/flink."
            )
        elif scheme.group(1) == "file":
            problems += _file_problems(variable, uri, given["flink_ha_storage_shared"])
    return problems


def _file_problems(variable: str, uri: str, shared: bool) -> list[str]:
    path = storage_path(uri)
    if not path or ".." in path.split("/"):
        return [f"{variable} is {uri!r}. A local directory is written as file:///absolute/path."]
    private = [root for root in PRIVATE_PATHS if path == root or path.startswith(root + "/")]
    if private:
        return [f"{variable} lies in {private[0]}, of which the services see nothing. Choose another directory."]
    if not shared:
        return [
            f"{variable} is {uri}, a path of each host for itself. Where it is one shared file system (NFS and its like) on "
            "every JobManager and TaskManager, say so with flink_ha_storage_shared: true (it is proved before anything "
            "starts); otherwise choose a storage that is shared."
        ]
    return []


def moved_storage_problems(
    host: str, running: Iterable[Mapping[str, str]], storage_dir: str, checkpoint_dir: str
) -> list[str]:
    """Refuses another storage under processes that run.

    ZooKeeper has pointers into the storage, but the jars of a job are looked for where the configuration says (BlobUtils,
    FileSystemBlobStore): a JobManager that takes over a job from another directory ends with a FileNotFoundException, and so does every
    other one. And a TaskManager that was not restarted yet may not write to another local directory than its unit's (ReadWritePaths).
    One that ends again and again is not live, so the way back from there is open.

    Args:
        running: what `flink_tls.live_settings` gave for this host.
        storage_dir, checkpoint_dir: flink_ha_storage_dir and flink_ha_checkpoint_dir.
    """
    way = (
        'Put it back, and follow docs/operations.md, "Another storage": every job ends with a savepoint, the cluster stops, and starts on '
        "the new storage."
    )
    problems = []
    for each in running:
        storage, checkpoints = (
            _whole(next((each[key].strip("'\"") for key in keys if key in each), ""))
            for keys in (STORAGE_KEYS, CHECKPOINT_KEYS)
        )
        if each["kind"] == JOB_MANAGER and storage not in ("", _whole(storage_dir)):
            problems.append(
                f"{host}: runs with flink_ha_storage_dir {storage}, and is to have {storage_dir}, where the jars of its jobs are not: no "
                f"JobManager could take them over. {way}"
            )
        elif each["kind"] == TASK_MANAGER and checkpoints and not _writable(checkpoint_dir, [storage, checkpoints]):
            problems.append(
                f"{host}: runs with flink_ha_checkpoint_dir {checkpoints}, and is to have {checkpoint_dir}, where a TaskManager that was "
                f"not restarted yet may not write. {way}"
            )
    return list(dict.fromkeys(problems))


def _whole(uri: str) -> str:
    """As it is compared: a path without a scheme is one of the host, and a slash at the end says nothing."""
    return (f"file://{uri}" if uri.startswith("/") else uri).rstrip("/")


def _writable(uri: str, allowed: Iterable[str]) -> bool:
    """Whether a unit that may write to the local paths of some URIs may write there; of other file systems it has no say."""
    path = storage_path(uri)
    return not path or any(f"{path}/".startswith(f"{other.rstrip('/')}/") for other in local_paths(allowed))
