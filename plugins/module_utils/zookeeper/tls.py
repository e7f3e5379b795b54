"""TLS of an ensemble: the keys of zoo.cfg, the steps of a live one, and what is refused. Pure.

As with authentication (auth.py), a live ensemble goes from one stage to the next, by a roll each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import parse_properties

#: Stages in order. Clients: a secure port beside the plain one, then alone.
CLIENT_STAGES = ("none", "offered", "required")
#: Members among themselves: they accept both, then speak it, then accept nothing else (administrator's guide, "Upgrading
#: existing non-TLS cluster").
QUORUM_STAGES: dict[str, dict[str, Any]] = {
    "none": {},
    "offered": {"sslQuorum": False, "portUnification": True},
    "preferred": {"sslQuorum": True, "portUnification": True},
    "required": {"sslQuorum": True, "portUnification": False},
}
#: NIO, the default, has no TLS (NIOServerCnxnFactory.java).
NETTY = "org.apache.zookeeper.server.NettyServerCnxnFactory"
#: The first releases of each series whose client port takes a renewed certificate without a restart (client.certReload).
RELOADING = ((3, 7, 2), (3, 8, 3), (3, 9, 0))


def tls_options(tls: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of zoo.cfg. Where it is required, clientPort is not to stand beside them.

    Args:
        tls: client and quorum (stages), admin, client_auth, protocols, secure_port, directory of the files.
    """
    options: dict[str, Any] = {}
    if tls["client"] != "none":
        options |= {
            "serverCnxnFactory": NETTY,
            "secureClientPort": tls["secure_port"],
            "ssl.clientAuth": tls["client_auth"],
            # Without it the secure port speaks TLS 1.3 only since 3.9.2, and Flink's client up to 1.2 only.
            "ssl.enabledProtocols": ",".join(tls["protocols"]),
            "client.certReload": True,
            **_stores("ssl", tls["directory"], "server"),
        }
    if tls["quorum"] != "none":
        options |= QUORUM_STAGES[tls["quorum"]] | {
            "sslQuorumReloadCertFiles": True,
            **_stores("ssl.quorum", tls["directory"], "quorum"),
        }
    if tls["admin"]:
        # It takes the quorum's stores, and has no others.
        options |= {"admin.forceHttps": True, "admin.needClientAuth": True}
    return options


def trusted(host: Mapping[str, Any], unit: str, path: str) -> dict[str, str]:
    """The authorities that a member trusts, in PEM, by prefix of its keys; empty where it does not run, or speaks no TLS.

    Args:
        host: as `host_state` read it, with the unit and the files; empty before.
        unit: the member's.
        path: of the configuration that it runs with.
    """
    contents = host.get("contents", {})
    config = parse_properties(contents.get(path, "")) if host.get("units", {}).get(unit, {}).get("active") else {}
    return {
        prefix: contents.get(config.get(f"{prefix}.trustStore.location", ""), "") for prefix in ("ssl", "ssl.quorum")
    }


def _stores(prefix: str, directory: str, name: str) -> dict[str, str]:
    return {
        f"{prefix}.keyStore.location": f"{directory}/{name}.pem",
        f"{prefix}.trustStore.location": f"{directory}/{name}-ca.pem",
    }


def client_ports(tls: Mapping[str, Any], plain: int) -> list[int]:
    """The ports that clients come to."""
    plain_ones = [plain] if tls["client"] != "required" else []
    return plain_ones + ([int(tls["secure_port"])] if tls["client"] != "none" else [])


def speaks_tls(wanted: str, running: Sequence[Mapping[str, str]]) -> bool:
    """Whether those that look at the ensemble come by its secure port: only where each member has one.

    Args:
        wanted: stage of the clients.
        running: zoo.cfg, as it was parsed, of each member that is live.
    """
    return any(client_stage(each) == "required" for each in running) or (
        wanted == "required" and all(client_stage(each) != "none" for each in running)
    )


def client_stage(config: Mapping[str, str]) -> str:
    """The stage of the clients in a zoo.cfg."""
    if "secureClientPort" not in config:
        return "none"
    return "offered" if "clientPort" in config else "required"


def quorum_stage(config: Mapping[str, str]) -> str:
    """The stage of the members among themselves in a zoo.cfg."""
    speaks, both = (config.get(key, "").lower() == "true" for key in ("sslQuorum", "portUnification"))
    if speaks:
        return "preferred" if both else "required"
    return "offered" if both else "none"


def tls_problems(tls: Mapping[str, Any], sources: Sequence[Sequence[Any]], authority_dir: str) -> list[str]:
    """Why the wanted TLS is refused, whatever runs.

    Args:
        tls: as for `tls_options`, with version of the release, and package (whether it is the distribution's).
        sources: (variable of the certificate, its file, variable of the authorities, their file, whether it is needed).
        authority_dir: directory of the private authorities; empty for none.
    """
    problems = []
    if tls["admin"] and tls["quorum"] == "none":
        problems.append("zookeeper_admin_tls takes the members' own certificates: set zookeeper_quorum_tls first.")
    if tls["client"] == tls["quorum"] == "none":
        return problems
    if not reloads(tls["version"]):
        problems.append(
            f"zookeeper_client_tls, zookeeper_quorum_tls: ZooKeeper {tls['version']} takes a renewed certificate only by a restart, "
            f"so this toolkit does not offer TLS with it. Upgrade to {_releases()}, or later."
        )
    if tls["package"] and tls["client"] != "none":
        problems.append(
            "zookeeper_client_tls: the distribution's package has no Netty, which TLS needs. Use zookeeper_install_method: archive."
        )
    for variable, file, ca_variable, ca_file, needed in sources:
        if not needed:
            continue
        if file and not ca_file:
            problems.append(f"{variable} is given, and {ca_variable} is empty. Give the authorities that others trust.")
        if not file and not authority_dir:
            problems.append(
                f"{variable} is empty. Give the certificate of each member, or a private authority (tls_authority_dir)."
            )
    return problems


def reloads(version: str) -> bool:
    """Whether a release takes a renewed certificate without a restart."""
    release = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    return any(release[:2] == first[:2] and release >= first for first in RELOADING) or release[:2] > RELOADING[-1][:2]


def _releases() -> str:
    return ", ".join(".".join(map(str, each)) for each in RELOADING)
