"""Variables of flink_ha from a configuration of Flink, and what is to be said of its keys. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.secret_text import names_secret
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
#: Options that follow from the hosts of the inventory, and those that the role always sets itself.
FOLLOW = {
    "jobmanager_rpc_address", "rest_address", "taskmanager_host", "kerberos_ticket_cache", "zookeeper_sasl_context", "zookeeper_sasl_disable",
    "pid_dir", "zookeeper_quorum", "high_availability", "rest_tls_authentication",
}  # fmt: skip
#: Stores of keys: the role makes its own, of certificates.
STORES = re.compile(r"^(rest|internal)_(key|trust)_(store|key)?_?(password)?$")


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
    **dict.fromkeys(("tolerate_suspended", "ensemble_tracker", "web_submit", "internal_tls"), switch),
    **dict.fromkeys(("tmp_dirs", "tls_algorithms"), words),
    "cluster_id": lambda text: "/" + text.strip("/"),
    "kerberos_contexts": lambda text: [word for word in words(text) if word != "Client"],
}


def of_file(
    file: File,
    version: str,
    registry: Sequence[Mapping[str, Any]],
    known: Mapping[str, tuple[str, str]],
    open_prefixes: Sequence[str],
    shipped_java_opts: Mapping[str, Sequence[str]],
    defaults: Mapping[str, Any],
    members: Sequence[str],
) -> Imported:
    """What a configuration of Flink becomes.

    Args:
        file: as `files.read` gives it.
        version: the release that is to be installed.
        registry: flink_ha_options.
        known: Flink's own options, as `options.parse_known` gives them.
        open_prefixes: flink_ha_open_options.
        shipped_java_opts: flink_ha_shipped_java_opts.
        defaults: the role's, as they are written.
        members: host:port of the ensemble's members, where it is imported too.
    """
    found = Imported(told=list(file.told))
    by_name = _by_name(registry)
    for entry in file.entries:
        where = f"{file.path}:{entry.line}"
        options = by_name.get(entry.key, [])
        if options:
            _owned(found, where, entry, options, version, shipped_java_opts)
        else:
            _further(found, where, entry, version, known, open_prefixes)
    _availability(found, file, by_name, members)
    _tls(found, file)
    found.variables = {
        name: value for name, value in found.variables.items() if name not in defaults or defaults[name] != value
    }
    found.variables["flink_ha_version"] = version
    found.told += _besides(registry, version, found.variables, defaults, {entry.key for entry in file.entries})
    return found


def _by_name(registry: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    names: dict[str, list[Mapping[str, Any]]] = {}
    for option in registry:
        for name in {*option["keys"].values(), *option.get("aliases", [])}:
            names.setdefault(name, []).append(option)
    return names


def _owned(
    found: Imported,
    where: str,
    entry: Entry,
    options: Sequence[Mapping[str, Any]],
    version: str,
    shipped_java_opts: Mapping[str, Sequence[str]],
) -> None:
    option = options[0]
    name, variable = str(option["name"]), str(option["variable"])
    now = flink_options.greatest_since(option["keys"], version)
    if now is not None and now != entry.key:
        found.told.append(f"{where}: {entry.key} is {now} in Flink {version}.")
    elif now is None and option["keys"]:
        found.told.append(f"{where}: Flink {version} has no {entry.key}. It is left out.")
        return
    if name in FOLLOW or STORES.match(name) or name == "rest_tls":
        return
    if name.endswith("_memory") and "heap" in entry.key:
        found.missing.append(
            f"{variable}: {entry.key} (line {entry.line}) was the heap alone, {entry.value}; the variable is the memory of the whole process."
        )
        return
    if name == "zookeeper_sasl_service":
        if entry.value != "zookeeper":
            found.missing.append(f"{variable}: {entry.value}, for the hosts of the ensemble.")
        return
    if not variable.startswith("flink_ha_"):
        found.told.append(f"{where}: {entry.key} belongs to {variable}. It is left out.")
        return
    try:
        value = (
            _java_opts(entry.value, version, shipped_java_opts)
            if name == "java_opts"
            else TYPES.get(name, str)(entry.value)
        )
    except ValueRefusedError as problem:
        found.missing.append(f"{variable}: {entry.key} (line {entry.line}) is {entry.value}, and {problem}.")
        return
    if variable == "flink_ha_kerberos_contexts" and "Client" in words(entry.value):
        found.variables["flink_ha_zookeeper_auth"] = "kerberos"
    if value != []:
        found.variables[variable] = value


def _java_opts(text: str, version: str, shipped: Mapping[str, Sequence[str]]) -> list[str]:
    """Those of the operator's own; what releases ship is added by the role."""
    every = {each for known in shipped.values() for each in known}
    # The scripts take a pair of quotation marks away (bin/config.sh).
    inner = text[1:-1] if len(text) > 1 and text[0] == text[-1] in "\"'" else text
    try:
        return [word for word in shlex.split(inner) if word not in every]
    except ValueError as error:
        raise ValueRefusedError("has quotation marks that are not closed") from error


def _further(
    found: Imported,
    where: str,
    entry: Entry,
    version: str,
    known: Mapping[str, tuple[str, str]],
    open_prefixes: Sequence[str],
) -> None:
    if names_secret(entry.key):
        found.missing.append(
            f"flink_ha_config_extra: {entry.key} (line {entry.line}) is a secret. Put it into your vault."
        )
        return
    problem = flink_options.unknown_problem(entry.key, version, known, open_prefixes)
    if problem:
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
    mode, quorum = _first(file, by_name, "high_availability"), _first(file, by_name, "zookeeper_quorum")
    if mode.lower() != "zookeeper":
        found.told.append(f"{file.path}: high availability is {mode or 'not set'}. The inventory makes it zookeeper.")
    if quorum and sorted(words(quorum)) != sorted(members):
        found.variables["flink_ha_zookeeper_quorum"] = quorum
    storage = str(found.variables.get("flink_ha_storage_dir", ""))
    if storage.startswith("file:"):
        found.variables["flink_ha_storage_shared"] = True
    elif storage.startswith(("hdfs:", "viewfs:")):
        found.missing.append(
            "flink_ha_hadoop_classpath and flink_ha_hadoop_conf_dir: what HADOOP_CLASSPATH and HADOOP_CONF_DIR were."
        )
    elif storage:
        found.missing.append(
            "flink_ha_plugins: what stood in plugins/, and flink_ha_libraries, what was added to lib/."
        )
    for needed in ("flink_ha_cluster_id", "flink_ha_storage_dir"):
        if needed not in found.variables:
            found.missing.append(f"{needed}: the file has none, and there is no default.")
    if "flink_ha_keytab" in found.variables:
        found.missing.append(
            "kerberos_realm and kerberos_kdcs, or kerberos_krb5_conf_managed: what /etc/krb5.conf has."
        )


def _tls(found: Imported, file: File) -> None:
    rest = switch(file.value("security.ssl.rest.enabled"))
    if rest:
        both = switch(file.value("security.ssl.rest.authentication-enabled"))
        found.variables["flink_ha_rest_tls"] = "mutual" if both else "server"
    if rest or found.variables.get("flink_ha_internal_tls"):
        found.missing.append(
            'Certificates: the role makes the stores of keys itself. docs/operations.md, "TLS for Flink", has the inputs.'
        )


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
        variable, key = option["variable"], flink_options.greatest_since(option["keys"], version)
        value = defaults.get(variable)
        names = {*option["keys"].values(), *option.get("aliases", [])}
        plain = (
            isinstance(value, str | int)
            and not isinstance(value, bool)
            and "{{" not in str(value)
            and value not in ("", "none")
        )
        if key and option["scopes"] and plain and not names & given and variable not in variables:
            told.append(f"{key} is not in the file. The role writes {value} ({variable}).")
    return list(dict.fromkeys(told))
