"""Values of the registry's options on a host. Pure.

An option has the value of its variable, unless it is named here. What is empty is left out of the configuration: Flink does not start
with an empty keytab, and takes its own default where nothing stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options as flink_options
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink import identity
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import Peers
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import unique

#: Of the two stores: their paths by `key_store` and `trust_store`.
Stores = Mapping[str, str]


def values(inputs: Inputs, tables: Tables, peers: Peers, stores: Stores) -> dict[str, Any]:
    """By option's name, its value, as it is written; without those that a service has for itself.

    Args:
        inputs: of the host.
        tables: of the role.
        peers: the other hosts.
        stores: the stores of keys that were made for this host; empty before, and then their names stand for them.
    """
    known = derived(inputs, tables, peers, stores)
    return {
        option["name"]: known[option["name"]] if option["name"] in known else inputs.given[option["variable"]]
        for option in tables.options
        if option["scopes"] and "field" not in option
    }


def derived(inputs: Inputs, tables: Tables, peers: Peers, stores: Stores) -> dict[str, Any]:
    """The options whose value is not that of their variable alone; arguments as of `values`."""
    given, fixed_delay = inputs.given, inputs.restart_strategy == "fixed-delay"
    return {
        "high_availability": "zookeeper",
        "yarn_ship_files": ";".join(inputs.yarn_ship_files),
        "zookeeper_quorum": identity.quorum(inputs, peers),
        "tolerate_suspended": inputs.zookeeper_tolerate_suspended,
        # Flink's own default is true.
        "ensemble_tracker": "" if inputs.zookeeper_ensemble_tracker else "false",
        "web_submit": "" if inputs.web_submit else "false",
        "restart_attempts": given["flink_ha_restart_attempts"] if fixed_delay else "",
        "restart_delay": f"{given['flink_ha_restart_delay']} ms" if fixed_delay else "",
        "checkpoint_interval": f"{given['flink_ha_checkpoint_interval']} ms" if inputs.checkpoint_interval > 0 else "",
        "java_opts": flink_options.java_options(
            tables.shipped_java_opts, inputs.version, [*inputs.java_opts, *identity.zookeeper_java_opts(inputs)]
        ),
        **_kerberos(inputs, peers),
        **_tls(inputs, stores),
    }


def _kerberos(inputs: Inputs, peers: Peers) -> dict[str, Any]:
    given, to_zookeeper = inputs.given, inputs.zookeeper_auth == "kerberos"
    return {
        "zookeeper_acl": given["flink_ha_zookeeper_acl"] if inputs.acl else "",
        "kerberos_keytab": given["flink_ha_keytab"] if inputs.kerberos else "",
        "kerberos_principal": given["flink_ha_principal"] if inputs.kerberos else "",
        "kerberos_ticket_cache": "false" if inputs.kerberos else "",
        "kerberos_contexts": ",".join(unique([*(["Client"] if to_zookeeper else []), *inputs.kerberos_contexts])),
        "zookeeper_sasl_service": peers.ensemble.kerberos_service if to_zookeeper else "",
        "zookeeper_sasl_context": "Client" if to_zookeeper else "",
        "zookeeper_sasl_disable": "true" if inputs.kerberos and not to_zookeeper else "",
    }


def _tls(inputs: Inputs, stores: Stores) -> dict[str, Any]:
    """Flink reads its stores when it starts, and again with some connections.

    So a renewed certificate or another password makes stores under another name, which asks for a restart, and a process that was not
    restarted yet goes on with its own. ZooKeeper's client reads its files with each connection.
    """
    given, rest, internal = inputs.given, inputs.rest_tls != "none", inputs.internal_tls
    key_store = stores.get("key_store", inputs.tls_paths["flink.p12"])
    trust_store = stores.get("trust_store", inputs.tls_paths["flink-ca.p12"])
    password, protocol = given["flink_ha_tls_store_password"], given["flink_ha_tls_protocol"]
    algorithms = ",".join(inputs.tls_algorithms)
    return {
        "rest_tls": "true" if rest else "",
        "rest_tls_authentication": "true" if inputs.rest_tls == "mutual" else "",
        "rest_key_store": key_store if rest else "",
        "rest_trust_store": trust_store if rest else "",
        "rest_key_store_password": password if rest else "",
        "rest_key_password": password if rest else "",
        "rest_trust_store_password": password if rest else "",
        "internal_tls": "true" if internal else "",
        "internal_key_store": key_store if internal else "",
        "internal_trust_store": trust_store if internal else "",
        "internal_key_store_password": password if internal else "",
        "internal_key_password": password if internal else "",
        "internal_trust_store_password": password if internal else "",
        "tls_protocol": protocol if inputs.stores else "",
        "taskmanager_tls_protocol": protocol if internal else "",
        "tls_algorithms": algorithms if inputs.stores else "",
        "taskmanager_tls_algorithms": algorithms if internal else "",
    }
