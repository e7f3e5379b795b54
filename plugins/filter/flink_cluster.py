"""Filters about the Flink cluster in the inventory; the logic stands in module_utils/flink_cluster.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils import flink_cluster


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "flink_addresses": flink_cluster.flink_addresses,
            "flink_instances": flink_cluster.flink_instances,
            "flink_job_managers": flink_cluster.flink_job_managers,
            "flink_limit_problems": flink_cluster.flink_limit_problems,
            "flink_ports": flink_cluster.flink_ports,
            "flink_problems": flink_cluster.flink_problems,
            "flink_storage_path": flink_cluster.storage_path,
        }
