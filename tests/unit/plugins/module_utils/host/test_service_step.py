"""One step on the member's host; what it does to real services is in the scenarios faults, takeover and upgrade."""

from __future__ import annotations

import json
import os
import stat

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host import service_step
from ansible_collections.streamquorum.ha.plugins.module_utils.host.service_step import (
    ServiceStep,
    Target,
    served_before,
)

NOW, A, B = "generations/now", "generations/a", "generations/b"


@pytest.mark.parametrize(
    ("current", "previous", "running", "serves", "live", "restarts", "served"),
    [
        pytest.param(A, B, "a", True, True, 0, A, id="what-serves"),
        pytest.param(A, B, "a", True, True, 1, A, id="what-serves-although-systemd-restarted-it-once"),
        pytest.param(NOW, A, "a", True, True, 0, A, id="switched-and-not-restarted-by-a-run-that-was-killed"),
        pytest.param(NOW, A, "", False, False, 3, A, id="switched-to-what-keeps-ending"),
        pytest.param(NOW, A, "now", False, True, 0, "", id="hangs-with-what-it-should-run-and-is-not-switched"),
        pytest.param(A, B, "", False, False, 0, A, id="stopped-by-hand"),
        pytest.param(A, B, "", False, False, 2, B, id="keeps-ending-with-what-was-switched-to-before"),
        pytest.param(A, "", "", False, False, 2, A, id="keeps-ending-and-nothing-else-is-known"),
        pytest.param("", "", "", True, True, 0, "", id="an-installation-of-its-own"),
    ],
)
def test_where_a_step_goes_back_to(current, previous, running, serves, live, restarts, served):
    assert served_before(NOW, current, previous, running, serves, live, restarts) == served


class Host:
    """A host on which the unit of somebody else serves, and ours does not come up; systemd is what stands in its directory."""

    UNIT = "zookeeper.service"

    def __init__(self, folder, fragment, enabled=True):
        self.units_dir, self.root = folder / "system", folder / "zookeeper"
        self.units_dir.mkdir()
        (self.root / "generations/new").mkdir(parents=True)
        (self.root / "generations/new/unit").write_text("[Unit]\nDescription=ours\n")
        self.fragment, self.enabled = fragment, enabled
        self.commands = []
        self.needs_reload = False

    @property
    def ours(self):
        path = self.units_dir / self.UNIT
        return path.is_file() and "ours" in path.read_text()

    def units(self, names):
        return {
            self.UNIT: {
                "process": "" if self.ours else "1@1", "active": not self.ours, "enabled": self.enabled, "generation": "",
                "fragment": self.fragment, "main_pid": 0 if self.ours else 1, "restarts": 0, "result": "exit-code",
                "sub_state": "failed", "needs_reload": self.needs_reload,
            }
        }  # fmt: skip

    def listening(self):
        return [] if self.ours else [{"unit": self.UNIT, "port": 2181}]

    def run(self, command):
        self.commands.append(" ".join(command))
        if command[1] == "daemon-reload":
            self.needs_reload = False
        return 0, "", ""

    def step(self):
        target = Target(self.UNIT, str(self.root), "new", "1@1", [2181], 5.0)
        return ServiceStep(target, self, self.run, lambda: "", clock=lambda: 0.0, sleep=lambda seconds: None).make(
            False
        )


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(service_step, "UNIT_DIRECTORY", str(tmp_path / "system"))
    for name in ("chown", "fchown"):  # what belongs to root is tested on real hosts
        monkeypatch.setattr(os, name, lambda *arguments, **options: None)
    return lambda fragment, **facts: Host(tmp_path, fragment, **facts)


@pytest.mark.parametrize(
    ("fragment", "enabled", "after"),
    [
        ("/lib/systemd/system/zookeeper.service", True, ["disable", "enable"]),
        ("/lib/systemd/system/zookeeper.service", False, ["disable"]),
        # An init script's links enable it, which systemd does not count.
        ("/run/systemd/generator.late/zookeeper.service", False, ["disable", "enable"]),
    ],
)
def test_trap_62_a_package_gets_its_own_unit_back(host, fragment, enabled, after):
    there = host(fragment, enabled=enabled)
    found = there.step()
    assert found["outcome"] == "failed"
    assert "switched back to what served before, which runs" in found["reason"]
    assert not (there.units_dir / there.UNIT).exists()
    assert not (there.root / "current").exists()
    back = there.commands[-len(after) - 2 :]
    unit = there.UNIT
    assert back == [
        "systemctl daemon-reload",
        *(f"systemctl {verb} {unit}" for verb in after),
        f"systemctl restart {unit}",
    ]


def test_trap_62_the_secrets_of_a_foreign_unit_stay_closed(host):
    there = host("/etc/systemd/system/zookeeper.service")
    path = there.units_dir / there.UNIT
    path.write_text("[Service]\nEnvironment=PASSWORD=secret\n")
    path.chmod(0o640)
    assert there.step()["outcome"] == "failed"
    assert "PASSWORD=secret" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640, "as it was"
    kept = there.root / service_step.FOREIGN_UNIT
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads((there.root / service_step.FOREIGN_FACTS).read_text())["kind"] == "file"


def test_a_unit_that_is_a_link_is_one_again(host, tmp_path):
    there = host("/opt/zookeeper/zookeeper.service")
    (tmp_path / "theirs").write_text("[Unit]\nDescription=theirs\n")
    path = there.units_dir / there.UNIT
    path.symlink_to(tmp_path / "theirs")
    assert there.step()["outcome"] == "failed"
    assert os.readlink(path) == str(tmp_path / "theirs")


def test_trap_15_a_unit_that_a_killed_run_has_written_is_told_to_systemd_before_the_start(host):
    there = host("/lib/systemd/system/zookeeper.service")
    (there.units_dir / there.UNIT).write_text("[Unit]\nDescription=ours\n")
    there.needs_reload = True
    step = ServiceStep(
        Target(there.UNIT, str(there.root), "", "", [2181], 5.0), there, there.run, lambda: "", clock=lambda: 0.0
    )
    assert step.make(False)["outcome"] == "failed"
    assert there.commands[:2] == ["systemctl daemon-reload", f"systemctl start {there.UNIT}"]
