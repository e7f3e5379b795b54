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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import processes
from ansible_collections.streamquorum.ha.plugins.module_utils.host.files import apply, find
from ansible_collections.streamquorum.ha.plugins.module_utils.host.processes import Process
from ansible_collections.streamquorum.ha.plugins.module_utils.host.service_step import GENERATED_UNITS, UNIT_DIRECTORY

#: Units that have precedence over those of UNIT_DIRECTORY, and are gone with the next boot (systemd.unit(5)).
TAKING_UNITS = "/run/systemd/system.control"
RUNTIME_UNITS = "/run/systemd/system"
#: The last one of a unit's drop-ins, which are read in the order of their names.
DROP_IN = "~streamquorum-adoption.conf"
#: Of an adoption that has begun: its note, and the PID file for systemd.
NOTES = "/run/streamquorum"
#: Environments of processes that had no unit, for root alone: nobody else writes there.
ENVIRONMENTS = "/etc/streamquorum"
#: The first line of a unit that was written here. One that runs nothing may be written anew.
MARK = "# Made by StreamQuorum of a process that ran without this unit."
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
#: Relations by which the end of a unit ends another one, or by which another one starts it.
TIES = (
    "RequiredBy", "BoundBy", "ConsistsOf", "TriggeredBy", "UpheldBy", "OnFailureOf", "OnSuccessOf", "StopPropagatedFrom",
)  # fmt: skip
#: What no drop-in of somebody else's may bring: to the unit that takes, and to the one that gives.
COMMANDS = ("ExecCondition", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost")
DIRECTORIES = ("RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory")
NOTHING_OF = {"take": (*COMMANDS, *DIRECTORIES), "give": ("ExecStop", "ExecStopPost")}
PROPERTIES = (
    "MainPID",
    "FragmentPath",
    "KillMode",
    "Restart",
    "PrivateTmp",
    "DynamicUser",
    "WantedBy",
    *TIES,
    *COMMANDS,
    *DIRECTORIES,
)
#: What systemd gives each process anew.
GIVEN = (
    "INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "MAINPID", "MANAGERPID", "NOTIFY_SOCKET", "PIDFILE",
    "SYSTEMD_EXEC_PID", "SYSTEMD_NSS_DYNAMIC_BYPASS", "WATCHDOG_PID", "WATCHDOG_USEC",
)  # fmt: skip
LIMITS = {
    "Max open files": "LimitNOFILE",
    "Max processes": "LimitNPROC",
    "Max locked memory": "LimitMEMLOCK",
    "Max core file size": "LimitCORE",
}

Runner = Callable[[list[str]], tuple[int, str, str]]


class AdoptionError(Exception):
    """The process was not adopted, and runs as it did; the text says why and what to do."""


@dataclass(frozen=True)
class Wanted:
    """What is to be adopted.

    Attributes:
        unit: the unit that the process is to have.
        main_classes: Java's main class of the process is one of these.
        ports: it listens on one of these; none, where they are not known before.
        other_units: what has one of these already is another one.
    """

    unit: str
    main_classes: Sequence[str]
    ports: Sequence[int]
    other_units: Sequence[str] = ()


# --- texts -----------------------------------------------------------------------------------------------------------


def head(before: str) -> str:
    """The first line of a unit that is made here; it names the service that the process had."""
    return f"{MARK} Before: {before}\n" if before else f"{MARK}\n"


def quoted(word: str) -> str:
    """A word of ExecStart=, which systemd gives on as it is (systemd.service(5), COMMAND LINES)."""
    text = "".join(_escaped(character) for character in word)
    return f'"{text}"'


def _escaped(character: str) -> str:
    if character in '\\"':
        return f"\\{character}"
    if character in "$%":
        return character * 2
    return f"\\x{ord(character):02x}" if ord(character) < 0x20 or ord(character) == 0x7F else character


def environment_text(environment: Mapping[str, str]) -> str:
    """A file for EnvironmentFile= (systemd.exec(5)): nothing in it is expanded, and a value may have more than one line."""
    lines = []
    for name, value in sorted(environment.items()):
        if name not in GIVEN and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            text = re.sub(r'(["\\`$])', r"\\\1", value)
            lines.append(f'{name}="{text}"\n')
    return "".join(lines)


def unit_of_process(process: Process, environment_file: str) -> str:
    """A unit that starts such a process again."""
    limits = [
        f"{LIMITS[name]}={':'.join(each.replace('unlimited', 'infinity') for each in values)}\n"
        for name, values in sorted(process.limits.items())
        if name in LIMITS
    ]
    command = " ".join(map(quoted, (process.executable, *process.words[1:])))
    return (
        f"[Unit]\nDescription={os.path.basename(process.executable)}, as somebody started it\n"
        "Wants=network-online.target\nAfter=network-online.target\n\n[Service]\n"
        f"User={process.uid}\nGroup={process.gid}\nUMask={process.umask}\n"
        f"WorkingDirectory=-{process.directory}\nEnvironmentFile={environment_file}\n{''.join(limits)}"
        f"ExecStart={command}\n# 143: Java's end by SIGTERM.\nSuccessExitStatus=143\n\n[Install]\nWantedBy=multi-user.target\n"
    )


def unit_of_unit(text: str, name: str) -> str:
    """The same unit for another name: what its text has of its own name by specifiers (systemd.unit(5)) is said in full.

    Raises:
        AdoptionError: it has one that another name changes in another way.
    """
    whole = name.removesuffix(".service")
    prefix, _at, instance = whole.partition("@")
    named = {"%n": name, "%N": whole, "%p": prefix, "%P": prefix, "%i": instance, "%I": instance}

    def said(found: re.Match[str]) -> str:
        if found[0] in ("%f", "%j", "%J", "%y", "%Y"):
            raise AdoptionError(
                f"The text of {name} has {found[0]}, which means something else in another unit. Say it in full there."
            )
        return named.get(found[0], found[0])

    content = re.sub(r"%.", said, text)
    # One that was enabled by a link that somebody made.
    install = (
        ""
        if re.search(r"^(WantedBy|RequiredBy) *=", content, re.MULTILINE)
        else "\n[Install]\nWantedBy=multi-user.target\n"
    )
    return content + install


# --- decisions -------------------------------------------------------------------------------------------------------


def is_one(process: Process, main_classes: Collection[str]) -> bool:
    """Whether a process is Java's, with one of some main classes."""
    return os.path.basename(process.executable.removesuffix(" (deleted)")) == "java" and bool(
        set(main_classes) & set(process.words)
    )


def candidates(found: Sequence[Process], wanted: Wanted, listening: Collection[int]) -> list[Process]:
    """The processes that may be the one.

    Args:
        found: all processes of the host.
        wanted: what is looked for.
        listening: pids of those that listen on one of its ports.
    """
    alike = [each for each in found if is_one(each, wanted.main_classes) and each.unit not in wanted.other_units]
    parents = {each.pid for each in alike}
    # A child looks like its parent until it has become another program, and has its sockets.
    own = [each for each in alike if each.parent not in parents]
    return [each for each in own if each.pid in listening] if wanted.ports else own


def refusal(process: Process, unit: str, installed: str, old: Mapping[str, str], holds: Collection[int]) -> str:
    """Why a process is not given a unit; empty where it may be.

    Args:
        unit: the unit that it is to have.
        installed: what stands at its place already; empty for nothing.
        old: `PROPERTIES` of the service that it has.
        holds: other processes of that service.
    """
    who, text = f"Process {process.pid}", process.service
    if process.contained:
        return f"{who} runs in a container. Build the member beside it, with an address and data of its own, and take the container out."
    if process.of_session:
        return f"{who} is of {process.unit}, a unit of a user's own systemd, which would start it again. Let that user make it a unit of the system."
    if installed and not installed.startswith(MARK):
        return f"{UNIT_DIRECTORY}/{unit} is there already, and is not the unit of process {process.pid}. Look what it is for, and remove it."
    if process.parent != 1:
        return f"{who} was started by process {process.parent}, which runs and may start it again. End that one first."
    if text:
        ties = [f"{name} {old[name]}" for name in TIES if old.get(name)]
        wants = [each for each in old.get("WantedBy", "").split() if not each.endswith(".target")]
        ties += [f"WantedBy {' '.join(wants)}"] if wants else []
        if ties:
            return f"{text}, of which process {process.pid} is, does not end or start alone: {', '.join(ties)}. Take that out of those units first."
        if (
            old.get("PrivateTmp") == "yes"
            or old.get("DynamicUser") == "yes"
            or "CREDENTIALS_DIRECTORY" in process.environment
        ):
            return (
                f"{text}, of which process {process.pid} is, has PrivateTmp, DynamicUser or credentials: its end removes files that the "
                "process uses. Take that out of the unit, and restart it once, member by member."
            )
        if is_main(process, old) and not old.get("FragmentPath"):
            return f"The file of {text}, of which process {process.pid} is, is gone. Put it back."
        if is_main(process, old) and holds:
            return f"{text} holds other processes beside process {process.pid} ({_listed(holds)}). End those first."
    return _unwritable(process)


def _unwritable(process: Process) -> str:
    """Why no unit can have what a process was started with."""
    who = f"Process {process.pid}"
    if process.executable.endswith(" (deleted)"):
        return f"{who} runs a Java that is not on the host any more, and could not be started again. Restart it first."
    wrong = [
        f"the variable {name}" for name, value in sorted(process.environment.items()) if not _is_text(name + value)
    ]
    wrong += [
        f"word {number} of its command line" for number, word in enumerate(process.words, 1) if not _is_text(word)
    ]
    if wrong:
        return f"{who} was started with bytes that are no UTF-8, which systemd does not take: {', '.join(wrong)}. Restart it without."
    # systemd would read a directory's name with more than this as something else.
    if not re.fullmatch(r"/[\w./:@,+=~-]*", process.directory, re.ASCII):
        return f"{who} works in the directory {process.directory!r}, which no unit can have. Restart it in another one."
    return ""


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_main(process: Process, old: Mapping[str, str]) -> bool:
    """Whether a process is the one by which its service lives, and whose command that service has."""
    return old.get("MainPID") == str(process.pid) and not old.get("FragmentPath", "").startswith(GENERATED_UNITS)


def _listed(pids: Collection[int]) -> str:
    return ", ".join(map(str, sorted(pids)))


# --- the host --------------------------------------------------------------------------------------------------------


class Adoption:
    """Gives a process of this host its unit.

    Args:
        run: runs a command: (rc, stdout, stderr).
        wanted: what is adopted.
    """

    def __init__(self, run: Runner, wanted: Wanted) -> None:
        self._run = run
        self._wanted = wanted
        self._unit = wanted.unit
        self._path = f"{UNIT_DIRECTORY}/{wanted.unit}"
        self._environment = f"{ENVIRONMENTS}/{wanted.unit}.environment"
        self._taking = f"{TAKING_UNITS}/{wanted.unit}"
        self._note = f"{NOTES}/adoption-{wanted.unit}.json"
        self._pid_file = f"{NOTES}/adoption-{wanted.unit}.pid"

    def make(self, check_mode: bool) -> dict[str, Any]:
        """What was adopted: `pid` (0 for nothing), `before` (the service that it had), `left` (pids that this one still holds).

        Raises:
            AdoptionError: it was refused, or systemd did not do it.
            EntryError: a file of it cannot be reached.
            OSError: the same.
        """
        note = self._begun(check_mode)
        process = processes.read(note["pid"]) if note else self._find()
        if process is None or (not note and self._properties(self._unit)["MainPID"] == str(process.pid)):
            return {"changed": False, "pid": 0, "before": "", "left": []}
        if not note:
            note = self._judge(process)
            if not check_mode:
                self._write(process, note)
        left: list[int] = []
        if not check_mode:
            self._take(process, note)
            left = self._retire(process, note["before"])
            self._forget()
        return {"changed": True, "pid": process.pid, "before": note["before"], "left": left}

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
        ones = candidates(found, self._wanted, processes.listening(self._wanted.ports) if self._wanted.ports else ())
        if len(ones) > 1:
            # What is in a container is nobody's here, where there is another one.
            ones = [each for each in ones if not each.contained]
        if len(ones) > 1:
            raise AdoptionError(
                f"Processes {_listed([each.pid for each in ones])} may all be that of {self._unit}. Stop those that are too many."
            )
        return ones[0] if ones else None

    def _judge(self, process: Process) -> dict[str, Any]:
        """What is noted of the process before anything is done."""
        before = "" if process.service == self._unit else process.service
        old = self._properties(before) if before else {}
        installed = find(self._path)
        if installed.kind not in ("absent", "file"):
            raise AdoptionError(f"{self._path} is a {installed.kind}. Look what it is for, and remove it.")
        holds = sorted({*processes.in_unit(before)} - {*processes.descendants(process.pid)}) if before else []
        reason = refusal(process, self._unit, installed.content, old, holds)
        if not reason and self._properties(self._unit)["MainPID"] != "0":
            reason = f"{self._unit} runs another process already, beside process {process.pid}. Stop one of the two."
        if reason:
            raise AdoptionError(reason)
        return {
            "pid": process.pid,
            "identity": process.identity,
            "before": before,
            "content": head(before) + self._content(process, before, old),
        }

    def _content(self, process: Process, before: str, old: Mapping[str, str]) -> str:
        if not before or not is_main(process, old):
            return unit_of_process(process, self._environment)
        code, text, error = self._run(["systemctl", "cat", "--", before])
        if code != 0:
            raise AdoptionError(f"The text of {before} cannot be read: {error.strip()}.")
        return unit_of_unit(text, before)

    def _write(self, process: Process, note: Mapping[str, Any]) -> None:
        _make_directory(NOTES, "0755")
        # From here on, a next run goes on with this process.
        _put(self._note, json.dumps({name: note[name] for name in ("pid", "identity", "before")}) + "\n")
        _put(self._pid_file, f"{process.pid}\n")
        if f"EnvironmentFile={self._environment}\n" in note["content"]:
            _make_directory(ENVIRONMENTS, "0755")
            _put(self._environment, environment_text(process.environment))
        # It may hold passwords, on the command line or by Environment=.
        _put(self._path, note["content"])

    def _take(self, process: Process, note: Mapping[str, Any]) -> None:
        try:
            _make_directory(TAKING_UNITS, "0755")
            _put(self._taking, TAKE.format(pid_file=self._pid_file))
            self._do("daemon-reload")
            self._assert_bare(self._unit, "take")
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

    def _assert_bare(self, unit: str, role: str) -> None:
        found = self._properties(unit)
        wrong = [name for name in NOTHING_OF[role] if found[name]]
        wrong += [name for name, value in (("KillMode", "none"), ("Restart", "no")) if found[name] != value]
        if wrong:
            raise AdoptionError(
                f"A drop-in of {unit} has {', '.join(wrong)}, by which the process could be ended. Remove it, and run this again."
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

    def _retire(self, process: Process, before: str) -> list[int]:
        """Ends the service that the process had, once it holds none any more; the pids that it holds."""
        if not before or self._properties(before)["FragmentPath"] == "":
            return []
        left = processes.in_unit(before)
        if left:
            # It lives by those, and the process is none by which it lives.
            return left
        # Of a unit without a file of its own, only this knows it.
        enabled = self._run(["systemctl", "is-enabled", before])[1].split()[-1:] in (["enabled"], ["enabled-runtime"])
        _make_directory(f"{RUNTIME_UNITS}/{before}.d", "0755")
        _put(f"{RUNTIME_UNITS}/{before}.d/{DROP_IN}", GIVE)
        self._do("daemon-reload")
        self._assert_bare(before, "give")
        if enabled:
            # All that it started, also in a run before.
            for unit in self._made_of(before):
                self._do("enable", unit)
            self._do("disable", before)
        self._do("stop", "--job-mode=ignore-dependencies", before)
        self._expect(process)
        _remove_drop_in(before)
        self._do("daemon-reload")
        return []

    def _made_of(self, before: str) -> list[str]:
        """The units that were made of processes of a service."""
        names = [each for each in os.listdir(UNIT_DIRECTORY) if each.endswith(".service")]
        return [each for each in sorted(names) if find(f"{UNIT_DIRECTORY}/{each}").content.startswith(head(before))]

    def _forget(self) -> None:
        for path in (self._pid_file, self._note):
            _remove(path)

    def _expect(self, process: Process) -> None:
        now = processes.read(process.pid)
        if now is None or now.identity != process.identity:
            raise AdoptionError(
                f"Process {process.pid} has ended meanwhile. Look into the journal, and start it again by {self._unit}."
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


def _make_directory(path: str, mode: str) -> None:
    """One that is there stays as it is."""
    if find(path).kind == "absent":
        apply({"path": path, "state": "directory", "owner": "root", "group": "root", "mode": mode})


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
