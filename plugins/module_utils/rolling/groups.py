"""The groups that are changed member by member, as `decisions` sees them: from what the modules read to a view. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink import endpoints
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import decisions as rolling
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.decisions import (
    CHANGE,
    DOWN,
    READY,
    STOP,
    UNREACHABLE,
    UNREADY,
    Member,
    Policy,
    Step,
    View,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.jobs import (
    Reply,
    asked_jobs,
    budget_blockers,
    calm_needed,
    checkpoint_wait,
    costs,
    job_lines,
    lease_blockers,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.verdict import LOST, PARTICIPANT, lagging

#: What a role notes of a member (core/members.py): name, host, kind, id, votes, unit, root, ports,
#: address, desired, running, differs (names of files and settings, as far as they are known), process, live, restart_asked.
Described = Mapping[str, Any]


#: A step of its own: jobs are not restarted more often than their failure rate allows.
PAUSE = "pause"


#: What `Policy` takes of what the operator allows; the rest is judged here.
POLICY = ("accept_members_down", "accept_outage", "accept_unhealthy", "batch")
TITLES = {"zookeeper": "ensemble", "jobmanager": "JobManagers", "taskmanager": "TaskManagers"}


def title(kind: str) -> str:
    """A group in the words of an operator."""
    return TITLES.get(kind, kind)


def endpoint(member: Described) -> str:
    """host:port under which others know it."""
    return endpoints.endpoint(member["address"], member["ports"][0])


def client_endpoint(member: Mapping[str, Any]) -> str:
    """host:port of a server's client port."""
    return f"{member['address']}:{member['client_port']}"


def to_do(member: Described) -> bool:
    """Whether a roll has something to do with it."""
    if member.get("accepted"):
        return False
    return not member["live"] or member["running"] != member["desired"] or asked_for(member)


def asked_for(member: Described) -> bool:
    """Whether the operator asked for a restart of the process that runs."""
    return bool(member["process"]) and member["restart_asked"] == member["process"]


def unreached(members: Sequence[Mapping[str, Any]], hosts: Collection[str]) -> list[Described]:
    """Members of the ensemble whose hosts cannot be reached, and without which the operator goes on.

    They count for the quorum, and no step is theirs.

    Args:
        members: of the inventory (id, host, address, peer_type).
        hosts: names of those hosts.
    """
    nothing = {"live": False, "running": "", "desired": "", "process": "", "restart_asked": "", "accepted": True}
    return [
        {
            **nothing,
            "name": member["host"],
            "host": member["host"],
            "kind": "zookeeper",
            "id": member["id"],
            "votes": member["peer_type"] == PARTICIPANT,
            "address": member["address"],
            "ports": [],
        }
        for member in members
        if member["host"] in hosts
    ]


def forced(members: Sequence[Described], force: bool) -> list[dict[str, Any]]:
    """The members, with a restart asked for of every process, unless an earlier request is not carried out everywhere yet."""
    unfinished = any(asked_for(member) for member in members)
    return [
        {**member, "restart_asked": member["process"]} if force and not unfinished else dict(member)
        for member in members
    ]


@dataclass(frozen=True)
class Group:
    """What is special to a kind of members.

    Attributes:
        ready: names of members that serve, by the reply of the module that read the group.
        leader: name of the member that leads; empty where none does.
        serves: whether the group as a whole serves.
        blockers: what speaks against any step, in words; by the members, the reply, the run and what is allowed.
        tolerates_loss: whether the group tolerates the loss of members; made from the reply.
        has_leader: whether one leads.
    """

    ready: Callable[[Sequence[Described], Reply], Collection[str]]
    leader: Callable[[Sequence[Described], Reply], str]
    serves: Callable[[Reply], bool]
    blockers: Callable[[Sequence[Described], Reply, Mapping[str, Any], Mapping[str, Any]], Sequence[str]]
    tolerates_loss: Callable[[Sequence[Described], Reply], rolling.ToleratesLoss]
    has_leader: bool = True


def _ensemble_ready(members: Sequence[Described], reply: Reply) -> list[str]:
    return [member["name"] for member in members if not lagging(reply, [member["id"]])]


def _ensemble_leader(members: Sequence[Described], reply: Reply) -> str:
    leader = reply["leader"]
    alone = [server["id"] for server in reply["servers"] if server["mode"] == "standalone"]
    lead = leader["id"] if leader else alone[0] if alone else None
    return next((member["name"] for member in members if member["id"] == lead), "")


def _managers_ready(members: Sequence[Described], reply: Reply) -> list[str]:
    answers = {(answer["address"], answer["rest_port"]): answer["status"] for answer in reply["rest"]}
    return [member["name"] for member in members if answers.get((member["address"], member["ports"][0])) == 200]


def _managers_leader(members: Sequence[Described], reply: Reply) -> str:
    leads = [(answer["address"], answer["rest_port"]) for answer in reply["rest"] if answer["leads"]]
    return next((member["name"] for member in members if (member["address"], member["ports"][0]) in leads), "")


def _managers_blockers(
    members: Sequence[Described], reply: Reply, run: Mapping[str, Any], allowed: Mapping[str, Any]
) -> list[str]:
    if reply["foreign"]:
        return [f"{reply['leader']['address']} leads, which is no JobManager of this inventory"]
    if reply["verdict"] == "led" and reply["contenders"] > len(reply["rest"]):
        return [f"{reply['contenders']} JobManagers are in the election, and the inventory has {len(reply['rest'])}"]
    return lease_blockers(reply["flink"], run)


def _managers_tolerance(members: Sequence[Described], reply: Reply) -> rolling.ToleratesLoss:
    leader = _managers_leader(members, reply)
    leads = [member["id"] for member in members if member["name"] == leader]

    def tolerates_loss(seen: Sequence[Member], down: Collection[int]) -> str:
        return rolling.standby_tolerates_loss(seen, down) or (costs(reply["flink"]) if set(leads) & set(down) else "")

    return tolerates_loss


def unserved(
    results: Sequence[Mapping[str, Any]], kind: str, awaited: Mapping[str, Any], registered: Collection[str]
) -> list[Mapping[str, Any]]:
    """The results of a step whose members did not come to serve: only those go back.

    Args:
        results: of `service_step`, each with the member as `item`.
        kind: a key of `GROUPS`.
        awaited: reply of what waited for them.
        registered: ids of the TaskManagers that were stopped.
    """
    if kind != "taskmanager":
        return list(results)
    if not awaited.get("reachable"):
        return []  # no JobManager tells who is registered: nothing is known against them
    fresh = [each for each in awaited["task_managers"] if each["id"] not in registered]
    return [result for result in results if not _workers([result["item"]], {"task_managers": fresh})]


def _workers(members: Sequence[Described], reply: Reply) -> dict[int, Mapping[str, Any]]:
    """The registered TaskManagers of the inventory, by the member's id."""
    return {
        member["id"]: worker
        for member in members
        for worker in reply["task_managers"]
        # As in DNS: who publishes a name, and who reads it, may write it in capitals or not.
        if (worker["host"].lower() == member["address"].lower() and worker["port"] in member["ports"])
        or endpoints.endpoint(worker["host"], worker["port"]).lower() in member.get("known_as", ())
    }


def _workers_ready(members: Sequence[Described], reply: Reply) -> list[str]:
    registered = _workers(members, reply)
    return [member["name"] for member in members if member["id"] in registered]


def _workers_blockers(
    members: Sequence[Described], reply: Reply, run: Mapping[str, Any], allowed: Mapping[str, Any]
) -> list[str]:
    """Jobs that the roll would end: each step restarts those that run on its TaskManagers, at worst all of them."""
    changes = sum(to_do(member) and bool(member["live"]) for member in members)
    return lease_blockers(reply, run) + (
        [] if allowed["accept_restart_budget"] else budget_blockers(reply, math.ceil(changes / allowed["batch"]), run)
    )


def _workers_tolerance(members: Sequence[Described], reply: Reply) -> rolling.ToleratesLoss:
    workers = _workers(members, reply)

    def tolerates_loss(_members: Sequence[Member], down: Collection[int]) -> str:
        used = sum(worker["slots"] - worker["free_slots"] for number, worker in workers.items() if number in down)
        free = sum(worker["free_slots"] for number, worker in workers.items() if number not in down)
        if used > free:
            return f"its tasks need {used} slots, and the other TaskManagers have {free} free"
        return costs(reply) if used else ""

    return tolerates_loss


GROUPS = {
    "zookeeper": Group(
        _ensemble_ready,
        _ensemble_leader,
        lambda reply: reply["verdict"] != LOST,
        lambda members, reply, run, allowed: reply["voter_differences"],
        lambda members, reply: rolling.quorum_tolerates_loss,
    ),
    "jobmanager": Group(
        _managers_ready,
        _managers_leader,
        lambda reply: reply["verdict"] == "led",
        _managers_blockers,
        _managers_tolerance,
    ),
    "taskmanager": Group(
        _workers_ready,
        lambda members, reply: "",
        lambda reply: reply["reachable"],
        _workers_blockers,
        _workers_tolerance,
        has_leader=False,
    ),
}


def view(
    kind: str, members: Sequence[Described], reply: Reply, run: Mapping[str, Any], allowed: Mapping[str, Any]
) -> View:
    """The group as it was just read.

    Args:
        kind: a key of `GROUPS`.
        members: what is known of each; their processes as of the last step.
        reply: what the module that reads the group returned.
        run: tried and waited (names); of Flink also ran (ids of jobs), and in seconds start_timeout,
            checkpoint_wait and lease_seconds.
        allowed: what the operator allows.
    """
    group = GROUPS[kind]
    ready, leader = group.ready(members, reply), group.leader(members, reply)
    return View(
        members=[
            Member(
                name=member["name"],
                id=member["id"],
                state=_state(member, ready),
                running=member["running"],
                desired=member["desired"],
                votes=member["votes"],
                leads=member["name"] == leader,
                process=member["process"],
                restart_asked=member["restart_asked"],
                accepted=member.get("accepted", False),
            )
            for member in members
        ],
        serves=group.serves(reply),
        has_leader=group.has_leader,
        waited=run["waited"],
        tried=run["tried"],
        blockers=group.blockers(members, reply, run, allowed),
    )


def _state(member: Described, ready: Collection[str]) -> str:
    if member["name"] in ready:
        return READY
    if member.get("accepted"):
        return UNREACHABLE
    return UNREADY if member["live"] else DOWN


def policy(kind: str, members: Sequence[Described], reply: Reply, allowed: Mapping[str, Any]) -> Policy:
    """What the operator allows, with the group's own rule."""
    return Policy(
        tolerates_loss=GROUPS[kind].tolerates_loss(members, reply), **{name: allowed[name] for name in POLICY}
    )


def step(
    members: Sequence[Described], kind: str, reply: Reply, run: Mapping[str, Any], allowed: Mapping[str, Any]
) -> dict[str, Any]:
    """The next step, as `rolling.next_step` decides it, with the descriptions of its members and their roles."""
    seen = view(kind, members, reply, run, allowed)
    chosen = rolling.next_step(seen, policy(kind, members, reply, allowed))
    flink = _flink(kind, reply)
    asked = asked_jobs(flink, run) if flink else {"ran": [], "proven": []}
    calm = {}
    if kind == "taskmanager" and chosen.kind == CHANGE and not allowed["accept_restart_budget"]:
        calm = calm_needed(reply)
    if calm:
        chosen = Step(PAUSE, chosen.members, "a job restarted too short a time ago for its failure rate")
    roles = {member.name: _role(kind, member, reply) for member in seen.members}
    registered = _workers(members, reply) if kind == "taskmanager" else {}
    targets = [member for member in members if member["name"] in chosen.members]
    stopped = [registered[member["id"]]["id"] for member in targets if member["id"] in registered]
    return {
        **chosen.as_dict(),
        # A wait in vain counts until the member is seen to serve again.
        "waited": [name for name in run["waited"] if name not in {each.name for each in seen.members if each.ready}],
        **asked,
        "calm": calm,
        "checkpoint_wait": checkpoint_wait(flink, asked["proven"], run) if flink else 0,
        # Who was registered before and is not of the step: those that were missing are not asked for.
        "others": [
            endpoints.endpoint(worker["host"], worker["port"])
            for worker in (flink["task_managers"] if flink else [])
            if worker["id"] not in stopped
        ],
        # Who must have gone: a TaskManager that comes back has a new id.
        "registered": stopped,
        "targets": [{**member, "mode": roles[member["name"]]} for member in targets],
        "endpoints": [endpoint(member) for member in targets if member["ports"]],
    }


def plan_lines(
    members: Sequence[Described],
    kind: str,
    reply: Reply,
    run: Mapping[str, Any],
    allowed: Mapping[str, Any],
    label: str = "",
) -> list[str]:
    """Every step that is to come, in words, each line with the label of the group in front; with the kind without one."""
    label = label or kind
    steps = rolling.plan(view(kind, members, reply, run, allowed), policy(kind, members, reply, allowed))
    flink = _flink(kind, reply)
    if [each.kind for each in steps] == [rolling.DONE]:
        return [f"{label}: nothing to do, every member runs what it should"]
    lines = [f"{label}: {number}. {line(each)}" for number, each in enumerate(steps, 1) if each.kind != rolling.DONE]
    lines += [f"{label}: {each}" for each in _differences(members, [name for each in steps for name in each.members])]
    return lines + [f"{label}: {each}" for each in (job_lines(kind, flink, run, allowed) if flink else [])]


def _differences(members: Sequence[Described], names: Collection[str]) -> list[str]:
    """What is another than in what runs, once for all members that have the same differences."""
    found: dict[str, list[str]] = {}
    for member in members:
        if member["name"] in names and member.get("differs"):
            found.setdefault(", ".join(member["differs"]), []).append(member["name"])
    return [f"on {', '.join(concerned)} there differ: {what}" for what, concerned in found.items()]


def line(chosen: Step) -> str:
    """A step in words."""
    if chosen.kind == STOP:
        return f"stop: {chosen.reason}"
    return f"{chosen.kind} {', '.join(chosen.members)} ({chosen.reason})"


def _flink(kind: str, reply: Reply) -> Reply:
    """What `flink_job_info` said in this reply; nothing for the ensemble."""
    found: Reply = reply["flink"] if kind == "jobmanager" else reply if kind == "taskmanager" else {}
    return found


def _role(kind: str, member: Member, reply: Reply) -> str:
    """What it said that it was when it was decided on, as its host will be asked again; empty where it did not serve."""
    if kind != "zookeeper":
        return ""
    return next(server["mode"] for server in reply["servers"] if server["id"] == member.id) or ""


def after(
    members: Sequence[Described], names: Collection[str], results: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The members with what runs on them after a step, by the results of `service_step` in the order of the targets."""
    by_name = dict(zip([member["name"] for member in members if member["name"] in names], results, strict=True))
    return [
        {**member, **_now(by_name[member["name"]])} if member["name"] in by_name else dict(member) for member in members
    ]


def _now(result: Mapping[str, Any]) -> dict[str, Any]:
    return {"running": result["running"], "process": result["process"], "live": bool(result["process"])}
