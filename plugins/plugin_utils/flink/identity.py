"""Where Flink finds the ensemble, who it is there, and with which certificates and keys its processes speak. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink import acls
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import tls as flink_tls
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.services import JOB_MANAGER, Service
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import auth as zookeeper_auth
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import tls as zookeeper_tls
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import Group, Peers
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState

# --- the ensemble


def quorum(inputs: Inputs, peers: Peers) -> str:
    """Where Flink goes to, as host:port,…; empty where the inventory has no ensemble, and names none."""
    return str(inputs.given["flink_ha_zookeeper_quorum"] or peers.ensemble.servers(inputs.zookeeper_tls))


def quorum_servers(inputs: Inputs, peers: Peers) -> list[str]:
    """The same, one by one."""
    return [server.strip() for server in quorum(inputs, peers).split(",")]


def servers(inputs: Inputs, peers: Peers) -> list[str]:
    """Where our own modules go to, while the members are switched as well: by the secure port once each that runs has one."""
    ensemble = peers.ensemble
    secure = inputs.zookeeper_tls and zookeeper_tls.speaks_tls(ensemble.client_tls or "none", ensemble.running)
    text = inputs.zookeeper_quorum or ensemble.servers(secure)
    return [server.strip() for server in text.split(",")]


def foreign_servers(inputs: Inputs, services: Sequence[Service]) -> list[str]:
    """Servers of an ensemble that this inventory does not have, of which the release is asked; those of TLS are of 3.5 at least."""
    leads = inputs.on_yarn or any(service["kind"] == JOB_MANAGER for service in services)
    if not leads or inputs.zookeeper_tls:
        return []
    return [server.strip() for server in inputs.zookeeper_quorum.split(",") if server.strip()]


def endpoints_after(peers: Peers) -> str:
    """Where clients find the ensemble once all members run what the inventory says, as host:port,…"""
    stage, ensemble = peers.ensemble.client_tls or "none", peers.ensemble
    plain = [] if stage == "required" else [ensemble.servers(False)]
    return ",".join([*plain, *([] if stage == "none" else [ensemble.servers(True)])])


# --- identity


def acls_kept(inputs: Inputs, peers: Peers) -> bool:
    """Whether this toolkit sees to whom the cluster's nodes belong.

    That is where a member of the ensemble is in the inventory, with its credentials of a super user, and clients authenticate.
    """
    return not inputs.zookeeper_quorum and peers.ensemble.client_auth != "none"


def identity(inputs: Inputs, peers: Peers) -> dict[str, Any]:
    """Who Flink is in ZooKeeper, as the rules of `acls` take it."""
    return {
        "principal": own_principal(inputs),
        "acl": inputs.acl,
        "keytab": inputs.keytab,
        "switching": list(inputs.switching_principals),
        "closable": acls_kept(inputs, peers),
        "unguarded": peers.ensemble.unguarded,
    }


def own_principal(inputs: Inputs) -> str:
    """As whom Flink authenticates at the ensemble; empty for nobody."""
    return inputs.principal if inputs.zookeeper_auth == "kerberos" else ""


def switches(inputs: Inputs, group: Group) -> bool:
    """Whether processes run as somebody else than they are to be."""
    return group.serving and any(each != own_principal(inputs) for each in group.principals)


def acl_entries(inputs: Inputs, peers: Peers, others: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The cluster's nodes as the module `znode_acl` takes them.

    Args:
        inputs: of the host.
        peers: the other hosts.
        others: to whom they belong as well, until every process runs as who it is to be.
    """
    ensemble = peers.ensemble
    owners = [
        zookeeper_auth.kerberos_id(each, ensemble.remove_host_from_principal, ensemble.remove_realm_from_principal)
        for each in (inputs.principal, *others)
    ]
    return acls.acl_entries(inputs.zookeeper_path_root, inputs.cluster_id, owners if inputs.acl == "creator" else [])


def credentials(inputs: Inputs, peers: Peers) -> dict[str, Any]:
    """What our own modules authenticate with on this host (`Credentials` in module_utils/zookeeper/credentials.py)."""
    found: dict[str, Any] = {}
    if inputs.zookeeper_auth == "kerberos":
        found["sasl"] = {
            "mechanism": "kerberos",
            "keytab": inputs.given["flink_ha_keytab"],
            "principal": inputs.given["flink_ha_principal"],
            "service": peers.ensemble.kerberos_service,
        }
    if inputs.zookeeper_tls:
        found["tls"] = {
            "port": int(quorum(inputs, peers).rpartition(":")[2]),
            "certificate": inputs.tls_paths["zookeeper.pem"],
            "ca": inputs.tls_paths["zookeeper-ca.pem"],
        }
    return found


# --- TLS


def tls_name(inputs: Inputs) -> str:
    """Subject and authority of the processes' certificates: one for all hosts of the cluster, and none of another cluster's."""
    return "flink" + re.sub(r"^/?", "-", inputs.cluster_id, count=1).replace("/", "-")


def certificates(inputs: Inputs, host: HostState | None) -> list[dict[str, Any]]:
    """What the action `certificates` is asked for. Two authorities: what is let in at the ensemble is no process of this cluster.

    Args:
        inputs: of the host.
        host: as it was read. What the processes that run there trust not is not given to the others either.
    """
    name, paths = tls_name(inputs), inputs.tls_paths
    own = {
        "subject": name,
        "names": [inputs.address],
        # A member of the ensemble on this host has one of its own.
        "holder": f"{inputs.host}.flink",
        "group": inputs.group,
    }
    of_processes = {
        "variable": "flink_ha_certificate_file",
        "src": inputs.certificate_file,
        "ca": inputs.certificate_ca_file,
        "authority": name,
        "path": paths["flink.pem"],
        "ca_path": paths["flink-ca.pem"],
        "key_store": paths["flink.p12"],
        "trust_store": paths["flink-ca.p12"],
        "trusted": flink_tls.trusted(host.answer if host else {}, paths["flink-ca.pem"]),
        "store_password": inputs.tls_store_password,
    }
    of_clients = {
        "variable": "flink_ha_zookeeper_certificate_file",
        "src": inputs.zookeeper_certificate_file,
        "ca": inputs.zookeeper_certificate_ca_file,
        "authority": "clients",
        "path": paths["zookeeper.pem"],
        "ca_path": paths["zookeeper-ca.pem"],
    }
    return [
        *([own | of_processes] if inputs.stores else []),
        *([own | of_clients] if inputs.zookeeper_tls else []),
    ]


def zookeeper_java_opts(inputs: Inputs) -> list[str]:
    """Java options by which Flink's ZooKeeper client speaks TLS; Flink has no options for it."""
    if not inputs.zookeeper_tls:
        return []
    return [
        "-Dzookeeper.client.secure=true",
        # By the name that it has in Flink's jars: the client of 1.15 and 1.16 knows no other.
        "-Dzookeeper.clientCnxnSocket=org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.ClientCnxnSocketNetty",
        # PEM needs no password, which would stand on the command line.
        f"-Dzookeeper.ssl.keyStore.location={inputs.tls_paths['zookeeper.pem']}",
        f"-Dzookeeper.ssl.trustStore.location={inputs.tls_paths['zookeeper-ca.pem']}",
        # Both: servers from 3.9.2 on may have the newer one only, and older ones have the other.
        "-Dzookeeper.ssl.protocol=TLSv1.3",
        "-Dzookeeper.ssl.enabledProtocols=TLSv1.3,TLSv1.2",
    ]
