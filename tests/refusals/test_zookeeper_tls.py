"""TLS that cannot work is refused before the first change: certificates, and the variables around them."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.pki.certificates import Authority, authorities_pem

from .outcome import refused, some

NOW = datetime.datetime.now(datetime.UTC)
NAMES = ["zk1.invalid", "zk2.invalid", "zk3.invalid"]


@pytest.fixture
def given(tmp_path, inventory):
    """An inventory with one certificate for all members; it would be accepted."""
    bundle, authorities = Authority(tmp_path / "authority", "x").issue("zk", "zk", NAMES, 90, 30, NOW)
    (tmp_path / "own.pem").write_text(bundle.pem())
    (tmp_path / "ca.pem").write_text(authorities_pem(authorities))
    inventory["all"]["vars"] |= {
        "zookeeper_client_tls": "offered",
        "zookeeper_certificate_file": str(tmp_path / "own.pem"),
        "zookeeper_certificate_ca_file": str(tmp_path / "ca.pem"),
    }
    return inventory


CASES = {
    "no certificate": ({"zookeeper_certificate_file": ""}, ["zookeeper_certificate_file is empty", "tls_authority_dir"]),
    "no authority": ({"zookeeper_certificate_ca_file": ""}, ["zookeeper_certificate_ca_file is empty"]),
    "no certificate among members": (
        {"zookeeper_quorum_tls": "offered"},
        ["zookeeper_quorum_certificate_file is empty"],
    ),
    "wrong stage": ({"zookeeper_client_tls": "on"}, ["zookeeper_client_tls", "none, offered, required"]),
    "an old release": ({"zookeeper_version": "3.6.4"}, ["ZooKeeper 3.6.4", "Upgrade to 3.7.2, 3.8.3, 3.9.0"]),
    "AdminServer without the members' own": ({"zookeeper_admin_tls": True}, ["zookeeper_quorum_tls first"]),
    "a key that a variable owns": (
        {"zookeeper_config_extra": {"ssl.keyStore.location": "/x"}},
        ["ssl.keyStore.location belongs to zookeeper_certificate_file"],
    ),
    "a file that is not there": ({"zookeeper_certificate_file": "/nowhere.pem"}, ["zookeeper_certificate_file", "/nowhere.pem"]),
    "a misspelt variable": ({"tls_renew_dayz": 3}, ["tls_renew_dayz", "Is tls_renew_days meant?"]),
    "two services on one port": (
        {"zookeeper_secure_client_port": 2181},
        ["port 2181 is wanted by zookeeper_client_port and by zookeeper_secure_client_port"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", some(CASES))
def test_tls_that_cannot_work_is_refused(run, given, case):
    changes, words = CASES[case]
    given["all"]["vars"] |= changes
    refused(run(given), *words)


def issued(folder, names, days=90, when=NOW):
    bundle, authorities = Authority(folder / "other", "x").issue("zk", "zk", names, days, 30, when)
    (folder / "given.pem").write_text(bundle.pem())
    (folder / "given-ca.pem").write_text(authorities_pem(authorities))
    return str(folder / "given.pem"), str(folder / "given-ca.pem")


@pytest.mark.parametrize(
    ("names", "when", "words"),
    [
        (NAMES[:2], NOW, ["zk3: zookeeper_certificate_file", "no subject alternative name for zk3.invalid"]),
        (NAMES, NOW - datetime.timedelta(days=100), ["CN=zk is expired since", "Renew it"]),
        (NAMES, NOW + datetime.timedelta(days=3), ["is not valid before"]),
    ],
    ids=["another host's", "expired", "of the future"],
)
def test_a_certificate_that_cannot_work_is_refused(run, given, tmp_path, names, when, words):
    own, ca = issued(tmp_path, names, when=when)
    given["all"]["vars"] |= {"zookeeper_certificate_file": own, "zookeeper_certificate_ca_file": ca}
    refused(run(given), *words)


def test_a_certificate_of_another_authority_is_refused(run, given, tmp_path):
    own, _ca = issued(tmp_path, NAMES)
    given["all"]["vars"] |= {"zookeeper_certificate_file": own}
    refused(run(given), "does not lead to the given authority")


def test_a_key_of_another_certificate_is_refused(run, given, tmp_path):
    own, _ca = issued(tmp_path, NAMES)
    key = Path(own).read_text().partition("-----BEGIN CERT")[0]
    certificate = (tmp_path / "own.pem").read_text().partition("-----END PRIVATE KEY-----\n")[2]
    (tmp_path / "own.pem").write_text(key + certificate)
    refused(run(given), "no certificate in it belongs to its key")


def test_an_encrypted_key_is_refused(run, given, tmp_path):
    own = tmp_path / "own.pem"
    key = subprocess.run(
        ["openssl", "pkey", "-in", own, "-aes256", "-passout", "pass:canary"],
        check=True,
        capture_output=True,
        text=True,
    )
    own.write_text(key.stdout + own.read_text().partition("-----END PRIVATE KEY-----\n")[2])
    refused(run(given), "the key is encrypted", "vault the file")


def test_a_certificate_that_ends_soon_is_warned_of(run, given, tmp_path):
    own, ca = issued(tmp_path, NAMES, days=9)
    given["all"]["vars"] |= {"zookeeper_certificate_file": own, "zookeeper_certificate_ca_file": ca}
    _code, output = run(given)
    assert "zookeeper_certificate_file: expires on" in output
    assert "in 8 days. Renew it." in output


def test_clients_are_switched_before_the_plain_port_is_closed(run, given):
    hosts = {"jm1": {}, "tm1": {}}
    given["all"]["children"] |= {"flink_jobmanager": {"hosts": hosts}, "flink_taskmanager": {"hosts": hosts}}
    given["all"]["vars"] |= {"zookeeper_client_tls": "required"}
    refused(run(given), "Flink is not switched yet on jm1, tm1 (flink_ha_zookeeper_tls)", "while it is offered")
