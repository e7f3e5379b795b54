"""What is written for each minor release of Flink, old names included, compared with what was recorded in `written/`.

`make matrix-golden` runs this file; GOLDEN=record make matrix-golden records anew. Releases before 1.13 are in no table of the role and
are not installed: for them it proves the names alone, which an existing configuration is read by.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from ansible_collections.streamquorum.ha.plugins.module_utils.core.known_names import parse_known
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.configuration import config_text, configuration
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.standalone import services
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.values import values
from unit.plugins.plugin_utils import roles

HERE = Path(__file__).parent / "written"
#: The last of each minor release that is in no table.
OLDER = (
    "1.1.5", "1.2.1", "1.3.3", "1.4.2", "1.5.6", "1.6.4", "1.7.2", "1.8.3", "1.9.3", "1.10.3", "1.11.6", "1.12.7",
)  # fmt: skip
TABLE = yaml.safe_load((roles.ROOT / "roles/flink_ha/vars/main/releases.yml").read_text())["flink_ha_releases"]
RELEASES = [
    *({"version": version, "config_file": "flink-conf.yaml", "java": {"min": 8, "max": 8}} for version in OLDER),
    *({each["version"].rpartition(".")[0]: each for each in TABLE}.values()),
]
#: All that has an option.
EVERYTHING = {
    "flink_ha_zookeeper_auth": "kerberos", "zookeeper_client_auth": "required", "kerberos_realm": "X.TEST",
    "flink_ha_principal": "flink@X.TEST", "flink_ha_keytab": "/etc/flink/flink.keytab", "flink_ha_zookeeper_acl": "creator",
    "flink_ha_rest_tls": "mutual", "flink_ha_internal_tls": True, "flink_ha_tls_store_password": "not-shown",
    "tls_authority_dir": "/ca", "flink_ha_checkpoint_interval": 1000, "flink_ha_web_submit": False, "flink_ha_parallelism": 2,
    "flink_ha_zookeeper_tolerate_suspended": True, "flink_ha_zookeeper_ensemble_tracker": False,
}  # fmt: skip
SCOPES = {"client": "", "jobmanager": "flink-jobmanager", "taskmanager": "flink-taskmanager"}


def minor(version):
    return version.rpartition(".")[0]


@pytest.fixture
def written(cluster):
    """By scope, the configuration and its text, of the host that has both kinds of services."""

    def _written(release):
        some = cluster(**EVERYTHING, flink_ha_version=release["version"])
        inputs, peers = some.inputs(), some.peers()
        tables = replace(some.tables(), releases=[release])
        known = values(inputs, tables, peers, {})
        found = {}
        for scope, name in SCOPES.items():
            fields = next(
                (each for each in services.of_host(inputs, peers.cluster_of("jm1")) if each["name"] == name), {}
            )
            config = configuration(inputs, tables, scope, known, {**fields, "tmp_dirs": "/tmp/flink"})
            found[scope] = (config, config_text(inputs, tables, config))
        return found

    return _written


@pytest.mark.parametrize("release", RELEASES, ids=[minor(each["version"]) for each in RELEASES])
def test_what_is_written_for_a_minor_release_is_what_was_recorded(written, release):
    text = "".join(f"--- {scope}\n{each}" for scope, (_config, each) in written(release).items())
    path = HERE / f"{minor(release['version'])}.txt"
    if os.environ.get("GOLDEN") == "record":
        HERE.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("release", TABLE, ids=[each["version"] for each in TABLE])
def test_every_key_that_is_written_is_an_option_of_the_release(written, release):
    known = parse_known((roles.ROOT / "roles/flink_ha/files/known_options.txt").read_text())
    for scope, (config, _text) in written(release).items():
        assert [
            problem for key in config if (problem := options.unknown_problem(key, release["version"], known, []))
        ] == [], scope


@pytest.mark.parametrize(
    ("version", "mode", "quorum", "storage"),
    [
        ("1.1.5", "recovery.mode", "recovery.zookeeper.quorum", "recovery.zookeeper.storageDir"),
        ("1.2.1", "high-availability", "high-availability.zookeeper.quorum", "high-availability.storageDir"),
        ("1.16.3", "high-availability", "high-availability.zookeeper.quorum", "high-availability.storageDir"),
        ("1.17.2", "high-availability.type", "high-availability.zookeeper.quorum", "high-availability.storageDir"),
        ("2.3.0", "high-availability.type", "high-availability.zookeeper.quorum", "high-availability.storageDir"),
    ],
)
def test_high_availability_has_the_name_of_the_release(written, version, mode, quorum, storage):
    """HighAvailabilityOptions and ConfigConstants at each tag: up to 1.16, `.type` is read by nobody, and there is no HA at all."""
    release = next(each for each in RELEASES if each["version"] == version)
    config, _text = written(release)["jobmanager"]
    assert config[mode] == "zookeeper"
    assert {quorum, storage} <= set(config)
    assert not [key for key in config if key.startswith("recovery.")] or version == "1.1.5"
