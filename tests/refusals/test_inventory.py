"""A wrong input is refused before the first change, in words that name the variable, the host and the remedy."""

from __future__ import annotations

import os

import pytest

from .conftest import ROOT
from .outcome import refused


def hosts(inventory):
    return inventory["all"]["children"]["zookeeper"]["hosts"]


def variables(inventory):
    return inventory["all"]["vars"]


def test_trap_38_an_empty_inventory_is_refused(run):
    refused(run({"all": {"hosts": {}}}), "no host in the group zookeeper", "inventory/example")


def test_trap_38_a_missing_inventory_is_refused(run, tmp_path):
    refused(run(tmp_path / "nowhere"), "no host in the group zookeeper", "inventory/production")


@pytest.mark.parametrize(
    ("playbook", "given", "words"),
    [
        ("zookeeper", (), ["no host in the group zookeeper"]),
        ("rolling_restart", ("-e", "rolling_restart_target=zookeeper"), ["from the inventory that has it"]),
    ],
)
def test_what_is_of_the_ensemble_alone_is_refused_without_one(run, inventory, playbook, given, words):
    """Flink alone may be on an ensemble of another inventory, where it says so."""
    flink = {"flink_jobmanager": {"hosts": {"jm1": {"flink_ha_zookeeper_quorum": "zk1.invalid:2181"}}}}
    inventory["all"]["children"] = flink
    refused(run(inventory, *given, playbook=f"playbooks/{playbook}.yml"), *words)
    del flink["flink_jobmanager"]["hosts"]["jm1"]["flink_ha_zookeeper_quorum"]
    inventory["all"]["children"]["zookeepers"] = {"hosts": {"zk1": {}}}
    refused(
        run(inventory, playbook="playbooks/status.yml"), "no host in the group zookeeper", "flink_ha_zookeeper_quorum"
    )


def test_an_id_that_is_missing_twice_given_or_out_of_range_is_refused_at_once(run, inventory):
    del hosts(inventory)["zk1"]["zookeeper_id"]
    hosts(inventory)["zk2"]["zookeeper_id"] = 3
    hosts(inventory)["zk4"] = {"zookeeper_id": 300, "zookeeper_address": "zk4.invalid"}
    hosts(inventory)["zk5"] = {"zookeeper_id": 5, "zookeeper_address": "0.0.0.0"}
    refused(
        run(inventory),
        "zk1: zookeeper_id is missing",
        "zookeeper_id 3 is already that of",
        "zk4: zookeeper_id is 300; it must be a whole number from 1 to 254",
        "zk5: zookeeper_address",
    )


def test_two_voters_are_refused(run, inventory):
    del hosts(inventory)["zk3"]
    refused(run(inventory), "has 2 voters, which tolerate the loss of 0", "3 voters tolerate the loss of 1")


def test_trap_11_12_a_limit_to_a_part_of_the_ensemble_is_refused_with_the_command(run, inventory):
    refused(run(inventory, "--limit", "zk1"), "--limit leaves out zk2, zk3", "Run without --limit")


def test_an_input_of_a_roll_of_a_wrong_type_is_refused_before_any_host_is_asked(run, inventory):
    inventory["all"]["vars"]["rolling_lease_seconds"] = "long"
    refused(run(inventory), "rolling_lease_seconds", "int")


@pytest.mark.parametrize("limit", [(), ("--limit", "zookeeper")], ids=["all hosts", "--limit"])
@pytest.mark.parametrize("playbook", ["zookeeper", "site", "status", "upgrade", "flink", "bundle"])
def test_a_misspelt_switch_is_refused(run, inventory, playbook, limit):
    result = run(inventory, "-e", "availability_prob=true", *limit, playbook=f"playbooks/{playbook}.yml")
    refused(result, "availability_prob (of", "Is availability_probe meant?")


def test_a_misspelt_switch_of_a_bundle_without_an_inventory_is_refused(run, tmp_path):
    result = run(tmp_path / "nowhere", "-e", "bundle_content=[]", playbook="playbooks/bundle.yml")
    refused(result, "bundle_content (of localhost)", "Is bundle_contents meant?")


@pytest.fixture
def checkout(tmp_path):
    """The playbooks and roles of this tree in a directory that a test may write to."""
    (tmp_path / "playbooks").mkdir()
    for path in (ROOT / "playbooks").iterdir():
        (tmp_path / "playbooks" / path.name).symlink_to(path)
    (tmp_path / "roles").symlink_to(ROOT / "roles")
    return tmp_path


@pytest.mark.parametrize("folder", ["group_vars", "host_vars"])
def test_variables_beside_the_playbooks_are_refused(run, inventory, checkout, folder):
    """Ansible reads them for the verbs' own plays alone: the preflight would judge another cluster than the roles build."""
    (checkout / "playbooks" / folder).mkdir()
    result = run(inventory, playbook=str(checkout / "playbooks/site.yml"))
    refused(result, f"{checkout / 'playbooks' / folder}: a part of a run does not read", "Move them into the inventory")


@pytest.mark.parametrize("playbook", ["site", "zookeeper"])
def test_the_bundle_of_the_checkout_is_found_from_every_phase(run, inventory, checkout, playbook):
    """`playbook_dir` is another one in an imported playbook."""
    del variables(inventory)["zookeeper_bundle_dir"]
    (checkout / ".bundle").mkdir()
    (checkout / ".bundle/manifest.json").write_text("{")
    result = run(inventory, playbook=str(checkout / f"playbooks/{playbook}.yml"))
    refused(result, f"{checkout}/.bundle/manifest.json")


def test_a_status_of_a_part_is_refused(run, inventory):
    result = run(inventory, "--limit", "zk1", playbook="playbooks/status.yml")
    refused(result, "--limit leaves a part of it out", "ansible-playbook playbooks/status.yml")


@pytest.mark.parametrize("limit", [(), ("--limit", "zookeeper")], ids=["all hosts", "--limit"])
def test_switches_of_a_run_are_judged_before_any_host_is_asked(run, inventory, limit):
    """What is wrong with the hosts, too, is not told: nobody was asked."""
    hosts(inventory)["zk2"]["zookeeper_id"] = 3
    for playbook, given, words in (
        ("rolling_restart", (), "Say what is to be restarted"),
        ("rolling_restart", ("-e", "rolling_restart_target=flink"), "rolling_restart_target is flink, which is none"),
        ("stop", (), "-e stop_cluster=true"),
    ):
        result = run(inventory, *given, *limit, playbook=f"playbooks/{playbook}.yml")
        refused(result, words)
        assert "zookeeper_id 3" not in result[1]


def test_an_unknown_release_and_extra_keys_that_variables_own_are_refused(run, inventory):
    variables(inventory)["zookeeper_version"] = "3.4.0"
    variables(inventory)["zookeeper_config_extra"] = {"clientPort": 1, "group.1": "1:2"}
    result = run(inventory)
    refused(
        result,
        "zookeeper_version is '3.4.0'",
        "clientPort belongs to zookeeper_client_port",
        "hierarchical quorum",
    )
    # For three hosts once: by Ansible's line of the error, and by that of the host.
    assert result[1].count("is no release that this toolkit knows for ZooKeeper.") == 2, result[1]


def test_trap_20_31_an_archive_without_a_sum_is_refused(run, inventory):
    variables(inventory)["zookeeper_archive_sha512"] = ""
    variables(inventory)["zookeeper_archive_file"] = "/nowhere/zookeeper.tar.gz"
    variables(inventory)["zookeeper_version"] = "3.5.10"
    refused(
        run(inventory),
        "No sha512 sum is known",
        "zookeeper_archive_sha512",
        """ansible-playbook playbooks/bundle.yml -e '{"bundle_contents": [{"name": "zookeeper", "version": "3.5.10"}]}'""",
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("zookeeper_client_port", "many", ["zookeeper_client_port", "int"]),
        ("zookeeper_install_method", "rpm", ["zookeeper_install_method", "archive, package"]),
    ],
)
def test_wrong_types_are_refused(run, inventory, name, value, words):
    variables(inventory)[name] = value
    result = run(inventory)
    refused(result, "zk1: ", *words)
    assert "argument_spec_data" not in result[1], "the whole specification is no message"


def test_a_host_that_cannot_be_a_member_is_refused(run, inventory, tmp_path):
    """Names, an id on disk that differs, two services on one port, a Java that is not there: all told in one run."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/myid").write_text("7\n")
    variables(inventory)["zookeeper_admin_port"] = 2181
    variables(inventory)["zookeeper_java_home"] = "/nowhere/jdk"
    hosts(inventory)["zk2"]["zookeeper_address"] = "localhost"
    refused(
        run(inventory),
        "does not resolve zk1.invalid",
        "resolves localhost to loopback",
        "myid says 7, and zookeeper_id is 1",
        "port 2181 is wanted by zookeeper_client_port and by zookeeper_admin_port",
        "zookeeper_java_home is /nowhere/jdk, where there is no bin/java",
    )


@pytest.mark.parametrize("what", ["FIFO", "link"])
def test_trap_51_a_fifo_or_a_link_in_place_of_myid_is_refused_in_words(run, inventory, tmp_path, what):
    """An id that is absent means something else: a member that was never here."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    (tmp_path / "canary").write_text("7\n")
    if what == "FIFO":
        os.mkfifo(tmp_path / "data/myid")
    else:
        (tmp_path / "data/myid").symlink_to(tmp_path / "canary")
    result = run(inventory)
    refused(result, "zk1: ", f"{tmp_path}/data/myid", f"is a {what}", "Look who made it")
    assert "myid says" not in result[1]


def test_trap_05_another_data_directory_over_a_full_one_is_refused(run, inventory, tmp_path):
    (tmp_path / "etc/generations/0123456789abcdef").mkdir(parents=True)
    (tmp_path / "etc/generations/0123456789abcdef/zoo.cfg").write_text("dataDir=/old\n")
    (tmp_path / "etc/current").symlink_to("generations/0123456789abcdef")
    refused(run(inventory), "zookeeper_data_dir is", "but the snapshots and epochs are in /old")
