"""Options of Java for its own files; `java -version` takes them, where there is a Java."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host import java_logs


def test_the_log_of_the_collection_has_a_bound_in_every_java():
    new = java_logs.options(17, "/var/log/x", "x", 50, 5, True)
    assert "-Xlog:gc*:file=/var/log/x/x-gc.log:time,uptime,level,tags:filecount=5,filesize=50m" in new
    old = java_logs.options(8, "/var/log/x", "x", 50, 5, True)
    assert {
        "-Xloggc:/var/log/x/x-gc.log",
        "-XX:+UseGCLogFileRotation",
        "-XX:NumberOfGCLogFiles=5",
        "-XX:GCLogFileSize=50M",
    } <= set(old)
    assert not any(option.startswith("-Xlog:") for option in old)
    assert not any("GCLogFile" in option for option in new)


@pytest.mark.parametrize(("given", "files"), [(0, 1), (1, 1), (5000, 1000)])
def test_no_number_of_files_switches_the_rotation_off(given, files):
    assert f"filecount={files}," in java_logs.options(11, "/l", "x", 1, given, True)[0]


@pytest.mark.parametrize("major", [8, 11, 21])
def test_dump_and_crash_have_fixed_names_so_that_there_is_one_of_each(major):
    found = java_logs.options(major, "/l", "x", 1, 1, True)
    assert "-XX:HeapDumpPath=/l/x.hprof" in found
    assert "-XX:ErrorFile=/l/x-hs_err.log" in found
    assert not any("%" in option for option in found)
    assert not any("HeapDump" in option for option in java_logs.options(major, "/l", "x", 1, 1, False))


@pytest.mark.parametrize("directory", ["/var/log/my flink", "/a:b", "log", '/a"b', "/$x"])
def test_a_directory_that_java_could_not_be_given_is_refused(directory):
    (problem,) = java_logs.directory_problems(directory, "flink_ha_log_dir")
    assert problem.startswith("flink_ha_log_dir is ")
    assert java_logs.directory_problems("/var/log/flink-1", "flink_ha_log_dir") == []


@pytest.mark.skipif(not shutil.which("java"), reason="no Java on this machine")
def test_java_takes_them(tmp_path):
    done = subprocess.run(
        ["java", *java_logs.options(17, str(tmp_path), "x", 1, 2, True), "-version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x-gc.log").exists()
