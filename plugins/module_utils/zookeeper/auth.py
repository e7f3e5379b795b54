"""Who may talk to an ensemble: the keys of zoo.cfg, the steps of a live one, and what is refused. Pure.

A live ensemble goes from one stage to the next, by a roll each: members of stages that are two apart do not talk to
each other (quorum), or refuse clients that have not been switched yet (clients).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import tls as zookeeper_tls
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import parse_properties

#: Stages in order, each with the keys that it adds to the ones before it.
CLIENT_STAGES: dict[str, dict[str, Any]] = {
    "none": {},
    "offered": {"authProvider.sasl": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"},
    # Not requireClientAuthScheme, which every guide has and no server reads.
    "required": {"enforce.auth.enabled": True, "enforce.auth.schemes": "sasl"},
}
QUORUM_STAGES: dict[str, dict[str, Any]] = {
    "none": {},
    "offered": {"quorum.auth.enableSasl": True},
    "learners": {"quorum.auth.learnerRequireSasl": True},
    "required": {"quorum.auth.serverRequireSasl": True},
}
#: enforce.auth.* came with 3.7; before it, this key does the same.
OLD_ENFORCEMENT = {"sessionRequireClientSASLAuth": True}
KERBEROS, DIGEST = "kerberos", "digest"
#: What a JAAS file can hold between its quotes.
JAAS_TEXT = re.compile(r'[^"\\\r\n]+')
JAAS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
DIGEST_LOGIN = "org.apache.zookeeper.server.auth.DigestLoginModule required"
#: The name that members show each other.
QUORUM_USER = "quorum"
SECTIONS = {"Server": "client", "QuorumServer": "quorum", "QuorumLearner": "quorum"}


def auth_options(auth: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of zoo.cfg.

    Args:
        auth: client and quorum (stages), mechanism, version of the release, service, supers (SASL ids),
            remove_host and remove_realm.
    """
    if auth["client"] == auth["quorum"] == "none":
        return {}
    options = _up_to(QUORUM_STAGES, auth["quorum"])
    if options and auth["mechanism"] == KERBEROS:
        options["quorum.auth.kerberos.servicePrincipal"] = f"{auth['service']}/_HOST"
    clients = _up_to(CLIENT_STAGES, auth["client"])
    if "enforce.auth.enabled" in clients and _release(auth["version"]) < (3, 7):
        clients = _up_to(CLIENT_STAGES, "offered") | OLD_ENFORCEMENT
    if clients:
        clients |= {f"superUser.{number}": name for number, name in enumerate(auth["supers"], start=1)}
        clients |= {
            f"kerberos.remove{part}FromPrincipal": True
            for part, wanted in (("Host", auth["remove_host"]), ("Realm", auth["remove_realm"]))
            if wanted and auth["mechanism"] == KERBEROS
        }
    return options | clients


#: The server makes a super user of a client of the scheme digest that shows this name and the right password; in zoo.cfg,
#: since a system property would stand in the process list (DigestAuthenticationProvider.java).
SUPER_DIGEST = "DigestAuthenticationProvider.superDigest"
SUPER_PASSWORD_LENGTH = 16


def super_options(password: str) -> dict[str, str]:
    """The key of zoo.cfg that holds the super user's password: a SHA-1 over name and password, without a salt."""
    if not password:
        return {}
    digest = hashlib.sha1(f"super:{password}".encode(), usedforsecurity=False).digest()
    return {SUPER_DIGEST: f"super:{base64.b64encode(digest).decode()}"}


def super_problems(password: str) -> list[str]:
    """Why zookeeper_super_password is refused; it is not in the text."""
    if not password:
        return []
    problems = []
    if len(password) < SUPER_PASSWORD_LENGTH:
        problems.append(
            f"zookeeper_super_password has less than {SUPER_PASSWORD_LENGTH} characters. The AdminServer shows its hash, which has "
            "no salt, to everybody on a member's host: a short one is soon found."
        )
    if not password.isascii() or not password.isprintable() or " " in password:
        problems.append(
            "zookeeper_super_password has a space, a control character or one outside of ASCII, which clients write in different "
            "ways. Use letters, digits and signs."
        )
    return problems


def _up_to(stages: Mapping[str, Mapping[str, Any]], stage: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, keys in stages.items():
        options |= keys
        if name == stage:
            break
    return options


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def stages(config: Mapping[str, str]) -> tuple[str, str]:
    """(client, quorum) stage of a zoo.cfg as it was parsed."""
    true = {key for key, value in config.items() if value.lower() == "true"}
    client = "offered" if any(key.startswith("authProvider.") and "SASL" in config[key] for key in config) else "none"
    if true & {"enforce.auth.enabled", *OLD_ENFORCEMENT}:
        client = "required"
    quorum = "none"
    for stage, keys in QUORUM_STAGES.items():
        if set(keys) & true:
            quorum = stage
    return client, quorum


def kerberos_id(principal: str, remove_host: bool, remove_realm: bool) -> str:
    """The id that a server makes of a Kerberos principal (SaslServerCallbackHandler.java)."""
    name, _at, realm = principal.partition("@")
    user = name.partition("/")[0] if remove_host else name
    return user if remove_realm else f"{user}@{realm}"


def jaas_sections(auth: Mapping[str, Any], users: Mapping[str, str], quorum_password: str) -> dict[str, list[str]]:
    """The options of each section of a member's JAAS file; empty where nothing authenticates.

    Args:
        auth: as for `auth_options`, with keytab and principal.
        users: name -> password of the clients (digest).
        quorum_password: of the members among themselves (digest).
    """
    wanted = [name for name, side in SECTIONS.items() if auth[side] != "none"]
    if auth["mechanism"] == KERBEROS:
        return dict.fromkeys(wanted, _kerberos_login(auth))
    digest = {
        "Server": [_digest_user(name, password) for name, password in sorted(users.items())],
        "QuorumServer": [_digest_user(QUORUM_USER, quorum_password)],
        "QuorumLearner": _digest_identity(QUORUM_USER, quorum_password),
    }
    return {name: [DIGEST_LOGIN, *digest[name]] for name in wanted}


def jaas_passwords(auth: Mapping[str, Any], admin: str, admin_password: str, quorum_password: str) -> dict[str, str]:
    """Lines of a member's JAAS file without which a run would lock itself out (admin) or members each other (quorum).

    Args:
        auth: as for `auth_options`.
        admin: the toolkit's own user.
        admin_password: of that user.
        quorum_password: of the members among themselves.
    """
    if auth["mechanism"] != DIGEST:
        return {}
    return {"admin": _digest_user(admin, admin_password), "quorum": _digest_user(QUORUM_USER, quorum_password)}


def client_sections(auth: Mapping[str, Any], username: str, password: str) -> dict[str, list[str]]:
    """The section of a JAAS file by which a Java client on a member's host is that member (Kerberos) or a user (digest).

    Args:
        auth: as for `jaas_sections`.
        username: of the client (digest).
        password: of the client (digest).
    """
    if auth["client"] == "none":
        return {}
    if auth["mechanism"] == KERBEROS:
        return {"Client": _kerberos_login(auth)}
    return {"Client": [DIGEST_LOGIN, *_digest_identity(username, password)]}


def jaas_text(sections: Mapping[str, Sequence[str]]) -> str:
    """A JAAS file of these sections."""
    blocks = ("".join([name, " {\n  ", "\n  ".join(options), ";\n};\n"]) for name, options in sections.items())
    return "".join(["// Written by StreamQuorum.\n", *blocks])


def _kerberos_login(auth: Mapping[str, Any]) -> list[str]:
    return [
        "com.sun.security.auth.module.Krb5LoginModule required",
        "useKeyTab=true",
        f'keyTab="{auth["keytab"]}"',
        "storeKey=true",
        "useTicketCache=false",
        f'principal="{auth["principal"]}"',
    ]


def _digest_user(name: str, password: str) -> str:
    return f'user_{name}="{password}"'


def _digest_identity(username: str, password: str) -> list[str]:
    return [f'username="{username}"', f'password="{password}"']


def auth_problems(
    auth: Mapping[str, Any],
    addresses: Mapping[str, str],
    users: Mapping[str, str],
    quorum_password: str,
    extra: Mapping[str, Any],
) -> list[str]:
    """Why the wanted authentication is refused, whatever runs.

    Args:
        auth: as for `auth_options`, with realm.
        addresses: host -> zookeeper_address.
        users: name -> password of the clients (digest), the toolkit's own among them.
        quorum_password: of the members among themselves (digest).
        extra: zookeeper_config_extra.
    """
    if auth["client"] == auth["quorum"] == "none":
        return []
    problems = _kerberos_problems(auth, addresses) if auth["mechanism"] == KERBEROS else []
    if auth["mechanism"] == DIGEST:
        problems += _digest_problems(auth, users, quorum_password)
        problems += _fips_problems(auth, extra)
    return problems


#: Since when fips-mode, which is on unless it is turned off, refuses digest: members' (3.9.0), clients' (3.9.6,
#: ZOOKEEPER-5043, where every client with a password would be locked out).
FIPS_REFUSES_DIGEST = {"quorum": ((3, 9), "members"), "client": ((3, 9, 6), "clients")}


def _fips_problems(auth: Mapping[str, Any], extra: Mapping[str, Any]) -> list[str]:
    if str(extra.get("fips-mode")).lower() == "false":
        return []
    return [
        f"zookeeper_{side}_auth by digest: ZooKeeper {auth['version']} has fips-mode on, under which {who} cannot "
        "authenticate by digest. Use kerberos, or set zookeeper_config_extra: {fips-mode: false}."
        for side, (since, who) in FIPS_REFUSES_DIGEST.items()
        if auth[side] != "none" and _release(auth["version"]) >= since
    ]


def _kerberos_problems(auth: Mapping[str, Any], addresses: Mapping[str, str]) -> list[str]:
    problems = []
    if not auth["realm"]:
        problems.append("kerberos_realm is empty. Name the realm of zookeeper_principal.")
    for host, address in addresses.items():
        if re.fullmatch(r"[0-9.]+|.*:.*", address) or "." not in address:
            problems.append(
                f"{host}: zookeeper_address is {address}; Kerberos needs the host's full name (its principal has it)."
            )
        elif address != address.lower():
            problems.append(
                f"{host}: zookeeper_address is {address}; Kerberos compares names letter by letter: write {address.lower()}."
            )
    return problems


def _digest_problems(auth: Mapping[str, Any], users: Mapping[str, str], quorum_password: str) -> list[str]:
    problems = [
        f"zookeeper_client_users: the name {name!r} is none; use letters, digits, '.', '_' and '-'."
        for name in users
        if not JAAS_NAME.fullmatch(str(name))
    ]
    secrets = {
        f"the password of {name} (zookeeper_client_users, zookeeper_admin_password)": users[name] for name in users
    }
    wanted = (secrets if auth["client"] != "none" else {}) | (
        {"zookeeper_quorum_password": quorum_password} if auth["quorum"] != "none" else {}
    )
    for what, value in wanted.items():
        if not str(value):
            problems.append(f"{what} is empty. Set it, best in a vaulted file.")
        elif not JAAS_TEXT.fullmatch(str(value)):
            problems.append(f"{what} has a quote, a backslash or a line break, which a JAAS file cannot hold.")
    return problems


def step_problems(
    host: str,
    running_config: str,
    running_mechanism: str,
    auth: Mapping[str, Any],
    tls: Mapping[str, Any],
    held: Mapping[str, bool],
) -> list[str]:
    """Refuses a live member a step that leaves one out.

    Args:
        running_config: zoo.cfg of the member that is live.
        running_mechanism: kerberos, digest, or empty, by its JAAS file.
        auth: as for `auth_options`.
        tls: as for `tls.tls_options`.
        held: whether its JAAS file has each of `jaas_passwords`.
    """
    if not running_config:
        return []
    config = parse_properties(running_config)
    before = dict(zip(("client", "quorum"), stages(config), strict=True))
    problems = [
        problem
        for variable, order, now, wanted in (
            ("zookeeper_client_auth", CLIENT_STAGES, before["client"], auth["client"]),
            ("zookeeper_quorum_auth", QUORUM_STAGES, before["quorum"], auth["quorum"]),
            ("zookeeper_client_tls", zookeeper_tls.CLIENT_STAGES, zookeeper_tls.client_stage(config), tls["client"]),
            ("zookeeper_quorum_tls", zookeeper_tls.QUORUM_STAGES, zookeeper_tls.quorum_stage(config), tls["quorum"]),
        )
        for problem in _skips(host, variable, list(order), now, wanted)
    ]
    still = [side for side in before if before[side] != "none" and auth[side] != "none"]
    if still and running_mechanism and running_mechanism != auth["mechanism"]:
        problems.append(
            f"{host}: zookeeper_auth_mechanism is {auth['mechanism']}, and this member runs with {running_mechanism}. Go back to "
            "none step by step, and forth with the other."
        )
    elif running_mechanism == DIGEST:
        problems += _password_problems(host, before, auth, held)
    return problems


def _password_problems(
    host: str, running: Mapping[str, str], auth: Mapping[str, Any], held: Mapping[str, bool]
) -> list[str]:
    problems = []
    if "none" not in (running["client"], auth["client"]) and not held.get("admin", True):
        problems.append(
            f"{host}: zookeeper_admin_user has another password on this member than zookeeper_admin_password, so that this toolkit "
            "would not be let in there any more. Give the new one to a new user (zookeeper_client_users and zookeeper_super_users), "
            "run, then name that user as zookeeper_admin_user, and run again."
        )
    # A member that is at offered shows no password to the one that leads.
    asked = {"learners", "required"} & {running["quorum"], auth["quorum"]}
    if asked and running["quorum"] != "none" and not held.get("quorum", True):
        problems.append(
            f"{host}: zookeeper_quorum_password is another one than that of this member, and members would refuse each other. Go back "
            "to zookeeper_quorum_auth: offered step by step, change it there, run, and go forth again."
        )
    return problems


def _skips(host: str, variable: str, order: Sequence[str], running: str, wanted: str) -> list[str]:
    now, then = order.index(running), order.index(wanted)
    if abs(then - now) <= 1:
        return []
    step = order[now + (1 if then > now else -1)]
    return [
        f"{host}: {variable} is {wanted}, and this member runs with {running}. A live ensemble goes one step at a time, "
        f"or its members would refuse each other: set {step} first, run, and go on from there."
    ]


def jaas_mechanism(text: str) -> str:
    """The mechanism of a JAAS file; empty where there is none."""
    return KERBEROS if "Krb5LoginModule" in text else DIGEST if "DigestLoginModule" in text else ""


#: What is to be done about clients that are not switched.
SWITCH = "Switch it first, while it is offered."
#: Flink knows DIGEST-MD5 for its own JAAS file only, which this toolkit does not write.
NO_SWITCH = "By passwords it cannot be (Flink has Kerberos only): leave it at offered, or take zookeeper_auth_mechanism: kerberos."


def unswitched_clients(
    stage: str, variable: str, client_variable: str, clients: Mapping[str, Any], mechanism: str = KERBEROS
) -> Sequence[str]:
    """Refuses to close the ensemble to Flink hosts of this inventory.

    Args:
        stage: wanted of `variable`.
        clients: host -> value of `client_variable`; none or false says that it is not switched.
        mechanism: kerberos or digest, where it is about authentication.
    """
    outside = [name for name, how in clients.items() if not how or how == "none"]
    if stage != "required" or not outside:
        return []
    return [
        f"{variable} is required, and Flink is not switched yet on {', '.join(outside)} ({client_variable}). "
        f"{SWITCH if mechanism == KERBEROS else NO_SWITCH}"
    ]
