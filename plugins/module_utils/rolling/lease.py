"""The lock of a roll: a lease on a majority of the voters' hosts, so that two runs never change one ensemble.

A lease is one small file per host. Whether it may be had is decided on that host, by that host's own clock. It ends by
release, by time, or when the process that held it is dead, which only its own controller can tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.quorum import majority

#: Fields that say who holds a lease: run id, host, machine id, boot id, pid namespace, pid and start time of the
#: controller's process, the user, and what for.
HOLDER = ("run", "host", "machine", "boot", "namespace", "pid", "started", "user", "purpose")

#: How much longer a lease has to last when a step begins, in seconds: more than the last look at the others takes.
STEP_SECONDS = 30.0

Lease = Mapping[str, Any]


def grants(held: Lease, request: Lease, now: float, dead: Collection[str] = ()) -> bool:
    """Whether a host gives its lease: nobody else holds it, the time is over, or the holder is known to be dead.

    Args:
        held: what the host's file says; empty without one.
        request: who asks.
        now: the host's clock, seconds since 1970.
        dead: runs whose process is known not to live any more.
    """
    return not held or held["run"] == request["run"] or held["expires"] <= now or held["run"] in dead


def kept(held: Lease, mine: Lease) -> bool:
    """Whether the lease is still this run's, even if its time is over: nobody else has had it since.

    A run goes on only while it kept a majority. A lease that was free to be had again proves nothing: a controller that
    was suspended for an hour would go on with its old configuration after another run has rolled out a newer one.
    """
    return bool(held) and held["run"] == mine["run"]


def lease(request: Lease, now: float, duration: float) -> dict[str, Any]:
    """What a host notes when it gives its lease, for `duration` seconds."""
    return {**{name: request[name] for name in HOLDER}, "renewed": now, "expires": now + duration}


def won(granted: Collection[str], voters: Collection[str]) -> bool:
    """Whether the hosts that gave their lease are a majority of the voters' hosts, which no other run can have too."""
    return len(set(granted) & set(voters)) >= majority(len(set(voters)))


def asked_first(voters: Sequence[str], own: Collection[str], unreached: Collection[str] = ()) -> list[str]:
    """Whom to ask for a renewal: with the hosts of the step just a majority, so that a healthy run costs no more executions.

    The others are asked only where these do not suffice: one that is down takes nothing from a majority that is held.

    Args:
        voters: hosts of the voters, in the inventory's order.
        own: hosts of the step, which renew their own lease in it.
        unreached: hosts that the run goes on without; they come last.
    """
    others = sorted((host for host in voters if host not in own), key=lambda host: host in unreached)
    missing = majority(len(voters)) - (len(voters) - len(others))
    return others[: max(0, missing)]


def granted_on(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Hosts that gave their lease, of what a loop over `run_lease` registered."""
    return [result["item"] for result in results if result.get("granted")]


def refusal(
    results: Sequence[Mapping[str, Any]], counted: Collection[str], voters: Collection[str], locked: bool
) -> str:
    """Why this run must not go on, in words; empty where it has the lock.

    Args:
        results: what each host that was asked said, as a loop over `run_lease` registers it.
        counted: hosts of the step, which are asked in it.
        voters: hosts of the voters.
        locked: this run has had the lock.
    """
    if won([*granted_on(results), *counted], voters):
        return ""
    holders = list(dict.fromkeys(result["told"] for result in results if result.get("told")))
    silent = [result["item"] for result in results if "granted" not in result]
    reasons = [*holders, *([f"no answer from {', '.join(silent)}"] if silent else [])]
    what = (
        "This run lost the lock" if locked else "Another run holds the lock" if holders else "The lock is not to be had"
    )
    ways = ["Wait for it; where it is certain that it is over: rolling_take_over=true."] if holders else []
    ways += ["A majority of the voters' hosts has to answer."] if silent else []
    return f"{what}: {'; '.join(reasons)}. {' '.join(ways)}"


def is_dead(held: Lease, mine: Lease, started_of: Mapping[int, str]) -> bool:
    """Whether the holder's process is known to be dead: it ran on this controller, and does not any more.

    Args:
        held: the lease of another run.
        mine: who asks; of the same controller when host and machine id are equal.
        started_of: start time of the processes of this pid namespace, by pid.
    """
    if (held["host"], held["machine"]) != (mine["host"], mine["machine"]):
        return False
    if held["boot"] != mine["boot"]:
        return True
    # A pid says something only among the processes that this one can see.
    if held["namespace"] != mine["namespace"]:
        return False
    return started_of.get(int(held["pid"]), "") != str(held["started"])


def forbids(held: Lease, run: str, now: float) -> str:
    """Why the lease of a host forbids this run to begin a step there; empty where it may.

    A controller may have stood still since it renewed its leases. So a host without a lease does not let it act either:
    it has been booted since, and others may have the lock.

    Args:
        held: what the host's file says; empty without one.
        run: who wants to act.
        now: the host's clock, seconds since 1970.
    """
    if not held:
        return "this host has no lease of this run: it was taken back, or the host has been booted since"
    if held["run"] != run:
        return f"another run holds this host's lease: {told(held, now)}"
    left = held["expires"] - now
    return "" if left >= STEP_SECONDS else f"this run's lease of this host ends in {left:.0f} s, too soon for a step"


def told(held: Lease, now: float) -> str:
    """Who holds a lease, in words."""
    return (
        f"{held['user']}@{held['host']}, process {held['pid']}, run {held['run']}, for {held['purpose']}; "
        f"it ends in {max(0.0, held['expires'] - now):.0f} s unless it is renewed"
    )
