"""Traps of a roll: the real role and the real decisions, on members that exist only as files."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from traps.world import World

NEW = "1" * 16


@pytest.fixture(scope="module")
def rolled(tmp_path_factory, collections):
    """site.yml over a live ensemble with a changed configuration; the leader moves after the first step."""
    world = World(tmp_path_factory.mktemp("rolled") / "world", collections)
    world.event("after", "service_step", "zk1", set={"zk2": {"mode": "leader"}, "zk3": {"mode": "follower"}})
    code, output = world.run("site.yml")
    assert code == 0, output
    return world, output


def test_trap_13_14_a_step_is_restart_wait_proof_before_the_next_begins(rolled):
    """Not three restarts and then three waits; and no handler, whatever changed."""
    world, _output = rolled
    told = [
        (call["module"], call["host"] if call["module"] == "service_step" else call["args"].get("wait_for_members"))
        for call in world.calls("service_step", "zookeeper_quorum")
    ]
    for host, number in (("zk1", 1), ("zk2", 2), ("zk3", 3)):
        at = told.index(("service_step", host))
        assert told[at + 1] == ("zookeeper_quorum", [number]), told
        assert told[at - 1][0] == "zookeeper_quorum", "the state is read again before each step"
    ends = [(call["began"], call["ended"]) for call in world.calls("service_step")]
    assert all(before[1] <= after[0] for before, after in pairwise(ends))
    assert world.units() == [], "nothing but a step of the roll restarts"


def test_trap_26_the_leader_is_last_and_read_again_before_each_step(rolled):
    world, _output = rolled
    assert world.stepped() == ["zk1", "zk3", "zk2"]


def test_trap_29_a_run_ends_with_a_verdict_that_proves_a_write(rolled):
    world, output = rolled
    last = world.calls("zookeeper_quorum")[-1]["args"]
    assert last["prove_write"] is True
    assert last["wait_for"] == "healthy"
    assert "ZooKeeper: healthy, leader" in output


def test_trap_15_the_lock_is_given_back_although_nothing_is_left_to_do(rolled):
    """The condition of a block is asked again for each of its tasks, also of those under `always`."""
    world, _output = rolled
    assert released(world) == {"zk1", "zk2", "zk3"}


def test_trap_11_33_every_member_gets_all_members_sorted_by_id(rolled):
    world, _output = rolled
    configs = {
        call["host"]: content(call, "/zoo.cfg") for call in world.calls("host_files") if content(call, "/zoo.cfg")
    }
    assert set(configs) == {"zk1", "zk2", "zk3"}
    for config in configs.values():
        servers = [line for line in config.splitlines() if line.startswith("server.")]
        assert [line.split("=")[0] for line in servers] == ["server.1", "server.2", "server.3"]


def test_trap_08_an_id_and_its_server_line_are_of_one_source(rolled):
    world, _output = rolled
    for call in world.calls("host_files"):
        if content(call, "/myid"):
            assert f"server.{str(content(call, '/myid')).strip()}={call['host']}.invalid:" in content(call, "/zoo.cfg")


def test_trap_05_no_member_of_a_live_ensemble_may_start_empty(rolled):
    world, _output = rolled
    for call in world.calls("host_files"):
        assert not content(call, "/initialize")
        if content(call, "/zoo.cfg"):
            assert "db.autocreate=false" in content(call, "/zoo.cfg")
            assert "datadir.autocreate=false" in content(call, "/zoo.cfg")


def test_trap_19_34_what_is_started_belongs_to_root_and_has_its_mode(rolled):
    world, _output = rolled
    for call in world.calls("host_files"):
        for entry in call["args"]["entries"]:
            if entry["path"].startswith("/etc/"):
                assert entry.get("owner", "root") == "root", entry["path"]
            if entry["path"].endswith(("/zoo.cfg", "/myid")):
                assert entry["mode"] == "0640", entry["path"]


def test_trap_25_32_a_further_run_installs_restarts_and_locks_nothing(rolled):
    """The release is there by its marker, whatever the service answers; what runs is what is wanted."""
    world, _output = rolled
    world.forget()
    code, output = world.run("zookeeper.yml")
    assert code == 0, output
    assert {call["module"] for call in world.calls()} == {"host_state", "host_files", "zookeeper_quorum"}
    assert world.units() == []
    assert " changed=0 " in output


def content(call, end):
    """Content of the first entry whose path ends so."""
    return next((entry.get("content") for entry in call["args"]["entries"] if entry["path"].endswith(end)), None)


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory, collections):
    """A roll whose second member cannot be reached any more after the first step."""
    world = World(tmp_path_factory.mktemp("cut_off") / "world", collections)
    world.event("after", "service_step", "zk1", write={"zk2.connection": "ssh"})
    code, output = world.roll()
    return world, code, output


def test_trap_01_02_36_a_member_that_cannot_be_reached_any_more_ends_the_roll(cut_off):
    """`serial` with any_errors_fatal, and a run_once loop, both go on with the next member."""
    world, code, output = cut_off
    assert code != 0, output
    assert world.stepped() == ["zk1"]
    assert "zk2" in output


def test_trap_36_the_roll_that_it_ends_leaves_diagnostics_and_gives_the_lock_back(cut_off):
    world, _code, output = cut_off
    assert "No further member is touched" in output
    assert (world.folder / "diagnostics").is_dir()
    assert released(world) >= {"zk1", "zk3"}


def released(world) -> set[str]:
    """Hosts whose lease was given back."""
    return {call["host"] for call in world.calls("run_lease") if call["args"].get("state") == "released"}


@pytest.fixture(scope="module")
def failed(tmp_path_factory, collections):
    """A roll whose first step fails."""
    world = World(tmp_path_factory.mktemp("failed") / "world", collections)
    world.event("before", "service_step", "zk1", reply={"failed": True, "msg": "zk1 did not come up"})
    code, output = world.roll()
    return world, code, output


@pytest.mark.long
def test_trap_03_diagnostics_do_not_hide_the_failure(failed):
    """A rescue that ends well makes the play go on, green, with the next member."""
    world, code, output = failed
    assert code != 0, output
    assert world.stepped() == ["zk1"]
    assert "zk1 did not come up" in output
    assert "No further member is touched" in output
    (folder,) = (world.folder / "diagnostics").iterdir()
    assert {path.name for path in folder.iterdir()} >= {"failure.txt", "verdict.json"}
    assert released(world) == set(world.names)


def test_trap_03_the_diagnostics_say_why(failed):
    """The failure of a task with a loop is "One or more items failed"; its items know why."""
    world, _code, _output = failed
    (text,) = (world.folder / "diagnostics").glob("*/failure.txt")
    assert "zk1 did not come up" in text.read_text()


def test_trap_03_29_a_member_that_does_not_come_to_serve_is_switched_back_and_ends_the_roll(world):
    """It is up, and the ensemble does not count it in: an open port is no proof."""
    world.event("after", "service_step", "zk1", set={"zk1": {"mode": ""}})
    code, output = world.roll()
    assert code != 0, output
    assert [(call["host"], call["args"].get("back", False)) for call in world.calls("service_step")] == [
        ("zk1", False), ("zk1", True),
    ]  # fmt: skip
    assert "did not come to serve with the new generation" in output


def test_trap_15_a_run_that_was_killed_is_finished_by_the_next_and_repeats_nothing(world):
    """The controller dies in the middle of the second step; what is left is read from the hosts, not from a handler."""
    world.event("before", "service_step", "zk2", hang=True)
    world.know()
    world.run_and_kill("phases/roll.yml", "-e", "rolling_kind=zookeeper")
    assert world.stepped() == ["zk1"]
    code, output = world.roll()
    assert code == 0, output
    assert world.stepped() == ["zk1", "zk2", "zk3"]
    assert {world.host(name)["generation"] for name in world.names} == {NEW}


def test_trap_17_without_a_majority_of_leases_nothing_is_touched(world):
    world.set("zk1", "zk3", lease="other@controller2")
    code, output = world.roll()
    assert code != 0, output
    assert world.stepped() == []
    assert "Another run holds the lock: held by other@controller2" in output


def test_trap_17_a_lock_that_is_lost_on_the_way_ends_the_roll(world):
    lost = {zk: {"lease": "other@controller2"} for zk in ("zk2", "zk3")}
    world.event("after", "service_step", "zk1", set=lost)
    code, output = world.roll()
    assert code != 0, output
    assert world.stepped() == ["zk1"]
    assert "This run lost the lock: held by other@controller2" in output


@pytest.fixture(scope="module")
def thinned(tmp_path_factory, collections):
    """A roll of five voters, the first of which cannot be asked for its lease any more after the first step."""
    world = World(tmp_path_factory.mktemp("thinned") / "world", collections)
    for number in (4, 5):
        world.add(f"zk{number}", number)
    world.names += ["zk4", "zk5"]
    # The inventory's order is zk3, zk1, zk2, zk4, zk5: after zk1's step zk3 is asked before zk4 and zk5.
    world.event("after", "service_step", "zk1", set={"zk3": {"lease": "other@controller2"}})
    code, output = world.roll()
    return world, code, output


def test_trap_60_a_majority_that_still_holds_the_lock_is_asked_before_giving_up(thinned):
    world, code, output = thinned
    assert "This run lost the lock" not in output
    assert world.stepped() == ["zk1", "zk2", "zk4", "zk5", "zk3"], output
    assert code == 0, output


def test_trap_60_a_renewal_asks_no_more_hosts_than_it_needs(thinned):
    world, _code, _output = thinned
    calls = world.calls("run_lease", "service_step")
    first = [call["module"] for call in calls].index("service_step")
    taken, renewed = calls[:5], calls[5:first]
    assert {call["host"] for call in taken} == set(world.names)
    assert [call["host"] for call in renewed] == ["zk3", "zk2"]


@pytest.mark.long
def test_trap_28_a_ready_member_is_not_touched_while_another_cannot_be_mended(world):
    world.set("zk2", live=False, mode="")
    world.event("before", "service_step", "zk2", reply={"failed": True, "msg": "its disk is full"})
    code, output = world.roll()
    assert code != 0, output
    assert world.stepped() == ["zk2"]
    assert "its disk is full" in output


def test_trap_22_check_shows_the_plan_and_touches_nothing(world):
    code, output = world.roll("--check")
    assert code == 0, output
    for step in ("1. change zk1", "2. change zk2", "3. change zk3 (leader, so last"):
        assert step in output
    assert world.calls("service_step") == []
    assert all(call["check"] for call in world.calls("run_lease", "host_files"))


def test_trap_37_a_roll_by_itself_or_of_a_part_is_refused(world):
    """Nothing was read in this run: who is to be asked, and what is wanted, is not known."""
    world.know()
    for name in ("zk2", "zk3"):
        variables = world.inventory["all"]["children"]["zookeeper"]["hosts"][name]
        del variables["zookeeper_noted"]
    code, output = world.run("phases/roll.yml", "-e", "rolling_kind=zookeeper")
    assert code != 0, output
    assert world.calls() == []
    assert "These hosts were not read in this run, so nothing is rolled: zk3, zk2" in output


@pytest.mark.parametrize(
    ("accepted", "steps"),
    [(False, ["zk1"]), pytest.param(True, ["zk1", "zk2", "zk3"], marks=pytest.mark.long)],
)
def test_trap_73_a_roll_stops_where_another_system_got_another_leader(world, accepted, steps):
    """By zookeeper_clients; without the switch, the next member is not touched."""
    path = "/hadoop-ha/ns1"
    world.inventory["all"]["children"]["zookeeper"]["vars"] = {"zookeeper_clients": [{"kind": "hdfs", "path": path}]}
    (world.folder / "others.json").write_text(json.dumps({path: "0x1"}))
    world.event("after", "service_step", "zk1", write={"others.json": json.dumps({path: "0x2"})})
    code, output = world.run("site.yml", *(("-e", "rolling_accept_moved_leaders=true") if accepted else ()))
    assert (code == 0) == accepted, output
    assert world.stepped() == steps
    told = "HDFS at /hadoop-ha/ns1, which who owns 0x1 led, is led by who owns 0x2 anew"
    assert (told in output) == (not accepted), output


@pytest.mark.parametrize(
    ("searched", "asked", "switch", "goes_on"),
    [
        pytest.param(False, False, "", True, id="no session", marks=pytest.mark.long),
        pytest.param(True, False, "", False, id="one cannot be read", marks=pytest.mark.long),
        pytest.param(
            True,
            False,
            "rolling_accept_moved_leaders=true",
            True,
            id="one cannot be read, accepted",
            marks=pytest.mark.long,
        ),
    ],
)
def test_trap_73_an_ensemble_that_cannot_be_asked_is_rolled_and_one_client_that_cannot_is_not_passed_over(
    world, searched, asked, switch, goes_on
):
    """Without a quorum nobody leads, and the roll is what brings it back."""
    path = "/hadoop-ha/ns1"
    world.inventory["all"]["children"]["zookeeper"]["vars"] = {"zookeeper_clients": [{"kind": "hdfs", "path": path}]}
    (world.folder / "others.json").write_text(json.dumps({path: "0x1"} if asked else {}))
    if not searched:
        world.event("before", "znode_elections", "zk3", reply={"failed": True, "msg": "no session"})
    code, output = world.run("site.yml", *(("-e", switch) if switch else ()))
    assert (code == 0) == goes_on, output
    assert bool(world.stepped()) == goes_on
    assert ("Who else leads here is not known. no session" in output) == (not searched)
    assert ("Whether a step moves its leader would not be seen" in output) == (not goes_on)
