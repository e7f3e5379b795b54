"""What an inventory says of one member, and what this toolkit says itself: the inputs of the planner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import unique

PREFIX = "zookeeper_"
ARCHIVE, PACKAGE, FLINK = "archive", "package", "flink"
#: Where the distribution's package has its files.
PACKAGE_HOME = "/usr/share/zookeeper"


@dataclass(frozen=True)
class Tables:
    """Data of the role and of those that it depends on: no input, and the same for all members."""

    releases: Annotated[tuple[Mapping[str, Any], ...], inputs.Variable("zookeeper_releases")]
    #: Of Flink, whose archive can bring the server.
    flink_releases: Annotated[tuple[Mapping[str, Any], ...], inputs.Variable("flink_ha_releases")]
    upgrades: Annotated[tuple[Mapping[str, Any], ...], inputs.Variable("zookeeper_upgrades")]
    #: Keys of zoo.cfg -> the variable that each is the value of.
    options: Annotated[Mapping[str, str], inputs.Variable("__zookeeper_options")]
    #: Further keys -> what they belong to.
    owned: Annotated[Mapping[str, str], inputs.Variable("__zookeeper_owned")]
    #: Platforms -> the distribution's package of ZooKeeper.
    packages: Annotated[Mapping[str, Mapping[str, Any]], inputs.Variable("__zookeeper_packages")]
    #: Platforms -> the distribution's Java.
    platforms: Annotated[Mapping[str, Mapping[str, Any]], inputs.Variable("common_platforms")]
    unit: Annotated[str, inputs.Variable("__zookeeper_unit")]
    sandbox: Annotated[str, inputs.Variable("common_sandbox")]
    client_library: Annotated[str, inputs.Variable("common_client_library_path")]
    credentials: Annotated[str, inputs.Variable("common_credentials_path")]
    #: Files of what Kerberos needs.
    kerberos_installed: Annotated[tuple[str, ...], inputs.Variable("kerberos_installed")]
    #: Directory of the templates, on the controller.
    templates: Annotated[str, inputs.NO_VARIABLE]

    @staticmethod
    def variables() -> list[str]:
        """Names of the variables that hold them."""
        return list(inputs.variables(Tables).values())

    @staticmethod
    def of(given: Mapping[str, Any], role_path: str) -> Tables:
        """The tables, from the variables that hold them."""
        return inputs.typed(Tables, given, templates=f"{role_path}/templates")


@dataclass(frozen=True)
class Inputs:
    """The inputs of one member that something is decided by; docs/variables.md says what each means.

    What is only written stays in `given`, in the form in which it was given: `yes` and `true` are the same switch and other bytes, and
    one changed byte restarts every member.
    """

    host: Annotated[str, inputs.NO_VARIABLE]
    given: Annotated[Mapping[str, Any], inputs.NO_VARIABLE] = field(repr=False)
    id: int
    address: str
    peer_type: str
    version: str
    upgrade: bool
    upgrade_across_minor: bool
    only_stops: bool
    install_method: str
    flink_version: str
    install_root: str
    archive_file: str
    archive_url: str
    archive_sha512: str
    bundle_dir: str
    mirrors: tuple[str, ...]
    java_home: str
    single_node: bool
    accept_empty_ensemble: bool
    client_port: int
    quorum_port: int
    election_port: int
    secure_client_port: int
    client_auth: str
    quorum_auth: str
    auth_mechanism: str
    client_users: Mapping[str, Any] = field(repr=False)
    quorum_password: str = field(repr=False)
    admin_user: str
    admin_password: str = field(repr=False)
    kerberos_service: str
    kerberos_realm: Annotated[str, inputs.Variable("kerberos_realm")]
    principal: str
    keytab_file: str
    keytab: str
    super_users: tuple[str, ...]
    super_password: str = field(repr=False)
    remove_host_from_principal: bool
    remove_realm_from_principal: bool
    client_tls: str
    quorum_tls: str
    admin_tls: bool
    tls_client_auth: str
    tls_protocols: tuple[str, ...]
    tls_authority_dir: Annotated[str, inputs.Variable("tls_authority_dir")]
    certificate_file: str
    certificate_ca_file: str
    quorum_certificate_file: str
    quorum_certificate_ca_file: str
    firewall: bool
    acls: Mapping[str, Any]
    #: Other systems that elect in this ensemble.
    clients: tuple[Mapping[str, Any], ...]
    data_dir: str
    data_log_dir: str
    user: str
    group: str
    config_dir: str
    log_dir: str
    log_max_mb: int
    log_files: int
    log_group: str
    java_opts: tuple[str, ...] = field(repr=False)
    java_opts_extra: tuple[str, ...] = field(repr=False)
    heap_dump: bool
    nofile_limit: int
    start_timeout: int
    shell_path: str
    config_extra: Mapping[str, Any] = field(repr=False)

    @staticmethod
    def variables() -> list[str]:
        """Names of the variables that something is decided by."""
        return list(inputs.variables(Inputs, PREFIX).values())

    @staticmethod
    def of(host: str, given: Mapping[str, Any]) -> Inputs:
        """The inputs of a host.

        Raises:
            TypeError: a value is not of its type.
        """
        return inputs.typed(Inputs, given, PREFIX, host=host, given=given)

    # --- what they say together

    @property
    def by_package(self) -> bool:
        """Whether the distribution's package is installed, and no archive."""
        return self.install_method == PACKAGE

    @property
    def by_flink(self) -> bool:
        """Whether the server is the one in Flink's archive."""
        return self.install_method == FLINK

    @property
    def authenticates(self) -> bool:
        return self.client_auth != "none" or self.quorum_auth != "none"

    @property
    def kerberos(self) -> bool:
        """Whether this member authenticates by Kerberos."""
        return self.authenticates and self.auth_mechanism == "kerberos"

    @property
    def tls(self) -> bool:
        """Whether somebody speaks TLS with this member."""
        return self.client_tls != "none" or self.quorum_tls != "none"

    @property
    def digest_users(self) -> dict[str, Any]:
        """Clients with a password, this toolkit itself among them."""
        return {**self.client_users, self.admin_user: self.admin_password}

    # --- where things are on the host

    @property
    def current(self) -> str:
        """The generation that is started next."""
        return f"{self.config_dir}/current"

    @property
    def zoo_cfg(self) -> str:
        return f"{self.current}/zoo.cfg"

    @property
    def jaas(self) -> str:
        return f"{self.current}/jaas.conf"

    @property
    def release_dir(self) -> str:
        if self.by_package:
            return PACKAGE_HOME
        # Flink's is the one that the role flink_ha has, where both roots are the same.
        name = f"flink-{self.flink_version}" if self.by_flink else f"zookeeper-{self.version}"
        return f"{self.install_root}/{name}"

    @property
    def marker(self) -> str:
        """Says which release is installed."""
        return f"{self.release_dir}/.streamquorum-release"

    @property
    def link(self) -> str:
        """The link by which operators find the release that runs."""
        return f"{self.install_root}/zookeeper"

    @property
    def tls_dir(self) -> str:
        """Beside the generations: a renewed certificate is taken without a restart."""
        return f"{self.config_dir}/tls"

    @property
    def data_dirs(self) -> list[str]:
        return unique([self.data_dir, self.data_log_dir])

    @property
    def database_dirs(self) -> list[str]:
        return [f"{directory}/version-2" for directory in self.data_dirs]

    @property
    def snapshot_dir(self) -> str:
        return f"{self.data_dir}/version-2"

    @property
    def initialize(self) -> str:
        """The marker of a first start. The server looks for it beside the transaction logs, whatever its manual says."""
        return f"{self.data_log_dir}/initialize"

    @property
    def record(self) -> str:
        """Outside of the data: this member was part of an ensemble that accepted a write, whatever became of its directories."""
        return f"{self.config_dir}/served"


def keys(variables: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Keys of zoo.cfg -> the variable that each is the value of, and further keys -> what they belong to.

    Args:
        variables: of the role, as its own files have them.
    """
    return variables["__zookeeper_options"], variables["__zookeeper_owned"]
