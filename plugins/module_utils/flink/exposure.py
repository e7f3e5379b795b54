"""Who reaches Flink's ports: what is refused or warned of, and what the firewall lets in. Pure.

Flink as it is shipped runs the code of whoever reaches its REST: jars by `/jars`, and job graphs by `POST /jobs`, which no option
removes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.services import JOB_MANAGER, PORTS, parse_ports

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Fields of a service whose port is for more than the cluster's hosts.
REST = "rest_port"


def is_loopback(address: str) -> bool:
    """Whether nothing but the host itself reaches what listens on this address."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def is_open(given: Mapping[str, Any]) -> bool:
    """Whether REST serves whoever reaches it, and nothing here says that this is meant.

    Args:
        given: bind (flink_ha_bind_address), tls (flink_ha_rest_tls), firewall (flink_ha_firewall), open (flink_ha_rest_open).
    """
    return not (is_loopback(str(given["bind"])) or given["tls"] == "mutual" or given["firewall"] or given["open"])


def open_rest(
    host: str, given: Mapping[str, Any], services: Iterable[Mapping[str, Any]], existing: bool
) -> dict[str, list[str]]:
    """What is said of REST that is open, on a host with a JobManager: `problems` of a new cluster, `warnings` of one that is there.

    Args:
        given: as for `is_open`.
        services: of this host.
        existing: the cluster was there before this run (`stands`): it is never kept from going on.
    """
    ports = [str(service[REST]) for service in services if service["kind"] == JOB_MANAGER]
    if not ports or not is_open(given):
        return {"problems": [], "warnings": []}
    text = (
        f"{host}: REST on port {' and '.join(ports)} listens on {given['bind']}, and whoever reaches it runs code as Flink on every "
        "host of the cluster. Choose one of three: flink_ha_firewall: true, with flink_ha_rest_networks for those who may come; "
        "flink_ha_rest_tls: mutual, where whoever comes shows a certificate; or flink_ha_rest_open: true, where something else "
        "keeps strangers away."
    )
    return {"problems": [], "warnings": [text]} if existing else {"problems": [text], "warnings": []}


def has_flink(state: Mapping[str, Any]) -> bool:
    """Whether a host has a service of Flink that was switched to a generation, or one that listens.

    One that is down now, for maintenance or after a power loss, is not new.

    Args:
        state: what `host_state` returned for Flink's part of the host; empty where it was not asked.
    """
    switched = any(link["target"] for path, link in state.get("paths", {}).items() if path.endswith("/current"))
    return switched or any(entry["unit"].startswith("flink-") for entry in state.get("listening", []))


# --- the firewall ----------------------------------------------------------------------------------------------------


def firewall_problems(host: str, networks: Iterable[Any], services: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why the firewall of a host cannot be written; empty when it can.

    Args:
        networks: flink_ha_rest_networks.
        services: of this host.
    """
    problems, known = [], []
    for text in networks:
        try:
            known.append(ipaddress.ip_network(str(text)))
        except ValueError as error:
            problems.append(f"flink_ha_rest_networks has {text!r}, which is no network such as 192.0.2.0/24: {error}.")
    if any(network.prefixlen == 0 for network in collapsed(known)):
        problems.append(
            "flink_ha_rest_networks lets in every address there is. Name the networks of those who may come, or set "
            "flink_ha_rest_open: true and leave flink_ha_firewall false."
        )
    problems += [
        f"{host}: {PORTS[service['kind']][field]} is {service[field]}, any port, which flink_ha_firewall cannot close. Give it a "
        "number, a list (6123,6133) or a range (50100-50200)."
        for service in services
        for field in PORTS[service["kind"]]
        if not parse_ports(service[field])
    ]
    return problems


def limit_problems(cluster: Sequence[str], played: Iterable[str], state: Mapping[str, Any], host: str) -> list[str]:
    """Why a host must not be added by a run that leaves out others of the cluster: their firewalls do not let it in.

    Args:
        cluster: all hosts of the cluster that this run could reach.
        played: hosts of this run.
        state: what `host_state` returned for this host.
        host: its name.
    """
    left_out = sorted(set(cluster) - set(played))
    if not left_out or has_flink(state):
        return []
    return [
        f"{host}: is new, and --limit leaves out {', '.join(left_out)}, whose firewall (flink_ha_firewall) does not let it in yet. "
        "Run without --limit."
    ]


def collapsed(networks: Iterable[Network]) -> list[Network]:
    """The networks without overlaps, which a set of nftables refuses; IPv4 first."""
    given = list(networks)
    four = [network for network in given if isinstance(network, ipaddress.IPv4Network)]
    six = [network for network in given if isinstance(network, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]


def firewall_rules(
    services: Iterable[Mapping[str, Any]], hosts: Iterable[str], networks: Iterable[str]
) -> list[dict[str, Any]]:
    """What is let in, and to whom everything else is closed: rules as {ports, family, sources}, for nftables.

    REST is for the networks and the cluster's hosts, every other port of the host's services for the cluster's hosts only.
    A rule without a family is the last one: its ports are closed to all others.

    Args:
        services: of this host.
        hosts: addresses of all hosts of the cluster, IPv4 and IPv6, as this host resolves them.
        networks: flink_ha_rest_networks, without problems.
    """
    rest: set[int] = set()
    others: set[int] = set()
    for service in services:
        for field in PORTS[service["kind"]]:
            (rest if field == REST else others).update(parse_ports(service[field]))
    # A zone (fe80::1%eth0) is another name on each host.
    members = [ipaddress.ip_network(address.partition("%")[0]) for address in hosts]
    declared = [ipaddress.ip_network(str(network)) for network in networks]
    rules: list[dict[str, Any]] = []
    for ports, sources in ((others, members), (rest, members + declared)):
        for version, family in ((4, "ip"), (6, "ip6")):
            found = [_shown(network) for network in collapsed(sources) if network.version == version]
            if ports and found:
                rules.append({"ports": _ranges(ports), "family": family, "sources": found})
    return [*rules, {"ports": _ranges(rest | others), "family": "", "sources": []}] if rest | others else []


def _ranges(ports: Iterable[int]) -> list[str]:
    """`6122` and `50100-50200`, as a set of nftables takes them: none overlaps another."""
    runs: list[list[int]] = []
    for port in sorted(set(ports)):
        if runs and port == runs[-1][-1] + 1:
            runs[-1].append(port)
        else:
            runs.append([port])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]


def _shown(network: Network) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)
