"""The ZooKeeper server in Flink's own archive: which release it is, and what it cannot do. Pure.

Flink ships the server's classes under another name, without Jetty (flink-shaded's pom.xml), for sites that have no ensemble. Its
guide advises an ensemble of its own for production (high availability, "Bootstrap ZooKeeper").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host.preflight import release_in, release_problems

#: What stands before the names of the classes.
SHADED = "org.apache.flink.shaded.zookeeper3."
METHOD = "zookeeper_install_method: flink"
#: What needs classes that are not there, or was never seen to work with these: the input, its value that asks for nothing, and why.
WITHOUT = {
    "zookeeper_admin_enabled": (False, "has no Jetty, which the AdminServer needs"),
    "zookeeper_client_auth": ("none", "was not tried with SASL"),
    "zookeeper_quorum_auth": ("none", "was not tried with SASL"),
    "zookeeper_client_tls": ("none", "was not tried with TLS"),
    "zookeeper_quorum_tls": ("none", "was not tried with TLS"),
}
#: Said when it is installed.
ADVICE = (
    "{host}: runs the ZooKeeper that Flink {flink} brings. Flink's guide advises an ensemble of its own for production: "
    "zookeeper_install_method: archive, to which this one can be rolled."
)


def server(releases: Sequence[Mapping[str, Any]], flink: str) -> str:
    """Release of the server that a release of Flink brings; empty where it brings none that is started here.

    Args:
        releases: table of Flink's releases.
        flink: release of Flink.
    """
    return str(next((each for each in releases if each["version"] == flink), {}).get("zookeeper_server", ""))


def release_behind(target: str, releases: Sequence[Mapping[str, Any]]) -> str:
    """ZooKeeper's release in the directory of one that was installed; empty for any other.

    Args:
        target: path of the directory.
        releases: table of Flink's releases.
    """
    return release_in(target, "zookeeper") or server(releases, release_in(target, "flink"))


def problems(flink: str, version: str, wanted: Mapping[str, Any], releases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Refuses a release without a server, and what its server cannot do.

    Args:
        flink: release of Flink that brings the server.
        version: release of ZooKeeper that is asked for.
        wanted: the inputs of `WITHOUT`.
        releases: table of Flink's releases.
    """
    if unknown := release_problems(flink, releases, "Flink", "zookeeper_flink_version"):
        return unknown
    found, instead = server(releases, flink), "or use zookeeper_install_method: archive"
    if not found:
        able = [str(each["version"]) for each in releases if "zookeeper_server" in each]
        return [
            f"zookeeper_flink_version is {flink}, whose ZooKeeper is older than 3.5. Take one of {', '.join(able)}, {instead}."
        ]
    return [
        *(
            [
                f"Flink {flink} brings ZooKeeper {found}, and zookeeper_version is {version}. Set it to {found}, {instead}."
            ]
            if found != version
            else []
        ),
        *(
            f"{name}: the ZooKeeper that Flink brings {why}. Set it to {str(without).lower()}, {instead}."
            for name, (without, why) in WITHOUT.items()
            if wanted[name] != without
        ),
    ]


def disk_problems(host: str, target: str, data_dirs: Sequence[str], has_data: bool, live: bool) -> list[str]:
    """Refuses to start it on what another kind of ensemble wrote: that one's release and identities are not this one's.

    Data on a host on which nothing was installed is judged by `unknown_data_problems`.

    Args:
        host: its name.
        target: directory of the release that was installed; empty where none was.
        data_dirs: of the member.
        has_data: whether they hold anything.
        live: whether a server runs there, whoever set it up.
    """
    if not has_data or release_in(target, "flink") or not (target or live):
        return []
    return [
        f"{host}: {' and '.join(data_dirs)} hold data of {target or 'an ensemble that this toolkit did not install'}, and {METHOD} "
        "is asked for. Keep the method, or give directories of its own."
    ]


def unknown_data_problems(host: str, target: str, data_dirs: Sequence[str], has_data: bool, served: bool) -> list[str]:
    """Refuses to start it on data of which nobody knows who wrote it: a newer release than this one may have.

    Where a member has served, data on a host on which nothing was installed was brought there, as after the loss of a disk.

    Args:
        host: its name.
        target: directory of the release that was installed; empty where none was.
        data_dirs: of the member.
        has_data: whether they hold anything.
        served: whether any member has the record that this ensemble accepted a write.
    """
    if not has_data or target or served:
        return []
    return [
        f"{host}: {' and '.join(data_dirs)} hold data, and no member of this ensemble has ever served: which release wrote it is not known, "
        f"and {METHOD} would start an older one on it. Where it is this ensemble's own, from a copy, bring it back after the first start "
        '(docs/operations.md, "The ensemble that Flink brings"); otherwise give directories of its own.'
    ]
