"""What stands on a client host for its application on YARN, beside what every host of Flink has. Pure, but for reading files of the tree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.configuration import (
    classes,
    java,
    render,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn.application import (
    Application,
    asks,
    job,
    tags,
    unit,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.generation import Generation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState

Entry = Mapping[str, Any]

#: The program that watches is the file by which our own modules ask YARN.
WATCHER = Path(__file__).parents[3] / "module_utils/flink/yarn/resource_manager.py"


def entries(
    inputs: Inputs, tables: Tables, host: HostState, generation: Generation, application: Application
) -> list[Entry]:
    """Entries of `host_files`: how the application is started, and how it is watched.

    Args:
        inputs: of the host.
        tables: of the role.
        host: as it was read.
        generation: what the application is to be started with.
        application: what YARN was told, and tells, of it.
    """
    start = render(
        tables,
        "start-yarn",
        log_dir=inputs.log_dir,
        java_home=java(inputs, tables, host)["home"],
        classes=classes(inputs),
        tags=tags(inputs, generation.digest),
        options=application.options,
        job=job(inputs, tables),
    )
    watch = render(
        tables,
        "flink-yarn.service",
        name=inputs.yarn_name,
        user=inputs.user,
        group=inputs.group,
        watcher=_watcher(inputs),
        tag=tags(inputs, generation.digest)[0],
        urls=application.urls,
        keytab=asks(inputs)["keytab"],
        principal=asks(inputs)["principal"],
        sandbox=tables.sandbox,
    )
    # Its own log, as that of the command: what was submitted logs where YARN keeps it.
    session_log = {
        "path": f"{inputs.conf_dir}/log4j-session.properties",
        "content": render(tables, "log4j-cli.properties"),
    }
    return [
        {"path": f"{inputs.conf_dir}/log4j.properties", "content": generation.text("log4j.properties")},
        session_log,
        {"path": f"{inputs.conf_dir}/release", "state": "link", "target": inputs.release_dir},
        {"path": f"{inputs.conf_dir}/start", "content": start, "mode": "0755"},
        {"path": _watcher(inputs), "content": WATCHER.read_text(encoding="utf-8")},
        {"path": f"/etc/systemd/system/{unit(inputs)}", "content": watch},
    ]


def watcher_paths(inputs: Inputs) -> list[str]:
    """Paths of what watches: where another one stands, the unit is to be started anew."""
    return [_watcher(inputs), f"/etc/systemd/system/{unit(inputs)}"]


def written_paths(inputs: Inputs) -> list[str]:
    """Paths of the entries."""
    names = ("log4j.properties", "log4j-session.properties", "release", "start")
    return [*(f"{inputs.conf_dir}/{name}" for name in names), *watcher_paths(inputs)]


def _watcher(inputs: Inputs) -> str:
    return f"{inputs.conf_dir}/watch.py"
