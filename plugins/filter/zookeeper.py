"""Filters of the zookeeper role; the logic stands in module_utils/zookeeper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import auth, config, tls
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import znode_acl as acl


def zookeeper_properties(options: dict[str, Any]) -> str:
    """zoo.cfg's text for a map, or AnsibleFilterError with the reason."""
    try:
        return config.render_properties(options)
    except config.ConfigError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "zookeeper_members": config.zookeeper_members,
            "zookeeper_connect_string": config.zookeeper_connect_string,
            "zookeeper_endpoints": config.zookeeper_endpoints,
            "zookeeper_package_problems": config.package_problems,
            "zookeeper_data_dir_problems": config.data_dir_problems,
            "zookeeper_server_lines": config.zookeeper_server_lines,
            "zookeeper_properties": zookeeper_properties,
            "zookeeper_membership_problems": config.membership_problems,
            "zookeeper_extra_problems": config.extra_problems,
            "zookeeper_identity_problems": config.identity_problems,
            "zookeeper_owner_problems": config.owner_problems,
            "zookeeper_voter_problems": config.voter_problems,
            "zookeeper_moved_problems": config.moved_problems,
            "zookeeper_lost_data_problems": config.lost_data_problems,
            "zookeeper_blind_start_problems": config.blind_start_problems,
            "zookeeper_gone_problems": config.gone_problems,
            "zookeeper_unready_problems": config.unready_problems,
            "zookeeper_auth_options": auth.auth_options,
            "zookeeper_auth_problems": auth.auth_problems,
            "zookeeper_step_problems": auth.step_problems,
            "zookeeper_unswitched_clients": auth.unswitched_clients,
            "zookeeper_jaas_sections": auth.jaas_sections,
            "zookeeper_client_sections": auth.client_sections,
            "zookeeper_jaas_passwords": auth.jaas_passwords,
            "zookeeper_jaas_text": auth.jaas_text,
            "zookeeper_jaas_mechanism": auth.jaas_mechanism,
            "zookeeper_kerberos_id": auth.kerberos_id,
            "zookeeper_tls_options": tls.tls_options,
            "zookeeper_tls_problems": tls.tls_problems,
            "zookeeper_client_ports": tls.client_ports,
            "zookeeper_speaks_tls": tls.speaks_tls,
            "zookeeper_trusted": tls.trusted,
            "zookeeper_parsed": config.parse_properties,
            "zookeeper_super_options": auth.super_options,
            "zookeeper_super_problems": auth.super_problems,
            "zookeeper_acl_problems": acl.zookeeper_acl_problems,
            "zookeeper_acl_entries": acl.entries,
            "zookeeper_locked_problems": acl.locked_problems,
            "zookeeper_auth_stages": lambda text: auth.stages(config.parse_properties(text)),
        }
