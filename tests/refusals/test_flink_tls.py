"""TLS that cannot work is refused before the first change."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.pki import certificates

from .outcome import refused, some

PLAYBOOK = "playbooks/flink.yml"
TLS = {"flink_ha_rest_tls": "mutual", "flink_ha_tls_store_password": "canary-1"}


@pytest.fixture
def flink(inventory, tmp_path):
    """A Flink cluster by TLS on this machine's name; a test breaks one thing."""
    inventory["all"]["children"] |= {
        "flink_jobmanager": {"hosts": {"jm1": {"flink_ha_address": "jm1.invalid"}}},
        "flink_taskmanager": {"hosts": {"tm1": {"flink_ha_address": "tm1.invalid"}}},
    }
    inventory["all"]["vars"] |= TLS | {
        "flink_ha_cluster_id": "/test",
        "flink_ha_storage_dir": "file:///mnt/flink",
        "flink_ha_storage_shared": True,
        "flink_ha_archive_sha512": "0" * 128,
        "flink_ha_config_dir": str(tmp_path / "flink"),
        "tls_authority_dir": str(tmp_path / "authorities"),
    }
    return inventory


CASES = {
    "unknown kind": ({"flink_ha_rest_tls": "on"}, ["flink_ha_rest_tls", "none, server, mutual"]),
    "no password": ({"flink_ha_tls_store_password": ""}, ["flink_ha_tls_store_password is empty", "vaulted"]),
    "a short password": ({"flink_ha_tls_store_password": "short"}, ["fewer than 6 characters"]),
    "a password with a comment sign": ({"flink_ha_tls_store_password": "canary#1"}, ["has a space, a '#'"]),
    "cipher suites of yesterday": (
        {"flink_ha_tls_algorithms": ["TLS_RSA_WITH_AES_128_CBC_SHA"]},
        ["TLS_RSA_WITH_AES_128_CBC_SHA", "Take those with ECDHE"],
    ),
    "an old release": (
        {"flink_ha_zookeeper_tls": True, "zookeeper_client_tls": "offered", "flink_ha_version": "1.14.6"},
        ["the ZooKeeper client 3.4.14 of Flink 1.14.6 has no TLS", "leave zookeeper_client_tls at offered"],
    ),
    "an ensemble without a secure port": (
        {"flink_ha_zookeeper_tls": True, "zookeeper_client_tls": "none"},
        ["zookeeper_client_tls is none", "zookeeper_client_tls: offered"],
    ),
    "an ensemble without a plain port": (
        {"zookeeper_client_tls": "required"},
        ["zookeeper_client_tls is required, and flink_ha_zookeeper_tls is false"],
    ),
    "the ensemble's own list": (
        {
            "flink_ha_zookeeper_tls": True,
            "zookeeper_client_tls": "offered",
            "flink_ha_zookeeper_ensemble_tracker": True,
        },
        ["Set flink_ha_zookeeper_ensemble_tracker: false"],
    ),
    "no certificate": (
        {"tls_authority_dir": ""},
        ["flink_ha_certificate_file is empty", "a private authority (tls_authority_dir)"],
    ),
    "no authority": (
        {"flink_ha_certificate_file": "jm1.pem"},
        ["flink_ha_certificate_ca_file is empty"],
    ),
    "keys that variables own": (
        {
            "flink_ha_config_extra": {
                "security.ssl.rest.enabled": False,
                "security.ssl.internal.keystore-password": "canary-2",
                "security.ssl.algorithms": "x",
                "security.ssl.verify-hostname": False,
                "taskmanager.data.ssl.enabled": False,
            }
        },
        [
            "security.ssl.rest.enabled belongs to flink_ha_rest_tls",
            "security.ssl.internal.keystore-password belongs to flink_ha_tls_store_password",
            "security.ssl.algorithms belongs to flink_ha_tls_algorithms. Set that",
            "security.ssl.verify-hostname belongs to this role, which leaves the comparison of names on. Remove it.",
            "taskmanager.data.ssl.enabled belongs to flink_ha_internal_tls",
        ],
    ),
}


@pytest.mark.parametrize("case", some(CASES))
def test_tls_that_cannot_work_is_refused(run, flink, case):
    changes, words = CASES[case]
    flink["all"]["vars"] |= changes
    refused(run(flink, "-vvv", playbook=PLAYBOOK), *words)


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        (["elsewhere.invalid"], 400, "has no subject alternative name for jm1.invalid"),
        (["jm1.invalid"], -1, "is expired since"),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused(run, flink, tmp_path, names, days, words):
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)
    bundle, trusted = certificates.Authority(tmp_path / "site", "site").issue("jm1", "flink", names, days + 2, 1, now)
    (tmp_path / "jm1.pem").write_text(bundle.pem())
    (tmp_path / "ca.pem").write_text(certificates.authorities_pem(trusted))
    flink["all"]["children"]["flink_jobmanager"]["hosts"]["jm1"] |= {
        "flink_ha_certificate_file": str(tmp_path / "jm1.pem"),
        "flink_ha_certificate_ca_file": str(tmp_path / "ca.pem"),
    }
    refused(run(flink, "-vvv", playbook=PLAYBOOK), "jm1: flink_ha_certificate_file", words)


def test_a_certificate_of_another_authority_is_refused(run, flink, tmp_path):
    now = datetime.datetime.now(datetime.UTC)
    (one, _authorities), (_bundle, other) = (
        certificates.Authority(tmp_path / name, name).issue("jm1", "flink", ["jm1.invalid"], 90, 1, now)
        for name in ("one", "other")
    )
    (tmp_path / "jm1.pem").write_text(one.pem())
    (tmp_path / "ca.pem").write_text(certificates.authorities_pem(other))
    flink["all"]["children"]["flink_jobmanager"]["hosts"]["jm1"] |= {
        "flink_ha_certificate_file": str(tmp_path / "jm1.pem"),
        "flink_ha_certificate_ca_file": str(tmp_path / "ca.pem"),
    }
    refused(run(flink, playbook=PLAYBOOK), "does not lead to the given authority")


def test_a_refused_run_makes_no_authority(run, flink, tmp_path):
    refused(run(flink, playbook=PLAYBOOK), "jm1.invalid")
    assert not (tmp_path / "authorities").exists()
