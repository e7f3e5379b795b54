"""Parsing of what a host says; the texts were recorded on Debian 12 hosts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host import state as host_state
from ansible_collections.streamquorum.ha.plugins.module_utils.host.foreign import SERVERS
from ansible_collections.streamquorum.ha.plugins.module_utils.host.state import LIST_LIMIT, MATCH_LIMIT, HostReader


@pytest.mark.parametrize(
    ("version", "major"),
    [("17.0.15", 17), ("1.8.0_504", 8), ("21", 21), ("11.0.32.1", 11), ("", 0), ("nonsense", 0)],
)
def test_java_major(version, major):
    assert host_state.java_major(version) == major


def test_os_release():
    text = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n# note\n'
    assert host_state.parse_os_release(text)["version_id"] == "12"
    assert host_state.parse_os_release(text)["id"] == "debian"


UNITS = """Id=zookeeper.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
MainPID=812
FragmentPath=/etc/systemd/system/zookeeper.service
ExecMainStartTimestampMonotonic=125077413
NRestarts=0
Result=success

MainPID=0
NRestarts=0
Result=success
Id=other.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
"""


def test_units():
    units = host_state.parse_units(UNITS)
    assert units["zookeeper.service"] == {
        "exists": True,
        "active": True,
        "state": "active",
        "sub_state": "running",
        "enabled": True,
        "fragment": "/etc/systemd/system/zookeeper.service",
        "main_pid": 812,
        "started_at": 125077413,
        "restarts": 0,
        "result": "success",
        "needs_reload": False,
        "generation": "",
        "process": "812@125077413",
    }
    assert not units["other.service"]["exists"]
    assert not units["other.service"]["active"]


def test_a_unit_that_systemd_has_not_read_again_says_so():
    units = host_state.parse_units(UNITS.replace("MainPID", "NeedDaemonReload=yes\nMainPID"))
    assert units["zookeeper.service"]["needs_reload"]


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("java\0-cp\0x\0/etc/zookeeper/generations/0123456789abcdef/zoo.cfg\0", "0123456789abcdef"),
        ("--configDir\0/etc/flink/flink-jobmanager/generations/0123456789abcdef\0-D", "0123456789abcdef"),
        ("java /etc/zookeeper/current/zoo.cfg", ""),
        ("/generations/short/x", ""),
        ("", ""),
    ],
)
def test_trap_15_a_process_names_its_generation(text, digest):
    assert host_state.generation_in(text) == digest


TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   100        0 4711 1 0 100 0 0 10 0
   1: 0A0712C6:0885 0B0712C6:9C40 01 00000000:00000000 00:00000000 00000000   100        0 4712 1 0 20 4 30 10 -1
"""
TCP6 = """  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:0885 00000000000000000000000000000000:0000 0A 0:0 00:0 0 100 0 4713 1 0 100
   1: 0000000000000000FFFF0000010012C6:0B48 00000000000000000000000000000000:0000 0A 0:0 00:0 0 100 0 4714 1 0 100
"""


def test_listening():
    assert host_state.parse_listening(TCP) == [("127.0.0.1", 8080, "4711")]
    assert host_state.parse_listening(TCP6) == [("::", 2181, "4713"), ("198.18.0.1", 2888, "4714")]


@pytest.mark.parametrize("text", ["", "x", "sl\n 0: garbage", TCP[:150]])
def test_listening_survives_what_it_cannot_read(text):
    assert host_state.parse_listening(text) == []


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0::/system.slice/zookeeper.service\n", "zookeeper.service"),
        ("1:name=systemd:/system.slice/system-flink.slice/flink-jobmanager@2.service\n", "flink-jobmanager@2.service"),
        ("0::/\n", ""),
    ],
)
def test_unit_of_cgroup(text, unit):
    assert host_state.unit_of_cgroup(text) == unit


def test_lines_of_a_file_without_the_rest_of_it(tmp_path):
    path, missing = str(tmp_path / "config.yaml"), str(tmp_path / "none")
    (tmp_path / "config.yaml").write_text("a.cluster-id: /x\npassword: hidden\nb.tolerate: true\n")
    reader = host_state.HostReader(lambda _command: (0, "", ""))
    assert reader.lines({path: ["cluster-id", "tolerate"], missing: ["x"]}) == {
        path: ["a.cluster-id: /x", "b.tolerate: true"],
        missing: [],
    }


def test_whether_a_file_has_a_secret_and_no_more(tmp_path):
    path, missing = str(tmp_path / "jaas.conf"), str(tmp_path / "none")
    (tmp_path / "jaas.conf").write_text('Server {\n  user_app="hidden";\n};\n')
    reader = host_state.HostReader(lambda _command: (0, "", ""))
    wanted = {"same": 'user_app="hidden"', "another": 'user_app="else"'}
    assert reader.holds({path: wanted, missing: wanted}) == {path: {"same": True, "another": False}, missing: {}}


def test_a_secret_of_a_file_stays_on_the_host():
    text = "a=1\nX.secret = super:canary=\n X.secret=canary\nX.secretive=b\n"
    assert host_state.without_secrets(text, ["X.secret"]) == "a=1\nX.secret =\n X.secret=\nX.secretive=b\n"
    assert host_state.without_secrets(text, []) == text


LIMITS = (
    "Limit                     Soft Limit           Hard Limit           Units\n"
    "Max open files            1024                 20000                files\n"
)


@pytest.mark.parametrize(
    ("limits", "capabilities", "nr_open", "possible"),
    [
        pytest.param(LIMITS, "000001ffffffffff", "1048576\n", 1048576, id="a machine of its own"),
        pytest.param(LIMITS, "00000000a80425fb", "1048576\n", 20000, id="a container that raises nothing"),
        pytest.param("", "00000000a80425fb", "1048576\n", 0, id="not read"),
        pytest.param("", "", "", 0, id="nothing read"),
    ],
)
def test_how_many_open_files_a_service_may_get(limits, capabilities, nr_open, possible):
    assert host_state.most_open_files(limits, f"Name:\tsystemd\nCapEff:\t{capabilities}\n", nr_open) == possible


def test_groups():
    reader = host_state.HostReader(lambda _command: (0, "", ""))
    assert reader.groups(["root", "no-such-group"]) == {"root": True, "no-such-group": False}


@pytest.mark.parametrize(
    ("link", "replaced"), [("/usr/lib/jvm/x/bin/java", False), ("/usr/lib/jvm/x/bin/java (deleted)", True)]
)
def test_a_java_that_was_replaced_on_disk_is_noticed(monkeypatch, link, replaced):
    reader = host_state.HostReader(lambda _command: (0, UNITS, ""))
    monkeypatch.setattr(reader, "_link", {"/proc/812/exe": link}.__getitem__)
    units = reader.units(["zookeeper.service", "other.service"])
    assert (units["zookeeper.service"]["java_replaced"], units["other.service"]["java_replaced"]) == (replaced, False)


def test_trap_61_many_logs_hide_no_snapshot(tmp_path):
    """`log.…` sorts before `snapshot.…`."""
    names = [
        *(f"log.{number:x}" for number in range(1, LIST_LIMIT + 50)),
        "snapshot.1f",
        "snapshot.2a.gz",
        "acceptedEpoch",
    ]
    for name in names:
        (tmp_path / name).touch()
    reader = HostReader(lambda command: (0, "", ""))
    assert reader.matches({str(tmp_path): "snapshot[.].+"}) == {str(tmp_path): ["snapshot.1f", "snapshot.2a.gz"]}
    assert len(reader.paths([str(tmp_path)])[str(tmp_path)]["entries"]) == LIST_LIMIT


def test_what_matches_is_a_short_reply_and_nothing_where_there_is_no_directory(tmp_path):
    for number in range(MATCH_LIMIT + 1):
        (tmp_path / f"snapshot.{number}").touch()
    os.mkfifo(tmp_path / "fifo")
    wanted = {str(path): "snapshot[.].+" for path in (tmp_path, tmp_path / "none", tmp_path / "fifo")}
    found = HostReader(lambda command: (0, "", "")).matches(wanted)
    assert [len(names) for names in found.values()] == [MATCH_LIMIT, 0, 0]


def foreign(tmp_path, monkeypatch, cmdline, generation="", pid=7, listening=()):
    """Lines of a unit whose process has a command line, under the directory that it will have."""
    reader = HostReader(lambda _command: (0, "", ""))
    files = {"/proc/7/cmdline": "\0".join(cmdline)}
    monkeypatch.setattr(reader, "_text", lambda path, limit=0: files.get(path, ""))
    monkeypatch.setattr(
        reader, "_file", lambda path: (tmp_path / path[1:]).read_text() if (tmp_path / path[1:]).exists() else ""
    )
    names = {"flink-conf.yaml": r"/flink-dist-[2-9]\.", "config.yaml": ""}
    wanted = {f"/etc/flink/x/current/{name}": ["tolerate", "quorum"] for name in names}
    configs = {"x.service": {"directory": "/etc/flink/x/current", "files": names}}
    units = {"x.service": {"main_pid": pid, "generation": generation}}
    return reader.foreign_lines(wanted, configs, units, listening).get("/etc/flink/x/current/flink-conf.yaml", [])


def test_trap_79_of_a_process_that_somebody_else_set_up_the_release_and_the_directories_are_told(tmp_path):
    jar, config = tmp_path / "zookeeper-3.8.4.jar", tmp_path / "real.cfg"
    jar.touch()
    (tmp_path / "zoo.cfg").symlink_to(config)
    # As the service's user would have made it.
    if os.geteuid() == 0:
        os.lchown(tmp_path / "zoo.cfg", 65534, 65534)
    config.write_text("dataDir=/data/zk\nssl.keyStore.password=canary\ndataLogDir=/data/log\n")
    reader = HostReader(lambda _command: (0, "", ""))
    command = [sys.executable, "-c", f"f = open({str(jar)!r}); print(flush=True); input()"]
    with subprocess.Popen(
        [*command, next(iter(SERVERS)), "zoo.cfg"], cwd=tmp_path, stdin=-1, stdout=-1, text=True
    ) as process:
        process.stdout.readline()
        named = {"main_pid": process.pid, "generation": ""}
        forgot, ours = {"main_pid": 0, "generation": ""}, {"main_pid": process.pid, "generation": "ab"}
        units = {"named": named, "forgot": forgot, "ours": ours, "down": forgot}
        found = reader.foreign(units, [{"unit": "forgot", "pid": process.pid}])
        process.communicate("\n")
    told = {"releases": {"zookeeper": "3.8.4"}, "directories": ["dataDir=/data/zk", "dataLogDir=/data/log"]}
    assert found == {"named": told, "forgot": told}


def test_trap_72_what_somebody_elses_process_was_given_is_read_where_it_is(tmp_path, monkeypatch):
    (tmp_path / "opt/conf").mkdir(parents=True)
    (tmp_path / "opt/conf/config.yaml").write_text("ha:\n  quorum: zk1:2181\n  secret: canary\ntolerate: true\n")
    given = ["java", "-cp", "/opt/flink-dist-1.20.5.jar", "Main", "--configDir", "/opt/conf/", "-D", "x=y"]
    assert foreign(tmp_path, monkeypatch, given) == ["ha.quorum: zk1:2181", "tolerate: true"]
    # What the command line says counts, since it comes last.
    more = [*given, "-D", "tolerate=false", "-Dha.quorum=zk2:2181"]
    assert foreign(tmp_path, monkeypatch, more)[2:] == ["tolerate: false", "ha.quorum: zk2:2181"]
    # Flink 1.19 and 1.20 read the old file where both are there, later ones never.
    (tmp_path / "opt/conf/flink-conf.yaml").write_text("tolerate: false\n")
    assert foreign(tmp_path, monkeypatch, given) == ["tolerate: false"]
    newer = [word.replace("1.20.5", "2.3.0") for word in given]
    assert foreign(tmp_path, monkeypatch, newer) == ["ha.quorum: zk1:2181", "tolerate: true"]
    # A unit that forgot its process.
    listening = [{"unit": "other.service", "pid": 8}, {"unit": "x.service", "pid": 7}]
    assert foreign(tmp_path, monkeypatch, given, pid=0, listening=listening) == ["tolerate: false"]
    assert foreign(tmp_path, monkeypatch, given, generation="ab") == [], "ours is read where current leads"
    assert foreign(tmp_path, monkeypatch, ["java", "Main", "--configDir", "conf"]) == []
    assert foreign(tmp_path, monkeypatch, ["java", "Main", "--configDir"]) == []


def test_of_hadoops_files_only_certain_properties_are_told(tmp_path):
    site = tmp_path / "core-site.xml"
    both = "".join(
        f"<property>\n <name> {name} </name><value>{value}</value></property>"
        for name, value in (("dfs.nameservices", "ns1"), ("fs.s3a.secret.key", "canary"))
    )
    site.write_text(f'<?xml version="1.0"?>\n<!-- by hand -->\n<configuration>{both}</configuration>\n')
    none = tmp_path / "none.xml"
    none.write_text("dfs.nameservices=ns1")
    (tmp_path / "link.xml").symlink_to(site)
    reader = HostReader(lambda _command: (0, "", ""))
    wanted = [str(tmp_path / name) for name in ("core-site.xml", "none.xml", "link.xml", "absent.xml")]
    found = reader.properties({path: ["dfs.nameservices"] for path in wanted})
    assert list(found.values())[:2] == [{"dfs.nameservices": "ns1"}, {}]
    assert "canary" not in str(found)
    assert reader.unread == {}, "what cannot be read is no reason to refuse a host"
