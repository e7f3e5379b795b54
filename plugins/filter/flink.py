"""Filters of the flink_ha role; the logic stands in module_utils/flink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import (
    acls,
    doors,
    options,
    process,
    refusals,
    services,
    storage,
    tls,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils import firewall
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import plain


def telling(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a filter that fails in its own words."""

    def filtered(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except options.OptionError as error:
            raise AnsibleFilterError(str(error)) from error

    return filtered


def firewall_plan(host: dict[str, Any], rules: str | None, units: list[str]) -> dict[str, Any]:
    """The plan of Flink's firewall on a host, in types that templates add up."""
    found: dict[str, Any] = plain(asdict(firewall.plan(firewall.FLINK, rules, units, host)))
    return found


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        functions: dict[str, Callable[..., Any]] = {
            "flink_java_options": options.java_options,
            "flink_variables": options.variables,
            "flink_job_manager_services": services.job_manager_services,
            "flink_task_manager_services": services.task_manager_services,
            "flink_job_managers": services.job_managers,
            "flink_masters": services.masters,
            "flink_workers": services.workers,
            "flink_zookeeper_input": services.zookeeper_input,
            "flink_zookeeper_ports": services.zookeeper_ports,
            "flink_has_secrets": options.has_secrets,
            "flink_generations": services.with_generations,
            "flink_client_config": services.client_config,
            "flink_members": services.members,
            "flink_settings": refusals.settings,
            "flink_place_problems": refusals.place_problems,
            "flink_ensemble_problems": refusals.ensemble_problems,
            "flink_moved_storage_problems": storage.moved_storage_problems,
            "flink_moved_problems": refusals.moved_problems,
            "flink_owner_problems": acls.owner_problems,
            "flink_acl_entries": acls.acl_entries,
            "flink_acl_problems": acls.acl_problems,
            "flink_upgrade_problems": refusals.upgrade_problems,
            "flink_mixed_problems": refusals.mixed_problems,
            "flink_plan": services.plan,
            "flink_steps": services.steps,
            "flink_possible_units": services.possible_units,
            "flink_entries": services.entries,
            "flink_local_paths": storage.local_paths,
            "flink_problems": refusals.flink_problems,
            "flink_host_problems": refusals.host_problems,
            "flink_any_service": services.any_service,
            "flink_environment_text": process.environment_text,
            "flink_environment_problems": process.environment_problems,
            "flink_leftovers": process.leftovers,
            "flink_path_problems": process.path_problems,
            "flink_missing_problems": process.missing_problems,
            "flink_rest_doors": doors.rest_doors,
            "flink_stands": doors.stands,
            "flink_firewall": firewall_plan,
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
