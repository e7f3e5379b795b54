"""Reads one host once: the pure parts parse, `HostReader` reads.

Everything a role decides on (Java, units, ids on disk, addresses, ports in use) comes from one execution,
because time goes into module executions per host (docs/architecture.md, "Cost").
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import socket
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

from ansible_collections.streamquorum.ha.plugins.module_utils.host import foreign, guarded_paths, standing
from ansible_collections.streamquorum.ha.plugins.module_utils.pki.certificate_end import certificate_end

#: A process of ours names the directory of its generation on its command line.
GENERATION = re.compile(r"/generations/([0-9a-f]{8,64})(?:/|\0|$)")
UNIT_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "MainPID",
    "FragmentPath",
    "ExecMainStartTimestampMonotonic",
    "NRestarts",
    "Result",
    "NeedDaemonReload",
)
#: Larger files are not configuration; reading them would only fill the reply.
READ_LIMIT = 64 * 1024
#: Of a directory's names, sorted. Whether there are any is all that this page says; for certain names, ask by `matches`.
LIST_LIMIT = 100
#: capability.h
CAP_SYS_RESOURCE = 24
#: Of the names that match: more than anything here keeps, and still a short reply.
MATCH_LIMIT = 1000
JVM_ROOT = "/usr/lib/jvm"

CommandRunner = Callable[[list[str]], tuple[int, str, str]]


def parse_os_release(text: str) -> dict[str, str]:
    """`/etc/os-release` as a dict (os-release(5)): keys in lower case, quotes removed."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip().lower(): value.strip().strip("\"'") for key, value in pairs}


def java_major(version: str) -> int:
    """Major release of a Java version string: `1.8.0_504` is 8, `17.0.15` is 17; 0 where there is no number."""
    found = re.match(r"(\d+)(?:\.(\d+))?", version)
    if not found:
        return 0
    major = int(found.group(1))
    return int(found.group(2) or 0) if major == 1 else major


def parse_units(text: str) -> dict[str, dict[str, Any]]:
    """Blocks of `systemctl show` (one a unit, parted by an empty line) by unit id."""
    units: dict[str, dict[str, Any]] = {}
    for block in text.strip().split("\n\n"):
        raw = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" not in raw:
            continue
        units[raw["Id"]] = {
            "exists": raw.get("LoadState") not in ("not-found", None, ""),
            "active": raw.get("ActiveState") in ("active", "activating", "reloading", "deactivating"),
            "state": raw.get("ActiveState", ""),
            "sub_state": raw.get("SubState", ""),
            "enabled": raw.get("UnitFileState") in ("enabled", "enabled-runtime"),
            "fragment": raw.get("FragmentPath", ""),
            "main_pid": int(raw.get("MainPID") or 0),
            "started_at": int(raw.get("ExecMainStartTimestampMonotonic") or 0),
            "restarts": int(raw.get("NRestarts") or 0),
            "result": raw.get("Result", ""),
            # A run that was killed between writing a unit and telling systemd: a start would take the one before.
            "needs_reload": raw.get("NeedDaemonReload") == "yes",
            "generation": "",
        }
        units[raw["Id"]]["process"] = process_identity(units[raw["Id"]])
    return units


def process_identity(unit: Mapping[str, Any]) -> str:
    """What tells one process of a unit from the next; empty where none runs."""
    return f"{unit['main_pid']}@{unit['started_at']}" if unit["active"] and unit["main_pid"] else ""


def generation_in(text: str) -> str:
    """The digest of the generation that a command line or environment names; empty where it names none."""
    found = GENERATION.search(text)
    return found.group(1) if found else ""


def parse_listening(text: str) -> list[tuple[str, int, str]]:
    """Listening sockets of `/proc/net/tcp` or `tcp6`: (address, port, inode). Source: proc(5), state 0A is LISTEN."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != "0A":
            continue
        raw, port = fields[1].rsplit(":", 1)
        found.append((_address(raw), int(port, 16), fields[9]))
    return found


def _address(raw: str) -> str:
    # The kernel prints each 32-bit word in host byte order.
    words = bytes.fromhex(raw)
    data = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    if len(data) == 16 and data.startswith(b"\0" * 10 + b"\xff\xff"):
        data = data[12:]
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def unit_of_cgroup(text: str) -> str:
    """The systemd unit in `/proc/<pid>/cgroup`; empty for a process outside of one."""
    found = re.findall(r"/([^/\s]+\.(?:service|socket|scope))(?:/|$)", text, flags=re.MULTILINE)
    return found[-1] if found else ""


def most_open_files(limits: str, status: str, nr_open: str) -> int:
    """Open files that process 1 can give to another one; 0 where the texts do not say.

    Args:
        limits: `/proc/1/limits`.
        status: `/proc/1/status`; without CAP_SYS_RESOURCE, as in many containers, no limit is raised.
        nr_open: `/proc/sys/fs/nr_open`, the kernel's own.
    """
    capabilities = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    hard = re.search(r"^Max open files\s+\S+\s+(\d+)", limits, re.MULTILINE)
    free = bool(capabilities and int(capabilities.group(1), 16) >> CAP_SYS_RESOURCE & 1)
    found = nr_open.strip() if free else hard.group(1) if hard else ""
    return int(found) if found.isdigit() else 0


class HostReader:
    """Reads this host. `run` runs a command and gives (rc, stdout, stderr)."""

    def __init__(self, run: CommandRunner) -> None:
        self._run = run
        #: Why a path was not read although something stands there, by path.
        self.unread: dict[str, str] = {}

    def operating_system(self) -> dict[str, Any]:
        release = parse_os_release(self._text("/etc/os-release"))
        return {
            "id": release.get("id", ""),
            "version": release.get("version_id", ""),
            "codename": release.get("version_codename", ""),
            "name": release.get("pretty_name", ""),
            "machine": os.uname().machine,
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        }

    def javas(self, extra_home: str) -> dict[str, dict[str, Any]]:
        """Java installations by home: those under /usr/lib/jvm, and `extra_home` where it is given."""
        homes = [entry.path for entry in self._directory(JVM_ROOT) if not entry.is_symlink()]
        found = {home: self._java(home) for home in [*homes, *([extra_home] if extra_home else [])]}
        return {home: java for home, java in found.items() if java}

    def _java(self, home: str) -> dict[str, Any]:
        binary = os.path.join(home, "bin/java")
        if not os.access(binary, os.X_OK):
            return {}
        # The release file answers at once; starting a JVM to ask takes a tenth of a second.
        declared = re.search(r'^JAVA_VERSION="([^"]+)"', self._text(os.path.join(home, "release")), re.MULTILINE)
        printed = declared or re.search(r'version "([^"]+)"', self._run([binary, "-version"])[2])
        version = printed.group(1) if printed else ""
        return {"version": version, "major": java_major(version)}

    def units(self, names: list[str]) -> dict[str, dict[str, Any]]:
        if not names:
            return {}
        _rc, out, _err = self._run(["systemctl", "show", "--property=" + ",".join(UNIT_PROPERTIES), "--", *names])
        # Without systemd, as in a bare container, nothing is told; and there is no such unit.
        nothing = "\n\n".join(f"Id={name}\nLoadState=not-found" for name in names)
        units = parse_units(nothing) | parse_units(out)
        for unit in units.values():
            unit["java_replaced"] = False
            if unit["active"] and unit["main_pid"]:
                base = f"/proc/{unit['main_pid']}"
                # Before a start script has become Java, only its environment names the generation.
                unit["generation"] = generation_in(self._text(base + "/cmdline")) or generation_in(
                    self._text(base + "/environ")
                )
                unit["java_replaced"] = self._link(base + "/exe").endswith(" (deleted)")
        return units

    def paths(self, paths: Iterable[str]) -> dict[str, dict[str, Any]]:
        return {path: self._stat(path) for path in paths}

    def contents(self, paths: Iterable[str], secrets: Iterable[str] = ()) -> dict[str, str]:
        """Text of small files, without the values of the keys that hold a secret; empty for one that is missing."""
        return {path: without_secrets(self._file(path), secrets) for path in paths}

    def lines(self, wanted: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Lines that contain one of some texts, by path; none for a file that is missing."""
        return {path: _with(texts, self._file(path).splitlines()) for path, texts in wanted.items()}

    def foreign(
        self, units: Mapping[str, Mapping[str, Any]], listening: Iterable[Mapping[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        """By unit, what a process that somebody else set up is; nothing of others.

        Args:
            units: as `units` gave them.
            listening: as `listening` gave it.

        Returns:
            releases: by product.
            directories: lines of a server's zoo.cfg that name where its data is.
        """
        found = {}
        for name, unit in units.items():
            pids = _pids_of(name, units, listening)
            if pids and not unit["generation"]:
                configs = [foreign.server_config(self._words(pid), self._link(f"/proc/{pid}/cwd")) for pid in pids]
                # Whoever owns the process may have made links on the way. Only these lines leave the host, whatever file it is.
                texts = [self._file(os.path.realpath(path)) for path in dict.fromkeys(configs) if path]
                found[name] = {
                    "releases": foreign.releases(path for pid in pids for path in self._open_files(pid)),
                    "directories": _with(("dataDir", "dataLogDir"), "\n".join(texts).splitlines()),
                }
        return found

    def _open_files(self, pid: int) -> list[str]:
        return [self._link(entry.path) for entry in self._directory(f"/proc/{pid}/fd")]

    def _words(self, pid: int) -> list[str]:
        # A class path alone may be longer than any other text here.
        return self._text(f"/proc/{pid}/cmdline", READ_LIMIT * 16).split("\0")

    def foreign_lines(
        self,
        wanted: Mapping[str, list[str]],
        configs: Mapping[str, Mapping[str, Any]],
        units: Mapping[str, Mapping[str, Any]],
        listening: Iterable[Mapping[str, Any]],
    ) -> dict[str, list[str]]:
        """The same of what a process that somebody else set up reads, under the path that it will have.

        Args:
            wanted: texts by path.
            configs: by unit, `directory` and `files`: the directory that it will have, and the files that it may be given there, as
                `foreign.read_files` takes them. The first that is there counts.
            units: as `units` gave them.
            listening: as `listening` gave it: of a unit that forgot its process, what listens is looked at.
        """
        found = {}
        for unit, config in configs.items():
            pids = _pids_of(unit, units, listening)
            lines = [] if units[unit]["generation"] else self._foreign_config(pids, config["files"])
            if lines:
                path = f"{config['directory']}/{next(iter(config['files']))}"
                found[path] = _with(wanted[path], lines)
        return found

    def _foreign_config(self, pids: Iterable[int], files: Mapping[str, str]) -> list[str]:
        """Lines of the configuration that the first of some processes with one was given; none where there is none."""
        for pid in pids:
            words = self._words(pid)
            given = foreign.config_dir(words)
            if given:
                texts = (self._file(f"{given}/{name}") for name in foreign.read_files(words, files))
                # What the command line says counts before the file.
                return foreign.dotted(next((text for text in texts if text), "")) + foreign.settings(words)
        return []

    def properties(self, wanted: Mapping[str, Iterable[str]]) -> dict[str, dict[str, str]]:
        """Some of the properties of Hadoop's configuration files, by path: what else they have may be secret.

        Nothing of a file that is missing, is none, or cannot be read: it is Hadoop's, and judged by whoever reads it next.
        """
        return {path: self._properties(path, set(names)) for path, names in wanted.items()}

    @staticmethod
    def _properties(path: str, names: Collection[str]) -> dict[str, str]:
        try:
            text = str(guarded_paths.visit(path, _content, follow=True))
        except (OSError, guarded_paths.EntryError):
            return {}
        return {name: value for name, value in hadoop_properties(text).items() if name in names}

    def holds(self, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, bool]]:
        """Whether a file has each of some texts, by path and name; nothing for a file that is missing or empty."""
        found = {path: self._file(path) for path in wanted}
        return {
            path: {name: text in found[path] for name, text in wanted[path].items() if found[path]} for path in wanted
        }

    def matches(self, wanted: Mapping[str, str]) -> dict[str, list[str]]:
        """Names in a directory, by path, that a regular expression matches whole; none where there is no directory."""
        return {path: self._guarded(path, _Matching(pattern), []) for path, pattern in wanted.items()}

    def resolve(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Addresses by name, as this host's resolver gives them; an empty list for a name that it does not know."""
        return {name: self._addresses(name) for name in names}

    def accounts(self, users: Iterable[str]) -> dict[str, dict[str, Any]]:
        return {name: self._account(name) for name in users}

    def memory(self) -> dict[str, Any]:
        """What the kernel does with memory; swappiness is -1 where it does not say."""
        swappiness = self._text("/proc/sys/vm/swappiness").strip()
        swap = re.search(r"^SwapTotal:\s*(\d+)", self._text("/proc/meminfo"), re.MULTILINE)
        pages = re.search(r"\[(\w+)\]", self._text("/sys/kernel/mm/transparent_hugepage/enabled"))
        return {
            "swap_mb": int(swap.group(1)) // 1024 if swap else 0,
            "swappiness": int(swappiness) if swappiness.isdigit() else -1,
            "huge_pages": pages.group(1) if pages else "",
        }

    def certificates(self, paths: Iterable[str]) -> dict[str, str]:
        """The day on which a certificate ends, by path; empty for a file that has none."""
        return {path: certificate_end(self._text(path)) for path in paths}

    def open_files(self) -> int:
        """Open files that systemd can give a service at most; 0 where that could not be read."""
        return most_open_files(
            self._text("/proc/1/limits"), self._text("/proc/1/status"), self._text("/proc/sys/fs/nr_open")
        )

    def groups(self, names: Iterable[str]) -> dict[str, bool]:
        """Whether there is a group, by name."""
        return {name: self._group(name) for name in names}

    @staticmethod
    def _group(name: str) -> bool:
        try:
            return bool(grp.getgrnam(name))
        except KeyError:
            return False

    def listening(self) -> list[dict[str, Any]]:
        sockets: list[tuple[str, int, str]] = []
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            sockets += parse_listening(self._text(table, READ_LIMIT * 16))
        owners = self._owners({inode for _address, _port, inode in sockets})
        return [
            {"address": address, "port": port, **owners.get(inode, {"pid": 0, "unit": ""})}
            for address, port, inode in sorted(sockets, key=lambda item: (item[1], item[0]))
        ]

    def _owners(self, inodes: set[str]) -> dict[str, dict[str, Any]]:
        owners: dict[str, dict[str, Any]] = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for entry in self._directory(f"/proc/{pid}/fd"):
                link = self._link(entry.path)
                inode = link[8:-1] if link.startswith("socket:[") else ""
                if inode in inodes:
                    owners[inode] = {"pid": int(pid), "unit": unit_of_cgroup(self._text(f"/proc/{pid}/cgroup"))}
        return owners

    @staticmethod
    def _link(path: str) -> str:
        try:
            return os.readlink(path)
        except OSError:  # a connection that was closed meanwhile; the process has others
            return ""

    @staticmethod
    def _text(path: str, limit: int = READ_LIMIT) -> str:
        try:
            with open(path, "rb") as handle:
                return handle.read(limit).decode("utf-8", "replace")
        except OSError:
            return ""

    @staticmethod
    def _directory(path: str) -> list[os.DirEntry[str]]:
        try:
            return sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            return []

    @staticmethod
    def _addresses(name: str) -> list[str]:
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return []
        return sorted({str(info[4][0]) for info in found})

    @staticmethod
    def _account(name: str) -> dict[str, Any]:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return {"exists": False, "uid": -1, "gid": -1, "home": "", "shell": ""}
        return {
            "exists": True,
            "uid": entry.pw_uid,
            "gid": entry.pw_gid,
            "home": entry.pw_dir,
            "shell": entry.pw_shell,
        }

    def _file(self, path: str) -> str:
        """Text of a file that may lie where a service's user can put anything; empty for one that is missing.

        What is no file, and a link that root did not make, is never read, and noted in `unread`: absent means something else.
        """
        return str(self._guarded(path, _content, "", follow=True))

    def _guarded(self, path: str, look: Callable[[int, str], Any], otherwise: Any, follow: bool = False) -> Any:
        try:
            return guarded_paths.visit(path, look, follow=follow)
        except (FileNotFoundError, NotADirectoryError):
            return otherwise
        except guarded_paths.EntryError as error:
            self.unread[path] = str(error) if path in str(error) else f"{path}: {error}"
        except OSError as error:
            self.unread[path] = f"{path} cannot be read: {error}."
        return otherwise

    def _stat(self, path: str) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "exists": False,
            "type": "",
            "owner": "",
            "group": "",
            "mode": "",
            "target": "",
            "entries": [],
        }
        return {**facts, **self._guarded(path, _look, {}), "free_mb": _free_mb(path)}


def _content(folder: int, name: str) -> str:
    try:
        return guarded_paths.content(folder, name, READ_LIMIT).decode("utf-8", "replace")
    except guarded_paths.EntryError as error:
        raise guarded_paths.EntryError(f"{error} Look who made it, and remove it.") from error


def _look(folder: int, name: str) -> dict[str, Any]:
    handle = os.open(name, guarded_paths.LOOK, dir_fd=folder)
    try:
        info = os.fstat(handle)
        kind = {stat.S_IFDIR: "directory", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
        facts = {
            "exists": True,
            "type": kind.get(stat.S_IFMT(info.st_mode), "other"),
            "owner": _name(pwd.getpwuid, info.st_uid),
            "group": _name(grp.getgrgid, info.st_gid),
            "mode": f"{stat.S_IMODE(info.st_mode):04o}",
            "target": os.readlink("", dir_fd=handle) if stat.S_ISLNK(info.st_mode) else "",
        }
    finally:
        os.close(handle)
    if stat.S_ISDIR(info.st_mode):
        path = guarded_paths.directory(folder, name)
        try:
            facts["entries"] = sorted(os.listdir(path))[:LIST_LIMIT]
        finally:
            os.close(path)
    return facts


class _Matching:
    """Reads the names in a directory that a regular expression matches whole."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def __call__(self, folder: int, name: str) -> list[str]:
        opened = guarded_paths.directory(folder, name)
        try:
            return sorted(each for each in os.listdir(opened) if self._pattern.fullmatch(each))[:MATCH_LIMIT]
        finally:
            os.close(opened)


def _name(lookup: Callable[[int], Any], number: int) -> str:
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def _free_mb(path: str) -> int:
    # The nearest parent that exists tells where the path will be. What cannot be looked at is told by what asked for it.
    while path not in ("", "/"):
        try:
            return guarded_paths.visit(path, _free, follow=True)
        except (OSError, guarded_paths.EntryError):
            path = os.path.dirname(path.rstrip("/"))
    return _megabytes(os.statvfs("/"))


def _free(folder: int, name: str) -> int:
    handle = os.open(name, guarded_paths.LOOK, dir_fd=folder)
    try:
        return _megabytes(os.fstatvfs(handle))
    finally:
        os.close(handle)


def _pids_of(unit: str, units: Mapping[str, Mapping[str, Any]], listening: Iterable[Mapping[str, Any]]) -> list[int]:
    """A unit's process, and what listens for it: a unit may have forgotten its process."""
    found = [units[unit]["main_pid"], *(each["pid"] for each in listening if each["unit"] == unit)]
    return [pid for pid in dict.fromkeys(found) if pid]


def _megabytes(usage: os.statvfs_result) -> int:
    return usage.f_bavail * usage.f_frsize // 2**20


def _with(texts: Iterable[str], lines: Iterable[str]) -> list[str]:
    return [line for line in lines if any(text in line for text in texts)]


def hadoop_properties(text: str) -> dict[str, str]:
    """The properties of one of Hadoop's configuration files; none of a text that is no such file. What it includes is not read."""
    try:
        root = ElementTree.fromstring(text.strip())
    except (ElementTree.ParseError, ValueError):
        return {}
    pairs = ((each.findtext("name"), each.findtext("value")) for each in root.iter("property"))
    return {name.strip(): value.strip() for name, value in pairs if name and value is not None}


def without_secrets(text: str, keys: Iterable[str]) -> str:
    """A file of `key=value` lines without the values of some keys."""
    for key in keys:
        text = re.sub(rf"(?m)^(\s*{re.escape(key)}\s*=).*$", r"\1", text)
    return text


def read_host(reader: HostReader, params: Mapping[str, Any]) -> dict[str, Any]:
    """All that `host_state` returns, for its validated `params`."""
    units, listening = reader.units(params["units"]), reader.listening()
    for name, found_there in reader.foreign(units, listening).items():
        units[name]["foreign"] = found_there
    found = {
        "os": reader.operating_system(),
        "javas": reader.javas(params["java_home"]),
        "units": units,
        "paths": reader.paths(params["paths"]),
        "contents": reader.contents(params["contents"], params["secrets"]),
        "lines": reader.lines(params["lines"])
        | reader.foreign_lines(params["lines"], params["foreign_configs"], units, listening),
        "holds": reader.holds(params["holds"]),
        "matches": reader.matches(params["matches"]),
        "resolved": reader.resolve(params["resolve"]),
        "accounts": reader.accounts(params["accounts"]),
        "memory": reader.memory(),
        "certificates": reader.certificates(params["certificates"]),
        "open_files": reader.open_files(),
        "groups": reader.groups(params["groups"]),
        "listening": listening,
        "properties": reader.properties(params["properties"]),
        "standing": standing.read(**params["standing"]) if params["standing"] else {},
    }
    return found | {"unread": reader.unread}
