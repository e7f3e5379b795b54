"""Where releases of Flink keep their leaders in ZooKeeper. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_ROOT = "/flink"


@dataclass(frozen=True)
class Component:
    """One election: the node that its leader writes and the parent of the latch, both below the cluster's path."""

    name: str
    info: str
    latch: str


@dataclass(frozen=True)
class Layout:
    """Where releases keep their leaders.

    Attributes:
        name: the releases, in words.
        since: the first release (major, minor).
        until: the last release, or None where the newest has it.
        lead: the component whose owner leads the cluster.
        components: all of them.
        one_election: all components are led by the winner of one latch.
    """

    name: str
    since: tuple[int, int]
    until: tuple[int, int] | None
    lead: str
    components: tuple[Component, ...]
    one_election: bool

    def has(self, release: tuple[int, int]) -> bool:
        """Whether the release keeps its leaders so."""
        return self.since <= release and (self.until is None or release <= self.until)

    @property
    def leading(self) -> Component:
        """The component whose owner leads."""
        return next(component for component in self.components if component.name == self.lead)


_NAMES = ("rest_server", "dispatcher", "resource_manager")


#: The first JobManager had no job to be named after: JobID(0, 0) (HighAvailabilityServices, Flink 1.3.3).
_NO_JOB = "00000000000000000000000000000000/job_manager_lock"


#: Newest first. Releases from 1.15 differ in the node of a job's leader only (`leader/job-<id>` from 1.19), which is not
#: read. 1.15 could still be told to use the services of 1.14 (high-availability.use-old-ha-services).
#: 1.13.6, 1.14.6, 1.18.1, 1.20.5 and 2.3.0 were seen on real clusters; releases before 1.13 are read in their source.
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "1.15 and newer",
        (1, 15),
        None,
        "rest_server",
        tuple(Component(name, f"leader/{name}/connection_info", "leader/latch") for name in _NAMES),
        one_election=True,
    ),
    Layout(
        "1.14",
        (1, 14),
        (1, 15),
        "dispatcher",
        tuple(Component(name, f"leader/{name}/connection_info", f"leader/{name}/latch") for name in _NAMES),
        one_election=False,
    ),
    Layout(
        "1.5 to 1.13",
        (1, 5),
        (1, 13),
        "dispatcher",
        tuple(Component(name, f"leader/{name}_lock", f"leaderlatch/{name}_lock") for name in _NAMES),
        one_election=False,
    ),
    Layout(
        "1.3 and 1.4",
        (1, 3),
        (1, 4),
        "job_manager",
        (Component("job_manager", f"leader/{_NO_JOB}", f"leaderlatch/{_NO_JOB}"),),
        one_election=True,
    ),
    Layout(
        "1.2 and older",
        (0, 9),
        (1, 2),
        "job_manager",
        (Component("job_manager", "leader", "leaderlatch"),),
        one_election=True,
    ),
)


def parse_release(text: str) -> tuple[int, int]:
    """(major, minor) of a Flink version such as `1.20.5`.

    Raises:
        ValueError: it is none, or older than every layout.
    """
    match = re.fullmatch(r"(\d{1,3})\.(\d{1,3})(?:[.-][0-9A-Za-z.-]+)?", text)
    if not match:
        raise ValueError(f"flink_version '{text}' is not a version such as 1.20.5")
    release = int(match[1]), int(match[2])
    if release < LAYOUTS[-1].since:
        raise ValueError(f"flink_version {text}: the first release with leaders in ZooKeeper is 0.9")
    return release


def cluster_path(path_root: str, cluster_id: str) -> str:
    """The cluster's node, slashes made one as Flink does it.

    Raises:
        ValueError: the cluster-id is empty, or a part is none that ZooKeeper takes.
    """
    parts = [part for part in f"{path_root}/{cluster_id}".split("/") if part]
    if not cluster_id.strip("/ "):
        raise ValueError("cluster_id is empty: name the value of high-availability.cluster-id")
    for part in parts:
        if part in (".", "..") or not part.isprintable():
            raise ValueError(f"path_root '{path_root}', cluster_id '{cluster_id}': '{part}' cannot be part of a path")
    return "/" + "/".join(parts)
