"""TLS of an ensemble: keys, stages, ports, refusals."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import auth, tls
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import (
    parse_properties,
    render_properties,
)

OPEN = {"client": "none", "quorum": "none", "mechanism": "kerberos"}


def wanted(**fields):
    return {
        "client": "required", "quorum": "required", "admin": False, "client_auth": "need", "protocols": ["TLSv1.3", "TLSv1.2"],
        "secure_port": 2281, "directory": "/etc/zookeeper/tls", "version": "3.9.5", "package": False,
    } | fields  # fmt: skip


def config(**fields):
    """zoo.cfg of a member, as it is parsed."""
    options = tls.tls_options(wanted(**fields))
    plain = {} if fields.get("client", "required") == "required" else {"clientPort": 2181}
    return render_properties({"tickTime": 2000} | plain | options)


def test_what_was_seen_to_work_on_real_hosts():
    options = tls.tls_options(wanted())
    assert options["serverCnxnFactory"].endswith("NettyServerCnxnFactory")
    assert options["ssl.keyStore.location"] == "/etc/zookeeper/tls/server.pem"
    assert options["ssl.quorum.trustStore.location"] == "/etc/zookeeper/tls/quorum-ca.pem"
    assert options["ssl.enabledProtocols"] == "TLSv1.3,TLSv1.2"
    assert (options["sslQuorum"], options["portUnification"]) == (True, False)
    assert tls.tls_options(wanted(client="none", quorum="none")) == {}


def test_the_admin_server_takes_members_certificates_only():
    assert tls.tls_options(wanted(admin=True))["admin.needClientAuth"] is True
    assert "quorum_tls first" in tls.tls_problems(wanted(admin=True, quorum="none"), [], "")[0]
    assert "quorum_tls first" in tls.tls_problems(wanted(admin=True, quorum="none", client="none"), [], "")[0]


@pytest.mark.parametrize(("client", "quorum"), itertools.product(tls.CLIENT_STAGES, tls.QUORUM_STAGES))
def test_a_stage_is_read_back_from_the_file(client, quorum):
    found = parse_properties(config(client=client, quorum=quorum))
    assert (tls.client_stage(found), tls.quorum_stage(found)) == (client, quorum)


@pytest.mark.parametrize("side", ["client", "quorum"])
def test_a_live_member_goes_one_step_at_a_time_forth_and_back(side):
    order = list(tls.CLIENT_STAGES if side == "client" else tls.QUORUM_STAGES)
    start = {"client": "none", "quorum": "none"}
    for now, then in itertools.product(order, order):
        running = config(**(start | {side: now}))
        found = auth.step_problems("n1", running, "", OPEN, wanted(**(start | {side: then})), {})
        assert bool(found) == (abs(order.index(now) - order.index(then)) > 1), (now, then)


@pytest.mark.parametrize(
    ("stage", "running", "answer"),
    [
        ("none", [], False),
        ("required", [], True),
        # On the way there, every member has both ports.
        ("required", ["offered", "required"], True),
        ("offered", ["none", "offered"], False),
        # And on the way back some have the secure one only.
        ("offered", ["required", "offered"], True),
        # A member that was left behind has none: what is refused is at least seen.
        ("required", ["none", "none"], False),
    ],
)
def test_who_looks_at_the_ensemble_comes_by_a_port_that_every_member_has(stage, running, answer):
    assert tls.speaks_tls(stage, [parse_properties(config(client=each)) for each in running]) is answer


def test_ports_of_the_clients():
    assert tls.client_ports(wanted(client="none"), 2181) == [2181]
    assert tls.client_ports(wanted(client="offered"), 2181) == [2181, 2281]
    assert tls.client_ports(wanted(), 2181) == [2281]


@pytest.mark.parametrize(
    ("version", "answer"),
    [
        ("3.9.5", True),
        ("3.8.2", False),
        ("3.8.3", True),
        ("3.7.1", False),
        ("3.7.2", True),
        ("3.6.4", False),
        ("4.0.0", True),
    ],
)
def test_releases_that_take_a_renewed_certificate(version, answer):
    assert tls.reloads(version) is answer
    assert bool(tls.tls_problems(wanted(version=version), [], "")) is not answer


@pytest.mark.parametrize(
    ("source", "authority", "words"),
    [
        (["file_variable", "", "ca_variable", "", True], "", "file_variable is empty"),
        (["file_variable", "a.pem", "ca_variable", "", True], "", "ca_variable is empty"),
        (["file_variable", "a.pem", "ca_variable", "", True], "/authority", "ca_variable is empty"),
        (["file_variable", "", "ca_variable", "", True], "/authority", ""),
        (["file_variable", "a.pem", "ca_variable", "ca.pem", True], "", ""),
        (["file_variable", "", "ca_variable", "", False], "", ""),
    ],
)
def test_a_certificate_that_comes_from_nowhere_is_refused(source, authority, words):
    found = tls.tls_problems(wanted(), [source], authority)
    assert words in found[0] if words else found == []


def test_the_distributions_package_has_no_tls_for_clients():
    assert "archive" in tls.tls_problems(wanted(package=True), [], "")[0]
    assert tls.tls_problems(wanted(package=True, client="none"), [], "") == []


def test_what_a_member_trusts_stands_in_the_files_that_it_runs_with():
    config = "ssl.quorum.trustStore.location=/q.pem\nssl.trustStore.location=/c.pem\n"
    host = {"units": {"u": {"active": True}}, "contents": {"/zoo.cfg": config, "/q.pem": "q", "/c.pem": "c"}}
    none = {"ssl": "", "ssl.quorum": ""}
    assert tls.trusted(host, "u", "/zoo.cfg") == {"ssl": "c", "ssl.quorum": "q"}
    assert tls.trusted(host | {"units": {"u": {"active": False}}}, "u", "/zoo.cfg") == none
    assert tls.trusted({}, "u", "/zoo.cfg") == none
