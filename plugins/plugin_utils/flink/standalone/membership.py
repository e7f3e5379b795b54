"""Who belongs to a standalone cluster, as Flink's own scripts read it. Pure, but for reading the templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.configuration import release, render
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import Cluster


def entries(inputs: Inputs, tables: Tables, cluster: Cluster) -> list[Mapping[str, Any]]:
    """Entries of `host_files` for the files that name the members.

    They are in no generation: a new TaskManager must not ask every process for a restart.
    """
    workers_file = release(inputs, tables)["workers_file"]
    return [
        {
            "path": f"{inputs.conf_dir}/masters",
            "content": render(tables, "masters", job_managers=cluster.job_managers),
        },
        {
            "path": f"{inputs.conf_dir}/{workers_file}",
            "content": render(tables, "workers", workers=cluster.workers),
        },
    ]
