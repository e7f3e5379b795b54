"""Variables of flink_ha from a configuration of Flink, and what is to be said of its keys. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core import secret_text
from ansible_collections.streamquorum.ha.plugins.module_utils.core.known_names import KnownNames
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import jars
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options as flink_options
from ansible_collections.streamquorum.ha.plugins.plugin_utils.importing.files import Entry, File

#: Units of time, in ms (TimeUtils of Flink); a number alone is ms.
TIME = {
    **dict.fromkeys(("", "ms", "milli", "millis", "millisecond", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1000),
    **dict.fromkeys(("min", "m", "minute", "minutes"), 60_000),
    **dict.fromkeys(("h", "hour", "hours"), 3_600_000),
    **dict.fromkeys(("d", "day", "days"), 86_400_000),
}
#: ms; of all releases (HighAvailabilityOptions.ZOOKEEPER_SESSION_TIMEOUT).
OWN_SESSION_TIMEOUT = 60_000
#: Options that follow from the hosts of the inventory, and those that the role always sets itself.
FOLLOW = {
    "jobmanager_rpc_address", "rest_address", "taskmanager_host", "kerberos_ticket_cache", "zookeeper_sasl_context", "zookeeper_sasl_disable",
    "pid_dir", "zookeeper_quorum", "high_availability",
}  # fmt: skip
#: Stores of keys, which the role makes itself, of certificates; and the switches, which `_tls` reads together.
TLS = re.compile(r"^(rest|internal)_(tls.*|(key|trust)_(store|key)?_?(password)?)$")
#: Switches of single connections: each of them leaves one of the internal connections, or REST, open.
TLS_PARTS = (
    "akka.ssl.enabled", "pekko.ssl.enabled", "blob.service.ssl.enabled", "taskmanager.data.ssl.enabled", "web.ssl.enabled",
    "jobmanager.web.ssl.enabled",
)  # fmt: skip
#: Where keys of an object store begin.
OBJECT_STORES = ("s3.", "s3a.", "fs.", "gs.", "oss.", "azure.")
#: Other words that Flink takes for a restart strategy (RestartStrategyOptions).
STRATEGIES = {
    "fixeddelay": "fixed-delay", "failurerate": "failure-rate", "exponentialdelay": "exponential-delay", "off": "none", "disable": "none",
}  # fmt: skip


@dataclass
class Imported:
    """What comes of a file."""

    variables: dict[str, Any] = field(default_factory=dict)
    #: Of a single line each, in its order.
    told: list[str] = field(default_factory=list)
    #: What the operator has to give.
    missing: list[str] = field(default_factory=list)


class ValueRefusedError(ValueError):
    """A value that the variable cannot have; the text ends a sentence."""


def duration(text: str) -> int:
    """Milliseconds.

    Raises:
        ValueRefusedError: it is no time.
    """
    found = re.fullmatch(r"(\d+)\s*([a-z]*)", text.strip().lower())
    if not found or found.group(2) not in TIME:
        raise ValueRefusedError("is no time that this toolkit reads")
    return int(found.group(1)) * TIME[found.group(2)]


def number(text: str) -> int:
    """A whole number.

    Raises:
        ValueRefusedError: it is none, such as a range of ports.
    """
    if not re.fullmatch(r"\d+", text.strip()):
        raise ValueRefusedError("is no single number, which the variable takes")
    return int(text)


def switch(text: str) -> bool:
    """true and false, as Flink reads them."""
    return text.strip().lower() == "true"


def words(text: str) -> list[str]:
    """A list, with commas or semicolons."""
    return [word.strip() for word in re.split(r"[,;]", text) if word.strip()]


def scalar(text: str) -> Any:
    """As it is written again: a number or a switch is none in quotation marks."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"0|[1-9]\d*", text) else text


def holds_secret(entry: Entry) -> bool:
    """Whether a line has what nobody is to read: by its key, within its value, or in a URI."""
    # security.delegation.tokens.enabled has one in its name alone.
    return entry.value.lower() not in ("true", "false") and (
        secret_text.names_secret(entry.key)
        or secret_text.holds_secret(entry.value)
        or any(jars.key_in(uri) for uri in re.findall(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s,;\"']*", entry.value))
    )


#: How a variable has the value of its option, where that is no text.
TYPES: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(
        ("session_timeout", "connection_timeout", "retry_wait", "restart_delay", "checkpoint_interval"), duration
    ),
    **dict.fromkeys(
        ("max_retry_attempts", "restart_attempts", "taskmanager_slots", "parallelism", "log_files"), number
    ),
    **dict.fromkeys(("rest_port", "blob_port", "jobmanager_metrics_port", "taskmanager_metrics_port"), number),
    **dict.fromkeys(("taskmanager_rpc_port", "taskmanager_data_port"), number),
    **dict.fromkeys(("tolerate_suspended", "ensemble_tracker", "web_submit"), switch),
    "tls_algorithms": words,
    # ConfigurationUtils.splitPaths.
    "tmp_dirs": lambda text: [path for path in re.split(r"[,|:]", text) if path],
    "restart_strategy": lambda text: STRATEGIES.get(text.lower(), text.lower()),
    "cluster_id": lambda text: "/" + text.strip("/"),
    "kerberos_contexts": lambda text: [word for word in words(text) if word != "Client"],
}


def of_file(
    file: File,
    version: str,
    registry: Sequence[Mapping[str, Any]],
    known: KnownNames,
    open_prefixes: Sequence[str],
    shipped_java_opts: Mapping[str, Sequence[str]],
    defaults: Mapping[str, Any],
    members: Sequence[str],
    silence: int,
) -> Imported:
    """What a configuration of Flink becomes.

    Args:
        file: as `files.read` gives it.
        version: the release that is to be installed.
        registry: flink_ha_options.
        known: Flink's own options.
        open_prefixes: flink_ha_open_options.
        shipped_java_opts: flink_ha_shipped_java_opts.
        defaults: the role's, as they are written.
        members: host:port of the ensemble's members, where it is imported too.
        silence: how long a leader of it that hangs stays unnoticed, in ms; 0 where it is not imported.
    """
    found = Imported(told=list(file.told))
    by_name = _by_name(registry)
    own: list[tuple[Entry, Mapping[str, Any]]] = []
    for entry in file.entries:
        options = by_name.get(entry.key, [])
        if any(TLS.match(str(option["name"])) for option in options):
            continue
        if holds_secret(entry):
            _secret(found, entry, options)
        elif options:
            own += [(entry, option) for option in options]
        else:
            _further(found, f"{file.path}:{entry.line}", entry, version, known, open_prefixes)
    _owned(found, file.path, own, version, shipped_java_opts)
    _memory(found, file)
    _availability(found, file, by_name, members)
    _tls(found, file)
    found.variables = {
        name: value for name, value in found.variables.items() if name not in defaults or defaults[name] != value
    }
    _session(
        found, silence, int(defaults["flink_ha_zookeeper_session_timeout"]), _first(file, by_name, "session_timeout")
    )
    found.variables["flink_ha_version"] = version
    found.told += _besides(registry, version, found.variables, defaults, {entry.key for entry in file.entries})
    return found


def _by_name(registry: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    names: dict[str, list[Mapping[str, Any]]] = {}
    for option in registry:
        for name in {*option["keys"].values(), *option.get("aliases", [])}:
            names.setdefault(name, []).append(option)
    return names


def _secret(found: Imported, entry: Entry, options: Sequence[Mapping[str, Any]]) -> None:
    place = "flink_ha_config_extra"
    if options:
        place = str(options[0]["variable"])
    elif entry.key.startswith(OBJECT_STORES):
        place = "flink_ha_storage_credentials"
    found.missing.append(f"{place}: {entry.key} (line {entry.line}) has a secret. Put it into your vault.")


def _owned(
    found: Imported,
    path: str,
    own: Sequence[tuple[Entry, Mapping[str, Any]]],
    version: str,
    shipped_java_opts: Mapping[str, Sequence[str]],
) -> None:
    """Keys that variables stand for. The name that the release reads counts before older ones; where values differ, nobody chooses."""
    # By variable and by name of the option.
    values: dict[str, dict[str, tuple[bool, Any, Entry]]] = {}
    for entry, option in own:
        name, variable = str(option["name"]), str(option["variable"])
        now = flink_options.greatest_since(option["keys"], version)
        if not _counts(found, path, entry, option, now, version):
            continue
        try:
            value = (
                _java_opts(entry.value, shipped_java_opts) if name == "java_opts" else TYPES.get(name, str)(entry.value)
            )
        except ValueRefusedError as problem:
            found.missing.append(f"{variable}: {entry.key} (line {entry.line}) is {entry.value}, and {problem}.")
            continue
        if variable.endswith("_port") and value in (0, "0"):
            found.told.append(
                f"{path}:{entry.line}: {entry.key} is 0, any port. The role gives it a number ({variable})."
            )
            continue
        if variable == "flink_ha_kerberos_contexts" and "Client" in words(entry.value):
            found.variables["flink_ha_zookeeper_auth"] = "kerberos"
        own_name, before = entry.key == now, values.get(variable, {}).get(name)
        if value != [] and (before is None or own_name >= before[0]):
            values.setdefault(variable, {})[name] = (own_name, value, entry)
    for variable, given in values.items():
        found.variables |= _agreed(found, variable, [(value, entry) for _own_name, value, entry in given.values()])


def _counts(found: Imported, path: str, entry: Entry, option: Mapping[str, Any], now: str | None, version: str) -> bool:
    """Whether a line becomes a variable; otherwise what is to be known of it is said."""
    name, variable, where = str(option["name"]), str(option["variable"]), f"{path}:{entry.line}"
    if entry.key == "jobmanager.rpc.port":
        found.told.append(f"{where}: {entry.key} counts for nothing with high availability. It is left out.")
    elif entry.key.endswith(".bind-port"):
        found.missing.append(
            f"{variable}: {entry.key} (line {entry.line}) is {entry.value}. The role binds the port that it tells."
        )
    elif name.endswith("_memory") and "heap" in entry.key:
        found.missing.append(
            f"{variable}: {entry.key} (line {entry.line}) was the heap alone, {entry.value}; the variable is the memory of the whole process."
        )
    elif now is None and option["keys"]:
        found.told.append(f"{where}: Flink {version} has no {entry.key}. It is left out.")
    else:
        if now is not None and now != entry.key:
            found.told.append(f"{where}: {entry.key} is {now} in Flink {version}.")
        if name in FOLLOW:
            return False
        if name == "zookeeper_sasl_service":
            if entry.value != "zookeeper":
                found.missing.append(f"{variable}: {entry.value}, for the hosts of the ensemble.")
            return False
        if variable.startswith("flink_ha_"):
            return True
        found.told.append(f"{where}: {entry.key} belongs to {variable}. It is left out.")
    return False


def _agreed(found: Imported, variable: str, given: Sequence[tuple[Any, Entry]]) -> dict[str, Any]:
    first = given[0][0]
    if all(value == first for value, _entry in given):
        return {variable: first}
    lines = ", ".join(f"{entry.key} (line {entry.line}) is {entry.value}" for _value, entry in given)
    found.missing.append(f"{variable}: {lines}, and it is one for all.")
    return {}


def _memory(found: Imported, file: File) -> None:
    """Flink does not start where the parts are larger than the whole, which the role always gives."""
    for kind in ("jobmanager", "taskmanager"):
        parts = [entry for entry in file.entries if re.match(rf"{kind}\.memory\..*size$", entry.key)]
        if parts and not file.value(f"{kind}.memory.process.size"):
            lines = ", ".join(f"{entry.key} (line {entry.line}) is {entry.value}" for entry in parts)
            found.missing.append(
                f"flink_ha_{kind}_memory: {lines}. The variable is the memory of the whole process, and has to hold them."
            )


def _java_opts(text: str, shipped: Mapping[str, Sequence[str]]) -> list[str]:
    """Those of the operator's own; what releases ship is added by the role."""
    every = {each for known in shipped.values() for each in known}
    # The scripts take a pair of quotation marks away (bin/config.sh).
    inner = text[1:-1] if len(text) > 1 and text[0] in "\"'" and text[0] == text[-1] else text
    try:
        return [word for word in shlex.split(inner) if word not in every]
    except ValueError as error:
        raise ValueRefusedError("has quotation marks that are not closed") from error


def _further(
    found: Imported,
    where: str,
    entry: Entry,
    version: str,
    known: KnownNames,
    open_prefixes: Sequence[str],
) -> None:
    problem = flink_options.ended_problem(entry.key, version) or flink_options.unknown_problem(
        entry.key, version, known, open_prefixes
    )
    parts = entry.key.split(".")
    maps = [".".join(parts[:length]) for length in range(len(parts) - 1, 1, -1)]
    option = next(
        (name for name in maps if name in known and not flink_options.unknown_problem(name, version, known, [])), ""
    )
    if problem and option:
        # An option that is a map: what stands behind its name is the operator's own.
        unchecked = found.variables.setdefault("flink_ha_config_unchecked", [])
        unchecked += [] if f"{option}." in unchecked else [f"{option}."]
    elif problem:
        # Flink says nothing of a key that it does not have.
        found.told.append(f"{where}: {problem} Flink would ignore it in silence; it is left out.")
        return
    found.variables.setdefault("flink_ha_config_extra", {})[entry.key] = scalar(entry.value)


def _first(file: File, by_name: Mapping[str, Sequence[Mapping[str, Any]]], option: str) -> str:
    return next(
        (entry.value for entry in file.entries if any(each["name"] == option for each in by_name.get(entry.key, []))),
        "",
    )


def _availability(
    found: Imported, file: File, by_name: Mapping[str, Sequence[Mapping[str, Any]]], members: Sequence[str]
) -> None:
    mode, servers = _first(file, by_name, "high_availability"), words(_first(file, by_name, "zookeeper_quorum"))
    # As ZooKeeper's client has it (ConnectStringParser).
    quorum = ",".join(server if re.search(r":\d+$", server) else f"{server}:2181" for server in servers)
    if mode.lower() != "zookeeper":
        found.told.append(f"{file.path}: high availability is {mode or 'not set'}. The inventory makes it zookeeper.")
    if quorum and sorted(words(quorum)) != sorted(members):
        found.variables["flink_ha_zookeeper_quorum"] = quorum
    storage = str(found.variables.get("flink_ha_storage_dir", ""))
    if storage.startswith("/"):
        # Without a scheme it is the file system of the host.
        found.variables["flink_ha_storage_dir"] = storage = f"file://{storage}"
    if storage.startswith("file:"):
        found.variables["flink_ha_storage_shared"] = True
    places = [found.variables.get(f"flink_ha_{name}_dir", "") for name in ("storage", "checkpoint", "savepoint")]
    schemes = {str(place).partition(":")[0] for place in places if ":" in str(place)}
    if schemes & {*jars.HADOOP}:
        found.missing.append(
            "flink_ha_hadoop_classpath and flink_ha_hadoop_conf_dir: what HADOOP_CLASSPATH and HADOOP_CONF_DIR were."
        )
    if schemes - {"file", *jars.HADOOP}:
        found.missing.append(
            "flink_ha_plugins: what stood in plugins/, and flink_ha_libraries, what was added to lib/."
        )
    if "flink_ha_cluster_id" not in found.variables:
        found.variables["flink_ha_cluster_id"] = "/default"
        found.told.append(f"{file.path}: there is no cluster-id, so Flink's own counted, /default, where the jobs are.")
    if "flink_ha_storage_dir" not in found.variables:
        found.missing.append("flink_ha_storage_dir: the file has none that can be told, and there is no default.")
    if "flink_ha_keytab" in found.variables:
        found.missing.append(
            "kerberos_realm and kerberos_kdcs, or kerberos_write_config: false, which leaves /etc/krb5.conf as it is."
        )


def _session(found: Imported, silence: int, default: int, given: str) -> None:
    """Without a timeout in the file Flink's own counted, which the role's is shorter than: too short for some ensembles."""
    if not given and default <= silence:
        found.variables["flink_ha_zookeeper_session_timeout"] = OWN_SESSION_TIMEOUT
        found.told.append(
            f"The file has no session timeout, so Flink's own counted, {OWN_SESSION_TIMEOUT} ms, which is kept: the role's {default} ms need an "
            f"ensemble that notices a leader that hangs earlier than after {silence} ms (zookeeper_sync_limit ticks)."
        )


def _tls(found: Imported, file: File) -> None:
    # Up to 1.4 one switch was for all.
    both = file.value("security.ssl.enabled")
    rest = switch(file.value("security.ssl.rest.enabled") or both)
    internal = switch(file.value("security.ssl.internal.enabled") or both)
    if rest:
        mutual = switch(file.value("security.ssl.rest.authentication-enabled"))
        found.variables["flink_ha_rest_tls"] = "mutual" if mutual else "server"
    if internal:
        found.variables["flink_ha_internal_tls"] = True
    if rest or internal:
        found.missing.append(
            'Certificates: the role makes the stores of keys itself. docs/operations.md, "TLS for Flink", has the inputs.'
        )
        found.missing += [
            f"TLS: {entry.key} (line {entry.line}) is false, and the role has no switch for single connections."
            for entry in file.entries
            if entry.key in TLS_PARTS and not switch(entry.value)
        ]


def _besides(
    registry: Iterable[Mapping[str, Any]],
    version: str,
    variables: Mapping[str, Any],
    defaults: Mapping[str, Any],
    given: set[str],
) -> list[str]:
    """What the role writes and the file had not: until now Flink's own default counted."""
    told = []
    for option in registry:
        variable, key = str(option["variable"]), flink_options.greatest_since(option["keys"], version)
        value = defaults.get(variable)
        names = {*option["keys"].values(), *option.get("aliases", [])}
        written = key and option["scopes"] and value not in (None, "", "none", []) and "{{" not in str(value)
        if (
            written
            # Of an application on YARN, which no such file is for.
            and not str(key).startswith("yarn.")
            and not names & given
            and variable not in variables
            and not _conditional(str(option["name"]), variables, defaults)
        ):
            told.append(f"{key} is not in the file. The role writes {shown(value)} ({variable}).")
    if "flink_ha_checkpoint_dir" not in variables:
        told.append(
            "Checkpoints and savepoints: the role gives them directories below flink_ha_storage_dir, where the file names none."
        )
    return list(dict.fromkeys(told))


def _conditional(name: str, variables: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Options that are written with others alone."""
    strategy = variables.get("flink_ha_restart_strategy", defaults["flink_ha_restart_strategy"])
    tls = "flink_ha_rest_tls" in variables or "flink_ha_internal_tls" in variables
    return (
        (name in ("restart_attempts", "restart_delay") and strategy != "fixed-delay")
        or ("tls" in name and not tls)
        or TLS.match(name) is not None
        or name.startswith("kerberos_")
        or name in ("web_submit", "ensemble_tracker", "zookeeper_sasl_service")
    )


def shown(value: Any) -> str:
    """A value as the file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
