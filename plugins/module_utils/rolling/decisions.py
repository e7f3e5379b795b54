"""Which member is changed next, and whether it may be: the decisions of every roll. Pure, without I/O.

`next_step` goes from what was just read to one step; whoever carries it out reads again before it asks for the next.
tests/simulation drives it through failures that no test on hosts can time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.quorum import Voting, survives
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.verdict import SERVING

#: States of a member. ready: serves and is in step with its leader. unready: its process runs, and does not serve.
#: down: no process, or one that keeps ending. unreachable: its host cannot be asked.
READY, UNREADY, DOWN, UNREACHABLE = "ready", "unready", "down", "unreachable"
#: Kinds of steps. start: all named at once, since nothing that serves depends on them. wait: for the named to come to
#: serve by themselves. repair: switch and start one that does not serve. change: switch and restart one that does.
DONE, STOP, WAIT, START, REPAIR, CHANGE = "done", "stop", "wait", "start", "repair", "change"


@dataclass(frozen=True)
class Member:
    """One member of a group that is changed member by member, as it was just read.

    Attributes:
        name: what the operator knows it by.
        id: order among equals; for ZooKeeper the id in its server line.
        state: READY, UNREADY, DOWN or UNREACHABLE.
        running: digest of the generation that its process was started with; empty without one.
        desired: digest that it is to run.
        votes: it counts for the quorum; members that do not are changed first.
        leads: it is the leader.
        process: identity of its process; empty without one.
        restart_asked: identity of the process that the operator wants restarted whatever it runs; empty for none.
        accepted: its host cannot be reached, and the operator goes on without it.
    """

    name: str
    id: int
    state: str
    running: str
    desired: str
    votes: bool = True
    leads: bool = False
    process: str = ""
    restart_asked: str = ""
    accepted: bool = False

    @property
    def ready(self) -> bool:
        """Serves."""
        return self.state == READY

    @property
    def pending(self) -> bool:
        """Its process is not the one that is wanted."""
        return self.running != self.desired or (self.restart_asked != "" and self.restart_asked == self.process)


#: Says why a group does not tolerate that the members with these ids are down; empty where it does.
ToleratesLoss = Callable[[Sequence[Member], Collection[int]], str]


def quorum_tolerates_loss(members: Sequence[Member], down: Collection[int]) -> str:
    """The ensemble keeps a quorum (`survives`)."""
    if survives(members, down):
        return ""
    voters = sum(member.votes for member in members)
    left = sum(member.votes and member.id not in down for member in members)
    return f"{left} of {voters} voters would be left, which is no quorum"


def standby_tolerates_loss(members: Sequence[Member], down: Collection[int]) -> str:
    """Another JobManager stands by."""
    if any(member.ready and member.id not in down for member in members):
        return ""
    return "no other JobManager stands by, so nothing would lead until it is back"


@dataclass(frozen=True)
class Policy:
    """What the operator allows.

    Attributes:
        tolerates_loss: whether the group tolerates the loss of some members.
        accept_members_down: change a ready member although others do not serve, as long as the group tolerates it.
        accept_outage: change a member although the group does not tolerate its loss (a group of one).
        accept_unhealthy: restart members that run while none serves.
        batch: how many ready members one step may change; more than one only where the group has no leader.
    """

    tolerates_loss: ToleratesLoss = quorum_tolerates_loss
    accept_members_down: bool = False
    accept_outage: bool = False
    accept_unhealthy: bool = False
    batch: int = 1


@dataclass(frozen=True)
class View:
    """What was read, just before the next step.

    Attributes:
        members: all of the group, whatever their state.
        serves: the group as a whole serves (a quorum; a leading JobManager).
        has_leader: whether groups of this kind have a leader, which goes last.
        waited: names of members for which a wait ended in vain.
        tried: names of members that this run started, repaired or changed.
        blockers: what speaks against going on at all, in words (a membership that differs between members).
    """

    members: Sequence[Member]
    serves: bool
    has_leader: bool = True
    waited: Collection[str] = ()
    tried: Collection[str] = ()
    blockers: Sequence[str] = ()


@dataclass(frozen=True)
class Step:
    """What to do next: the kind, the members by name, and why."""

    kind: str
    members: tuple[str, ...] = ()
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For a template."""
        return {"kind": self.kind, "members": list(self.members), "reason": self.reason}


def next_step(view: View, policy: Policy) -> Step:
    """The next step of a roll.

    The order: members that do not serve first (they are repaired, which costs nothing), then those that do, by id, the
    ones without a vote before the others and the leader last. A ready member is touched only while all others serve.
    """
    stop = _obstacle(view, policy)
    if stop:
        return Step(STOP, reason=stop)
    regressed = _regressed(view)
    if regressed:
        # An election, such as the one after the leader's own step, takes everybody out of service for a moment.
        return Step(WAIT, _named(regressed), "they served after this run's step, and do not now")
    if not view.serves:
        return _recover(view, policy)
    return _repair(view, policy) or _change(view, policy)


def plan(view: View, policy: Policy) -> list[Step]:
    """All steps that are to come, if each of them succeeds; ends with DONE or STOP."""
    steps: list[Step] = []
    members = {member.name: member for member in view.members}
    while not steps or steps[-1].kind not in (DONE, STOP):
        step = next_step(replace(view, members=list(members.values())), policy)
        steps.append(step)
        for name in step.members:
            members[name] = replace(
                members[name],
                state=READY,
                running=members[name].running if step.kind == WAIT else members[name].desired,
                restart_asked=members[name].restart_asked if step.kind == WAIT else "",
            )
        # Who leads after an election is not known before it: such a plan has its members by id.
        known = any(member.leads for member in members.values())
        view = replace(view, serves=True, has_leader=view.has_leader and known)
    return steps


def _obstacle(view: View, policy: Policy) -> str:
    """Why nothing at all may be done now."""
    if view.blockers:
        return "; ".join(view.blockers)
    failed = [member.name for member in _regressed(view) if member.name in view.waited]
    if failed:
        return f"{_names(failed)} did not come to serve after this run's step"
    cut_off = [member.name for member in view.members if member.state == UNREACHABLE and not member.accepted]
    if cut_off and not policy.accept_members_down:
        return (
            f"the host of {_names(cut_off)} cannot be reached. Mend it, or go on without it with "
            "rolling_accept_members_down=true, as long as the others tolerate that"
        )
    return ""


def _regressed(view: View) -> list[Member]:
    """Members that this run has changed, and that do not serve."""
    return _in_order(member for member in view.members if member.name in view.tried and not member.ready)


def _recover(view: View, policy: Policy) -> Step:
    """The group does not serve: what is down costs nothing to start; what runs is left alone unless told otherwise."""
    down = _in_order(member for member in view.members if member.state == DOWN)
    waiting = _in_order(member for member in view.members if member.state == UNREADY)
    unwaited = [member for member in waiting if member.name not in view.waited]
    # Those that hang keep those that are started from a quorum: all of them, or none comes to serve.
    if down and not (waiting and policy.accept_unhealthy):
        return Step(START, _named(down), "nothing serves, so nothing depends on them: all at once")
    if unwaited:
        return Step(WAIT, _named(unwaited), "they run, and do not serve yet")
    if waiting and policy.accept_unhealthy:
        return Step(
            START, _named(_in_order([*down, *waiting])), "nothing serves, and a restart of what runs is accepted"
        )
    return Step(
        STOP,
        reason="the processes run, but the group does not serve. Their logs say why; to restart them nevertheless: "
        "rolling_accept_unhealthy=true",
    )


def _repair(view: View, policy: Policy) -> Step | None:
    """The group serves: members that do not are waited for, then repaired, one at a time."""
    broken = _in_order(member for member in view.members if member.state in (UNREADY, DOWN))
    for member in broken:
        if member.state == UNREADY and member.name not in view.waited:
            return Step(WAIT, (member.name,), "it runs, and does not serve yet")
        refusal = policy.tolerates_loss(view.members, _ids(other for other in view.members if not other.ready))
        # Starting what is down harms nobody; one that runs may be more use to the others than it seems from here.
        if refusal and member.state == UNREADY and not policy.accept_outage:
            return Step(STOP, reason=f"{member.name} does not serve, and cannot be restarted safely: {refusal}")
        return Step(REPAIR, (member.name,), "it does not serve, so repairing it costs nothing")
    return None


def _change(view: View, policy: Policy) -> Step:
    """All that can be reached serve: the next of those that run something else than they should."""
    pending = _in_order(member for member in view.members if member.ready and member.pending)
    if not pending:
        return Step(DONE)
    leaders = [member.name for member in view.members if member.leads]
    if view.has_leader and len(leaders) != 1:
        names = [member.name for member in view.members if member.ready and member.name not in view.waited]
        if names:
            return Step(WAIT, tuple(names), "nobody leads, or more than one")
        return Step(STOP, reason="nobody leads, or more than one, and it stays so")
    member = pending[0]
    down = _ids(other for other in view.members if not other.ready)
    missing = [other.name for other in view.members if not other.ready and not other.accepted]
    if missing and not policy.accept_members_down:
        return Step(
            STOP,
            reason=f"{member.name} serves, and is touched only while all others do: {_names(missing)} not. Mend them, or "
            "go on with rolling_accept_members_down=true, as long as the others tolerate that",
        )
    chosen = pending[: 1 if view.has_leader else policy.batch]
    refusal = policy.tolerates_loss(view.members, down | _ids(chosen))
    if refusal and not policy.accept_outage:
        return Step(
            STOP,
            reason=f"{_names(_named(chosen))} cannot be restarted: {refusal}. Where that is accepted: "
            "rolling_accept_outage=true",
        )
    return Step(CHANGE, _named(chosen), _why(member))


def _why(member: Member) -> str:
    role = "leader, so last" if member.leads else "member" if member.votes else "without a vote, so first"
    if member.running == member.desired:
        return f"{role}; a restart was asked for"
    return f"{role}; runs {member.running or 'an installation of its own'}, is to run {member.desired}"


def _in_order(members: Any) -> list[Member]:
    return sorted(members, key=lambda member: (member.leads, member.votes, member.id))


def _ids(members: Any) -> set[int]:
    return {member.id for member in members}


def _named(members: Sequence[Member]) -> tuple[str, ...]:
    return tuple(member.name for member in members)


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def stop_refusal(
    members: Sequence[Voting],
    modes: Mapping[int, str],
    me: int,
    expected_mode: str,
    accept_members_down: bool,
    accept_outage: bool = False,
    accepted: Collection[int] = (),
) -> str:
    """Why a server of an ensemble must not be stopped right now, asked once more on its own host; empty where it may.

    Between a decision and its step others may have died or the leader may have moved, and a controller can stand still
    for a minute in between.

    Args:
        members: all servers.
        modes: what those that answer say that they are, by id.
        me: the one that is to be stopped.
        expected_mode: what it said that it was when it was decided on; empty for one that did not serve.
        accept_members_down: not all others have to serve, as long as a quorum is left.
        accept_outage: no quorum has to be left.
        accepted: ids of those whose hosts cannot be reached, and without which the operator goes on.
    """
    mode = modes.get(me, "")
    if mode != expected_mode:
        return f"it is {mode or 'not serving'} now, and was {expected_mode or 'not serving'} when it was chosen"
    if not mode:
        return ""  # it does not serve: its end changes nothing
    down = {member.id for member in members if member.id != me and modes.get(member.id, "") not in SERVING}
    missing = [member.id for member in members if member.votes and member.id in down and member.id not in accepted]
    if missing and not accept_members_down:
        return f"another voter does not serve now (id {', '.join(str(number) for number in sorted(missing))})"
    alone = sum(member.votes for member in members) == 1
    return "" if alone or accept_outage or survives(members, down | {me}) else "no quorum would be left now"
