"""What yarn-site.xml of a client, and the ResourceManager that runs, say of an application to come. Pure.

How often YARN starts an ApplicationMaster anew is the smallest of what the application asks for and the cap of the ResourceManager, and YARN
says of a lower cap nothing (seen on 3.4.2: docs/traps.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FILE = "yarn-site.xml"
ENABLED, RM_IDS = "yarn.resourcemanager.ha.enabled", "yarn.resourcemanager.ha.rm-ids"
RECOVERY = "yarn.resourcemanager.recovery.enabled"
AUTHENTICATION, KERBEROS = "hadoop.security.authentication", "kerberos"
#: Who the ResourceManagers are.
PRINCIPAL = "yarn.resourcemanager.principal"
#: Whether the ResourceManager may get new delegation tokens for an application (yarn-default.xml; what it is for was seen on 3.4.2).
NEW_TOKENS = "yarn.resourcemanager.proxy-user-privileges.enabled"
#: The first one counts where it is set, else the second (RMAppImpl of Hadoop 3: it takes the one for the other).
CAPS = ("yarn.resourcemanager.am.global.max-attempts", "yarn.resourcemanager.am.max-attempts")
#: yarn-default.xml.
CAP = 2
HTTPS_ONLY = "HTTPS_ONLY"
#: By scheme, the property of a ResourceManager's address, and its port where that names none (yarn-default.xml).
WEB = {
    "http": ("yarn.resourcemanager.webapp.address", 8088),
    "https": ("yarn.resourcemanager.webapp.https.address", 8090),
}
POLICY, HOST = "yarn.http.policy", "yarn.resourcemanager.hostname"
#: What is told of a configuration: what else it has may be secret.
READ = (ENABLED, RM_IDS, RECOVERY, *CAPS, AUTHENTICATION, PRINCIPAL, NEW_TOKENS)
#: Tags of YARN are lower-cased by it, and a unit has the name too.
NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,39}$")


@dataclass(frozen=True)
class Cap:
    """How many attempts YARN allows, and what says so."""

    attempts: int
    name: str


def resource_managers(properties: Mapping[str, str]) -> list[str]:
    """URLs of the ResourceManagers, by the client's own file; none where it names none."""
    scheme = "https" if properties.get(POLICY) == HTTPS_ONLY else "http"
    address, port = WEB[scheme]
    ids = [each.strip() for each in properties.get(RM_IDS, "").split(",") if each.strip()]
    suffixes = [f".{each}" for each in ids] if properties.get(ENABLED) == "true" else [""]
    found = []
    for suffix in suffixes:
        host = properties.get(f"{HOST}{suffix}", "")
        place = properties.get(f"{address}{suffix}", "").replace(f"${{{HOST}{suffix}}}", host)
        if place or host:
            found.append(f"{scheme}://{place or f'{host}:{port}'}")
    return found


def cap(properties: Mapping[str, str]) -> Cap:
    """The cap of the attempts, by a configuration of YARN."""
    for name in CAPS:
        if re.fullmatch(r"\d+", properties.get(name, "")):
            return Cap(int(properties[name]), name)
    return Cap(CAP, f"{CAPS[1]} (its default)")


def attempts_problems(host: str, wanted: int, properties: Mapping[str, str], running: Mapping[str, str]) -> list[str]:
    """Refuses more attempts than YARN would make.

    Args:
        host: name of the client.
        wanted: flink_ha_yarn_application_attempts.
        properties: of the client's yarn-site.xml.
        running: of the ResourceManager that runs; empty where it does not tell.
    """
    found, where = (cap(running), "the ResourceManager that runs") if running else (cap(properties), f"{host}'s {FILE}")
    if wanted <= found.attempts:
        return []
    return [
        f"flink_ha_yarn_application_attempts is {wanted}, and {where} has {found.name} {found.attempts}: YARN makes no more "
        f"attempts than that, says so nowhere, and the application fails for good with number {found.attempts}. Set it to {found.attempts} "
        f"or less, or have this in {FILE} of the ResourceManagers and restart them:\n{snippet(wanted)}"
    ]


def snippet(attempts: int) -> str:
    """What the ResourceManagers' own configuration needs. It is never written: their hosts are not ours."""
    return f"<property>\n  <name>{CAPS[0]}</name>\n  <value>{attempts}</value>\n</property>"


def name_problems(name: str) -> list[str]:
    """Refuses a name that the tag and the unit cannot have."""
    if not name:
        return [
            "flink_ha_yarn_name is missing. Give every application on this YARN its own, such as orders: by it a run finds the one that "
            "runs, and starts no second one."
        ]
    if NAME.match(name):
        return []
    return [
        f"flink_ha_yarn_name is {name!r}. It is a part of a tag in YARN: lower-case letters, digits and dashes, 40 at most."
    ]


def limit_problems(name: str, hosts: Sequence[str], played: Sequence[str], unreached: Sequence[str]) -> list[str]:
    """Refuses a run that leaves out a host from which the application is started as well.

    Args:
        name: flink_ha_yarn_name.
        hosts: all that start it.
        played: hosts that the run is limited to.
        unreached: hosts that the run goes on without.
    """
    left_out = [host for host in hosts if host not in (*played, *unreached)]
    if not left_out:
        return []
    return [
        f"--limit leaves out {', '.join(left_out)}, from which the application {name} is started as well: two runs could each start one. Run "
        "without --limit, or with all of its hosts."
    ]


def queue_problems(queue: str, queues: Sequence[str]) -> list[str]:
    """Refuses a queue that YARN does not have; it would refuse the application itself, after Flink was uploaded.

    Args:
        queue: flink_ha_yarn_queue; empty for YARN's own default.
        queues: names that the ResourceManager tells; none where it does not.
    """
    if not queue or not queues or queue in queues:
        return []
    return [f"flink_ha_yarn_queue is {queue}, and YARN has no such queue: it has {', '.join(queues)}."]


def behaviour(version: str, behaviours: Sequence[Mapping[str, Any]]) -> str:
    """What a release of YARN does to TaskManagers when their ApplicationMaster is lost; empty for one of which nothing is known.

    Args:
        version: of the ResourceManager, such as 3.4.2.
        behaviours: since (release) and told, the newest first.
    """
    numbers = _numbers(version)
    return next((str(each["told"]) for each in behaviours if numbers and _numbers(each["since"]) <= numbers), "")


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(each or 0) for each in found.groups()) if found else ()


def cautions(running: Mapping[str, str]) -> list[str]:
    """What of the ResourceManager that runs an operator should know, by its own configuration."""
    told = []
    if running.get(RECOVERY) != "true":
        told.append(
            f"{RECOVERY} is not true: a ResourceManager that is restarted forgets this application, and ends it."
        )
    if running.get(ENABLED) != "true":
        told.append(
            f"{ENABLED} is not true: while the one ResourceManager is down, no ApplicationMaster that is lost comes back."
        )
    if running.get(AUTHENTICATION) == KERBEROS and running.get(NEW_TOKENS) != "true":
        told.append(
            f"{NEW_TOKENS} is not true: once the delegation token of the submission has ended (dfs.namenode.delegation.token.max-lifetime, 7 days "
            "where nobody sets it), an ApplicationMaster that comes to a node without its files fails there in all of its attempts, and the "
            "application for good. Set it, with hadoop.proxyuser.USER.hosts and .groups of the ResourceManagers' user in core-site.xml of the "
            "NameNodes; or have a change of the application, which submits it anew, more often than that."
        )
    return told
