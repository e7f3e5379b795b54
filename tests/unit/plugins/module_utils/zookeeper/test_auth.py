"""Authentication at the ensemble: what the files hold, which steps a live one may take. Real servers: scenario kerberos."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import auth
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import render_properties

ADDRESSES = {"n1": "n1.x.test", "n2": "n2.x.test"}
USERS = {"flink": "secret", "streamquorum": "other"}


def wanted(**changes):
    return {
        "client": "required",
        "quorum": "required",
        "mechanism": "kerberos",
        "version": "3.9.5",
        "service": "zookeeper",
        "realm": "X.TEST",
        "principal": "zookeeper/n1.x.test@X.TEST",
        "keytab": "/etc/zookeeper/zookeeper.keytab",
        "supers": ["zookeeper/n1.x.test@X.TEST", "zookeeper/n2.x.test@X.TEST"],
        "remove_host": False,
        "remove_realm": False,
    } | changes


def problems(auth_wanted, addresses=ADDRESSES, users=USERS, quorum_password="third", extra=None):
    return auth.auth_problems(auth_wanted, addresses, users, quorum_password, extra or {})


def test_nothing_is_written_where_nothing_authenticates():
    none = wanted(client="none", quorum="none")
    assert auth.auth_options(none) == {}
    assert auth.jaas_sections(none, USERS, "third") == {}


def test_required_by_kerberos():
    assert auth.auth_options(wanted()) == {
        "authProvider.sasl": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        "enforce.auth.enabled": True,
        "enforce.auth.schemes": "sasl",
        "superUser.1": "zookeeper/n1.x.test@X.TEST",
        "superUser.2": "zookeeper/n2.x.test@X.TEST",
        "quorum.auth.enableSasl": True,
        "quorum.auth.learnerRequireSasl": True,
        "quorum.auth.serverRequireSasl": True,
        "quorum.auth.kerberos.servicePrincipal": "zookeeper/_HOST",
    }


def test_before_3_7_another_key_refuses_anonymous_clients():
    options = auth.auth_options(wanted(version="3.6.4"))
    assert options["sessionRequireClientSASLAuth"] is True
    assert not any(key.startswith("enforce") for key in options)


def test_the_host_is_cut_off_ids_by_kerberos_only():
    assert auth.auth_options(wanted(remove_host=True))["kerberos.removeHostFromPrincipal"] is True
    assert "kerberos.removeHostFromPrincipal" not in auth.auth_options(wanted(remove_host=True, mechanism="digest"))


NO_TLS = {"client": "none", "quorum": "none"}


@pytest.mark.parametrize(
    ("host", "realm", "found"),
    [
        (False, False, "zookeeper/n1.x.test@X.TEST"),
        (True, False, "zookeeper@X.TEST"),
        (False, True, "zookeeper/n1.x.test"),
        (True, True, "zookeeper"),
    ],
)
def test_the_id_that_a_server_makes_of_a_principal(host, realm, found):
    assert auth.kerberos_id("zookeeper/n1.x.test@X.TEST", host, realm) == found


@pytest.mark.parametrize(("client", "quorum"), itertools.product(auth.CLIENT_STAGES, auth.QUORUM_STAGES))
def test_a_stage_is_read_back_from_the_file(client, quorum):
    text = {
        key: str(value).lower() if value is True else str(value)
        for key, value in auth.auth_options(wanted(client=client, quorum=quorum)).items()
    }
    assert auth.stages(text) == (client, quorum)


@pytest.mark.parametrize("side", ["client", "quorum"])
def test_a_live_member_goes_one_step_at_a_time_forth_and_back(side):
    order = list(auth.CLIENT_STAGES if side == "client" else auth.QUORUM_STAGES)
    for now, then in itertools.product(order, order):
        start = {"client": "none", "quorum": "none"}
        running = render_properties({"tickTime": 2000} | auth.auth_options(wanted(**(start | {side: now}))))
        found = auth.step_problems("n1", running, "kerberos", wanted(**(start | {side: then})), NO_TLS, {})
        assert bool(found) == (abs(order.index(now) - order.index(then)) > 1), (now, then)
        if found:
            between = order[order.index(now) + (1 if order.index(then) > order.index(now) else -1)]
            assert f"set {between} first" in found[0]


def test_a_member_that_is_down_may_start_with_anything():
    assert auth.step_problems("n1", "", "", wanted(), NO_TLS, {}) == []


def test_another_mechanism_on_a_live_member_is_refused():
    running = render_properties({"tickTime": 2000} | auth.auth_options(wanted(mechanism="digest")))
    assert "runs with digest" in auth.step_problems("n1", running, "digest", wanted(), NO_TLS, {})[0]
    assert auth.step_problems("n1", running, "kerberos", wanted(), NO_TLS, {}) == []


@pytest.mark.parametrize(
    ("running", "then", "held", "words"),
    [
        ({}, {}, {"admin": True, "quorum": True}, []),
        ({}, {}, {"admin": False, "quorum": True}, ["zookeeper_admin_password"]),
        ({}, {}, {"admin": True, "quorum": False}, ["zookeeper_quorum_password"]),
        ({"client": "none"}, {"client": "offered"}, {"admin": False, "quorum": True}, []),
        ({"quorum": "offered"}, {"quorum": "offered"}, {"admin": True, "quorum": False}, []),
        (
            {"quorum": "offered"},
            {"quorum": "learners"},
            {"admin": True, "quorum": False},
            ["zookeeper_quorum_password"],
        ),
        (
            {"quorum": "learners"},
            {"quorum": "offered"},
            {"admin": True, "quorum": False},
            ["zookeeper_quorum_password"],
        ),
        ({"quorum": "none"}, {"quorum": "offered"}, {"admin": True, "quorum": False}, []),
        ({}, {}, {}, []),
    ],
)
def test_a_password_that_a_live_member_does_not_know_is_refused_where_it_is_asked_for(running, then, held, words):
    config = render_properties({"tickTime": 2000} | auth.auth_options(wanted(mechanism="digest", **running)))
    found = auth.step_problems("n1", config, "digest", wanted(mechanism="digest", **then), NO_TLS, held)
    assert len(found) == len(words), found
    assert all(word in text for word, text in zip(words, found, strict=True))


def test_what_members_must_hold_is_what_their_file_has():
    digest = wanted(mechanism="digest")
    text = auth.jaas_text(auth.jaas_sections(digest, USERS, "third"))
    held = auth.jaas_passwords(digest, "streamquorum", "other", "third")
    assert set(held) == {"admin", "quorum"}
    assert all(line in text for line in held.values())
    assert auth.jaas_passwords(wanted(), "streamquorum", "other", "third") == {}


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        ({"n1": "198.18.0.1"}, "full name"),
        ({"n1": "fd00::1"}, "full name"),
        ({"n1": "n1"}, "full name"),
        ({"n1": "N1.x.test"}, "write n1.x.test"),
    ],
)
def test_a_name_that_no_principal_can_have_is_refused(addresses, words):
    assert words in problems(wanted(), addresses=addresses)[0]
    assert problems(wanted(mechanism="digest"), addresses=addresses, extra={"fips-mode": False}) == []


def test_kerberos_without_a_realm_is_refused():
    assert "kerberos_realm" in problems(wanted(realm=""))[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"users": {"flink": "", "streamquorum": "x"}}, "the password of flink"),
        ({"users": {"flink": 'a"b'}}, "has a quote"),
        ({"users": {"fl ink": "x"}}, "the name 'fl ink'"),
        ({"quorum_password": ""}, "zookeeper_quorum_password"),
        ({"extra": {}}, "fips-mode"),
        ({"extra": {"fips-mode": True}}, "fips-mode"),
    ],
)
def test_digest_that_cannot_work_is_refused(changes, words):
    found = problems(wanted(mechanism="digest"), **({"extra": {"fips-mode": False}} | changes))
    assert len(found) == 1
    assert words in found[0]
    assert not any(secret in found[0] for secret in USERS.values())


@pytest.mark.parametrize(
    ("version", "refused"), [("3.8.6", []), ("3.9.5", ["quorum"]), ("3.9.6", ["quorum", "client"])]
)
def test_fips_mode_refuses_digest_by_the_release(version, refused):
    found = problems(wanted(mechanism="digest", version=version))
    assert [text.split("_")[1] for text in found] == refused
    assert problems(wanted(mechanism="digest", version=version), extra={"fips-mode": False}) == []
    assert problems(wanted(version=version)) == [], "Kerberos is not concerned"


def test_each_section_logs_in_by_the_keytab():
    sections = auth.jaas_sections(wanted(), {}, "")
    assert list(sections) == ["Server", "QuorumServer", "QuorumLearner"]
    assert 'principal="zookeeper/n1.x.test@X.TEST"' in sections["QuorumLearner"]
    assert list(auth.jaas_sections(wanted(quorum="none"), {}, "")) == ["Server"]


def test_digest_sections_hold_the_users_and_nobody_elses():
    sections = auth.jaas_sections(wanted(mechanism="digest"), USERS, "third")
    assert sections["Server"][1:] == ['user_flink="secret"', 'user_streamquorum="other"']
    assert sections["QuorumServer"][1:] == ['user_quorum="third"']
    assert auth.jaas_mechanism("\n".join(sections["Server"])) == "digest"


def test_a_javas_client_on_a_members_host_is_the_member_or_a_user():
    (kerberos,) = list(auth.client_sections(wanted(), "", "").values())
    assert 'principal="zookeeper/n1.x.test@X.TEST"' in kerberos
    assert auth.client_sections(wanted(client="none"), "", "") == {}
    assert auth.jaas_text(auth.client_sections(wanted(mechanism="digest"), "streamquorum", "other")) == (
        "// Written by StreamQuorum.\n"
        "Client {\n"
        "  org.apache.zookeeper.server.auth.DigestLoginModule required\n"
        '  username="streamquorum"\n'
        '  password="other";\n'
        "};\n"
    )


def test_a_client_that_would_be_locked_out_is_named():
    clients = {"jm1": "none", "jm2": "kerberos", "jm3": False, "jm4": True}
    (told,) = auth.unswitched_clients("required", "zookeeper_client_auth", "flink_x", clients)
    assert "on jm1, jm3 (flink_x)" in told
    assert auth.unswitched_clients("required", "zookeeper_client_auth", "flink_x", {"jm2": "kerberos"}) == []
    assert auth.unswitched_clients("offered", "zookeeper_client_auth", "flink_x", clients) == []
    assert "Kerberos only" in auth.unswitched_clients("required", "zookeeper_client_auth", "x", clients, "digest")[0]


def test_the_super_users_password_is_hashed_as_the_server_does():
    """DigestAuthenticationProvider.generateDigest, as it printed it."""
    assert auth.super_options("") == {}
    assert auth.super_options("super-secret-0123") == {auth.SUPER_DIGEST: "super:0Yiga8B4WMkaG7BU0d6rhB7+SqA="}


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", ""),
        ("long-enough-0123:", ""),
        ("canary", "16 characters"),
        ("canary canary canary", "a space"),
        ("canary" * 3 + "é", "ASCII"),
    ],
)
def test_a_super_password_that_is_none_is_refused_without_showing_it(password, words):
    found = auth.super_problems(password)
    assert len(found) == (1 if words else 0)
    assert not words or (words in found[0] and "canary" not in found[0])
