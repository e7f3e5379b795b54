"""availability_probe: what it does on a host, whatever became of the writer."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.streamquorum.ha.plugins.module_utils.availability import record as probe_record
from ansible_collections.streamquorum.ha.plugins.module_utils.availability import unit as probe_unit
from ansible_collections.streamquorum.ha.plugins.module_utils.availability import writer as aw
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import credentials as zookeeper_credentials
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import errors
from ansible_collections.streamquorum.ha.plugins.modules import availability_probe as module

ROOT = Path(__file__).parents[4]
UNIT = "streamquorum-probe-t.service"
ZNODE = "/streamquorum-probe/t"
ProbeUnit = module.ProbeUnit
SETTINGS = {"name": "t", "servers": ["zk1:2181"], "session_timeout": 10.0}


def saved(**fields):
    record = probe_record.Record("t", 0.05, 10.0, "me", 1000.0)
    for number in range(1, 6):
        record.acknowledged(number * 0.05, 0.002, number, number)
    return record.result(0.26, False) | fields


COMPLETE = saved(complete=True, missing=0, znode_removed=True)


class Node:
    def __init__(self, data):
        self.data = data


class Host:
    """systemd, a directory for /run, ZooKeeper, and time. `life` has what happens at each look at the unit."""

    def __init__(self, root):
        self.root = root
        self.active = False
        self.now = 0.0
        self.commands = []
        self.life = []
        self.ends_by_stop = True
        self.at_stop = None
        self.start_error = ""
        self.znodes = {}
        self.deaf = False

    def run(self, command):
        self.commands.append(command)
        if command[0] == "systemd-run":
            if self.start_error:
                return 1, "", self.start_error
            self.active = True
        elif command[:2] == ["systemctl", "show"]:
            if self.active and self.life:
                self.life.pop(0)()
            return 0, "active\n" if self.active else "inactive\n", ""
        elif command[:2] == ["systemctl", "stop"]:
            if self.ends_by_stop:
                self.active = False
                if self.at_stop:
                    self.save(self.at_stop)
        elif command[:2] == ["systemctl", "kill"]:
            self.active = False
        elif command[0] == "journalctl":
            return 0, "status=226/NAMESPACE\nFailed\n", ""
        return 0, "", ""

    def save(self, result):
        # as systemd has it: a link to the directory of the writer's user
        private = self.root / "private" / "streamquorum-probe-t"
        private.mkdir(parents=True, exist_ok=True)
        link = self.root / "streamquorum-probe-t"
        if not link.is_symlink():
            link.symlink_to("private/streamquorum-probe-t")
        (private / "result.json").write_text(json.dumps(result))

    def end(self):
        self.active = False

    def sleep(self, seconds):
        self.now += seconds

    @contextlib.contextmanager
    def connect(self):
        if self.deaf:
            raise errors.ConnectionFailed("no session within 5 s")
        yield self

    def sync(self, path):
        pass

    def read(self, path):
        return Node(self.znodes[path]) if path in self.znodes else None

    def delete(self, path):
        children = [each for each in self.znodes if each.startswith(path + "/")]
        return not children and self.znodes.pop(path, None) is not None

    def left(self):
        return sorted(str(each.relative_to(self.root)) for each in self.root.rglob("*") if not each.is_dir())

    def did(self, *words):
        return [command for command in self.commands if command[: len(words)] == list(words)]


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def probe(host, wait=5.0, credentials=None):
    return ProbeUnit("t", host.run, host.connect, wait, str(host.root), lambda: host.now, host.sleep, credentials)


def start(host, check_mode=False, credentials=None, **settings):
    return probe(host, credentials=credentials).start({**SETTINGS, **settings}, "print()", 3600, check_mode)


# --- started ---------------------------------------------------------------------------------------------------------


def test_it_starts_and_waits_for_the_first_write(host):
    host.life = [lambda: None, lambda: host.save(saved(writes=0)), lambda: host.save(saved())]
    assert start(host)
    assert host.left() == [
        "private/streamquorum-probe-t/result.json",
        "streamquorum/probe/t/settings.json",
        "streamquorum/probe/t/writer.py",
    ]
    settings = json.loads((host.root / "streamquorum/probe/t/settings.json").read_text())
    assert settings == {**SETTINGS, "result": f"{host.root}/streamquorum-probe-t/result.json"}
    (command,) = host.did("systemd-run")
    assert "--collect" in command
    assert f"--unit={UNIT}" in command
    assert {"--property=DynamicUser=yes", "--property=RuntimeMaxSec=3600", "--property=TimeoutStopSec=45"} <= set(
        command
    )
    assert command[-4:-2] == ["/usr/bin/python3", "-I"]


def test_what_an_earlier_probe_left_is_not_taken_for_the_new_ones(host):
    host.save(saved(writes=9))
    host.life = [lambda: host.save(saved(writes=1))]
    assert start(host)
    assert probe(host).result()["writes"] == 1


def test_one_that_runs_is_left_alone(host):
    host.life = [lambda: host.save(saved())]
    start(host)
    assert not start(host)
    assert len(host.did("systemd-run")) == 1


def test_one_that_runs_with_other_settings_is_refused(host):
    host.life = [lambda: host.save(saved())]
    start(host)
    with pytest.raises(module.ProbeError, match="other settings"):
        start(host, interval_ms=5)
    assert host.active


@pytest.mark.parametrize(
    ("life", "words"),
    [
        (lambda host: [lambda: host.save(saved(writes=0, error="no session within 10 s"))], "no session within 10 s"),
        (
            lambda host: [lambda: host.save(saved(writes=0, failures=1, failed=[{"error": "NoAuthError"}]))],
            "NoAuthError",
        ),
        (lambda host: [host.end], "journal ends with: status=226/NAMESPACE | Failed"),
        (lambda host: [], "no write was acknowledged within 5 s"),
    ],
    ids=["says why", "is refused", "ends", "hangs"],
)
def test_one_that_does_not_write_is_removed(host, life, words):
    host.life = life(host)
    host.znodes = {"/streamquorum-probe": b"", ZNODE: b"me 1"}
    with pytest.raises(module.ProbeError) as caught:
        start(host)
    assert words in str(caught.value)
    assert not host.active
    assert host.left() == []
    assert host.znodes == {}


def test_one_that_cannot_be_started_says_why(host):
    host.start_error = "Failed to start transient service unit: Access denied"
    host.deaf = True
    with pytest.raises(module.ProbeError, match="Access denied"):
        start(host)
    assert host.left() == []


def test_check_mode_starts_nothing(host):
    assert start(host, check_mode=True)
    assert not host.did("systemd-run")
    assert host.left() == []


@pytest.mark.parametrize("authenticated", [True, False])
def test_credentials_come_by_standard_input_and_only_where_the_servers_know_us(host, tmp_path, authenticated):
    (tmp_path / "keytab").write_bytes(b"key")
    who = zookeeper_credentials.Credentials("kerberos", keytab=str(tmp_path / "keytab"), principal="x@X", path="/c")
    host.authenticated = authenticated
    host.life = [lambda: host.save(saved())]
    start(host, credentials=who)
    (command,) = host.did("systemd-run")
    assert any("StandardInput=file:" in word for word in command) == authenticated
    found = list(host.root.rglob("credentials.json"))
    assert [oct(path.stat().st_mode & 0o777) for path in found] == ["0o600"] * authenticated
    if authenticated:
        options = aw.identity(found[0].read_text(), str(tmp_path))["sasl_options"]
        assert options == {"mechanism": "GSSAPI", "service": "zookeeper", "principal": "x@X"}
        assert (tmp_path / "keytab").read_bytes() == b"key"


# --- collected -------------------------------------------------------------------------------------------------------


def running(host, **fields):
    host.life = [lambda: host.save(saved(**fields))]
    start(host)
    host.commands.clear()


def test_it_stops_the_writer_and_takes_its_last_word(host):
    running(host)
    host.at_stop = COMPLETE
    host.deaf = True  # the writer has removed its znode: nobody has to be asked
    assert probe(host).collect(False) == (True, COMPLETE, [])
    assert host.left() == []
    assert host.did("systemctl", "stop")


@pytest.mark.parametrize(("data", "missing"), [(b"me 5", 0), (b"me 9", 0), (b"me 3", 2)])
def test_one_that_was_killed_is_checked_by_its_znode(host, data, missing):
    running(host)
    host.active = False
    host.znodes = {"/streamquorum-probe": b"", ZNODE: data}
    changed, result, notes = probe(host).collect(False)
    assert (changed, result["complete"], result["missing"], notes) == (True, False, missing, [])
    assert host.znodes == {}
    assert host.left() == []


def test_one_that_was_killed_between_its_result_and_its_znode(host):
    host.save(COMPLETE | {"znode_removed": False})
    host.znodes = {"/streamquorum-probe": b"", ZNODE: b"me 5", "/streamquorum-probe/other": b""}
    _changed, result, _notes = probe(host).collect(False)
    assert result["missing"] == 0
    assert set(host.znodes) == {"/streamquorum-probe", "/streamquorum-probe/other"}


def test_one_that_does_not_end_is_killed(host):
    running(host)
    host.ends_by_stop = False
    host.znodes = {ZNODE: b"me 5"}
    _changed, result, notes = probe(host).collect(False)
    assert notes == ["the writer did not end within 5 s and was killed"]
    assert host.did("systemctl", "kill")
    assert result["missing"] == 0
    assert host.left() == []


def test_one_that_ended_by_its_limit_says_so(host):
    host.save(COMPLETE)
    _changed, result, notes = probe(host).collect(False)
    assert result == COMPLETE
    assert notes == ["the probe had ended by itself before it was collected, 1000 in unix time"]


def test_without_zookeeper_the_result_is_there_all_the_same(host):
    host.save(saved())
    host.deaf = True
    changed, result, (note,) = probe(host).collect(False)
    assert changed
    assert result["writes"] == 5
    assert result["missing"] is None
    assert "/streamquorum-probe/t may be left" in note
    assert host.left() == []


def test_nothing_there(host):
    assert probe(host).collect(False) == (False, {}, [])
    host.znodes = {ZNODE: b"me 5"}
    assert probe(host).collect(False) == (True, {}, [])


def test_check_mode_collects_nothing(host):
    running(host)
    changed, result, _notes = probe(host).collect(True)
    assert changed
    assert result["writes"] == 5
    assert host.active
    assert not host.did("systemctl", "stop")
    assert host.left()


def test_a_result_that_is_a_link_is_not_followed(host):
    host.save(saved())
    target = host.root / "secret"
    target.write_text("{}")
    path = host.root / "private/streamquorum-probe-t/result.json"
    path.unlink()
    path.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        probe(host).result()


# --- absent ----------------------------------------------------------------------------------------------------------


def test_everything_is_removed_once(host):
    running(host)
    host.znodes = {"/streamquorum-probe": b"", ZNODE: b"me 5"}
    assert probe(host).remove(False)
    assert (host.active, host.left(), host.znodes) == (False, [], {})
    assert not probe(host).remove(False)


def test_check_mode_removes_nothing(host):
    running(host)
    host.znodes = {ZNODE: b"me 5"}
    assert probe(host).remove(True)
    assert host.active
    assert host.znodes


def test_without_zookeeper_the_host_is_clean_and_the_rest_is_said(host):
    running(host)
    host.deaf = True
    with pytest.raises(module.ProbeError, match=r"may be left; run this again: no session"):
        probe(host).remove(False)
    assert not host.active
    assert host.left() == []


# --- The whole -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "Roll_1"}, "lower-case"),
        ({"name": "../x"}, "lower-case"),
        ({"name": "x" * 41}, "1 to 40"),
        ({"interval_ms": 0}, "interval_ms is 0"),
        ({"session_timeout": 0.0}, "session_timeout is 0"),
        ({"watch": ["flink"]}, "begins with /"),
    ],
)
def test_arguments_that_cannot_be(given, words):
    good = {
        "name": "t",
        "interval_ms": 50,
        "reconnect_delay_ms": 50,
        "session_timeout": 10.0,
        "time_limit": 60,
        "wait_timeout": 5.0,
        "watch": ["/x"],
    }
    assert module.problem_of(good) == ""
    assert words in module.problem_of({**good, **given})


def call(monkeypatch, capsys, host, **arguments):
    monkeypatch.setattr(module, "ProbeUnit", lambda name, run, connect, wait, credentials: probe(host, wait))
    given = {"name": "t", "servers": ["zk1:2181"], **arguments}
    with patch_module_args(given), pytest.raises(SystemExit):
        module.main()
    return json.loads(capsys.readouterr().out)


def test_the_module_from_start_to_end(monkeypatch, capsys, host):
    host.life = [lambda: host.save(saved())]
    started = call(monkeypatch, capsys, host)
    assert started["changed"]
    assert started["result"]["writes"] == 5
    assert (host.root / "streamquorum/probe/t/writer.py").read_text() == Path(aw.__file__).read_text()
    assert (host.root / "streamquorum/probe/t/record.py").read_text() == Path(probe_record.__file__).read_text()
    host.at_stop = COMPLETE
    # As told by a clock that is 50 s behind the host's.
    steps = [{"member": "zk1", "began": 950.0, "ended": 951.0}]
    collected = call(monkeypatch, capsys, host, state="collected", steps=steps, clock_ahead=50.0)
    assert collected["problems"] == []
    assert collected["members"]["zk1"]["writes"] == 5
    assert collected["report"][0].startswith("availability: 5 writes")
    gone = call(monkeypatch, capsys, host, state="absent")
    assert not gone["changed"]
    documented = set(yaml.safe_load(module.RETURN))
    for reply in (started, collected, gone):
        assert set(reply) - {"changed", "invocation"} == documented
    assert set(yaml.safe_load(module.RETURN)["result"]["contains"]) <= set(COMPLETE)


def test_the_module_fails_in_words(monkeypatch, capsys, host):
    failed = call(monkeypatch, capsys, host)
    assert failed["failed"]
    assert "availability_probe t: streamquorum-probe-t.service does not write" in failed["msg"]
    assert "name is" in call(monkeypatch, capsys, host, name="A")["msg"]
    assert "host:port" in call(monkeypatch, capsys, host, servers=["zk1"])["msg"]


def test_its_sandbox_has_what_all_units_have():
    lists = yaml.safe_load((ROOT / "roles/common/vars/main/sandbox.yml").read_text())
    assert set(lists["common_sandbox"].split("\n")) - {""} <= set(probe_unit.SANDBOX)
