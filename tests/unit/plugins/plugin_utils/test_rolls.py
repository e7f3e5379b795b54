"""The groups that a run rolls, from the inventory and what the preflight noted of each host."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.plugin_utils.rolls import NotReadError, pending, rolls

GROUPS = {
    "zookeeper": ["zk1", "zk2", "zk3"], "flink_jobmanager": ["a1", "b1", "a2"], "flink_taskmanager": ["a3", "b2"],
}  # fmt: skip


def member(name, kind="zookeeper", number=1, **changed):
    return {
        "name": name, "host": name, "kind": kind, "id": number, "votes": True, "unit": f"{kind}.service", "ports": [1],
        "address": f"{name}.test", "desired": "new", "live": True, "running": "old", "process": f"{name}@1",
        "restart_asked": "", "timeout": 60,
    } | changed  # fmt: skip


def zookeeper(name, number, **changed):
    ends = [{"id": each, "address": f"zk{each}.test", "client_port": 2181} for each in (1, 2, 3)]
    noted = {
        "member": member(name, number=number, **changed),
        "ensemble": {"members": ends, "kazoo_path": "/kazoo.zip"},
    }
    return {"zookeeper_id": number, "zookeeper_noted": {name: noted}}


def flink(name, cluster, kind, *, query_host, **changed):
    noted = {
        "members": [member(name, kind, **changed)], "tolerates": True,
        "cluster": {"cluster_id": cluster, "path_root": "/flink", "servers": ["zk1:2181"], "kazoo_path": "/k", "timeout": 5, "query_host": query_host,
                    "job_managers": [{"address": query_host, "rest_port": 8081}], "serving": True},
    }  # fmt: skip
    return {"flink_ha_noted": {name: noted}}


@pytest.fixture
def hosts():
    """An ensemble, and two clusters that use it; one of them writes its id with a slash on one of its hosts."""
    return {
        "zk1": zookeeper("zk1", 1), "zk2": zookeeper("zk2", 2), "zk3": zookeeper("zk3", 3),
        "a1": flink("a1", "/orders", "jobmanager", query_host="a1"), "a2": flink("a2", "orders", "jobmanager", query_host="a1"),
        "a3": flink("a3", "orders", "taskmanager", query_host="a1"),
        "b1": flink("b1", "bills", "jobmanager", query_host="b1"), "b2": flink("b2", "bills", "taskmanager", query_host="b1"),
    }  # fmt: skip


def test_an_application_on_yarn_is_watched_while_the_ensemble_is_rolled_and_never_rolled_beside_unseen(hosts):
    groups = {"zookeeper": GROUPS["zookeeper"], "flink_client": ["c1"]}
    noted = flink("c1", "application_1_0001", "jobmanager", query_host="c1")["flink_ha_noted"]["c1"] | {"members": []}
    hosts |= {"c1": {"flink_ha_noted": {"c1": noted}}}
    for name in groups["zookeeper"]:
        hosts[name]["zookeeper_noted"][name]["member"] |= {"running": "old"}
    (only,) = rolls("zookeeper", hosts, groups, [])
    assert [(each["name"], each["path"]) for each in only.watched] == [
        ("application_1_0001", "/flink/application_1_0001")
    ]
    assert [each.needed for each in rolls("jobmanager", hosts, groups, [])] == [False]
    # Who leads it is not known, after its JobManager was lost for one.
    noted["cluster"] |= {"job_managers": []}
    with pytest.raises(NotReadError, match="Who leads application_1_0001 could not be read"):
        rolls("zookeeper", hosts, groups, [])
    for name in groups["zookeeper"]:
        hosts[name]["zookeeper_noted"][name]["member"] |= {"running": "new"}
    assert not rolls("zookeeper", hosts, groups, [])[0].needed
    # One that does not run has no name, and nobody to look after.
    noted["cluster"] |= {"cluster_id": "", "serving": False}
    assert rolls("zookeeper", hosts, groups, [])[0].watched == ()
    del hosts["c1"]["flink_ha_noted"]
    with pytest.raises(NotReadError, match="c1"):
        rolls("zookeeper", hosts, groups, [])


def test_each_cluster_is_a_group_of_its_own_and_is_asked_by_itself(hosts):
    first, second = rolls("jobmanager", hosts, GROUPS, [])
    assert [each["name"] for each in first.members] == ["a1", "a2"]
    assert [each["name"] for each in second.members] == ["b1"]
    assert (first.label, second.label) == ("jobmanager of orders", "jobmanager of bills")
    assert (first.query_host, second.query_host) == ("a1", "b1")
    assert [each["name"] for each in first.watched] == ["orders"]
    assert first.leased == ("zk1", "zk2", "zk3", "a1", "a2"), "the lock is one for all of the inventory"
    assert first.probe == {
        "host": "zk1",
        "servers": [f"zk{each}.test:2181" for each in (1, 2, 3)],
        "kazoo_path": "/kazoo.zip",
    }


def test_one_cluster_is_called_by_its_kind(hosts):
    groups = {**GROUPS, "flink_jobmanager": ["a1", "a2"], "flink_taskmanager": ["a3"]}
    (only,) = rolls("taskmanager", hosts, groups, [])
    assert only.label == "taskmanager"
    assert only.most_steps == 6


def test_all_clusters_that_run_are_watched_while_the_ensemble_is_rolled(hosts):
    (only,) = rolls("zookeeper", hosts, GROUPS, [])
    assert [each["name"] for each in only.watched] == ["orders", "bills"]
    hosts["b1"]["flink_ha_noted"]["b1"]["members"][0]["live"] = False
    (only,) = rolls("zookeeper", hosts, GROUPS, [])
    assert [(each["name"], each["tolerates"]) for each in only.watched] == [
        ("orders", {"a1": True, "a2": True, "a3": True})
    ]


def test_an_ensemble_of_another_inventory_is_reached_by_its_servers(hosts):
    groups = {**GROUPS, "zookeeper": []}
    first = rolls("jobmanager", hosts, groups, [])[0]
    assert first.probe == {"host": "a1", "servers": ["zk1:2181"], "kazoo_path": "/k"}
    assert first.voters == ("a1", "b1", "a2")


def test_an_ensemble_of_another_inventory_is_not_rolled(hosts):
    groups = {name: names for name, names in GROUPS.items() if name != "zookeeper"}
    assert rolls("zookeeper", hosts, groups, []) == []


@pytest.mark.parametrize(
    ("kind", "unread"), [("zookeeper", "zk2"), ("zookeeper", "a3"), ("jobmanager", "a3"), ("taskmanager", "b1")]
)
def test_trap_37_nothing_is_decided_where_a_host_was_not_read(hosts, kind, unread):
    hosts[unread] = {}
    with pytest.raises(NotReadError, match=f"nothing is rolled: {unread}\\."):
        rolls(kind, hosts, GROUPS, [])


def test_members_without_which_the_operator_goes_on_count_and_are_not_touched(hosts):
    del hosts["zk3"]["zookeeper_noted"]
    (only,) = rolls("zookeeper", hosts, GROUPS, ["zk3"])
    assert [(each["name"], each.get("accepted", False)) for each in only.members] == [
        ("zk1", False),
        ("zk2", False),
        ("zk3", True),
    ]
    assert only.accepted == (3,)
    assert only.voters_reached == ("zk1", "zk2")


def test_a_restart_that_is_asked_for_is_noted_once_on_its_host(hosts):
    (only,) = rolls("zookeeper", hosts, GROUPS, [], force=True)
    assert [(each["host"], each["content"]) for each in only.requests] == [
        ("zk1", "zk1@1\n"),
        ("zk2", "zk2@1\n"),
        ("zk3", "zk3@1\n"),
    ]
    hosts["zk2"]["zookeeper_noted"]["zk2"]["member"]["restart_asked"] = "zk2@1"
    (only,) = rolls("zookeeper", hosts, GROUPS, [], force=True)
    assert only.requests == (), "an earlier run is finished first"


@pytest.mark.parametrize(
    ("live", "running", "needed"),
    [((1, 1, 1), "new", False), ((1, 1, 0), "new", True), ((0, 0, 0), "old", False), ((1, 1, 1), "old", True)],
)
def test_nothing_is_rolled_where_nothing_differs_or_where_all_were_just_started(hosts, live, running, needed):
    for name, lives in zip(GROUPS["zookeeper"], live, strict=True):
        hosts[name]["zookeeper_noted"][name]["member"] |= {
            "live": bool(lives),
            "running": running,
            "process": "p" if lives else "",
        }
    (only,) = rolls("zookeeper", hosts, GROUPS, [])
    assert only.needed is needed


def test_trap_15_what_waits_is_told():
    old, down = zookeeper("h1", 1), zookeeper("h2", 2, live=False, running="", process="")
    hostvars = {"h1": old, "h2": down}
    assert pending(hostvars, ["h1"], []) == ["h1: zookeeper.service: old -> new"]
    assert pending(hostvars, ["h2"], []) == ["h2: zookeeper.service: nothing of ours -> new"]
    assert pending(hostvars, ["h1", "h2"], ["zookeeper"]) == []
    assert pending(hostvars, ["h1", "h2"], [], ["jobmanager"]) == []
    assert pending({"h2": down}, ["h2"], []) == [], "nothing served, so all were started with what they should run"
    assert pending({"h2": down | {"zookeeper_started": {"changed": True}}}, ["h2"], []) == []
