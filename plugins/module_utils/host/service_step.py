"""One step of a roll, on the host of the member: checked once more, switched, restarted, and switched back in need."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host.files import Found, apply, differences, find
from ansible_collections.streamquorum.ha.plugins.module_utils.host.state import HostReader

UNIT_DIRECTORY = "/etc/systemd/system"
#: Where systemd-sysv-generator puts the units that it makes of init scripts (generator, generator.late).
GENERATED_UNITS = "/run/systemd/generator"
#: The unit of an installation that was not ours, kept for the way back: its text where it stood in our place, and beside it
#: what it was. One of a package, or one made from an init script, stays where it is, and is found again without ours.
FOREIGN_UNIT = "foreign-unit"
FOREIGN_FACTS = "foreign-unit.json"
POLL_SECONDS = 0.1
#: How long a leader's host leaves the others alone with their election; less than its unit's RestartSec.
ELECTION_SECONDS = 2.0
JOURNAL_LINES = 40
#: Outcomes. moved: another process runs than the one that was decided on. closed: the guard forbade it.
OK, MOVED, CLOSED, FAILED = "ok", "moved", "closed", "failed"


class StepError(Exception):
    """The step cannot be made, and nothing was touched; the text says why and what to do."""


@dataclass(frozen=True)
class Target:
    """What the step is about.

    Attributes:
        unit: systemd unit.
        root: directory of its generations; empty leaves them alone.
        generation: digest to switch to; empty restarts what it runs.
        process: identity of the process that was decided on; empty where none listened.
        ports: of which it listens on one when it is up.
        limit: seconds until then.
        back: go back from this generation to what served before it.
        serves: it served when the step was decided on.
    """

    unit: str
    root: str
    generation: str
    process: str
    ports: Sequence[int]
    limit: float
    back: bool = False
    serves: bool = True


def served_before(now: str, current: str, previous: str, running: str, serves: bool, live: bool, restarts: int) -> str:
    """The generation to go back to (`generations/<digest>`); empty where there is none, or nothing was switched.

    Args:
        now: the generation that is switched to.
        current: of the link, before the switch.
        previous: of the link, before the switch.
        running: digest that the process was started with; empty where none runs.
        serves: it served when the step was decided on.
        live: its process listens.
        restarts: how often systemd has started its process anew by itself.
    """
    if live and serves and running:
        return f"generations/{running}"
    if current == now:
        # A process that runs it already is not switched; one that keeps ending never served.
        return "" if live else previous
    doubtful = live or restarts > 0
    return previous if doubtful and previous else current


def foreign_facts(installed: Found, unit: Mapping[str, Any]) -> dict[str, Any]:
    """What a unit that is not ours is, for the way back; nothing where there is none.

    Args:
        installed: what stands where our unit will.
        unit: what `host_state` says of it.
    """
    if installed.kind == "absent" and not unit["fragment"]:
        return {}
    # One that an init script was made into is enabled by that script's links.
    enabled = unit["enabled"] or unit["fragment"].startswith(GENERATED_UNITS)
    return {"kind": installed.kind, "mode": installed.mode, "target": installed.target, "enabled": enabled}


class ServiceStep:
    """Makes the step.

    Args:
        target: what it is about.
        reader: reads this host.
        run: runs a command: (rc, stdout, stderr).
        guard: why the process must not be stopped now; empty where it may.
        successor: whether another one leads by now; none where the process does not lead, or no other may follow it.
        clock: monotonic seconds.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        target: Target,
        reader: HostReader,
        run: Callable[[list[str]], tuple[int, str, str]],
        guard: Callable[[], str],
        successor: Callable[[], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._target = target
        self._reader = reader
        self._run = run
        self._guard = guard
        self._successor = successor
        self._clock = clock
        self._sleep = sleep

    def make(self, check_mode: bool) -> dict[str, Any]:
        """The outcome, and what runs then.

        Raises:
            StepError: the generation is not staged on this host.
        """
        target = self._target
        if self._process() != target.process:
            return self._reply(MOVED, self._moved())
        if target.generation and not os.path.isdir(f"{target.root}/generations/{target.generation}"):
            raise StepError(
                f"{target.root}/generations/{target.generation} is not there: another run has staged something else "
                "since. Run again."
            )
        reason = self._guard()
        if reason:
            return self._reply(CLOSED, reason)
        # The answers may have taken seconds.
        unit, process = self._unit(), self._process()
        if process != target.process:
            return self._reply(MOVED, self._moved())
        if check_mode:
            return self._reply(OK, "")
        before = {name: find(f"{target.root}/{name}").target for name in ("current", "previous")}
        now = f"generations/{target.generation}"
        served = served_before(
            now,
            before["current"],
            before["previous"],
            unit["generation"],
            target.serves,
            bool(process),
            unit["restarts"],
        )
        if target.back:
            return self._reply(OK, self._back(now, before["previous"]))
        if target.generation:
            self._switch(now, served, unit)
        if not unit["enabled"]:
            self._run(["systemctl", "enable", target.unit])
        if unit["active"] and self._successor:
            self._abdicate(self._successor)
        cause = self._restart(unit["active"])
        if not cause:
            if target.generation:
                self._forget()
            foreign = FOREIGN_UNIT if not before["current"] and self._foreign() else ""
            return self._reply(OK, "", served or foreign)
        journal = self._journal()
        back = self._back(now, served) if target.generation else "it was not switched"
        return self._reply(FAILED, f"{cause}; {back}", served, journal)

    def _unit(self) -> dict[str, Any]:
        return self._reader.units([self._target.unit])[self._target.unit]

    def _process(self) -> str:
        return str(self._unit()["process"]) if self._listens() else ""

    def _moved(self) -> str:
        return f"the process is {self._process() or 'gone'}, not {self._target.process or 'gone'}"

    def _listens(self) -> bool:
        target = self._target
        return any(entry["unit"] == target.unit and entry["port"] in target.ports for entry in self._reader.listening())

    def _forget(self) -> None:
        """Removes the generations that are neither `current`, which runs now, nor `previous`."""
        root = self._target.root
        # Releases before this one kept the foreign unit readable to all.
        kept_unit = find(f"{root}/{FOREIGN_UNIT}")
        if kept_unit.kind == "file":
            self._ensure(f"{root}/{FOREIGN_UNIT}", content=kept_unit.content, mode="0600")
        kept = {find(f"{root}/{link}").target for link in ("current", "previous")}
        for name in sorted(os.listdir(f"{root}/generations")):
            if f"generations/{name}" not in kept:
                apply({"path": f"{root}/generations/{name}", "state": "absent"})

    def _switch(self, now: str, served: str, unit: Mapping[str, Any]) -> None:
        """`current` to the generation, `previous` to what served until now, its unit in place."""
        root = self._target.root
        if not find(f"{root}/current").target:
            installed = find(f"{UNIT_DIRECTORY}/{self._target.unit}")
            facts = foreign_facts(installed, unit)
            if installed.kind == "file":
                # It may hold passwords (Environment=).
                self._ensure(f"{root}/{FOREIGN_UNIT}", content=installed.content, mode="0600")
            if facts:
                self._ensure(f"{root}/{FOREIGN_FACTS}", content=json.dumps(facts, sort_keys=True) + "\n", mode="0600")
        if served:
            self._ensure(f"{root}/previous", target=served)
        self._ensure(f"{root}/current", target=now)
        self._install_unit(find(f"{root}/{now}/unit").content)

    def _foreign(self) -> dict[str, Any]:
        """What ran here before us; nothing where nothing did."""
        root = self._target.root
        facts = find(f"{root}/{FOREIGN_FACTS}").content
        if facts:
            found: dict[str, Any] = json.loads(facts)
            return found
        # Kept by a release that noted nothing else of it.
        kept = find(f"{root}/{FOREIGN_UNIT}").kind == "file"
        return {"kind": "file", "mode": "0644", "target": "", "enabled": True} if kept else {}

    def _back(self, now: str, served: str) -> str:
        """To what served before; says how it went."""
        root = self._target.root
        foreign = self._foreign()
        if served not in ("", now):
            self._ensure(f"{root}/current", target=served)
            self._install_unit(find(f"{root}/{served}/unit").content)
        elif not served and foreign and not find(f"{root}/previous").target:
            self._restore(foreign)
        else:
            return "there is nothing that served before"
        cause = self._restart(True)
        return f"switched back to what served before, which {f'does not start either: {cause}' if cause else 'runs'}"

    def _restore(self, foreign: Mapping[str, Any]) -> None:
        """The unit of the installation that was there before us, in our unit's place, and enabled as it was."""
        root, unit = self._target.root, self._target.unit
        path = f"{UNIT_DIRECTORY}/{unit}"
        if find(f"{root}/current").kind != "absent":
            apply({"path": f"{root}/current", "state": "absent"})
        if foreign["kind"] == "file":
            self._ensure(path, content=find(f"{root}/{FOREIGN_UNIT}").content, mode=foreign["mode"])
        elif foreign["kind"] == "link":
            self._ensure(path, target=foreign["target"])
        elif find(path).kind != "absent":
            # Ours hides it; the links that enable it are to name it, and no file that is gone.
            apply({"path": path, "state": "absent"})
        self._run(["systemctl", "daemon-reload"])
        if foreign["kind"] != "file" or not foreign["enabled"]:
            self._run(["systemctl", "disable", unit])
        if foreign["enabled"]:
            self._run(["systemctl", "enable", unit])

    def _install_unit(self, content: str) -> None:
        if self._ensure(f"{UNIT_DIRECTORY}/{self._target.unit}", content=content):
            self._run(["systemctl", "daemon-reload"])

    @staticmethod
    def _ensure(path: str, content: str | None = None, target: str = "", mode: str = "0644") -> bool:
        entry: dict[str, Any] = {"path": path, "state": "link", "target": target}
        if content is not None:
            entry = {
                "path": path,
                "state": "file",
                "content": content,
                "owner": "root",
                "group": "root",
                "mode": mode,
            }
        if not differences(entry, find(path)):
            return False
        apply(entry)
        return True

    def _abdicate(self, successor: Callable[[], bool]) -> None:
        """Ends the process as its unit does, and begins no new one while the others elect: the start of a JVM takes what a
        machine has, and the election waits for it. Where this ends here, systemd starts the process by itself."""
        deadline = self._clock() + ELECTION_SECONDS
        self._run(["systemctl", "kill", "--signal=KILL", self._target.unit])
        while not successor() and self._clock() < deadline:
            self._sleep(POLL_SECONDS)
        # What waits for its own restart keeps the count of those; a start by hand is not one of them.
        self._run(["systemctl", "reset-failed", self._target.unit])

    def _restart(self, runs: bool) -> str:
        """Restarts and waits until it listens; why it does not, empty where it does."""
        target = self._target
        deadline = self._clock() + target.limit
        # A run that was killed right after it wrote the unit has not told systemd.
        if self._unit()["needs_reload"]:
            self._run(["systemctl", "daemon-reload"])
        code, out, error = self._run(["systemctl", "restart" if runs else "start", target.unit])
        if code != 0:
            return f"systemctl: {(error or out).strip()}"
        first = self._unit()
        while True:
            unit = self._unit()
            # NRestarts starts anew with each start by hand: one is already a process that ended.
            if not unit["active"] or unit["restarts"] > 0 or (unit["main_pid"], first["main_pid"]) == (0, 0):
                return f"its process ended ({unit['result']}, {unit['sub_state']})"
            if self._listens():
                return ""
            if self._clock() >= deadline:
                return f"it does not listen on {_ports(target.ports)} after {target.limit:g} s"
            self._sleep(POLL_SECONDS)

    def _journal(self) -> list[str]:
        _code, out, _error = self._run(
            ["journalctl", "--unit", self._target.unit, "--lines", str(JOURNAL_LINES), "--output", "cat", "--no-pager"]
        )
        return out.splitlines()

    def _reply(self, outcome: str, reason: str, before: str = "", journal: Sequence[str] = ()) -> dict[str, Any]:
        unit = self._unit()
        return {
            "outcome": outcome,
            "reason": reason,
            "process": self._process(),
            "running": unit["generation"],
            "before": before.rpartition("/")[2],
            "journal": list(journal),
        }


def _ports(ports: Sequence[int]) -> str:
    return f"port {ports[0]}" if len(ports) == 1 else f"any port of {ports[0]} to {ports[-1]}"
