"""Why a client host of YARN is refused: by its inventory, by what it learnt of YARN, and by the application that runs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink import options as flink_options
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.storage import storage_path
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn import record, site
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.yarn.applications import owner_tag, several
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.inputs import Inputs, Tables
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.peers import CLIENTS, Group, Peers
from ansible_collections.streamquorum.ha.plugins.plugin_utils.flink.yarn.application import (
    ENABLED,
    NAME,
    Application,
    Seen,
    configs,
    mode,
    submission,
    unit,
)
from ansible_collections.streamquorum.ha.plugins.plugin_utils.host import HostState

#: Inputs that an application on YARN has nothing of, and what they are where nobody gave them: its processes are YARN's, on hosts that are
#: not ours, with addresses and ports of their own, and what lies on the client host is not there.
STANDALONE: Mapping[str, Any] = {
    "flink_ha_rest_tls": "none",
    "flink_ha_internal_tls": False,
    "flink_ha_zookeeper_tls": False,
    "flink_ha_firewall": False,
    "flink_ha_jobmanager_instances": [],
    "flink_ha_taskmanager_instances": [],
    "flink_ha_environment": {},
}
#: Options that would be those of every later application of the job as well, by what is wrong with it.
OF_ONE_RUN = {
    "$internal.pipeline.job-id": "each of its jobs would have that id, and so the same directory of checkpoints: one would take the other's",
    "execution.savepoint.path": "each new start would be from it again",
    "execution.state-recovery.path": "each new start would be from it again",
}


def group_problems(inputs: Inputs, groups: Mapping[str, bool]) -> list[str]:
    """Refuses a host whose groups are of the other deployment.

    Args:
        inputs: of the host.
        groups: by name of a group of Flink, whether the host is in it.
    """
    inside = [name for name, is_in in groups.items() if is_in]
    if inputs.on_yarn and inside != [CLIENTS]:
        return [
            f"{inputs.host}: flink_ha_deployment is yarn, and the host is in {' and '.join(inside)}. YARN starts the processes itself: put the "
            f"hosts from which the application is started into the group {CLIENTS}, and none of them into the others."
        ]
    if not inputs.on_yarn and CLIENTS in inside:
        return [
            f"{inputs.host}: is in the group {CLIENTS}, and flink_ha_deployment is {inputs.deployment}. That group is of hosts that start an "
            "application on YARN: set flink_ha_deployment: yarn for it, or take the host out."
        ]
    return []


def inventory_problems(inputs: Inputs, tables: Tables, peers: Peers) -> list[str]:
    """Why the inventory makes no application, by this host's part of it."""
    given = inputs.given
    hosts = peers.cluster_of(inputs.host).client_hosts
    problems = site.name_problems(inputs.yarn_name)
    problems += site.limit_problems(inputs.yarn_name, hosts, peers.play_hosts, peers.unreached)
    if inputs.cluster_id:
        problems.append(
            f"flink_ha_cluster_id is {inputs.cluster_id}, and flink_ha_deployment is yarn: there the application's own id is the cluster's, "
            "and with one that stays, two applications take each other's jobs. Leave it out."
        )
    problems += [
        f"{name} is set, and an application on YARN has nothing of it: leave it out for the group {CLIENTS}."
        for name, neutral in STANDALONE.items()
        if given[name] != neutral and (neutral or given[name])
    ]
    problems += [
        f"flink_ha_config_extra has {name}, and {why}. Leave it out; flink_ha_yarn_savepoint is for one run."
        for name, why in OF_ONE_RUN.items()
        if name in inputs.config_extra
    ]
    problems += _job_problems(inputs, tables)
    problems += _kerberos_problems(inputs)
    for name, least in (
        ("flink_ha_yarn_application_attempts", 1),
        ("flink_ha_yarn_attempt_failures_validity_interval", -1),
    ):
        if int(given[name]) < least:
            problems.append(f"{name} is {given[name]}. Set it to {least} or more.")
    for name, value in (
        ("flink_ha_hadoop_conf_dir", inputs.hadoop_conf_dir),
        ("flink_ha_hadoop_classpath", inputs.hadoop_classpath),
    ):
        if not value:
            problems.append(
                f"{name} is empty, and flink_ha_deployment is yarn. Flink comes to YARN by Hadoop's client."
            )
    problems += [
        f"{name} is {uri}, a path of each host for itself, and YARN may start a process on any of its own. Choose a storage that all of them "
        "reach, such as hdfs://."
        for name, uri in inputs.uris.items()
        if storage_path(uri)
    ]
    problems += [
        f"flink_ha_storage_credentials has {name} with a content, a file of the client host: an application on YARN has none of it."
        for name, value in inputs.storage_credentials.items()
        if isinstance(value, Mapping)
    ]
    return problems


def _job_problems(inputs: Inputs, tables: Tables) -> list[str]:
    problems = []
    if inputs.yarn_job and not submission(inputs, tables):
        problems.append(
            f"flink_ha_yarn_job is set, and flink_ha_version is {inputs.version}: before 1.16 the job of every application has the id 0, and so "
            "the same directory of checkpoints (FLINK-19358). Choose a newer release, or a session."
        )
    if inputs.yarn_savepoint and not inputs.yarn_job:
        problems.append("flink_ha_yarn_savepoint is set, and a session starts no job. It goes with flink_ha_yarn_job.")
    if inputs.yarn_savepoint and not record.PLACE.match(inputs.yarn_savepoint):
        problems.append(f"flink_ha_yarn_savepoint is {inputs.yarn_savepoint!r}, which is no path and no URI.")
    return problems


def _kerberos_problems(inputs: Inputs) -> list[str]:
    """Refuses a principal under which YARN would not know the application as its user's: the next run would find none, and start another."""
    name = re.split("[/@]", inputs.principal)[0]
    if not inputs.kerberos or name == inputs.user:
        return []
    return [
        f"flink_ha_principal is {inputs.principal}, and flink_ha_user is {inputs.user}: to YARN the application is {name}'s, and a run looks for "
        f"those of {inputs.user}. Set flink_ha_user: {name}, or take a principal of that name."
    ]


def yarn_problems(inputs: Inputs, peers: Peers, seen: Seen, host: HostState) -> list[str]:
    """Why the host is refused by what it learnt of YARN.

    ResourceManagers may elect in the ensemble of this inventory, which may have no quorum yet, and may ask a fresh host for a ticket of a keytab
    that is not there yet. Then YARN is asked again before anything is submitted.
    """
    told, ensemble = seen.yarn, peers.ensemble
    if not told["urls"]:
        return [
            f"{inputs.host}: {inputs.yarn_site} names no ResourceManager ({site.RM_IDS}, or {site.HOST}). Bring YARN's own configuration there, "
            "or set flink_ha_hadoop_conf_dir to where it is."
        ]
    if not told["read"]:
        # Both come with this run: a host on which nothing is installed yet has started nothing that others would not know of.
        fresh = inputs.yarn_submit and not host.units[unit(inputs)]["exists"]
        if (told["later"] and fresh) or (ensemble.judged and 2 * len(ensemble.running) <= len(ensemble.hosts)):
            return []
        return [
            f"{inputs.host}: no ResourceManager that is active answers ({told['reason']}). Whether the application {inputs.yarn_name} runs is not "
            "known, so nothing is done. See whether YARN serves, and whether this host reaches its web ports. For a run that is to go on without YARN, take the "
            "group flink_client out of the inventory."
        ]
    return []


def name_problems(inputs: Inputs, host: HostState) -> list[str]:
    """Refuses another name while the host watches the application that it has started: nobody would look for that one any more."""
    lines = [line for path in configs(inputs) for line in host.lines.get(path, ())]
    before = flink_options.parse("config.yaml", "\n".join(lines)).get(NAME, "").strip("'\"")
    if before in ("", inputs.yarn_name) or unit(inputs, before) not in host.matches.get(ENABLED, ()):
        return []
    return [
        f"{inputs.host}: has started the application {before}, and flink_ha_yarn_name is {inputs.yarn_name}: {before} would run on, and nobody "
        f"would look after it. Put the name back and run playbooks/stop.yml -e stop_cluster=true --tags flink_ha, or give {inputs.yarn_name} a "
        "flink_ha_config_dir of its own."
    ]


def _submission_problems(inputs: Inputs, seen: Seen) -> list[str]:
    """What of YARN keeps a new application from being submitted, or from living as long as it is to; one that runs is left alone by it."""
    told, problems = seen.yarn, []
    # Where it could not be asked yet, it is once it answers.
    if told["read"]:
        problems += site.attempts_problems(
            inputs.host, inputs.yarn_application_attempts, told["site"], told["properties"]
        )
        problems += site.queue_problems(inputs.yarn_queue, told["queues"])
    if not inputs.rest_open:
        problems.append(
            f"{inputs.host}: the JobManager on YARN listens on a port of whichever node it gets, and whoever reaches it runs code as "
            f"{inputs.user}. Let nobody reach the nodes who may not, and say so: flink_ha_rest_open: true."
        )
    return problems


def application_problems(inputs: Inputs, peers: Peers, group: Group, seen: Seen, application: Application) -> list[str]:
    """What of the application keeps the host from going on.

    Args:
        inputs: of the host.
        peers: what is needed of other hosts.
        group: what was noted of all client hosts.
        seen: what the host learnt.
        application: what is to be done with it.
    """
    problems = _submission_problems(inputs, seen) if application.submits or application.replaces else []
    # By the host that submits it: the others may have been away when something was noted.
    if application.submits and application.job and inputs.host == peers.cluster_of(inputs.host).query_host:
        problems += _state_problems(inputs, peers, group, seen, application)
    # One that has started from there is what was asked for, as long as it is not to be another one: that starts from where this one ends.
    from_there = seen.last.get("from") == inputs.yarn_savepoint and not application.replaces
    if inputs.yarn_savepoint and seen.running and inputs.yarn_submit and not from_there:
        problems.append(
            f"flink_ha_yarn_savepoint is set, and {seen.running['id']} runs. To go back to a savepoint, end it first (playbooks/stop.yml -e "
            "stop_cluster=true --tags flink_ha), then start from there (playbooks/start.yml -e flink_ha_yarn_savepoint=PATH)."
        )
    if len(group.wanted) > 1:
        problems.append(
            f"The hosts of the application {inputs.yarn_name} ask for {len(group.wanted)} different ones. Give all of them the same inputs (group_vars "
            f"of {CLIENTS}), or each a flink_ha_yarn_name of its own."
        )
    if len(seen.live) > 1:
        problems.append(several(seen.live, owner_tag(inputs.yarn_name)))
    elif application.replaces:
        problems += _replacement_problems(inputs, seen)
    return problems


def _state_problems(inputs: Inputs, peers: Peers, group: Group, seen: Seen, application: Application) -> list[str]:
    """Refuses to begin a job from nothing where there was one, and from something older where a host may know better."""
    if inputs.yarn_savepoint:
        return []
    last = seen.last_of(group)
    away = [host for host in peers.cluster_of(inputs.host).client_hosts if host in peers.unreached]
    if away and not last.get("known") and not inputs.accept_lost_jobs:
        what = f"{last['application']} {last['told']}" if last else "No application is known here"
        return [
            f"{inputs.host}: {what}, and {', '.join(away)} may know of a later one. Run with all client hosts, or say from where the job is to start: "
            "-e flink_ha_yarn_savepoint=PATH. From nothing: -e flink_ha_accept_lost_jobs=true."
        ]
    jobs = last.get("jobs", [])
    begun = [each["looked_for_in"] for each in jobs if not each["savepoint"]]
    # A session that has ended without jobs has left nothing. A savepoint that was begun is not given up by the way.
    if not last or application.savepoint or (last["mode"] == record.SESSION and not jobs):
        return []
    if inputs.accept_lost_jobs and not begun:
        return []
    told = [
        *(f"{each['name']} ended with the savepoint {each['savepoint']}." for each in jobs if each["savepoint"]),
        *(
            f"One was begun in {each}; where there is none, remove {application.records}/savepoints-{last['application']}.json."
            for each in begun
        ),
        *([f"It had started from {last['from']}."] if last["from"] else []),
        *([f"{', '.join(away)} may know of a savepoint of it."] if away else []),
    ]
    return [
        f"{inputs.host}: {last['application']} {last['told']}, and from which savepoint the job is to start is not known here. From nothing, it "
        f"would lose its state. {' '.join(told)}{' ' if told else ''}Look for a savepoint below {inputs.savepoint_dir}, or for a checkpoint below "
        f"{inputs.checkpoint_dir}, and name it: -e flink_ha_yarn_savepoint=PATH. From nothing: -e flink_ha_accept_lost_jobs=true."
    ]


def _replacement_problems(inputs: Inputs, seen: Seen) -> list[str]:
    """What keeps an application from being ended for another one."""
    running, problems = seen.running["id"], []
    if seen.running["mode"] != mode(inputs):
        return [
            f"{inputs.host}: {running} is in {seen.running['mode']} mode, and the inventory asks for {mode(inputs)} mode. End it first "
            "(playbooks/stop.yml -e stop_cluster=true --tags flink_ha), with a savepoint of each job."
        ]
    if inputs.yarn_job:
        if not seen.jobs.get("complete") and not inputs.accept_lost_jobs:
            problems.append(
                f"{inputs.host}: {running} was started with something else than the inventory asks for, and its job could not be read "
                f"({'; '.join(seen.jobs.get('reasons', [])) or 'its JobManager is not known'}). Run again when it serves, or leave it as it is "
                "for this run: -e flink_ha_yarn_keep=true. From nothing: -e flink_ha_accept_lost_jobs=true."
            )
    elif not inputs.yarn_accept_outage:
        if not seen.jobs.get("complete"):
            problems.append(
                f"{inputs.host}: {running} was started with something else than the inventory asks for, and which jobs run there could not be read "
                f"({'; '.join(seen.jobs.get('reasons', [])) or 'its JobManager is not known'}). Run again when it serves, or leave it as it is "
                "for this run: -e flink_ha_yarn_keep=true. Without its jobs: -e flink_ha_yarn_accept_outage=true -e flink_ha_accept_lost_jobs=true."
            )
        elif seen.job_names:
            problems.append(
                f"{inputs.host}: {running} was started with something else than the inventory asks for, and {len(seen.job_names)} job(s) run there "
                f"({', '.join(seen.job_names[:3])}{', …' if len(seen.job_names) > 3 else ''}). A session is not changed under its jobs: put the "
                "inventory back, or end it in this run, with a savepoint of each job, and resume them by the commands that are printed: "
                "-e flink_ha_yarn_accept_outage=true. To leave it as it is for this run: -e flink_ha_yarn_keep=true."
            )
    return problems


def kept_hints(application: Application) -> list[str]:
    """Tells of an application that runs with something else than the inventory asks for, and that this run leaves alone."""
    if not application.kept:
        return []
    return [
        f"{application.id} was started with something else than the inventory asks for, and this run leaves it as it is: site, without "
        "--tags and --limit, is what replaces it."
    ]


def hints(seen: Seen, behaviours: Any) -> list[str]:
    """What an operator should know of this YARN."""
    if not seen.yarn.get("read"):
        return []
    told = site.behaviour(seen.yarn["version"], behaviours)
    return [*([f"YARN {seen.yarn['version']}: {told}"] if told else []), *site.cautions(seen.yarn["properties"])]
