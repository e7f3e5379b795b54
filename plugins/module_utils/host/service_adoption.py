"""A process that was started without its unit gets one, and runs on.

systemd takes a process that runs for the main one of a unit where a PID file that root owns names it (systemd.service(5), PIDFile=; since
systemd 237), and moves it into the unit's control group (AttachProcessesToUnit of its D-Bus interface; since 238). The unit that the process
had before, where it had one, ends without it (KillMode=none). Seen on systemd 252.

While systemd takes a process, the unit is not the one that would start it again, but one with nothing in it: what that one would run, make and
give to another owner belongs to whoever started the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import processes
from ansible_collections.streamquorum.ha.plugins.module_utils.host.adoption import (
    COMMANDS,
    DIRECTORIES,
    MARK,
    PROPERTIES,
    AdoptionError,
    Wanted,
    candidates,
    environment_text,
    head,
    is_main,
    listed,
    refusal,
    unit_of_process,
    unit_of_unit,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.host.files import apply, find
from ansible_collections.streamquorum.ha.plugins.module_utils.host.processes import Process
from ansible_collections.streamquorum.ha.plugins.module_utils.host.service_step import UNIT_DIRECTORY
from ansible_collections.streamquorum.ha.plugins.module_utils.host.state import CommandRunner, HostReader

#: Units that have precedence over those of UNIT_DIRECTORY, and are gone with the next boot (systemd.unit(5)).
TAKING_UNITS = "/run/systemd/system.control"
RUNTIME_UNITS = "/run/systemd/system"
#: The last one of a unit's drop-ins, which are read in the order of their names.
DROP_IN = "~streamquorum-adoption.conf"
#: Of an adoption that has begun: its note, and the PID file for systemd.
NOTES = "/run/streamquorum"
#: Environments of processes that had no unit, for root alone: nobody else writes there.
ENVIRONMENTS = "/etc/streamquorum"
#: Starts nothing, and takes the process that the PID file names. Its stop ends nothing.
TAKE = """[Service]
Type=forking
PIDFile={pid_file}
Delegate=yes
KillMode=none
Restart=no
ExecStart=/bin/true
"""
#: Ends without a process, a command, and a directory or file of its own.
GIVE = """[Service]
KillMode=none
Restart=no
RuntimeDirectoryPreserve=yes
PIDFile=
ExecStop=
ExecStopPost=
"""
#: Moves processes into the control group of a unit: unit, group below its own, processes.
ATTACH = (
    "busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "AttachProcessesToUnit",
    "ssau",
)  # fmt: skip
NOTHING_OF = {"take": (*COMMANDS, *DIRECTORIES), "give": ("ExecStop", "ExecStopPost")}
#: What each of the two is to have after all drop-ins.
BARE = {
    "take": {"KillMode": "none", "Restart": "no", "Type": "forking"},
    "give": {"KillMode": "none", "Restart": "no", "RuntimeDirectoryPreserve": "yes"},
}


class Adoption:
    """Gives a process of this host its unit.

    Args:
        run: runs a command: (rc, stdout, stderr).
        wanted: what is adopted.
    """

    def __init__(self, run: CommandRunner, wanted: Wanted) -> None:
        self._run = run
        self._wanted = wanted
        self._unit = wanted.unit
        self._path = f"{UNIT_DIRECTORY}/{wanted.unit}"
        self._environment = f"{ENVIRONMENTS}/{wanted.unit}.environment"
        self._taking = f"{TAKING_UNITS}/{wanted.unit}"
        self._note = f"{NOTES}/adoption-{wanted.unit}.json"
        self._pid_file = f"{NOTES}/adoption-{wanted.unit}.pid"

    def make(self, check_mode: bool) -> dict[str, Any]:
        """What was adopted.

        Returns:
            changed; `pid`, 0 for nothing; `before`, the service that it had; `left`, what that service still holds, so that it was not ended;
            `wanted_by`, what starts that service still.

        Raises:
            AdoptionError: it was refused, or systemd did not do it.
            EntryError: a file of it cannot be reached.
            OSError: the same.
        """
        note = self._begun(check_mode)
        process = processes.read(note["pid"]) if note else self._find()
        found: dict[str, Any] = {"changed": False, "pid": 0, "before": "", "left": [], "wanted_by": []}
        if process is None:
            return found
        if not note and self._is_its_own(process):
            before = self._made_of_service()
            # A run that was ended in the middle, and its process then too, has left it.
            if not before or not self._lives(before):
                return found
            found |= {"before": before, "left": processes.in_unit(before)}
            return found | ({"changed": not found["left"]} if check_mode else self._retire(before))
        if not note:
            note = self._judge(process)
            if not check_mode:
                self._write(process, note)
        found |= {"changed": True, "pid": process.pid, "before": note["before"]}
        if check_mode:
            return found
        self._take(process, note)
        if note["before"]:
            found |= self._retire(note["before"]) | {"changed": True}
        self._expect(process)
        self._forget()
        return found

    def _is_its_own(self, process: Process) -> bool:
        own = self._properties(self._unit)
        # Of a unit that has forgotten its process, site.yml knows what to do.
        return own["MainPID"] == str(process.pid) or (process.service == self._unit and own["ActiveState"] == "active")

    def _lives(self, service: str) -> bool:
        return self._properties(service)["ActiveState"] == "active" or self._is_enabled(service)

    def _is_enabled(self, service: str) -> bool:
        # Of an init script, only this knows it.
        return self._run(["systemctl", "is-enabled", service])[1].split()[-1:] in (["enabled"], ["enabled-runtime"])

    def _begun(self, check_mode: bool) -> dict[str, Any]:
        """The note of a run that was ended in the middle; of one whose process has ended meanwhile nothing stays, and all begins anew."""
        note: dict[str, Any] = json.loads(find(self._note).content or "{}")
        if note:
            process = processes.read(note["pid"])
            if process and process.identity == note["identity"]:
                return note
            if not check_mode:
                self._put_back(note["before"])
        return {}

    def _find(self) -> Process | None:
        found = [each for each in map(processes.read, processes.pids()) if each]
        listening = HostReader(self._run).listening()
        ones = candidates(
            found, self._wanted, {each["pid"] for each in listening if each["port"] in self._wanted.ports}
        )
        if len(ones) > 1:
            # What is in a container is nobody's here, where there is another one.
            ones = [each for each in ones if not each.contained]
        if len(ones) > 1:
            raise AdoptionError(
                f"Processes {listed([each.pid for each in ones])} may all be that of {self._unit}. Stop those that are too many."
            )
        return ones[0] if ones else None

    def _judge(self, process: Process) -> dict[str, Any]:
        """What is noted of the process before anything is done."""
        # In the unit that it is to have, a run has left it that did not succeed.
        before = self._made_of_service() if process.service == self._unit else process.service
        old = self._properties(before) if before else {}
        installed = find(self._path)
        if installed.kind not in ("absent", "file"):
            raise AdoptionError(f"{self._path} is a {installed.kind}. Look what it is for, and remove it.")
        holds = sorted({*processes.in_unit(before)} - {*processes.descendants(process.pid)}) if before else []
        reason = refusal(process, self._unit, installed.content, before, old, holds)
        if not reason and self._properties(self._unit)["MainPID"] != "0":
            reason = f"{self._unit} runs another process already, beside process {process.pid}. Stop one of the two."
        if reason:
            raise AdoptionError(reason)
        return {
            "pid": process.pid,
            "identity": process.identity,
            "before": before,
            # Whether that ends with it: it holds nothing else.
            "ends": bool(before) and not holds,
            "content": head(before) + self._content(process, before, old),
        }

    def _made_of_service(self) -> str:
        """The service of which the unit's file was made here; empty for none."""
        found = re.match(rf"{re.escape(MARK)} Before: (\S+)\n", find(self._path).content)
        return found[1] if found else ""

    def _content(self, process: Process, before: str, old: Mapping[str, str]) -> str:
        if not before or not is_main(process, old):
            return unit_of_process(process, self._environment)
        code, text, error = self._run(["systemctl", "cat", "--", before])
        if code != 0:
            raise AdoptionError(f"The text of {before} cannot be read: {error.strip()}.")
        return unit_of_unit(text, before)

    def _write(self, process: Process, note: Mapping[str, Any]) -> None:
        if f"EnvironmentFile={self._environment}\n" in note["content"]:
            _make_directory(ENVIRONMENTS)
            _put(self._environment, environment_text(process.environment))
        # It may hold passwords, on the command line or by Environment=.
        _put(self._path, note["content"])
        _make_directory(NOTES)
        _put(self._pid_file, f"{process.pid}\n")
        # From here on, a next run goes on with this process.
        _put(self._note, json.dumps({name: note[name] for name in ("pid", "identity", "before", "ends")}) + "\n")

    def _take(self, process: Process, note: Mapping[str, Any]) -> None:
        try:
            _make_directory(TAKING_UNITS)
            _put(self._taking, TAKE.format(pid_file=self._pid_file))
            if note["ends"]:
                # Before it holds nothing any more: systemd would run its commands then, or start it again.
                self._give(note["before"])
            self._do("daemon-reload")
            self._assert_bare(self._unit, "take")
            if note["ends"]:
                self._assert_bare(note["before"], "give")
            self._do("start", "--job-mode=ignore-dependencies", self._unit)
            self._expect(process)
            pids = [str(pid) for pid in processes.descendants(process.pid)]
            code, out, error = self._run([*ATTACH, self._unit, "", str(len(pids)), *pids])
            if code != 0 or process.pid not in processes.in_unit(self._unit):
                raise AdoptionError(
                    f"systemd did not move process {process.pid} into {self._unit}: {(error or out).strip()}."
                )
        except AdoptionError:
            self._put_back(note["before"])
            raise
        # From here on, the unit is as its file has it, and can be enabled.
        _remove(self._taking)
        self._do("daemon-reload")
        self._expect(process)

    @staticmethod
    def _give(service: str) -> None:
        _make_directory(f"{RUNTIME_UNITS}/{service}.d")
        _put(f"{RUNTIME_UNITS}/{service}.d/{DROP_IN}", GIVE)

    def _assert_bare(self, unit: str, role: str) -> None:
        found = self._properties(unit)
        wrong = [name for name in NOTHING_OF[role] if found[name]]
        wrong += [name for name, value in BARE[role].items() if found[name] != value]
        if role == "take":
            wrong += [] if found["ExecStart"].startswith("{ path=/bin/true ;") else ["ExecStart"]
            wrong += [] if found["PIDFile"] == self._pid_file else ["PIDFile"]
        if wrong:
            raise AdoptionError(
                f"A drop-in of {unit} has {', '.join(wrong)}, by which the process could be ended, or another one started. Remove it, and run "
                "this again."
            )

    def _put_back(self, before: str) -> None:
        """As it was, but for the unit's own file, which runs nothing and is written anew by the next run."""
        if find(self._taking).kind == "file" and self._properties(self._unit)["KillMode"] == "none":
            # Ends nothing. Without it, systemd would keep the process for one of a unit that is gone.
            self._run(["systemctl", "stop", "--job-mode=ignore-dependencies", self._unit])
        if before:
            _remove_drop_in(before)
        _remove(self._taking)
        self._run(["systemctl", "daemon-reload"])
        self._forget()

    def _retire(self, before: str) -> dict[str, Any]:
        """Ends the service that the process had, once it holds none any more.

        Returns:
            changed; `left`, what it still holds; `wanted_by`, what starts it still.
        """
        left = processes.in_unit(before)
        if left or not self._lives(before):
            _remove_drop_in(before)
            self._do("daemon-reload")
            return {"changed": False, "left": left, "wanted_by": [] if left else self._wanted_by(before)}
        self._give(before)
        self._do("daemon-reload")
        self._assert_bare(before, "give")
        if self._is_enabled(before):
            # All that it started, also in a run before.
            for unit in self._made_of(before):
                self._do("enable", unit)
            self._do("disable", before)
        self._do("stop", "--job-mode=ignore-dependencies", before)
        _remove_drop_in(before)
        self._do("daemon-reload")
        return {"changed": True, "left": [], "wanted_by": self._wanted_by(before)}

    def _wanted_by(self, service: str) -> list[str]:
        return sorted(self._properties(service)["WantedBy"].split())

    def _made_of(self, before: str) -> list[str]:
        """The units that were made of processes of a service."""
        names = [each for each in os.listdir(UNIT_DIRECTORY) if each.endswith(".service")]
        return [each for each in sorted(names) if find(f"{UNIT_DIRECTORY}/{each}").content.startswith(head(before))]

    def _forget(self) -> None:
        for path in (self._note, self._pid_file):
            _remove(path)

    def _expect(self, process: Process) -> None:
        now = processes.read(process.pid)
        if now is None or now.identity != process.identity:
            raise AdoptionError(
                f"Process {process.pid} has ended meanwhile. Look into its journal, and run this again once it runs."
            )
        if self._properties(self._unit)["MainPID"] != str(process.pid):
            raise AdoptionError(f"systemd does not take process {process.pid} for that of {self._unit}.")

    def _do(self, *words: str) -> None:
        code, out, error = self._run(["systemctl", *words])
        if code != 0:
            raise AdoptionError(f"systemctl {' '.join(words)}: {(error or out).strip()}.")

    def _properties(self, unit: str) -> dict[str, str]:
        code, out, error = self._run(["systemctl", "show", f"--property={','.join(PROPERTIES)}", "--", unit])
        if code != 0:
            raise AdoptionError(f"systemctl show {unit}: {error.strip()}.")
        return dict.fromkeys(PROPERTIES, "") | dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def _make_directory(path: str) -> None:
    """One that is there stays as it is."""
    if find(path).kind == "absent":
        apply({"path": path, "state": "directory", "owner": "root", "group": "root", "mode": "0755"})


def _put(path: str, content: str) -> None:
    apply({"path": path, "state": "file", "content": content, "owner": "root", "group": "root", "mode": "0600"})


def _remove(path: str) -> None:
    if find(path).kind != "absent":
        apply({"path": path, "state": "absent"})


def _remove_drop_in(unit: str) -> None:
    _remove(f"{RUNTIME_UNITS}/{unit}.d/{DROP_IN}")
    # It stays where there is another one.
    with contextlib.suppress(OSError):
        os.rmdir(f"{RUNTIME_UNITS}/{unit}.d")
