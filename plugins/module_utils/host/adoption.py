"""A process that was started without its unit gets one: which process it is, why it may not have one, and the text of its unit. Pure.

How systemd takes it is `service_adoption`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host.processes import Process
from ansible_collections.streamquorum.ha.plugins.module_utils.host.service_step import GENERATED_UNITS, UNIT_DIRECTORY

#: The first line of a unit that was written here. One that runs nothing may be written anew.
MARK = "# Made by StreamQuorum of a process that ran without this unit."
#: Relations by which the end of a unit ends another one, or by which another one starts it.
TIES = (
    "RequiredBy", "BoundBy", "ConsistsOf", "TriggeredBy", "UpheldBy", "OnFailureOf", "OnSuccessOf", "StopPropagatedFrom",
)  # fmt: skip
#: What no drop-in of somebody else's may bring: to the unit that takes, and to the one that gives.
COMMANDS = ("ExecCondition", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost")
DIRECTORIES = ("RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory")
PROPERTIES = (
    "MainPID", "ActiveState", "FragmentPath", "KillMode", "Restart", "Type", "PIDFile", "ExecStart", "RuntimeDirectoryPreserve", "PrivateTmp",
    "DynamicUser", "WantedBy", *TIES, *COMMANDS, *DIRECTORIES,
)  # fmt: skip
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


class AdoptionError(Exception):
    """The process is not adopted, or not to the end, and runs on; the text says why and what to do. The next run goes on from there."""


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
        AdoptionError: it has something that would mean something else there.
    """
    whole = name.removesuffix(".service")
    prefix, _at, instance = whole.partition("@")
    named = {"%n": name, "%N": whole, "%p": prefix, "%P": prefix, "%i": instance, "%I": instance}
    # systemd reads these names without their escapes there.
    refused = {"%f", "%j", "%J", "%y", "%Y", *(("%P", "%I") if re.search(r"[-\\]", whole) else ())}

    def said(found: re.Match[str]) -> str:
        if found[0] in refused:
            raise AdoptionError(
                f"The text of {name} has {found[0]}, which means something else in another unit. Say it in full there."
            )
        return named.get(found[0], found[0])

    # Without comments; another name for it stays the old unit's.
    lines = [line for line in text.splitlines() if not re.match(r"\s*([#;]|Alias *=)", line)]
    if any(re.match(r"\s*Also *=", line) for line in lines):
        raise AdoptionError(
            f"{name} has Also=, so that others are enabled with it. Take that out of it, and enable those by themselves."
        )
    content = "".join(f"{re.sub(r'%.', said, line)}\n" for line in lines)
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


def refusal(
    process: Process, unit: str, installed: str, before: str, old: Mapping[str, str], holds: Collection[int]
) -> str:
    """Why a process is not given a unit; empty where it may be.

    Args:
        unit: the unit that it is to have.
        installed: what stands at its place already; empty for nothing.
        before: the service that it has; empty for none.
        old: `PROPERTIES` of that service.
        holds: other processes of that service.
    """
    who, text = f"Process {process.pid}", before
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
            return f"{text} holds other processes beside process {process.pid} ({listed(holds)}). End those first."
    if process.executable.endswith(" (deleted)"):
        return f"{who} runs a Java that is not on the host any more, and could not be started again. Restart it first."
    return "" if text and is_main(process, old) else _unwritable(process)


def _unwritable(process: Process) -> str:
    """Why no unit can have what a process was started with."""
    who = f"Process {process.pid}"
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


def told(found: Mapping[str, Any], unit: str, check_mode: bool) -> list[str]:
    """Sentences for the operator.

    Args:
        found: what `Adoption.make` gave.
        unit: the unit.
        check_mode: nothing was done.
    """
    pid, before = found["pid"], found["before"]
    of = f"of {before}" if before else "of no service"
    becomes = (
        f"Process {pid}, {of}, would become that of {unit}."
        if check_mode
        else f"Process {pid}, until now {of}, is that of {unit}."
    )
    lines = [becomes] if pid else []
    if found["left"]:
        lines.append(
            f"{before} was not ended, since it holds other processes ({listed(found['left'])}). Where it starts that of {unit} at boot, take that out of it."
        )
    if found["wanted_by"]:
        lines.append(
            f"{before} is still started by {', '.join(found['wanted_by'])}. Take that out there, or two processes start at boot."
        )
    return lines


def listed(pids: Collection[int]) -> str:
    return ", ".join(map(str, sorted(pids)))
