"""Faults of the ensemble and of the runs that change it, under writes. Each test ends with a cluster as a clean run leaves it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import contextmanager

import cluster
import pytest

HOSTS = cluster.group("zookeeper")
PLAYBOOK = "playbooks/zookeeper.yml"
SSH_CUT = "INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset"


# --- what the tests look at


def connections(value):
    """A change of the configuration that each member has to be restarted for, and that is harmless."""
    return ["-e", f"zookeeper_max_client_cnxns={value}"]


def configured(host):
    """maxClientCnxns of the generation that the process itself was started with."""
    pid = cluster.shell(host, "systemctl show zookeeper -p MainPID --value")
    home = re.search(r"/etc/zookeeper/generations/[0-9a-f]+", cluster.shell(host, f"cat /proc/{pid}/cmdline"))
    found = re.search(r"maxClientCnxns=(\d+)", cluster.shell(host, f"cat {home.group(0)}/zoo.cfg"))
    return int(found.group(1))


def starts():
    """How often each member came to start, ever."""
    # Not from the journal, whose oldest lines go while a job prints.
    count = "cat /var/log/zookeeper/zookeeper.log* | grep -c 'Starting quorum peer' || true"
    return {host: int(cluster.shell(host, count)) for host in HOSTS}


def modes():
    return {host: cluster.mode(host) for host in HOSTS}


def all_serve():
    return sorted(modes().values()) == ["follower", "follower", "leader"]


def follower():
    return next(host for host, mode in modes().items() if mode == "follower")


def clean():
    """The state that a run on a good cluster finds and leaves: nothing to do, everything serves."""
    cluster.until("all serve", all_serve, 60)
    code, output = cluster.playbook(PLAYBOOK)
    assert code == 0, output
    assert all_serve()


@contextmanager
def run(*arguments):
    command = ["ansible-playbook", "-i", str(cluster.INVENTORY), PLAYBOOK, *arguments]
    process = subprocess.Popen(
        command,
        cwd=cluster.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def read_until(process, text, times=1):
    """Reads the output of a run until a text has come so often; all that was read."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        times -= text in line
        if not times:
            return "".join(lines)
    raise AssertionError(f"the run ended without {text!r}: {''.join(lines)}")


def refused(result, *words):
    code, output = result
    text = " ".join(output.split())
    assert code != 0, output
    assert all(word in text for word in words), output


# --- processes that die or hang


@pytest.mark.parametrize(
    ("role", "how"),
    [
        pytest.param("follower", "KILL", marks=pytest.mark.short),
        ("follower", "STOP"),
        pytest.param("leader", "KILL", marks=pytest.mark.short),
        ("leader", "STOP"),
    ],
)
def test_a_member_is_killed_or_hangs(safe, role, how):
    host = follower() if role == "follower" else cluster.zookeeper_leader()
    others = [other for other in HOSTS if other != host]
    with safe(f"SIG{how} of a {role}", lost=how == "STOP") as result:
        cluster.shell(host, f"systemctl kill --kill-whom=main --signal={how} zookeeper")
        cluster.until("the others serve", lambda: {cluster.mode(other) for other in others} >= {"leader"}, 60)
        if how == "STOP":
            code, output = cluster.playbook("playbooks/status.yml")
            assert code != 0, output
            cluster.shell(host, "systemctl kill --kill-whom=main --signal=CONT zookeeper")
        cluster.until("all serve", all_serve, 90)
    # A hanging leader is replaced before Flink's sessions end: a JobManager whose session ended may lead beside another one.
    assert result.get("job_restarts", 0) == 0
    clean()


def test_trap_28_a_member_that_hangs_is_mended_by_the_next_run(safe):
    host = follower()
    with safe("a hanging follower is repaired by a run"):
        cluster.shell(host, "systemctl kill --kill-whom=main --signal=STOP zookeeper")
        cluster.until("it is missed", lambda: not answers(host), 60)
        code, output = cluster.playbook(PLAYBOOK, *connections(106))
        assert code == 0, output
        assert f"repair {host}" in output
    assert {configured(each) for each in HOSTS} == {106}
    clean()


def answers(host):
    try:
        return cluster.mode(host)
    except OSError:
        return ""


@pytest.mark.parametrize("chains", [["INPUT", "OUTPUT"], ["INPUT"]], ids=["both ways", "one way"])
def test_a_member_is_cut_off(safe, chains):
    host = follower()
    rules = [
        f"{chain} -p tcp -m multiport --{side} 2888,3888 -j DROP" for chain in chains for side in ("dports", "sports")
    ]
    with safe(f"a follower is cut off ({len(chains)} of 2 directions)"):
        for rule in rules:
            cluster.shell(host, f"iptables -I {rule}")
        try:
            cluster.until("it does not serve", lambda: not answers(host), 90)
            # A roll now would take the second of three voters.
            refused(cluster.playbook(PLAYBOOK, *connections(108)), "Diagnostics:")
            assert 108 not in {configured(each) for each in HOSTS if each != host}
        finally:
            for rule in rules:
                cluster.shell(host, f"iptables -D {rule}")
        cluster.until("all serve", all_serve, 90)
    clean()


def test_a_full_disk_stops_one_member_only(safe):
    host = "n3.faults.test"
    with safe("the disk of a member's transaction logs is full"):
        cluster.shell(host, "dd if=/dev/zero of=/srv/log/full bs=1M 2>/dev/null || true")
        # It goes on as long as the log has room; a restart needs a new one.
        cluster.shell(host, "systemctl kill --signal=KILL zookeeper")
        cluster.until("it does not serve", lambda: not answers(host), 60)
        cluster.shell(host, "rm /srv/log/full")
        cluster.until("all serve", all_serve, 90)
    clean()


# --- runs that are killed, doubled, misled


@pytest.mark.parametrize(
    ("number", "text", "times"),
    [
        (1, "rolling : Plan]", 1),
        (2, "rolling : Switch and restart]", 1),
        pytest.param(3, "rolling : Wait until they serve]", 1, marks=pytest.mark.short),
        (4, "rolling : Decide]", 3),
        (5, "rolling : Switch and restart]", 3),
    ],
)
def test_trap_15_interrupted_run_is_finished_by_the_next(safe, number, text, times):
    before, value = starts(), 110 + number
    with safe(f"the controller is killed at point {number} of a roll, and run again"):
        with run(*connections(value)) as process:
            read_until(process, text, times)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        code, output = cluster.playbook(PLAYBOOK, *connections(value))
        assert code == 0, output
    assert {configured(host) for host in HOSTS} == {value}
    assert starts() == {host: count + 1 for host, count in before.items()}, "each member once, by both runs together"
    code, output = cluster.playbook(PLAYBOOK, *connections(value))
    assert code == 0, output
    assert starts() == {host: count + 1 for host, count in before.items()}


def test_trap_15_a_forced_roll_goes_on_where_it_was():
    force = ["-e", "rolling_restart_force=true"]
    clean()
    before = starts()
    with run(*force) as process:
        read_until(process, "rolling : Decide]", 3)
    code, output = cluster.playbook(PLAYBOOK, *force)
    assert code == 0, output
    assert starts() == {host: count + 1 for host, count in before.items()}


def test_trap_17_two_runs_at_once():
    before = starts()
    with run(*connections(121)) as first:
        read_until(first, "rolling : Plan]")
        refused(cluster.playbook(PLAYBOOK, *connections(122)), "Another run holds the lock", "it ends in")
        rest = first.stdout.read()
        assert first.wait() == 0, rest
    assert {configured(host) for host in HOSTS} == {121}
    assert starts() == {host: count + 1 for host, count in before.items()}
    # The second run may have staged what it wanted after the first one's step: the step of the next roll removes it.
    clean()
    for host in HOSTS:
        kept, there = (
            cluster.shell(host, f"cd /etc/zookeeper && {what} | sort -u").split()
            for what in ("readlink -f current previous | xargs -n 1 basename", "ls generations")
        )
        assert there == kept, "the step removes what nothing refers to, the second run's too"


def test_trap_26_the_leader_goes_last_also_when_it_changes_during_the_roll(safe):
    old = cluster.zookeeper_leader()
    with safe("the leader dies during a roll"):
        with run(*connections(131)) as process:
            read_until(process, "rolling : Say what is going to be done")
            cluster.shell(old, "systemctl kill --kill-whom=main --signal=KILL zookeeper")
            process.stdout.read()
            process.wait()
        # Either it went on, or it stopped because not all served: the next one finishes.
        code, output = cluster.playbook(PLAYBOOK, *connections(131))
        assert code == 0, output
    assert {configured(host) for host in HOSTS} == {131}
    clean()


def test_trap_28_a_member_that_is_down_is_mended_first(safe):
    host = follower()
    before = starts()
    cluster.shell(host, "systemctl stop zookeeper")
    with safe("a roll with a member down before it"):
        code, output = cluster.playbook(PLAYBOOK, *connections(141))
        assert code == 0, output
    steps = re.findall(r"msg: '?(repair|change) (\S+):", output)
    assert steps[0] == ("repair", host), steps
    assert starts() == {each: count + 1 for each, count in before.items()}
    clean()


def test_trap_28_29_a_sick_ensemble_is_not_rolled(safe):
    """What cannot be repaired stops the roll before a ready member is touched, and the run is not green."""
    host = follower()
    before = starts()
    cluster.shell(host, "systemctl stop zookeeper; iptables -I OUTPUT -p tcp -m multiport --dports 2888,3888 -j DROP")
    try:
        with safe("a member that cannot be repaired"):
            refused(cluster.playbook(PLAYBOOK, *connections(142)), "did not come to serve", "Diagnostics:")
    finally:
        cluster.shell(host, "iptables -D OUTPUT -p tcp -m multiport --dports 2888,3888 -j DROP")
    assert {each: count for each, count in starts().items() if each != host} == {
        each: count for each, count in before.items() if each != host
    }
    clean()


def test_trap_36_an_unreachable_member_ends_the_run(safe):
    clean()
    before, last = starts(), HOSTS[-1]
    with safe("a host is lost to the controller during a roll"):
        with run(*connections(143)) as process:
            read_until(process, "rolling : Plan]")
            cluster.shell(last, f"iptables -I {SSH_CUT}")
            output = process.stdout.read()
            assert process.wait() != 0, output
        cluster.shell(last, f"iptables -D {SSH_CUT}")
        assert starts()[last] == before[last]
        code, output = cluster.playbook(PLAYBOOK, *connections(143))
        assert code == 0, output
    assert starts() == {host: count + 1 for host, count in before.items()}
    clean()


#: The process waits for a debugger before it does anything.
SUSPENDED = "-agentlib:jdwp=transport=dt_socket,server=y,suspend=y,address=127.0.0.1:5005"


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        pytest.param("does not start", {"zookeeper_config_extra": {"electionAlg": 1}}, marks=pytest.mark.short),
        ("starts and never serves", {"zookeeper_java_opts_extra": [SUSPENDED]}),
    ],
)
def test_a_wrong_configuration_stops_at_the_first_member_which_goes_back(safe, what, wrong, tmp_path):
    clean()
    before = {host: cluster.shell(host, "readlink /etc/zookeeper/current") for host in HOSTS}
    untouched = starts()
    with safe(f"a configuration with which a member {what}"):
        code, output = cluster.playbook(PLAYBOOK, "-e", json.dumps(wrong), "-e", f"rolling_diagnostics_dir={tmp_path}")
        assert code != 0, output
        assert "switched back to what served before, which runs" in " ".join(output.split()), output
        cluster.until("all serve", all_serve, 60)
    assert {host: cluster.shell(host, "readlink /etc/zookeeper/current") for host in HOSTS} == before
    assert sum(starts()[host] != untouched[host] for host in HOSTS) == 1, "only the first member was touched"
    names = {path.name for path in tmp_path.glob("*/*")}
    assert {"failure.txt", "verdict.json"} < names
    assert len(names) == 2 + len(HOSTS), names
    clean()


# --- what is refused, shown, or survived without a run


def test_check_prints_the_plan_and_touches_nothing():
    before = starts()
    code, output = cluster.playbook(PLAYBOOK, "--check", *connections(151))
    assert code == 0, output
    plan = re.findall(r"zookeeper: (\d)\. change (\S+)", output)
    assert [number for number, _host in plan] == ["1", "2", "3"], output
    assert plan[-1][1] == cluster.zookeeper_leader()
    assert starts() == before


def test_trap_06_other_voters_are_refused_with_the_difference():
    refused(
        cluster.playbook(PLAYBOOK, "-e", "zookeeper_election_port=3889"),
        "server.1=n1.faults.test:2888:3889",
        "(running)",
    )
    clean()


def test_a_power_cut_before_the_switch_starts_what_ran(safe):
    clean()
    host = follower() if follower() != "n3.faults.test" else next(
        each for each, mode in modes().items() if mode == "follower" and each != "n3.faults.test"
    )  # fmt: skip
    old = configured(host)
    with safe("power cut of a member whose change was staged"):
        with run(*connections(161)) as process:
            read_until(process, "rolling : Plan]")
        cluster.power("off", host.split(".")[0])
        cluster.power("on", host.split(".")[0])
        cluster.until("all serve", all_serve, 120)
    assert configured(host) == old
    code, output = cluster.playbook(PLAYBOOK, *connections(161))
    assert code == 0, output
    assert {configured(each) for each in HOSTS} == {161}
    clean()
