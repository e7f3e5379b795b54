"""The ensemble's verdict, from what its servers said. Pure: what asks the servers is probe.py."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.quorum import survives, tolerance
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.fourletter import Conf, ServerLine, Srvr

HEALTHY, DEGRADED, LOST = "healthy", "degraded", "lost"
PARTICIPANT, OBSERVER = "participant", "observer"
#: Modes in which a server serves reads and writes of the ensemble.
SERVING = ("leader", "follower", "observer", "standalone")
#: Defaults: latency and outstanding as the operators' guide of this project has them; znodes, watches and data as
#: ZooKeeper's own example alerts (zookeeperMonitor.md); descriptors by share, since their limit is each site's own.
THRESHOLDS: dict[str, float] = {
    "average_latency_ms": 50,
    "outstanding_requests": 10,
    "znodes": 1_000_000,
    "watches": 10_000,
    "open_file_descriptor_ratio": 0.8,
    "data_bytes": 1 << 30,
    "transactions_behind": 10_000,
}


@dataclass(frozen=True)
class Member:
    """A server that the inventory has."""

    id: int
    address: str
    client_port: int
    quorum_port: int
    peer_type: str = PARTICIPANT

    @property
    def votes(self) -> bool:
        """Whether it counts for a quorum."""
        return self.peer_type == PARTICIPANT

    def __str__(self) -> str:
        return f"{self.address} (id {self.id})"


@dataclass(frozen=True)
class Failure:
    """Why a word or the port has no facts.

    kind: unreachable (no connection), silent (no answer in time), not_serving, refused (whitelist), garbled.
    """

    kind: str
    cause: str


@dataclass(frozen=True)
class Observation:
    """What one server said; None: not asked. quorum_port: True when it accepted a connection."""

    srvr: Srvr | Failure
    mntr: Mapping[str, float | str] | Failure
    conf: Conf | Failure
    quorum_port: bool | Failure | None = None


@dataclass(frozen=True)
class Proof:
    """Outcome of a write proof.

    accepted: the quorum took a write. refusal: why not. denied: the refusal is about who we are, not about a quorum.
    unread: by id, why the write was not read back through that server.
    """

    accepted: bool
    refusal: str = ""
    denied: bool = False
    unread: Mapping[int, str] = field(default_factory=dict)


@dataclass
class Verdict:
    """The verdict and what it rests on; `servers` has the facts of each."""

    verdict: str
    reasons: list[str]
    cautions: list[str]
    leader: dict[str, Any] | None
    epoch: int | None
    voters: int
    serving_voters: int
    fault_tolerance_left: int
    servers: list[dict[str, Any]]
    voter_differences: list[str]

    def as_dict(self) -> dict[str, Any]:
        """For a module's reply."""
        return asdict(self)


def judge(
    members: Sequence[Member],
    observed: Mapping[int, Observation],
    *,
    standalone: bool = False,
    strict: bool = False,
    thresholds: Mapping[str, float] | None = None,
    proof: Proof | None = None,
) -> Verdict:
    """The verdict on an ensemble.

    Healthy: nothing speaks against it. Degraded: something does, and a quorum serves. Lost: nothing shows that one
    does. A write that was accepted shows it even where the leader cannot be asked.

    Args:
        members: who should be there; ids are unique.
        observed: an observation of each of them, by id.
        standalone: a single member may run without a quorum.
        strict: cautions count as reasons.
        thresholds: as `THRESHOLDS`, which fills what is missing.
        proof: outcome of the write proof, if one was made.
    """
    answers = {identity: seen.srvr for identity, seen in observed.items() if isinstance(seen.srvr, Srvr)}
    leaders = [member for member in members if member.id in answers and answers[member.id].mode == "leader"]
    alone = (
        standalone and len(members) == 1 and members[0].id in answers and (answers[members[0].id].mode == "standalone")
    )
    serving = [
        member
        for member in members
        if member.votes and member.id in answers and answers[member.id].mode in ("leader", "follower")
    ]
    if alone:
        leaders = serving = [members[0]]
    down = {member.id for member in members} - {member.id for member in serving}

    reasons = [text for member in members for text in _member_problems(member, observed[member.id], alone)]
    reasons += _leader_problems(members, leaders, serving)
    if not alone:
        reasons += _membership_problems(members, observed)
        reasons += [text for member in members for text in _port_problems(member, observed[member.id], leaders)]
        if len(leaders) == 1:
            reasons += _synced_problems(members, leaders[0], observed)
            reasons += _epoch_problems(members, leaders[0], answers)
    if proof:
        reasons += _proof_problems(members, proof)
    cautions = _cautions(members, observed, leaders, {**THRESHOLDS, **(thresholds or {})})
    if strict:
        reasons += cautions

    quorum = len(leaders) == 1 and survives(members, down)
    if proof and not proof.denied:
        quorum = len(leaders) < 2 and proof.accepted
    verdict = LOST if not quorum else DEGRADED if reasons else HEALTHY
    leader = leaders[0] if len(leaders) == 1 else None
    return Verdict(
        verdict=verdict,
        reasons=reasons,
        cautions=cautions,
        leader={"id": leader.id, "address": leader.address} if leader else None,
        epoch=answers[leader.id].epoch if leader else None,
        voters=sum(member.votes for member in members),
        serving_voters=len(serving),
        fault_tolerance_left=tolerance(members, down) if quorum else 0,
        servers=[
            {**_facts(member, observed[member.id]), "write_read": _write_read(member, observed[member.id], proof)}
            for member in members
        ],
        voter_differences=voter_differences(members, observed),
    )


def _write_read(member: Member, seen: Observation, proof: Proof | None) -> bool | None:
    """Whether the proof's write was read through this server; None where it was not tried."""
    if proof is None or not proof.accepted or _mode(seen) not in SERVING:
        return None
    return member.id not in proof.unread


def lagging(verdict: Mapping[str, Any], ids: Iterable[int]) -> list[str]:
    """Why these servers are not in step with the ensemble: not serving, an older epoch, or a write not read through them.

    The epochs are compared once the leader has a transaction of its own (see `_epoch_problems`).
    """
    servers = {server["id"]: server for server in verdict["servers"]}
    lead = servers[verdict["leader"]["id"]] if verdict["leader"] else None
    told = []
    for identity in ids:
        server = servers[identity]
        if not server["serving"]:
            told.append(f"{server['address']} (id {identity}) does not serve")
        elif lead and lead["counter"] and server["epoch"] != lead["epoch"]:
            told.append(
                f"{server['address']} (id {identity}) is in epoch {server['epoch']}, the leader in {lead['epoch']}"
            )
        elif server["write_read"] is False:
            told.append(f"{server['address']} (id {identity}) does not show a write that the quorum took")
    return told


def _member_problems(member: Member, seen: Observation, alone: bool) -> list[str]:
    """Does it answer, and as what."""
    if isinstance(seen.srvr, Failure):
        remedy = {
            "unreachable": "Start its service, or let this host reach its client port.",
            "silent": "Its host is cut off or overloaded, or its process hangs: look at the host, then at the log.",
            "not_serving": "It is in no quorum: its log says why (peers' quorum and election ports, server lines).",
            "refused": "Put srvr, mntr and conf into 4lw.commands.whitelist.",
            "garbled": "Is this ZooKeeper's client port? Check the address and the port in the inventory.",
        }[seen.srvr.kind]
        return [f"{member}: {seen.srvr.cause}. {remedy}"]
    problems = []
    mode = seen.srvr.mode
    if mode == "standalone" and not alone:
        problems.append(
            f"{member} runs standalone, with data of its own, instead of in the ensemble. "
            "Give its zoo.cfg the server lines of all members (a single node is allowed with standalone: true)."
        )
    elif mode == "read-only":
        problems.append(
            f"{member} is cut off from the quorum and serves reads only. Its log says which peers it misses."
        )
    elif mode == OBSERVER and member.votes:
        problems.append(f"{member} observes, but should vote. Correct its server line and peerType, then restart it.")
    elif mode in ("leader", "follower") and not member.votes:
        problems.append(
            f"{member} is {mode}, but should observe. Correct its server line and peerType, then restart it."
        )
    for word, reply in (("mntr", seen.mntr), ("conf", seen.conf)):
        if isinstance(reply, Failure):
            remedy = (
                "Put it there: without it the verdict has a gap."
                if reply.kind == "refused"
                else "Ask again; if it stays so, look at its log."
            )
            problems.append(f"{member}: no facts from {word}: {reply.cause}. {remedy}")
    return problems


def _leader_problems(members: Sequence[Member], leaders: Sequence[Member], serving: Sequence[Member]) -> list[str]:
    problems = []
    if len(leaders) > 1:
        problems.append(
            f"{_names(leaders)} lead at the same time: two ensembles, or one that is just electing. "
            "Compare the server lines of all members before anything is written."
        )
    elif not leaders:
        problems.append("No server says that it leads. An election takes seconds; if it lasts, read the servers' logs.")
    if not survives(members, {member.id for member in members} - {member.id for member in serving}):
        problems.append(
            f"{len(serving)} of {sum(member.votes for member in members)} voters serve: this is no quorum. "
            "Start the others."
        )
    return problems


def _synced_problems(members: Sequence[Member], leader: Member, observed: Mapping[int, Observation]) -> list[str]:
    """Followers and observers as the leader counts them.

    zk_synced_followers has joiners that do not vote in it (LeaderZooKeeperServer.java); 3.5 does not tell them apart.
    Observers may follow a follower (observerMaster), so they are summed over all servers; 3.5 does not count them.
    """
    mntr = observed[leader.id].mntr
    if isinstance(mntr, Failure):
        return []
    problems = []
    wanted = sum(member.votes for member in members) - 1
    counted = mntr.get("synced_followers")
    visiting = mntr.get("synced_non_voting_followers", 0)
    if not isinstance(counted, (int, float)) or not isinstance(visiting, (int, float)):
        problems.append(f"{leader} leads, but its mntr does not count synced followers. Ask again.")
    elif counted - visiting < wanted:
        problems.append(
            f"{leader} leads, and has {counted - visiting:g} of {wanted} followers synced. "
            "Wait for those that are joining; if they do not, read their logs."
        )
    elif counted > wanted:
        problems.append(
            f"{leader} leads {counted:g} followers where the inventory has {wanted}: a server outside of it has joined "
            "and gets all data. The leader's log names it ('not in the current config'); close the quorum port to it."
        )
    counts = [seen.mntr.get("synced_observers", 0) for seen in observed.values() if not isinstance(seen.mntr, Failure)]
    watching = sum(count for count in counts if isinstance(count, (int, float)))
    expected = sum(not member.votes for member in members)
    if watching > expected:
        problems.append(
            f"{watching:g} observers follow where the inventory has {expected}: a server outside of it has joined and "
            "gets all data. The leader's log names it; close the quorum port to it."
        )
    return problems


def _epoch_problems(members: Sequence[Member], leader: Member, answers: Mapping[int, Srvr]) -> list[str]:
    """The same epoch everywhere, once it has a transaction.

    After an election the leader shows epoch<<32 (Leader.java), a follower that was synced by a difference keeps its
    last zxid until the next transaction (Learner.java): an idle healthy ensemble differs, and only downwards.
    """
    problems = []
    lead = answers[leader.id]
    for member in members:
        answer = answers.get(member.id)
        if answer is None or member is leader or answer.mode not in ("follower", "observer"):
            continue
        if answer.epoch > lead.epoch:
            problems.append(
                f"{member} has epoch {answer.epoch}, the leader {leader} only {lead.epoch}: it is of another "
                "ensemble, or an election is under way. Ask again; if it stays so, compare their server lines."
            )
        elif answer.epoch < lead.epoch and lead.counter > 0:
            problems.append(
                f"{member} is in epoch {answer.epoch}, the leader {leader} in {lead.epoch}: it has not got the last "
                "transactions. Ask again; if it stays so, restart it."
            )
    return problems


def _membership_problems(members: Sequence[Member], observed: Mapping[int, Observation]) -> list[str]:
    """Every server has the inventory's members, and knows itself by its id; the same difference is told once."""
    differences: dict[str, list[Member]] = {}
    problems = []
    wanted = {member.id: member for member in members}
    for member in members:
        conf = observed[member.id].conf
        if isinstance(conf, Failure) or _mode(observed[member.id]) == "standalone":
            continue
        if conf.server_id != member.id and conf.members:
            problems.append(
                f"{member.address}:{member.client_port} says that its myid is {conf.server_id}, the inventory says "
                f"{member.id}. Correct zookeeper_id, or the address; never the myid of a directory that has data."
            )
        for text in _differences(wanted, conf):
            differences.setdefault(text, []).append(member)
    return problems + [
        f"{_names(holders)}: {text}. Let the role render zoo.cfg again, and restart member by member."
        for text, holders in differences.items()
    ]


def voter_differences(members: Sequence[Member], observed: Mapping[int, Observation]) -> list[str]:
    """Where the voters that a running server knows are not those of `members`, each difference once.

    What differs in observers only is left out: they may come and go in a roll, voters may not.
    """
    wanted = {member.id: member for member in members if member.votes}
    told: list[str] = []
    for member in members:
        conf = observed[member.id].conf
        if isinstance(conf, Failure) or not conf.members:
            continue
        known = {identity: line for identity, line in conf.members.items() if line.peer_type == PARTICIPANT}
        told += [f"{member}: {text}" for text in _line_differences(wanted, known)]
    return told


def _differences(wanted: Mapping[int, Member], conf: Conf) -> list[str]:
    if not conf.members:
        return ["has no server lines"]
    weighted = ["uses groups or weights, which no quorum rule here counts"] if conf.hierarchical else []
    return weighted + _line_differences(wanted, conf.members)


def _line_differences(wanted: Mapping[int, Member], lines: Mapping[int, ServerLine]) -> list[str]:
    found = []
    for identity in sorted(set(wanted) | set(lines)):
        member, line = wanted.get(identity), lines.get(identity)
        if line is None:
            found.append(f"server.{identity} is missing")
        elif member is None:
            found.append(f"server.{identity} ({line.address}) is not in the inventory")
        else:
            pairs = (
                (line.quorum_port, member.quorum_port, line.quorum_port == member.quorum_port),
                (line.peer_type, member.peer_type, line.peer_type == member.peer_type),
                (line.address, member.address, _same_address(line.address, member.address)),
            )
            found += [f"server.{identity} has {shown}, not {want}" for shown, want, same in pairs if not same]
    return found


def _same_address(shown: str, wanted: str) -> bool:
    """A server shows the name of its server line; for an IPv6 address, only the address (NetUtils.formatInetAddr)."""
    if shown.lower() == wanted.strip("[]").lower():
        return True
    try:
        address = ipaddress.ip_address(shown)
    except ValueError:
        return False
    try:
        return address == ipaddress.ip_address(wanted.strip("[]"))
    except ValueError:
        return address.version == 6


def _port_problems(member: Member, seen: Observation, leaders: Sequence[Member]) -> list[str]:
    """The quorum port is open on the leader, and only there."""
    state = seen.quorum_port
    if state is None or isinstance(seen.srvr, Failure) or not leaders:
        return []
    if member in leaders and isinstance(state, Failure):
        return [
            f"{member} leads, but its quorum port {member.quorum_port} is closed to this host ({state.cause}): "
            "followers may not reach it. Open it between the members."
        ]
    if member not in leaders and state is True:
        return [
            f"{member} does not lead, but its quorum port {member.quorum_port} is open: another server listens there, "
            "or an election is under way. Ask again; if it stays so, find out what listens."
        ]
    return []


def _proof_problems(members: Sequence[Member], proof: Proof) -> list[str]:
    if not proof.accepted:
        remedy = (
            "Give these credentials the right to create below /streamquorum-probe."
            if proof.denied
            else "Look at the leader's disk (free space, fsync times in its log) and at the followers' logs."
        )
        return [f"The write proof failed: {proof.refusal}. {remedy}"]
    return [
        f"{member}: a write that the quorum accepted was not read through it: {proof.unread[member.id]}. "
        "Look at its log."
        for member in members
        if member.id in proof.unread
    ]


def _cautions(
    members: Sequence[Member],
    observed: Mapping[int, Observation],
    leaders: Sequence[Member],
    limits: Mapping[str, float],
) -> list[str]:
    found = []
    versions: dict[str, list[Member]] = {}
    head = observed[leaders[0].id].srvr if len(leaders) == 1 else None
    for member in members:
        facts = _facts(member, observed[member.id])
        if not facts["answers"]:
            continue
        versions.setdefault(facts["version"], []).append(member)
        measured = {
            "average_latency_ms": (facts["latency_avg_ms"], "average latency in ms since its start"),
            "outstanding_requests": (facts["outstanding"], "outstanding requests"),
            "znodes": (facts["znode_count"], "znodes"),
            "watches": (facts["watch_count"], "watches"),
            "open_file_descriptor_ratio": (facts["open_file_descriptor_ratio"], "share of its file descriptors in use"),
            "data_bytes": (facts["data_bytes"], "bytes of data"),
        }
        if isinstance(head, Srvr) and facts["epoch"] == head.epoch:
            behind = max(0, head.counter - facts["counter"])
            measured["transactions_behind"] = (behind, "transactions behind the leader")
        for name, (value, words) in measured.items():
            if value is not None and value > limits[name]:
                found.append(
                    f"{member}: {_plain(value)} {words}, above the threshold {name} of {_plain(limits[name])}."
                )
    if len(versions) > 1:
        told = "; ".join(f"{version or 'unknown'}: {_names(holders)}" for version, holders in sorted(versions.items()))
        found.append(f"The servers run different releases ({told}). Finish the upgrade.")
    return found


def _facts(member: Member, seen: Observation) -> dict[str, Any]:
    """All that is known of one server; None where it is not."""
    srvr = seen.srvr if isinstance(seen.srvr, Srvr) else None
    mntr = {} if isinstance(seen.mntr, Failure) else seen.mntr
    conf = seen.conf if isinstance(seen.conf, Conf) else None
    words = (("srvr", seen.srvr), ("mntr", seen.mntr), ("conf", seen.conf))

    def number(key: str) -> float | None:
        value = mntr.get(key)
        return value if isinstance(value, (int, float)) else None

    used, most = number("open_file_descriptor_count"), number("max_file_descriptor_count")
    return {
        "id": member.id,
        "address": member.address,
        "client_port": member.client_port,
        "peer_type": member.peer_type,
        "answers": srvr is not None,
        "serving": srvr is not None and srvr.mode in SERVING,
        "mode": srvr.mode if srvr else None,
        "version": srvr.version if srvr else None,
        "zxid": f"0x{srvr.zxid:x}" if srvr else None,
        "epoch": srvr.epoch if srvr else None,
        "counter": srvr.counter if srvr else None,
        "latency_min_ms": srvr.latency_min if srvr else None,
        "latency_avg_ms": srvr.latency_avg if srvr else None,
        "latency_max_ms": srvr.latency_max if srvr else None,
        "connections": srvr.connections if srvr else None,
        "outstanding": srvr.outstanding if srvr else None,
        "znode_count": srvr.znode_count if srvr else None,
        "watch_count": number("watch_count"),
        "data_bytes": number("approximate_data_size"),
        "open_file_descriptors": used,
        "open_file_descriptor_ratio": round(used / most, 4) if used is not None and most else None,
        "synced_followers": number("synced_followers"),
        "myid": conf.server_id if conf else None,
        "quorum_port_open": None if seen.quorum_port is None else seen.quorum_port is True,
        "failures": {word: reply.cause for word, reply in words if isinstance(reply, Failure)},
    }


def _mode(seen: Observation) -> str:
    return "" if isinstance(seen.srvr, Failure) else seen.srvr.mode


def _plain(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:g}"


def _names(members: Sequence[Member]) -> str:
    names = [str(member) for member in members]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
