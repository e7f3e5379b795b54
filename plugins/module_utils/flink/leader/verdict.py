"""The verdict on who leads Flink, from the election and what the JobManagers answer over REST. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.endpoints import (
    JobManager,
    Resolve,
    endpoint,
    same_host,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader.election import (
    Election,
    Latch,
    choose_layout,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader.layouts import Component, Layout
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader.znode_data import decode_leader
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.rest import Answer
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.elections import Znode

LED = "led"
LEADERLESS = "leaderless"
INCONSISTENT = "inconsistent"


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


@dataclass(frozen=True)
class WaitCondition:
    """What is waited for; all that is set must hold.

    Attributes:
        leader: a consistent leader that is one of the expected JobManagers.
        host, port: this one by REST address; no host does not ask.
        change_from: a leader other than this one, given by session id, address, `host:port` or owner.
        serving: JobManagers, by REST address, that serve, and are in the election with all others that serve.
    """

    leader: bool = False
    host: str = ""
    port: int = 0
    change_from: str = ""
    serving: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether anything is asked for."""
        return self.leader or bool(self.host) or bool(self.change_from) or bool(self.serving)


def unmet_conditions(report: Report, condition: WaitCondition, resolve: Resolve) -> list[str]:
    """What of the condition, and of the TaskManagers expected, is not there, in words; empty when all is."""
    leader, missing = report.leader, []
    if report.verdict != LED:
        missing.append(f"the verdict is {report.verdict}")
    if report.foreign:
        missing.append(f"the leader {leader.address} is not one of the expected JobManagers")
    if condition.host and not (leader.port == condition.port and same_host(leader.host, (condition.host,), resolve)):
        missing.append(f"the leader is {leader.address or 'nobody'}, not {endpoint(condition.host, condition.port)}")
    names = {leader.session_id, leader.address, leader.owner, endpoint(leader.host, leader.port)}
    if condition.change_from and condition.change_from.lower().rstrip("/") in {name.lower() for name in names if name}:
        missing.append(f"the leader is still {leader.address} (session id {leader.session_id})")
    answers = {endpoint(each["address"], each["rest_port"]): each["status"] for each in report.rest}
    missing += [
        f"JobManager {each} does not serve: its REST "
        + (f"answers {answers[each]}" if answers.get(each) else "does not answer")
        for each in condition.serving
        if answers.get(each) != 200
    ]
    # One that is cut off from the ensemble goes on with REST for a while.
    serving = sum(status == 200 for status in answers.values())
    if condition.serving and report.contenders < serving:
        missing.append(f"{report.contenders} of {serving} JobManagers that serve are in the election")
    if not report.enough_task_managers:
        missing.append(f"{report.task_managers or 0} of {report.task_managers_expected} TaskManagers are registered")
    return missing
