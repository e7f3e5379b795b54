"""What a member is started with: the files of its generation. Pure, but for reading the templates."""

from __future__ import annotations

from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.host import java_logs, log_access
from ansible_collections.streamquorum.ha.plugins.module_utils.host.preflight import java_plan, open_files
from ansible_collections.streamquorum.ha.plugins.plugin_utils import templates
from ansible_collections.streamquorum.ha.plugins.plugin_utils.generation import Generation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import unique
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper import config
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.installation import Installation, installation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.zookeeper.peers import Peers

#: How an installation logs: the file of its settings, and the Java options that name it.
LOGGING = {
    "log4j": (
        "log4j.properties",
        ("-Dlog4j.configuration=file:$generation/log4j.properties", "-Dzookeeper.jmx.log4j.disable=true"),
    ),
    "logback": ("logback.xml", ("-Dlogback.configurationFile=$generation/logback.xml",)),
    "log4j2": (
        "log4j2.properties",
        ("-Dlog4j.configurationFile=file:$generation/log4j2.properties", "-Dzookeeper.jmx.log4j.disable=true"),
    ),
}


def render(tables: Tables, template: str, **context: Any) -> str:
    """The text of a file, from the role's template of its name."""
    return templates.render(tables.templates, template, **context)


def generation(inputs: Inputs, tables: Tables, peers: Peers, host: HostState) -> Generation:
    """What the inventory asks a member to run.

    Raises:
        ConfigError: zoo.cfg cannot be written; the text names the key.
    """
    server = installation(inputs, tables, host)
    log_file, log_options = LOGGING[server.logging]
    jaas = config.jaas_text(inputs, peers)
    files = {
        "zoo.cfg": _zoo_cfg(inputs, tables, peers, host),
        "start": {"content": _start(inputs, tables, host, server, log_options, bool(jaas)), "mode": "0755"},
        "unit": {"content": _unit(inputs, tables, host), "mode": "0644"},
        log_file: {"content": _log_settings(inputs, tables, log_file), "mode": "0644"},
    }
    if jaas:
        # Never shown: with Kerberos it has no secret, but what it replaces may have.
        files["jaas.conf"] = {"mode": "0440", "secret_content": jaas}
    if inputs.log_group:
        files["log-access.conf"] = {"content": log_access.rules(inputs.log_dir, inputs.log_group), "mode": "0644"}
    return Generation(files, {"release": inputs.release_dir})


def java(inputs: Inputs, tables: Tables, host: HostState) -> dict[str, Any]:
    """Which Java runs the member: {home, major, package, installed}."""
    return java_plan(host.answer, inputs.java_home, tables.platforms)


def _zoo_cfg(inputs: Inputs, tables: Tables, peers: Peers, host: HostState) -> dict[str, str]:
    # A difference is shown where neither side of it has the hash of a password.
    secret = inputs.super_password or ".superDigest" in host.contents[inputs.zoo_cfg]
    text = render(tables, "zoo.cfg", options=config.zoo_cfg(inputs, tables, peers))
    return {"mode": "0640", "secret_content" if secret else "content": text}


def _start(
    inputs: Inputs,
    tables: Tables,
    host: HostState,
    server: Installation,
    log_options: tuple[str, ...],
    authenticates: bool,
) -> str:
    plan = java(inputs, tables, host)
    logs = java_logs.options(
        int(plan["major"]), inputs.log_dir, "zookeeper", inputs.log_max_mb, inputs.log_files, inputs.heap_dump
    )
    return render(
        tables,
        "start",
        java=f"{plan['home']}/bin/java",
        heap_mb=inputs.given["zookeeper_heap_mb"],
        java_options=[*logs, *inputs.java_opts, *inputs.java_opts_extra],
        logging_options=log_options,
        authenticates=authenticates,
        classpath=server.classpath,
        shaded=server.shaded,
    )


def _unit(inputs: Inputs, tables: Tables, host: HostState) -> str:
    return render(
        tables,
        "zookeeper.service",
        data_dirs=inputs.data_dirs,
        written_dirs=unique([*inputs.data_dirs, inputs.log_dir]),
        user=inputs.user,
        group=inputs.group,
        config_dir=inputs.config_dir,
        log_group=inputs.log_group,
        restart_seconds=inputs.given["zookeeper_restart_seconds"],
        stop_timeout=inputs.given["zookeeper_stop_timeout"],
        open_files=open_files(inputs.nofile_limit, host.open_files),
        sandbox=tables.sandbox,
    )


def _log_settings(inputs: Inputs, tables: Tables, file: str) -> str:
    return render(
        tables,
        file,
        log_dir=inputs.log_dir,
        log_max_mb=inputs.given["zookeeper_log_max_mb"],
        log_files=inputs.given["zookeeper_log_files"],
    )
