"""What the machine allows, and what is missing on it."""

from __future__ import annotations

import pytest
from lab import machine


@pytest.mark.parametrize(
    ("nofile", "nproc", "expected"),
    [
        (20000, 96365, {"nofile": 20000, "nproc": 32768}),
        (1048576, 1000, {"nofile": 65536, "nproc": 1000}),
        (-1, -1, {"nofile": 65536, "nproc": 32768}),
    ],
)
def test_limits_stay_under_the_machines_own(nofile, nproc, expected):
    assert machine.limits(nofile, nproc) == expected


def test_more_hosts_than_the_machine_can_boot_are_refused_with_the_command():
    assert machine.inotify_problem(128, 16, 16) == ""
    assert machine.inotify_problem(128, 17, 16).endswith(
        "16 more hosts need fs.inotify.max_user_instances of 129, and this machine has 128. Raise it: sysctl -w fs.inotify.max_user_instances=512"
    )
    assert "max_user_instances=707" in machine.inotify_problem(128, 7, 100)


def test_only_capabilities_that_the_machine_has_are_handed_out():
    assert machine.default_capabilities(2**41 - 1) == ["AUDIT_WRITE", "NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"]
    assert machine.default_capabilities(1 << 12) == ["NET_ADMIN"]
    assert machine.default_capabilities(0) == []


@pytest.mark.parametrize(
    ("mounts", "first"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "crun"),
        ("cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n", "runc"),
        ("cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n", "runc"),
        ("", "crun"),
    ],
)
def test_crun_is_tried_first_where_there_is_only_cgroup_v2(mounts, first):
    order = machine.runtime_order(mounts)
    assert order[0] == first
    assert set(order) == {"crun", "runc"}


def test_missing_packages_are_those_without_a_proof():
    assert machine.missing_packages(lambda _proof: True, ("crun", "runc")) == []
    assert "crun" not in machine.missing_packages(lambda _proof: False, ("runc", "crun"))
    here = {
        "podman",
        "runc",
        "mmdebstrap",
        "iptables",
        "nft",
        "ssh",
        "mvn",
        "javac",
        "kadmin",
        "/usr/libexec/podman/netavark",
    }
    assert machine.missing_packages(here.__contains__, ("crun", "runc")) == ["crun", "debian-archive-keyring"]
    assert machine.missing_packages(here.__contains__, ("runc", "crun")) == ["debian-archive-keyring"]


@pytest.mark.parametrize(("version", "refused"), [((3, 9, 2), True), ((3, 11, 0), False), ((3, 13, 1), False)])
def test_an_old_python_is_refused_with_the_remedy(version, refused):
    problems = machine.python_problems(version)
    assert bool(problems) is refused
    assert all("3.11" in problem for problem in problems)
