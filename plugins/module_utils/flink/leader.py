"""Who leads Flink: layouts of its znodes, the decoder of their data, and the verdict. Pure but for `read_election`,
which reads through a session that it is given.

Flink's JobManagers elect through Curator's LeaderLatch (children with a sequence number, the lowest wins), and the winner
writes where it is reached into an ephemeral node. Nothing here trusts that data: any client may have written it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.rest import Answer

DEFAULT_ROOT = "/flink"

LED = "led"
LEADERLESS = "leaderless"
INCONSISTENT = "inconsistent"


# --- Layouts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Component:
    """One election: the node that its leader writes and the parent of the latch, both below the cluster's path."""

    name: str
    info: str
    latch: str


@dataclass(frozen=True)
class Layout:
    """Where releases keep their leaders.

    Attributes:
        name: the releases, in words.
        since: the first release (major, minor).
        until: the last release, or None where the newest has it.
        lead: the component whose owner leads the cluster.
        components: all of them.
        one_election: all components are led by the winner of one latch.
    """

    name: str
    since: tuple[int, int]
    until: tuple[int, int] | None
    lead: str
    components: tuple[Component, ...]
    one_election: bool

    def has(self, release: tuple[int, int]) -> bool:
        """Whether the release keeps its leaders so."""
        return self.since <= release and (self.until is None or release <= self.until)

    @property
    def leading(self) -> Component:
        """The component whose owner leads."""
        return next(component for component in self.components if component.name == self.lead)


_NAMES = ("rest_server", "dispatcher", "resource_manager")
#: The first JobManager had no job to be named after: JobID(0, 0) (HighAvailabilityServices, Flink 1.3.3).
_NO_JOB = "00000000000000000000000000000000/job_manager_lock"

#: Newest first. Releases from 1.15 differ in the node of a job's leader only (`leader/job-<id>` from 1.19), which is not
#: read. 1.15 could still be told to use the services of 1.14 (high-availability.use-old-ha-services).
#: 1.13.6, 1.14.6, 1.18.1, 1.20.5 and 2.3.0 were seen on real clusters; releases before 1.13 are read in their source.
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "1.15 and newer",
        (1, 15),
        None,
        "rest_server",
        tuple(Component(name, f"leader/{name}/connection_info", "leader/latch") for name in _NAMES),
        one_election=True,
    ),
    Layout(
        "1.14",
        (1, 14),
        (1, 15),
        "dispatcher",
        tuple(Component(name, f"leader/{name}/connection_info", f"leader/{name}/latch") for name in _NAMES),
        one_election=False,
    ),
    Layout(
        "1.5 to 1.13",
        (1, 5),
        (1, 13),
        "dispatcher",
        tuple(Component(name, f"leader/{name}_lock", f"leaderlatch/{name}_lock") for name in _NAMES),
        one_election=False,
    ),
    Layout(
        "1.3 and 1.4",
        (1, 3),
        (1, 4),
        "job_manager",
        (Component("job_manager", f"leader/{_NO_JOB}", f"leaderlatch/{_NO_JOB}"),),
        one_election=True,
    ),
    Layout(
        "1.2 and older",
        (0, 9),
        (1, 2),
        "job_manager",
        (Component("job_manager", "leader", "leaderlatch"),),
        one_election=True,
    ),
)


def parse_release(text: str) -> tuple[int, int]:
    """(major, minor) of a Flink version such as `1.20.5`.

    Raises:
        ValueError: it is none, or older than every layout.
    """
    match = re.fullmatch(r"(\d{1,3})\.(\d{1,3})(?:[.-][0-9A-Za-z.-]+)?", text)
    if not match:
        raise ValueError(f"flink_version '{text}' is not a version such as 1.20.5")
    release = int(match[1]), int(match[2])
    if release < LAYOUTS[-1].since:
        raise ValueError(f"flink_version {text}: the first release with leaders in ZooKeeper is 0.9")
    return release


def cluster_path(path_root: str, cluster_id: str) -> str:
    """The cluster's node, slashes made one as Flink does it.

    Raises:
        ValueError: the cluster-id is empty, or a part is none that ZooKeeper takes.
    """
    parts = [part for part in f"{path_root}/{cluster_id}".split("/") if part]
    if not cluster_id.strip("/ "):
        raise ValueError("cluster_id is empty: name the value of high-availability.cluster-id")
    for part in parts:
        if part in (".", "..") or not part.isprintable():
            raise ValueError(f"path_root '{path_root}', cluster_id '{cluster_id}': '{part}' cannot be part of a path")
    return "/" + "/".join(parts)


# --- Data of a leader's node ---------------------------------------------------------------------------------------

_STREAM = b"\xac\xed\x00\x05"
_BLOCK, _LONG_BLOCK, _NULL = 0x77, 0x7A, 0x70
#: TC_OBJECT, TC_CLASSDESC, java.util.UUID, its serialVersionUID, flags and two long fields, as every JDK writes it.
#: leastSigBits comes first, in the description and so in the values.
_UUID = (
    b"\x73\x72\x00\x0ejava.util.UUID\xbc\x99\x03\xf7\x98\x6d\x85\x2f\x02\x00\x02"
    b"J\x00\x0cleastSigBitsJ\x00\x0bmostSigBits\x78\x70"
)
#: A URL of a JobManager has some tens of bytes.
_DATA_LIMIT = 64 * 1024

_ADDRESS = re.compile(
    r"(?P<scheme>https?|akka(?:\.ssl)?\.tcp|pekko(?:\.ssl)?\.tcp)://(?:[^@/\s]+@)?"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:/@\[\]]+)):(?P<port>\d{1,5})(?:/\S*)?"
)


@dataclass(frozen=True)
class LeaderInfo:
    """What a leader wrote: where it is reached, and the id of its leadership (empty where it wrote none)."""

    address: str
    host: str
    port: int
    session_id: str


def decode_leader(data: bytes) -> LeaderInfo | None:
    """The data of a leader's node; None where it is empty, which means that nobody has confirmed leadership.

    `ObjectOutputStream.writeUTF(address); writeObject(UUID)`, the same from Flink 1.3 to 2.3
    (ZooKeeperLeaderElectionService 1.3.3, ZooKeeperUtils 1.20).

    Raises:
        ValueError: it is anything else; the text says where it differs.
    """
    if not data:
        return None
    if len(data) > _DATA_LIMIT:
        raise ValueError(f"{len(data)} bytes are more than a leader writes")
    if not data.startswith(_STREAM):
        raise ValueError("not a Java serialization stream")
    block, rest = _blocks(data[len(_STREAM) :])
    if len(block) < 2 or len(block) - 2 != int.from_bytes(block[:2], "big"):
        raise ValueError(f"the address is cut short or followed by other data ({len(block)} bytes)")
    address = _modified_utf8(block[2:])
    if rest[:1] == bytes([_NULL]):
        session, tail = "", rest[1:]
    elif rest.startswith(_UUID) and len(rest) >= len(_UUID) + 16:
        least, most = rest[len(_UUID) : len(_UUID) + 8], rest[len(_UUID) + 8 : len(_UUID) + 16]
        session, tail = str(uuid.UUID(bytes=most + least)), rest[len(_UUID) + 16 :]
    else:
        raise ValueError("the leader's session id is cut short or is no java.util.UUID")
    if tail:
        raise ValueError(f"{len(tail)} bytes follow the leader's session id")
    host, port = split_address(address)
    return LeaderInfo(address, host, port, session)


def split_address(address: str) -> tuple[str, int]:
    """Host and port of a REST or RPC address (`http://h:8081`, `pekko.tcp://flink@h:6123/user/rpc/dispatcher_0`).

    Raises:
        ValueError: it is neither.
    """
    match = _ADDRESS.fullmatch(address) if address.isprintable() else None
    if not match or not 1 <= int(match["port"]) <= 65535:
        raise ValueError(f"{address[:80]!a} is no address of a JobManager")
    return match["v6"] or match["host"], int(match["port"])


def _blocks(stream: bytes) -> tuple[bytes, bytes]:
    """Contents of the leading data blocks (Java writes a new one each 1024 bytes), and what follows them."""
    content, at = b"", 0
    while at < len(stream) and stream[at] in (_BLOCK, _LONG_BLOCK):
        size = 1 if stream[at] == _BLOCK else 4
        start = at + 1 + size
        length = int.from_bytes(stream[at + 1 : start], "big")
        if len(stream) < start + length:
            raise ValueError(f"cut short: a block of {length} bytes has {max(0, len(stream) - start)}")
        content += stream[start : start + length]
        at = start + length
    return content, stream[at:]


def _modified_utf8(data: bytes) -> str:
    """Text that DataOutput.writeUTF wrote: NUL in two bytes, characters beyond the BMP as two surrogates."""
    try:
        text = data.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeError as error:
        raise ValueError("the address is not modified UTF-8") from error


# --- Latches -------------------------------------------------------------------------------------------------------

_CONTENDER = re.compile(r".*-latch-([0-9]{10,12})")


def in_order(children: Iterable[str]) -> list[str]:
    """Contenders of a latch, the one that wins first; children that no latch made are left out.

    Their names begin with a random id (`_c_<uuid>-latch-<sequence>`), so their order is that of the sequence.
    """
    found = ((int(match[1]), name) for name in children if (match := _CONTENDER.fullmatch(name)))
    return [name for _sequence, name in sorted(found)]


# --- What was read -------------------------------------------------------------------------------------------------


class Znode(Protocol):
    """What is needed of a node (zookeeper.client.Node has it)."""

    @property
    def data(self) -> bytes: ...

    @property
    def ephemeral_owner(self) -> int: ...


class ZnodeReader(Protocol):
    """What is needed of a session (zookeeper.client.ClientSession has it)."""

    def sync(self, path: str) -> None: ...

    def read(self, path: str) -> Znode | None: ...

    def children(self, path: str) -> list[str] | None: ...


@dataclass(frozen=True)
class Latch:
    """Contenders of one election, and the session of the one that wins (0 where there is none)."""

    contenders: int = 0
    owner: int = 0


@dataclass(frozen=True)
class Election:
    """Everything read of one cluster, by path below it; what does not exist is not in it."""

    path: str
    nodes: Mapping[str, Znode] = field(default_factory=dict)
    latches: Mapping[str, Latch] = field(default_factory=dict)


def read_election(session: ZnodeReader, path: str) -> Election:
    """Read every layout's nodes of the cluster at `path`: some fifteen calls, each within the session's limit.

    Raises:
        ClientError: as the session raises it.
    """
    # A server may lag behind the leader: a verdict must not be older than its question.
    session.sync(path)
    components = [component for layout in LAYOUTS for component in layout.components]
    nodes: dict[str, Znode] = {}
    for info in dict.fromkeys(component.info for component in components):
        node = session.read(f"{path}/{info}")
        if node is not None:
            nodes[info] = node
    latches: dict[str, Latch] = {}
    for latch in dict.fromkeys(component.latch for component in components):
        children = session.children(f"{path}/{latch}")
        if children is not None:
            order = in_order(children)
            first = session.read(f"{path}/{latch}/{order[0]}") if order else None
            latches[latch] = Latch(len(order), first.ephemeral_owner if first else 0)
    return Election(path, nodes, latches)


#: Below the cluster's path, a child for each job: 2.x, and up to 1.20 (HighAvailabilityOptions, path.execution-plans).
_GRAPHS = ("execution-plans", "jobgraphs")
#: Below it and a job's id, a child for each checkpoint: 1.14 and newer, and older.
_CHECKPOINTS = (("jobs", "/checkpoints"), ("checkpoints", ""))


def read_jobs(session: ZnodeReader, path: str) -> list[str]:
    """Ids of the jobs that the cluster at `path` would recover: ZooKeeper points to their graph, or to a checkpoint, in its storage.

    Raises:
        ClientError: as the session raises it.
    """
    session.sync(path)
    jobs = {job for parent in _GRAPHS for job in session.children(f"{path}/{parent}") or []}
    for parent, below in _CHECKPOINTS:
        for job in session.children(f"{path}/{parent}") or []:
            # What a job that has ended, or never made a checkpoint, leaves there points to nothing.
            if job not in jobs and session.children(f"{path}/{parent}/{job}{below}"):
                jobs.add(job)
    return sorted(jobs)


def choose_layout(election: Election, release: tuple[int, int] | None) -> tuple[Layout | None, list[Layout]]:
    """The layout that tells who leads, and others in which somebody leads as well.

    A live leader comes before a matching release (a cluster of another release may use the cluster-id), the release
    before leftovers (a change of release leaves nodes behind), and newer before older. Contenders come before a leader
    without any: 1.14 and 1.15 write the same nodes, and only their latches tell them apart.

    Returns:
        None where nothing tells: no release is given and no node of any layout exists.
    """

    def live(layout: Layout) -> bool:
        node = election.nodes.get(layout.leading.info)
        return node is not None and node.ephemeral_owner != 0

    def used(layout: Layout) -> bool:
        return live(layout) and contended(layout)

    def contended(layout: Layout) -> bool:
        return election.latches.get(layout.leading.latch, Latch()).contenders > 0

    def score(layout: Layout) -> tuple[bool, ...]:
        expected = release is not None and layout.has(release)
        there = layout.leading.latch in election.latches
        return used(layout), contended(layout), live(layout), expected, there

    best = max(LAYOUTS, key=score)  # the first, and so the newest, of equals
    if not any(score(best)):
        return None, []
    return best, [layout for layout in LAYOUTS if layout is not best and used(layout)]


# --- Endpoints -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JobManager:
    """A JobManager that the caller expects: its REST address, and another name of its host."""

    address: str
    rest_port: int
    name: str = ""

    def __str__(self) -> str:
        return endpoint(self.address, self.rest_port)


#: `resolve(host)` -> its addresses, none where it has none.
Resolve = Callable[[str], set[str]]


def endpoint(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def same_host(one: str, others: Iterable[str], resolve: Resolve) -> bool:
    """Whether `one` is among the others, by name or else by address.

    By address because a JobManager with a bind address of its own publishes that instead of its name.
    """
    names = [_plain(other) for other in others if other]
    if _plain(one) in names:
        return True
    found = resolve(_plain(one))
    return bool(found) and any(found & resolve(name) for name in names)


# --- The verdict ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expectation:
    """What the caller knows about the cluster.

    Attributes:
        job_managers: all of them; none where the caller does not know, which leaves REST and `foreign` out.
        release: Flink's (major, minor), or None.
        task_managers: how many must be registered at least; 0 does not ask.
        rest_scheme: http or https.
    """

    job_managers: Sequence[JobManager] = ()
    release: tuple[int, int] | None = None
    task_managers: int = 0
    rest_scheme: str = "http"


@dataclass(frozen=True)
class Leader:
    """Who leads a component, or the cluster; of nobody all is empty."""

    address: str = ""
    host: str = ""
    port: int = 0
    session_id: str = ""
    owner: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As the module returns it."""
        return {
            "address": self.address,
            "host": self.host,
            "port": self.port,
            "session_id": self.session_id,
            "owner": self.owner,
        }


@dataclass(frozen=True)
class Report:
    """The verdict and what it rests on (the keys that the module returns)."""

    verdict: str
    reasons: list[str]
    leader: Leader
    components: dict[str, dict[str, Any]]
    contenders: int
    layout: str
    rest: list[dict[str, Any]]
    foreign: bool
    task_managers: int | None
    task_managers_expected: int

    @property
    def enough_task_managers(self) -> bool:
        """As many as expected are registered; true where none are asked for."""
        return self.task_managers_expected == 0 or (self.task_managers or 0) >= self.task_managers_expected

    def as_dict(self) -> dict[str, Any]:
        """As the module returns it."""
        return {
            "verdict": self.verdict,
            "reasons": self.reasons,
            "leader": self.leader.as_dict(),
            "components": self.components,
            "contenders": self.contenders,
            "layout": self.layout,
            "rest": self.rest,
            "foreign": self.foreign,
            "task_managers": {
                "registered": self.task_managers,
                "expected": self.task_managers_expected,
                "enough": self.enough_task_managers,
            },
        }


def needs_rpc(election: Election, expected: Expectation) -> bool:
    """Whether who leads cannot be told from the znodes alone: the JobManagers must be asked for their RPC addresses.

    So it is up to 1.14, when the dispatcher and the REST server are led by different JobManagers, and before 1.5.
    """
    layout, _others = choose_layout(election, expected.release)
    lead = election.nodes.get(layout.leading.info) if layout else None
    if layout is None or lead is None:
        return False
    rest = _node(election, layout, "rest_server")
    return rest is None or rest.ephemeral_owner != lead.ephemeral_owner


def judge(election: Election, answers: Sequence[Answer], expected: Expectation, resolve: Resolve) -> Report:
    """Who leads, by what was read.

    Args:
        election: the znodes.
        answers: one for each of `expected.job_managers`, in their order.
        expected: what the caller knows.
        resolve: addresses of a host name.
    """
    layout, others = choose_layout(election, expected.release)
    wrong: list[str] = []  # make the picture inconsistent
    notes: list[str] = []
    leader, components, contenders, state = Leader(), {}, 0, f"nothing of a Flink cluster exists under {election.path}"
    if layout is not None:
        found = {component.name: _judge_component(election, component) for component in layout.components}
        components = {name: {**each.leader.as_dict(), "contenders": each.contenders} for name, each in found.items()}
        contenders = found[layout.lead].contenders
        state = found[layout.lead].absent
        wrong += [each.wrong for each in found.values() if each.wrong]
        if found[layout.lead].live:
            leader = _locate(layout, found, answers, expected, resolve)
            wrong += _disagreements(layout, found)
            wrong += _release_doubts(layout, others, expected)
            notes += _location_notes(layout, found, leader)
    ours, foreign = _place(leader, expected.job_managers, resolve)
    if foreign:
        notes.append(
            f"the leader {leader.address} is none of the expected JobManagers ("
            f"{', '.join(map(str, expected.job_managers))}): another cluster uses the cluster-id {election.path}, "
            "or a JobManager is missing from the inventory"
        )
    if ours is not None:
        answer = answers[ours]
        if not answer.reachable or (answer.status == 200 and answer.overview is None):
            wrong.append(
                f"{election.path} names {leader.address}, which {answer.detail or 'does not answer'}; "
                "after a crash its nodes stay until its ZooKeeper session times out"
            )
        elif answer.overview is None:
            notes.append(f"the leader {leader.address} {answer.detail}")
    if expected.job_managers and contenders != len(expected.job_managers) and layout is not None:
        notes.append(f"{contenders} contender(s) in the election, {len(expected.job_managers)} JobManager(s) expected")
    task_managers = _task_managers(answers, ours)
    notes += _rest_notes(answers, expected, ours)
    if expected.task_managers and (task_managers or 0) < expected.task_managers:
        counted = "no JobManager tells how many are" if task_managers is None else f"{task_managers} are"
        notes.append(f"{expected.task_managers} TaskManager(s) must be registered, {counted}")

    if wrong:
        verdict, reasons = INCONSISTENT, wrong + notes
    elif leader.owner:
        verdict, reasons = LED, notes
    else:
        verdict, reasons = LEADERLESS, [state, *notes]
    return Report(
        verdict=verdict,
        reasons=reasons,
        leader=leader,
        components=components,
        contenders=contenders,
        layout=layout.name if layout else "",
        rest=[
            _rest_entry(jm, answer, leads=index == ours)
            for index, (jm, answer) in enumerate(zip(expected.job_managers, answers, strict=True))
        ],
        foreign=foreign,
        task_managers=task_managers,
        task_managers_expected=expected.task_managers,
    )


@dataclass(frozen=True)
class _Found:
    """One component as judged by itself: `absent` says why nobody leads it, `wrong` what contradicts."""

    leader: Leader
    contenders: int
    absent: str = ""
    wrong: str = ""

    @property
    def live(self) -> bool:
        return bool(self.leader.owner)


def _node(election: Election, layout: Layout, name: str) -> Znode | None:
    return next((election.nodes.get(each.info) for each in layout.components if each.name == name), None)


def _judge_component(election: Election, component: Component) -> _Found:
    node = election.nodes.get(component.info)
    latch = election.latches.get(component.latch, Latch())
    path = f"{election.path}/{component.info}"
    if node is None or (node.ephemeral_owner == 0 and not node.data):
        waiting = f"{latch.contenders} contender(s) stand in the election" if latch.contenders else "no JobManager runs"
        return _Found(Leader(), latch.contenders, absent=f"no {component.name} leads ({path} is not there): {waiting}")
    if node.ephemeral_owner == 0:
        return _Found(
            Leader(), latch.contenders, absent=f"{path} belongs to no session: it was not written by a JobManager"
        )
    owner = f"0x{node.ephemeral_owner:x}"
    try:
        info = decode_leader(node.data)
    except ValueError as error:
        return _Found(Leader(owner=owner), latch.contenders, wrong=f"the data of {path} cannot be read: {error}")
    if info is None:
        return _Found(
            Leader(), latch.contenders, absent=f"{path} is empty: its owner {owner} has not confirmed its leadership"
        )
    wrong = ""
    if latch.owner != node.ephemeral_owner:
        holder = f"session 0x{latch.owner:x} holds" if latch.owner else "nobody holds"
        wrong = (
            f"{path} belongs to session {owner} ({info.host}), but {holder} the latch {election.path}/{component.latch}"
        )
        if latch.owner:
            wrong += '; where this stays, see docs/operations.md, "Two JobManagers lead"'
    leader = Leader(info.address, info.host, info.port, info.session_id, owner)
    return _Found(leader, latch.contenders, wrong=wrong)


def _disagreements(layout: Layout, found: Mapping[str, _Found]) -> list[str]:
    """Where the cluster is led, but not by one JobManager in all its parts."""
    lead = found[layout.lead].leader
    reasons = []
    for name, each in found.items():
        if each.wrong:
            continue
        if not each.live:
            reasons.append(each.absent)
        elif layout.one_election and each.leader.owner != lead.owner:
            reasons.append(
                f"one election, two leaders: {name} belongs to session {each.leader.owner} ({each.leader.address}), "
                f"{layout.lead} to {lead.owner} ({lead.address})"
            )
    return reasons


def _release_doubts(layout: Layout, others: Sequence[Layout], expected: Expectation) -> list[str]:
    reasons = [
        f"leaders in the layouts of Flink {layout.name} and of {other.name}: two clusters share the cluster-id"
        for other in others
    ]
    if expected.release is not None and not layout.has(expected.release):
        version = ".".join(map(str, expected.release))
        reasons.append(f"the leader uses the layout of Flink {layout.name}, which Flink {version} does not")
    return reasons


def _locate(
    layout: Layout,
    found: Mapping[str, _Found],
    answers: Sequence[Answer],
    expected: Expectation,
    resolve: Resolve,
) -> Leader:
    """The leading JobManager by its REST address; with port 0 where only its host is known.

    A JobManager has one ZooKeeper session: where the REST server's owner is the leading component's, its address is the
    leader's. Otherwise (up to 1.14) the JobManagers' own RPC addresses tell.
    """
    lead = found[layout.lead].leader
    rest = found.get("rest_server")
    if rest is not None and rest.leader.address and rest.leader.owner == lead.owner:
        return Leader(rest.leader.address, rest.leader.host, rest.leader.port, lead.session_id, lead.owner)
    for job_manager, answer in zip(expected.job_managers, answers, strict=True):
        if answer.rpc and answer.rpc[1] == lead.port and same_host(lead.host, (answer.rpc[0],), resolve):
            return Leader(
                f"{expected.rest_scheme}://{job_manager}",
                job_manager.address,
                job_manager.rest_port,
                lead.session_id,
                lead.owner,
            )
    return Leader(lead.address, lead.host, 0, lead.session_id, lead.owner)


def _location_notes(layout: Layout, found: Mapping[str, _Found], leader: Leader) -> list[str]:
    notes = []
    rest = found["rest_server"].leader if "rest_server" in found else Leader()
    if rest.address and rest.owner != leader.owner and not layout.one_election:
        notes.append(f"the REST server is led by another JobManager, {rest.address}, as it may be up to Flink 1.14")
    if leader.host and leader.port == 0:
        notes.append(
            f"the leader's REST port is not known: none of the expected JobManagers says that it is {leader.address}"
        )
    return notes


def _place(leader: Leader, job_managers: Sequence[JobManager], resolve: Resolve) -> tuple[int | None, bool]:
    """Index of the JobManager that leads (None where that is not known), and whether the leader is none of them.

    A leader of whom only the host is known (port 0) counts as one of them when its host does.
    """
    if not leader.host or not job_managers:
        return None, False
    on_host = [i for i, each in enumerate(job_managers) if same_host(leader.host, (each.address, each.name), resolve)]
    if leader.port == 0:
        return (on_host[0] if len(on_host) == 1 else None), not on_host
    ours = next((i for i in on_host if job_managers[i].rest_port == leader.port), None)
    return ours, ours is None


def _task_managers(answers: Sequence[Answer], ours: int | None) -> int | None:
    """Registered TaskManagers as the leader counts them, else as the first that can tell."""
    first = [answers[ours]] if ours is not None else []
    return next((each.overview.task_managers for each in [*first, *answers] if each.overview), None)


def _rest_notes(answers: Sequence[Answer], expected: Expectation, ours: int | None) -> list[str]:
    notes = [
        f"the JobManager {job_manager} {answer.detail}"
        for index, (job_manager, answer) in enumerate(zip(expected.job_managers, answers, strict=True))
        if answer.detail and index != ours
    ]
    versions = {
        str(jm): a.overview.flink_version for jm, a in zip(expected.job_managers, answers, strict=True) if a.overview
    }
    if len(set(versions.values())) > 1:
        notes.append("the JobManagers run different releases: " + ", ".join(f"{jm} {v}" for jm, v in versions.items()))
    if expected.release is not None:
        for job_manager, version in versions.items():
            if not re.match(rf"{expected.release[0]}\.{expected.release[1]}(?!\d)", version):
                notes.append(
                    f"the JobManager {job_manager} runs Flink {version}, not {'.'.join(map(str, expected.release))}"
                )
    return notes


def _rest_entry(job_manager: JobManager, answer: Answer, leads: bool) -> dict[str, Any]:
    return {
        "address": job_manager.address,
        "rest_port": job_manager.rest_port,
        "name": job_manager.name,
        "reachable": answer.reachable,
        "status": answer.status,
        "leads": leads,
        "overview": answer.overview.as_dict() if answer.overview else {},
        "detail": answer.detail,
    }


# --- Waiting -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wish:
    """What is waited for; all that is set must hold.

    Attributes:
        leader: a consistent leader that is one of the expected JobManagers.
        host, port: this one by REST address; no host does not ask.
        change_from: a leader other than this one, given by session id, address, `host:port` or owner.
    """

    leader: bool = False
    host: str = ""
    port: int = 0
    change_from: str = ""

    @property
    def waits(self) -> bool:
        """Whether anything is asked for."""
        return self.leader or bool(self.host) or bool(self.change_from)


def unmet(report: Report, wish: Wish, resolve: Resolve) -> list[str]:
    """What of the wish, and of the TaskManagers expected, is not there, in words; empty when all is."""
    leader, missing = report.leader, []
    if report.verdict != LED:
        missing.append(f"the verdict is {report.verdict}")
    if report.foreign:
        missing.append(f"the leader {leader.address} is not one of the expected JobManagers")
    if wish.host and not (leader.port == wish.port and same_host(leader.host, (wish.host,), resolve)):
        missing.append(f"the leader is {leader.address or 'nobody'}, not {endpoint(wish.host, wish.port)}")
    names = {leader.session_id, leader.address, leader.owner, endpoint(leader.host, leader.port)}
    if wish.change_from and wish.change_from.lower().rstrip("/") in {name.lower() for name in names if name}:
        missing.append(f"the leader is still {leader.address} (session id {leader.session_id})")
    if not report.enough_task_managers:
        missing.append(f"{report.task_managers or 0} of {report.task_managers_expected} TaskManagers are registered")
    return missing
