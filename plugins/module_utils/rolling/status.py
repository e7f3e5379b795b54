"""What an operator reads: who leads at the end of a run, and the tables of `status`. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Columns of a line on the screen: 100 less what Ansible puts before a message.
WIDTH = 92
#: Longest name of a job in the table; status_json has it whole.
NAME = 24

#: Where the roles register the answers of the verification modules.
QUORUM, FLINK, JOBS = "__zookeeper_verdict", "__flink_ha_leader", "__flink_ha_jobs"


def answers(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> dict[str, Any]:
    """The answers of `zookeeper_quorum`, `leader_znode` and `flink_jobs` in this run; empty where one was not asked.

    The host that asked is whichever came first among those that could be reached.
    """
    found: dict[str, Any] = {"zookeeper": {}, "flink": {}, "jobs": {}}
    for host in hosts:
        for part, name, fact in (("zookeeper", QUORUM, "verdict"), ("flink", FLINK, "verdict"), ("jobs", JOBS, "jobs")):
            answer = hostvars[host].get(name) or {}
            if fact in answer:
                found[part] = found[part] or answer
    return found


def leaders(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> str:
    """Who leads, and how it is known: the text at the end of a run."""
    found = answers(hostvars, hosts)
    return "\n".join([*_ensemble_lines(found["zookeeper"]), *_flink_lines(found["flink"])])


def _ensemble_lines(answer: Mapping[str, Any]) -> list[str]:
    if not answer:
        return ["ZooKeeper: not asked"]
    leader = answer["leader"]
    who = f"leader {leader['address']} (id {leader['id']}, epoch {answer['epoch']})" if leader else "no leader"
    proof = ", a write was accepted" if answer["write_proof"] == "accepted" else ""
    return [
        f"ZooKeeper: {answer['verdict']}, {who}",
        f"  {answer['serving_voters']} of {answer['voters']} voters serve, "
        f"{answer['fault_tolerance_left']} more may be lost{proof}",
    ]


def _flink_lines(answer: Mapping[str, Any]) -> list[str]:
    if not answer:
        return ["Flink: not asked"]
    leader, managers = answer["leader"], answer["task_managers"]
    return [
        f"Flink: {answer['verdict']}, " + (f"leader {leader['address']}" if leader["address"] else "no leader"),
        *([f"  session {leader['session_id']}"] if leader["address"] else []),
        f"  {answer['contenders']} JobManagers in the election, "
        f"{managers['registered'] or 0} of {managers['expected']} TaskManagers registered",
    ]


def healthy(found: Mapping[str, Any]) -> bool:
    """Whether the ensemble is healthy and, where it was asked, Flink is led as expected, with every JobManager in its place and
    every job read."""
    flink = found["flink"]
    if found["zookeeper"].get("verdict") != "healthy":
        return False
    return not flink or (bool(flink["satisfied"]) and not missing_job_managers(flink) and not _unread(found))


def _unread(found: Mapping[str, Any]) -> list[str]:
    """Why the list of jobs is not the whole, where Flink was asked: what was not read is not well."""
    jobs = found.get("jobs", {})
    if not found["flink"] or jobs.get("complete"):
        return []
    return [f"the jobs could not all be read: {'; '.join(jobs.get('reasons', [])) or 'they were not asked for'}"]


def missing_job_managers(answer: Mapping[str, Any]) -> list[str]:
    """Why not all JobManagers of the inventory are in their place, in words; none where they are.

    Each has to stand in the election and to serve REST. After a crash its place in the election stays until its session
    ends, so that only REST tells; one that is cut off from the ensemble may go on with REST, and only the election tells.

    Args:
        answer: of `leader_znode`, which asked all JobManagers of the inventory; empty where Flink was not asked.
    """
    if not answer:
        return []
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


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """What `status_json` holds: the verdicts with all their facts."""
    keep = {
        part: {key: value for key, value in answer.items() if key not in ("invocation", "changed", "failed")}
        for part, answer in found.items()
    }
    return {"healthy": healthy(found)} | keep


def status_text(
    found: Mapping[str, Any],
    workers: Sequence[str] = (),
    unreached: Iterable[str] = (),
    hints: Iterable[str] = (),
) -> str:
    """What `status` shows: what is wrong, then the tables, then what is no fault and should be known.

    Args:
        found: what `answers` gave.
        workers: addresses of the TaskManagers of the inventory.
        unreached: hosts that cannot be reached over SSH.
        hints: sentences.
    """
    quorum, flink, running = found["zookeeper"], found["flink"], found.get("jobs", {})
    wrong = [
        *(f"{host} cannot be reached over SSH" for host in unreached),
        *_reasons(quorum),
        *missing_job_managers(flink),
        *_reasons(flink),
        *_unread(found),
    ]
    parts = [
        [line for reason in wrong for line in _wrapped("! ", reason)],
        _ensemble_lines(quorum),
        _servers(quorum),
        _flink_lines(flink),
        _job_managers(flink),
        *(_running(running, workers) if running.get("reachable") else ()),
        [line for hint in hints for line in _wrapped("", hint)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _wrapped(mark: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=mark, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _servers(answer: Mapping[str, Any]) -> list[str]:
    if not answer:
        return []
    return _table(("id", "server", "mode", "zxid", "outstanding", "release"), map(_server, answer["servers"]))


def _job_managers(answer: Mapping[str, Any]) -> list[str]:
    if not answer:
        return []
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


def _workers(registered: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> list[tuple[Any, ...]]:
    """A row for each TaskManager of the inventory, and for each that is in none."""
    rows: list[tuple[Any, ...]] = []
    for address in dict.fromkeys(wanted):
        here = [each for each in registered if each["host"].lower() == address.lower()]
        rows += [(f"{address}:{each['port']}", each["slots"], each["free_slots"]) for each in here]
        # A host may have several.
        rows += [(address, "not registered", "")] * (list(wanted).count(address) - len(here))
    known = {address.lower() for address in wanted}
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
