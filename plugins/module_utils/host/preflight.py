"""Refusals that both roles share: each says variable, host and remedy. Pure; empty lists mean nothing to refuse."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.members import FLINK_GROUPS
from ansible_collections.streamquorum.ha.plugins.module_utils.core.quorum import Voter, survives


def release_problems(version: str, releases: Sequence[Mapping[str, Any]], what: str, variable: str) -> list[str]:
    """Refuses a version that the table of releases does not have."""
    known = [str(release["version"]) for release in releases]
    if version in known:
        return []
    return [
        f"{variable} is {version!r}, which is no release that this toolkit knows for {what}. Known: {', '.join(known)}."
    ]


#: Debian's name of a machine type, as it stands in the path of its Java packages.
DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def java_plan(state: Mapping[str, Any], java_home: str, platforms: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Which Java will run a service: {home, major, package, installed}; `major` is 0 where nobody knows it.

    Args:
        state: what `host_state` returned.
        java_home: the operator's own, or empty for the distribution's package.
        platforms: "id version" -> {java_package, java_major}.
    """
    if java_home:
        found = state["javas"].get(java_home)
        return {"home": java_home, "major": found["major"] if found else 0, "package": "", "installed": bool(found)}
    platform = platforms.get(platform_name(state))
    if not platform:
        return {"home": "", "major": 0, "package": "", "installed": False}
    machine = state["os"]["machine"]
    home = f"/usr/lib/jvm/java-{platform['java_major']}-openjdk-{DEBIAN_ARCHITECTURES.get(machine, machine)}"
    return {
        "home": home,
        "major": platform["java_major"],
        "package": platform["java_package"],
        "installed": home in state["javas"],
    }


def platform_name(state: Mapping[str, Any]) -> str:
    """ "debian 12": the key of a platform in the table."""
    return f"{state['os']['id']} {state['os']['version']}"


def java_problems(host: str, plan: Mapping[str, Any], wanted: Mapping[str, int], variable: str, what: str) -> list[str]:
    """Refuses a Java that is not there or outside of a release's range; `plan` is what `java_plan` gave."""
    if not plan["home"]:
        return [f"{host}: this toolkit knows no Java package for its platform. Install a Java and set {variable}."]
    if not plan["installed"] and not plan["package"]:
        return [f"{host}: {variable} is {plan['home']}, where there is no bin/java. Correct the path."]
    if not wanted["min"] <= plan["major"] <= wanted["max"]:
        return [
            f"{host}: Java {plan['major']} ({plan['home']}) does not fit {what}, which needs Java {wanted['min']} to "
            f"{wanted['max']}. Set {variable} to one that fits."
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


def unread_problems(host: str, unread: Mapping[str, str]) -> list[str]:
    """Refuses what stands where a file or directory of ours would, and was not read: absent means something else."""
    return [f"{host}: {unread[path]} Nothing was changed." for path in sorted(unread)]


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
        "Stop that, or change the variable. Where that is this member itself, playbooks/adopt.yml puts it under its unit, without a restart."
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


def host_names(given: str | Sequence[str]) -> list[str]:
    """Names of hosts from a list, or from a text with commas, as the command line gives it."""
    texts = [given] if isinstance(given, str) else given
    return list(dict.fromkeys(name.strip() for text in texts for name in str(text).split(",") if name.strip()))


def unreached_problems(
    groups: Mapping[str, Sequence[str]],
    accepted: Sequence[str],
    unreached: Sequence[str],
    members: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Refuses to go on without hosts that are needed, or that the inventory does not have.

    Args:
        accepted: names that `accept_unreachable` gives.
        unreached: those of them that cannot be reached.
        members: of the ensemble (host, id, address, peer_type); empty for one that is not in the inventory.
    """
    parts = [groups.get(name, ()) for name in ("zookeeper", *FLINK_GROUPS)]
    known = {host for part in parts for host in part}
    problems = [
        f"accept_unreachable names {name}, which is no host of this cluster. Give names as the inventory has them."
        for name in accepted
        if name not in known
    ]
    # Hosts join the group as they fail to answer, in any order.
    gone = ", ".join(name for name in accepted if name in unreached)
    down = {member["id"] for member in members if member["host"] in unreached}
    voters = [Voter(int(member["id"]), member["peer_type"] == "participant") for member in members]
    if down and not survives(voters, down):
        problems.append(
            f"Without {gone} the ensemble has no quorum, so this run cannot go on without them. Bring back as many as are "
            "missing for a majority of the voters."
        )
    if parts[1] and set(parts[1]) <= set(unreached):
        problems.append(f"Without {gone} no JobManager is left, so this run cannot go on without them.")
    if parts[3] and set(parts[3]) <= set(unreached):
        problems.append(
            f"Without {gone} no host is left that knows of Flink on YARN, so this run cannot go on without them."
        )
    return problems


def series(release: str) -> str:
    """The minor release: 3.8 of 3.8.6."""
    return ".".join(release.split(".")[:2])


def upgrade_problems(
    host: str,
    what: str,
    variable: str,
    running: str,
    wanted: str,
    pairs: Sequence[Mapping[str, Any]],
    upgrade: bool,
    across_minor: bool,
    otherwise: str = "that pair was never tested",
) -> list[str]:
    """Refuses a change of release that was not asked for, was not tested, or has to be confirmed.

    Args:
        running: release that stands behind `current`; empty where it is not known.
        pairs: {from, to, tested}: series (as `3.8`) that may follow each other in a roll.
        upgrade: playbooks/upgrade.yml asks.
        across_minor: the operator has confirmed a change across minor releases.
        otherwise: why a pair that is not among them is refused.
    """
    if running in ("", wanted):
        return []
    before, after = series(running), series(wanted)
    change = f"{host}: runs {what} {running}, and {variable} is {wanted}"
    if (before, after) not in [(pair["from"], pair["to"]) for pair in pairs]:
        known = ", ".join(f"{pair['from']}.x to {pair['to']}.x" for pair in pairs)
        return [f"{change}: {otherwise}. What may be rolled: {known}."]
    if not upgrade:
        return [
            f"{change}. A release is changed by playbooks/upgrade.yml, which looks at more than a change of configuration "
            "needs to."
        ]
    if before != after and not across_minor:
        return [
            f"{change}: a change across minor releases may not be undone once something new is used. Read its notes, then "
            f"confirm it with {variable.removesuffix('_version')}_upgrade_across_minor=true."
        ]
    return []


def takeover_problems(host: str, what: str, variable: str, running: str, wanted: str) -> list[str]:
    """Refuses to change the release along with the unit, but for a later patch release.

    Args:
        running: release of a process that somebody else set up, perhaps a vendor's; empty where it is not known.
    """
    before, after = (tuple(map(int, re.findall(r"\d+", each)[:3])) for each in (running, wanted))
    if not running or (series(running) == series(wanted) and before <= after):
        return []
    return [
        f"{host}: runs {what} {running}, which somebody else set up, and {variable} is {wanted}. A takeover keeps the minor release, and goes "
        f"back to no older patch: set {variable} to that one or a later {series(running)}.x. playbooks/upgrade.yml changes it afterwards."
    ]


def space_problems(host: str, path: str, free_mb: int, needed_mb: int, what: str) -> list[str]:
    """Refuses to unpack a release where it does not fit."""
    if free_mb >= needed_mb:
        return []
    return [f"{host}: {path} has {free_mb} MB free, and {what} needs {needed_mb} MB. Make room there."]


def open_files(wanted: int, possible: int) -> int:
    """The limit of open files for a unit: one that systemd cannot give keeps the unit from starting.

    Args:
        wanted: by the inventory.
        possible: what `host_state` read; 0 where nobody knows.
    """
    return min(wanted, possible) if possible else wanted


def release_in(path: str, name: str) -> str:
    """The release in the path of a directory `<name>-<release>`; empty for any other path."""
    last = path.rstrip("/").rpartition("/")[2]
    return last.removeprefix(f"{name}-") if last.startswith(f"{name}-") else ""


#: How alike a name and a switch are (difflib's ratio, 0 to 1) where one is taken for the other.
NEARLY = 0.9
#: Inputs that have another name since a release of this toolkit: the name of before -> the one of now.
RENAMED = {"zookeeper_command": "zookeeper_shell_path"}


def unknown_variables(
    hostvars: Mapping[str, Mapping[str, Any]], known: Sequence[str], switches: Sequence[str] = ()
) -> list[str]:
    """Variables of the inventory and of the run that are like an input and are none: a misspelt one takes no effect.

    Args:
        hostvars: of all hosts.
        known: names of all inputs of the roles. What begins like them is taken for one.
        switches: names of the inputs of the playbooks. Theirs begin with common words: only what is nearly one is taken for it.
    """
    inputs = {*known, *switches}
    prefixes = tuple(sorted({f"{name.split('_')[0]}_" for name in known} - {"flink_", "_"} | {"flink_ha_"}))
    found: dict[str, list[str]] = {}
    for host in sorted({*hostvars, "localhost"}):  # in no inventory where it is implicit, but with the run's own
        for name in hostvars.get(host) or {}:
            found.setdefault(name, []).append(host)
    doubtful = {
        name: hosts
        for name, hosts in found.items()
        if name not in inputs and (name.startswith(prefixes) or difflib.get_close_matches(name, switches, 1, NEARLY))
    }
    return [
        f"{name} (of {', '.join(sorted(hosts)[:3])}{' and others' if len(hosts) > 3 else ''}) is no input of this "
        f"toolkit, so it would take no effect. {_meant(name, [*known, *switches])}"
        for name, hosts in sorted(doubtful.items())
    ]


def _meant(name: str, known: Sequence[str]) -> str:
    if name in RENAMED:
        return f"Its name is {RENAMED[name]} now."
    close = difflib.get_close_matches(name, known, 1, 0.8)
    return f"Is {close[0]} meant?" if close else "docs/variables.md lists them."
