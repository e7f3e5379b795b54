"""What the services of a standalone cluster are started with: the files of their generations. Pure, but for reading the templates."""

from __future__ import annotations

from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options as flink_options
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import process
from ansible_collections.streamquorum.ha.plugins.module_utils.host import java_logs, log_access
from ansible_collections.streamquorum.ha.plugins.module_utils.host.preflight import open_files
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.configuration import (
    classes,
    config_text,
    configuration,
    java,
    log_settings,
    release,
    render,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import Peers
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.standalone import services as flink_services
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.values import Stores, values
from ansible_collections.streamquorum.ha.plugins.plugin_utils.generation import Generation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import unique


def generations(inputs: Inputs, tables: Tables, peers: Peers, host: HostState, stores: Stores) -> list[Generation]:
    """What the inventory asks each service of a host to run, in the order of its services.

    Raises:
        OptionError: the configuration cannot be written; the text names the key.
    """
    known = values(inputs, tables, peers, stores)
    shared = _shared_files(inputs, tables, host)
    name = str(release(inputs, tables)["config_file"])
    found = []
    for service in flink_services.of_host(inputs, peers.cluster_of(inputs.host)):
        own = ",".join(f"{directory}/{service['name']}" for directory in inputs.tmp_dirs)
        config = configuration(inputs, tables, service["kind"], known, {**service, "tmp_dirs": own})
        # A secret content is left out of diffs and logs.
        field = "secret_content" if inputs.storage_credentials or flink_options.has_secrets(config) else "content"
        file = {field: config_text(inputs, tables, config), "mode": "0640"}
        found.append(Generation({**shared, name: file}, {"release": inputs.release_dir}))
    return found


def _shared_files(inputs: Inputs, tables: Tables, host: HostState) -> dict[str, dict[str, str]]:
    """Files that are the same for all services of a host."""
    files = {
        "unit": {"content": _unit(inputs, tables, host), "mode": "0644"},
        "start": {"content": _start(inputs, tables, host), "mode": "0755"},
        "log4j-console.properties": {"content": log_settings(inputs, tables, journal=True), "mode": "0644"},
    }
    if inputs.environment:
        # What the operator gives the processes.
        files["environment"] = {"secret_content": process.environment_text(inputs.environment), "mode": "0640"}
    if inputs.log_group:
        files["log-access.conf"] = {"content": log_access.rules(inputs.log_dir, inputs.log_group), "mode": "0644"}
    return files


def _unit(inputs: Inputs, tables: Tables, host: HostState) -> str:
    data = [*inputs.storage_paths, *inputs.read_write_paths]
    return render(
        tables,
        "flink.service",
        mounts=unique(data),
        user=inputs.user,
        group=inputs.group,
        config_dir=inputs.config_dir,
        log_group=inputs.log_group,
        restart_seconds=inputs.given["flink_ha_restart_seconds"],
        stop_timeout=inputs.given["flink_ha_stop_timeout"],
        open_files=open_files(inputs.nofile_limit, host.open_files),
        written_dirs=unique([inputs.home_dir, inputs.log_dir, *inputs.tmp_dirs, *data]),
        sandbox=tables.sandbox,
    )


def _start(inputs: Inputs, tables: Tables, host: HostState) -> str:
    plan = java(inputs, tables, host)
    return render(
        tables,
        "start",
        tmp_dirs=inputs.tmp_dirs,
        leftovers=process.leftovers(inputs.config_extra),
        environment=bool(inputs.environment),
        classes=classes(inputs),
        log_dir=inputs.log_dir,
        java_home=plan["home"],
        # For the shell of the script, which knows directory and service.
        java_options=java_logs.options(
            int(plan["major"]),
            "$FLINK_LOG_DIR",
            "flink-$service",
            inputs.log_max_mb,
            inputs.log_files,
            inputs.heap_dump,
        ),
    )
