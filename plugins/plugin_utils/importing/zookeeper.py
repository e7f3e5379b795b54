"""Variables of zookeeper from a zoo.cfg, and what is to be said of its keys. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.known_names import KnownNames, unknown_problem
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.config import JVM_ONLY_KEYS, OBSERVER
from ansible_collections.streamquorum.ha.plugins.plugin_utils.importing.files import Entry, File
from ansible_collections.streamquorum.ha.plugins.plugin_utils.importing.flink import (
    Imported,
    holds_secret,
    scalar,
    shown,
    words,
)

#: server.1=host:2888:3888[:role][;[address:]2181]
SERVER = re.compile(
    r"^(?P<host>[^:;|\[\]]+):(?P<quorum>\d+):(?P<election>\d+)(?::(?P<role>\w+))?(?:;(?:[^:]*:)?(?P<client>\d+))?$"
)


@dataclass
class Ensemble(Imported):
    """What comes of a zoo.cfg."""

    #: By host, its own variables.
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def members(self) -> list[str]:
        """host:port of each."""
        return [f"{host}:{self.client_port}" for host in self.hosts]

    client_port: int = 2181


#: Beginnings of keys behind which stand names and numbers of the operator's own, or of a class that is no part of ZooKeeper.
OPEN_PREFIXES = ("authProvider.", "metricsProvider.", "server.", "ssl.authProvider.")


def of_file(
    file: File,
    version: str,
    options: Mapping[str, str],
    owned: Mapping[str, str],
    known: KnownNames,
    defaults: Mapping[str, Any],
) -> Ensemble:
    """What a zoo.cfg becomes.

    Args:
        file: as `files.read` gives it.
        version: the release that is to be installed; empty for the role's own.
        options: keys of zoo.cfg -> the variable that each is the value of.
        owned: further keys -> what they belong to.
        known: keys that ZooKeeper reads.
        defaults: the role's, as they are written.
    """
    found = Ensemble(told=list(file.told))
    ports: dict[str, set[int]] = {"quorum": set(), "election": set(), "client": set()}
    for entry in file.entries:
        where = f"{file.path}:{entry.line}"
        if re.fullmatch(r"server\.\d+", entry.key):
            _server(found, where, int(entry.key.partition(".")[2]), entry.value, ports)
        elif re.match(r"(group|weight)\.", entry.key):
            found.told.append(
                f"{where}: {entry.key} makes a hierarchical quorum, which this toolkit does not run. It is left out."
            )
        elif entry.key == "clientPortAddress":
            found.missing.append(
                f"clientPortAddress (line {entry.line}) is {entry.value}: each host has its own, and the role has no input for it."
            )
        elif entry.key == "dynamicConfigFile":
            found.missing.append(f"The members: they stand in {entry.value}. Give its lines server.N within zoo.cfg.")
        elif entry.key in options:
            found.variables[options[entry.key]] = _value(entry, defaults.get(options[entry.key]))
        elif entry.key in ("db.autocreate", "datadir.autocreate"):
            if entry.value != "false":
                found.told.append(f"{where}: {entry.key} is always false here, so that an empty directory never votes.")
        elif entry.key.startswith("authProvider."):
            found.missing.append(f"zookeeper_client_auth: {entry.key} (line {entry.line}) is {entry.value}.")
        elif entry.key in owned:
            found.missing.append(f"{owned[entry.key]}: {entry.key} (line {entry.line}) comes of it.")
        elif entry.key in JVM_ONLY_KEYS:
            found.told.append(
                f"{where}: {entry.key} is read as a Java property only, so it had no effect. Where it is wanted: zookeeper_java_opts_extra."
            )
        elif holds_secret(entry):
            found.missing.append(
                f"zookeeper_config_extra: {entry.key} (line {entry.line}) is a secret. Put it into your vault."
            )
        elif entry.key != "peerType":
            _further(found, where, entry, version or str(defaults["zookeeper_version"]), known)
    _ports(found, ports)
    found.variables.pop("zookeeper_single_node", None)
    if not any(entry.key == "dynamicConfigFile" or entry.key.startswith("server.") for entry in file.entries):
        found.variables["zookeeper_single_node"] = True
        found.missing.append("The host of the one server, in the group zookeeper, with its zookeeper_id.")
    found.client_port = int(found.variables.get("zookeeper_client_port", 2181))
    found.variables = {
        name: value for name, value in found.variables.items() if name not in defaults or defaults[name] != value
    }
    if version:
        found.variables["zookeeper_version"] = version
    given = {entry.key for entry in file.entries}
    found.told += [
        f"{key} is not in the file. The role writes {shown(defaults[variable])} ({variable})."
        for key, variable in options.items()
        if key not in given and variable not in found.variables and _plain(defaults.get(variable))
    ]
    found.missing.append(
        "zookeeper_heap_mb and zookeeper_java_opts_extra: what JVMFLAGS, SERVER_JVMFLAGS, zookeeper-env.sh or java.env had."
    )
    found.missing.append("zookeeper_user and zookeeper_group: who owns the data.")
    return found


def _server(found: Ensemble, where: str, identity: int, value: str, ports: Mapping[str, set[int]]) -> None:
    match = SERVER.match(value)
    if not match:
        found.missing.append(
            f"The member {identity}: {where} has {value}, of which one host and two ports cannot be read."
        )
        return
    if match["host"] == "0.0.0.0" or match["host"] in found.hosts:
        found.missing.append(
            f"The host of the member {identity}: {where} has {match['host']}, which is no name for it alone."
        )
        return
    own: dict[str, Any] = {"zookeeper_id": identity}
    if match["role"] == OBSERVER:
        own["zookeeper_peer_type"] = OBSERVER
    found.hosts[match["host"]] = own
    for name, each in ports.items():
        if match[name]:
            each.add(int(match[name]))


def _value(entry: Entry, default: Any) -> Any:
    if not isinstance(default, list):
        return scalar(entry.value)
    # What the checks of this toolkit ask for is always there.
    given = words(entry.value)
    return given if "*" in given else sorted({*given, *default})


def _plain(value: Any) -> bool:
    return value not in (None, "", []) and "{{" not in str(value)


def _further(found: Ensemble, where: str, entry: Entry, version: str, known: KnownNames) -> None:
    if entry.key == "electionAlg" and not version.startswith("3.5."):
        # QuorumPeerConfig since 3.6.
        if entry.value != "3":
            found.told.append(
                f"{where}: electionAlg is {entry.value}, and ZooKeeper has no other than 3 since 3.6. It is left out."
            )
        return
    problem = unknown_problem(entry.key, version, known, OPEN_PREFIXES, "key", "ZooKeeper")
    if problem and entry.key in known:
        found.told.append(f"{where}: {problem} It is left out.")
        return
    if problem:
        found.told.append(
            f"{where}: {problem} A server makes it the Java property zookeeper.{entry.key}, and reads it nowhere itself. It is kept, in "
            "zookeeper_config_extra."
        )
    found.variables.setdefault("zookeeper_config_extra", {})[entry.key] = scalar(entry.value)


def _ports(found: Ensemble, ports: Mapping[str, set[int]]) -> None:
    for name, each in ports.items():
        if len(each) == 1:
            found.variables[f"zookeeper_{name}_port"] = min(each)
        elif each:
            found.missing.append(
                f"zookeeper_{name}_port: the members have {', '.join(map(str, sorted(each)))}, and it is one for all."
            )
