"""zoo.cfg of a member as one map, and the identities that stand in it and beside it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import auth as zookeeper_auth
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import tls as zookeeper_tls
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import (
    OBSERVER,
    parse_properties,
    render_properties,
    zookeeper_endpoints,
    zookeeper_server_lines,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import unique
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.peers import Peers

#: Set here and by no variable: an empty data directory must never vote (docs/architecture.md, "Data safety").
FIXED = {"db.autocreate": False, "datadir.autocreate": False}


def zoo_cfg(inputs: Inputs, tables: Tables, peers: Peers) -> dict[str, str]:
    """Keys and values of a member's zoo.cfg, in the order in which they are written; they read back as they are.

    Raises:
        ConfigError: a value cannot be written; the text names its key.
    """
    options: dict[Any, Any] = {
        **{key: _value(inputs.given.get(variable)) for key, variable in tables.options.items()},
        **FIXED,
        **({} if inputs.single_node else server_lines(inputs, peers)),
        **({"peerType": OBSERVER} if inputs.peer_type == OBSERVER else {}),
        **zookeeper_auth.auth_options(auth(inputs, peers)),
        **zookeeper_tls.tls_options(tls(inputs)),
        **zookeeper_auth.super_options(inputs.super_password),
    }
    if inputs.client_tls == "required":
        del options["clientPort"]
    return parse_properties(render_properties(options | dict(inputs.config_extra)))


def _value(given: Any) -> Any:
    # A list has no order of its own, and must not start members anew when it gets another.
    return ", ".join(sorted(map(str, given), key=str.lower)) if isinstance(given, list) else given


def server_lines(inputs: Inputs, peers: Peers) -> dict[str, str]:
    """The lines of all members."""
    ports = (inputs.given.get(f"zookeeper_{name}_port") for name in ("quorum", "election"))
    return zookeeper_server_lines(peers.present, *ports)  # type: ignore[arg-type]  # as they are written


def owned_keys(tables: Tables) -> dict[str, str]:
    """Keys of zoo.cfg that `zookeeper_config_extra` cannot set -> what they belong to."""
    fixed = dict.fromkeys(FIXED, "data safety, and is never switched off")
    return {**tables.options, **fixed, **tables.owned}


# --- authentication


def auth(inputs: Inputs, peers: Peers) -> dict[str, Any]:
    """Who may talk to the ensemble, as the rules of `zookeeper_auth` take it."""
    return {
        "client": inputs.client_auth,
        "quorum": inputs.quorum_auth,
        "mechanism": inputs.auth_mechanism,
        "version": inputs.version,
        "service": inputs.kerberos_service,
        "realm": inputs.kerberos_realm,
        "principal": inputs.principal if inputs.kerberos else "",
        "keytab": inputs.keytab,
        "supers": supers(inputs, peers),
        "remove_host": inputs.remove_host_from_principal,
        "remove_realm": inputs.remove_realm_from_principal,
    }


def supers(inputs: Inputs, peers: Peers) -> list[str]:
    """SASL ids that may do everything. The members' own are: what looks at the ensemble has a member's keytab."""
    if inputs.auth_mechanism != zookeeper_auth.KERBEROS:
        return unique([inputs.admin_user, *inputs.super_users])
    members = [f"{inputs.kerberos_service}/{each['address']}@{inputs.kerberos_realm}" for each in peers.present]
    switching = [principal for client in peers.clients for principal in client.switching]
    ids = [
        zookeeper_auth.kerberos_id(each, inputs.remove_host_from_principal, inputs.remove_realm_from_principal)
        for each in [*members, *switching]
    ]
    return unique([*ids, *inputs.super_users])


def passwords(inputs: Inputs, peers: Peers) -> dict[str, str]:
    """Lines of the JAAS file that runs without which a run would lock itself, or members each other, out. Secret."""
    return zookeeper_auth.jaas_passwords(
        auth(inputs, peers), inputs.admin_user, inputs.admin_password, inputs.quorum_password
    )


def jaas_text(inputs: Inputs, peers: Peers) -> str:
    """A member's JAAS file; empty where nobody authenticates. May hold passwords."""
    sections = zookeeper_auth.jaas_sections(auth(inputs, peers), inputs.digest_users, inputs.quorum_password)
    return zookeeper_auth.jaas_text(sections) if sections else ""


def client_jaas_text(inputs: Inputs, peers: Peers) -> str:
    """The JAAS file of operators' own clients on this host. May hold a password."""
    return zookeeper_auth.jaas_text(
        zookeeper_auth.client_sections(auth(inputs, peers), inputs.admin_user, inputs.admin_password)
    )


def credentials(inputs: Inputs) -> dict[str, Any]:
    """What this toolkit itself shows the ensemble on this host (`Credentials` in module_utils/zookeeper_client.py). Secret."""
    found: dict[str, Any] = {}
    given = inputs.given
    if inputs.kerberos and inputs.client_auth != "none":
        found["sasl"] = {
            "mechanism": "kerberos",
            "keytab": given["zookeeper_keytab"],
            "principal": given["zookeeper_principal"],
            "service": given["zookeeper_kerberos_service"],
        }
    elif inputs.client_auth != "none":
        found["sasl"] = {
            "mechanism": "digest",
            "username": given["zookeeper_admin_user"],
            "password": given["zookeeper_admin_password"],
        }
    if inputs.client_tls != "none":
        found["tls"] = {"port": inputs.secure_client_port, **client_stores(inputs)}
    return found


# --- TLS


def tls(inputs: Inputs) -> dict[str, Any]:
    """Who speaks TLS, as the rules of `zookeeper_tls` take it."""
    return {
        "client": inputs.client_tls,
        "quorum": inputs.quorum_tls,
        "admin": inputs.admin_tls,
        "client_auth": inputs.tls_client_auth,
        "protocols": list(inputs.tls_protocols),
        "secure_port": inputs.secure_client_port,
        "directory": inputs.tls_dir,
        "version": inputs.version,
        "package": inputs.by_package,
    }


def client_stores(inputs: Inputs) -> dict[str, str]:
    """Files of a client on this host: it is the member."""
    return {"certificate": f"{inputs.tls_dir}/server.pem", "ca": f"{inputs.tls_dir}/server-ca.pem"}


def certificates(inputs: Inputs, trusted: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the action `certificates` is asked for. Two authorities: a client's certificate must not let its holder join the quorum.

    Args:
        inputs: of the member.
        trusted: what the member that runs trusts, by prefix of its keys: what it does not is not given to the others either.
    """
    return [
        {
            "subject": inputs.address,
            "names": [inputs.address],
            "group": inputs.group,
            "variable": f"{variable}_file",
            "src": src,
            "ca": ca,
            "authority": authority,
            "path": f"{inputs.tls_dir}/{name}.pem",
            "ca_path": f"{inputs.tls_dir}/{name}-ca.pem",
            "trusted": trusted[prefix],
        }
        for stage, variable, src, ca, authority, name, prefix in (
            (
                inputs.client_tls,
                "zookeeper_certificate",
                inputs.certificate_file,
                inputs.certificate_ca_file,
                "clients",
                "server",
                "ssl",
            ),
            (
                inputs.quorum_tls,
                "zookeeper_quorum_certificate",
                inputs.quorum_certificate_file,
                inputs.quorum_certificate_ca_file,
                "ensemble",
                "quorum",
                "ssl.quorum",
            ),
        )
        if stage != "none"
    ]


# --- where others come to


def endpoints(inputs: Inputs, peers: Peers) -> list[dict[str, Any]]:
    """Members as the module `zookeeper_quorum` takes them. Those that run decide by which port, since they are switched one by one."""
    running: Sequence[Mapping[str, str]] = [each.ports for each in peers.notes.values() if each.ports is not None]
    secure = zookeeper_tls.speaks_tls(inputs.client_tls, running)
    port = inputs.secure_client_port if secure else inputs.client_port
    return zookeeper_endpoints(peers.present, port, inputs.quorum_port)
