"""`make bench`, second part: what a roll of ZooKeeper costs its clients and its operator.

Rolls three members through a changed configuration, again and again, under a client that writes every 5 ms. After each roll
the leader is stopped by hand under the same client, once with `systemctl kill --signal=KILL` and once with `systemctl
restart`: the best of all is the floor.
It asserts nothing: machines are noisy, so quote ratios of one run, with the load that is printed beside them, and with the
stalls that clients met while no member was being changed, which are the machine's own.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import os
from pathlib import Path
from typing import Any

from ensemble import INVENTORY, UNIT, Ensemble, Session, Watch, probing, stalls_ms, summary, until
from hosts import RESULTS, Run, Task, booted, median, play, save

#: Any value that no roll before it had makes a new generation.
FIRST_LIMIT = 100
STEP_MODULE = "streamquorum.ha.service_step"
#: Tasks that are a member's own stop, start and sync, or the wait for it.
OWN_FILES = ("rolling/tasks/await_zookeeper.yml",)
#: What a roll does before its first turn and after its last one.
AROUND = ("rolling/tasks/main.yml", "rolling/tasks/roll.yml")
#: After the first, systemd starts the member again in RestartSec; the second starts it while the others elect.
BY_HAND = (("systemctl", "kill", "--signal=KILL"), ("systemctl", "restart"))
MOST_TOLD = 14


def turns(run: Run) -> list[list[Task]]:
    """The tasks of the roll, a list a turn; each turn ends where the next begins, the last one with the loop."""
    found: list[list[Task]] = []
    for task in run.tasks:
        if task.path.endswith("rolling/tasks/step.yml"):
            found.append([])
        if found and "rolling/tasks/" in task.path and not task.path.endswith(AROUND):
            found[-1].append(task)
        elif found and found[-1]:
            break
    return found


def is_own(task: Task) -> bool:
    return task.action == STEP_MODULE or task.path.endswith(OWN_FILES)


def members(run: Run, watch: Watch) -> list[dict[str, Any]]:
    """What each member's step took, in seconds.

    wall: from its turn to the next one. tasks: the tasks that stop, start and wait. out: as it was seen from outside, from its
    first not serving to its serving. beyond, beyond_out: the rest of wall, without these.
    """
    told = []
    for turn in turns(run):
        own = sum(task.seconds for task in turn if is_own(task))
        began, ended = turn[0].began, turn[-1].began + turn[-1].seconds
        hosts = [each["host"] for each in run.modules if each["module"] == STEP_MODULE and began <= each["at"] < ended]
        restarts = [task for task in turn if is_own(task)]
        # One that the guard or a moved process forbade is not waited for; a later turn makes it.
        if len(restarts) < 2:
            continue
        out = watch.out_of_service(hosts[0], began, ended)
        wall = ended - began
        told.append(
            {
                "member": hosts[0],
                "began": restarts[0].began,
                "ended": restarts[-1].began + restarts[-1].seconds,
                "wall": round(wall, 2),
                "tasks": round(own, 2),
                "out": round(out, 2),
                "beyond": round(wall - own, 2),
                "beyond_out": round(wall - out, 2),
            }
        )
    return told


def one_roll(ensemble: Ensemble, number: int) -> dict[str, Any]:
    until("the ensemble is whole", ensemble.whole)
    watch = Watch(ensemble.members)
    with probing("roll", ensemble.servers) as probe:
        watch.start()
        load = os.getloadavg()[0]
        run = play(INVENTORY, "playbooks/zookeeper.yml", "-e", f"zookeeper_max_client_cnxns={FIRST_LIMIT + number}")
        until("the ensemble is whole", ensemble.whole)
        result = probe.end()
    watch.end()
    steps = members(run, watch)
    in_steps = stalls_ms(result, steps)
    for step, stall in zip(steps, in_steps, strict=True):
        step["stall_ms"] = stall
    in_turns = sum(step["wall"] for step in steps)
    role = [task for task in run.tasks if "roles/rolling/" in task.path]
    in_role = role[-1].began + role[-1].seconds - role[0].began
    return {
        "wall": run.wall,
        "rolling_role": round(in_role, 2),
        "rolling_role_beside_steps": round(in_role - in_turns, 2),
        "members": steps,
        "stall_ms": result["longest_stall_ms"],
        "stall_in_steps_ms": max(in_steps),
        "stall_elsewhere_ms": elsewhere_ms(result, steps),
        "stalls": result["stalls"],
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "probe": summary(result),
        "tasks": [dataclasses.asdict(task) for task in run.tasks],
        "modules": run.modules,
    }


def elsewhere_ms(result: dict[str, Any], steps: list[dict[str, Any]]) -> float:
    """The longest stall of the time in which no member was being changed; at most the threshold where none is listed."""
    stalls = [
        stall["seconds"] * 1000
        for stall in result["stalls"]
        if all(stall["at"] >= step["ended"] or stall["at"] + stall["seconds"] <= step["began"] for step in steps)
    ]
    return round(max(stalls, default=float(result["stall_threshold_ms"])), 1)


def one_stop(ensemble: Ensemble, *command: str) -> dict[str, Any]:
    """The leader stopped by hand."""
    with probing("floor", ensemble.servers) as probe, Session(ensemble.servers, "floor") as session:
        step = ensemble.stop_leader(session, *command, UNIT)
        result = probe.end()
    return {
        "command": " ".join(command),
        "leader": step["leader"],
        "stall_ms": stalls_ms(result, [step])[0],
        "probe": summary(result),
    }


def costs(rolls: list[dict[str, Any]]) -> list[tuple[str, float, float, float]]:
    """Where the role's own time goes: (task, times a roll, median ms of one, ms a roll), the dearest first."""
    seconds = collections.defaultdict(list)
    for roll in rolls:
        for each in roll["tasks"]:
            task = Task(**each)
            if "roles/rolling/" in task.path and not is_own(task):
                seconds[f"{task.name} ({Path(task.path).name})"].append(task.seconds * 1000)
    rows = [(name, len(each) / len(rolls), median(each), sum(each) / len(rolls)) for name, each in seconds.items()]
    return sorted(rows, key=lambda row: -row[3])


def show(figures: dict[str, Any]) -> None:
    rolls, stops = figures["rolls"], figures["stops"]
    print(
        f"\n{'roll':>4} {'stall ms':>9} {'failed':>6} {'lost':>4} {'sessions':>8} {'wall s':>7} {'load':>10}"
        f"  a member: wall = tasks + beyond (out of service, wall without it), s"
    )
    for number, roll in enumerate(rolls, 1):
        probe = roll["probe"]
        steps = "; ".join(
            f"{each['member'].split('.')[0]} {each['wall']:.1f} = {each['tasks']:.1f} + {each['beyond']:.1f} "
            f"({each['out']:.1f}, {each['beyond_out']:.1f})"
            for each in roll["members"]
        )
        print(
            f"{number:4} {roll['stall_ms']:9.0f} {probe['failures']:6} {probe['missing']!s:>4} "
            f"{probe['sessions_lost']:8} {roll['wall']:7.1f} {'-'.join(map(str, roll['load'])):>10}  {steps}"
        )
    stalls, floor = [roll["stall_ms"] for roll in rolls], [stop["stall_ms"] for stop in stops]
    in_steps, elsewhere = [roll["stall_in_steps_ms"] for roll in rolls], [roll["stall_elsewhere_ms"] for roll in rolls]
    every = [step for roll in rolls for step in roll["members"]]
    print(f"longest stall of a roll: median {median(stalls):.0f} ms (all: {stalls})")
    print(f"  while a member was changed: median {median(in_steps):.0f} ms (all: {in_steps})")
    print(f"  while none was, the machine's own: median {median(elsewhere):.0f} ms (all: {elsewhere})")
    for command in (" ".join(each) for each in BY_HAND):
        mine = [stop["stall_ms"] for stop in stops if stop["command"] == command]
        print(f"leader stopped by hand, {command}: best {min(mine):.0f} ms, median {median(mine):.0f} ms (all: {mine})")
    print(
        f"median of the rolls / best by hand: {median(stalls) / min(floor):.2f}, / median by hand: "
        f"{median(stalls) / median(floor):.2f}; while a member was changed: {median(in_steps) / min(floor):.2f}, "
        f"{median(in_steps) / median(floor):.2f}"
    )
    print(
        f"a member beyond its own tasks: median {median([step['beyond'] for step in every]):.2f} s; "
        f"beyond its time out of service: median {median([step['beyond_out'] for step in every]):.2f} s; "
        f"the role beside the steps: median {median([roll['rolling_role_beside_steps'] for roll in rolls]):.2f} s a roll"
    )
    print(f"problems: {sorted({text for each in [*rolls, *stops] for text in each['probe']['problems']}) or 'none'}")
    print(f"\n{'ms a roll':>9} {'times':>5} {'ms each':>8}  task of the role, without the members' own")
    for name, times, each, total in costs(rolls)[:MOST_TOLD]:
        print(f"{total:9.0f} {times:5.1f} {each:8.0f}  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rolls", type=int, default=5, help="rolls, and stops by hand (5)")
    parser.add_argument("--json", type=Path, default=RESULTS / "roll.json", help="file for all values")
    parser.add_argument("--keep", action="store_true", help="take the lab's hosts as they run, and leave them running")
    given = parser.parse_args()
    figures: dict[str, Any] = {"rolls": [], "stops": []}
    print(f"Booting the lab, then {given.rolls} rolls (usually 5 minutes) …", flush=True)
    with booted(INVENTORY, given.keep):
        play(INVENTORY, "playbooks/bundle.yml")
        play(INVENTORY, "playbooks/zookeeper.yml", "-e", f"zookeeper_max_client_cnxns={FIRST_LIMIT - 1}")
        ensemble = Ensemble()
        try:
            for number in range(given.rolls):
                figures["rolls"].append(one_roll(ensemble, number))
                figures["stops"] += [one_stop(ensemble, *command) for command in BY_HAND]
        finally:
            # A roll that failed is a result as well; those before it are told.
            if figures["stops"]:
                show(figures)
                save(given.json, figures)


if __name__ == "__main__":
    main()
