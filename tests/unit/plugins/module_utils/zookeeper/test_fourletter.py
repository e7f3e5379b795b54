"""Four-letter words: replies of real servers (tests/fixtures/zookeeper), and replies that are none."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import Server
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import CallTimedOut, ConnectionFailed
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.fourletter import (
    REPLY_LIMIT,
    NotServing,
    ReplyError,
    ServerLine,
    WordRefused,
    ask,
    check,
    parse_conf,
    parse_config,
    parse_mntr,
    parse_srvr,
    release_of,
)

FIXTURES = Path(__file__).parents[4] / "fixtures" / "zookeeper"
RELEASES = ["3.5.10", "3.6.4", "3.7.2", "3.8.0", "3.9.5"]
SERVER = Server("zk1.example.org", 2181)


def recorded(name: str) -> str:
    return (FIXTURES / name).read_text()


class Wire:
    """A connection whose server sends these chunks, each after a number of seconds on its own clock."""

    timeout = 5.0

    def __init__(self, chunks: Iterable[bytes | Exception], seconds_each: float = 0.0) -> None:
        self.chunks = iter(chunks)
        self.seconds_each = seconds_each
        self.now = 0.0
        self.sent = b""
        self.closed = False

    def open_socket(self, server: Server) -> Wire:
        return self

    def clock(self) -> float:
        return self.now

    def settimeout(self, value: float) -> None:
        assert 0 < value <= self.timeout

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def recv(self, size: int) -> bytes:
        self.now += self.seconds_each
        chunk = next(self.chunks, b"")
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    def close(self) -> None:
        self.closed = True


def test_a_reply_longer_than_8_kib_is_read_to_its_end() -> None:
    whole = recorded("3.9.5/elected/3.mntr").encode()
    assert len(whole) > 2 * 8192
    wire = Wire([whole[at : at + 1460] for at in range(0, len(whole), 1460)])
    assert ask(wire, SERVER, "mntr", wire.clock) == whole.decode()
    assert wire.sent == b"mntr"
    assert wire.closed


@pytest.mark.parametrize(
    ("chunks", "error", "words"),
    [
        ([], ReplyError, "maxClientCnxns"),
        ([b"\n \n"], ReplyError, "empty reply"),
        ([TimeoutError()], CallTimedOut, "did not answer srvr within 5 s"),
        ([b"Zoo", ConnectionResetError(104, "Connection reset by peer")], ConnectionFailed, "Connection reset by peer"),
        ([b"x" * 65536] * 17, ReplyError, str(REPLY_LIMIT)),
        ([recorded("3.9.5/not_serving/1.srvr").encode()], NotServing, "does not serve"),
        ([b"srvr is not executed because it is not in the whitelist.\n"], WordRefused, "4lw.commands.whitelist"),
    ],
)
def test_what_is_no_answer_raises_and_closes(
    chunks: list[bytes | Exception], error: type[Exception], words: str
) -> None:
    wire = Wire(chunks)
    with pytest.raises(error, match=words.replace(".", r"\.")):
        ask(wire, SERVER, "srvr", wire.clock)
    assert wire.closed


def test_a_server_that_drips_bytes_does_not_prolong_the_limit() -> None:
    wire = Wire((b"x" for _each in range(1000)), seconds_each=1.0)
    with pytest.raises(CallTimedOut):
        ask(wire, SERVER, "srvr", wire.clock)
    assert wire.now <= Wire.timeout


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("state", ["elected", "written"])
def test_srvr_of_every_release(release: str, state: str) -> None:
    modes = []
    for identity in range(1, 5):
        facts = parse_srvr(recorded(f"{release}/{state}/{identity}.srvr"))
        modes.append(facts.mode)
        assert facts.version == release
        assert facts.znode_count == (5 if state == "elected" else 6)
        assert facts.latency_min <= facts.latency_avg <= facts.latency_max
        if state == "written":
            assert facts.epoch == 1
            assert facts.counter > 0
    assert sorted(modes) == ["follower", "follower", "leader", "observer"]


@pytest.mark.parametrize("release", RELEASES)
def test_mntr_of_every_release(release: str) -> None:
    leader = next(
        values
        for identity in range(1, 4)
        if (values := parse_mntr(recorded(f"{release}/written/{identity}.mntr")))["server_state"] == "leader"
    )
    assert leader["synced_followers"] == 2
    assert leader["outstanding_requests"] == 0
    assert isinstance(leader["avg_latency"], int if release == "3.5.10" else float)
    assert ("followers" in leader) == (release == "3.5.10")


@pytest.mark.parametrize("release", RELEASES)
def test_conf_of_every_release(release: str) -> None:
    conf = parse_conf(recorded(f"{release}/written/2.conf"))
    assert conf.server_id == 2
    assert conf.client_port % 1000 == 2
    assert [line.peer_type for line in conf.members.values()] == ["participant"] * 3 + ["observer"]
    assert conf.members[3].quorum_port % 1000 == 103
    assert not conf.hierarchical


def test_conf_of_a_standalone_server_has_no_members() -> None:
    conf = parse_conf(recorded("3.9.5/standalone/1.conf"))
    assert (conf.server_id, conf.members) == (0, {})
    assert parse_srvr(recorded("3.9.5/standalone/1.srvr")).mode == "standalone"


@pytest.mark.parametrize("word", ["mntr", "conf"])
def test_a_word_outside_of_the_whitelist(word: str) -> None:
    with pytest.raises(WordRefused, match=word):
        check(word, recorded(f"3.9.5/whitelist/1.{word}"))


SERVER_LINES = [
    ("zk1.example.org:2888:3888:participant", ServerLine("zk1.example.org", 2888, 3888, "participant")),
    ("zk1.example.org:2888:3888", ServerLine("zk1.example.org", 2888, 3888, "participant")),
    ("10.0.0.1:2888:3888:observer;0.0.0.0:2181", ServerLine("10.0.0.1", 2888, 3888, "observer")),
    ("[2001:db8::1]:2888:3888:participant;2181", ServerLine("2001:db8::1", 2888, 3888, "participant")),
    ("a:2888:3888|b:2889:3889:observer", ServerLine("a|b:2889:3889:observer", 2888, 3888, "observer")),
]


@pytest.mark.parametrize(("text", "line"), SERVER_LINES)
def test_server_lines(text: str, line: ServerLine) -> None:
    conf = parse_conf(f"clientPort=2181\nserverId=1\nmembership: \nserver.1={text}\nversion=0")
    assert conf.members == {1: line}


def test_groups_and_weights_are_seen() -> None:
    text = "clientPort=2181\nserverId=1\nmembership: \nserver.1=a:1:2:participant\ngroup.1=1\nweight.1=1\nversion=0"
    assert parse_conf(text).hierarchical


PARSERS: list[tuple[str, Callable[[str], object]]] = [("srvr", parse_srvr), ("mntr", parse_mntr), ("conf", parse_conf)]


@pytest.mark.parametrize(("word", "parse"), PARSERS)
@pytest.mark.parametrize("release", RELEASES)
def test_a_reply_that_is_cut_off_never_gives_other_facts(
    word: str, parse: Callable[[str], object], release: str
) -> None:
    """Wherever it is cut: an error, or the facts of the lines that are whole (mntr; the last number of srvr)."""
    whole = recorded(f"{release}/written/1.{word}")
    refused = 0
    for end in range(len(whole)):
        try:
            facts = parse(whole[:end])
        except ReplyError:
            refused += 1
            continue
        if word == "mntr":
            assert isinstance(facts, dict)
            assert facts.items() <= parse_mntr(whole).items()
        else:
            assert facts == parse(whole)
    assert refused > len(whole) * 0.8


HOSTILE = [
    "",
    "\x00" * 100,
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2\r\n",
    "\x15\x03\x03\x00\x02\x02P",
    "Mode: leader\n",
    "Mode: leader\nZxid: 0x" + "f" * 5000 + "\n",
    recorded("3.9.5/written/1.srvr").replace("Mode: follower", "Mode: \x1b[31mleader"),
    recorded("3.9.5/written/1.srvr").replace("Zxid: 0x", "Zxid: -0x"),
    recorded("3.9.5/written/1.srvr").replace("Outstanding: 0", "Outstanding: " + "9" * 9999),
    "Latency min/avg/max: 0/1.2.3/4\nZxid: 0x1\nMode: leader\nConnections: 1\nOutstanding: 0\nNode count: 5\n",
    "zk_server_state\tking\n",
    "zk_synced_followers\t2\n",
    "serverId=99999999999999999999999\n",
    "clientPort=2181\nserverId=1\nmembership: \nserver.1=x\nversion=0",
    "clientPort=2181\nserverId=1\nmembership: \nserver.1=" + "a" * 300 + ":1:2\nversion=0",
]


@pytest.mark.parametrize("reply", HOSTILE)
@pytest.mark.parametrize(("word", "parse"), PARSERS)
def test_hostile_replies_raise_a_short_clean_reply_error(word: str, parse: Callable[[str], object], reply: str) -> None:
    with pytest.raises(ReplyError) as caught:
        parse(check(word, reply))
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("0.7561", 0.7561), ("1.0E-4", 0.0001), ("NaN", "NaN"), ("Infinity", "Infinity"), ("9" * 30, "9" * 30)],
)
def test_numbers_of_mntr(text: str, value: float | str) -> None:
    assert parse_mntr(f"zk_server_state\tleader\nzk_x\t{text}\n")["x"] == value


@pytest.mark.parametrize(("word", "parse"), PARSERS)
def test_random_bytes_raise_nothing_but_reply_errors(word: str, parse: Callable[[str], object]) -> None:
    chance = random.Random(7)
    whole = bytearray(recorded(f"3.9.5/written/3.{word}").encode())
    for _each in range(300):
        damaged = bytearray(whole)
        for _each in range(chance.randrange(1, 20)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with suppress(ReplyError):
            parse(check(word, damaged.decode("utf-8", "replace")))


def test_the_membership_in_the_znode() -> None:
    """Recorded from ZooKeeper 3.9.5: three voters, an observer."""
    text = "".join(f"server.{i}=zk{i}.test:2888:3888:participant\n" for i in (1, 2, 3))
    text += "server.4=zk4.test:2888:3888:observer\nversion=0"
    conf = parse_config(2, 2181, text)
    assert (conf.server_id, conf.client_port, conf.hierarchical) == (2, 2181, False)
    assert [line.peer_type for line in conf.members.values()] == ["participant"] * 3 + ["observer"]
    assert conf.members[3].address == "zk3.test"
    assert parse_config(2, 2181, "").members == {}


@pytest.mark.parametrize(
    ("chunks", "release"),
    [
        ([b"3.4.14/standalone/1.srvr"], "3.4.14"),
        ([b"3.9.5/elected/1.srvr"], "3.9.5"),
        ([b"srvr is not executed because it is not in the whitelist.\n"], ""),
        ([b"HTTP/1.1 400 Bad Request\r\n"], ""),
        ([ConnectionResetError(104, "reset")], ""),
        ([TimeoutError()], ""),
    ],
    ids=["3.4", "3.9", "closed", "another-service", "broken-off", "silent"],
)
def test_the_release_that_a_server_says_it_runs(chunks, release):
    sent = [
        recorded(each.decode()).encode() if isinstance(each, bytes) and each.endswith(b".srvr") else each
        for each in chunks
    ]
    assert release_of(Wire(sent), SERVER) == release
