"""Verdicts on recorded ensembles (tests/fixtures/zookeeper: three voters, observer 4), whole and with damage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.fourletter import (
    Conf,
    NotServing,
    ServerLine,
    Srvr,
    WordRefused,
    check,
    parse_conf,
    parse_mntr,
    parse_srvr,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.verdict import (
    DEGRADED,
    HEALTHY,
    LOST,
    Failure,
    Member,
    Observation,
    Proof,
    Verdict,
    judge,
    lagging,
)

FIXTURES = Path(__file__).parents[4] / "fixtures" / "zookeeper"
#: Client port of id 0, and the address in the server lines.
RECORDED = {
    "3.5.10": (22000, "127.0.0.1"),
    "3.6.4": (23000, "127.0.0.1"),
    "3.7.2": (24000, "127.0.0.1"),
    "3.8.0": (25000, "localhost"),
    "3.9.5": (21000, "127.0.0.1"),
}
PARSE: dict[str, Callable[[str], Any]] = {"srvr": parse_srvr, "mntr": parse_mntr, "conf": parse_conf}
GONE = Failure("unreachable", "127.0.0.1:21002: Connection refused")
CLOSED = Failure("unreachable", "127.0.0.1:21101: Connection refused")

Ensemble = tuple[list[Member], dict[int, Observation]]


def reply(name: str, word: str) -> Any:
    try:
        return PARSE[word](check(word, (FIXTURES / f"{name}.{word}").read_text()))
    except NotServing as error:
        return Failure("not_serving", str(error))
    except WordRefused as error:
        return Failure("refused", str(error))


def ensemble(state: str, count: int = 4) -> Ensemble:
    """A recorded state, with the quorum port open on its leader."""
    members = []
    observed = {}
    base, address = RECORDED[state.partition("/")[0]]
    for identity in range(1, count + 1):
        kind = "observer" if identity == 4 else "participant"
        members.append(Member(identity, address, base + identity, base + 100 + identity, kind))
        name = f"{state}/{identity}"
        srvr = reply(name, "srvr")
        leads = isinstance(srvr, Srvr) and srvr.mode == "leader"
        observed[identity] = Observation(srvr, reply(name, "mntr"), reply(name, "conf"), leads or CLOSED)
    return members, observed


def leader_of(observed: Mapping[int, Observation]) -> int:
    return next(i for i, seen in observed.items() if isinstance(seen.srvr, Srvr) and seen.srvr.mode == "leader")


def lose(observed: dict[int, Observation], *ids: int, failure: Failure = GONE) -> dict[int, Observation]:
    lost = Observation(failure, failure, failure, CLOSED)
    return {identity: lost if identity in ids else seen for identity, seen in observed.items()}


def alter(observed: dict[int, Observation], identity: int, **changes: Any) -> dict[int, Observation]:
    return {**observed, identity: replace(observed[identity], **changes)}


def with_mntr(observed: dict[int, Observation], identity: int, **values: float | None) -> dict[int, Observation]:
    mntr = observed[identity].mntr
    assert not isinstance(mntr, Failure)
    new = {key: value for key, value in {**mntr, **values}.items() if value is not None}
    return alter(observed, identity, mntr=new)


def with_srvr(observed: dict[int, Observation], identity: int, **values: Any) -> dict[int, Observation]:
    srvr = observed[identity].srvr
    assert isinstance(srvr, Srvr)
    return alter(observed, identity, srvr=replace(srvr, **values))


def with_conf(observed: dict[int, Observation], identity: int, **values: Any) -> dict[int, Observation]:
    conf = observed[identity].conf
    assert isinstance(conf, Conf)
    return alter(observed, identity, conf=replace(conf, **values))


def told(verdict: Verdict, *words: str) -> None:
    """Exactly one reason has all these words."""
    assert sum(all(word in reason for word in words) for reason in verdict.reasons) == 1, verdict.reasons


@pytest.mark.parametrize("release", RECORDED)
@pytest.mark.parametrize("state", ["elected", "written"])
def test_a_recorded_healthy_ensemble(release: str, state: str) -> None:
    members, observed = ensemble(f"{release}/{state}")
    verdict = judge(members, observed)
    assert (verdict.verdict, verdict.reasons, verdict.cautions) == (HEALTHY, [], [])
    assert verdict.leader == {"id": leader_of(observed), "address": RECORDED[release][1]}
    assert (verdict.epoch, verdict.voters, verdict.serving_voters, verdict.fault_tolerance_left) == (1, 3, 3, 1)
    assert [server["id"] for server in verdict.servers] == [1, 2, 3, 4]


def test_an_idle_ensemble_after_an_election_is_healthy_though_its_zxids_differ() -> None:
    members, observed = ensemble("3.9.5/re_elected")
    verdict = judge(members, observed)
    assert {server["epoch"] for server in verdict.servers} == {4, 5}
    assert (verdict.verdict, verdict.reasons) == (HEALTHY, [])


def test_an_old_epoch_counts_once_the_leader_has_a_transaction() -> None:
    members, observed = ensemble("3.9.5/re_elected")
    verdict = judge(members, with_srvr(observed, leader_of(observed), zxid=(5 << 32) + 1))
    assert verdict.verdict == DEGRADED
    assert len(verdict.reasons) == 3
    told(verdict, "(id 1) is in epoch 4", "in 5")


def test_a_newer_epoch_than_the_leaders_always_counts() -> None:
    members, observed = ensemble("3.9.5/re_elected")
    verdict = judge(members, with_srvr(observed, 1, zxid=6 << 32))
    assert verdict.verdict == DEGRADED
    told(verdict, "(id 1) has epoch 6", "only 5")


def test_two_of_three_voters_killed() -> None:
    members, observed = ensemble("3.9.5/written")
    rest = ensemble("3.9.5/not_serving", 1)[1][1]
    verdict = judge(members, {**lose(observed, 2, 3, 4), 1: replace(rest, quorum_port=CLOSED)})
    assert verdict.verdict == LOST
    assert (verdict.leader, verdict.epoch, verdict.serving_voters, verdict.fault_tolerance_left) == (None, None, 0, 0)
    told(verdict, "(id 1)", "does not serve")
    told(verdict, "(id 2)", "Connection refused", "Start its service")
    told(verdict, "No server says that it leads")
    told(verdict, "0 of 3 voters serve")


def test_one_follower_down_is_degraded_with_nothing_left() -> None:
    members, observed = ensemble("3.9.5/written")
    follower = next(i for i in (1, 2, 3) if i != leader_of(observed))
    observed = with_mntr(observed, leader_of(observed), synced_followers=1)
    verdict = judge(members, lose(observed, follower))
    assert (verdict.verdict, verdict.fault_tolerance_left) == (DEGRADED, 0)
    told(verdict, "has 1 of 2 followers synced")


def test_the_observer_down_is_degraded_with_all_tolerance_left() -> None:
    members, observed = ensemble("3.9.5/written")
    verdict = judge(members, lose(observed, 4))
    assert (verdict.verdict, verdict.fault_tolerance_left, len(verdict.reasons)) == (DEGRADED, 1, 1)


def test_a_leader_that_cannot_be_asked_is_lost_unless_a_write_shows_a_quorum() -> None:
    members, observed = ensemble("3.9.5/written")
    observed = lose(observed, leader_of(observed), failure=Failure("silent", "no answer within 5 s"))
    assert judge(members, observed).verdict == LOST
    assert judge(members, observed, proof=Proof(accepted=True)).verdict == DEGRADED


def test_a_failed_write_is_lost_although_all_answer_well() -> None:
    members, observed = ensemble("3.9.5/written")
    verdict = judge(members, observed, proof=Proof(accepted=False, refusal="no answer within 5 s"))
    assert verdict.verdict == LOST
    told(verdict, "The write proof failed: no answer within 5 s", "disk")


def test_a_write_refused_for_who_we_are_says_nothing_about_the_quorum() -> None:
    members, observed = ensemble("3.9.5/written")
    verdict = judge(members, observed, proof=Proof(accepted=False, refusal="not permitted", denied=True))
    assert verdict.verdict == DEGRADED
    told(verdict, "not permitted", "right to create")


def test_a_write_that_one_server_does_not_show() -> None:
    members, observed = ensemble("3.9.5/written")
    verdict = judge(members, observed, proof=Proof(accepted=True, unread={2: "it has no such znode"}))
    assert verdict.verdict == DEGRADED
    told(verdict, "(id 2): a write that the quorum accepted was not read", "no such znode")


def test_trap_10_two_leaders_are_lost_even_if_a_write_was_accepted() -> None:
    members, observed = ensemble("3.9.5/written")
    observed = {
        i: replace(seen, srvr=replace(seen.srvr, mode="leader")) if i < 3 else seen for i, seen in observed.items()
    }  # type: ignore[type-var]
    verdict = judge(members, observed, proof=Proof(accepted=True))
    assert (verdict.verdict, verdict.leader) == (LOST, None)
    told(verdict, "lead at the same time")


def test_synced_followers_that_do_not_vote_do_not_count() -> None:
    members, observed = ensemble("3.9.5/written")
    verdict = judge(members, with_mntr(observed, leader_of(observed), synced_non_voting_followers=1))
    told(verdict, "has 1 of 2 followers synced")
    assert verdict.verdict == DEGRADED


def test_a_follower_from_outside_of_the_inventory() -> None:
    members, observed = ensemble("3.9.5/written")
    stray = with_mntr(observed, leader_of(observed), synced_followers=3, synced_non_voting_followers=1)
    told(judge(members, stray), "3 followers where the inventory has 2", "not in the current config")


def test_an_observer_from_outside_of_the_inventory() -> None:
    members, observed = ensemble("3.9.5/written")
    told(judge(members, with_mntr(observed, 1, synced_observers=1)), "2 observers follow where the inventory has 1")


def test_a_leader_whose_count_is_missing_is_not_healthy() -> None:
    members, observed = ensemble("3.9.5/written")
    told(judge(members, with_mntr(observed, leader_of(observed), synced_followers=None)), "does not count")


def test_words_outside_of_the_whitelist_leave_a_gap() -> None:
    members, observed = ensemble("3.9.5/whitelist")
    verdict = judge(members, observed)
    assert verdict.verdict == DEGRADED
    assert len(verdict.reasons) == 8
    told(verdict, "(id 1)", "conf is not in its 4lw.commands.whitelist")


def test_a_standalone_server_only_where_it_is_allowed_and_alone() -> None:
    observed = {
        1: Observation(
            reply("3.9.5/standalone/1", "srvr"),
            {"server_state": "standalone"},
            reply("3.9.5/standalone/1", "conf"),
            CLOSED,
        )
    }
    members = [Member(1, "127.0.0.1", 29001, 29101)]
    verdict = judge(members, observed, standalone=True)
    assert (verdict.verdict, verdict.reasons, verdict.fault_tolerance_left) == (HEALTHY, [], 0)
    assert verdict.leader == {"id": 1, "address": "127.0.0.1"}
    refused = judge(members, observed)
    assert refused.verdict == LOST
    told(refused, "runs standalone", "standalone: true")
    three, rest = ensemble("3.9.5/written")
    among = judge(three, {**rest, 1: observed[1]}, standalone=True)
    assert among.verdict == DEGRADED
    told(among, "(id 1) runs standalone")


def test_a_single_member_with_a_quorum_of_its_own() -> None:
    _members, observed = ensemble("3.9.5/written")
    leader = leader_of(observed)
    member = Member(leader, "127.0.0.1", 21000 + leader, 21100 + leader)
    line = ServerLine("127.0.0.1", member.quorum_port, 21200, "participant")
    alone = with_mntr(
        with_conf(observed, leader, members={leader: line}), leader, synced_followers=0, synced_observers=0
    )
    assert judge([member], {leader: alone[leader]}).verdict == HEALTHY


def test_read_only_is_not_serving() -> None:
    members, observed = ensemble("3.9.5/written")
    verdict = judge(members, with_srvr(observed, 1, mode="read-only"))
    told(verdict, "(id 1) is cut off from the quorum")
    assert verdict.serving_voters == 2


@pytest.mark.parametrize(
    ("identity", "mode", "words"),
    [(1, "observer", "observes, but should vote"), (4, "follower", "is follower, but should observe")],
)
def test_a_server_in_the_wrong_role(identity: int, mode: str, words: str) -> None:
    members, observed = ensemble("3.9.5/written")
    verdict = judge(members, with_srvr(observed, identity, mode=mode))
    assert verdict.verdict == DEGRADED
    told(verdict, f"(id {identity}) {words}")


def lines(observed: Mapping[int, Observation]) -> dict[int, ServerLine]:
    conf = observed[1].conf
    assert isinstance(conf, Conf)
    return dict(conf.members)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({2: None}, "server.2 is missing"),
        ({5: ServerLine("zk5", 2888, 3888, "participant")}, "server.5 (zk5) is not in the inventory"),
        ({2: ServerLine("zk2", 21102, 21202, "participant")}, "server.2 has zk2, not 127.0.0.1"),
        ({2: ServerLine("127.0.0.1", 9, 21202, "participant")}, "server.2 has 9, not 21102"),
        ({2: ServerLine("127.0.0.1", 21102, 21202, "observer")}, "server.2 has observer, not participant"),
    ],
)
def test_trap_10_a_membership_that_differs_names_its_server(change: dict[int, ServerLine | None], words: str) -> None:
    members, observed = ensemble("3.9.5/written")
    altered = {number: line for number, line in {**lines(observed), **change}.items() if line}
    verdict = judge(members, with_conf(observed, 1, members=altered))
    assert verdict.verdict == DEGRADED
    assert len(verdict.reasons) == 1
    told(verdict, "(id 1): ", words)


def test_the_same_difference_everywhere_is_told_once() -> None:
    members, observed = ensemble("3.9.5/written")
    verdict = judge(members[:3], {i: observed[i] for i in (1, 2, 3)})
    told(verdict, "(id 1), ", " and ", "server.4 (127.0.0.1) is not in the inventory")


def test_a_server_with_another_ones_id() -> None:
    members, observed = ensemble("3.9.5/written")
    verdict = judge(members, with_conf(observed, 1, server_id=2))
    told(verdict, "127.0.0.1:21001 says that its myid is 2, the inventory says 1")


def test_groups_and_weights_are_no_quorum_of_ours() -> None:
    members, observed = ensemble("3.9.5/written")
    told(judge(members, with_conf(observed, 1, hierarchical=True)), "groups or weights")


@pytest.mark.parametrize(
    ("shown", "wanted", "same"),
    [
        ("ZK1.Example.org", "zk1.example.org", True),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1", True),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("2001:db8::1", "zk1.example.org", True),
        ("10.0.0.1", "zk1.example.org", False),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_addresses_as_a_server_shows_them(shown: str, wanted: str, same: bool) -> None:
    members, observed = ensemble("3.9.5/written")
    members = [replace(members[0], address=wanted), *members[1:]]
    altered = {
        identity: replace(
            seen, conf=replace(seen.conf, members={**lines(observed), 1: replace(lines(observed)[1], address=shown)})
        )  # type: ignore[type-var]
        for identity, seen in observed.items()
    }
    assert (judge(members, altered).verdict == HEALTHY) == same


def test_the_quorum_port_is_open_on_the_leader_only() -> None:
    members, observed = ensemble("3.9.5/written")
    leader = leader_of(observed)
    other = next(i for i in (1, 2, 3) if i != leader)
    told(judge(members, alter(observed, leader, quorum_port=CLOSED)), f"(id {leader}) leads, but its quorum port")
    told(judge(members, alter(observed, other, quorum_port=True)), f"(id {other}) does not lead", "is open")
    unasked = {identity: replace(seen, quorum_port=None) for identity, seen in observed.items()}
    assert judge(members, unasked).verdict == HEALTHY


CAUTIONS: list[tuple[dict[str, Any], dict[str, float], str]] = [
    ({"latency_avg": 50.5}, {}, "50.5 average latency"),
    ({"outstanding": 11}, {}, "11 outstanding requests"),
    ({"znode_count": 1_000_001}, {}, "1000001 znodes"),
    ({}, {"watch_count": 10_001}, "10001 watches"),
    ({}, {"open_file_descriptor_count": 900, "max_file_descriptor_count": 1000}, "0.9 share"),
    ({}, {"approximate_data_size": 1 << 31}, "bytes of data"),
    ({"version": "3.8.0"}, {}, "different releases (3.8.0: 127.0.0.1 (id 1); 3.9.5: "),
]


@pytest.mark.parametrize(("srvr", "mntr", "words"), CAUTIONS)
def test_thresholds_caution_and_only_strict_makes_them_reasons(
    srvr: dict[str, Any], mntr: dict[str, float], words: str
) -> None:
    members, observed = ensemble("3.9.5/written")
    observed = with_mntr(with_srvr(observed, 1, **srvr), 1, **mntr)
    verdict = judge(members, observed)
    assert (verdict.verdict, verdict.reasons) == (HEALTHY, [])
    assert [words in caution for caution in verdict.cautions] == [True]
    strict = judge(members, observed, strict=True)
    assert (strict.verdict, strict.reasons) == (DEGRADED, verdict.cautions)


def test_a_threshold_is_an_input() -> None:
    members, observed = ensemble("3.9.5/written")
    assert len(judge(members, observed, thresholds={"znodes": 5}).cautions) == 4


def test_a_server_far_behind_in_the_same_epoch() -> None:
    members, observed = ensemble("3.9.5/written")
    verdict = judge(members, with_srvr(observed, leader_of(observed), zxid=(1 << 32) + 20_000))
    assert verdict.verdict == HEALTHY
    assert len(verdict.cautions) == 3
    assert "transactions behind the leader" in verdict.cautions[0]


def test_every_reason_names_a_server_or_the_whole_and_a_remedy() -> None:
    members, observed = ensemble("3.9.5/written")
    for kind in ("unreachable", "silent", "not_serving", "refused", "garbled"):
        verdict = judge(members, lose(observed, 1, 2, 3, 4, failure=Failure(kind, "some cause")))
        assert verdict.verdict == LOST
        assert len(verdict.reasons) == 6
        assert all(reason.count(". ") >= 1 and reason.endswith((".", ").")) for reason in verdict.reasons)


def test_servers_that_are_in_step_and_one_that_is_gone() -> None:
    members, observed = ensemble("3.9.5/written")
    assert lagging(judge(members, observed).as_dict(), [1, 2, 3, 4]) == []
    gone = judge(members, lose(observed, 2)).as_dict()
    assert lagging(gone, [1, 3]) == []
    assert lagging(gone, [1, 2]) == ["127.0.0.1 (id 2) does not serve"]


def test_a_server_without_the_proofs_write_or_in_an_older_epoch_is_not_in_step() -> None:
    members, observed = ensemble("3.9.5/written")
    follower = next(i for i in (1, 2, 3) if i != leader_of(observed))
    unread = judge(members, observed, proof=Proof(accepted=True, unread={follower: "late"})).as_dict()
    assert "does not show a write" in lagging(unread, [1, 2, 3])[0]
    old = judge(members, with_srvr(observed, follower, zxid=5)).as_dict()
    assert "is in epoch 0" in lagging(old, [follower])[0]


def test_trap_06_voters_that_a_running_server_knows_and_the_inventory_does_not() -> None:
    members, observed = ensemble("3.9.5/written")
    assert judge(members, observed).voter_differences == []
    fewer = [member for member in members if member.id != 3]
    told_now = judge(fewer, {i: seen for i, seen in observed.items() if i != 3}).voter_differences
    assert told_now
    assert all("server.3 (127.0.0.1) is not in the inventory" in text for text in told_now)
    without_observer = judge(members[:3], {i: observed[i] for i in (1, 2, 3)})
    assert without_observer.voter_differences == [], "observers may come and go"
