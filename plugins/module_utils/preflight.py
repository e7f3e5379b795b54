"""Refusals that both roles share: each says variable, host and remedy. Pure; empty lists mean nothing to refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def release_problems(version: str, releases: Sequence[Mapping[str, Any]], what: str, variable: str) -> list[str]:
    """Refuses a version that the table of releases does not have."""
    known = [str(release["version"]) for release in releases]
    if version in known:
        return []
    return [
        f"{variable} is {version!r}, which is no release that this toolkit knows for {what}. Known: {', '.join(known)}."
    ]


def java_problems(host: str, java: Mapping[str, Any], wanted: Mapping[str, int], variable: str, what: str) -> list[str]:
    """Refuses a Java outside of a release's range. `java` is what will be used: {home, major, exists}."""
    if variable and not java["exists"]:
        return [
            f"{host}: {variable} is {java['home']}, where there is no bin/java. Correct the path, or leave the variable empty."
        ]
    if java["major"] and not wanted["min"] <= java["major"] <= wanted["max"]:
        return [
            f"{host}: Java {java['major']} ({java['home'] or 'from the distribution'}) does not fit {what}, which needs "
            f"{wanted['min']} to {wanted['max']}. Set {variable or 'the java_home variable'} to a Java that fits."
        ]
    return []


def name_problems(host: str, resolved: Mapping[str, Sequence[str]]) -> list[str]:
    """Refuses server names that this host does not resolve, or resolves to loopback."""
    problems = []
    for name, addresses in sorted(resolved.items()):
        if not addresses:
            problems.append(f"{host}: does not resolve {name}. Add it to DNS or /etc/hosts, or set zookeeper_address.")
        elif any(address.startswith("127.") or address == "::1" for address in addresses):
            problems.append(
                f"{host}: resolves {name} to loopback ({', '.join(addresses)}), where no peer can reach it. "
                "Remove that line from /etc/hosts (Debian's installer writes 127.0.1.1), or set zookeeper_address."
            )
    return problems


def port_problems(host: str, ports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Refuses two services on one port of a host. Each of `ports` is {port, what}."""
    owner: dict[int, str] = {}
    problems = []
    for entry in ports:
        port = int(entry["port"])
        if not 1 <= port <= 65535:
            problems.append(f"{host}: {entry['what']} is {port}; a port is a number from 1 to 65535.")
        elif port in owner:
            problems.append(
                f"{host}: port {port} is wanted by {owner[port]} and by {entry['what']}. Change one of the two."
            )
        owner.setdefault(port, str(entry["what"]))
    return problems


def occupied_problems(
    host: str, ports: Sequence[Mapping[str, Any]], listening: Sequence[Mapping[str, Any]], own_units: Sequence[str]
) -> list[str]:
    """Refuses a port on which a process that is not ours listens already."""
    foreign = {int(entry["port"]): entry for entry in listening if entry["unit"] not in own_units}
    return [
        f"{host}: port {entry['port']} ({entry['what']}) is in use by "
        f"{foreign[int(entry['port'])]['unit'] or 'process ' + str(foreign[int(entry['port'])]['pid'])}. "
        "Stop that, or change the variable."
        for entry in ports
        if int(entry["port"]) in foreign
    ]


def limit_problems(group: Sequence[str], play_hosts: Sequence[str], what: str) -> list[str]:
    """Refuses a run that sees only a part of the ensemble."""
    missing = sorted(set(group) - set(play_hosts))
    if not missing:
        return []
    return [
        f"--limit leaves out {', '.join(missing)} of {what}, whose state this run would not know. "
        "Run without --limit, or with --limit that names the whole group (for example --limit zookeeper)."
    ]
