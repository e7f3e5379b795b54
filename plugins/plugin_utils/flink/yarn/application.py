"""The application on YARN that a client host asks for, and what is to be done with the one that runs. Pure, but for reading the templates."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.secret_text import TAGGED_WORDS
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options as flink_options
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import record, site
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn.applications import (
    MODE,
    OWNER,
    generation_tag,
    owner_tag,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.configuration import (
    config_text,
    configuration,
    log_settings,
    release,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import Group, Peers
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.standalone.services import CONFIG_FILES
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.values import values
from ansible_collections.streamquorum.ha.plugins.plugin_utils.generation import Generation
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState

#: Scope of its options.
YARN = "yarn"
#: Where systemd has the units that start at boot, and the names of those that watch.
ENABLED, WATCHERS = "/etc/systemd/system/multi-user.target.wants", r"flink-yarn-.+\.service"
#: What is left of a job that has failed for good, by an option that is its own where it sets it: Flink would delete its checkpoints.
RETENTION = {"execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION"}
#: Who may renew the tokens by which YARN fetches an application's files: without it they end after a day (HadoopFSDelegationTokenProvider;
#: not among Flink's documented options).
RENEWER = "security.kerberos.token.provider.hadoopfs.renewer"
#: By it a configuration that stands on the host says whose it is.
NAME = "yarn.application.name"


@dataclass(frozen=True)
class Seen:
    """What a host learnt of YARN, of who leads the application, and of its jobs; empty where it did not ask."""

    #: Answer of `yarn_info`.
    yarn: Mapping[str, Any] = field(default_factory=dict)
    #: Answer of `leader_znode`.
    leader: Mapping[str, Any] = field(default_factory=dict)
    #: Answer of `flink_job_info`.
    jobs: Mapping[str, Any] = field(default_factory=dict)
    #: Whether this run leaves what runs alone: it is a part of a run (--tags, --limit).
    keep: bool = False

    @staticmethod
    def of(given: Mapping[str, Any]) -> Seen:
        """From the results of the tasks; a skipped one has told nothing."""
        return Seen(
            given["yarn"] if "read" in given["yarn"] else {},
            given["leader"] if "verdict" in given["leader"] else {},
            given["jobs"] if "reachable" in given["jobs"] else {},
            bool(given["keep"]),
        )

    @property
    def live(self) -> list[Mapping[str, Any]]:
        """Applications with our tag that have not ended."""
        return [each for each in self.yarn.get("applications", ()) if each["live"]]

    @property
    def last(self) -> Mapping[str, Any]:
        """The youngest one of which YARN or this host knows, as `record.last` tells it; empty for none."""
        found: Mapping[str, Any] = self.yarn.get("last") or {}
        return found if found.get("application") else {}

    def last_of(self, group: Group | None) -> Mapping[str, Any]:
        """The youngest one that any host of the application knows; what this host has noted of it comes first."""
        known = [each for each in (self.last, *(group.last if group else ())) if each]
        return max(
            known, key=lambda each: (each["known"], record.order(each["application"]), bool(each["jobs"])), default={}
        )

    @property
    def running(self) -> Mapping[str, Any]:
        """The one that is there; empty for none."""
        return self.live[0] if self.live else {}

    @property
    def job_managers(self) -> list[dict[str, Any]]:
        """The JobManager that leads, as our modules take it: on YARN there is one, and its port changes with each attempt."""
        led = self.leader.get("verdict") == "led"
        found = self.leader.get("leader", {})
        return [{"name": found["host"], "address": found["host"], "rest_port": found["port"]}] if led else []

    def absent(self, tag: str) -> str:
        """Why there is no application, in words; empty where one runs."""
        if self.running:
            return ""
        if not self.yarn.get("read"):
            return f"no ResourceManager that is active answers ({self.yarn.get('reason', 'none was asked')})"
        ended: Mapping[str, Any] = next(iter(self.yarn["applications"]), {})
        last = (
            f"; {ended['id']} {record.told_state(ended)}: {ended['diagnostics'] or 'it says no reason'}"
            if ended
            else ""
        )
        return "\n".join([f"no application with the tag {tag} runs on YARN{last}", *self.yarn["failed_attempts"]])

    @property
    def failed_attempts(self) -> list[str]:
        """Of the application that runs, where attempts before this one ran and how their logs end."""
        return [f"{self.running['id']}: {each}" for each in self.yarn["failed_attempts"]] if self.running else []

    @property
    def job_names(self) -> list[str]:
        return [f"{each['name']} ({each['id']})" for each in self.jobs.get("jobs", ())]


@dataclass(frozen=True)
class Application:
    """What the role's tasks need of it.

    Attributes:
        name: flink_ha_yarn_name.
        unit: of systemd, which watches it.
        urls: of the ResourceManagers.
        id: of the one that runs; empty for none.
        submits: none runs, and this run starts one.
        savepoint: from which its job starts; empty for from nothing, and for a session.
        replaces: one runs that was started with something else, and another one is to take its place.
        kept: the same, and this run leaves it alone.
        watches: the unit is not as it should be: it is to be started, or started anew.
        watched: the unit is there and active, or will be with the next boot.
        address: host:port of its REST; empty where it is not known.
        directory: what it is started from.
        options: that its submission has beside the configuration.
        installed: whether that is there.
        job: whether it has one job, which is started with it, and is no session.
        records: directory of what is noted of applications.
        record: the file of the one that runs.
        note: entry of `host_files` that notes the one that runs, where nothing was; empty where something is.
    """

    name: str
    unit: str
    urls: tuple[str, ...]
    id: str
    submits: bool
    savepoint: str
    replaces: bool
    kept: bool
    watches: bool
    watched: bool
    address: str
    directory: str
    options: Mapping[str, str]
    installed: bool
    job: bool
    records: str
    record: str
    note: Mapping[str, Any]


def unit(inputs: Inputs, name: str = "") -> str:
    """The unit that watches the application, or another one of that name."""
    return f"flink-yarn-{name or inputs.yarn_name}.service"


def asks(inputs: Inputs) -> dict[str, str]:
    """Arguments of `yarn_info`."""
    return {
        "site": inputs.yarn_site,
        "tag": owner_tag(inputs.yarn_name),
        "records": inputs.config_dir,
        **{name: str(inputs.given[f"flink_ha_{name}"]) if inputs.kerberos else "" for name in ("keytab", "principal")},
    }


def mode(inputs: Inputs) -> str:
    """Whether it is a session, to which anybody submits, or an application with its one job."""
    return record.APPLICATION if inputs.yarn_job else record.SESSION


def job_jar(inputs: Inputs) -> str:
    """Path of the jar of its one job."""
    (jar,) = [each for each in inputs.jars if each.job]
    return f"{inputs.jar_set}/{jar.directory}/{jar.file}"


def job(inputs: Inputs, tables: Tables) -> dict[str, Any]:
    """How its one job is submitted; empty for a session."""
    if not inputs.yarn_job:
        return {}
    return {**inputs.yarn_job, "jar": job_jar(inputs), "command": submission(inputs, tables)}


def _options(inputs: Inputs, seen: Seen) -> dict[str, str]:
    principal = seen.yarn.get("site", {}).get(site.PRINCIPAL, "") if inputs.kerberos else ""
    found = {**(RETENTION if inputs.yarn_job else {}), **({RENEWER: principal} if principal else {})}
    return {name: value for name, value in found.items() if name not in inputs.config_extra}


def submission(inputs: Inputs, tables: Tables) -> str:
    """The command that submits a job as an application of its own; empty for a release that cannot."""
    return str(flink_options.greatest_since(tables.yarn_submissions, inputs.version) or "")


def configs(inputs: Inputs) -> list[str]:
    """Paths of the configurations that an application may have been started with from this host."""
    return [f"{inputs.conf_dir}/{name}" for name in CONFIG_FILES] if inputs.on_yarn else []


def generation(inputs: Inputs, tables: Tables, peers: Peers) -> Generation:
    """What the application is known by: its configuration, how it logs, its release and its jars. Nothing of the client host is in it.

    Its digest is a tag, which everybody on YARN sees: of a secret it has something by which to guess is slow.

    Raises:
        OptionError: the configuration cannot be written; the text names the key.
    """
    found = configuration(inputs, tables, YARN, values(inputs, tables, peers, {}), {})
    config = {key: _slow(value) if _is_secret(inputs, key, value) else value for key, value in found.items()}
    name = str(release(inputs, tables)["config_file"])
    file = {"content": config_text(inputs, tables, config), "mode": "0640"}
    # Of the job, the jar is in the set. Where it starts from is no part of what it is.
    started = {name: inputs.yarn_job.get(name) for name in ("class", "arguments")}
    jobs = {"job": {"content": json.dumps(started), "mode": "0644"}} if inputs.yarn_job else {}
    return Generation(
        {name: file, "log4j.properties": {"content": log_settings(inputs, tables, journal=False), "mode": "0644"}}
        | jobs,
        {"release": inputs.release_dir, **({"jars": inputs.jar_set} if inputs.jar_set else {})},
    )


def _is_secret(inputs: Inputs, key: str, value: Any) -> bool:
    return key in inputs.storage_options or flink_options.has_secrets({key: value}, TAGGED_WORDS)


@functools.cache
def _slow(value: Any) -> str:
    """Another text for each value; some 30 ms for each guess."""
    return hashlib.scrypt(str(value).encode(), salt=OWNER.encode(), n=2**14, r=8, p=1, dklen=16).hex()


def tags(inputs: Inputs, wanted: str) -> list[str]:
    modes = [f"{MODE}{mode(inputs)}"] if inputs.yarn_job else []
    return [owner_tag(inputs.yarn_name), generation_tag(wanted), *modes]


def savepoint(inputs: Inputs, last: Mapping[str, Any]) -> str:
    """From which its job starts: the one that was asked for, or that with which the last application has ended; empty for none."""
    jobs = last.get("jobs", ())
    if inputs.yarn_savepoint or not inputs.yarn_job or last.get("mode") != record.APPLICATION or len(jobs) != 1:
        return inputs.yarn_savepoint
    return str(jobs[0]["savepoint"])


def _note(inputs: Inputs, seen: Seen) -> dict[str, Any]:
    """Of one that was submitted by a run that did not come to noting it, or while the host was away."""
    running = seen.running
    if not running or running["id"] in seen.yarn["noted"]:
        return {}
    noted = {"application": running["id"], "tag": owner_tag(inputs.yarn_name), "mode": running["mode"]}
    content = json.dumps({**noted, "from": "", "jobs": []}, indent=2, sort_keys=True) + "\n"
    return {"path": record.path(inputs.config_dir, running["id"]), "content": content}


def application(inputs: Inputs, group: Group | None, wanted: str, seen: Seen, host: HostState) -> Application:
    """What is to be done, by what runs.

    Args:
        inputs: of the host.
        group: what was noted of all client hosts; None before.
        wanted: digest of what the application is to be started with.
        seen: what the host learnt.
        host: as it was read.
    """
    watcher = host.units[unit(inputs)]
    other = bool(seen.running) and seen.running["generation"] != wanted
    replaces = other and inputs.yarn_submit and not (inputs.yarn_keep or seen.keep)
    place = seen.job_managers[0] if seen.job_managers else {}
    return Application(
        name=inputs.yarn_name,
        unit=unit(inputs),
        urls=tuple(seen.yarn.get("urls", ())),
        id=str(seen.running.get("id", "")),
        submits=not seen.running and inputs.yarn_submit,
        savepoint=savepoint(inputs, seen.last_of(group)),
        replaces=replaces,
        kept=other and not replaces,
        watches=not (watcher["active"] and watcher["enabled"]) or watcher["needs_reload"],
        watched=watcher["active"] or watcher["enabled"],
        address=f"{place['address']}:{place['rest_port']}" if place else "",
        directory=inputs.conf_dir,
        options=_options(inputs, seen),
        installed=host.standing.get(f"{inputs.conf_dir}/start", {}).get("kind") == "file",
        # Each has its own: one that nobody has resumed from yet outlives the end of the next.
        job=bool(inputs.yarn_job),
        records=inputs.config_dir,
        record=record.path(inputs.config_dir, seen.running["id"]) if seen.running else "",
        note=_note(inputs, seen),
    )
