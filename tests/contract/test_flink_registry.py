"""The registry of Flink's options agrees with the role's variables, the table of releases and real distributions."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.streamquorum.ha.plugins.module_utils.core.known_names import parse_known
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options as flink_options
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import services as flink_services

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles/flink_ha"
#: What differs between services of a host and is no port.
OTHER_FIELDS = ("address", "tmp_dirs")


def read(path):
    return yaml.safe_load(path.read_text())


DATA = read(ROLE / "vars/main/options.yml")
REGISTRY = DATA["flink_ha_options"]
DEFAULTS = read(ROLE / "defaults/main.yml")
#: Inputs that another role of this toolkit has.
SHARED = read(ROOT / "roles/zookeeper/defaults/main.yml")
RELEASES = {release["version"]: release for release in read(ROLE / "vars/main/releases.yml")["flink_ha_releases"]}
SHIPPED = read(ROOT / "tests/fixtures/flink/conf/shipped.yml")
#: Shipped options that this role leaves to Flink: their value is its default as well.
LEFT_OUT = {"jobmanager.execution.failover-strategy": "region"}


def test_names_stand_once():
    names = [option["name"] for option in REGISTRY]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("option", REGISTRY, ids=lambda option: option["name"])
def test_an_option_is_owned_by_an_input_and_gets_its_value_from_somewhere(option):
    assert set(option) <= {"name", "keys", "aliases", "variable", "field", "scopes"}
    assert set(option["scopes"]) <= {"jobmanager", "taskmanager", "client", "yarn"}
    assert option["variable"] in (DEFAULTS | SHARED) or option["variable"].startswith("this role, ")
    if "field" in option:
        kinds = [kind for kind in option["scopes"] if kind not in ("client", "yarn")]
        assert kinds == option["scopes"], "neither a client nor YARN has a field"
        assert option["field"] in OTHER_FIELDS or all(option["field"] in flink_services.PORTS[kind] for kind in kinds)


def test_ports_of_the_registry_are_those_of_the_services():
    owners = {
        (kind, option["field"]): option["variable"]
        for option in REGISTRY
        if "field" in option
        for kind in option["scopes"]
    }
    wanted = {(kind, field): name for kind, fields in flink_services.PORTS.items() for field, name in fields.items()}
    assert {key: owner for key, owner in owners.items() if key[1] not in OTHER_FIELDS} == wanted
    assert set(wanted.values()) <= set(DEFAULTS)


def test_the_ports_of_two_instances_do_not_meet():
    ports = {field: DEFAULTS[variable] for field, variable in flink_services.PORTS["jobmanager"].items()}
    services = flink_services.job_manager_services("host1", [{}, {}, {}], ports)
    services += flink_services.task_manager_services(
        "host1",
        [{}, {}, {}],
        {field: DEFAULTS[variable] for field, variable in flink_services.PORTS["taskmanager"].items()},
    )
    used = [entry["port"] for entry in flink_services.service_ports(services)]
    assert len(used) == len(set(used)) == 3 * 4 + 3 * 3


def test_every_release_line_has_a_distribution_that_was_read():
    assert {flink_options.parse_release(version) for version in RELEASES} == {
        flink_options.parse_release(version) for version in SHIPPED
    }


@pytest.mark.parametrize("version", SHIPPED)
def test_releases_name_the_files_that_their_distribution_has(version):
    release = next(
        release
        for known, release in RELEASES.items()
        if flink_options.parse_release(known) == flink_options.parse_release(version)
    )
    assert release["config_file"] == SHIPPED[version]["config_file"]
    assert {release["config_file"], release["workers_file"], "masters"} <= set(SHIPPED[version]["files"])


@pytest.mark.parametrize("version", SHIPPED)
def test_shipped_java_options_are_whole(version):
    shipped = SHIPPED[version]["options"]
    assert flink_options.java_options(DATA["flink_ha_shipped_java_opts"], version, []) == shipped.get(
        "env.java.opts.all", ""
    )


@pytest.mark.parametrize("version", SHIPPED)
def test_nothing_that_the_distribution_sets_is_forgotten(version):
    names = set(flink_options.owned_names(REGISTRY))
    for key, value in SHIPPED[version]["options"].items():
        assert key in names or LEFT_OUT[key] == value


@pytest.mark.parametrize("version", SHIPPED)
def test_nothing_stays_bound_to_localhost(version):
    """Shipped files bind to it since 1.15; whatever has that value there is an option that the role sets."""
    names = flink_options.owned_names(REGISTRY)
    for key, value in SHIPPED[version]["options"].items():
        if value == "localhost":
            assert set(names[key]) <= {"flink_ha_address", "flink_ha_bind_address"}


def test_the_list_of_known_options_is_sorted_and_whole():
    text = (ROLE / "files/known_options.txt").read_text()
    keys = [line.split()[0] for line in text.splitlines() if line and not line.startswith("#")]
    assert keys == sorted(set(keys))
    assert len(keys) > 1000
    releases = {version.rpartition(".")[0] for version in RELEASES}
    assert {span for first_last in parse_known(text).values() for span in first_last} == releases


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        # FLINK-22636: fixed since 1.14, and still constants of the class. FLINK-23118: no Mesos. FLINK-25430: no registry.
        ("high-availability.zookeeper.path.latch", "1.13", "1.13"),
        ("recovery.zookeeper.path.checkpoint-counter", "1.13", "1.13"),
        ("high-availability.zookeeper.path.mesos-workers", "1.13", "1.13"),
        ("high-availability.zookeeper.path.running-registry", "1.13", "1.14"),
        ("high-availability.zookeeper.path.jobgraphs", "1.13", "2.3"),
        ("high-availability.zookeeper.path.execution-plans", "2.0", "2.3"),
        ("high-availability.zookeeper.client.tolerate-suspended-connections", "1.14", "2.3"),
        ("high-availability.use-old-ha-services", "1.15", "1.15"),
        ("high-availability.type", "1.17", "2.3"),
        ("high-availability.zookeeper.client.ensemble-tracker", "1.18", "2.3"),
        ("high-availability.zookeeper.client.authorization", "1.20", "2.3"),
        ("recovery.mode", "1.13", "2.3"),
    ],
)
def test_a_name_of_high_availability_counts_from_its_first_release_to_its_last(name, first, last):
    text = (ROLE / "files/known_options.txt").read_text()
    assert parse_known(text)[name] == (first, last)
