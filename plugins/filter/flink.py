"""Filters of the flink_ha role; the logic stands in module_utils/flink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import cluster, doors, options, process, tls


def telling(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a filter that fails in its own words."""

    def filtered(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except options.OptionError as error:
            raise AnsibleFilterError(str(error)) from error

    return filtered


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        functions: dict[str, Callable[..., Any]] = {
            "flink_java_options": options.java_options,
            "flink_variables": options.variables,
            "flink_job_manager_services": cluster.job_manager_services,
            "flink_task_manager_services": cluster.task_manager_services,
            "flink_job_managers": cluster.job_managers,
            "flink_masters": cluster.masters,
            "flink_workers": cluster.workers,
            "flink_zookeeper_input": cluster.zookeeper_input,
            "flink_zookeeper_ports": cluster.zookeeper_ports,
            "flink_has_secrets": options.has_secrets,
            "flink_generations": cluster.with_generations,
            "flink_client_config": cluster.client_config,
            "flink_members": cluster.members,
            "flink_settings": cluster.settings,
            "flink_place_problems": cluster.place_problems,
            "flink_ensemble_problems": cluster.ensemble_problems,
            "flink_moved_storage_problems": cluster.moved_storage_problems,
            "flink_moved_problems": cluster.moved_problems,
            "flink_owner_problems": cluster.owner_problems,
            "flink_acl_entries": cluster.acl_entries,
            "flink_acl_problems": cluster.acl_problems,
            "flink_upgrade_problems": cluster.upgrade_problems,
            "flink_mixed_problems": cluster.mixed_problems,
            "flink_plan": cluster.plan,
            "flink_steps": cluster.steps,
            "flink_possible_units": cluster.possible_units,
            "flink_entries": cluster.entries,
            "flink_local_paths": cluster.local_paths,
            "flink_problems": cluster.flink_problems,
            "flink_host_problems": cluster.host_problems,
            "flink_any_service": cluster.any_service,
            "flink_environment_text": process.environment_text,
            "flink_environment_problems": process.environment_problems,
            "flink_leftovers": process.leftovers,
            "flink_path_problems": process.path_problems,
            "flink_missing_problems": process.missing_problems,
            "flink_rest_doors": doors.rest_doors,
            "flink_stands": doors.stands,
            "flink_firewall_problems": doors.firewall_problems,
            "flink_firewall_limit_problems": doors.limit_problems,
            "flink_firewall_rules": doors.firewall_rules,
            "flink_tls_problems": tls.tls_problems,
            "flink_tls_switch_problems": tls.switch_problems,
            "flink_cut_off_problems": tls.cut_off_problems,
            "flink_trusted": tls.trusted,
            "flink_tls_settings": tls.live_settings,
            "flink_rest_schemes": tls.rest_schemes,
        }
        return {name: telling(function) for name, function in functions.items()}
