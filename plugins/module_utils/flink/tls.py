"""TLS of Flink: what is refused, and how REST is asked while a live cluster goes from one scheme to the other. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.options import (
    LEGACY_FILE,
    RELEASE,
    STANDARD_FILE,
    parse,
    parse_release,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.rest import HTTP, HTTPS
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.services import JOB_MANAGER
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import auth as zookeeper_auth

#: ZooKeeper's client before has no Netty socket, the only one with TLS (flink-shaded).
TLS_CLIENT_SINCE = (3, 5)
#: keytool makes no store with a shorter password.
SHORTEST_PASSWORD = 6
#: Key exchange by RSA: JDK 11.0.30, 17.0.18, 21.0.10 and 24 refuse it (FLINK-39022).
REFUSED_ALGORITHM = re.compile(r"^TLS_RSA_|_WITH_(NULL|RC4|3DES|DES)_|_anon_")

FILES = (LEGACY_FILE, STANDARD_FILE)
REST_KEY, INTERNAL_KEY = "security.ssl.rest.enabled", "security.ssl.internal.enabled"
PRINCIPAL_KEY, QUORUM_KEY = "security.kerberos.login.principal", "high-availability.zookeeper.quorum"


def tls_problems(given: Mapping[str, Any], ensemble: Mapping[str, Any]) -> list[str]:
    """Why the wanted TLS is refused, whatever runs.

    Args:
        given: rest (none, server, mutual), internal, zookeeper and tracker (booleans), password, algorithms, version,
            client (of ZooKeeper; empty for one of 3.7 or newer),
            authority_dir, and files: the certificates, each with variable, src and ca.
        ensemble: client_tls, the stage of the ensemble in this inventory (empty where that has none), and closed, whether a
            member that runs has no plain port.
    """
    return _file_problems(given) + _store_problems(given) + _zookeeper_problems(given, ensemble)


def _file_problems(given: Mapping[str, Any]) -> list[str]:
    problems = []
    for each in given["files"]:
        variable, authorities = each["variable"], each["variable"].removesuffix("_file") + "_ca_file"
        if not each["src"] and not given["authority_dir"]:
            problems.append(
                f"{variable} is empty. Give the certificate of each host, or a private authority (tls_authority_dir)."
            )
        if each["src"] and not each["ca"]:
            problems.append(f"{variable} is given, and {authorities} is empty. Give the authorities that are trusted.")
    return problems


def _store_problems(given: Mapping[str, Any]) -> list[str]:
    if given["rest"] == "none" and not given["internal"]:
        return []
    problems = []
    password, name = str(given["password"]), "flink_ha_tls_store_password"
    if not password:
        problems.append(f"{name} is empty, and Flink reads no store without one. Set it, best in a vaulted file.")
    elif len(password) < SHORTEST_PASSWORD:
        problems.append(
            f"{name} has fewer than {SHORTEST_PASSWORD} characters, which Java's tools refuse. Set a longer one."
        )
    elif not re.fullmatch(r"[!-~]+", password) or "#" in password:
        problems.append(
            f"{name} has a space, a '#', or what is not ASCII, which releases of Flink read differently. Set one without."
        )
    refused = [each for each in given["algorithms"] if REFUSED_ALGORITHM.search(str(each))]
    if refused:
        problems.append(
            f"flink_ha_tls_algorithms has {', '.join(refused)}, which today's Java does not negotiate. Take those with ECDHE."
        )
    elif not given["algorithms"]:
        problems.append("flink_ha_tls_algorithms is empty: nothing could be negotiated. Leave it at its default.")
    return problems


def _zookeeper_problems(given: Mapping[str, Any], ensemble: Mapping[str, Any]) -> list[str]:
    stage = ensemble["client_tls"]
    if not given["zookeeper"]:
        if stage != "required" and ensemble["closed"]:
            return [
                "flink_ha_zookeeper_tls is false, and members run without a plain port. Leave it true and set "
                "zookeeper_client_tls: offered, run playbooks/site.yml, and set it to false after that."
            ]
        return (
            [
                "zookeeper_client_tls is required, and flink_ha_zookeeper_tls is false: Flink would not reach the ensemble. Set "
                "flink_ha_zookeeper_tls: true, first of all while zookeeper_client_tls is offered."
            ]
            if stage == "required"
            else []
        )
    problems = []
    # What is no release is refused in words of its own.
    if RELEASE.match(given["client"]) and parse_release(given["client"]) < TLS_CLIENT_SINCE:
        problems.append(
            f"flink_ha_zookeeper_tls: the ZooKeeper client {given['client']} of Flink {given['version']} has no TLS. Choose another one "
            "(flink_ha_zookeeper_client), or upgrade Flink to 1.15 or newer, or set flink_ha_zookeeper_tls: false and leave "
            "zookeeper_client_tls at offered."
        )
    if given["tracker"]:
        problems.append(
            "flink_ha_zookeeper_ensemble_tracker is true, and flink_ha_zookeeper_tls too: with the next lost connection Flink would "
            "go to the plain ports that the ensemble's own list has. Set flink_ha_zookeeper_ensemble_tracker: false."
        )
    if stage == "none":
        problems.append(
            "flink_ha_zookeeper_tls is true, and zookeeper_client_tls is none: the ensemble has no secure port. Set "
            "zookeeper_client_tls: offered, and run playbooks/site.yml."
        )
    return problems


def switch_problems(host: str, running: Iterable[Mapping[str, str]], internal: bool) -> list[str]:
    """Refuses to switch the processes' own TLS on a live cluster: those with and those without do not understand each other.

    Args:
        running: what `live_settings` gave for this host.
        internal: flink_ha_internal_tls.
    """
    if all(_on(each, INTERNAL_KEY) == internal for each in running):
        return []
    return [
        f"{host}: flink_ha_internal_tls is {str(internal).lower()}, and Flink runs {'without' if internal else 'with'} it. Processes "
        "with and without TLS do not understand each other, so this is not rolled: put it back, run playbooks/stop.yml, set it, and "
        "run playbooks/site.yml. Jobs come back from their last checkpoint."
    ]


def cut_off_problems(
    host: str,
    running: Sequence[Mapping[str, str]],
    client_auth: str,
    planned_endpoints: str,
    members: Sequence[Mapping[str, str]],
) -> list[str]:
    """Refuses to close a live ensemble to processes that run: it is rolled before Flink.

    Args:
        running: what `live_settings` gave for this host.
        client_auth: wanted zookeeper_client_auth.
        planned_endpoints: servers, as host:port,…, that clients find once the ensemble was rolled.
        members: zoo.cfg, as it was parsed, of each member that is live.
    """
    problems = []
    anonymous = any(not each.get(PRINCIPAL_KEY) for each in running)
    if (
        client_auth == "required"
        and anonymous
        and any(zookeeper_auth.stages(each)[0] != "required" for each in members)
    ):
        problems.append(
            f"{host}: Flink runs without authentication, and zookeeper_client_auth is required: the ensemble is rolled first, and would "
            "not let it in. Leave it at offered, run playbooks/site.yml, which switches Flink, and set required after that."
        )
    open_ports = {each[key] for each in members for key in ("clientPort", "secureClientPort") if key in each}
    for servers in sorted({each[QUORUM_KEY].strip("'\"") for each in running if each.get(QUORUM_KEY)}):
        if _ports(servers) & open_ports and not _ports(servers) & _ports(planned_endpoints):
            problems.append(
                f"{host}: Flink runs with the servers {servers}, and once the ensemble was rolled, which comes first, nothing listens "
                "on these ports. Of zookeeper_client_port and zookeeper_secure_client_port one is closed after Flink was switched to the "
                "other: leave zookeeper_client_tls at offered, run playbooks/site.yml, and close it after that. A port that is another "
                "number needs playbooks/stop.yml first."
            )
    return problems


def _ports(servers: str) -> set[str]:
    return {server.strip().rpartition(":")[2] for server in servers.split(",")}


def live_settings(plan: Iterable[Mapping[str, Any]], lines: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """What is set for TLS in each live service of a host, and its kind.

    Args:
        plan: what `services.plan` gave.
        lines: path -> lines of the configurations that the services run with, as `host_state` read them.
    """
    return [
        {
            "kind": service["kind"],
            **parse(
                STANDARD_FILE, "\n".join(line for name in FILES for line in lines[f"{service['root']}/current/{name}"])
            ),
        }
        for service in plan
        if service["live"]
    ]


def trusted(host: Mapping[str, Any], path: str) -> str:
    """The authorities that the processes of a host trust, in PEM; empty where none runs, or without certificates.

    Args:
        host: as `host_state` read it, with the settings of its services and the file; empty before.
        path: of the file that holds them.
    """
    settings = [parse(STANDARD_FILE, "\n".join(lines)) for lines in host.get("lines", {}).values()]
    has = any(_on(each, REST_KEY) or _on(each, INTERNAL_KEY) for each in settings)
    runs = any(unit["active"] for unit in host.get("units", {}).values())
    return host.get("contents", {}).get(path, "") if has and runs else ""


def rest_schemes(wanted: str, running: Iterable[Mapping[str, str]]) -> list[str]:
    """The schemes to ask by, https first: what is wanted, and what any JobManager still serves.

    Args:
        wanted: flink_ha_rest_tls.
        running: what `live_settings` gave for all hosts.
    """
    served = {HTTPS if _on(each, REST_KEY) else HTTP for each in running if each["kind"] == JOB_MANAGER}
    return sorted({HTTP if wanted == "none" else HTTPS, *served}, reverse=True)


def _on(settings: Mapping[str, str], key: str) -> bool:
    return settings.get(key, "").strip("'\"").lower() == "true"
