"""What a probe's result says: problems, shares of the members' steps, lines for the screen. Without I/O.

A result is what writer.py leaves; a step is `{member, began, ended}` in unix time, of a clock that agrees
with that of the probe's host.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]
Step = Mapping[str, Any]


def problems(result: Result) -> list[str]:
    """What speaks against "no write and no session was lost", in words; empty when nothing does."""
    if not result:
        return ["the probe left no result"]
    found = []
    if result["error"]:
        found.append(f"the probe ended early: {result['error']}")
    elif not result["complete"]:
        found.append(f"the probe was killed after {_clock_time(result['ended'])}, its result ends there")
    if not result["writes"]:
        found.append("no write was acknowledged")
    if result["missing"]:
        found.append(f"{_count(result['missing'], 'acknowledged write')} missing afterwards")
    elif result["missing"] is None:
        found.append("the last acknowledged write could not be read back")
    if result["zxid_regressions"]:
        found.append(f"{_count(result['zxid_regressions'], 'write')} got a zxid below an earlier one's")
    if result["failures"]:
        first = result["failed"][0]
        found.append(
            f"{_count(result['failures'], 'write')} failed, the first at {_clock_time(first['at'])}: {first['error']}"
        )
    if result["sessions_lost"]:
        found.append(f"{_count(result['sessions_lost'], 'session')} lost")
    return found


def verified(result: Result, data: bytes | None) -> dict[str, Any]:
    """A result whose writer was killed, with what its znode holds now: are acknowledged writes missing?

    The result was saved up to a second before the writer's end, so the znode may be ahead of it, and never behind.

    Args:
        result: a result without a count of missing writes.
        data: the znode's data, after a sync; None where there is no znode.
    """
    token, _space, text = (data or b"").decode("ascii", "replace").partition(" ")
    if data is not None and (token != result["token"] or not text.isdecimal()):
        return dict(result)
    number, last = int(text or 0), int(result["last_number"])
    failed = sum(1 for each in result["unacknowledged"] if number < each <= last)
    return {**result, "missing": int(result["missing_seen"]) + max(0, last - number - failed)}


def leader_changes(result: Result) -> dict[str, int]:
    """How often the holder of each watched znode changed, by path.

    A change is another owner or other data (Flink writes a new session id for each leadership). That a znode is gone
    is none: whether anybody else took over is seen when it is back.
    """
    changes: dict[str, int] = {}
    holders: dict[str, tuple[str, str]] = {}
    for each in result.get("watched", ()):
        path = each["path"]
        changes.setdefault(path, 0)
        if each["exists"]:
            holder = (each["ephemeral_owner"], each["data"])
            changes[path] += holders.get(path, holder) != holder
            holders[path] = holder
    return changes


def shifted(steps: Sequence[Step], ahead: float) -> list[Step]:
    """Steps as the clock of another host tells their times, which is so many seconds ahead."""
    return [{**each, "began": each["began"] + ahead, "ended": each["ended"] + ahead} for each in steps]


def attribute(result: Result, steps: Sequence[Step]) -> dict[str, dict[str, Any]]:
    """What fell into each member's steps: writes (by whole seconds, shared out), failures, longest stall, lost sessions.

    A stall belongs to the step in which it began, or else to the first that it reached into.

    Returns:
        By member, in the order of the steps: seconds, writes, failures, longest_stall_ms, sessions_lost.
    """
    members: dict[str, dict[str, Any]] = {}
    stalls = [_step_of(stall["at"], _stall_end(result, stall), steps) for stall in result.get("stalls", ())]
    for index, step in enumerate(steps):
        began, ended = float(step["began"]), float(step["ended"])
        entry = members.setdefault(
            step["member"], {"seconds": 0.0, "writes": 0, "failures": 0, "longest_stall_ms": 0.0, "sessions_lost": 0}
        )
        entry["seconds"] = round(entry["seconds"] + ended - began, 3)
        if not result:
            continue
        listed = [
            stall["seconds"] * 1000 for stall, at in zip(result["stalls"], stalls, strict=True) if at == index
        ] or [_unlisted(result, began, ended)]
        entry["writes"] += _writes(result, began, ended)
        entry["failures"] += _within(result["failed"], began, ended)
        entry["sessions_lost"] += _within(result["lost"], began, ended)
        entry["longest_stall_ms"] = round(max(entry["longest_stall_ms"], *listed), 1)
    return members


def report_lines(result: Result, steps: Sequence[Step]) -> list[str]:
    """The result for the screen: totals, the longest stall and where it fell, a line per member, problems."""
    if not result:
        return ["availability: the probe left no result"]
    latency = result["latency_ms"]
    lines = [
        f"availability: {_count(result['writes'], 'write')} in {result['ended'] - result['started']:.1f} s "
        f"(one every {result['interval_ms']:g} ms)",
        f"  {result['failures']} failed, {result['retries']} retried, "
        f"{'?' if result['missing'] is None else result['missing']} missing, {result['sessions_lost']} sessions lost",
        f"  longest stall {result['longest_stall_ms'] / 1000:.2f} s{_where(result, steps)}",
        f"  a write took {latency['p50']:g} ms (median), {latency['p99']:g} ms (99 %), {latency['max']:g} ms (longest)",
    ]
    shares = attribute(result, steps)
    width = max((len(name) for name in shares), default=0)
    for name, share in shares.items():
        lines.append(
            f"  {name:{width}}  step {share['seconds']:6.1f} s  longest stall {share['longest_stall_ms'] / 1000:5.2f} s  "
            f"{share['writes']:6d} writes  {share['failures']} failed  {share['sessions_lost']} sessions lost"
        )
    for path, count in leader_changes(result).items():
        lines.append(f"  {path}: {_count(count, 'change')} of its holder")
    lines += [f"  NOT PROVED: {problem}" for problem in problems(result)]
    return lines


def _where(result: Result, steps: Sequence[Step]) -> str:
    longest = max(result["stalls"], key=lambda stall: float(stall["seconds"]), default=None)
    if longest is None:
        return ""
    index = _step_of(longest["at"], _stall_end(result, longest), steps)
    during = "" if index is None else f" during the step of {steps[index]['member']}"
    return f" at {_clock_time(longest['at'])}{during}, connected to {longest['server']}"


def _step_of(began: float, ended: float, steps: Sequence[Step]) -> int | None:
    for index, step in enumerate(steps):
        if step["began"] <= began < step["ended"]:
            return index
    for index, step in enumerate(steps):
        if began < step["ended"] and ended > step["began"]:
            return index
    return None


def _stall_end(result: Result, stall: Mapping[str, Any]) -> float:
    return float(stall["at"] + stall["seconds"] + result["interval_ms"] / 1000)


def _unlisted(result: Result, began: float, ended: float) -> float:
    """The longest stall too short for the list; a longer one in these seconds is listed, for another step."""
    gaps = result["per_second"]["longest_ms"]
    first, end = math.floor(began - result["started"]), math.ceil(ended - result["started"])
    within = (gap for gap in gaps[max(0, first) : max(0, end)] if gap <= result["stall_threshold_ms"])
    return max(within, default=0.0)


def _writes(result: Result, began: float, ended: float) -> int:
    total = 0.0
    for index, writes in enumerate(result["per_second"]["writes"]):
        second = result["started"] + index
        total += writes * max(0.0, min(ended, second + 1) - max(began, second))
    return round(total)


def _within(entries: Sequence[Mapping[str, Any]], began: float, ended: float) -> int:
    return sum(1 for entry in entries if began <= entry["at"] < ended)


def _clock_time(at: float) -> str:
    return time.strftime("%H:%M:%SZ", time.gmtime(at))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
