"""What an adoption must not do to a process, its old unit and its host: on one host, with processes that only look like Java's.

Python under the name `java` is the process; `test_takeover.py` has real ones.
"""

from __future__ import annotations

import subprocess

import cluster
import pytest

HOST = cluster.group("flink_taskmanager")[-1]
#: A program named java, of which the last word is the main class, and that also starts a child where it is told to.
JAVA = "/opt/lab/java"
COMMAND = f"{JAVA} -c 'import time; time.sleep(3600)' lab.Main"
UNIT = """[Unit]
Description=Somebody's
[Service]
{service}
[Install]
WantedBy=multi-user.target
"""
SIMPLE = f"User=lab\nExecStart={COMMAND}\nRestart=always\n"


def put(path, text, mode="0644"):
    subprocess.run(
        [
            "podman",
            "exec",
            "-i",
            cluster.container(HOST),
            "sh",
            "-c",
            f"mkdir -p $(dirname {path}) && cat > {path} && chmod {mode} {path}",
        ],
        input=text,
        text=True,
        check=True,
    )


def shell(command):
    return cluster.shell(HOST, command)


def adopt(unit="new.service", main="lab.Main", **others):
    """The module's answer."""
    return cluster.module(HOST, "service_adoption", {"unit": unit, "main_classes": [main], **others})


def started(main="lab.Main"):
    """The one process with a main class, and when it began."""
    return shell(f"for pid in $(pgrep -f '^{JAVA}.* {main}$'); do cut -d ' ' -f 1,22 /proc/$pid/stat; done")


def shown(unit, *names):
    found = dict(
        line.split("=", 1) for line in shell(f"systemctl show -p {','.join(names)} {unit}").splitlines() if "=" in line
    )
    return [found.get(name, "") for name in names]


def begin(text, unit="old.service"):
    put(f"/etc/systemd/system/{unit}", text)
    shell(f"systemctl daemon-reload && systemctl enable --now {unit}")
    cluster.until("it runs", started, 10)
    return started()


@pytest.fixture(autouse=True)
def host():
    shell(
        "id lab || useradd --system lab; mkdir -p /opt/lab; cp $(readlink -f /usr/bin/python3) /opt/lab/java; rm -f /opt/lab/ran"
    )
    yield
    shell(
        "rm -f /usr/local/sbin/systemctl; systemctl stop old new other app helper 2> /dev/null; systemctl disable old new other app helper 2> /dev/null; "
        "pkill -KILL -u lab; rm -rf /etc/systemd/system/old.* /etc/systemd/system/new.* /etc/systemd/system/other.* /etc/systemd/system/app.* "
        "/etc/systemd/system/helper.* /run/systemd/system.control/new.* /run/systemd/system/*.service.d /run/streamquorum/adoption-*; "
        "systemctl daemon-reload; systemctl reset-failed; true"
    )


def assert_adopted(process, unit="new.service"):
    pid = process.split()[0]
    assert started() == process
    # As its file says, and not as while it was taken.
    assert shown(unit, "MainPID", "ActiveState", "KillMode", "NeedDaemonReload") == [
        pid,
        "active",
        "control-group",
        "no",
    ]
    assert (
        shell(
            "find /run/systemd/system.control /run/systemd/system /run/streamquorum -name '*adoption*' -o -name 'new.service'"
        )
        == ""
    )


def test_nothing_of_the_old_unit_runs_again_and_nothing_changes_its_owner():
    """Its commands, its dependencies and its directories are for a start, and this is none."""
    put(
        "/etc/systemd/system/helper.service",
        "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo helper >> /opt/lab/ran'\n",
    )
    process = begin(
        UNIT.format(
            service=SIMPLE
            + "ExecStartPre=+/bin/sh -c 'echo pre >> /opt/lab/ran'\nExecStop=+/bin/sh -c 'echo stop >> /opt/lab/ran'\n"
            "ExecStopPost=+/bin/sh -c 'echo post >> /opt/lab/ran'\nStateDirectory=lab\nRuntimeDirectory=lab\nLogsDirectory=lab\n"
        ).replace("[Service]", "Wants=helper.service\n[Service]")
    )
    ran = shell("cat /opt/lab/ran")
    assert sorted(ran.split()) == ["helper", "pre"]
    found = adopt()
    assert found.get("changed") is True, found
    assert (found["before"], found["left"]) == ("old.service", [])
    assert_adopted(process)
    assert shell("cat /opt/lab/ran") == ran
    assert shell("stat -c %U /var/lib/lab /run/lab /var/log/lab") == "lab\nlab\nlab"
    assert shown("old", "ActiveState", "UnitFileState") == ["inactive", "disabled"]
    assert shown("new", "UnitFileState", "Restart") == ["enabled", "always"]
    # And it starts again by it.
    shell("systemctl restart new")
    cluster.until("another one runs", lambda: started() not in ("", process), 10)
    assert adopt()["changed"] is False


def test_trap_78_what_the_user_chose_is_never_run_by_root():
    # Any program that is started with it writes who it is.
    put("/opt/lab/site/sitecustomize.py", "import os; open(f'/tmp/lab-{os.getuid()}', 'w')\n")
    put(
        "/opt/lab/start",
        f"cd /; PYTHONPATH=/opt/lab/site LD_PRELOAD=/opt/lab/none.so nohup {COMMAND} > /dev/null 2>&1 &\n",
    )
    shell("rm -f /tmp/lab-*; runuser -u lab -- sh /opt/lab/start")
    process = started()
    said = "journalctl -b -o cat | grep -c 'none.so.*cannot be preloaded' || true"
    before = shell(said)
    assert adopt()["changed"] is True
    assert_adopted(process)
    assert shell(said) == before
    assert (
        shell("stat -c '%U %a' /etc/streamquorum/new.service.environment /etc/systemd/system/new.service")
        == "root 600\nroot 600"
    )
    assert shell("ls /tmp/lab-0 2> /dev/null || true") == ""
    # Its unit starts it as its user.
    shell("systemctl restart new")
    cluster.until("another one runs", lambda: started() not in ("", process), 10)
    assert shell(f"stat -c %U /proc/{started().split()[0]}") == "lab"
    assert shell("ls /tmp/lab-0 2> /dev/null || true") == ""


def test_one_on_another_port_is_left_alone():
    listens = "import socket, time; taken = socket.create_server(('127.0.0.1', 4711)); time.sleep(3600)"
    process = begin(UNIT.format(service=f'User=lab\nExecStart={JAVA} -c "{listens}" lab.Main\n'))
    cluster.until("it listens", lambda: shell("ss -Htln 'sport = :4711'"), 10)
    found = adopt(ports=[4712])
    assert (found["changed"], found["pid"]) == (False, 0), found
    assert shown("old", "ActiveState", "UnitFileState") == ["active", "enabled"]
    assert adopt(ports=[4711])["changed"] is True
    assert_adopted(process)


def test_a_directory_whose_name_is_a_line_of_a_unit_is_refused():
    put(
        "/opt/lab/start",
        f"mkdir -p /tmp/lab; cd /tmp/lab; mkdir -p 'x\nExecStartPre=+'; cd 'x\nExecStartPre=+'; nohup {COMMAND} > /dev/null 2>&1 &\n",
    )
    shell("runuser -u lab -- sh /opt/lab/start")
    process = started()
    assert "which no unit can have" in adopt()["msg"]
    assert started() == process
    assert shell("ls /etc/systemd/system/new.service 2> /dev/null || true") == ""


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("old", "ExecStop=/bin/kill -9 $MAINPID"),
        ("old", "Restart=always"),
        ("new", "ExecStartPre=/bin/true"),
        ("new", "ExecStart=\nExecStart=/bin/sleep 1"),
    ],
)
def test_trap_78_a_drop_in_that_would_count_after_ours_is_refused_and_all_is_as_it_was(unit, text):
    process = begin(UNIT.format(service=SIMPLE))
    put(f"/etc/systemd/system/{unit}.service.d/~~~.conf", f"[Service]\n{text}\n")
    found = adopt()
    assert "A drop-in of" in found["msg"], found
    assert started() == process
    if unit == "new":
        assert shown("old", "MainPID", "ActiveState") == [process.split()[0], "active"]
    # Without it, it goes on.
    shell(f"rm -r /etc/systemd/system/{unit}.service.d; systemctl daemon-reload")
    assert adopt()["changed"] is True
    assert_adopted(process)
    assert shown("old", "ActiveState", "UnitFileState") == ["inactive", "disabled"]
    assert shown("new", "UnitFileState") == ["enabled"]


def test_a_unit_that_does_not_know_its_process_does_not_end_it():
    """Without a process that it knows, systemd takes an empty control group for its end."""
    process = begin(
        UNIT.format(
            service=f'Type=forking\nGuessMainPID=no\nUser=lab\nExecStart=/bin/sh -c "{COMMAND} &"\nRestart=always\n'
            "ExecStop=/usr/bin/pkill -KILL -f lab.Main\n"
        )
    )
    assert shown("old", "MainPID") == ["0"]
    found = adopt()
    assert found.get("changed") is True, found
    assert_adopted(process)
    assert shown("old", "ActiveState", "UnitFileState") == ["inactive", "disabled"]
    assert shown("new", "UnitFileState") == ["enabled"]


def test_what_an_ended_run_and_an_ended_process_have_left_is_finished():
    process = begin(UNIT.format(service=SIMPLE))
    put(
        "/usr/local/sbin/systemctl",
        '#!/bin/sh\ntest "$1" != disable || { kill -KILL $PPID; exit 1; }\nexec /usr/bin/systemctl "$@"\n',
        "0755",
    )
    adopt()
    shell("rm /usr/local/sbin/systemctl")
    assert started() == process
    # Both would start it at boot.
    assert [shown(unit, "UnitFileState") for unit in ("new", "old")] == [["enabled"], ["enabled"]]
    shell(f"kill {process.split()[0]}")
    cluster.until("the unit starts it again", lambda: started() not in ("", process), 30)
    found = adopt()
    assert found.get("changed") is True, found
    assert shown("old", "ActiveState", "UnitFileState", "KillMode") == ["inactive", "disabled", "control-group"]
    assert shown("new", "ActiveState", "UnitFileState", "KillMode") == ["active", "enabled", "control-group"]


def test_of_a_unit_that_started_two_both_come_back_at_boot():
    other = COMMAND.replace("lab.Main", "lab.Other")
    start = f'/bin/sh -c "{COMMAND} & {other} &"'
    process = begin(UNIT.format(service=f"Type=oneshot\nRemainAfterExit=yes\nUser=lab\nExecStart={start}\n"))
    second = cluster.until("the other one runs", lambda: started("lab.Other"), 10)[0]
    found = adopt()
    assert (found["changed"], found["left"]) == (True, [int(second.split()[0])]), found
    # What holds another one still is as it was.
    assert shown("old", "ActiveState", "UnitFileState", "KillMode") == ["active", "enabled", "control-group"]
    assert adopt("other.service", "lab.Other")["left"] == []
    assert_adopted(process)
    assert started("lab.Other") == second
    assert shown("old", "ActiveState", "UnitFileState") == ["inactive", "disabled"]
    assert [shown(unit, "UnitFileState") for unit in ("new", "other")] == [["enabled"], ["enabled"]]


def test_trap_78_a_run_that_is_killed_anywhere_is_finished_by_the_next_and_the_process_runs_on():
    counted = 0
    for number in range(1, 40):
        process = begin(UNIT.format(service=SIMPLE))
        put("/run/lab-left", f"{number}\n")
        put(
            "/usr/local/sbin/systemctl",
            "#!/bin/sh\nleft=$(($(cat /run/lab-left) - 1)); echo $left > /run/lab-left\n"
            'test $left -ne 0 || { touch /run/lab-killed; kill -KILL $PPID; exit 1; }\nexec /usr/bin/systemctl "$@"\n',
            "0755",
        )
        shell("rm -f /run/lab-killed")
        adopt()
        killed = shell("rm /usr/local/sbin/systemctl; ls /run/lab-killed 2> /dev/null || true")
        assert started() == process, number
        if not killed:
            break
        counted = number
        found = adopt()
        assert not found.get("failed"), (number, found)
        assert_adopted(process)
        assert shown("old", "ActiveState", "UnitFileState", "KillMode") == ["inactive", "disabled", "control-group"], (
            number
        )
        assert shown("new", "UnitFileState", "Restart") == ["enabled", "always"], number
        shell("systemctl disable --now new; rm /etc/systemd/system/new.service; systemctl daemon-reload")
    assert counted > 10
