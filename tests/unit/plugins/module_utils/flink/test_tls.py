"""TLS of Flink: what is refused, what a live cluster may be switched to, and by which schemes REST is asked."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import tls as ft

GOOD = {
    "rest": "mutual",
    "internal": True,
    "zookeeper": True,
    "tracker": False,
    "password": "canary-1",
    "algorithms": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
    "version": "2.3.0",
    "client": "",
    "authority_dir": "authorities",
    "files": [{"variable": "flink_ha_certificate_file", "src": "", "ca": ""}],
}
OPEN = {"client_tls": "offered", "closed": False}
GIVEN = {"variable": "flink_ha_certificate_file", "src": "jm1.pem", "ca": "ca.pem"}


@pytest.mark.parametrize("stage", ["offered", "required", ""])
def test_nothing_to_refuse(stage):
    assert ft.tls_problems(GOOD, OPEN | {"client_tls": stage}) == []
    assert ft.tls_problems(GOOD | {"authority_dir": "", "files": [GIVEN]}, OPEN | {"client_tls": stage}) == []


def test_nothing_is_asked_of_what_is_off():
    off = {"rest": "none", "internal": False, "zookeeper": False, "files": []}
    assert (
        ft.tls_problems(GOOD | off | {"password": "", "algorithms": [], "tracker": True}, OPEN | {"client_tls": "none"})
        == []
    )
    assert ft.tls_problems(GOOD | {"rest": "none", "internal": False, "password": ""}, OPEN) == []


@pytest.mark.parametrize(
    ("changes", "stage", "words"),
    [
        ({"password": ""}, "offered", "flink_ha_tls_store_password is empty"),
        ({"password": "", "rest": "none"}, "offered", "flink_ha_tls_store_password is empty"),
        ({"password": "", "internal": False}, "offered", "flink_ha_tls_store_password is empty"),
        ({"password": "short"}, "offered", "fewer than 6 characters"),
        ({"password": "with space"}, "offered", "has a space"),
        ({"password": "with#sharp"}, "offered", "has a space, a '#'"),
        ({"password": "canaryß"}, "offered", "not ASCII"),
        ({"password": "canary\n1"}, "offered", "has a space"),
        ({"algorithms": []}, "offered", "flink_ha_tls_algorithms is empty"),
        (
            {"algorithms": ["TLS_RSA_WITH_AES_128_CBC_SHA"]},
            "offered",
            "TLS_RSA_WITH_AES_128_CBC_SHA, which today's Java",
        ),
        (
            {"version": "1.14.6", "client": "3.4.14"},
            "offered",
            "the ZooKeeper client 3.4.14 of Flink 1.14.6 has no TLS",
        ),
        ({"tracker": True}, "offered", "Set flink_ha_zookeeper_ensemble_tracker: false"),
        ({}, "none", "zookeeper_client_tls is none"),
        ({"zookeeper": False}, "required", "flink_ha_zookeeper_tls is false: Flink would not reach the ensemble"),
        ({"authority_dir": ""}, "offered", "flink_ha_certificate_file is empty"),
        ({"files": [GIVEN | {"ca": ""}]}, "offered", "flink_ha_certificate_ca_file is empty"),
    ],
)
def test_what_cannot_work_is_refused(changes, stage, words):
    (problem,) = ft.tls_problems(GOOD | changes, OPEN | {"client_tls": stage})
    assert words in problem
    assert "canary" not in problem


def test_the_plain_port_is_there_before_flink_goes_back_to_it():
    (problem,) = ft.tls_problems(GOOD | {"zookeeper": False}, OPEN | {"closed": True})
    assert "Leave it true and set zookeeper_client_tls: offered" in problem
    assert ft.tls_problems(GOOD, OPEN | {"closed": True}) == []


@pytest.mark.parametrize("client", ["3.5.9", "3.7.2", "nonsense", ""])
def test_other_clients_are_not_refused_here(client):
    assert ft.tls_problems(GOOD | {"client": client}, OPEN) == []


def service(kind, live=True):
    return {"kind": kind, "root": f"/etc/flink/flink-{kind}", "live": live}


LINES = {
    "/etc/flink/flink-jobmanager/current/config.yaml": [
        'security.ssl.rest.enabled: "true"',
        "security.ssl.internal.enabled: true",
    ],
    "/etc/flink/flink-jobmanager/current/flink-conf.yaml": [],
    "/etc/flink/flink-taskmanager/current/config.yaml": [],
    "/etc/flink/flink-taskmanager/current/flink-conf.yaml": ["high-availability.cluster-id: /orders"],
}


def test_settings_of_what_is_live():
    assert ft.live_settings([service("jobmanager"), service("taskmanager")], LINES) == [
        {"kind": "jobmanager", ft.REST_KEY: "true", ft.INTERNAL_KEY: "true"},
        {"kind": "taskmanager", "high-availability.cluster-id": "/orders"},
    ]
    assert ft.live_settings([service("jobmanager", live=False)], LINES) == []


TLS, PLAIN_HTTP = {"kind": "jobmanager", ft.REST_KEY: "true", ft.INTERNAL_KEY: "true"}, {"kind": "jobmanager"}


def test_the_processes_own_tls_is_not_switched_while_they_run():
    assert ft.switch_problems("jm1", [TLS], True) == ft.switch_problems("jm1", [PLAIN_HTTP], False) == []
    assert ft.switch_problems("jm1", [], True) == []
    (problem,) = ft.switch_problems("jm1", [TLS, PLAIN_HTTP], True)
    assert "jm1: flink_ha_internal_tls is true, and Flink runs without it" in problem
    (problem,) = ft.switch_problems("jm1", [TLS], False)
    assert "flink_ha_internal_tls is false, and Flink runs with it" in problem


@pytest.mark.parametrize(
    ("wanted", "running", "schemes"),
    [
        ("none", [], ["http"]),
        ("none", [PLAIN_HTTP], ["http"]),
        ("server", [], ["https"]),
        ("mutual", [TLS, TLS], ["https"]),
        ("mutual", [TLS, PLAIN_HTTP], ["https", "http"]),
        ("none", [TLS, PLAIN_HTTP], ["https", "http"]),
        ("server", [TLS, {"kind": "taskmanager"}], ["https"]),
    ],
)
def test_both_schemes_only_while_one_is_left(wanted, running, schemes):
    assert ft.rest_schemes(wanted, running) == schemes


@pytest.mark.parametrize(
    ("active", "line", "found"),
    [
        (True, "security.ssl.internal.enabled: true", "PEM"),
        (True, "security.ssl.rest.enabled: 'true'", "PEM"),
        (True, "security.ssl.rest.enabled: false", ""),
        (False, "security.ssl.rest.enabled: true", ""),
    ],
)
def test_what_is_trusted_is_known_where_a_service_runs_with_certificates(active, line, found):
    host = {"units": {"a": {"active": active}}, "lines": {"x": [line], "y": []}, "contents": {"/ca.pem": "PEM"}}
    assert ft.trusted(host, "/ca.pem") == found
    assert ft.trusted({}, "/ca.pem") == ""


OFFERED_MEMBER = {
    "authProvider.sasl": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
    "clientPort": "2181",
    "secureClientPort": "2281",
}
AUTH_REQUIRED = OFFERED_MEMBER | {"enforce.auth.enabled": "true"}
TLS_REQUIRED = {"secureClientPort": "2281"}
PLAIN, SECURE = "zk1:2181,zk2:2181,zk3:2181", "zk1:2281,zk2:2281,zk3:2281"
SWITCHED = {ft.PRINCIPAL_KEY: "flink@EXAMPLE.ORG", ft.QUORUM_KEY: "zk1:2281,zk2:2281"}
ANONYMOUS, BY_THE_PLAIN_PORT = SWITCHED | {ft.PRINCIPAL_KEY: ""}, SWITCHED | {ft.QUORUM_KEY: "'zk1:2181, zk2:2181'"}
UNSWITCHED, NO_DOOR = "runs without authentication", "nothing listens"


@pytest.mark.parametrize(
    ("running", "client_auth", "planned_endpoints", "members", "refused"),
    [
        # Switched before, or nothing that runs.
        ([SWITCHED], "required", SECURE, [OFFERED_MEMBER], []),
        ([], "required", SECURE, [OFFERED_MEMBER], []),
        # As offered, either may come; that servers come and go leaves some.
        ([ANONYMOUS, BY_THE_PLAIN_PORT], "offered", f"{PLAIN},{SECURE}", [OFFERED_MEMBER], []),
        ([BY_THE_PLAIN_PORT], "offered", "zk2:2181,zk4:2181,zk5:2181", [OFFERED_MEMBER], []),
        ([SWITCHED, ANONYMOUS], "required", SECURE, [OFFERED_MEMBER], [UNSWITCHED]),
        ([SWITCHED, BY_THE_PLAIN_PORT], "offered", SECURE, [OFFERED_MEMBER], [NO_DOOR]),
        (
            [BY_THE_PLAIN_PORT | {ft.PRINCIPAL_KEY: ""}],
            "required",
            SECURE,
            [OFFERED_MEMBER],
            [UNSWITCHED, NO_DOOR],
        ),
        # Another port; and the way back, which closes the secure one.
        ([BY_THE_PLAIN_PORT], "none", "zk1:12181,zk2:12181", [OFFERED_MEMBER], [NO_DOOR]),
        ([SWITCHED], "none", PLAIN, [OFFERED_MEMBER], [NO_DOOR]),
        # A roll that was interrupted.
        ([ANONYMOUS], "required", SECURE, [AUTH_REQUIRED, OFFERED_MEMBER], [UNSWITCHED]),
        ([BY_THE_PLAIN_PORT], "offered", SECURE, [TLS_REQUIRED, OFFERED_MEMBER], [NO_DOOR]),
        # Closed to it already, or no live member: nothing that a roll could take away.
        ([ANONYMOUS], "required", SECURE, [AUTH_REQUIRED], []),
        ([BY_THE_PLAIN_PORT], "offered", SECURE, [TLS_REQUIRED], []),
        ([ANONYMOUS, BY_THE_PLAIN_PORT], "required", SECURE, [], []),
    ],
)
def test_an_ensemble_is_not_closed_to_processes_that_run(running, client_auth, planned_endpoints, members, refused):
    problems = ft.cut_off_problems("jm1", running, client_auth, planned_endpoints, members)
    assert len(problems) == len(refused), problems
    assert all(words in problem for words, problem in zip(refused, problems, strict=True))
