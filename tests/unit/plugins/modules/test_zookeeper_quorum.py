"""The module zookeeper_quorum: arguments, waiting, check mode, what it returns."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.streamquorum.ha.plugins.doc_fragments.zookeeper_connection import ModuleDocFragment
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.fourletter import Conf, ServerLine, Srvr
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.verdict import (
    THRESHOLDS,
    Failure,
    Member,
    Observation,
    Proof,
)
from ansible_collections.streamquorum.ha.plugins.modules import zookeeper_quorum
from ansible_collections.streamquorum.ha.plugins.modules.zookeeper_quorum import (
    argument_spec,
    members_of,
    one_verdict,
    wait_for_verdict,
)

MEMBERS = [Member(identity, f"zk{identity}", 2181, 2888) for identity in (1, 2, 3)]
DOWN = Failure("unreachable", "Connection refused")
PARAMS: dict[str, Any] = {
    "standalone": False,
    "strict": False,
    "thresholds": {},
    "prove_write": True,
    "read_config": False,
}


def given(identity: int, **values: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "address": f"zk{identity}",
        "client_port": None,
        "quorum_port": None,
        "peer_type": "participant",
        **values,
    }


def parameters(*members: dict[str, Any]) -> dict[str, Any]:
    return {"members": list(members), "client_port": 2181, "quorum_port": 2888}


def test_members_are_sorted_and_take_the_common_ports() -> None:
    found = members_of(parameters(given(3, peer_type="observer"), given(1, client_port=2281, quorum_port=2988)))
    assert found == [Member(1, "zk1", 2281, 2988), Member(3, "zk3", 2181, 2888, "observer")]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([], "no participant"),
        ([given(1, peer_type="observer")], "no participant"),
        ([given(1), given(1, address="other")], "zk1 .id 1. and other .id 1. have the same id"),
        ([given(1), given(2, address="zk1")], "have the same client address"),
        ([given(1, client_port=65536)], "ports of zk1"),
        ([given(1, quorum_port=-1)], "ports of zk1"),
    ],
)
def test_bad_members_are_refused(members: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        members_of(parameters(*members))


def observation(identity: int, mode: str = "follower") -> Observation:
    lines = {member.id: ServerLine(member.address, 2888, 3888, "participant") for member in MEMBERS}
    return Observation(
        Srvr("3.9.5", mode, (1 << 32) + 5, 0, 0, 0, 1, 0, 5),
        {"server_state": mode, "synced_followers": 2},
        Conf(identity, 2181, lines),
        True if mode == "leader" else DOWN,
    )


class Probe:
    """Plays the servers; counts what was asked of it."""

    def __init__(self, *modes: str, proof: Proof | None = None) -> None:
        self.modes_told, self.proof = modes, proof or Proof(accepted=True)
        self.observed, self.asked_before_proof, self.through = 0, 0, list[list[int]]()

    def observe(self) -> dict[int, Observation]:
        self.observed += 1
        return {
            identity: observation(identity, mode) if mode else Observation(DOWN, DOWN, DOWN, DOWN)
            for identity, mode in enumerate(self.modes_told, 1)
        }

    def modes(self) -> dict[int, str]:
        return {identity: mode for identity, mode in enumerate(self.modes_told, 1) if mode}

    def prove_write(self, through: list[Member]) -> Proof:
        self.asked_before_proof = self.observed
        self.through.append([member.id for member in through])
        return self.proof


def test_a_proof_goes_through_all_that_serve_and_is_made_before_the_servers_are_asked() -> None:
    probe = Probe("leader", "follower", "follower")
    result = one_verdict(probe, MEMBERS, PARAMS, write=True)
    assert (result["verdict"], result["write_proof"], result["reasons"]) == ("healthy", "accepted", [])
    assert (probe.observed, probe.through, probe.asked_before_proof) == (1, [[1, 2, 3]], 0)
    assert result["duration_ms"] >= 0


def test_no_proof_without_a_server_that_serves() -> None:
    probe = Probe("", "", "")
    result = one_verdict(probe, MEMBERS, PARAMS, write=True)
    assert (result["verdict"], result["write_proof"], probe.through) == ("lost", "not_serving", [])


def test_a_standalone_server_among_several_does_not_take_the_proof() -> None:
    probe = Probe("leader", "follower", "standalone")
    one_verdict(probe, MEMBERS, PARAMS, write=True)
    assert probe.through == [[1, 2]]


@pytest.mark.parametrize(("allowed", "through"), [(True, [[1]]), (False, [])])
def test_a_single_standalone_server_takes_it_where_that_is_allowed(allowed: bool, through: list[list[int]]) -> None:
    probe = Probe("standalone")
    result = one_verdict(probe, MEMBERS[:1], {**PARAMS, "standalone": allowed}, write=True)
    assert probe.through == through
    assert result["verdict"] == ("healthy" if allowed else "lost")


def test_check_mode_writes_nothing_and_returns_the_same_keys() -> None:
    probe = Probe("leader", "follower", "follower")
    checked = one_verdict(probe, MEMBERS, PARAMS, write=False)
    assert (checked["write_proof"], probe.through, probe.observed) == ("check_mode", [], 1)
    assert set(checked) == set(one_verdict(probe, MEMBERS, PARAMS, write=True))


def test_a_proof_that_was_not_asked_for() -> None:
    result = one_verdict(
        Probe("leader", "follower", "follower"), MEMBERS, {**PARAMS, "prove_write": False}, write=False
    )
    assert result["write_proof"] == "not_asked"


def test_a_proof_that_failed_is_lost() -> None:
    probe = Probe("leader", "follower", "follower", proof=Proof(accepted=False, refusal="no answer"))
    result = one_verdict(probe, MEMBERS, PARAMS, write=True)
    assert (result["verdict"], result["write_proof"]) == ("lost", "failed")


class Time:
    """A clock that moves by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.mark.parametrize(
    ("wanted", "verdicts", "attempts", "reached"),
    [
        ("any", ["lost"], 1, True),
        ("serving", ["lost", "lost", "degraded"], 3, True),
        ("serving", ["healthy"], 1, True),
        ("healthy", ["lost", "degraded", "healthy"], 3, True),
        # At 0, 4, 8 and, the last one, at the end of the 10 seconds.
        ("healthy", ["degraded"] * 9, 4, False),
    ],
)
def test_waiting(wanted: str, verdicts: list[str], attempts: int, reached: bool) -> None:
    time, left = Time(), iter(verdicts)
    result, came = wait_for_verdict(
        lambda: {"verdict": next(left), "write_proof": "accepted"}, wanted, [], 10, 4, time.clock, time.sleep
    )
    assert (result["attempts"], came) == (attempts, reached)
    assert time.now <= 10


def test_a_proof_that_was_left_out_is_waited_for() -> None:
    time, proofs = Time(), iter(["not_serving", "accepted"])
    result, came = wait_for_verdict(
        lambda: {"verdict": "healthy", "write_proof": next(proofs)}, "healthy", [], 10, 1, time.clock, time.sleep
    )
    assert (result["attempts"], came) == (2, True)


def test_the_documentation_has_every_argument_with_its_default_and_every_returned_key() -> None:
    spec = argument_spec()
    documented = yaml.safe_load(zookeeper_quorum.DOCUMENTATION)["options"]
    documented |= yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    assert set(documented) == set(spec)
    for name, option in documented.items():
        assert option["type"] == spec[name]["type"], name
        assert option.get("default") == spec[name].get("default"), name
        assert option.get("choices") == spec[name].get("choices"), name
        assert set(option.get("suboptions", {})) == set(spec[name].get("options", {})), name
    thresholds = documented["thresholds"]["suboptions"]
    assert {name: option["default"] for name, option in thresholds.items()} == THRESHOLDS
    returned = {*one_verdict(Probe("leader", "follower", "follower"), MEMBERS, PARAMS, write=False), "attempts"}
    assert set(yaml.safe_load(zookeeper_quorum.RETURN)) == returned
