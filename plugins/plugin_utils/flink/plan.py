"""The plan of one host of Flink: what is refused, what it is to run, what is written, and what there is to do. Pure.

It is made of more and more that is known in a run: from the inventory, with the host that was read, and with what was noted of all hosts.
Where stores of keys are made of certificates, it is made once more: their names stand in the configuration. What a plan says of what
is not known yet is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.generation import link_paths
from ansible_collections.streamquorum.ha.plugins.module_utils.core.members import restart_file
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import exposure, hadoop, jars
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import services as rules
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import tls as flink_tls
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.endpoints import endpoint
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.options import OptionError
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.services import JOB_MANAGER, Service
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.storage import local_paths, storage_path
from ansible_collections.streamquorum.ha.plugins.module_utils.host.hints import java_hints
from ansible_collections.streamquorum.ha.plugins.module_utils.host.standing import differing
from ansible_collections.streamquorum.ha.plugins.plugin_utils import firewall
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink import identity, judgement
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.configuration import java
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.entries import (
    Entries,
    entries,
    firewall_plan,
    written_paths,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import (
    Cluster,
    Group,
    Note,
    Peers,
    rest_settings,
    with_notes,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.standalone import services as flink_services
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.standalone.generation import generations
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.steps import Acls, Install, Prove, Steps
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.values import Stores
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn import application as yarn_application
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn import entries as yarn_entries
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn import judgement as yarn
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn.application import YARN, Application, Seen
from ansible_collections.streamquorum.ha.plugins.plugin_utils.generation import Generation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState, for_each_host
from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import unique
from ansible_collections.streamquorum.ha.plugins.plugin_utils.steps import Configure

#: What is read of the configuration of each service that was installed before: the rest of the file may hold secrets.
SETTINGS = (
    "tolerate-suspended-connections",
    "high-availability.cluster-id",
    "zookeeper.client.acl",
    "security.kerberos.login.principal",
    "security.ssl.rest.enabled",
    "security.ssl.internal.enabled",
    "security.kerberos.login.keytab",
    "high-availability.zookeeper.quorum",
    "high-availability.zookeeper.path.root",
    "rest.port",
    "taskmanager.rpc.port",
    "high-availability.storageDir",
    # Older names of these, in what somebody else set up; and whether it is available at all.
    "high-availability.zookeeper.storageDir",
    "high-availability.zookeeper.path.namespace",
    "high-availability: ",
    "high-availability.type",
    "recovery.mode",
    "recovery.zookeeper.",
    "state.checkpoints.dir",
    "execution.checkpointing.dir",
)


#: Of a host that has not asked YARN.
UNSEEN = Seen()


@dataclass(frozen=True)
class Looks:
    """What `status` looks at on the host: arguments of `host_state`."""

    units: tuple[str, ...]
    certificates: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The plan of one host, as far as it is known."""

    problems: tuple[str, ...]
    #: Key of the host's cluster in the peers.
    cluster_key: str
    #: How others come to the cluster, as the role `rolling` and the modules take it.
    cluster: Mapping[str, Any]
    #: TaskManagers of the cluster, those too that the run goes on without.
    workers: tuple[str, ...]
    #: Arguments of `host_state`.
    reads: Mapping[str, Any]
    looks: Looks
    #: What `service_adoption` is given of each service.
    processes: tuple[Mapping[str, Any], ...]
    #: By which the application is found on YARN, arguments of `yarn_info`; empty for a standalone cluster.
    asks: Mapping[str, str]
    #: The directory of the storage, and by what of this host Flink reaches it: directory, generation and kind.
    storage: Mapping[str, str]
    kerberos: bool
    certificates: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    #: What is told, and refuses nothing.
    hints: tuple[str, ...] = ()
    #: Of a REST that is open, on a cluster that is there.
    cautions: tuple[str, ...] = ()
    untested: str = ""
    note: Note | None = None
    #: By name of the service.
    generations: Mapping[str, Generation] = field(default_factory=dict)
    entries: Entries = field(default_factory=Entries, repr=False)
    steps: Steps = field(default_factory=Steps)

    @property
    def special(self) -> bool:
        """Whether there is anything that most hosts have nothing of: on YARN, with Kerberos or certificates, or something to be told."""
        return any((self.asks, self.kerberos, self.certificates, self.hints, self.untested, self.cautions))

    @property
    def changing(self) -> bool:
        """Whether anything is to be done on the host but to prove it."""
        steps = self.steps
        return (
            steps.service
            or bool(steps.install and steps.install.needed)
            or bool(steps.configure and steps.configure.needed)
            or bool(steps.prove and steps.prove.uris_due)
            or bool(steps.acls and steps.acls.kept)
        )


def plan(
    inputs: Inputs,
    tables: Tables,
    peers: Peers,
    source: Mapping[str, Any],
    key: str,
    host: HostState | None = None,
    stores: Stores | None = None,
    learnt: Seen | None = None,
) -> Plan:
    """The plan of a host.

    Args:
        inputs: of the host.
        tables: of the role.
        peers: what is needed of other hosts; with what was noted once all of them were read.
        source: where the release's archive comes from, as `release_archive` found it.
        key: of the digests by which the host tells what stands there; the same for one reading and what is planned by it.
        host: the host, once it was read.
        stores: the stores of keys that were made for it, once they were.
        learnt: what the host learnt of its application on YARN, once it has asked.
    """
    asked_yarn, learnt = learnt is not None, learnt or UNSEEN
    cluster = peers.cluster_of(inputs.host)
    services = flink_services.of_host(inputs, cluster)
    asked = Plan(
        problems=(),
        cluster_key=cluster.id,
        cluster=_cluster(inputs, tables, peers, cluster, learnt),
        workers=cluster.workers,
        reads=_reads(inputs, tables, peers, services, key),
        processes=tuple(flink_services.processes(services)),
        asks=yarn_application.asks(inputs) if inputs.on_yarn else {},
        storage=_storage(inputs, services),
        looks=Looks(
            tuple(_units(inputs, services)),
            (inputs.tls_paths["flink.pem"], inputs.tls_paths["zookeeper.pem"]),
        ),
        kerberos=inputs.kerberos,
    )
    if host is None:
        return replace(asked, problems=tuple(judgement.inventory_problems(inputs, tables, peers)))
    seen = replace(
        asked,
        certificates=tuple(identity.certificates(inputs, host)),
        hints=(
            *java_hints(inputs.host, host.units),
            # One of the client hosts tells it.
            *(yarn.hints(learnt, tables.yarn_behaviours) if inputs.host == cluster.query_host else ()),
        ),
        untested="" if host.platform in tables.platforms else host.os_name,
    )
    problems = judgement.host_problems(inputs, tables, peers, host, source)
    if inputs.on_yarn and asked_yarn:
        problems += [*yarn.yarn_problems(inputs, peers, learnt, host), *yarn.name_problems(inputs, host)]
    if problems or (inputs.on_yarn and not asked_yarn):
        return replace(seen, problems=tuple(problems))
    try:
        desired = generations(inputs, tables, peers, host, stores or {})
        wanted = yarn_application.generation(inputs, tables, peers) if inputs.on_yarn else None
    except OptionError as error:
        return replace(seen, problems=(f"{inputs.host}: {error}.",))
    planned = flink_services.planned(inputs, services, desired, host)
    application = yarn_application.application(inputs, cluster.group, wanted.digest, learnt, host) if wanted else None
    note = _note(inputs, cluster, host, planned, key)
    judged = replace(
        seen,
        hints=(
            *seen.hints,
            *(yarn.kept_hints(application) if application and inputs.host == cluster.query_host else ()),
        ),
        note=_noted_application(note, inputs, application, wanted.digest, learnt) if application and wanted else note,
        generations={service["name"]: each for service, each in zip(services, desired, strict=True)},
    )
    if cluster.group is None:
        return judged
    written = entries(inputs, tables, peers, cluster.group, host, planned, stores or {}, wanted, application)
    configure = _configure(inputs, tables, cluster, host, written, planned, key)
    if wanted and application:
        watcher = [entry for entry in written.then if entry["path"] in yarn_entries.watcher_paths(inputs)]
        application = replace(application, watches=application.watches or bool(differing(watcher, host.standing, key)))
        told = yarn.application_problems(inputs, peers, cluster.group, learnt, application)
    else:
        told = judgement.group_problems(inputs, peers, cluster.group, host, planned)
    services_due = any(not service["enabled"] for service in planned)
    application_due = bool(application and (application.watches or application.note))
    return replace(
        judged,
        problems=tuple(told),
        cautions=() if wanted else tuple(judgement.open_rest(inputs, peers, cluster.group)["warnings"]),
        # Texts that nobody writes are not carried through the run: each process of it is made with those of all hosts.
        entries=written if configure.write else replace(written, first=(), then=()),
        steps=Steps(
            install=_install(inputs, tables, cluster, host, source),
            configure=configure,
            services=tuple(rules.steps(planned)),
            service=cluster.group.starting or services_due or application_due,
            prove=(
                _prove_for_yarn(inputs, cluster, cluster.group)
                if application
                else _prove(inputs, cluster, cluster.group, planned)
            ),
            acls=_acls(inputs, peers, cluster.group),
            application=application,
        ),
    )


@dataclass(frozen=True)
class Known:
    """What is known of one host in a run: the arguments of `plan` that are its own."""

    inputs: Inputs
    source: Mapping[str, Any]
    key: str
    host: HostState | None = None
    stores: Stores | None = None
    learnt: Seen | None = None


def plans(known: Mapping[str, Known], tables: Tables, peers: Peers) -> tuple[dict[str, Plan], Peers]:
    """The plans of hosts, as far as they are known, and the peers with what was noted of each.

    Args:
        known: of each host.
        tables: of the role.
        peers: what is needed of other hosts, without notes.
    """

    def made(peers: Peers) -> dict[str, Plan]:
        return for_each_host(
            known,
            lambda _host, each: plan(
                each.inputs, tables, peers, each.source, each.key, each.host, each.stores, each.learnt
            ),
        )

    found = made(peers)
    if any(each.note is None for each in found.values()):
        return found, peers
    # What the whole group is judged by, each of its hosts has noted.
    peers = with_notes(peers, {name: each.note for name, each in found.items() if each.note})
    return made(peers), peers


def _cluster(inputs: Inputs, tables: Tables, peers: Peers, cluster: Cluster, learnt: Seen) -> dict[str, Any]:
    # On YARN both are known of what runs only.
    job_managers: Sequence[Mapping[str, Any]] = learnt.job_managers if inputs.on_yarn else cluster.job_managers
    return {
        "servers": identity.servers(inputs, peers),
        "cluster_id": learnt.running.get("id", "") if inputs.on_yarn else inputs.cluster_id,
        "path_root": inputs.zookeeper_path_root,
        "job_managers": list(job_managers),
        "task_managers": cluster.workers_due,
        "kazoo_path": tables.client_library,
        "timeout": inputs.start_timeout,
        "query_host": cluster.query_host,
        # host:port of the JobManagers that are waited for.
        "awaited": [
            endpoint(each["address"], each["rest_port"])
            for each in job_managers
            if each["address"] not in cluster.unreached_addresses
        ],
        "serving": bool(cluster.group and cluster.group.serving),
        "job": bool(inputs.yarn_job),
        "failed_attempts": learnt.failed_attempts if inputs.on_yarn else [],
        "absent": learnt.absent(yarn_application.asks(inputs)["tag"]) if inputs.on_yarn else "",
    }


def _storage(inputs: Inputs, services: Sequence[Service]) -> dict[str, str]:
    generation, kind = inputs.conf_dir, JOB_MANAGER
    if services:
        generation, kind = f"{flink_services.root(inputs, services[0])}/current", services[0]["kind"]
    return {"directory": inputs.storage_dir.rstrip("/"), "generation": generation, "kind": kind}


def _reads(inputs: Inputs, tables: Tables, peers: Peers, services: Sequence[Service], key: str) -> dict[str, Any]:
    units = _units(inputs, services)
    roots = [flink_services.root(inputs, service) for service in services]
    classes = [jars.directory(part) for part in jars.classpath(inputs.hadoop_classpath)]
    return {
        "java_home": inputs.java_home,
        "units": [*units, firewall.FLINK.unit],
        "accounts": [inputs.user],
        "groups": [inputs.log_group] if inputs.log_group else [],
        "resolve": unique([*judgement.addresses(inputs, peers), *inputs.nameservices]),
        "contents": [
            inputs.marker,
            inputs.tls_paths["flink-ca.pem"],
            firewall.FLINK.loaded,
            *map(restart_file, units),
        ],
        "lines": {
            **{path: list(SETTINGS) for path in flink_services.configs(inputs, services)},
            **{path: [yarn_application.NAME] for path in yarn_application.configs(inputs)},
        },
        "properties": {path: [hadoop.NAMESERVICES] for path in inputs.hadoop_files},
        "foreign_configs": {
            service["unit"]: {
                "directory": f"{flink_services.root(inputs, service)}/current",
                "files": flink_services.FOREIGN_FILES,
            }
            for service in services
        },
        "paths": [
            *(path for root in roots for path in link_paths(root)),
            *(f"{root}/current/release" for root in roots),
            inputs.release_dir,
            inputs.tls_dir,
            inputs.keys_dir,
            inputs.home_dir,
            tables.client_library,
            *tables.kerberos_installed,
            firewall.NFT,
            *inputs.read_write_paths,
            *classes,
            *([inputs.hadoop_conf_dir] if inputs.hadoop_conf_dir else []),
            *([f"{inputs.jar_set}/{jars.MARKER}"] if inputs.jar_set else []),
        ],
        "matches": {
            **dict.fromkeys(classes, jars.CLASSES.pattern),
            inputs.log_dir: "flink-.+",
            **({yarn_application.ENABLED: yarn_application.WATCHERS} if inputs.on_yarn else {}),
        },
        "zookeeper_servers": identity.foreign_servers(inputs, services),
        "standing": {
            "key": key,
            "paths": written_paths(inputs, tables, services),
            "roots": roots,
            "settings": list(flink_services.CONFIG_FILES),
        },
    }


def _units(inputs: Inputs, services: Sequence[Service]) -> list[str]:
    return [*rules.possible_units(services), *([yarn_application.unit(inputs)] if inputs.on_yarn else [])]


def _noted_application(note: Note, inputs: Inputs, application: Application, wanted: str, learnt: Seen) -> Note:
    starts = application.submits or application.replaces
    service = {"kind": YARN, "live": bool(application.id), "start": starts, "restart_needed": False}
    # What another one was started with is not known here.
    tolerates = inputs.zookeeper_tolerate_suspended and not (application.replaces or application.kept)
    return replace(note, services=(service,), tolerates=tolerates, wanted=wanted, last=learnt.last)


def _note(inputs: Inputs, cluster: Cluster, host: HostState, planned: Sequence[Service], key: str) -> Note:
    return Note(
        has_flink=exposure.has_flink(host.answer),
        has_run=judgement.has_run(inputs, host),
        services=tuple(
            {name: service[name] for name in ("kind", "live", "start", "restart_needed")} for service in planned
        ),
        rest=rest_settings(flink_tls.live_settings(planned, host.lines)),
        principals=tuple(judgement.principals(host)),
        tolerates=judgement.tolerates(host),
        members=tuple(flink_services.members(inputs, cluster, planned, host, key)),
    )


def _install(inputs: Inputs, tables: Tables, cluster: Cluster, host: HostState, source: Mapping[str, Any]) -> Install:
    java_plan = java(inputs, tables, host)
    missing = {
        "java": not java_plan["installed"],
        "account": not host.accounts[inputs.user]["exists"],
        "kerberos": inputs.kerberos and not all(map(host.exists, tables.kerberos_installed)),
        "firewall": firewall_plan(inputs, tables, cluster, host).install,
        "release": not judgement.is_installed(inputs, host, source),
        "jars": bool(inputs.jar_set) and not host.exists(f"{inputs.jar_set}/{jars.MARKER}"),
        "client_library": not host.exists(tables.client_library),
    }
    archive = {
        "name": "flink",
        "version": inputs.version,
        "dest": inputs.release_dir,
        "sources": source["sources"],
        "sha512": source["sha512"],
    }
    jar_set = {
        "dest": inputs.jar_set,
        "release_dir": inputs.release_dir,
        "jars": [asdict(each) for each in inputs.jars],
    }
    return Install(needed=any(missing.values()), java_plan=java_plan, archive=archive, jar_set=jar_set, **missing)


def _configure(
    inputs: Inputs,
    tables: Tables,
    cluster: Cluster,
    host: HostState,
    written: Entries,
    planned: Sequence[Service],
    key: str,
) -> Configure:
    every = [*written.first, *written.then]
    # The storage is not read (`written_paths`): it is seen to with whatever else is written, and before something starts.
    known = [entry for entry in every if entry["path"] not in inputs.storage_paths]
    unseen = len(known) < len(every) and any(service["start"] for service in planned)
    # Certificates are made beside this plan, and compared by `host_files`.
    write = inputs.tls or unseen or bool(differing(known, host.standing, key))
    rules_plan = firewall_plan(inputs, tables, cluster, host)
    # A keytab is proved with each run.
    needed = write or inputs.kerberos or rules_plan.unload or bool(rules_plan.load)
    return Configure(
        needed=needed or any(service["needs_reload"] for service in planned),
        write=write,
        tls=inputs.tls,
        firewall=rules_plan,
    )


def _prove(inputs: Inputs, cluster: Cluster, group: Group, planned: Sequence[Service]) -> Prove:
    paths = inputs.storage_paths
    uris = [uri for uri in unique(inputs.uris.values()) if not storage_path(uri)]
    first = planned[0]
    # As Flink puts it together (HighAvailabilityServicesUtils.getClusterHighAvailableStoragePath).
    kept_in = f"{inputs.storage_dir.rstrip('/')}/{inputs.cluster_id.strip('/')}"
    return Prove(
        writer=cluster.storage_writer,
        paths=tuple(paths),
        files=tuple(f"{path}/.streamquorum-proof" for path in paths),
        kept_in=tuple(local_paths([kept_in])),
        uris=tuple(uris),
        kind=first["kind"],
        generation=f"{first['root']}/generations/{first['digest']}",
        current=f"{first['root']}/current",
        uris_due=bool(uris) and (group.starting or group.to_roll),
        # A host that --limit leaves out may have run it; one that is dead is no answer. Who leads was asked before.
        owns_jobs=group.has_run or group.serving or group.limited,
        taken_back=()
        if group.existing
        else tuple({"path": f"{service['root']}/current", "state": "absent"} for service in planned),
    )


def _prove_for_yarn(inputs: Inputs, cluster: Cluster, group: Group) -> Prove:
    """A client host writes and reads by what the application is started with; there are no local paths."""
    return Prove(
        writer=cluster.storage_writer,
        paths=(),
        files=(),
        kept_in=(),
        uris=tuple(unique(inputs.uris.values())),
        kind=JOB_MANAGER,
        generation=inputs.conf_dir,
        current=inputs.conf_dir,
        uris_due=group.starting,
        owns_jobs=True,
        taken_back=(),
    )


def _acls(inputs: Inputs, peers: Peers, group: Group) -> Acls:
    before = (*inputs.switching_principals, *group.principals)
    return Acls(
        kept=identity.acls_kept(inputs, peers) and not inputs.on_yarn,
        switches=identity.switches(inputs, group),
        host=peers.ensemble.reached_host,
        servers=tuple(identity.quorum_servers(inputs, peers)),
        nodes=tuple(identity.acl_entries(inputs, peers)),
        nodes_before=tuple(identity.acl_entries(inputs, peers, before)),
    )
