"""What an inventory describes: a lab and its hosts. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.run import LabError
from lab.state import LAB_ROOT

BENCHMARK_RANGE = ipaddress.IPv4Network("198.18.0.0/15")

#: Suites of Debian that a host may have, and the Java of each.
SUITES = {"bookworm": "openjdk-17-jre-headless", "trixie": "openjdk-21-jre-headless"}


@dataclasses.dataclass(frozen=True)
class Host:
    """One host of a lab, as its inventory describes it."""

    name: str
    address: str
    suite: str = "bookworm"
    java: bool = True
    volumes: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        return self.name.split(".")[0]


@dataclasses.dataclass(frozen=True)
class Lab:
    """A lab: its name, its network and its hosts sorted by name."""

    name: str
    subnet: str
    hosts: tuple[Host, ...]

    @property
    def prefix(self) -> str:
        return f"sq-{self.name}"

    @property
    def directory(self) -> Path:
        return LAB_ROOT / self.name

    def container(self, host: Host) -> str:
        return f"{self.prefix}-{host.short}"


def read_lab(listing: Mapping[str, Any]) -> Lab:
    """The lab that `ansible-inventory --list` describes.

    Raises:
        LabError: a variable is missing or wrong; every problem is named.
    """
    hostvars: Mapping[str, Mapping[str, Any]] = listing.get("_meta", {}).get("hostvars", {})
    if not hostvars:
        raise LabError("The inventory has no hosts. Name the directory of a lab's inventory, such as inventory/lab.")
    problems: list[str] = []

    def shared(variable: str) -> str:
        values = {str(variables.get(variable, "")) for variables in hostvars.values()}
        if len(values) != 1 or values == {""}:
            seen = " and ".join(sorted(value or "none" for value in values))
            problems.append(f"{variable} must be set, the same for all hosts; they have {seen}.")
            return ""
        return values.pop()

    name, subnet = shared("lab_name"), shared("lab_subnet")
    if name and not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", name):
        problems.append(f"lab_name is {name!r}: use lower-case letters, digits and hyphens, at most 20.")
    hosts = tuple(_read_host(host, hostvars[host], problems) for host in sorted(hostvars))
    if subnet:
        problems += network_problems(subnet, hosts)
    if problems:
        raise LabError("The inventory describes no lab:\n  " + "\n  ".join(problems))
    return Lab(name, subnet, hosts)


def _read_host(name: str, variables: Mapping[str, Any], problems: list[str]) -> Host:
    def texts(variable: str) -> tuple[str, ...]:
        value = variables.get(variable, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            problems.append(f"{name}: {variable} must be a list of strings.")
            return ()
        return tuple(value)

    host = Host(
        name=name,
        address=str(variables.get("ansible_host", "")),
        suite=str(variables.get("lab_image", "bookworm")),
        java=variables.get("lab_java", True) is not False,
        volumes=texts("lab_volumes"),
        tmpfs=texts("lab_tmpfs"),
        capabilities=texts("lab_capabilities"),
        devices=texts("lab_devices"),
    )
    if host.suite not in SUITES:
        problems.append(f"{name}: lab_image is {host.suite!r}; there is {' and '.join(SUITES)}.")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", name):
        problems.append(f"{name}: a host's name must be fully qualified and lower-case, such as zk1.lab.test.")
    for volume in host.volumes:
        if not re.fullmatch(r"[a-z0-9-]+:/\S+", volume):
            problems.append(f"{name}: lab_volumes has {volume!r}; write name:/path.")
    return host


def network_problems(subnet: str, hosts: Sequence[Host]) -> list[str]:
    """Refuses addresses outside of the lab's own network, and names or addresses that two hosts share."""
    try:
        network = ipaddress.IPv4Network(subnet)
    except ValueError as error:
        return [f"lab_subnet is {subnet!r}: {error}."]
    if not network.subnet_of(BENCHMARK_RANGE):
        return [f"lab_subnet is {subnet}: take a network inside {BENCHMARK_RANGE}, which nothing else routes."]
    problems = []
    gateway = network.network_address + 1
    addresses: dict[str, str] = {}
    shorts: dict[str, str] = {}
    for host in hosts:
        try:
            address = ipaddress.IPv4Address(host.address)
        except ValueError:
            problems.append(f"{host.name}: ansible_host is {host.address!r}; give it an address of {subnet}.")
            continue
        if address not in network or address in (network.network_address, gateway, network.broadcast_address):
            problems.append(
                f"{host.name}: ansible_host is {address}; take a free one of {subnet} ({gateway} is taken)."
            )
        for taken, key, what in ((addresses, host.address, "address"), (shorts, host.short, "short name")):
            if key in taken:
                problems.append(f"{host.name} and {taken[key]} have the same {what} {key}.")
            taken[key] = host.name
    return problems
