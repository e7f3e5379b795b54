"""Who leads Flink, on znodes recorded from real clusters (tests/fixtures/flink) and on what nobody should write."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import endpoints
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import rest as flink_rest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader import election as leader_election
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader import layouts as leader_layouts
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader import verdict as leader_verdict
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader import znode_data

FIXTURES = Path(__file__).parents[4] / "fixtures" / "flink"
RELEASES = ("1.13.6", "1.14.6", "1.18.1", "1.20.5", "2.3.0")
LAYOUT_OF = {
    "1.13.6": "1.5 to 1.13",
    "1.14.6": "1.14",
    "1.18.1": "1.15 and newer",
    "1.20.5": "1.15 and newer",
    "2.3.0": "1.15 and newer",
}
ONE, TWO = endpoints.JobManager("127.0.0.2", 28081), endpoints.JobManager("127.0.0.3", 28081)


@dataclass(frozen=True)
class Node:
    data: bytes
    ephemeral_owner: int


class Tree:
    """A session over recorded or built nodes."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.path = min(nodes, key=len) if nodes else "/flink/demo"
        self.synced = []

    @classmethod
    def recorded(cls, release, moment):
        stored = json.loads((FIXTURES / "znodes" / release / f"{moment}.json").read_text())
        return cls({p: Node(bytes.fromhex(n["data"]), int(n["ephemeralOwner"], 16)) for p, n in stored.items()})

    def sync(self, path):
        self.synced.append(path)

    def read(self, path):
        return self.nodes.get(path)

    def children(self, path):
        if path not in self.nodes:
            return None
        return sorted(p.rsplit("/", 1)[1] for p in self.nodes if p.rsplit("/", 1)[0] == path)

    def change(self, below, **what):
        path = f"{self.path}/{below}"
        self.nodes[path] = replace(self.nodes[path], **what)
        return self

    def election(self):
        return leader_election.read_election(self, self.path)


def recorded_answers(release, moment, file=None):
    stored = json.loads((FIXTURES / "rest" / f"{file or release}.json").read_text())
    answers = {}
    for name, reply in stored[moment].items():
        if reply["status"] == 0:
            answers[name] = flink_rest.Answer(detail="does not answer: Connection refused")
        else:
            rpc = flink_rest.parse_rpc_address(json.dumps(stored["jobmanager/config"][name]).encode())
            answers[name] = replace(flink_rest.read_overview(reply["status"], reply["body"].encode()), rpc=rpc)
    return list(answers.values())


def no_names(host):
    return set()


def judged(tree, answers=(), resolve=no_names, **expected):
    return leader_verdict.judge(tree.election(), answers, leader_verdict.Expectation(**expected), resolve)


SILENT = flink_rest.Answer(detail="does not answer: Connection refused")
GOOD = flink_rest.Answer(200, flink_rest.Overview(1, 2, 2, 0, "2.3.0"))
HEX = (
    "aced000577180016687474703a2f2f3132372e302e302e323a32383038317372000e6a6176612e7574696c2e55554944bc9903f7986d852f"
    "0200024a000c6c65617374536967426974734a000b6d6f7374536967426974737870a44520c5813150d03f62c8ee78914334"
)
DATA = bytes.fromhex(HEX)  # rest_server/connection_info of Flink 2.3.0, recorded
TAIL = DATA[30:]


def encoded(address: bytes, tail=TAIL):
    block = len(address).to_bytes(2, "big") + address
    if len(block) < 256:
        return b"\xac\xed\x00\x05\x77" + bytes([len(block)]) + block + tail
    parts = [block[i : i + 1024] for i in range(0, len(block), 1024)]
    return b"\xac\xed\x00\x05" + b"".join(b"\x7a" + len(p).to_bytes(4, "big") + p for p in parts) + tail


# --- decoding ---


def test_recorded_data():
    info = znode_data.decode_leader(DATA)
    assert info == znode_data.LeaderInfo(
        "http://127.0.0.2:28081", "127.0.0.2", 28081, "3f62c8ee-7891-4334-a445-20c5813150d0"
    )


@pytest.mark.parametrize("release", RELEASES)
def test_every_recorded_leader_decodes(release):
    seen = set()
    for path, node in Tree.recorded(release, "led").nodes.items():
        if node.data:
            info = znode_data.decode_leader(node.data)
            assert info.host == "127.0.0.2", path
            assert info.port in (28081, 26123)
            assert len(info.session_id) == 36
            seen.add(info.address.split(":")[0])
    assert seen == {"http", "akka.tcp" if release < "1.18" or release == "1.14.6" else "pekko.tcp"}


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        (b"https://jm1.example.org:8081", "jm1.example.org", 8081),
        (b"http://[fd00::1]:8081", "fd00::1", 8081),
        (b"akka.tcp://flink@jm1:6123/user/jobmanager", "jm1", 6123),
        (b"akka.ssl.tcp://flink@jm1:6123/user/rpc/dispatcher_1", "jm1", 6123),
        (b"pekko.ssl.tcp://flink@jm1:6123/user/rpc/resourcemanager_0", "jm1", 6123),
        (b"http://" + b"a" * 400 + b":8081", "a" * 400, 8081),  # one long block
        (b"http://" + b"a" * 3000 + b":8081", "a" * 3000, 8081),  # Java begins a new block each 1024 bytes
    ],
)
def test_addresses(address, host, port):
    info = znode_data.decode_leader(encoded(address))
    assert (info.host, info.port) == (host, port)


def test_empty_data_is_not_confirmed_and_a_null_id_is_none():
    assert znode_data.decode_leader(b"") is None
    assert znode_data.decode_leader(encoded(b"http://jm1:8081", b"\x70")).session_id == ""


@pytest.mark.parametrize("length", range(1, len(DATA)))
def test_truncated_data(length):
    with pytest.raises(ValueError, match=r"."):
        znode_data.decode_leader(DATA[:length])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"http://jm1:8081", "not a Java serialization stream"),
        (DATA + b"\0", "1 bytes follow"),
        (b"\0" * 70000, "more than a leader writes"),
        (b"\xac\xed\x00\x05\x7a\xff\xff\xff\xffab", "cut short"),
        (b"\xac\xed\x00\x05\x77", "cut short"),
        (b"\xac\xed\x00\x05\x73", "address is cut short"),
        (b"\xac\xed\x00\x05", "address is cut short"),
        (encoded(b"http://jm1:8081", TAIL.replace(b"java.util.UUID", b"java.util.Date")), "no java.util.UUID"),
        (encoded(b"\xff\xfe"), "modified UTF-8"),
        (encoded(b"\xed\xa0\x80"), "modified UTF-8"),  # half of a surrogate pair
        (encoded(b"http://jm1\xc0\x80:8081"), "no address"),  # NUL
        (encoded(b"http://jm1:8081\n[ERROR] forged"), "no address"),
        (encoded(b"http://jm1\x1b[2J:8081"), "no address"),
        (encoded(b"http://a@b@c:8081"), "no address"),
        (encoded(b"file:///etc/passwd"), "no address"),
        (encoded(b"http://jm1:0"), "no address"),
        (encoded(b"http://jm1:99999"), "no address"),
        (encoded(b"http://jm1"), "no address"),
        (encoded(b""), "no address"),
    ],
)
def test_hostile_data(data, why):
    with pytest.raises(ValueError, match=why) as refused:
        znode_data.decode_leader(data)
    assert str(refused.value).isprintable()


def test_garbage_never_raises_anything_else():
    source = random.Random(1)
    for _each in range(3000):
        data = bytearray(DATA)
        for _each in range(source.randint(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
        try:
            znode_data.decode_leader(bytes(data))
        except ValueError:
            continue


def test_characters_beyond_the_basic_plane_are_two_surrogates():
    assert znode_data._modified_utf8(b"\xed\xa0\xbd\xed\xb8\x80\xc0\x80") == "\U0001f600\0"


# --- latches, paths, versions ---


def test_contenders_stand_in_the_order_of_their_sequence():
    first, second = "_c_d2415e2d-latch-0000000001", "_c_864a88fa-latch-0000000002"
    assert leader_election.in_order([second, first]) == [first, second]
    assert leader_election.in_order(["_c_b-latch-0000000010", "_c_a-latch-0000000009"])[0].startswith("_c_a")
    assert leader_election.in_order(["x", "", "latch-", "_c_-latch-12", "_c_x-latch-" + "9" * 5000]) == []


@pytest.mark.parametrize(
    ("root", "cluster_id", "path"),
    [
        ("/flink", "/demo", "/flink/demo"),
        ("/flink", "demo", "/flink/demo"),
        ("flink/", "//demo/a/", "/flink/demo/a"),
        ("/", "demo", "/demo"),
    ],
)
def test_cluster_path(root, cluster_id, path):
    assert leader_layouts.cluster_path(root, cluster_id) == path


@pytest.mark.parametrize("cluster_id", ["", "/", " ", "..", "a/../b", "a/./b", "a\0b", "a\nb"])
def test_cluster_path_refuses(cluster_id):
    with pytest.raises(ValueError, match="cluster_id"):
        leader_layouts.cluster_path("/flink", cluster_id)


@pytest.mark.parametrize(
    ("version", "layouts"),
    [
        ("1.2.1", ["1.2 and older"]),
        ("1.3.3", ["1.3 and 1.4"]),
        ("1.4.2", ["1.3 and 1.4"]),
        ("1.5.0", ["1.5 to 1.13"]),
        ("1.13.6", ["1.5 to 1.13"]),
        ("1.14.6", ["1.14"]),
        ("1.15.4", ["1.15 and newer", "1.14"]),  # high-availability.use-old-ha-services
        ("1.16.0", ["1.15 and newer"]),
        ("2.3.0", ["1.15 and newer"]),
        ("2.4-SNAPSHOT", ["1.15 and newer"]),
    ],
)
def test_layouts_of_a_version(version, layouts):
    assert [
        layout.name for layout in leader_layouts.LAYOUTS if layout.has(leader_layouts.parse_release(version))
    ] == layouts


@pytest.mark.parametrize("version", ["", "2", "two", "0.8.1", "1.x", "1.20\n"])
def test_no_version(version):
    with pytest.raises(ValueError, match="flink_version"):
        leader_layouts.parse_release(version)


# --- jobs that are kept ---

JOB, OTHER = "a" * 32, "b" * 32


def kept(*below):
    """A cluster with these nodes and their parents."""
    paths = {"/flink", "/flink/demo"}
    for path in below:
        parts = path.split("/")
        paths |= {"/flink/demo/" + "/".join(parts[: end + 1]) for end in range(len(parts))}
    return Tree(dict.fromkeys(paths, Node(b"", 0)))


@pytest.mark.parametrize(
    ("nodes", "jobs"),
    [
        ([], []),
        (["execution-plans", "jobs"], []),
        ([f"execution-plans/{JOB}/locks"], [JOB]),
        ([f"jobgraphs/{JOB}"], [JOB]),
        ([f"jobs/{JOB}/checkpoints/0000000000000000007/locks", f"jobgraphs/{OTHER}"], [JOB, OTHER]),
        ([f"jobs/{JOB}/checkpoints", f"jobs/{JOB}/checkpoint_id_counter"], []),
        ([f"checkpoints/{JOB}/0000000000000000007"], [JOB]),
        ([f"checkpoints/{JOB}", f"checkpoint-counter/{JOB}"], []),
    ],
)
def test_trap_54_jobs_that_the_ensemble_keeps(nodes, jobs):
    tree = kept(*nodes)
    assert leader_election.read_jobs(tree, "/flink/demo") == jobs
    assert tree.synced == ["/flink/demo"]


def test_a_cluster_that_never_was_keeps_no_job():
    assert leader_election.read_jobs(Tree({}), "/flink/demo") == []


# --- verdicts on recorded clusters ---


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("moment", "leads", "contenders"), [("led", ONE, 2), ("failed_over", TWO, 1), ("rejoined", TWO, 2)]
)
def test_led(release, moment, leads, contenders, given):
    report = judged(
        Tree.recorded(release, moment),
        recorded_answers(release, moment),
        job_managers=(ONE, TWO),
        release=leader_layouts.parse_release(release) if given else None,
    )
    assert report.verdict == leader_verdict.LED
    assert (report.leader.host, report.leader.port) == (leads.address, leads.rest_port)
    assert report.leader.address == f"http://{leads}"
    assert report.leader.owner.startswith("0x1")
    assert report.contenders == contenders
    assert report.layout == LAYOUT_OF[release]
    assert not report.foreign
    assert [each["leads"] for each in report.rest] == [leads == ONE, leads == TWO]
    assert report.task_managers == 0
    assert set(report.components) == {"rest_server", "dispatcher", "resource_manager"}
    assert report.rest[1]["overview"]["flink_version"] == release
    assert (report.reasons == []) == (contenders == 2), report.reasons


@pytest.mark.parametrize("release", RELEASES)
def test_killed_leader_still_stands_in_the_znodes(release):
    tree, answers = Tree.recorded(release, "led"), recorded_answers(release, "killed")
    assert not answers[0].reachable
    report = judged(tree, answers, job_managers=(ONE, TWO))
    assert report.verdict == leader_verdict.INCONSISTENT
    assert "127.0.0.2:28081, which does not answer" in report.reasons[0]
    assert not report.foreign
    assert judged(tree).verdict == leader_verdict.LED  # by the znodes alone nothing is wrong


@pytest.mark.parametrize("release", RELEASES)
def test_stopped(release):
    report = judged(Tree.recorded(release, "stopped"), [SILENT, SILENT], job_managers=(ONE, TWO))
    assert report.verdict == leader_verdict.LEADERLESS
    assert "no JobManager runs" in report.reasons[0]
    assert (report.leader, report.contenders, report.foreign) == (leader_verdict.Leader(), 0, False)
    assert report.layout == LAYOUT_OF[release]


def test_nothing_is_there():
    report = judged(Tree({}))
    assert report.verdict == leader_verdict.LEADERLESS
    assert (report.layout, report.components) == ("", {})
    assert "nothing of a Flink cluster" in report.reasons[0]
    assert judged(Tree({}), release=(1, 20)).layout == "1.15 and newer"


def test_dead_cluster_before_its_sessions_end():
    report = judged(Tree.recorded("1.13.6", "lingering"), [SILENT, SILENT], job_managers=(ONE, TWO))
    assert report.verdict == leader_verdict.INCONSISTENT


def test_components_led_apart():
    """1.14.6: the REST server is led by the JobManager on 28083, the dispatcher by the one on 28081."""
    three = endpoints.JobManager("127.0.0.2", 28083)
    tree, answers = Tree.recorded("1.14.6", "split"), recorded_answers("1.14.6", "split", "1.14.6-split")
    expected = leader_verdict.Expectation(job_managers=(ONE, three))
    assert leader_verdict.needs_rpc(tree.election(), expected)
    report = leader_verdict.judge(tree.election(), answers, expected, no_names)
    assert report.verdict == leader_verdict.LED
    assert report.leader.address == "http://127.0.0.2:28081"
    assert report.components["rest_server"]["port"] == 28083
    assert report.leader.session_id == report.components["dispatcher"]["session_id"]
    assert "REST server is led by another" in report.reasons[0]
    # Without REST only the host is known, which is enough to say that it is ours.
    report = leader_verdict.judge(tree.election(), [SILENT, SILENT], expected, no_names)
    assert (report.leader.host, report.leader.port, report.foreign) == ("127.0.0.2", 0, False)
    assert leader_verdict.judge(
        tree.election(), [SILENT], leader_verdict.Expectation(job_managers=(TWO,)), no_names
    ).foreign


@pytest.mark.parametrize("release", RELEASES)
def test_one_session_tells_the_rest_address(release):
    assert not leader_verdict.needs_rpc(Tree.recorded(release, "led").election(), leader_verdict.Expectation())


# --- layouts that cannot be recorded any more: built from the source of 1.2 and 1.3 ---


def built(info, latch, address, owner=0x10):
    nodes = {}
    for below in (info, f"{latch}/_c_0-latch-0000000003"):
        parts = f"/flink/demo/{below}".split("/")
        for end in range(3, len(parts)):
            nodes.setdefault("/".join(parts[: end + 1]), Node(b"", 0))
    nodes["/flink/demo"] = Node(b"", 0)
    nodes[f"/flink/demo/{info}"] = Node(encoded(address), owner)
    nodes[f"/flink/demo/{latch}/_c_0-latch-0000000003"] = Node(b"", owner)
    return Tree(nodes)


NO_JOB = "00000000000000000000000000000000/job_manager_lock"


@pytest.mark.parametrize(
    ("info", "latch", "layout", "version"),
    [
        ("leader", "leaderlatch", "1.2 and older", "1.2.0"),
        (f"leader/{NO_JOB}", f"leaderlatch/{NO_JOB}", "1.3 and 1.4", "1.3.3"),
    ],
)
def test_the_first_job_manager(info, latch, layout, version):
    tree = built(info, latch, b"akka.tcp://flink@jm1:6123/user/jobmanager")
    for release in (None, leader_layouts.parse_release(version)):
        report = judged(tree, release=release)
        assert (report.verdict, report.layout, report.contenders) == (leader_verdict.LED, layout, 1)
        assert (report.leader.host, report.leader.port) == ("jm1", 0)
    expected = leader_verdict.Expectation(
        job_managers=(endpoints.JobManager("jm1", 8081), endpoints.JobManager("jm2", 8081))
    )
    assert leader_verdict.needs_rpc(tree.election(), expected)
    answers = [replace(GOOD, rpc=("jm1", 6123)), replace(GOOD, rpc=("jm2", 6123))]
    assert leader_verdict.judge(tree.election(), answers, expected, no_names).leader.address == "http://jm1:8081"


# --- contradictions ---

REST = "leader/rest_server/connection_info"


def led():
    return Tree.recorded("2.3.0", "led")


def test_the_winner_of_the_latch_must_own_the_node():
    report = judged(led().change(REST, ephemeral_owner=0x77))
    assert report.verdict == leader_verdict.INCONSISTENT
    (reason,) = [each for each in report.reasons if "belongs to session 0x77 (" in each]
    assert "but session 0x100002900970001 holds the latch" in reason
    assert "Two JobManagers lead" in reason


def test_a_leader_without_any_contender():
    tree = led()
    tree.nodes = {path: node for path, node in tree.nodes.items() if "-latch-" not in path}
    report = judged(tree)
    assert report.verdict == leader_verdict.INCONSISTENT
    assert "nobody holds the latch" in report.reasons[0]


def test_a_component_without_leader():
    tree = led()
    del tree.nodes[f"{tree.path}/leader/dispatcher/connection_info"]
    report = judged(tree)
    assert report.verdict == leader_verdict.INCONSISTENT
    assert "no dispatcher leads" in report.reasons[0]


def test_components_of_one_election_belong_to_one_session():
    tree = led().change("leader/dispatcher/connection_info", ephemeral_owner=0x100002900970002)
    report = judged(tree)
    assert report.verdict == leader_verdict.INCONSISTENT
    assert "dispatcher" in report.reasons[0]


@pytest.mark.parametrize(
    ("change", "verdict", "why"),
    [
        ({"data": b""}, leader_verdict.LEADERLESS, "has not confirmed"),
        ({"data": b"http://evil:1"}, leader_verdict.INCONSISTENT, "cannot be read: not a Java"),
        ({"data": DATA[:50]}, leader_verdict.INCONSISTENT, "cannot be read: the leader's session id"),
        ({"ephemeral_owner": 0}, leader_verdict.LEADERLESS, "belongs to no session"),
        ({"ephemeral_owner": 0, "data": b""}, leader_verdict.LEADERLESS, "2 contender"),
    ],
)
def test_a_leading_node_that_does_not_lead(change, verdict, why):
    report = judged(led().change(REST, **change), [GOOD, GOOD], job_managers=(ONE, TWO))
    assert report.verdict == verdict
    assert any(why in reason for reason in report.reasons), report.reasons
    assert (report.leader.address, report.foreign) == ("", False)


def merged(*trees):
    """Trees under one cluster-id, as a change of release leaves them."""
    nodes = {}
    for tree in trees:
        nodes |= {path.replace(tree.path, "/flink/demo", 1): node for path, node in tree.nodes.items()}
    return Tree(nodes)


@pytest.mark.parametrize("release", [None, (1, 13), (2, 3)])
def test_leftovers_of_another_release_do_not_lead(release):
    tree = merged(Tree.recorded("1.13.6", "stopped"), Tree.recorded("2.3.0", "led"))
    report = judged(tree, release=release)
    assert (report.layout, report.leader.address) == ("1.15 and newer", "http://127.0.0.2:28081")
    assert report.verdict == (leader_verdict.INCONSISTENT if release == (1, 13) else leader_verdict.LED)
    older = judged(merged(Tree.recorded("2.3.0", "stopped"), Tree.recorded("1.13.6", "led")))
    assert (older.verdict, older.layout) == (leader_verdict.LED, "1.5 to 1.13")


@pytest.mark.parametrize(("release", "layout"), [(None, "1.15 and newer"), ((1, 13), "1.5 to 1.13")])
def test_two_releases_on_one_cluster_id(release, layout):
    report = judged(merged(Tree.recorded("1.13.6", "led"), Tree.recorded("2.3.0", "led")), release=release)
    assert (report.verdict, report.layout) == (leader_verdict.INCONSISTENT, layout)
    assert "two clusters share" in report.reasons[0]


# --- whose leader ---


@pytest.mark.parametrize(
    ("job_managers", "addresses", "foreign"),
    [
        ((ONE, TWO), {}, False),
        ((TWO,), {}, True),
        ((endpoints.JobManager("127.0.0.2", 9999),), {}, True),
        ((endpoints.JobManager("jm1", 28081, "127.0.0.2"),), {}, False),
        ((endpoints.JobManager("JM1.", 28081),), {"127.0.0.2": {"127.0.0.2"}, "jm1": {"127.0.0.2"}}, False),
        ((endpoints.JobManager("jm1", 28081),), {"127.0.0.2": {"127.0.0.2"}, "jm1": {"198.18.0.1"}}, True),
        ((endpoints.JobManager("jm1", 28081),), {}, True),  # names that do not resolve are not the same host
        ((), {}, False),
    ],
)
def test_foreign(job_managers, addresses, foreign):
    report = judged(led(), [GOOD] * len(job_managers), lambda h: addresses.get(h, set()), job_managers=job_managers)
    assert report.foreign is foreign
    # By its address too, which a JobManager with a bind address publishes.
    assert any(each["leads"] for each in report.rest) is (bool(job_managers) and not foreign)
    assert report.verdict == leader_verdict.LED
    assert any("another cluster uses the cluster-id" in reason for reason in report.reasons) is foreign
    assert (
        bool(
            leader_verdict.unmet_conditions(
                report, leader_verdict.WaitCondition(leader=True), lambda h: addresses.get(h, set())
            )
        )
        is foreign
    )


# --- REST beside the znodes ---


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (GOOD, leader_verdict.LED),
        (flink_rest.read_overview(500, b""), leader_verdict.LED),
        (flink_rest.read_overview(503, b""), leader_verdict.LED),
        (flink_rest.read_overview(200, b"<html>"), leader_verdict.INCONSISTENT),
        (SILENT, leader_verdict.INCONSISTENT),
    ],
)
def test_answer_of_the_leader(answer, verdict):
    report = judged(led(), [answer, GOOD], job_managers=(ONE, TWO))
    assert report.verdict == verdict
    assert bool(report.reasons) is (answer is not GOOD)
    assert report.rest[0]["status"] == answer.status


@pytest.mark.parametrize("answer", [SILENT, flink_rest.read_overview(500, b""), flink_rest.read_overview(503, b"")])
def test_answer_of_a_standby_is_a_note(answer):
    report = judged(led(), [GOOD, answer], job_managers=(ONE, TWO))
    assert report.verdict == leader_verdict.LED
    assert "127.0.0.3:28081" in report.reasons[0]


@pytest.mark.parametrize(
    ("answers", "registered", "enough"),
    [
        ([GOOD, GOOD], 1, False),
        ([flink_rest.Answer(200, flink_rest.Overview(2, 4, 4, 0, "2.3.0")), GOOD], 2, True),
        (
            [flink_rest.read_overview(500, b""), flink_rest.Answer(200, flink_rest.Overview(3, 6, 6, 0, "2.3.0"))],
            3,
            True,
        ),
        ([flink_rest.read_overview(500, b"")] * 2, None, False),
    ],
)
def test_task_managers(answers, registered, enough):
    report = judged(led(), answers, job_managers=(ONE, TWO), task_managers=2)
    counted = report.as_dict()["task_managers"]
    assert counted == {"registered": registered, "expected": 2, "enough": enough}
    assert report.verdict == leader_verdict.LED
    assert any("must be registered" in reason for reason in report.reasons) is not enough
    assert (
        bool(leader_verdict.unmet_conditions(report, leader_verdict.WaitCondition(leader=True), no_names)) is not enough
    )


def test_releases_that_differ():
    old = flink_rest.Answer(200, flink_rest.Overview(1, 2, 2, 0, "2.2.1"))
    report = judged(led(), [GOOD, old], job_managers=(ONE, TWO), release=(2, 3))
    assert any("different releases" in reason for reason in report.reasons)
    assert any("runs Flink 2.2.1, not 2.3" in reason for reason in report.reasons)


# --- waiting ---

OWN = "3f62c8ee-7891-4334-a445-20c5813150d0"


@pytest.mark.parametrize(
    ("wish", "met"),
    [
        (leader_verdict.WaitCondition(leader=True), True),
        (leader_verdict.WaitCondition(host="127.0.0.2", port=28081), True),
        (leader_verdict.WaitCondition(host="127.0.0.3", port=28081), False),
        (leader_verdict.WaitCondition(host="127.0.0.2", port=28082), False),
        (leader_verdict.WaitCondition(change_from=OWN), False),
        (leader_verdict.WaitCondition(change_from=OWN.upper()), False),
        (leader_verdict.WaitCondition(change_from="http://127.0.0.2:28081/"), False),
        (leader_verdict.WaitCondition(change_from="127.0.0.2:28081"), False),
        (leader_verdict.WaitCondition(change_from="0x100002900970001"), False),
        (leader_verdict.WaitCondition(change_from="00000000-0000-0000-0000-000000000000"), True),
        (leader_verdict.WaitCondition(change_from="127.0.0.3:28081"), True),
    ],
)
def test_wishes(wish, met):
    assert znode_data.decode_leader(led().nodes["/flink/demo/" + REST].data).session_id == OWN
    assert (leader_verdict.unmet_conditions(judged(led()), wish, no_names) == []) is met
    assert wish.waits


def test_no_leader_meets_no_wish():
    report = judged(Tree({}))
    for wish in (
        leader_verdict.WaitCondition(leader=True),
        leader_verdict.WaitCondition(change_from=OWN),
        leader_verdict.WaitCondition(host="jm1", port=8081),
    ):
        assert leader_verdict.unmet_conditions(report, wish, no_names)
    assert not leader_verdict.WaitCondition().waits


def test_reading_asks_the_leader_of_the_ensemble_first():
    tree = led()
    tree.election()
    assert tree.synced == ["/flink/demo"]
