"""Leaders of other systems before and after a step, and those that nobody looks after."""

from __future__ import annotations

from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import leaders

CLIENTS = [{"kind": "hdfs", "path": "/hadoop-ha/ns1"}, {"kind": "kafka", "path": "/kafka"}]


def reply(client, address="", owner="", made="", reasons=()):
    leader = {"address": address, "owner": owner, "session_id": made}
    return {"item": client, "leader": leader, "reasons": list(reasons), "verdict": "led" if owner else "leaderless"}


def test_a_leader_that_stays_is_no_news_and_one_that_was_not_there_is_not_asked_for():
    before = [reply(CLIENTS[0], "nn1:8020", "0x1", "0x9"), reply(CLIENTS[1])]
    assert leaders.moved(before, [before[0], reply(CLIENTS[1], "b1:9092", "0x2", "0xa")]) == []


def test_trap_73_another_leader_or_another_leadership_of_the_same_is_told():
    before = [reply(CLIENTS[0], "nn1:8020", "0x1", "0x9"), reply(CLIENTS[1], "b1:9092", "0x2", "0xa")]
    now = [reply(CLIENTS[0], "nn2:8020", "0x3", "0xb"), reply(CLIENTS[1], "b1:9092", "0x2", "0xc")]
    assert leaders.moved(before, now) == [
        "HDFS at /hadoop-ha/ns1, which nn1:8020 led, is led by nn2:8020 anew",
        "Kafka at /kafka, which b1:9092 led, is led by b1:9092 anew",
    ]


def test_trap_73_a_leader_that_is_gone_is_told_with_the_reason():
    before = [reply(CLIENTS[0], "nn1:8020", "0x1", "0x9")]
    (told,) = leaders.moved(before, [reply(CLIENTS[0], reasons=["the lock is not there"])])
    assert told.endswith("has no leader (the lock is not there)")


def test_what_could_not_be_asked_is_no_leader_and_no_news():
    before, silent = reply(CLIENTS[0], "nn1:8020", "0x1", "0x9"), {"item": CLIENTS[0], "msg": "no session"}
    assert leaders.moved([silent], [before]) == []
    (told,) = leaders.moved([before], [silent])
    assert told.endswith("could not be asked: no session")


def found(kind, path, address="x", owner="0x1"):
    return {"kind": kind, "path": path, "leader": {"address": address, "owner": owner}}


def test_who_leads_and_is_in_no_inventory_is_told():
    places = [
        found("flink", "/flink/orders"), found("flink", "/flink/bills", "http://b1:8081"), found("hdfs", "/hadoop-ha/ns1"),
        found("flink", "/flink/gone", "", ""),
    ]  # fmt: skip
    (told,) = leaders.unwatched(places, [], ["/flink//orders/", "/hadoop-ha/ns1"])
    assert told.startswith("Flink at /flink/bills is led by http://b1:8081, and no inventory of this run has it")


def test_what_was_not_searched_is_told():
    (told,) = leaders.unwatched([], ["/many", "/secret"], [])
    assert told == "Not searched for others who lead: what is below /many, /secret."
    (told,) = leaders.unwatched([], [f"/{number}" for number in range(500)], [])
    assert told.endswith("what is below /0, /1, /2 and 497 more.")
