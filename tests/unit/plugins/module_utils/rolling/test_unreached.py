"""What a run goes on without, and what it does not."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host.preflight import host_names, unreached_problems
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import decisions as rolling
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.decisions import (
    CHANGE,
    DONE,
    STOP,
    Policy,
    stop_refusal,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.groups import to_do, unreached, view
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.verdict import Member

GROUPS = {
    "zookeeper": ["zk1", "zk2", "zk3"],
    "flink_jobmanager": ["jm1", "jm2"],
    "flink_taskmanager": ["tm1", "zk3"],
    "flink_client": ["c1", "c2"],
}
MEMBERS = [
    {"host": f"zk{number}", "id": number, "address": f"zk{number}.test", "peer_type": "participant"}
    for number in (1, 2, 3)
]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([], []),
        ("", []),
        ("zk1", ["zk1"]),
        ("zk1, tm1,zk1", ["zk1", "tm1"]),
        (["zk1", "tm1,tm2"], ["zk1", "tm1", "tm2"]),
    ],
)
def test_names_come_as_a_list_or_from_the_command_line(given: object, names: list[str]) -> None:
    assert host_names(given) == names


@pytest.mark.parametrize(
    ("gone", "accepted", "words"),
    [
        (["zk3"], ["zk3"], ""),
        (["zk3"], ["zk33"], "accept_unreachable names zk33, which is no host of this cluster"),
        (["zk2", "zk3"], ["zk2", "zk3"], "Without zk2, zk3 the ensemble has no quorum"),
        # The first to fail stands first in the group of Ansible.
        (["zk3", "zk2"], ["zk2", "zk3"], "Without zk2, zk3 the ensemble has no quorum"),
        (["jm1", "jm2"], ["jm1", "jm2"], "no JobManager is left"),
        (["jm1"], ["jm1"], ""),
        (["c1", "c2"], ["c1", "c2"], "no host is left that knows of Flink on YARN"),
        (["c1"], ["c1"], ""),
        ([], ["zk1", "zk2"], ""),
    ],
)
def test_what_is_needed_is_not_done_without(gone: list[str], accepted: list[str], words: str) -> None:
    problems = unreached_problems(GROUPS, accepted, gone, MEMBERS)
    assert words in " ".join(problems)
    assert bool(problems) == bool(words)


def live(number: int) -> dict:
    return {
        "name": f"zk{number}", "host": f"zk{number}", "kind": "zookeeper", "id": number, "votes": True, "ports": [2181],
        "address": f"zk{number}.test", "live": True, "running": "old", "desired": "new", "process": f"p{number}",
        "restart_asked": "",
    }  # fmt: skip


def reply(*serving: int) -> dict:
    return {
        "verdict": "degraded", "voter_differences": [], "leader": {"id": serving[0]}, "epoch": 1,
        "servers": [
            {"id": number, "mode": "leader" if number == serving[0] else "follower" if number in serving else None,
             "serving": number in serving, "epoch": 1, "answers": number in serving, "address": f"zk{number}.test",
             "write_read": None, "client_port": 2181, "failures": {}, "counter": 1}
            for number in range(1, 6)
        ],
    }  # fmt: skip


RUN = {"tried": (), "waited": ()}
ALLOWED: dict = {}


def five(gone: list[int]) -> list[dict]:
    hosts = [f"zk{number}" for number in gone]
    members = [
        {"host": f"zk{number}", "id": number, "address": f"zk{number}.test", "peer_type": "participant"}
        for number in range(1, 6)
    ]
    return [live(number) for number in range(1, 6) if number not in gone] + unreached(members, hosts)


def test_a_roll_goes_on_without_a_member_that_counts_for_the_quorum() -> None:
    step = rolling.next_step(view("zookeeper", five([5]), reply(1, 2, 3, 4), RUN, ALLOWED), Policy())
    assert (step.kind, step.members) == (CHANGE, ("zk2",))


def test_a_roll_stops_where_the_next_one_would_take_the_quorum() -> None:
    """Of five, two are dead: the third would be one too many, whatever the three think that are left."""
    step = rolling.next_step(view("zookeeper", five([4, 5]), reply(1, 2, 3), RUN, ALLOWED), Policy())
    assert step.kind == STOP
    assert "2 of 5 voters would be left" in step.reason


def test_a_member_that_is_not_reached_and_serves_counts_as_one_that_does() -> None:
    step = rolling.next_step(view("zookeeper", five([4, 5]), reply(1, 2, 3, 4, 5), RUN, ALLOWED), Policy())
    assert (step.kind, step.members) == (CHANGE, ("zk2",))


def test_nothing_is_ever_done_to_a_member_that_is_not_reached() -> None:
    members = [{**member, "running": "new"} if member["live"] else member for member in five([5])]
    assert rolling.next_step(view("zookeeper", members, reply(1, 2, 3, 4), RUN, ALLOWED), Policy()).kind == DONE
    assert [member["name"] for member in members if to_do(member)] == []


def test_another_member_that_does_not_serve_still_stops_the_roll() -> None:
    step = rolling.next_step(
        view("zookeeper", five([5]), reply(1, 2, 3), {**RUN, "waited": ("zk4",)}, ALLOWED), Policy()
    )
    assert (step.kind, step.members) != (CHANGE, ("zk2",))


def test_the_host_itself_lets_the_accepted_one_be_down_and_no_other() -> None:
    servers = [Member(number, f"zk{number}.test", 2181, 2888) for number in range(1, 6)]
    modes = {1: "leader", 2: "follower", 3: "follower", 4: "follower"}
    assert "id 5" in stop_refusal(servers, modes, 2, "follower", False)
    assert stop_refusal(servers, modes, 2, "follower", False, accepted=[5]) == ""
    del modes[4]
    assert "id 4" in stop_refusal(servers, modes, 2, "follower", False, accepted=[5])
