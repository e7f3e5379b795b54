"""What the operator gives Flink's processes: environment and writable paths."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import process

NASTY = "a'b\"c $(touch x) `id` \\ %n\nsecond line; #end "


def test_every_value_reaches_the_process_as_it_is():
    environment = {"NASTY": NASTY, "NUMBER": 3, "SWITCH": True, "EMPTY": ""}
    text = process.environment_text(environment)
    done = subprocess.run(
        ["sh", "-euc", text + "exec env -0"], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    seen = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    assert {name: seen[name] for name in environment} == {"NASTY": NASTY, "NUMBER": "3", "SWITCH": "true", "EMPTY": ""}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"FLINK_CONF_DIR": "x"}, "generation"),
        ({"FLINK_LOG_DIR": "x"}, "flink_ha_log_dir"),
        ({"JAVA_HOME": "x"}, "flink_ha_java_home"),
        ({"JVM_ARGS": "-Xmx1g"}, "flink_ha_java_opts"),
        ({"FLINK_ENV_JAVA_OPTS_TM": "x"}, "env.java.opts"),
        ({"IFS": "x"}, "shell"),
        ({"A-B": "x"}, "no name"),
        ({"A; rm -rf /": "x"}, "no name"),
        ({1: "x"}, "no name"),
        ({"A": ["s3cret"]}, "no text"),
        ({"A": "s3cret\0"}, "NUL"),
    ],
)
def test_a_variable_that_cannot_be_given_is_refused_without_its_value(environment, words):
    (problem,) = process.environment_problems(environment)
    assert words in problem
    assert problem.startswith("flink_ha_environment has ")
    assert "s3cret" not in problem


def test_what_operators_set_is_let_through():
    given = {
        "HADOOP_CONF_DIR": "/opt/hadoop",
        "AWS_SECRET_ACCESS_KEY": "s",
        "FLINK_PLUGINS_DIR": "/p",
        "LD_PRELOAD": "/l.so",
    }
    assert process.environment_problems(given) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "system's"),
        ("/etc", "system's"),
        ("/usr/share/x", "system's"),
        ("/var/lib", "system's"),
        ("/opt", "system's"),
        ("/home/flink", "/home"),
        ("/tmp", "/tmp"),
        ("/tmp/rocksdb", "/tmp"),
        ("/data/../etc", "absolute path"),
        ("/data/", "absolute path"),
        ("//etc", "absolute path"),
        ("data", "absolute path"),
        ("/data /etc", "absolute path"),
        ("/data/%h", "absolute path"),
        ("/opt/flink-2.3.0/lib", "the release"),
        ("/srv/flink", "flink_ha_config_dir"),
        ("/srv/flink/conf/x", "flink_ha_config_dir"),
    ],
)
def test_a_path_that_is_not_flinks_is_not_opened(path, words):
    closed = {"/srv/flink/conf": "flink_ha_config_dir", "/opt/flink-2.3.0": "the release"}
    (problem,) = process.path_problems([path], closed)
    assert words in problem
    assert "flink_ha_read_write_paths" in problem


def test_a_directory_of_its_own_is_opened():
    assert (
        process.path_problems(["/data", "/var/lib/rocksdb", "/mnt/nvme0/flink", "/opt/sink"], {"/opt/flink-2": "x"})
        == []
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"type": "", "target": ""}, "install -d -o 6123 -g 6124 -m 0750 /data"),
        ({"type": "file", "target": ""}, "is a file"),
        ({"type": "link", "target": "/etc"}, "such as /etc"),
    ],
)
def test_trap_67_what_keeps_the_unit_from_starting_is_refused(found, words):
    (problem,) = process.missing_problems("h1", ["/data"], {"paths": {"/data": found}}, {"uid": 6123, "gid": 6124})
    assert problem.startswith("h1: /data of flink_ha_read_write_paths")
    assert words in problem


def test_a_directory_that_is_there_stays_as_it_is():
    state = {"paths": {"/data": {"type": "directory", "target": ""}}}
    assert process.missing_problems("h1", ["/data"], state, {"uid": 1, "gid": 1}) == []


@pytest.mark.parametrize("path", ["/data/flink tmp", "/a,/b", "/a:b", "/a|b", "tmp", "/data/%h", ""])
def test_a_directory_that_would_be_read_as_another_is_refused(path):
    (problem,) = process.own_path_problems("/var/lib/flink", ["/var/lib/flink/tmp", path])
    assert problem.startswith(f"flink_ha_tmp_dirs has {path!r}")
    assert process.own_path_problems("/var/lib/flink", ["/scratch2/flink~tmp", "/data/ü"]) == []
    (problem,) = process.own_path_problems(path, [])
    assert problem.startswith(f"flink_ha_home_dir has {path!r}")
