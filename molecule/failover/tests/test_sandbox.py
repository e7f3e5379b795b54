"""What the units' sandbox does: a score counts directives, also those that a container does not heed, so each effect is tried."""

from __future__ import annotations

import json
import re
import shlex

import cluster
import pytest

UNITS = {"zookeeper": "zookeeper", "flink_jobmanager": "flink-jobmanager", "flink_taskmanager": "flink-taskmanager"}
#: From NoNewPrivileges on; what stands before it is a unit's own.
DIRECTIVES = re.compile(r"^[A-Z]\w+=.*$", re.MULTILINE)
PROBE = """
import ctypes, json, os, socket
def able(action):
    try:
        action()
        return True
    except OSError:
        return False
def write(path):
    open(path, "w").close()
    os.unlink(path)
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")
def chmod():
    open("{own}/probe", "w").close()
    try:
        os.chmod("{own}/probe", 0o4755)
    finally:
        os.unlink("{own}/probe")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({{
    "writes its own": able(lambda: write("{own}/probe")),
    "writes /usr": able(lambda: write("/usr/probe")),
    "writes /etc": able(lambda: write("/etc/probe")),
    "writes /var/lib": able(lambda: write("/var/lib/probe")),
    "reads /root": able(lambda: os.listdir("/root")),
    "sees the host's /tmp": os.path.exists("/tmp/of-the-host"),
    "has capabilities": int(status["CapBnd"], 16) > 0,
    "may gain privileges": int(status["NoNewPrivs"]) == 0,
    "has all system calls": int(status["Seccomp"]) == 0,
    "opens a netlink socket": able(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()),
    "opens a raw socket": able(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()),
    "opens a TCP socket": able(lambda: socket.socket().close()),
    "makes a namespace": able(lambda: call(272, 0x04000000)),
    "changes its priority": able(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0))),
    "makes a file of setuid": able(chmod),
}}))
"""
ALLOWED = {"writes its own", "opens a TCP socket"}
#: A container has a filter of system calls anyway; what this one adds shows in the calls above.
CONTAINER = {"has all system calls"}


def unit_of(host, group):
    return cluster.shell(host, f"systemctl list-units --plain --no-legend '{UNITS[group]}*'").split()[0]


def probed(host, own, *properties):
    """What a process can do, with these properties of a unit."""
    command = ["systemd-run", "--quiet", "--wait", "--pipe", *properties, "python3", "-c", PROBE.format(own=own)]
    return json.loads(cluster.shell(host, " ".join(shlex.quote(word) for word in command)))


@pytest.mark.parametrize("group", UNITS)
def test_each_effect_of_the_sandbox(group):
    host = cluster.group(group)[0]
    text = cluster.shell(host, f"systemctl cat {unit_of(host, group)}")
    user = re.search(r"^User=(.*)$", text, re.MULTILINE).group(1)
    own = re.search(r"^ReadWritePaths=(\S+)", text, re.MULTILINE).group(1)
    sandbox = [
        "ReadWritePaths=" + own,
        *DIRECTIVES.findall(text[text.index("NoNewPrivileges=") : text.index("[Install]")]),
    ]
    cluster.shell(host, "touch /tmp/of-the-host")
    found = probed(host, own, f"--uid={user}", *[f"--property={directive}" for directive in sandbox])
    assert {what for what, can in found.items() if can} == ALLOWED
    # Each of them is what the sandbox does, not the machine: root can do it without.
    free = {what for what, can in probed(host, own).items() if can}
    assert set(found) - free <= CONTAINER, set(found) - free


@pytest.mark.parametrize("group", UNITS)
def test_the_score(group):
    for host in cluster.group(group):
        printed = cluster.shell(host, f"systemd-analyze security --no-pager {unit_of(host, group)} | tail -1")
        assert float(re.search(r": ([\d.]+) ", printed).group(1)) <= 1.5, printed
