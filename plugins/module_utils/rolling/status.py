"""What an operator reads: who leads at the end of a run, and the tables of `status`. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import record

#: Columns of a line on the screen: 100 less what Ansible puts before a message.
WIDTH = 92
#: Longest name of a job in the table; status_json has it whole.
NAME = 24

#: What elects, for people.
SYSTEMS = {
    "flink": "Flink",
    "hdfs": "HDFS",
    "yarn": "YARN",
    "kafka": "Kafka",
    "latch": "the latch",
    "ephemeral": "the node",
}

#: Where the roles note the answers of the verification modules; of Flink a loop's, one for each cluster.
QUORUM, LEADER, JOBS = "zookeeper_verdict", "flink_ha_leader", "flink_ha_jobs"
#: Why an application on YARN does not run.
ABSENT = "flink_ha_absent"
#: Of an application on YARN that runs, what became of its attempts before.
FAILED_ATTEMPTS = "flink_ha_failed_attempts"
#: Answer of `flink_leftovers`.
LEFT = "flink_ha_left"
#: Where that is what Flink uploaded for applications on YARN that have ended.
UPLOADS = "flink_ha_uploads"
#: The same of zookeeper_clients.
CLIENTS = "zookeeper_client_leaders"

#: What Ansible adds to an answer.
INTERNAL = ("invocation", "changed", "failed", "item", "ansible_loop_var", "attempts")
NOT_ASKED = ["Flink: not asked"]
ELSEWHERE = "ZooKeeper: of another inventory, which asks it"

#: What `answers` gives.
Found = Mapping[str, Any]


def place(client: Mapping[str, Any]) -> str:
    """A system that elects in the ensemble, for people.

    Args:
        client: kind and path.
    """
    return f"{SYSTEMS[client['kind']]} at {client['path']}"


def answers(
    hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], *, elsewhere: bool = False
) -> dict[str, Any]:
    """What was answered in this run, by whichever host asked.

    Args:
        hostvars: of all hosts.
        hosts: those that may have asked.
        elsewhere: the ensemble is not in this inventory.

    Returns:
        zookeeper: the answer of `zookeeper_quorum`; empty where it was not asked.
        elsewhere: as it was given.
        clusters: of each Flink cluster that was asked, flink (answer of `leader_znode`), jobs (answer of `flink_job_info`; empty where
            it was not asked) and workers (addresses of its TaskManagers in the inventory).
        clients: answers of `leader_znode` for zookeeper_clients; one that could not be asked has `msg`, and no verdict.
        unasked: why others could not be asked, each in a sentence.
        left: what clusters have left in ZooKeeper, as `flink_leftovers` tells it.
    """
    found: dict[str, Any] = {
        "zookeeper": {},
        "elsewhere": elsewhere,
        "clusters": [],
        "clients": [],
        "unasked": [],
        "left": [],
        "failed_attempts": [],
        "uploads": [],
    }
    for host in hosts:
        given = hostvars[host]
        if "verdict" in (given.get(QUORUM) or {}):
            found["zookeeper"] = found["zookeeper"] or given[QUORUM]
        found["clients"] = found["clients"] or (given.get(CLIENTS) or {}).get("results", [])
        leaders = (given.get(LEADER) or {}).get("results", [])
        found["clusters"] = found["clusters"] or _clusters(leaders, (given.get(JOBS) or {}).get("results", []))
        unasked = [
            f"Flink {each['item']['id']}: {each.get('msg') or 'who leads could not be asked'}"
            for each in leaders
            if "verdict" not in each and "item" in each and not each.get("skipped")
        ]
        # Those of another cluster's application are told by its own host, too.
        known = [other["id"] for other in found["left"]]
        found["left"] += [each for each in (given.get(LEFT) or {}).get("found", []) if each["id"] not in known]
        # Each client host tells the same.
        for name, fact in (("failed_attempts", FAILED_ATTEMPTS), ("uploads", UPLOADS)):
            found[name] = list(dict.fromkeys([*found[name], *(given.get(fact) or [])]))
        absent = [f"Flink: {given[ABSENT]}"] if given.get(ABSENT) else []
        found["unasked"] = list(dict.fromkeys([*found["unasked"], *unasked, *absent]))
    return found


def _clusters(leaders: Sequence[Mapping[str, Any]], jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    nothing: dict[str, Any] = {}
    replies = zip_longest(leaders, jobs, fillvalue=nothing)
    return [
        {"flink": leader, "jobs": each if "jobs" in each else {}, "workers": each.get("item", {}).get("workers", [])}
        for leader, each in replies
        if "verdict" in leader
    ]


def leaders(
    hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], groups: Mapping[str, Sequence[str]]
) -> str:
    """Who leads, and how it is known: the text at the end of a run.

    Args:
        hostvars: of all hosts.
        hosts: of the run.
        groups: of the inventory.
    """
    found = answers(hostvars, hosts, elsewhere=not groups.get("zookeeper"))
    flink = [line for each in found["clusters"] for line in _flink_lines(each["flink"], found)] or NOT_ASKED
    return "\n".join([*_ensemble_lines(found), *flink])


def _ensemble_lines(found: Found) -> list[str]:
    answer = found["zookeeper"]
    if not answer:
        return [ELSEWHERE if found.get("elsewhere") else "ZooKeeper: not asked"]
    leader = answer["leader"]
    who = f"leader {leader['address']} (id {leader['id']}, epoch {answer['epoch']})" if leader else "no leader"
    proof = ", a write was accepted" if answer["write_proof"] == "accepted" else ""
    return [
        f"ZooKeeper: {answer['verdict']}, {who}",
        f"  {answer['serving_voters']} of {answer['voters']} voters serve, "
        f"{answer['fault_tolerance_left']} more may be lost{proof}",
    ]


def _flink_lines(answer: Mapping[str, Any], found: Found) -> list[str]:
    leader, managers = answer["leader"], answer["task_managers"]
    if _application(answer):
        candidates = f"one JobManager, which YARN starts anew; {managers['registered'] or 0} TaskManagers registered"
    else:
        candidates = (
            f"{answer['contenders']} JobManagers in the election, "
            f"{managers['registered'] or 0} of {managers['expected']} TaskManagers registered"
        )
    return [
        f"{_cluster(answer, found)}: {answer['verdict']}, "
        + (f"leader {leader['address']}" if leader["address"] else "no leader"),
        *([f"  session {leader['session_id']}"] if leader["address"] else []),
        f"  {candidates}",
    ]


def _cluster(answer: Mapping[str, Any], found: Found) -> str:
    """A cluster's name on the screen: with its path in ZooKeeper where there are several; on YARN that of the application."""
    if _application(answer):
        return f"Flink on YARN, {_application(answer)}"
    return f"Flink {answer['cluster_path']}" if len(found["clusters"]) > 1 else "Flink"


def _application(answer: Mapping[str, Any]) -> str:
    """Id of the application on YARN; empty for a standalone cluster."""
    name = str(answer["cluster_path"]).rpartition("/")[2]
    return name if re.fullmatch(record.ID, name) else ""


def healthy(found: Found) -> bool:
    """Whether the ensemble is healthy, each system that is named as its client is led, and each Flink cluster that was asked is led as
    expected, with every JobManager in its place and every job read. Of an ensemble of another inventory, whether Flink is led."""
    return (
        (bool(found["clusters"]) if found.get("elsewhere") else found["zookeeper"].get("verdict") == "healthy")
        and not found["unasked"]
        and not _leaderless(found["clients"])
        and all(
            each["flink"]["satisfied"] and not missing_job_managers(each["flink"]) and not _unread(each["jobs"])
            for each in found["clusters"]
        )
    )


def _leaderless(clients: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which systems that elect in the ensemble are not led, in words."""
    told = []
    for each in clients:
        if each.get("verdict") != "led":
            why = "; ".join(each.get("reasons", [])) or each.get("msg") or "it could not be asked"
            told.append(f"{place(each['item'])}: {each.get('verdict', 'not asked')}: {why}")
    return told


def _unread(jobs: Mapping[str, Any]) -> list[str]:
    """Why the list of jobs is not the whole: what was not read is not well."""
    if jobs.get("complete"):
        return []
    return [f"the jobs could not all be read: {'; '.join(jobs.get('reasons', [])) or 'they were not asked for'}"]


def missing_job_managers(answer: Mapping[str, Any]) -> list[str]:
    """Why not all JobManagers of the inventory are in their place, in words; none where they are.

    Each has to stand in the election and to serve REST. After a crash its place in the election stays until its session
    ends, so that only REST tells; one that is cut off from the ensemble may go on with REST, and only the election tells.

    Args:
        answer: of `leader_znode`, which asked all JobManagers of the cluster.
    """
    silent = [each for each in answer["rest"] if each["status"] != 200 or not each["overview"]]
    missing = [
        f"JobManager {each['address']}:{each['rest_port']} does not serve: its REST "
        + (f"answers {each['status']}" if each["status"] else "does not answer")
        for each in silent
    ]
    expected = len(answer["rest"])
    if answer["contenders"] < expected:
        answering = "" if silent else ", although REST of all answers: their logs say which of them lost its session"
        missing.append(f"{answer['contenders']} of {expected} JobManagers are in the election{answering}")
    return missing


def summary(found: Found) -> dict[str, Any]:
    """What `status_json` holds: the verdicts with all their facts. `flink` and `jobs` are those of the first cluster."""
    clusters = [{"flink": _facts(each["flink"]), "jobs": _facts(each["jobs"])} for each in found["clusters"]]
    first = clusters[0] if clusters else {"flink": {}, "jobs": {}}
    return {
        "healthy": healthy(found),
        "zookeeper": _facts(found["zookeeper"]),
        **first,
        "flink_clusters": clusters,
        "flink_leftovers": found.get("left", []),
        "failed_attempts": found.get("failed_attempts", []),
        "uploads": found.get("uploads", []),
        "zookeeper_clients": [{**each["item"], **_facts(each)} for each in found["clients"]],
    }


def _facts(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in INTERNAL}


def ensemble_text(answer: Mapping[str, Any]) -> str:
    """The ensemble alone, in the lines of `status_text`."""
    return status_text({"zookeeper": answer, "clusters": [], "clients": [], "unasked": []})


def status_text(found: Found, unreached: Iterable[str] = (), hints: Iterable[str] = ()) -> str:
    """What `status` shows: what is wrong, then the tables, then what is no fault and should be known.

    Args:
        found: what `answers` gave.
        unreached: hosts that cannot be reached over SSH.
        hints: sentences.
    """
    quorum, clusters = found["zookeeper"], found["clusters"]
    wrong = [*(f"{host} cannot be reached over SSH" for host in unreached), *_reasons(quorum), *found["unasked"]]
    wrong += _leaderless(found["clients"])
    for each in clusters:
        told = [*missing_job_managers(each["flink"]), *_reasons(each["flink"]), *_unread(each["jobs"])]
        wrong += [reason if len(clusters) == 1 else f"{_cluster(each['flink'], found)}: {reason}" for reason in told]
    parts = [
        [line for reason in wrong for line in _wrapped("! ", reason)],
        _ensemble_lines(found),
        _servers(quorum),
        _others(found["clients"]),
        *([part for each in clusters for part in _cluster_parts(each, found)] or [NOT_ASKED]),
        [line for each in found.get("left", ()) for line in _wrapped("", _left(each))],
        [line for text in found.get("uploads", ()) for line in _wrapped("", f"{text} (playbooks/clean.yml)")],
        [line for text in found.get("failed_attempts", ()) for line in _wrapped("", text)],
        [line for hint in hints for line in _wrapped("", hint)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _left(each: Mapping[str, Any]) -> str:
    if not each["nodes"]:
        return f"whether {each['id']} has left anything in ZooKeeper is not known: {each['told']}"
    return f"{each['id']} has {each['nodes']} nodes in ZooKeeper and no process: {each['told']} (playbooks/clean.yml)"


def _cluster_parts(cluster: Mapping[str, Any], found: Found) -> list[list[str]]:
    jobs, workers = cluster["jobs"], cluster["workers"]
    if _application(cluster["flink"]):
        # As many as YARN has given, wherever that is.
        workers = [each["host"] for each in jobs.get("task_managers", ())]
    return [
        _flink_lines(cluster["flink"], found),
        _job_managers(cluster["flink"]),
        *(_running(jobs, workers) if jobs.get("reachable") else ()),
    ]


def _wrapped(mark: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=mark, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _servers(answer: Mapping[str, Any]) -> list[str]:
    if not answer:
        return []
    return _table(("id", "server", "mode", "zxid", "outstanding", "release"), map(_server, answer["servers"]))


def _others(clients: Sequence[Mapping[str, Any]]) -> list[str]:
    if not clients:
        return []
    rows = [
        (
            each["item"]["kind"],
            each["item"]["path"],
            each.get("leader", {}).get("address") or "none",
            each.get("contenders", "-"),
        )
        for each in clients
    ]
    return _table(("system", "elects at", "leader", "candidates"), rows)


def _job_managers(answer: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            f"{each['address']}:{each['rest_port']}",
            "leads" if each["leads"] else "stands by",
            each["status"] or "none",
            each["overview"].get("flink_version", "-") if each["overview"] else "-",
        )
        for each in answer["rest"]
    ]
    return _table(("JobManager", "role", "REST", "release"), rows)


def _running(answer: Mapping[str, Any], workers: Sequence[str]) -> list[list[str]]:
    jobs = [_job(job, answer["clock_ms"]) for job in answer["jobs"]]
    return [
        _table(("TaskManager", "slots", "free"), _workers(answer["task_managers"], workers)),
        _table(("job", "name", "state", "restarts", "checkpoint"), jobs) if jobs else [],
    ]


def _workers(registered: Sequence[Mapping[str, Any]], expected: Sequence[str]) -> list[tuple[Any, ...]]:
    """A row for each TaskManager of the inventory, and for each that is in none."""
    rows: list[tuple[Any, ...]] = []
    for address in dict.fromkeys(expected):
        here = [each for each in registered if each["host"].lower() == address.lower()]
        rows += [(f"{address}:{each['port']}", each["slots"], each["free_slots"]) for each in here]
        # A host may have several.
        rows += [(address, "not registered", "")] * (list(expected).count(address) - len(here))
    known = {address.lower() for address in expected}
    strays = [each for each in registered if each["host"].lower() not in known]
    return rows + [(f"{each['host']}:{each['port']}", "not in the inventory", each["free_slots"]) for each in strays]


def _job(job: Mapping[str, Any], clock_ms: int) -> tuple[Any, ...]:
    age = (
        f"{max(0, clock_ms - job['latest_checkpoint_at']) // 1000} s ago" if job["latest_checkpoint_at"] else "none yet"
    )
    restarts = "-" if job["restarts"] is None else job["restarts"]
    name = job["name"] if len(job["name"]) <= NAME else f"{job['name'][: NAME - 1]}…"
    return (job["id"], name, job["state"], restarts, age if job["checkpointing"] else "takes none")


def _server(server: Mapping[str, Any]) -> tuple[Any, ...]:
    mode = server["mode"] or ("not serving" if server["answers"] else "no answer")
    shown = [server["zxid"], server["outstanding"], server["version"]]
    address = f"{server['address']}:{server['client_port']}"
    return (server["id"], address, mode, *("-" if value is None else value for value in shown))


def _reasons(answer: Mapping[str, Any]) -> list[str]:
    return [*answer.get("reasons", []), *answer.get("cautions", [])]


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    cells = [[str(cell) for cell in row] for row in [headings, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [f"  {line}" for line in lines]
