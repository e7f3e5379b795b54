"""What an inventory says of one host of Flink, and what this toolkit says itself: the inputs of the planner."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink import hadoop
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jars import Jar, jars, set_name
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.storage import local_paths
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import site
from ansible_collections.streamquorum.ha.plugins.plugin_utils import inputs

PREFIX = "flink_ha_"
#: Files of certificates, beside the generations.
TLS_FILES = ("flink.pem", "flink-ca.pem", "flink.p12", "flink-ca.p12", "zookeeper.pem", "zookeeper-ca.pem")


@dataclass(frozen=True)
class Tables:
    """Data of the role and of those that it depends on: no input, and the same for all hosts."""

    releases: Annotated[tuple[Mapping[str, Any], ...], inputs.Variable("flink_ha_releases")]
    upgrades: Annotated[tuple[Mapping[str, Any], ...], inputs.Variable("flink_ha_upgrades")]
    #: The registry of options.
    options: Annotated[tuple[Mapping[str, Any], ...], inputs.Variable("flink_ha_options")]
    #: Releases -> the Java options that they ship.
    shipped_java_opts: Annotated[Mapping[str, list[str]], inputs.Variable("flink_ha_shipped_java_opts")]
    #: Beginnings of keys that are not looked up.
    open_options: Annotated[tuple[str, ...], inputs.Variable("flink_ha_open_options")]
    #: Releases of YARN -> what they do to TaskManagers, newest first.
    yarn_behaviours: Annotated[tuple[Mapping[str, Any], ...], inputs.Variable("flink_ha_yarn_behaviours")]
    #: Releases -> the command that submits a job as an application of its own, since then.
    yarn_submissions: Annotated[Mapping[str, str], inputs.Variable("flink_ha_yarn_submissions")]
    #: Platforms -> the distribution's Java.
    platforms: Annotated[Mapping[str, Mapping[str, Any]], inputs.Variable("common_platforms")]
    sandbox: Annotated[str, inputs.Variable("common_sandbox")]
    client_library: Annotated[str, inputs.Variable("common_client_library_path")]
    credentials: Annotated[str, inputs.Variable("common_credentials_path")]
    #: Files of what Kerberos needs.
    kerberos_installed: Annotated[tuple[str, ...], inputs.Variable("kerberos_installed")]
    #: Directory of the templates, on the controller.
    templates: Annotated[str, inputs.NO_VARIABLE]
    #: The list of Flink's own options, on the controller.
    known_options: Annotated[str, inputs.NO_VARIABLE]

    @staticmethod
    def variables() -> list[str]:
        """Names of the variables that hold them."""
        return list(inputs.variables(Tables).values())

    @staticmethod
    def of(given: Mapping[str, Any], role_path: str) -> Tables:
        """The tables, from the variables that hold them."""
        return inputs.typed(
            Tables, given, templates=f"{role_path}/templates", known_options=f"{role_path}/files/known_options.txt"
        )


@dataclass(frozen=True)
class Inputs:
    """The inputs of one host that something is decided by; docs/variables.md says what each means.

    What is only written stays in `given`, in the form in which it was given: `yes` and `true` are the same switch and other bytes, and
    one changed byte restarts every process.
    """

    host: Annotated[str, inputs.NO_VARIABLE]
    given: Annotated[Mapping[str, Any], inputs.NO_VARIABLE] = field(repr=False)
    #: What the other hosts see of this one: what the inventory says, and no play.
    seen: Annotated[Mapping[str, Any], inputs.NO_VARIABLE] = field(repr=False)
    deployment: str
    cluster_id: str
    storage_dir: str
    storage_shared: bool
    checkpoint_dir: str
    savepoint_dir: str
    storage_credentials: Mapping[str, Any] = field(repr=False)
    plugins: tuple[Mapping[str, Any], ...]
    libraries: tuple[Mapping[str, Any], ...]
    zookeeper_client: str
    hadoop_classpath: str
    hadoop_conf_dir: str
    version: str
    upgrade: bool
    upgrade_across_minor: bool
    only_stops: bool
    install_root: str
    archive_file: str
    archive_url: str
    archive_sha512: str
    bundle_dir: str
    mirrors: tuple[str, ...]
    java_home: str
    yarn_name: str
    yarn_queue: str
    yarn_application_attempts: int
    yarn_ship_files: tuple[str, ...]
    yarn_job: Mapping[str, Any]
    yarn_savepoint: str
    yarn_accept_outage: bool
    yarn_keep: bool
    yarn_submit: bool
    accept_lost_jobs: bool
    address: str
    bind_address: str
    jobmanager_instances: tuple[Mapping[str, Any], ...]
    taskmanager_instances: tuple[Mapping[str, Any], ...]
    firewall: bool
    rest_networks: tuple[str, ...]
    rest_open: bool
    web_submit: bool
    taskmanager_slots: int
    parallelism: int
    zookeeper_quorum: str
    zookeeper_path_root: str
    zookeeper_session_timeout: int
    zookeeper_tolerate_suspended: bool
    zookeeper_auth: str
    zookeeper_acl: str
    principal: str
    switching_principals: tuple[str, ...]
    keytab: str
    kerberos_contexts: tuple[str, ...]
    kerberos_realm: Annotated[str, inputs.Variable("kerberos_realm")]
    rest_tls: str
    internal_tls: bool
    zookeeper_tls: bool
    zookeeper_ensemble_tracker: bool
    tls_authority_dir: Annotated[str, inputs.Variable("tls_authority_dir")]
    certificate_file: str
    certificate_ca_file: str
    zookeeper_certificate_file: str
    zookeeper_certificate_ca_file: str
    tls_store_password: str = field(repr=False)
    tls_protocol: str
    tls_algorithms: tuple[str, ...]
    checkpoint_interval: int
    restart_strategy: str
    user: str
    group: str
    uid: int
    gid: int
    config_dir: str
    log_dir: str
    log_max_mb: int
    log_files: int
    log_group: str
    home_dir: str
    tmp_dirs: tuple[str, ...]
    java_opts: tuple[str, ...] = field(repr=False)
    environment: Mapping[str, Any] = field(repr=False)
    read_write_paths: tuple[str, ...]
    heap_dump: bool
    nofile_limit: int
    start_timeout: int
    command: str
    config_extra: Mapping[str, Any] = field(repr=False)
    config_unchecked: tuple[str, ...]

    @staticmethod
    def variables() -> list[str]:
        """Names of the variables that something is decided by."""
        return list(inputs.variables(Inputs, PREFIX).values())

    @staticmethod
    def of(host: str, given: Mapping[str, Any], seen: Mapping[str, Any]) -> Inputs:
        """The inputs of a host.

        Args:
            host: its name.
            given: values of its variables.
            seen: those that other hosts read in the inventory, where it has them.

        Raises:
            TypeError: a value is not of its type.
        """
        return inputs.typed(Inputs, given, PREFIX, host=host, given=given, seen=seen)

    # --- what they say together

    @property
    def on_yarn(self) -> bool:
        return self.deployment == "yarn"

    @property
    def kerberos(self) -> bool:
        """Whether Flink's processes have a keytab."""
        return self.zookeeper_auth == "kerberos" or bool(self.kerberos_contexts)

    @property
    def stores(self) -> bool:
        """Whether the processes read stores of keys; then the configuration holds the stores' password."""
        return self.rest_tls != "none" or self.internal_tls

    @property
    def tls(self) -> bool:
        """Whether anything here needs a certificate."""
        return self.stores or self.zookeeper_tls

    @property
    def acl(self) -> str:
        """To whom the nodes in ZooKeeper belong; empty where nobody authenticates."""
        return self.zookeeper_acl if self.zookeeper_auth != "none" else ""

    # --- where things are on the host

    @property
    def release_dir(self) -> str:
        return f"{self.install_root}/flink-{self.version}"

    @property
    def command_link(self) -> str:
        """Link to the release that the command flink takes."""
        return f"{self.install_root}/flink"

    @property
    def marker(self) -> str:
        """Says which release is installed."""
        return f"{self.release_dir}/.streamquorum-release"

    @property
    def jars(self) -> list[Jar]:
        """Plugins and libraries beside those of the release."""
        return jars(self.plugins, self.libraries, self.zookeeper_client, self.yarn_job, self.version)

    @property
    def jar_set(self) -> str:
        """The directory that holds them; empty for none."""
        return f"{self.install_root}/{set_name(self.jars, self.version)}" if self.jars else ""

    @property
    def conf_dir(self) -> str:
        """What operators' commands and Flink's own scripts read."""
        return f"{self.config_dir}/conf"

    @property
    def tls_dir(self) -> str:
        """Beside the generations, which name the files."""
        return f"{self.config_dir}/tls"

    @property
    def tls_paths(self) -> dict[str, str]:
        """By name, the paths of TLS_FILES."""
        return {name: f"{self.tls_dir}/{name}" for name in TLS_FILES}

    @property
    def own_options(self) -> dict[str, Any]:
        """Options of the operator's own, those that are secret among them."""
        return {**self.storage_options, **self.config_extra}

    @property
    def storage_options(self) -> dict[str, Any]:
        """flink_ha_storage_credentials; of a key that is a file, its path."""
        return {name: self._key_path(name, value) or value for name, value in self.storage_credentials.items()}

    @property
    def key_files(self) -> dict[str, str]:
        """By path, what the files of flink_ha_storage_credentials hold."""
        paths = {self._key_path(name, value): value for name, value in self.storage_credentials.items()}
        return {path: str(value["content"]) for path, value in sorted(paths.items()) if path}

    def _key_path(self, name: str, value: Any) -> str:
        # Another key is another file: what runs goes on with its own, and a change is a change of the configuration.
        if not isinstance(value, Mapping) or "content" not in value:
            return ""
        return f"{self.keys_dir}/{name}-{hashlib.sha256(str(value['content']).encode()).hexdigest()[:16]}"

    @property
    def keys_dir(self) -> str:
        """Directory that holds those alone."""
        return f"{self.config_dir}/keys"

    @property
    def hadoop_files(self) -> list[str]:
        """The files on the host that name HDFS's nameservices; none where no directory of them is given."""
        return [f"{self.hadoop_conf_dir}/{name}" for name in hadoop.SITE_FILES] if self.hadoop_conf_dir else []

    @property
    def yarn_site(self) -> str:
        """The file on the host that names the ResourceManagers; empty where no directory of it is given."""
        return f"{self.hadoop_conf_dir}/{site.FILE}" if self.hadoop_conf_dir else ""

    @property
    def uris(self) -> dict[str, str]:
        """Of the storage, checkpoints and savepoints, by input."""
        return {
            "flink_ha_storage_dir": self.storage_dir,
            "flink_ha_checkpoint_dir": self.checkpoint_dir,
            "flink_ha_savepoint_dir": self.savepoint_dir,
        }

    @property
    def nameservices(self) -> list[str]:
        """Of HDFS, where a directory of its configuration is given that has to know them."""
        return hadoop.nameservices(self.uris.values()) if self.hadoop_conf_dir else []

    @property
    def storage_paths(self) -> list[str]:
        """Local paths of the storage, of checkpoints and savepoints."""
        return local_paths(self.uris.values())
