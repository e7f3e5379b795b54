"""Authentication that cannot work, or would lock somebody out, is refused before the first change."""

from __future__ import annotations

import struct

import pytest

from .outcome import refused, some

KERBEROS = {
    "zookeeper_client_auth": "offered",
    "zookeeper_quorum_auth": "offered",
    "kerberos_realm": "X.TEST",
    "kerberos_kdcs": ["kdc.x.test"],
}
DIGEST = {
    "zookeeper_client_auth": "required",
    "zookeeper_auth_mechanism": "digest",
    "zookeeper_admin_password": "canary-1",
    "zookeeper_client_users": {"app": "canary-2"},
}


def keytab(path, principal):
    """A keytab with one key, as kadmin writes it."""
    name, realm = principal.split("@")
    texts = b"".join(struct.pack(">H", len(text)) + text.encode() for text in (realm, *name.split("/")))
    entry = struct.pack(">H", len(name.split("/"))) + texts + struct.pack(">IIBHH", 1, 0, 3, 18, 32) + b"k" * 32
    path.write_bytes(b"\x05\x02" + struct.pack(">i", len(entry)) + entry)
    return str(path)


CASES = {
    "ACLs where nobody has an identity": (
        {"zookeeper_acls": {"/": [{"scheme": "world", "id": "anyone", "perms": "r"}]}},
        ["zookeeper_acls is given, and zookeeper_client_auth is none"],
    ),
    "an ACL that would lock out everybody": (
        KERBEROS | {"zookeeper_acls": {"/": []}},
        ["an empty one would lock out everybody"],
    ),
    "a short super password": ({"zookeeper_super_password": "canary"}, ["zookeeper_super_password has less than 16"]),
    "the super password's key": (
        {"zookeeper_config_extra": {"DigestAuthenticationProvider.superDigest": "super:x"}},
        ["belongs to zookeeper_super_password"],
    ),
    "no realm": (KERBEROS | {"kerberos_realm": ""}, ["kerberos_realm is empty"]),
    "wrong stage": (KERBEROS | {"zookeeper_client_auth": "on"}, ["zookeeper_client_auth", "none, offered, required"]),
    "no password of our own": (DIGEST | {"zookeeper_admin_password": ""}, ["the password of streamquorum", "is empty"]),
    "no password of a client": (DIGEST | {"zookeeper_client_users": {"app": ""}}, ["the password of app"]),
    "a quote in a password": (DIGEST | {"zookeeper_client_users": {"app": 'canary"'}}, ["has a quote"]),
    "digest among members under fips-mode": (
        DIGEST | {"zookeeper_quorum_auth": "offered", "zookeeper_quorum_password": "canary-3"},
        ["fips-mode", "zookeeper_config_extra: {fips-mode: false}"],
    ),
    "digest of clients under fips-mode": (
        DIGEST | {"zookeeper_version": "3.9.6"},
        ["zookeeper_client_auth by digest", "fips-mode", "zookeeper_config_extra: {fips-mode: false}"],
    ),
    "a key that no server reads": (
        {"zookeeper_config_extra": {"requireClientAuthScheme": "sasl"}},
        ["requireClientAuthScheme belongs to zookeeper_client_auth (no server reads this key)"],
    ),
    "a key that a variable owns": (
        {"zookeeper_config_extra": {"quorum.auth.enableSasl": True}},
        ["quorum.auth.enableSasl belongs to zookeeper_quorum_auth"],
    ),
}


@pytest.mark.parametrize("case", some(CASES))
def test_authentication_that_cannot_work_is_refused(run, inventory, case):
    changes, words = CASES[case]
    inventory["all"]["vars"] |= changes
    refused(run(inventory, "-vvv"), *words)


def test_names_that_no_principal_can_have_are_refused(run, inventory):
    inventory["all"]["vars"] |= KERBEROS
    hosts = inventory["all"]["children"]["zookeeper"]["hosts"]
    hosts["zk1"]["zookeeper_address"] = "198.18.0.1"
    hosts["zk2"]["zookeeper_address"] = "ZK2.x.test"
    refused(run(inventory), "zk1: zookeeper_address is 198.18.0.1", "write zk2.x.test")


def test_an_inventory_that_asks_for_no_key_is_refused_where_keys_are_made(run, inventory):
    refused(run(inventory, playbook="playbooks/keytabs.yml"), "No key is asked for", "zookeeper_client_auth")


@pytest.mark.parametrize(
    ("principal", "words"),
    [
        (
            "zookeeper/other.x.test@X.TEST",
            ["has no key of zookeeper/zk1.invalid@X.TEST", "it has zookeeper/other.x.test@X.TEST"],
        ),
        ("", ["is no keytab"]),
        (None, ["cannot be read on the controller"]),
    ],
)
def test_a_keytab_that_is_not_this_members_is_refused(run, inventory, tmp_path, principal, words):
    path = tmp_path / "some.keytab"
    if principal:
        keytab(path, principal)
    elif principal == "":
        path.write_text("nothing")
    inventory["all"]["vars"] |= KERBEROS | {"zookeeper_keytab_file": str(path)}
    refused(run(inventory), *words)


def test_a_keytab_without_the_principal_is_not_taken_for_made(run, inventory, tmp_path):
    keytab(tmp_path / "some.keytab", "zookeeper/other.x.test@X.TEST")
    inventory["all"]["vars"] |= KERBEROS | {"zookeeper_keytab_file": str(tmp_path / "some.keytab")}
    inventory["all"]["vars"] |= {"kerberos_admin_principal": "admin", "kerberos_admin_password": "canary"}
    refused(run(inventory, playbook="playbooks/keytabs.yml"), "has no key of zookeeper/zk1.invalid@X.TEST")


def flink(inventory, **changes):
    inventory["all"]["children"] |= {
        "flink_jobmanager": {"hosts": {"jm1": {"flink_ha_address": "jm1.invalid"}}},
        "flink_taskmanager": {"hosts": {"tm1": {"flink_ha_address": "tm1.invalid"}}},
    }
    inventory["all"]["vars"] |= {
        "flink_ha_cluster_id": "/test",
        "flink_ha_storage_dir": "file:///mnt/flink",
        "flink_ha_storage_shared": True,
        "flink_ha_archive_sha512": "0" * 128,
    } | changes


def test_required_while_flink_does_not_authenticate_is_refused(run, inventory):
    inventory["all"]["vars"] |= KERBEROS | {"zookeeper_client_auth": "required"}
    flink(inventory)
    refused(run(inventory), "Flink is not switched yet on jm1, tm1", "while it is offered")


def test_passwords_and_a_flink_that_cannot_show_one_are_refused(run, inventory):
    inventory["all"]["vars"] |= DIGEST
    flink(inventory)
    refused(run(inventory), "Flink is not switched yet on jm1, tm1", "Flink has Kerberos only", "leave it at offered")
    flink(inventory, flink_ha_zookeeper_auth="kerberos", kerberos_realm="X.TEST", zookeeper_client_auth="offered")
    refused(
        run(inventory, playbook="playbooks/flink.yml"),
        "zookeeper_auth_mechanism is digest",
        "Set flink_ha_zookeeper_auth: none",
    )


def test_a_principal_a_process_is_refused_with_closed_nodes(run, inventory):
    flink(inventory, flink_ha_zookeeper_auth="kerberos", kerberos_realm="X.TEST", flink_ha_principal="flink/tm1@X.TEST")
    refused(
        run(inventory, playbook="playbooks/flink.yml"),
        "flink_ha_principal is flink/tm1@X.TEST",
        "one principal without a host",
    )
