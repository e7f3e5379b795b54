"""The writer: what it proves, what it repeats, what it gives up; against a znode that fails at given moments."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.availability import record as probe_record
from ansible_collections.streamquorum.ha.plugins.module_utils.availability import writer as aw
from kazoo import exceptions as errors

NODE = "/streamquorum-probe/t"


class TimedOut(Exception):  # noqa: N818 - stands for kazoo's
    pass


@dataclass
class Stat:
    version: int
    mzxid: int
    ephemeralOwner: int = 0  # noqa: N815 - kazoo's name
    czxid: int = 1


class Call:
    def __init__(self, do):
        self.do = do

    def get(self, timeout=None):
        return self.do(timeout)


class Ensemble:
    """A server with znodes. `troubles` has, by the number of the write, what its attempts meet."""

    def __init__(self, clock, troubles=None):
        self.clock = clock
        self.nodes = {}
        self.zxid = 0
        self.troubles = {number: list(each) for number, each in (troubles or {}).items()}
        self.calls = []

    def _change(self, what, path, apply, timeout, number=None):
        self.calls.append((what, path))
        trouble = self.troubles.get(number) or [None]
        self.clock.now += 0.001
        kind = trouble.pop(0)
        if kind == "silent":
            self.clock.now += timeout
            raise TimedOut
        if kind == "before":
            raise errors.ConnectionLoss
        if isinstance(kind, type):
            raise kind
        if callable(kind):
            kind(self)
        self.zxid += 1
        answer = apply()
        if kind == "after":
            raise errors.ConnectionLoss
        return answer

    def create_async(self, path, data=b"", include_data=False):
        def apply():
            if path in self.nodes:
                raise errors.NodeExistsError
            if path.rpartition("/")[0] not in ("", *self.nodes):
                raise errors.NoNodeError
            self.nodes[path] = (data, Stat(0, self.zxid))
            return (path, Stat(0, self.zxid)) if include_data else path

        return Call(lambda timeout: self._change("create", path, apply, timeout, number_of(data)))

    def set_async(self, path, data, version):
        def apply():
            if path not in self.nodes:
                raise errors.NoNodeError
            if self.nodes[path][1].version != version:
                raise errors.BadVersionError
            self.nodes[path] = (data, Stat(version + 1, self.zxid))
            return self.nodes[path][1]

        return Call(lambda timeout: self._change("set", path, apply, timeout, number_of(data)))

    def delete_async(self, path):
        def apply():
            if path not in self.nodes:
                raise errors.NoNodeError
            if any(each.startswith(path + "/") for each in self.nodes):
                raise errors.NotEmptyError
            del self.nodes[path]

        return Call(lambda timeout: self._change("delete", path, apply, timeout, "delete"))

    def sync_async(self, path):
        return Call(lambda timeout: self._change("sync", path, lambda: None, timeout, "sync"))

    def get_async(self, path):
        def do(timeout=None):
            if path not in self.nodes:
                raise errors.NoNodeError
            return self.nodes[path]

        return Call(do)


def number_of(data):
    return int(data.split()[1]) if data else None


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Stop:
    """Stops after so many writes; waiting moves the clock."""

    def __init__(self, clock, writes):
        self.clock, self.left = clock, writes

    def is_set(self):
        self.left -= 1
        return self.left < 0

    def wait(self, seconds):
        self.clock.now += seconds
        return False


def probe(writes=5, troubles=None, limit=10.0):
    clock = Clock()
    ensemble = Ensemble(clock, troubles)
    record = probe_record.Record("t", 0.05, 10.0, "me", 1000.0)
    record.connected(0.0, "zk1:2181", 7)
    saved = []
    writer = aw.Writer(
        ensemble,
        errors,
        TimedOut,
        NODE,
        "me",
        0.05,
        limit,
        record,
        Stop(clock, writes),
        clock,
        lambda: saved.append(record.result(clock.now, False)),
        clock.sleep,
    )
    return writer, ensemble, record, clock, saved


def ran(**arguments):
    writer, ensemble, record, clock, _saved = probe(**arguments)
    writer.prepare()
    writer.run()
    return record.result(clock.now, True), ensemble


def test_every_write_is_acknowledged_and_read_back():
    result, ensemble = ran()
    assert (result["writes"], result["failures"], result["retries"], result["missing"]) == (5, 0, 0, 0)
    assert ensemble.nodes[NODE][0] == b"me 5"
    assert result["stalls"] == []
    assert result["longest_stall_ms"] < 5


@pytest.mark.parametrize("moment", ["before", "after", "silent"])
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_lost_connection_is_absorbed(moment, number):
    # silent: the limit of the attempt is that of the write, so this one is given up
    result, ensemble = ran(troubles={number: [moment]})
    gave_up = moment == "silent"
    assert result["failures"] == gave_up
    assert result["writes"] == 5 - gave_up
    assert result["missing"] == 0
    assert result["retries"] == (0 if gave_up else 1)
    assert ensemble.nodes[NODE][1].version == result["writes"] - 1


def test_an_expired_session_is_repeated_and_an_unknown_write_is_found():
    result, _ensemble = ran(troubles={2: [errors.SessionExpiredError, "after", "before"]})
    assert (result["writes"], result["failures"], result["missing"]) == (5, 0, 0)


def test_a_refused_write_fails_at_once():
    result, _ensemble = ran(troubles={2: [errors.NoAuthError]})
    assert (result["writes"], result["failures"]) == (4, 1)
    assert result["failed"][0]["number"] == 2
    assert result["failed"][0]["error"] == "NoAuthError"
    assert result["unacknowledged"] == [2]


def test_a_write_given_up_that_happened_later_is_not_missing():
    def late(ensemble):
        # The attempt that nobody answered is carried out just before the next write.
        _data, stat = ensemble.nodes[NODE]
        ensemble.nodes[NODE] = (b"me 3", Stat(stat.version + 1, ensemble.zxid))

    result, _ensemble = ran(troubles={3: ["silent"], 4: [late]})
    assert (result["writes"], result["failures"], result["missing"]) == (4, 1, 0)


def truncate(to, version):
    def do(ensemble):
        if to is None:
            ensemble.nodes.pop(NODE)
        else:
            ensemble.nodes[NODE] = (b"me %d" % to, Stat(version, ensemble.zxid))

    return do


@pytest.mark.parametrize(
    ("change", "missing"), [(truncate(2, 1), 2), (truncate(None, 0), 4)], ids=["set back", "removed"]
)
def test_lost_writes_are_found_at_the_next_write(change, missing):
    # Before the fifth write the ensemble forgets: the version that the fifth names is not there.
    result, _ensemble = ran(troubles={5: [change]})
    assert result["missing"] == missing
    assert result["writes"] == 5


def test_what_was_never_acknowledged_is_not_missing():
    result, _ensemble = ran(troubles={3: [errors.NoAuthError], 5: [truncate(2, 1)]})
    assert (result["failures"], result["missing"]) == (1, 1)


def test_lost_writes_are_found_at_the_end():
    result, _ensemble = ran(troubles={"sync": [truncate(3, 2)]})
    assert result["missing"] == 2


def test_without_an_answer_at_the_end_nothing_is_claimed():
    result, _ensemble = ran(troubles={"sync": ["silent"] * 3})
    assert result["missing"] is None
    assert result["writes"] == 5


def test_the_znode_of_another_writer_ends_it():
    def other(ensemble):
        ensemble.nodes[NODE] = (b"other 9", Stat(7, ensemble.zxid))

    with pytest.raises(aw.Fatal, match="a name of its own"):
        ran(troubles={3: [other]})


def test_a_parent_that_goes_is_made_again():
    writer, ensemble, record, clock, _saved = probe()
    writer.prepare()
    ensemble.nodes.clear()
    writer.run()
    assert record.result(clock.now, True)["writes"] == 5


def test_it_clears_what_was_left_and_leaves_nothing():
    writer, ensemble, _record, _clock, _saved = probe()
    ensemble.nodes = {aw.PARENT: (b"", Stat(0, 0)), NODE: (b"old 77", Stat(77, 0))}
    writer.prepare()
    assert set(ensemble.nodes) == {aw.PARENT}
    writer.run()
    writer.clean()
    assert ensemble.nodes == {}
    writer.clean()


def test_another_probes_znode_stays():
    writer, ensemble, _record, _clock, _saved = probe()
    ensemble.nodes = {aw.PARENT: (b"", Stat(0, 0)), f"{aw.PARENT}/other": (b"x 1", Stat(0, 0))}
    writer.prepare()
    writer.run()
    writer.clean()
    assert set(ensemble.nodes) == {aw.PARENT, f"{aw.PARENT}/other"}


def test_it_gives_up_clearing():
    writer, _ensemble, _record, clock, _saved = probe(troubles={"delete": ["silent"] * 9})
    with pytest.raises(aw.Fatal, match="no answer within 10 s"):
        writer.clean()
    assert clock.now < 21


def test_a_closed_client_ends_it():
    with pytest.raises(aw.Fatal, match="AuthFailedError"):
        ran(troubles={2: [errors.AuthFailedError]})


def test_it_saves_at_the_first_write_and_then_each_second():
    writer, _ensemble, _record, _clock, saved = probe(writes=50)
    writer.prepare()
    writer.run()
    assert saved[0]["writes"] == 1
    assert 2 <= len(saved) <= 4
    assert not saved[-1]["complete"]


# --- The record ------------------------------------------------------------------------------------------------------


def record():
    made = probe_record.Record("t", 0.05, 10.0, "me", 1000.0)
    made.connected(0.0, "zk1:2181", 0x100)
    return made


def test_a_stall_has_its_begin_its_length_and_its_server():
    made = record()
    made.acknowledged(1.0, 0.002, 1, 10)
    made.connected(1.5, "zk2:2181", 0x100)
    made.acknowledged(1.8, 0.75, 2, 11)
    made.acknowledged(2.0, 0.002, 3, 12)
    result = made.result(2.05, True)
    assert result["stalls"] == [{"at": 1001.0, "seconds": 0.75, "server": "zk1:2181"}]
    assert result["longest_stall_ms"] == 750.0
    assert result["per_second"] == {"writes": [0, 2, 1], "longest_ms": [0.0, 750.0, 150.0]}
    assert result["servers"] == [{"at": 1000.0, "server": "zk1:2181"}, {"at": 1001.5, "server": "zk2:2181"}]
    assert result["latency_ms"] == {"p50": 2.0, "p99": 750.0, "max": 750.0}


def test_a_stall_that_has_not_ended_counts():
    made = record()
    made.acknowledged(1.0, 0.002, 1, 10)
    result = made.result(4.05, False)
    assert result["stalls"] == [{"at": 1001.0, "seconds": 3.0, "server": "zk1:2181"}]
    assert result["longest_stall_ms"] == 3000.0
    assert made.result(1.05, False)["stalls"] == []


def test_a_lost_session_is_counted_and_named():
    made = record()
    made.lost(3.0)
    made.connected(4.0, "zk2:2181", -1)
    result = made.result(5.0, True)
    assert result["sessions_lost"] == 1
    assert result["lost"] == [{"at": 1003.0, "id": "0x100"}]
    assert [each["id"] for each in result["sessions"]] == ["0x100", "0xffffffffffffffff"]


def test_a_zxid_that_does_not_grow_is_counted():
    made = record()
    for number, zxid in enumerate([5, 6, 6, 7], start=1):
        made.acknowledged(number, 0.002, number, zxid)
    assert made.result(5.0, True)["zxid_regressions"] == 1


def test_lists_are_bounded():
    made = record()
    for number in range(1, probe_record.MOST_STALLS + 11):
        made.acknowledged(number * 2.0 + (number == 3) * 0.5, 0.002, number, number)
        made.failed(number, number, "x")
    result = made.result(number * 2.0, True)
    assert len(result["stalls"]) == probe_record.MOST_STALLS
    assert max(each["seconds"] for each in result["stalls"]) == 2.45
    assert result["stalls_left_off"] == 9
    assert len(result["failed"]) == probe_record.MOST_ENTRIES
    assert result["failures"] == probe_record.MOST_STALLS + 10


def test_a_watched_znode_is_recorded_when_it_changes():
    made = record()
    one = {"exists": True, "czxid": 1, "mzxid": 1, "ephemeral_owner": "0x1", "data": "a"}
    for at, state in enumerate([one, one, {**one, "mzxid": 2}, {**one, "mzxid": 2}]):
        made.watched(at, "/leader", state)
        made.watched(at, "/other", one)
    assert [(each["at"], each["path"]) for each in made.result(5, True)["watched"]] == [
        (1000.0, "/leader"),
        (1000.0, "/other"),
        (1002.0, "/leader"),
    ]


def test_the_watcher_reads_what_a_znode_is():
    clock = Clock()
    ensemble = Ensemble(clock)
    ensemble.nodes["/leader"] = (b"who", Stat(0, 5, ephemeralOwner=-2, czxid=4))
    made = record()
    stop = Stop(clock, 2)
    aw.Watcher(ensemble, errors, ["/leader", "/none"], made, stop, clock).run()
    leader, none = made.result(1.0, True)["watched"]
    assert leader["exists"]
    assert leader["ephemeral_owner"] == "0xfffffffffffffffe"
    assert len(leader["data"]) == 16
    assert not none["exists"]


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [({}, 0.5, 0.0), ({1.0: 1}, 0.99, 1.0), ({1.0: 98, 9.0: 2}, 0.5, 1.0), ({1.0: 98, 9.0: 2}, 0.99, 9.0)],
)
def test_percentile(values, share, wanted):
    assert probe_record.percentile(values, share) == wanted


def test_a_reader_never_meets_half_a_result(tmp_path):
    path = tmp_path / "result.json"
    aw.save(str(path), {"writes": 1})
    aw.save(str(path), {"writes": 2})
    assert json.loads(path.read_text()) == {"writes": 2}
    assert [each.name for each in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("program", [aw, probe_record])
def test_it_needs_the_standard_library_only(program):
    tree = ast.parse(Path(program.__file__).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names -= {"record", probe_record.__name__}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_it_runs_as_a_script_with_its_record_beside_it(tmp_path):
    """As on a host: isolated, without the collection, and here without kazoo too."""
    for program in (aw, probe_record):
        path = Path(program.__file__)
        (tmp_path / path.name).write_text(path.read_text())
    settings = {"name": "t", "servers": ["zk1:2181"], "interval_ms": 50, "session_timeout": 1, "reconnect_delay_ms": 50}
    settings |= {"kazoo_path": "/nowhere", "watch": [], "result": str(tmp_path / "result.json")}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    command = [sys.executable, "-I", "-S", str(tmp_path / "writer.py"), str(tmp_path / "settings.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr.count("kazoo cannot be imported")) == (1, 1), done.stderr
    assert "kazoo cannot be imported" in json.loads((tmp_path / "result.json").read_text())["error"]
