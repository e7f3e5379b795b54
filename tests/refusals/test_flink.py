"""A wrong Flink input is refused before the first change, in words that name the variable, the host and the remedy."""

from __future__ import annotations

import pytest

from .outcome import refused, some

PLAYBOOK = "playbooks/flink.yml"


@pytest.fixture
def flink(inventory, tmp_path):
    """The good inventory with a Flink cluster on this machine's name; a test breaks one thing."""
    inventory["all"]["children"] |= {
        "flink_jobmanager": {
            "hosts": {"jm1": {"flink_ha_address": "jm1.invalid"}, "jm2": {"flink_ha_address": "jm2.invalid"}}
        },
        "flink_taskmanager": {"hosts": {"tm1": {"flink_ha_address": "tm1.invalid"}}},
    }
    inventory["all"]["vars"] |= {
        "flink_ha_cluster_id": "/test",
        "flink_ha_storage_dir": "file:///mnt/flink",
        "flink_ha_storage_shared": True,
        "flink_ha_archive_sha512": "0" * 128,
        "flink_ha_config_dir": str(tmp_path / "flink"),
    }
    return inventory


CASES = {
    "cluster-id missing": ({"flink_ha_cluster_id": ""}, ["flink_ha_cluster_id is missing"]),
    "storage missing": ({"flink_ha_storage_dir": ""}, ["flink_ha_storage_dir is missing"]),
    "storage not said to be shared": ({"flink_ha_storage_shared": False}, ["flink_ha_storage_shared: true"]),
    "storage scheme unknown": ({"flink_ha_storage_dir": "ftp://x/y"}, ["flink_ha_storage_dir has the scheme 'ftp'"]),
    "release unknown": ({"flink_ha_version": "2.9.9"}, ["flink_ha_version is '2.9.9'", "2.3.0"]),
    "owned option": (
        {"flink_ha_config_extra": {"rest.port": 1, "recovery.zookeeper.quorum": "x:1"}},
        ["rest.port belongs to flink_ha_rest_port", "recovery.zookeeper.quorum belongs to flink_ha_zookeeper_quorum"],
    ),
    "misspelt option": (
        {"flink_ha_config_extra": {"taskmanager.memory.managed.fractoin": 0.3}},
        ["taskmanager.memory.managed.fractoin", "Did you mean taskmanager.memory.managed.fraction"],
    ),
    "one client of ZooKeeper": (
        {"flink_ha_zookeeper_client": "3.5.9"},
        ["flink_ha_zookeeper_client is 3.5.9", "has one client of ZooKeeper, within flink-dist"],
    ),
    "directory that would be split": (
        {"flink_ha_tmp_dirs": ["/data/flink tmp"]},
        ["flink_ha_tmp_dirs has '/data/flink tmp'"],
    ),
    "wrong type": ({"flink_ha_rest_port": "many"}, ["flink_ha_rest_port", "int"]),
    "a session that ends before the ensemble notices that its leader hangs": (
        {"zookeeper_sync_limit": 5},
        ["flink_ha_zookeeper_session_timeout is 8000 ms", "unnoticed for 10000 ms", "Lower zookeeper_sync_limit"],
    ),
    "no slot, and no parallelism": (
        {"flink_ha_taskmanager_slots": 0, "flink_ha_parallelism": -1},
        ["flink_ha_taskmanager_slots is 0. Set it to 1 or more.", "flink_ha_parallelism is -1. Set it to 1 or more."],
    ),
    "two services on one port": (
        {"flink_ha_blob_port": 8081},
        ["port 8081 is wanted by flink_ha_rest_port and by flink_ha_blob_port"],
    ),
    "a port that an instance does not have": (
        {"flink_ha_taskmanager_instances": [{}, {"rest_port": 1}]},
        ["flink_ha_taskmanager_instances has 'rest_port'"],
    ),
    "a variable that the start script owns": (
        {"flink_ha_environment": {"JAVA_HOME": "/opt/jdk", "FLINK_ENV_JAVA_OPTS": "-Xint"}},
        [
            "flink_ha_environment has JAVA_HOME. Set flink_ha_java_home instead.",
            "FLINK_ENV_JAVA_OPTS. Set flink_ha_java_opts",
        ],
    ),
    "the system opened to the services": (
        {"flink_ha_read_write_paths": ["/etc/ssl", "/"]},
        ["flink_ha_read_write_paths has '/etc/ssl', which is the system's", "has '/', which is the system's"],
    ),
    "comment sign on an old release": (
        {"flink_ha_version": "1.18.1", "flink_ha_config_extra": {"env.java.opts.jobmanager": "-Da=b#c"}},
        ["env.java.opts.jobmanager contains '#'"],
    ),
}


@pytest.mark.parametrize("case", some(CASES))
def test_a_wrong_input_is_refused(run, flink, case):
    changes, words = CASES[case]
    flink["all"]["vars"] |= changes
    refused(run(flink, playbook=PLAYBOOK), *words)


def test_a_cluster_without_a_job_manager_is_refused(run, flink):
    flink["all"]["children"]["flink_jobmanager"]["hosts"] = {}
    refused(run(flink, playbook=PLAYBOOK), "The group flink_jobmanager has no host")


def test_a_cluster_without_an_ensemble_is_refused(run, flink):
    flink["all"]["children"]["zookeeper"]["hosts"] = {}
    refused(run(flink, playbook=PLAYBOOK), "flink_ha_zookeeper_quorum")


def test_names_and_java_of_a_host_are_judged(run, flink):
    flink["all"]["children"]["flink_jobmanager"]["hosts"]["jm2"]["flink_ha_address"] = "localhost"
    flink["all"]["vars"]["flink_ha_java_home"] = "/nowhere/jdk"
    refused(
        run(flink, playbook=PLAYBOOK),
        "does not resolve jm1.invalid",
        "resolves localhost to loopback",
        "flink_ha_java_home is /nowhere/jdk",
    )


#: The three ways.
WAYS = ("flink_ha_firewall: true", "flink_ha_rest_networks", "flink_ha_rest_tls: mutual", "flink_ha_rest_open: true")


@pytest.fixture
def alone(flink):
    """One host that can be judged to the end: its names are known here, and nothing of Flink was ever on it."""
    host = {"jm1": {"flink_ha_address": "127.0.0.1"}}
    flink["all"]["children"] |= {"flink_jobmanager": {"hosts": host}, "flink_taskmanager": {"hosts": host}}
    flink["all"]["vars"] |= {
        "flink_ha_zookeeper_quorum": "127.0.0.1:2181",
        "flink_ha_rest_port": 58081,
        "flink_ha_jobmanager_rpc_port": "56123",
        "flink_ha_blob_port": 56124,
        "flink_ha_jobmanager_metrics_port": 56125,
        "flink_ha_taskmanager_rpc_port": 56122,
        "flink_ha_taskmanager_data_port": 56121,
        "flink_ha_taskmanager_metrics_port": 56126,
    }
    return flink


@pytest.mark.parametrize("half", [{}, {"flink_ha_web_submit": False}, {"flink_ha_rest_networks": ["192.0.2.0/24"]}])
def test_trap_64_a_new_cluster_whose_rest_is_open_is_refused_with_the_three_ways(run, alone, half):
    """Without the upload of jars, jobs still come by POST /jobs; and networks close nothing by themselves."""
    alone["all"]["vars"] |= half
    refused(run(alone, playbook=PLAYBOOK), "jm1: REST on port 58081 listens on 0.0.0.0", *WAYS)


@pytest.mark.parametrize(
    "way", [{"flink_ha_rest_open": True}, {"flink_ha_firewall": True}], ids=lambda way: next(iter(way))
)
def test_trap_64_one_of_the_ways_is_enough(run, alone, way):
    """Something else is refused here, with all that is wrong with the host."""
    alone["all"]["vars"] |= way | {"flink_ha_java_home": "/nowhere/jdk"}
    code, output = run(alone, playbook=PLAYBOOK)
    assert code != 0
    assert "flink_ha_java_home is /nowhere/jdk" in output
    assert "REST on port" not in output


def test_trap_65_a_firewall_that_closes_nothing_is_refused(run, flink):
    flink["all"]["vars"] |= {
        "flink_ha_firewall": True,
        "flink_ha_rest_networks": ["0.0.0.0/0"],
        "flink_ha_jobmanager_rpc_port": "0",
    }
    refused(
        run(flink, playbook=PLAYBOOK),
        "flink_ha_rest_networks lets in every address there is",
        "jm1: flink_ha_jobmanager_rpc_port is 0, any port, which flink_ha_firewall cannot close",
    )


def test_trap_67_a_path_that_is_not_there_is_refused_before_the_units_that_would_not_start(run, flink, tmp_path):
    flink["all"]["vars"]["flink_ha_read_write_paths"] = ["/data/of-nobody"]
    refused(
        run(flink, playbook=PLAYBOOK),
        "/data/of-nobody of flink_ha_read_write_paths is not there",
        "install -d -o 6123 -g 6123 -m 0750 /data/of-nobody",
    )


def test_trap_11_12_a_limit_to_one_of_the_job_managers_is_refused_with_the_command(run, flink):
    refused(run(flink, "--limit", "jm1", playbook=PLAYBOOK), "jm2", "--limit")
