"""The configuration that Flink's processes and its command read, and the release and the Java behind it. Pure, but for the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options as flink_options
from ansible_collections.streamquorum.ha.plugins.module_utils.host.preflight import java_plan
from ansible_collections.streamquorum.ha.plugins.plugin_utils import templates
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState

#: Whose configuration the command reads, beside the kinds of services.
CLIENT = "client"


def render(tables: Tables, template: str, **context: Any) -> str:
    """The text of a file, from the role's template of its name."""
    return templates.render(tables.templates, template, **context)


def release(inputs: Inputs, tables: Tables) -> Mapping[str, Any]:
    """What the table of releases says of the wanted one.

    Raises:
        StopIteration: it has none such; the inventory was refused before.
    """
    return next(each for each in tables.releases if each["version"] == inputs.version)


def zookeeper_clients(inputs: Inputs, tables: Tables) -> Sequence[str]:
    """The clients of ZooKeeper in lib/ and in opt/ of a release that has two; empty for others, and for one that is in no table."""
    found = next((each for each in tables.releases if each["version"] == inputs.version), {})
    clients: Sequence[str] = found.get("zookeeper_clients", ())
    return clients


def classes(inputs: Inputs) -> dict[str, str]:
    """Variables by which Flink's scripts find classes that the release does not bring."""
    given = {"HADOOP_CLASSPATH": inputs.hadoop_classpath, "HADOOP_CONF_DIR": inputs.hadoop_conf_dir}
    if inputs.jar_set:
        given |= {"FLINK_LIB_DIR": f"{inputs.jar_set}/lib", "FLINK_PLUGINS_DIR": f"{inputs.jar_set}/plugins"}
    return {name: value for name, value in given.items() if value}


def java(inputs: Inputs, tables: Tables, host: HostState) -> dict[str, Any]:
    """Which Java runs Flink: {home, major, package, installed}."""
    return java_plan(host.answer, inputs.java_home, tables.platforms)


# --- the configuration


def configuration(
    inputs: Inputs, tables: Tables, scope: str, known: Mapping[str, Any], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Keys and values of one process, by the keys of its release; the operator's own come last.

    Args:
        inputs: of the host.
        tables: of the role.
        scope: jobmanager, taskmanager or client.
        known: what `values` gave.
        fields: what a service has for itself.
    """
    found = flink_options.resolve(tables.options, inputs.version, scope, known, fields)
    return found | inputs.own_options


def config_text(inputs: Inputs, tables: Tables, config: Mapping[str, Any]) -> str:
    """The configuration as the file of the release.

    Raises:
        OptionError: a value cannot be written; the text names the key.
    """
    name = str(release(inputs, tables)["config_file"])
    return render(tables, name, options=flink_options.written(name, config))


def log_settings(inputs: Inputs, tables: Tables, journal: bool) -> str:
    """How a process logs: to a file that the web interface shows, and to the journal where it has one."""
    return render(
        tables,
        "log4j-console.properties",
        journal=journal,
        log_max_mb=inputs.given["flink_ha_log_max_mb"],
        log_files=inputs.given["flink_ha_log_files"],
    )


def holds_secrets(inputs: Inputs) -> bool:
    """Whether the configuration of a host has a secret: then none of it is shown."""
    options = {**inputs.config_extra, "java_opts": " ".join(inputs.java_opts)}
    return inputs.stores or bool(inputs.storage_credentials) or flink_options.has_secrets(options)
