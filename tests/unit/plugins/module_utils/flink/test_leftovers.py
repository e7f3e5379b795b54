"""What clusters have left in ZooKeeper, on an ensemble in memory."""

from __future__ import annotations

import json

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import leftovers
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import Grant, Node
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import AuthRefused
from ansible_collections.streamquorum.ha.plugins.modules import flink_leftovers

DAY = leftovers.DAY
OPEN = [Grant("world", "anyone", "cdrwa")]
#: As a session with a job was seen to leave it on 2.3.0.
FAILED = (
    "application_1_0001/jobs/a1/checkpoints/0000000000000000001",
    "application_1_0001/jobs/a1/checkpoint_id_counter",
    "application_1_0001/jobgraphs",
    "application_1_0001/leader/a1/connection_info",
    "application_1_0001/leader/latch",
)


class Ensemble:
    """Nodes by path; each is written on the day 100."""

    def __init__(self, *paths, owners=()):
        self.nodes = {}
        for path in ("/zookeeper", *(f"/flink/{each}" for each in paths)):
            parts = path.split("/")
            for end in range(2, len(parts) + 1):
                self.make("/".join(parts[:end]))
        for path in owners:
            self.make(f"/flink/{path}", owner=7)

    def make(self, path, owner=0, day=100):
        self.nodes.setdefault(path, Node(b"x", owner, 0, 1, 1, 1, day * DAY, day * DAY, 0))

    def read(self, path):
        return self.nodes.get(path)

    def children(self, path):
        if path not in self.nodes and path:
            return None
        inside = [each.removeprefix(f"{path}/") for each in self.nodes if each.startswith(f"{path}/")]
        return sorted(each for each in inside if "/" not in each)

    def get_acls(self, path):
        return OPEN if path in self.nodes else None

    def sync(self, path):
        assert path.startswith("/")

    def delete(self, path):
        if path not in self.nodes or self.children(path):
            return False
        del self.nodes[path]
        return True


def known(**more):
    return leftovers.Known(**{"named": [], "applications": {}, "asked": [], "age": 30, "now": 200 * DAY, **more})


def judged(left, **more):
    found = leftovers.judge(left, known(**more))
    return found["removes"], found["told"]


def test_clusters_are_found_by_what_they_have_also_below_an_id_with_a_slash():
    some = Ensemble(*FAILED, "team/orders/leader/latch", "team/sales/jobs", "empty", "application_1_0002")
    assert leftovers.ids(some, "/flink") == ["application_1_0001", "application_1_0002", "team/orders", "team/sales"]
    assert leftovers.ids(some, "/nowhere") == []
    found = leftovers.look(some, "/flink", "application_1_0001")
    assert (found.owned, found.jobs, found.changed) == (False, ("a1",), 100 * DAY)
    assert found.nodes == 11
    assert leftovers.look(some, "/flink", "gone") is None


def test_the_root_may_be_the_root_of_all():
    some = Ensemble()
    some.make("/orders")
    some.make("/orders/leader")
    root = leftovers.clean_root("/")
    assert leftovers.ids(some, root) == ["orders"]
    assert leftovers.clean_root("/flink/") == "/flink"


def test_what_is_closed_or_endless_hides_nothing_else():
    class Closed(Ensemble):
        def children(self, path):
            if path == "/flink/bills":
                raise AuthRefused("not yours")
            return super().children(path)

    some = Closed(*FAILED, "orders/jobs" + "/x" * 1200, "bills/jobs")
    params = {"applications": [], "named": [], "asked": [], "age": 30, "own": []}
    told = {each["id"]: each["told"] for each in flink_leftovers.found(some, "/flink", params)["found"]}
    assert told["bills"] == "its nodes are closed to this host's own user"
    assert "nothing of it has changed" in told["orders"]
    assert "nothing of it has changed" in told["application_1_0001"]


def test_more_nodes_than_a_cluster_has_are_not_looked_through(monkeypatch):
    monkeypatch.setattr(leftovers, "NODES", 12)
    some = Ensemble(*FAILED, *(f"wide/jobs/{each}" for each in range(30)))
    params = {"applications": [], "named": [], "asked": ["wide"], "age": 0, "own": []}
    found = {each["id"]: each for each in flink_leftovers.found(some, "/flink", params)["found"]}
    assert found["wide"]["told"] == "there are more than 12 nodes below /flink/wide"
    assert not found["wide"]["removes"]
    assert "nothing of it has changed" in found["application_1_0001"]["told"]
    with pytest.raises(leftovers.LeftoverError, match="more than 12 nodes"):
        leftovers.export(some, "/flink", "wide")


def test_trap_76_only_an_application_that_has_ended_is_removed_unasked():
    left = leftovers.look(Ensemble(*FAILED), "/flink", "application_1_0001")
    ended = {"application_1_0001": {"live": False, "told": "is FAILED, FAILED"}}
    assert judged(left, applications=ended) == (True, "its application is FAILED, FAILED")
    # One that YARN does not know may be another YARN's.
    assert judged(left) == (
        False,
        "no inventory of this run names it, and nothing of it has changed for 100 days",
    )
    live = {"application_1_0001": {"live": True, "told": "is ACCEPTED, UNDEFINED"}}
    assert judged(left, applications=live, asked=["application_1_0001"]) == (False, "")
    owned = leftovers.look(Ensemble(*FAILED, owners=["application_1_0001/leader/latch/1"]), "/flink", left.id)
    assert judged(owned, applications=ended) == (False, "")
    assert judged(owned, applications=ended, asked=[left.id]) == (False, "a process of it lives")


def test_trap_76_a_cluster_that_is_stopped_goes_only_by_its_id_and_its_age():
    left = leftovers.look(Ensemble("orders/jobs/a1"), "/flink", "orders")
    assert not judged(left)[0]
    assert judged(left, asked=["/orders"]) == (True, "it was asked for, and nothing has changed for 100 days")
    assert judged(left, asked=["orders"], age=101) == (
        False,
        "something of it has changed 100.0 days ago, and 101 are asked for",
    )
    assert judged(left, asked=["orders"], named=["/orders"]) == (False, "the inventory names it")
    assert judged(left, named=["/orders"]) == (False, "")
    # What the inventory names below it goes with it.
    assert judged(left, asked=["orders"], named=["/orders/of/today"]) == (False, "the inventory names it")
    assert not leftovers.unread("orders", "closed")["removes"]
    assert leftovers.missing(["orders"], ["/orders", "/sales"]) == ["sales"]


def test_what_is_removed_was_exported_and_nothing_else():
    some = Ensemble(*FAILED, "orders/jobs")
    exported = leftovers.export(some, "/flink", "application_1_0001")
    assert leftovers.export(some, "/flink", "application_1_0001") == exported
    nodes = json.loads(exported)["nodes"]
    assert nodes["/flink/application_1_0001/jobs/a1"] == {"data": "eA==", "acl": [["world", "anyone", "cdrwa"]]}
    assert leftovers.remove(some, "/flink", "application_1_0001", exported) == len(nodes) == 11
    assert leftovers.ids(some, "/flink") == ["orders"]
    # A run beside this one that comes later has nothing to write over what was exported.
    with pytest.raises(leftovers.LeftoverError, match="another run has removed them"):
        leftovers.export(some, "/flink", "application_1_0001")


def test_nothing_is_removed_that_somebody_uses():
    some = Ensemble(*FAILED)
    exported = leftovers.export(some, "/flink", "application_1_0001")
    some.make("/flink/application_1_0001/jobs/a1/checkpoints/0000000000000000002")
    with pytest.raises(leftovers.LeftoverError, match="have changed since they were exported"):
        leftovers.remove(some, "/flink", "application_1_0001", exported)
    some.make("/flink/application_1_0001/leader/latch/1", owner=7)
    with pytest.raises(leftovers.LeftoverError, match="belongs to the session 0x7"):
        leftovers.export(some, "/flink", "application_1_0001")


def test_a_process_that_starts_meanwhile_ends_the_removal():
    class Joined(Ensemble):
        def delete(self, path):
            if path.endswith("/leader/latch"):
                self.make(f"{path}/1", owner=7)
            return super().delete(path)

    some = Joined(*FAILED)
    exported = leftovers.export(some, "/flink", "application_1_0001")
    with pytest.raises(leftovers.LeftoverError, match="got a node while it was removed"):
        leftovers.remove(some, "/flink", "application_1_0001", exported)
    # Its jobs are there still: a leader's nodes go first.
    assert some.children("/flink/application_1_0001/jobs") == ["a1"]
