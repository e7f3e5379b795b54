"""Flink's options by release, on the registry itself; golden files are what real processes were started with."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.streamquorum.ha.plugins.module_utils.core.known_names import parse_known
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options

ROOT = Path(__file__).resolve().parents[5]
GOLDEN = ROOT / "tests/fixtures/flink/golden"
DATA = yaml.safe_load((ROOT / "roles/flink_ha/vars/main/options.yml").read_text())
REGISTRY, SHIPPED = DATA["flink_ha_options"], DATA["flink_ha_shipped_java_opts"]
RELEASES = yaml.safe_load((ROOT / "roles/flink_ha/vars/main/releases.yml").read_text())["flink_ha_releases"]
KNOWN = parse_known((ROOT / "roles/flink_ha/files/known_options.txt").read_text())
BY_NAME = {option["name"]: option for option in REGISTRY}

VALUES = {
    "high_availability": "zookeeper",
    "zookeeper_quorum": "zk1.example.org:2181,zk2.example.org:2181,zk3.example.org:2181",
    "zookeeper_path_root": "/flink",
    "cluster_id": "/orders",
    "storage_dir": "hdfs://ns1/flink",
    "session_timeout": 8000,
    "connection_timeout": 6000,
    "retry_wait": 5000,
    "max_retry_attempts": 3,
    "tolerate_suspended": True,
    "zookeeper_acl": "",
    "kerberos_keytab": "",
    "kerberos_principal": "",
    "kerberos_ticket_cache": "",
    "kerberos_contexts": "",
    "zookeeper_sasl_service": "",
    "zookeeper_sasl_disable": "",
    "zookeeper_sasl_context": "",
    # Without TLS, all of these are left out.
    **{
        name: ""
        for name in BY_NAME
        if any(word in name for word in ("tls", "store", "rest_key", "internal_key", "tracker"))
    },
    "jobmanager_bind_host": "0.0.0.0",
    "taskmanager_bind_host": "0.0.0.0",
    "rest_bind_address": "0.0.0.0",
    "web_submit": "",  # as Flink ships
    "jobmanager_memory": "1600m",
    "taskmanager_memory": "1728m",
    "taskmanager_slots": 2,
    "parallelism": 1,
    "restart_strategy": "fixed-delay",
    "restart_attempts": 10,
    "restart_delay": "1000 ms",
    "checkpoint_interval": "60000 ms",
    "checkpoint_dir": "hdfs://ns1/flink/checkpoints",
    "savepoint_dir": "hdfs://ns1/flink/savepoints",
}
TMP = {"tmp_dirs": "/var/lib/flink/tmp"}
PORTS = {
    "jobmanager": {"rest_port": 8081, "rpc_port": "6123", "blob_port": 6124, "metrics_port": 6125, **TMP},
    "taskmanager": {"rpc_port": 6122, "data_port": 6121, "metrics_port": 6126, **TMP},
    "client": {},
}


def key(name, version):
    return options.greatest_since(BY_NAME[name]["keys"], version)


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("high_availability", "1.1.5", "recovery.mode"),
        ("high_availability", "1.2.0", "high-availability"),
        ("high_availability", "1.16.3", "high-availability"),
        ("high_availability", "1.17.0", "high-availability.type"),
        ("high_availability", "2.3.0", "high-availability.type"),
        ("cluster_id", "1.1.0", "recovery.zookeeper.path.namespace"),
        ("cluster_id", "1.3.3", "high-availability.cluster-id"),
        ("storage_dir", "1.1.0", "recovery.zookeeper.storageDir"),
        ("storage_dir", "2.0.2", "high-availability.storageDir"),
        ("jobmanager_port", "1.1.0", "recovery.jobmanager.port"),
        ("jobmanager_port", "1.20.5", "high-availability.jobmanager.port"),
        ("java_opts", "1.16.3", "env.java.opts"),
        ("java_opts", "1.17.2", "env.java.opts.all"),
        ("checkpoint_dir", "1.19.3", "state.checkpoints.dir"),
        ("checkpoint_dir", "1.20.0", "execution.checkpointing.dir"),
        ("savepoint_dir", "1.9.0", "state.savepoints.dir"),
        ("tolerate_suspended", "1.13.6", None),
        ("tolerate_suspended", "1.14.0", "high-availability.zookeeper.client.tolerate-suspended-connections"),
        ("rest_port", "1.4.2", "jobmanager.web.port"),
        ("rest_port", "1.10.3", "rest.port"),
        ("jobmanager_bind_host", "1.10.3", None),
    ],
)
def test_an_option_has_the_key_of_the_newest_release_that_is_not_newer(name, version, expected):
    assert key(name, version) == expected


def test_1_9_is_older_than_1_10():
    assert options.greatest_since({"1.9": "nine", "1.10": "ten"}, "1.9.3") == "nine"
    assert options.greatest_since({"1.9": "nine", "1.10": "ten"}, "1.20.5") == "ten"
    assert options.greatest_since({"1.10": "ten"}, "1.9.3") is None


@pytest.mark.parametrize("version", ["", "2", "newest", "1.x", "1.20-SNAPSHOT"])
def test_what_is_no_release_is_refused(version):
    with pytest.raises(options.OptionError, match="no release of Flink"):
        options.parse_release(version)


@pytest.mark.parametrize("version", ["1.13.6", "1.14.6", "1.18.1", "1.20.5", "2.3.0"])
def test_the_classes_of_the_release_know_every_key_that_it_gets(version):
    for option in REGISTRY:
        name = options.greatest_since(option["keys"], version)
        if name:
            assert options.unknown_problem(name, version, KNOWN, []) == "", option["name"]


# --- golden files


def rendered(version, scope):
    release = next(release for release in RELEASES if release["version"] == version)
    java = options.java_options(SHIPPED, version, ["-XX:+ExitOnOutOfMemoryError"])
    fields = {"address": "host1.example.org", **PORTS[scope]}
    config = options.resolve(REGISTRY, version, scope, {**VALUES, "java_opts": java}, fields)
    extra = {"heartbeat.timeout": 30000, "state.backend.incremental": True, "metrics.scope.jm": "<host>: jm"}
    return release["config_file"], options.render(release["config_file"], {**config, **extra})


@pytest.mark.parametrize("version", ["1.13.6", "1.18.1", "1.20.5", "2.3.0"])
@pytest.mark.parametrize("scope", ["jobmanager", "taskmanager", "client"])
def test_golden_files(version, scope):
    name, text = rendered(version, scope)
    assert text == (GOLDEN / version / scope / name).read_text()
    if name == options.STANDARD_FILE:
        # Another reader of YAML finds the same, so no value needs Flink's own leniency.
        assert {k: options.plain(v) for k, v in yaml.safe_load(text).items()} == options.parse(name, text)
        assert "env.java.home" not in text


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release["version"])
def test_what_only_job_managers_read_does_not_ask_task_managers_for_a_restart(release):
    def keys(scope):
        return set(options.parse(release["config_file"], rendered(release["version"], scope)[1]))

    assert not [name for name in keys("taskmanager") if name.startswith(("jobmanager.", "rest.", "blob."))]
    assert not [name for name in keys("jobmanager") if name.startswith("taskmanager.")]
    assert not [
        name for name in keys("client") if name.startswith(("jobmanager.", "taskmanager.", "rest.", "metrics.int"))
    ]


def test_an_empty_value_is_left_out():
    config = options.resolve(REGISTRY, "2.3.0", "client", {**VALUES, "java_opts": "", "restart_delay": None}, {})
    assert "env.java.opts.all" not in config
    assert "restart-strategy.fixed-delay.delay" not in config


# --- java options


@pytest.mark.parametrize("version", ["1.13.6", "1.17.2"])
def test_releases_without_shipped_java_options_get_only_ours(version):
    assert options.java_options(SHIPPED, version, ["-Da=b"]) == "-Da=b"
    assert options.java_options(SHIPPED, version, []) == ""


def test_what_is_no_release_ships_no_java_options():
    assert options.java_options(SHIPPED, "newest", ["-Da=b"]) == "-Da=b"


@pytest.mark.parametrize("version", ["1.18.1", "1.20.5", "2.0.2", "2.1.3", "2.3.0"])
def test_shipped_java_options_are_never_shortened(version):
    whole = options.java_options(SHIPPED, version, [])
    assert options.java_options(SHIPPED, version, ["-Da=b"]) == whole + " -Da=b"
    assert ("java.base/sun.net.util" in whole) == (options.parse_release(version) < (2, 1))


# --- rendering


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("file:///a/b", "file:///a/b"),
        ("a:1,b:2", "a:1,b:2"),
        ("1600m", '"1600m"'),
        ("0.0.0.0", '"0.0.0.0"'),
        ("yes", '"yes"'),
        ("Null", '"Null"'),
        ("a: b", '"a: b"'),
        ("ends:", '"ends:"'),
        ("a #b", '"a #b"'),
        ("#b", '"#b"'),
        ("{a}", '"{a}"'),
        ("*", '"*"'),
        ('say "x" \\ y', '"say \\"x\\" \\\\ y"'),
        ("grün", '"grün"'),
        (8081, "8081"),
        (0.5, "0.5"),
        (True, "true"),
    ],
)
def test_config_yaml_quotes_what_yaml_would_misread(value, written):
    text = options.render("config.yaml", {"a.key": value})
    assert text == f"a.key: {written}\n"
    assert yaml.safe_load(text) == {"a.key": value}


@pytest.mark.parametrize("value", ["a: b", "1600m", "say 'x'", "a;b", 8081, False, "x=y"])
def test_flink_conf_takes_values_as_they_are(value):
    text = options.render("flink-conf.yaml", {"a.key": value})
    assert text == f"a.key: {options.plain(value)}\n"
    assert options.parse("flink-conf.yaml", text) == {"a.key": options.plain(value)}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("flink-conf.yaml", "pass#word", "comment"),
        ("flink-conf.yaml", "a\nb", "line break"),
        ("config.yaml", "a\tb", "control character"),
        ("config.yaml", " a", "space"),
        ("flink-conf.yaml", "a ", "space"),
        ("config.yaml", "", "empty"),
        ("config.yaml", None, "empty"),
        ("flink-conf.yaml", "  ", "empty"),
        ("config.yaml", ["a"], "no text"),
        ("flink-conf.yaml", {"a": 1}, "no text"),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_key(name, value, reason):
    with pytest.raises(options.OptionError, match=f"^a.key.*{reason}"):
        options.render(name, {"a.key": value})


@pytest.mark.parametrize("name", ["flink-conf.yaml", "config.yaml"])
@pytest.mark.parametrize("bad", ["a key", "a: key", "", "#a", "- a", '"a"'])
def test_a_key_that_is_none_of_flinks_is_refused(name, bad):
    with pytest.raises(options.OptionError, match="no key of Flink"):
        options.render(name, {bad: 1})


def test_the_file_is_sorted():
    assert options.render("config.yaml", {"b": 1, "a": 2}) == "a: 2\nb: 1\n"


def test_the_parser_reads_as_flink_does():
    text = "# comment\na: 1 # why\nb:2\nc: x: y\na: 3\n\n"
    assert options.parse("flink-conf.yaml", text) == {"a": "3", "c": "x: y"}


# --- refusals of further options


def refusals(extra, version="2.3.0", file_name="config.yaml", unchecked=()):
    prefixes = [*DATA["flink_ha_open_options"], *unchecked]
    return options.extra_problems(extra, REGISTRY, version, file_name, KNOWN, prefixes)


@pytest.mark.parametrize("option", [option for option in REGISTRY if option["keys"]], ids=lambda option: option["name"])
def test_a_key_that_a_variable_owns_is_refused_under_every_name_it_ever_had(option):
    for name in {*option["keys"].values(), *option.get("aliases", [])}:
        (problem,) = refusals({name: "x"})
        assert name in problem
        assert option["variable"] in problem


def test_a_key_of_the_role_itself_is_to_be_removed():
    (problem,) = refusals({"recovery.mode": "zookeeper"})
    assert problem.endswith("Remove it.")
    (problem,) = refusals({"env.java.home": "/opt/java"})
    assert problem == "flink_ha_config_extra: env.java.home belongs to flink_ha_java_home. Set that variable instead."


def test_a_key_of_two_variables_names_both():
    (problem,) = refusals({"metrics.internal.query-service.port": 1})
    assert "flink_ha_jobmanager_metrics_port and flink_ha_taskmanager_metrics_port" in problem


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"heartbeat.timeout": ""}, "is empty"),
        ({"heartbeat.timeout": None}, "is empty"),
        ({"taskmanager.memory": {"managed": 1}}, "flat keys"),
        ({"a b": 1}, "no key of Flink"),
        ({"taskmanager.memory.managed.fracton": 0.2}, "Did you mean taskmanager.memory.managed.fraction?"),
        ({"nothing.like.it": 1}, "flink_ha_config_unchecked"),
        ({"state.backend.latency-track.keyed-state-enabld": True}, "Did you mean"),
    ],
)
def test_what_flink_would_ignore_is_refused(extra, reason):
    (problem,) = refusals(extra)
    assert problem.startswith("flink_ha_config_extra: ")
    assert reason in problem


def test_an_option_of_other_releases_is_refused():
    (problem,) = refusals({"execution.checkpointing.file-merging.enabled": True}, "1.18.1", "flink-conf.yaml")
    assert "is an option of Flink 1.20 to 2.3, and not of 1.18.1" in problem
    assert refusals({"execution.checkpointing.file-merging.enabled": True}, "1.20.4") == []
    (problem,) = refusals({"high-availability.use-old-ha-services": True}, "1.16.3", "flink-conf.yaml")
    assert "is an option of Flink 1.15, and not of 1.16.3" in problem
    (problem,) = refusals({"execution.checkpointing.file-merging.enabled": "a #b"}, "1.18.1", "flink-conf.yaml")
    assert "comment" in problem


@pytest.mark.parametrize(
    "key",
    [
        "metrics.reporter.prom.factory.class",
        "taskmanager.memory.managed.fraction",
        "s3.endpoint",
        "table.local-time-zone",
    ],
)
def test_other_options_are_taken(key):
    assert refusals({key: "1"}) == []
    assert refusals({key: "1"}, "1.13.6", "flink-conf.yaml") == []


def test_the_class_of_a_reporter_is_refused_where_flink_reads_it_no_longer():
    key = "metrics.reporter.prom.class"
    (problem,) = refusals({key: "a.B"}, "1.17.2", "flink-conf.yaml")
    assert problem.endswith(
        f"{key} is read no longer since Flink 1.17. Set metrics.reporter.prom.factory.class instead."
    )
    assert refusals({key: "a.B"}, "1.16.3", "flink-conf.yaml") == []


def test_what_the_operator_vouches_for_is_not_looked_up():
    assert refusals({"my.plugin.host": "x"}, unchecked=["my.plugin."]) == []


def test_the_header_of_a_file_is_no_option():
    header = (ROOT / "roles/flink_ha/templates/config.yaml.j2").read_text().splitlines()[0]
    assert options.parse("config.yaml", header) == {}
    assert options.parse("flink-conf.yaml", header) == {}


@pytest.mark.parametrize(
    ("version", "key"), [("1.4.2", "jobmanager.web.submit.enable"), ("2.3.0", "web.submit.enable")]
)
def test_the_upload_of_jars_is_a_job_managers_only_and_left_to_flink_unless_it_is_closed(version, key):
    fields = {"address": "h", "rest_port": 1, "rpc_port": 2, "blob_port": 3, "metrics_port": 4, "data_port": 5}
    registry = [option for option in REGISTRY if option["name"] == "web_submit"]
    assert options.resolve(registry, version, "jobmanager", VALUES, fields) == {}
    assert options.resolve(registry, version, "jobmanager", {**VALUES, "web_submit": "false"}, fields) == {key: "false"}
    assert options.resolve(registry, version, "taskmanager", {**VALUES, "web_submit": "false"}, fields) == {}
