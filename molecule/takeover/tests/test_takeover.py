"""An ensemble and a Flink that this toolkit did not build are taken over, member by member. In the order of the file.

Some run under units of our names, some under others, and some were started by the scripts of their release.
"""

from __future__ import annotations

import json
import subprocess

import cluster
import pytest
import yaml
from workload import assert_nothing_lost, counted, job_restarts, state, submit_job

MEMBERS = cluster.group("zookeeper")
JOB_MANAGERS, TASK_MANAGERS = cluster.group("flink_jobmanager"), cluster.group("flink_taskmanager")
UNITS = dict.fromkeys(MEMBERS, "zookeeper")
UNITS |= dict.fromkeys(JOB_MANAGERS, "flink-jobmanager") | dict.fromkeys(TASK_MANAGERS, "flink-taskmanager")
#: Started by a script, and under a unit of another name.
BY_HAND = (MEMBERS[0], JOB_MANAGERS[0], TASK_MANAGERS[0])
UNDER_ANOTHER = {MEMBERS[1]: "old-zk", JOB_MANAGERS[1]: "jm"}
MAIN_CLASSES = {
    "zookeeper": "org.apache.zookeeper.server.quorum.QuorumPeerMain",
    "flink-jobmanager": "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    "flink-taskmanager": "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
}
ZOOKEEPER_RELEASE = "/opt/apache-zookeeper-3.9.5-bin"
FOREIGN = cluster.ROOT / "molecule/takeover/flink-conf.txt"
ZOOKEEPER_UNIT = """[Unit]
Description=ZooKeeper, as somebody set it up years ago
[Service]
User=zk
ExecStart=/bin/sh -c 'exec java -Xmx200m -cp "/opt/zookeeper/lib/*" \
org.apache.zookeeper.server.quorum.QuorumPeerMain /data/zk/zoo.cfg'
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""
FLINK_UNIT = """[Unit]
Description=Flink, as somebody set it up years ago
[Service]
User=stream
ExecStart=/opt/flink/bin/{command}
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""
#: With words and variables that no unit takes as they stand.
SCRIPTS = {
    "zookeeper": """LAB='two "words" $1 `x` \\' nohup java -Xmx200m '-Dlab=two "words" $1 %n \\' -cp '/opt/zookeeper/lib/*' \\
    org.apache.zookeeper.server.quorum.QuorumPeerMain /data/zk/zoo.cfg > /data/zk/out 2>&1 &""",
    "flink-jobmanager": "/opt/flink/bin/jobmanager.sh start $(hostname)",
    "flink-taskmanager": "/opt/flink/bin/taskmanager.sh start",
}
FLINK_COMMANDS = {
    "flink-jobmanager": "jobmanager.sh start-foreground %H",
    "flink-taskmanager": "taskmanager.sh start-foreground",
}
ZOOKEEPER_CONFIG = (
    "tickTime=2000\ninitLimit=10\nsyncLimit=5\nclientPort=2181\ndataDir=/data/zk\ndataLogDir=/data/zk-log\nadmin.enableServer=false\n"
    + "4lw.commands.whitelist=*\n"
    + "".join(f"server.{cluster.variable(host, 'zookeeper_id', 0)}={host}:2888:3888\n" for host in MEMBERS)
)
#: What no file has: who owns the data.
ENSEMBLE_OWNER = ["-e", "zookeeper_user=zk", "-e", "zookeeper_group=zk"]
FLINK_OWNER = ["-e", "flink_ha_user=stream", "-e", "flink_ha_group=stream"]
FLINK_OWNER += ["-e", "flink_ha_uid=3001", "-e", "flink_ha_gid=3001"]
DATA = ["-e", "zookeeper_data_dir=/data/zk"]
OURS = [*ENSEMBLE_OWNER, *DATA, "-e", "zookeeper_data_log_dir=/data/zk-log"]


def put(host, path, text):
    subprocess.run(
        ["podman", "exec", "-i", cluster.container(host), "sh", "-c", f"cat > {path}"],
        input=text,
        text=True,
        check=True,
    )


def unpack(host, archive, directory):
    subprocess.run(["podman", "cp", archive, f"{cluster.container(host)}:/var/tmp/archive.tgz"], check=True)
    cluster.shell(
        host,
        f"mkdir -p {directory} && tar -xzf /var/tmp/archive.tgz --strip-components 1 -C {directory} --no-same-owner",
    )


def begin(host, user, text):
    if host in BY_HAND:
        put(host, "/var/tmp/start.sh", SCRIPTS[UNITS[host]])
        cluster.shell(host, f"cd / && runuser -u {user} -- sh /var/tmp/start.sh")
        return
    name = UNDER_ANOTHER.get(host, UNITS[host])
    put(host, f"/etc/systemd/system/{name}.service", text)
    cluster.shell(host, f"systemctl daemon-reload && systemctl enable --now {name}")


def begin_flink(host):
    begin(host, "stream", FLINK_UNIT.format(command=FLINK_COMMANDS[UNITS[host]]))


def processes(hosts):
    """The process of each host, and when it began."""
    return {
        host: cluster.shell(
            host,
            f"for pid in $(pgrep -f ' {MAIN_CLASSES[UNITS[host]]}( |$)'); do cut -d ' ' -f 1,22 /proc/$pid/stat; done",
        )
        for host in hosts
    }


def assert_under_its_unit(host, process):
    shown = cluster.shell(host, f"systemctl show -p MainPID,ActiveState,UnitFileState {UNITS[host]}").splitlines()
    enabled = "disabled" if host in BY_HAND else "enabled"
    assert shown == [f"MainPID={process.split()[0]}", "ActiveState=active", f"UnitFileState={enabled}"], host
    assert f"/{UNITS[host]}.service" in cluster.shell(host, f"cat /proc/{process.split()[0]}/cgroup"), host
    assert cluster.shell(host, "find /run/systemd /run/streamquorum -name '*adoption*' 2> /dev/null || true") == ""
    if host in UNDER_ANOTHER:
        was = cluster.shell(host, f"systemctl show -p ActiveState,UnitFileState {UNDER_ANOTHER[host]}").split()
        assert was == ["ActiveState=inactive", "UnitFileState=disabled"], host
    # They may hold passwords.
    if host in (*BY_HAND, *UNDER_ANOTHER):
        assert cluster.shell(host, f"stat -c %a /etc/systemd/system/{UNITS[host]}.service") == "600"
    if host in BY_HAND:
        (file,) = cluster.shell(
            host, f"grep -h ^EnvironmentFile= /etc/systemd/system/{UNITS[host]}.service"
        ).splitlines()
        assert cluster.shell(host, f"stat -c '%a %U' {file.partition('=')[2]}") == "600 root"


def assert_adopted(hosts):
    """adopt.yml: first by --check, then for real; nothing is started anew."""
    before = processes(hosts)
    for arguments in (["--check"], []):
        code, output = cluster.playbook("playbooks/adopt.yml", *arguments)
        assert code == 0, output
        assert processes(hosts) == before
        recap = output[output.index("PLAY RECAP") :]
        assert recap.count("changed=1 ") == len({*hosts} & {*BY_HAND, *UNDER_ANOTHER}), output
    for host in hosts:
        assert_under_its_unit(host, before[host])
    cluster.assert_nothing_changed(cluster.playbook("playbooks/adopt.yml"))


@pytest.fixture(scope="module", autouse=True)
def foreign():
    archive = next((cluster.ROOT / ".bundle").glob("apache-zookeeper-3.9.5-bin.tar.gz"))
    for host in MEMBERS:
        unpack(host, archive, ZOOKEEPER_RELEASE)
        cluster.shell(host, f"ln -s {ZOOKEEPER_RELEASE} /opt/zookeeper")
        cluster.shell(host, "id zk || useradd --system zk; mkdir -p /data/zk /data/zk-log")
        put(host, "/data/zk/zoo.cfg", ZOOKEEPER_CONFIG)
        put(host, "/data/zk/myid", f"{cluster.variable(host, 'zookeeper_id', 0)}\n")
        cluster.shell(host, "chown -R zk:zk /data/zk /data/zk-log")
        begin(host, "zk", ZOOKEEPER_UNIT)
    cluster.until("all serve", lambda: all(cluster.mode(host) for host in MEMBERS), 60)
    with cluster.session() as client:
        client.ensure_path("/kept")
        client.set("/kept", b"value")


@pytest.fixture(scope="module")
def job():
    """Of a Flink that reads flink-conf.yaml, with a user and directories of its own."""
    archive = next((cluster.ROOT / ".bundle").glob("flink-1.20.5-bin*.tgz"))
    for host in (*JOB_MANAGERS, *TASK_MANAGERS):
        unpack(host, archive, "/opt/flink")
        cluster.shell(
            host,
            "groupadd --gid 3001 stream && useradd --uid 3001 --gid 3001 stream && rm /opt/flink/conf/config.yaml && "
            "mkdir -p /shared/flink /opt/flink/log && chown -R stream:stream /opt/flink /shared/flink && "
            "ln -s /opt/flink/bin/flink /usr/local/bin/flink",
        )
        put(host, "/opt/flink/conf/flink-conf.yaml", FOREIGN.read_text())
        put(host, "/opt/flink/conf/masters", "".join(f"{each}:8081\n" for each in JOB_MANAGERS))
        put(host, "/opt/flink/conf/workers", "".join(f"{each}\n" for each in TASK_MANAGERS))
    last = TASK_MANAGERS[0]
    for host in (*JOB_MANAGERS, *TASK_MANAGERS[1:]):
        begin_flink(host)
    cluster.until("Flink serves", lambda: cluster.rest_any("/overview")["taskmanagers"] == len(TASK_MANAGERS) - 1, 90)
    # Of a TaskManager that was started by hand, the journal has nothing that the job prints: it begins on another one.
    job = submit_job()
    begin_flink(last)
    cluster.until("all are there", lambda: cluster.rest_any("/overview")["taskmanagers"] == len(TASK_MANAGERS), 90)
    return job


def test_what_runs_without_its_unit_is_refused():
    code, output = cluster.playbook("playbooks/zookeeper.yml", *OURS)
    assert code != 0, output
    for host, who in ((MEMBERS[0], "process "), (MEMBERS[1], "old-zk.service")):
        assert f"{host}: port 2181 (zookeeper_client_port) is in use by {who}" in " ".join(output.split()), output
    assert "playbooks/adopt.yml puts it under its unit, without a restart" in " ".join(output.split())


def test_trap_78_the_ensemble_is_adopted_and_nothing_is_restarted():
    assert_adopted(MEMBERS)
    assert all(cluster.mode(host) for host in MEMBERS)


def unit(host):
    return cluster.shell(host, f"cat /etc/systemd/system/{UNITS[host]}.service")


def starts():
    """How often each unit was started since its host booted."""
    return {
        host: int(cluster.shell(host, f"journalctl _PID=1 -u {name} -o cat | grep -c '^Started '"))
        for host, name in UNITS.items()
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([*OURS, "-e", "zookeeper_quorum_port=2889"], "server.1 has 2888, not 2889"),
        (
            [*OURS, "-e", "zookeeper_version=3.9.4"],
            "runs ZooKeeper 3.9.5, which somebody else set up, and zookeeper_version is 3.9.4",
        ),
        (
            [*ENSEMBLE_OWNER, *DATA],
            "zookeeper_data_log_dir is /data/zk, and the server that runs writes to /data/zk-log",
        ),
    ],
    ids=["voters", "release", "logs"],
)
def test_trap_79_another_ensemble_than_the_one_that_runs_is_refused_before_a_step(given, words):
    before = [unit(host) for host in MEMBERS]
    code, output = cluster.playbook("playbooks/zookeeper.yml", *given)
    assert code != 0, output
    assert words in " ".join(output.split()), output
    assert [unit(host) for host in MEMBERS] == before
    assert all(cluster.mode(host) for host in MEMBERS)


def started_with(host):
    """What a server was given, and of its environment the lab's."""
    pid = processes([host])[host].split()[0]
    return cluster.shell(
        host,
        f"tr '\\0' '\\n' < /proc/{pid}/cmdline | tail -n +2; tr '\\0' '\\n' < /proc/{pid}/environ | grep ^LAB=",
    )


def test_a_member_that_does_not_come_back_gets_its_own_unit_again():
    by_hand = MEMBERS[0]
    before, process = started_with(by_hand), processes([by_hand])
    assert '-Dlab=two "words" $1 %n \\' in before
    wrong = json.dumps({"zookeeper_config_extra": {"electionAlg": 1}})
    code, output = cluster.playbook("playbooks/zookeeper.yml", *OURS, "-e", wrong)
    assert code != 0, output
    assert all(("as somebody started it" if host in BY_HAND else "years ago") in unit(host) for host in MEMBERS)
    cluster.until("all serve", lambda: all(cluster.mode(host) for host in MEMBERS), 60)
    # The roll began with it: of servers that start one after the other, the second one of three leads.
    assert processes([by_hand]) != process
    assert started_with(by_hand) == before


@pytest.fixture(scope="module")
def imported(tmp_path_factory, job):
    """The inventory that the import wrote of the hosts' own files, beside what the lab needs to reach them."""
    folder = tmp_path_factory.mktemp("imported")
    wanted = {
        MEMBERS[0]: ["/data/zk/zoo.cfg"],
        JOB_MANAGERS[0]: [f"/opt/flink/conf/{name}" for name in ("flink-conf.yaml", "masters", "workers")],
    }
    files = []
    for host, paths in wanted.items():
        for path in paths:
            files.append(str(folder / path.rpartition("/")[2]))
            subprocess.run(["podman", "cp", f"{cluster.container(host)}:{path}", files[-1]], check=True)
    inventory = folder / "inventory"
    inventory.mkdir()
    given = json.dumps({"import_config": files, "import_version": ["3.9.5", "1.20.5"]})
    code, output = cluster.playbook("playbooks/import.yml", "-e", given, "-e", f"import_output={inventory}/hosts.yml")
    assert code == 0, output
    groups = {"all": {"children": {"lab": {"children": {"zookeeper": {}, "flink": {}}}}}}
    (inventory / "lab.yml").write_text(yaml.safe_dump(groups))
    (inventory / "group_vars").mkdir()
    (inventory / "group_vars/lab.yml").symlink_to(cluster.INVENTORY / "group_vars/lab.yml")
    return {"path": inventory, "told": " ".join(output.split())}


def test_the_import_says_what_no_file_has(imported):
    assert "zookeeper_user and zookeeper_group: who owns the data." in imported["told"]
    assert "flink_ha_user, flink_ha_uid, flink_ha_gid: who owns the storage and the logs." in imported["told"]


def site(imported, *arguments):
    owner = (*ENSEMBLE_OWNER, *FLINK_OWNER)
    return cluster.playbook("playbooks/site.yml", *owner, *arguments, inventory=imported["path"])


def test_trap_78_flink_is_adopted_and_its_job_does_not_notice(job):
    restarts = job_restarts(job)
    assert_adopted([*JOB_MANAGERS, *TASK_MANAGERS])
    assert (state(job), job_restarts(job)) == ("RUNNING", restarts)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("flink_ha_cluster_id=/other", "runs under flink_ha_cluster_id /old, and the inventory says /other"),
        ("flink_ha_version=1.20.4", "runs Flink 1.20.5, which somebody else set up, and flink_ha_version is 1.20.4"),
    ],
)
def test_trap_72_79_another_flink_than_the_one_that_runs_is_refused_before_a_step(imported, given, words):
    before = starts()
    code, output = site(imported, "-e", given)
    assert code != 0, output
    assert words in " ".join(output.split()), output
    assert starts() == before


def test_check_says_what_would_be_done_and_touches_nothing(imported, job):
    before, started = [unit(host) for host in UNITS], starts()
    code, output = site(imported, "--check", "--diff")
    assert code == 0, output
    assert ([unit(host) for host in UNITS], starts()) == (before, started)
    assert state(job) == "RUNNING"


def test_both_are_taken_over_under_writes_and_a_job_each_process_once(imported, job, tmp_path):
    before, restarts, started = max(counted())[0], job_restarts(job), starts()
    evidence = ["-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={tmp_path}"]
    code, output = site(imported, *evidence)
    assert code == 0, output
    assert all("Written by StreamQuorum" in unit(host) for host in UNITS)
    assert starts() == {host: count + 1 for host, count in started.items()}
    assert all("3.9.5" in cluster.word(host, "srvr") for host in MEMBERS)
    # By these the processes were started until their own step.
    assert {cluster.shell(host, "readlink /opt/zookeeper") for host in MEMBERS} == {ZOOKEEPER_RELEASE}
    assert all(cluster.shell(host, "test -d /opt/flink && readlink /opt/flink || true") == "" for host in JOB_MANAGERS)
    with cluster.session() as client:
        assert client.get("/kept")[0] == b"value"
    seen = [json.loads(path.read_text())["probe"]["result"] for path in tmp_path.glob("*/availability.json")]
    assert {(each["missing"], each["sessions_lost"]) for each in seen} == {(0, 0)}
    cluster.told("takeover", longest_stall_s=max(each["longest_stall_ms"] for each in seen) / 1000)
    assert state(job) == "RUNNING"
    # The way of the job's tasks from one TaskManager to the other, and back.
    assert job_restarts(job) - restarts <= len(TASK_MANAGERS) + len(JOB_MANAGERS)
    assert_nothing_lost(before)


def test_a_second_run_has_nothing_to_do(imported, job):
    cluster.assert_nothing_changed(site(imported))
    assert state(job) == "RUNNING"
