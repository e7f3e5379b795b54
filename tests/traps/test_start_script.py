"""The start script of Flink's services, run for real by a shell beside stand-ins for Flink's own scripts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import process as flink_process
from ansible_collections.streamquorum.ha.plugins.module_utils.host import java_logs
from ansible_collections.streamquorum.ha.plugins.plugin_utils import templates

ROLE = Path(__file__).parents[2] / "roles/flink_ha"
#: Prints what Flink's script is given.
STAND_IN = "#!/bin/sh\nenv -0\n"


def start_text(**inputs):
    """The text as the role renders it."""
    return templates.render(str(ROLE / "templates"), "start", **inputs)


class Service:
    """A generation of a service in a directory of the test."""

    def __init__(self, folder: Path, name: str, extra=None, environment=None, tmp_dirs=("tmp", "tmp 2")):
        self.folder, self.name = folder, name
        self.tmp_dirs = [str(folder / each) for each in tmp_dirs]
        self.home = folder / "etc" / name / "generations/0123456789abcdef"
        (self.home / "release/bin").mkdir(parents=True)
        kind = name.removeprefix("flink-").split("@")[0]
        (self.home / f"release/bin/{kind}.sh").write_text(STAND_IN)
        (self.home / f"release/bin/{kind}.sh").chmod(0o755)
        (self.home / "environment").write_text(flink_process.environment_text(environment or {}))
        (self.home / "start").write_text(
            start_text(
                tmp_dirs=self.tmp_dirs,
                log_dir="/var/log/flink",
                environment=bool(environment),
                classes={"HADOOP_CLASSPATH": "/opt/hadoop client/*"},
                java_home="/opt/java",
                java_options=java_logs.options(17, "$FLINK_LOG_DIR", "flink-$service", 50, 5, True),
                leftovers=flink_process.leftovers(extra or {}),
            )
        )
        (self.home / "start").chmod(0o755)

    def start(self) -> dict[str, str]:
        done = subprocess.run(
            [self.home / "start"],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": "/run/x"},
        )
        return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)

    def own(self, number: int = 0) -> Path:
        return Path(self.tmp_dirs[number]) / self.name

    def leave(self, *names: str) -> None:
        for number in range(len(self.tmp_dirs)):
            for name in names:
                (self.own(number) / name / "deep").mkdir(parents=True)
                (self.own(number) / name / "deep/file").write_text("x")


LEFT = (
    "flink-io-1",
    "flink-netty-shuffle-2",
    "flink-dist-cache-3",
    "blobStore-4",
    "tm_h:1-2",
    "jm_5",
    "rocksdb-lib-6",
    "job_a_op_b",
    "localState",
    "archivedApplicationStore-7",
    "flink-rpc-akka8.jar",
)


@pytest.fixture
def service(tmp_path):
    return lambda name="flink-taskmanager", **inputs: Service(tmp_path, name, **inputs)


def test_trap_68_what_a_killed_process_left_is_gone_at_the_next_start(service):
    first = service()
    first.leave(*LEFT)
    first.start()
    assert [list(first.own(number).iterdir()) for number in (0, 1)] == [[], []]
    first.start()


def test_trap_68_what_another_service_of_the_host_uses_stays(service, tmp_path):
    first, second, third = (service(name) for name in ("flink-taskmanager", "flink-jobmanager@1", "flink-jobmanager@2"))
    for each in (first, second, third):
        each.leave(*LEFT)
    # Of the time when all had one directory.
    (tmp_path / "tmp/flink-io-of-a-live-process").mkdir()
    second.start()
    assert [sorted(path.name for path in each.own().iterdir()) for each in (first, third)] == [sorted(LEFT)] * 2
    assert list(second.own().iterdir()) == []
    assert (tmp_path / "tmp/flink-io-of-a-live-process").exists()


def test_trap_68_what_flink_does_not_make_stays(service):
    first = service()
    first.leave("my-job", "flink")
    first.start()
    assert sorted(path.name for path in first.own().iterdir()) == ["flink", "my-job"]


def test_trap_68_no_link_is_followed(service, tmp_path):
    other = tmp_path / "other"
    (other / "flink-io-7").mkdir(parents=True)
    first = service()
    first.leave("my-job")
    (first.own() / "flink-io-8").symlink_to(other)
    (first.own(1)).rename(tmp_path / "away")
    first.own(1).symlink_to(other)
    first.start()
    assert (other / "flink-io-7").is_dir()
    assert not (first.own() / "flink-io-8").is_symlink()
    assert first.own(1).is_dir()
    assert not first.own(1).is_symlink()


def test_trap_68_the_working_directory_of_a_process_that_comes_back_under_its_name_stays(service):
    first = service(extra={"taskmanager.resource-id": "tm1"})
    first.leave("tm_tm1", "jm_5", "flink-io-1")
    first.start()
    assert [path.name for path in first.own().iterdir()] == ["tm_tm1"]


def test_the_process_gets_its_environment_and_the_start_script_has_the_last_word(service):
    found = service("flink-jobmanager@2", environment={"A": "b 'c'", "FLINK_IDENT_STRING": "x"}).start()
    assert found["A"] == "b 'c'"
    assert found["HADOOP_CLASSPATH"] == "/opt/hadoop client/*", "for Java, and not for the shell"
    assert (found["FLINK_IDENT_STRING"], found["JAVA_HOME"]) == ("jobmanager@2", "/opt/java")
    assert found["JVM_ARGS"].split() == java_logs.options(17, "/var/log/flink", "flink-jobmanager@2", 50, 5, True)
