"""Who leads other systems, on bytes recorded from Hadoop 3.4.2 and Kafka 3.9.1, and on what nobody should write."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import elections
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import AuthRefused

#: /hadoop-ha/ns1/ActiveStandbyElectorLock of a ZKFC.
NAME_NODE = b"\x0a\x03ns1\x12\x03nn1\x1a\x04had1\x20\xd4\x3e\x28\xd3\x3e"
#: /yarn-leader-election/yc1/ActiveStandbyElectorLock of a ResourceManager.
RESOURCE_MANAGER = bytes.fromhex("0a037963311203726d32")
CONTROLLER = b'{"version":2,"brokerid":1,"timestamp":"1795391143928","kraftControllerEpoch":-1}'
BROKER = {
    "features": {}, "listener_security_protocol_map": {"PLAINTEXT": "PLAINTEXT"}, "endpoints": ["PLAINTEXT://had5:9092"],
    "jmx_port": -1, "port": 9092, "host": "had5", "version": 5, "timestamp": "1795391143000",
}  # fmt: skip


@dataclass
class Node:
    data: bytes = b""
    ephemeral_owner: int = 0x1000
    czxid: int = 0x20
    children_count: int = 0


class Session:
    """Nodes by path; those that are closed refuse."""

    def __init__(self, nodes, closed=()):
        self.nodes, self.closed, self.synced = nodes, closed, []

    def sync(self, path):
        self.synced.append(path)

    def read(self, path):
        found = self.nodes.get(path, Node())
        return replace(found, children_count=len(self.names(path))) if path in self.nodes or self.names(path) else None

    def names(self, path):
        start = elections.below(path, "")
        return sorted(
            {each[len(start) :].split("/")[0] for each in self.nodes if each.startswith(start) and each != path}
        )

    def children(self, path):
        if path in self.closed:
            raise AuthRefused(f"reading {path}: not permitted")
        return self.names(path) or ([] if path in self.nodes else None)


def test_the_active_name_node_is_read_from_the_lock_and_never_from_the_breadcrumb():
    crumb = Node(NAME_NODE.replace(b"had1", b"had2"), 0)
    nodes = {"/hadoop-ha/ns1/ActiveStandbyElectorLock": Node(NAME_NODE), "/hadoop-ha/ns1/ActiveBreadCrumb": crumb}
    session = Session(nodes)
    found = elections.read(session, "hdfs", "/hadoop-ha/ns1")
    assert (found.address, found.host, found.port) == ("had1:8020", "had1", 8020)
    assert (found.owner, found.leadership, found.wrong) == ("0x1000", "0x20", "")
    assert session.synced == ["/hadoop-ha/ns1"]
    del nodes["/hadoop-ha/ns1/ActiveStandbyElectorLock"]
    gone = elections.read(session, "hdfs", "/hadoop-ha/ns1")
    assert (gone.owner, gone.address) == ("", "")
    assert "ActiveStandbyElectorLock is not there" in gone.absent


def test_the_active_resource_manager_has_an_id_and_no_address():
    nodes = {"/yarn-leader-election/yc1/ActiveStandbyElectorLock": Node(RESOURCE_MANAGER)}
    found = elections.read(Session(nodes), "yarn", "/yarn-leader-election/yc1")
    assert (found.address, found.host, found.port, found.contenders) == ("rm2", "", 0, 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no text in field 3"),
        (NAME_NODE[:-6], "no port"),
        (NAME_NODE[:7], "cut short"),
        (b"\xff" * 12, "cut short"),
        (b"\x09" + bytes(9), "which no leader writes"),
        (NAME_NODE.replace(b"had1", b"ha\x001"), "is no name"),
        (NAME_NODE.replace(b"had1", b"ha\xff1"), "cannot be read"),
        (bytes(70_000), "more than a leader writes"),
    ],
)
def test_what_no_name_node_writes_is_said_to_be_unreadable(data, words):
    found = elections.read(Session({f"/h/{elections.LOCK}": Node(data)}), "hdfs", "/h")
    assert found.address == ""
    assert words in found.wrong


def kafka(controller=CONTROLLER, broker=None, owner=0x1000, root="/kafka"):
    data = json.dumps(BROKER | (broker or {})).encode()
    return {
        f"{root}/controller": Node(controller),
        f"{root}/brokers/ids/1": Node(data, owner),
        f"{root}/brokers/ids/2": Node(data, 0x2000),
    }


@pytest.mark.parametrize(("root", "path"), [("/kafka", "/kafka"), ("", "/")])
def test_the_controller_of_kafka_is_a_broker(root, path):
    found = elections.read(Session(kafka(root=root)), "kafka", path)
    assert (found.address, found.host, found.port, found.contenders) == ("had5:9092", "had5", 9092, 2)


def test_a_broker_without_a_plain_listener_tells_its_endpoint():
    for listener in ("SASL_SSL", "REPLICATION-9093"):
        broker = {"host": None, "port": -1, "endpoints": [f"{listener}://had5:9093"]}
        assert elections.read(Session(kafka(broker=broker)), "kafka", "/kafka").address == "had5:9093"


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (kafka(owner=0x3000), "names broker 1, and /kafka/brokers/ids/1 is not of its session"),
        (kafka(b'{"brokerid":7}'), "names broker 7"),
        (kafka(b"{}"), "the data of /kafka/controller cannot be read"),
        (kafka(b"[1]"), "it is no object"),
        # It becomes a part of a path.
        (kafka(b'{"brokerid":".."}'), "no number"),
        (kafka(b'{"brokerid":"\\ud800"}'), "no number"),
        (kafka(b"[" * 60_000), "cannot be read"),
        (kafka(broker={"host": "", "endpoints": {"a": 1}}), "neither a host nor an endpoint"),
        (kafka(broker={"host": "", "endpoints": 7}), "neither a host nor an endpoint"),
        (kafka(broker={"host": "", "endpoints": []}), "neither a host nor an endpoint"),
    ],
)
def test_a_controller_that_is_no_broker_contradicts(nodes, words):
    assert words in elections.read(Session(nodes), "kafka", "/kafka").wrong


@pytest.mark.parametrize("name", ["_c_{}-latch-", "_c_{}-lock-", "{}__lock__", "member_", "candidate-"])
def test_the_lowest_number_leads_a_latch_whatever_made_it(name):
    ids = ["ffff", "0000", "8888"]
    nodes = {
        f"/app/{name.format(each)}{number:010d}": Node(each.encode(), number + 1) for number, each in enumerate(ids, 9)
    }
    found = elections.read(Session(nodes | {"/app/notes": Node(b"x", 0)}), "latch", "/app")
    assert (found.address, found.owner, found.contenders) == ("ffff", "0xa", 3)


def test_an_ephemeral_node_leads_while_it_is_there_and_a_lasting_one_tells_nothing():
    assert elections.read(Session({"/m": Node(b"host-a")}), "ephemeral", "/m").address == "host-a"
    assert elections.read(Session({"/m": Node(b"\x00\xff")}), "ephemeral", "/m").address == "00ff"
    assert elections.read(Session({}), "ephemeral", "/m").absent == "/m is not there"
    assert "belongs to no session" in elections.read(Session({"/m": Node(b"x", 0)}), "ephemeral", "/m").wrong


def test_elections_are_found_by_the_names_of_their_nodes():
    nodes = {
        **kafka(),
        "/flink/orders/leader/rest_server/connection_info": Node(),
        "/flink/orders/execution-plans/1": Node(),
        f"/hadoop-ha/ns1/{elections.LOCK}": Node(NAME_NODE),
        f"/yarn-leader-election/yc1/{elections.LOCK}": Node(RESOURCE_MANAGER),
        "/zookeeper/config": Node(),
        "/secret/closed": Node(),
        **{f"/many/{number}": Node() for number in range(101)},
    }
    places = elections.search(Session(nodes, closed=["/secret"]))
    assert places.found == (
        ("kafka", "/kafka"), ("flink", "/flink/orders"), ("hdfs", "/hadoop-ha/ns1"), ("yarn", "/yarn-leader-election/yc1"),
    )  # fmt: skip
    assert places.left_out == ("/many", "/secret")
    assert elections.search(Session(nodes), limit=1).left_out == tuple(f"/{each}" for each in sorted(
        {path.split("/")[1] for path in nodes} - {"zookeeper"}
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ({"kind": "hdfs", "path": "/hadoop-ha/ns1"}, ""),
        ({"kind": "kafka", "path": "/"}, ""),
        ({"kind": "hbase", "path": "/hbase"}, "kind is 'hbase', and is one of flink, hdfs"),
        ({"kind": "hdfs", "path": "hadoop-ha"}, "path is 'hadoop-ha'"),
        ({"kind": "hdfs", "path": "/a//b"}, "path is '/a//b'"),
        ({"kind": "hdfs", "path": "/a/../b"}, "path is '/a/../b'"),
        ({"kind": "flink", "path": "/flink/a", "cluster_id": "a"}, "cluster_id is nothing that it takes"),
    ],
)
def test_clients_are_named_by_their_kind_and_path(client, words):
    told = " ".join(elections.client_problems([client]))
    assert bool(told) == bool(words)
    assert words in told
