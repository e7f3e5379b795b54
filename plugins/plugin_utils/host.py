"""What `host_state` read of a host."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.streamquorum.ha.plugins.module_utils.host.preflight import platform_name

Facts = Mapping[str, Any]
Known = TypeVar("Known")
Made = TypeVar("Made")


class PlanError(Exception):
    """A host cannot be planned, which is an error of ours."""


def for_each_host(known: Mapping[str, Known], make: Callable[[str, Known], Made]) -> dict[str, Made]:
    """What is made of each host, by its name and what is known of it.

    Raises:
        PlanError: with the host, and where which type of error was met; not with its text, in which a secret may be.
    """
    found = {}
    for host, each in known.items():
        try:
            found[host] = make(host, each)
        except Exception as error:
            met = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(met.filename).name}:{met.lineno}"
            raise PlanError(f"{host} cannot be planned: {type(error).__name__} at {place}") from error
    return found


@dataclass(frozen=True)
class HostState:
    """The answer of `host_state`. Every path, unit and account that was not asked for is missing: a KeyError is an error of ours."""

    paths: Mapping[str, Facts]
    units: Mapping[str, Facts]
    contents: Mapping[str, str] = field(repr=False)
    lines: Mapping[str, list[str]]
    #: Whether a file has certain lines: passwords are compared on the host, and never read.
    holds: Mapping[str, Mapping[str, bool]]
    matches: Mapping[str, list[str]]
    #: Of Hadoop's configuration files.
    properties: Mapping[str, Mapping[str, str]]
    resolved: Mapping[str, list[str]]
    #: Of servers of another inventory's ensemble; empty for one that does not say.
    zookeeper_releases: Mapping[str, str]
    accounts: Mapping[str, Facts]
    listening: tuple[Facts, ...]
    #: What stands at the paths that are written.
    standing: Mapping[str, Mapping[str, str]]
    unread: Mapping[str, str]
    #: Most open files that systemd can give; 0 where nobody knows.
    open_files: int
    os_name: str
    #: Key of the tables of platforms: "debian 12".
    platform: str
    #: All of the answer, as the rules of `preflight` take it.
    answer: Mapping[str, Any] = field(repr=False)

    @staticmethod
    def of(answer: Mapping[str, Any]) -> HostState:
        """The state of a host, from the result of the module.

        Raises:
            KeyError: the answer is not whole.
        """
        return HostState(
            paths=answer["paths"],
            units=answer["units"],
            contents=answer["contents"],
            lines=answer["lines"],
            holds=answer["holds"],
            matches=answer["matches"],
            # Of a host that is asked for none.
            properties=answer.get("properties", {}),
            resolved=answer["resolved"],
            # Of a host that is asked for none.
            zookeeper_releases=answer.get("zookeeper_releases", {}),
            accounts=answer["accounts"],
            listening=tuple(answer["listening"]),
            standing=answer["standing"],
            unread=answer["unread"],
            open_files=int(answer["open_files"]),
            os_name=str(answer["os"]["name"]),
            platform=platform_name(answer),
            answer=answer,
        )

    def exists(self, path: str) -> bool:
        return bool(self.paths[path]["exists"])

    def foreign(self, unit: str) -> Facts:
        """What the process of a unit is, where somebody else set it up: releases and directories; empty where nobody did."""
        found: Facts = self.units[unit].get("foreign", {})
        return found

    def ports_of(self, unit: str) -> list[int]:
        """Ports that a unit's processes listen on, each once, in their order."""
        return sorted({int(each["port"]) for each in self.listening if each["unit"] == unit})
