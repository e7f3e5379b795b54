"""Certificates: why one is refused, and a private authority; each made here, and read back by Python's own TLS."""

from __future__ import annotations

import datetime
import socket
import ssl
import subprocess
import threading

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.pki import certificates
from ansible_collections.streamquorum.ha.plugins.module_utils.pki.certificates import Authority, CertificateError
from cryptography.hazmat.primitives.serialization import pkcs12

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
NAME = "zk1.example.org"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "clients", "clients")


def issue(authority, host=NAME, names=(NAME,), days=90, renew=30, now=NOW, subject=None):
    return authority.issue(host, subject or host, list(names), days, renew, now)


@pytest.fixture(scope="module")
def made(authority):
    return issue(authority)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    return issue(Authority(tmp_path_factory.mktemp("foreign"), "foreign"))


def refused(bundle, authorities, names=(NAME,), now=NOW):
    return certificates.problems(bundle, authorities, names, now, "x")


def test_what_the_authority_gives_out_is_accepted(made):
    assert refused(*made) == []
    assert made[0].pem().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert certificates.parse(made[0].pem().encode(), "x").certificate == made[0].certificate


def test_it_works_between_two_processes_that_check_each_other(made, tmp_path):
    """Server and client with the same kind of certificate, as members have it."""
    own, ca = tmp_path / "own.pem", tmp_path / "ca.pem"
    own.write_text(made[0].pem())
    ca.write_text(certificates.authorities_pem(made[1]))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(own)
    client = ssl.create_default_context(cafile=ca)
    client.load_cert_chain(own)
    ends = socket.socketpair()
    answer = threading.Thread(target=lambda: server.wrap_socket(ends[0], server_side=True).sendall(b"hello"))
    answer.start()
    assert client.wrap_socket(ends[1], server_hostname=NAME).recv(5) == b"hello"
    answer.join()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"now": NOW + 91 * DAY}, "is expired since"),
        ({"now": NOW - 2 * DAY}, "not valid before"),
        ({"names": ("zk2.example.org",)}, "no subject alternative name for zk2.example.org"),
        ({"names": ("198.18.0.1",)}, "no subject alternative name for 198.18.0.1"),
    ],
)
def test_what_would_not_work_is_refused(made, change, words):
    assert any(words in text for text in refused(*made, **change)), refused(*made, **change)


def test_a_foreign_authority_is_refused(made, foreign):
    assert "does not lead to the given authority" in refused(foreign[0], made[1])[0]


def test_a_key_of_another_certificate_is_refused(made, foreign):
    mixed = made[0].pem().partition("-----BEGIN CERT")[0] + foreign[0].pem().partition("-----END PRIVATE KEY-----\n")[2]
    with pytest.raises(CertificateError, match="belongs to its key"):
        certificates.parse(mixed.encode(), "mixed.pem")


@pytest.mark.parametrize(
    ("text", "words"),
    [(b"", "no certificate"), (b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n", "no certificate")],
)
def test_what_is_no_certificate_is_refused(text, words):
    with pytest.raises(CertificateError, match=words):
        certificates.parse(text, "x.pem")


def test_a_file_without_a_key_is_refused(made):
    with pytest.raises(CertificateError, match="holds no private key"):
        certificates.parse(certificates.authorities_pem(made[1]).encode(), "x.pem")


def test_an_encrypted_key_is_refused_with_the_remedy(made, tmp_path):
    path = tmp_path / "own.pem"
    path.write_text(made[0].pem())
    key = subprocess.run(
        ["openssl", "pkey", "-in", path, "-aes256", "-passout", "pass:x"], check=True, capture_output=True
    ).stdout
    with pytest.raises(CertificateError, match="vault the file"):
        certificates.parse(key + certificates.authorities_pem([made[0].certificate]).encode(), "x.pem")


def test_an_older_kind_of_key_becomes_the_one_that_java_reads(made, tmp_path):
    path = tmp_path / "own.pem"
    path.write_text(made[0].pem())
    key = subprocess.run(["openssl", "rsa", "-in", path, "-traditional"], check=True, capture_output=True).stdout
    assert b"BEGIN RSA PRIVATE KEY" in key
    pem = key + certificates.authorities_pem([made[0].certificate]).encode()
    assert certificates.parse(pem, "x.pem").pem() == made[0].pem()


def test_a_usage_that_is_missing_is_refused(tmp_path):
    for usage, missing in (("serverAuth", "a client"), ("clientAuth", "a server")):
        key, own = tmp_path / "key.pem", tmp_path / "own.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", own, "-days", "5",
             "-subj", "/CN=x", "-addext", f"subjectAltName=DNS:{NAME}", "-addext", f"extendedKeyUsage={usage}"],
            check=True, capture_output=True,
        )  # fmt: skip
        bundle = certificates.parse(key.read_bytes() + own.read_bytes(), "x")
        now = datetime.datetime.now(datetime.UTC)
        assert [missing in text for text in refused(bundle, [bundle.certificate], now=now)] == [True]


def test_a_wildcard_covers_one_label(authority):
    bundle, authorities = issue(authority, host="wild", names=("*.example.org",))
    assert refused(bundle, authorities) == []
    assert refused(bundle, authorities, names=("a.b.example.org",))


def test_an_intermediate_authority_must_be_in_the_file(tmp_path):
    for name in ("root", "middle"):
        (tmp_path / name).mkdir()
    root = Authority(tmp_path / "root", "root")._own(NOW)
    middle = Authority(tmp_path / "middle", "middle")._own(NOW)
    leaf = Authority._sign(middle, NAME, [NAME], 30, NOW)
    signed = certificates._builder(
        middle.certificate.subject, root.certificate.subject, middle.key.public_key(), 30, NOW
    ).sign(root.key, certificates.hashes.SHA256())
    assert refused(leaf, [root.certificate])
    assert refused(certificates.Bundle(leaf.key, leaf.certificate, (signed,)), [root.certificate]) == []


def test_the_same_certificate_is_given_until_it_ends_soon(authority, made):
    assert issue(authority)[0].certificate == made[0].certificate
    assert certificates.warnings(made[0], NOW + 61 * DAY, 30, "x")
    assert not certificates.warnings(made[0], NOW + 59 * DAY, 30, "x")


@pytest.mark.parametrize(
    "change", [{"now": NOW + 61 * DAY}, {"names": (NAME, "other.example.org")}, {"subject": "another"}]
)
def test_it_is_made_anew_where_it_does_not_fit_any_more(tmp_path, change):
    authority = Authority(tmp_path, "clients")
    first = issue(authority)
    second = issue(authority, **change)
    assert first[0].certificate != second[0].certificate
    assert first[1] == second[1]


def test_keys_of_the_authority_are_its_owners_alone(authority, made):
    folder = authority._folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir() if path.suffix != ".pem"} == {
        "ca.key": "0o600"
    }
    assert oct((folder / f"{NAME}.pem").stat().st_mode & 0o777) == "0o600"


def test_an_authority_without_its_key_is_not_replaced_in_silence(tmp_path):
    authority = Authority(tmp_path, "clients")
    issue(authority)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(CertificateError, match="Restore it"):
        issue(authority, names=("other",))


def test_stores_of_java(made):
    key_store, trust_store, made_of = certificates.stores(*made, "secret")
    key, own, _chain = pkcs12.load_key_and_certificates(key_store, b"secret")
    assert own == made[0].certificate
    assert key.public_key() == own.public_key()
    assert [each.certificate for each in pkcs12.load_pkcs12(trust_store, b"secret").additional_certs] == made[1]
    assert certificates.stores(*made, "secret")[2] == made_of
    assert certificates.stores(*made, "other")[2] != made_of


def test_a_certificate_that_running_processes_do_not_trust_is_refused(made, foreign):
    (bundle, authorities), (_other, others) = made, foreign
    assert certificates.trust_problems(bundle, [], "x") == []
    assert certificates.trust_problems(bundle, [*others, *authorities], "x") == []
    (problem,) = certificates.trust_problems(bundle, others, "x")
    assert "First give its authority beside theirs" in problem


def test_a_private_authority_that_was_lost_is_not_replaced_while_processes_trust_it(tmp_path, made, authority):
    known = made[1]
    assert authority.trust_problems(known, "x") == []
    lost = Authority(tmp_path / "elsewhere", "clients")
    assert lost.trust_problems([], "x") == []
    (problem,) = lost.trust_problems(known, "x")
    assert "Restore that directory" in problem
    issue(lost)
    assert lost.trust_problems(known, "x") == [problem]
