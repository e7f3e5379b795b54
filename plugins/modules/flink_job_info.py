#!/usr/bin/python
"""flink_job_info: what a rolling restart of Flink must know of its TaskManagers and jobs, read over REST."""

from __future__ import annotations

DOCUMENTATION = r"""
module: flink_job_info
short_description: TaskManagers, slots and jobs of a Flink cluster, and whether they are whole again
version_added: 0.1.0
description:
  - Reads a cluster's TaskManagers, slots and every job that has not ended (state, tasks, restarts, checkpoints, restart
    strategy) over REST, from the first of O(job_managers) that answers with all of it, and from each of them the options
    that decide what a restart costs.
  - Can wait until TaskManagers are registered, all jobs run fully, and checkpoints have completed. While it waits, an
    answer 500 or 503, as Flink gives it during a failover, is no error.
  - That no JobManager answers is a result (RV(reachable) is false), not a failure. The module fails when what it was told
    to wait for does not come.
  - What was not read is not in the result. Where RV(complete) is false, a job that is missing in RV(jobs) can run
    nevertheless, so decide nothing by it.
  - After a TaskManager has stopped, a job can be shown as running for a while, since it has not missed it yet. So read
    once when it has stopped, and then wait with O(wait_for_checkpoints_since) for that reading's RV(clock_ms). A job
    without checkpoints has no such proof.
  - Reads only, but for O(trigger_checkpoints). Run it on a host that reaches the JobManagers' REST ports.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment: [streamquorum.ha.attributes.no_diff]
attributes:
  check_mode:
    support: full
    description: Asks for no checkpoint.
options:
  job_managers:
    description: The JobManagers, asked for the cluster in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      address:
        description: Name or address of its host, as in C(rest.address).
        type: str
        required: true
      rest_port:
        description: REST port.
        type: int
        required: true
      name:
        description: Another name of the same host. Not used; it lets one list serve M(streamquorum.ha.leader_znode), too.
        type: str
        default: ""
  rest_access_path:
    description:
      - File on this host that says how REST is reached, http or https, and with which certificates; plain http where there is none.
      - The role flink_ha writes it.
    type: path
    default: /etc/streamquorum/flink-client.json
  rest_timeout:
    description:
      - Time limit for what one JobManager is asked of itself and of the cluster, and for each single question, in seconds.
        For each job, 0.3 seconds are added.
    type: float
    default: 10.0
  wait_for_task_managers:
    description: TaskManagers that must be registered, each as C(host:port) of its RPC address.
    type: list
    elements: str
    default: []
  wait_for_task_managers_gone:
    description:
      - Ids of TaskManagers, as in RV(task_managers), that must not be registered any more.
      - A restarted TaskManager has a new id, and its old one stays until it has signed off or is missed. Without this,
        O(wait_for_task_managers) can be satisfied by the one that was stopped.
    type: list
    elements: str
    default: []
  wait_for_jobs:
    description: Wait until every job that has not ended runs with all of its tasks.
    type: bool
    default: false
  wait_for_a_job:
    description: Wait until there is a job; an application has none until its main method has made it.
    type: bool
    default: false
  wait_for_job_ids:
    description:
      - Ids of jobs of which each must run with all of its tasks, whatever becomes of others.
      - One that has finished or was cancelled is satisfied; one that has failed ends the wait at once; one that is not
        listed is waited for, since a new leader lists a job when it has taken it over.
    type: list
    elements: str
    default: []
  wait_for_calm:
    description:
      - By job id, the milliseconds that must have passed since its last restart, by the JobManager's clock. It is how a job
        with a failure rate is not restarted more often than it may be.
    type: dict
    default: {}
  wait_for_reading:
    description:
      - Go on reading, for up to O(wait_timeout), until everything was read. A job that is being submitted, for one, cannot be.
      - What stays unread makes RV(complete) false; it is not a failure.
    type: bool
    default: false
  wait_for_checkpoints:
    description:
      - By job id, the count of completed checkpoints (RV(jobs[].completed_checkpoints)) that must be exceeded.
      - A job that has meanwhile finished, was cancelled or is gone is satisfied; one that has failed ends the wait at
        once.
      - The count begins anew when another JobManager leads; O(wait_for_checkpoint_ids) does not.
    type: dict
    default: {}
  wait_for_checkpoint_ids:
    description:
      - By job id, the RV(jobs[].latest_checkpoint_id) that must be exceeded; V(0) waits for the first one.
      - With high availability the ids go on across leaders. Ended jobs count as in O(wait_for_checkpoints).
    type: dict
    default: {}
  wait_for_checkpoints_since:
    description:
      - Wait until every job that checkpoints has completed a checkpoint that was triggered after this, in milliseconds
        since 1970 by the JobManagers' clocks, as RV(clock_ms) of an earlier reading; V(0) does not.
      - Such a checkpoint proves that all tasks of the job were alive then. A job that has failed since ends the wait.
    type: int
    default: 0
  wait_for_checkpoints_of:
    description: Ids of the jobs that O(wait_for_checkpoints_since) is about; without it, every job.
    type: list
    elements: str
  trigger_checkpoints:
    description:
      - While it waits by O(wait_for_checkpoints_since), ask Flink for a checkpoint of each job that runs and whose own
        interval is longer than 10 seconds. Flink takes them on request since 1.17; before, or where the request is refused,
        the job's own next one is waited for.
      - The only thing that this module asks with an effect. The checkpoint is of the kind that the job takes by itself.
    type: bool
    default: false
  wait_for_restarts:
    description:
      - Go on reading, for up to 11 seconds more, while RV(jobs[].restarts) of a running job is not known. That is so after
        a restart, until Flink has counted it. Flink never counts with C(metrics.fetcher.update-interval) 0.
      - A count that stays unknown is null in the result, not a failure.
    type: bool
    default: true
  wait_timeout:
    description: How long to wait at most for the rest, in seconds.
    type: float
    default: 120.0
  poll_interval:
    description: Time between two readings, in seconds.
    type: float
    default: 0.5
"""

EXAMPLES = r"""
- name: Read what runs
  streamquorum.ha.flink_job_info:
    job_managers:
      - {address: jm1.example.org, rest_port: 8081}
      - {address: jm2.example.org, rest_port: 8081}
  register: __flink_ha_before

- name: After it was stopped, read the clock
  streamquorum.ha.flink_job_info:
    job_managers:
      - {address: jm1.example.org, rest_port: 8081}
      - {address: jm2.example.org, rest_port: 8081}
    wait_for_restarts: false
  register: __flink_ha_stopped

- name: After it was started, wait until everything is whole again
  streamquorum.ha.flink_job_info:
    job_managers:
      - {address: jm1.example.org, rest_port: 8081}
      - {address: jm2.example.org, rest_port: 8081}
    wait_for_task_managers: ["tm1.example.org:6122"]
    wait_for_task_managers_gone: ["tm1.example.org:6122-5f1c05"]
    wait_for_jobs: true
    wait_for_checkpoints_since: "{{ __flink_ha_stopped.clock_ms }}"
    wait_timeout: 300
"""

RETURN = r"""
reachable:
  description: A JobManager told the cluster. Otherwise the lists are empty and the counts 0.
  type: bool
  returned: always
complete:
  description: The cluster was read, and every job that has not ended. Otherwise RV(jobs) is not the whole, and RV(reasons) says why.
  type: bool
  returned: always
satisfied:
  description: A JobManager answered, and what was waited for is so.
  type: bool
  returned: always
reasons:
  description: What is missing or in doubt, in words; empty when there is nothing to say.
  type: list
  elements: str
  returned: always
flink_version:
  description: Flink's version; empty where no JobManager answered.
  type: str
  returned: always
  sample: 1.20.5
clock_ms:
  description:
    - The clock of the JobManager that answered, in milliseconds since 1970; 0 where no job runs, since then none is told.
  type: int
  returned: always
task_managers:
  description: The registered TaskManagers, by host and port.
  type: list
  elements: dict
  returned: always
  contains:
    id:
      description: Its id; a new one with each start.
      type: str
      sample: tm1.example.org:6122-5f1c05
    host:
      description: Host of its RPC address.
      type: str
    port:
      description: Port of its RPC address.
      type: int
    slots:
      description: Its slots.
      type: int
    free_slots:
      description: Slots that no job has.
      type: int
slots_total:
  description: Slots of all TaskManagers.
  type: int
  returned: always
slots_available:
  description: Slots that no job has.
  type: int
  returned: always
jobs:
  description: The jobs that have not ended, by id.
  type: list
  elements: dict
  returned: always
  contains:
    id:
      description: Job id.
      type: str
    name:
      description: Its name.
      type: str
    state:
      description: Its state, as Flink calls it.
      type: str
    running:
      description:
        - It is RUNNING, and each of its tasks is RUNNING or FINISHED. In a batch job, tasks may still be CREATED.
      type: bool
    tasks_by_state:
      description: Count of tasks by state, without zeros.
      type: dict
    parts:
      description: Unconnected parts that fail on their own; each takes an attempt when a TaskManager is lost.
      type: int
    restarts:
      description: How often it restarted under the present leader; null where Flink has not counted yet.
      type: int
    restarted_at:
      description:
        - When it last began to restart under the present leader, in milliseconds since 1970 by the JobManager's clock;
          0 for never. It is known sooner than RV(jobs[].restarts).
      type: int
    checkpointing:
      description: It takes checkpoints.
      type: bool
    checkpoint_interval_ms:
      description: Time between two of them, in milliseconds; null for a job that takes none.
      type: int
    failed_checkpoint_at:
      description:
        - When the last one that failed under the present leader was triggered, in milliseconds since 1970 by the leader's
          clock; 0 for none.
      type: int
    completed_checkpoints:
      description: Checkpoints that it completed under the present leader.
      type: int
    latest_checkpoint_id:
      description: Id of the latest completed checkpoint under the present leader; null without one.
      type: int
    latest_checkpoint_at:
      description: When that checkpoint was triggered, in milliseconds since 1970 by the leader's clock; 0 without one.
      type: int
    restored_checkpoint_id:
      description: Id of the checkpoint that it last restored; null for none.
      type: int
    restart_strategy:
      description:
        - C(kind) (V(none), V(fixed-delay), V(failure-rate), V(exponential-delay), V(cluster-default), V(unknown)),
          C(attempts) (null for no limit), C(delay_ms), and for V(failure-rate) C(failures) within C(interval_ms).
        - C(text) is what Flink says. C(certain) is false where this release can hide the job's own strategy behind it,
          as 1.20 does.
      type: dict
unread_jobs:
  description: Jobs that are listed and could not be read, by id.
  type: list
  elements: dict
  returned: always
  contains:
    id:
      description: Job id.
      type: str
    name:
      description: Its name.
      type: str
    state:
      description: Its state, as the list of jobs has it.
      type: str
    why:
      description: Why it could not be read.
      type: str
ended_jobs:
  description: Jobs that are finished, cancelled or failed, as far as the leader remembers them.
  type: list
  elements: dict
  returned: always
  contains:
    id:
      description: Job id.
      type: str
    name:
      description: Its name.
      type: str
    state:
      description: V(FINISHED), V(CANCELED) or V(FAILED).
      type: str
    ended_at:
      description: When, in milliseconds since 1970 by the leader's clock.
      type: int
job_managers:
  description: What each of O(job_managers) says of itself, in their order.
  type: list
  elements: dict
  returned: always
  contains:
    address:
      description: As given.
      type: str
    rest_port:
      description: As given.
      type: int
    reachable:
      description: Anything answered.
      type: bool
    tolerates_suspended_connections:
      description:
        - Value of C(high-availability.zookeeper.client.tolerate-suspended-connections) that it runs with; false where it
          is not set, null where it does not tell.
      type: bool
    restart_strategy:
      description:
        - The cluster's default by its options, as in RV(jobs[].restart_strategy); kind V(unset) where none is set. Null
          where it does not tell.
      type: dict
    detail:
      description: Why it does not tell; empty where it does.
      type: str
duration_ms:
  description: Time that the module's work took, waiting included.
  type: float
  returned: always
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.core.polling import poll
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.endpoints import JobManager
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.checkpoints import CheckpointTrigger
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.model import Reading
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.reading import DEFAULT_TIMEOUT, ClusterReader
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.waiting import (
    WaitCondition,
    lost,
    unmet_conditions,
    unsettled,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.rest import DEFAULT_ACCESS_PATH, RestAccess
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import Server

#: Flink fetches its metrics at most every 10 s (metrics.fetcher.update-interval); a second for the fetch itself.
METRICS_LIMIT = 11.0


class JobsWatch:
    """Reads until the condition is met and the restarts are counted, or the time is over.

    Args:
        look: reads everything once.
        condition: what to wait for.
        wait_timeout: seconds to wait for the condition at most.
        interval: seconds between two readings.
        clock: monotonic seconds.
        sleep: waits for seconds.
        nudge: told each reading that does not meet the condition.
    """

    def __init__(
        self,
        look: Callable[[], Reading],
        condition: WaitCondition,
        wait_timeout: float,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        nudge: Callable[[Reading, WaitCondition], None] | None = None,
    ) -> None:
        self._look = look
        self._condition = condition
        self._wait_timeout = wait_timeout
        self._interval = interval
        self._clock = clock
        self._sleep = sleep
        self._nudge = nudge

    def run(self) -> Reading:
        """The last reading: the first that is enough, or the one at the end of the time."""
        deadline = self._clock() + (self._wait_timeout if self._condition.waits or self._condition.reading else 0)
        counted_by: float | None = None

        def until(reading: Reading) -> float | None:
            nonlocal counted_by
            if lost(reading, self._condition):
                return None
            if unmet_conditions(reading, self._condition):
                if self._nudge is not None:
                    self._nudge(reading, self._condition)
                return deadline
            if self._condition.reading and not reading.complete:
                return deadline
            if self._condition.restarts and unsettled(reading):
                if counted_by is None:
                    counted_by = self._clock() + METRICS_LIMIT
                return counted_by
            return None

        return poll(self._look, until, self._interval, self._clock, self._sleep)


def condition_from(params: Mapping[str, Any]) -> WaitCondition:
    """What to wait for, from the module's arguments.

    Raises:
        ValueError: an argument is not what it should be.
    """
    servers = [Server.parse(each) for each in params["wait_for_task_managers"]]
    return WaitCondition(
        task_managers=tuple((each.host, each.port) for each in servers),
        gone=tuple(params["wait_for_task_managers_gone"]),
        jobs=params["wait_for_jobs"],
        a_job=params["wait_for_a_job"],
        checkpoints=_counts(params, "wait_for_checkpoints"),
        checkpoint_ids=_counts(params, "wait_for_checkpoint_ids"),
        checkpoints_since=params["wait_for_checkpoints_since"],
        checkpoints_of=None if params["wait_for_checkpoints_of"] is None else _ids(params, "wait_for_checkpoints_of"),
        job_ids=_ids(params, "wait_for_job_ids"),
        calm=_counts(params, "wait_for_calm"),
        reading=params["wait_for_reading"],
        restarts=params["wait_for_restarts"],
    )


def _ids(params: Mapping[str, Any], name: str) -> tuple[str, ...]:
    for job in params[name]:
        if not re.fullmatch("[0-9a-f]{32}", job):
            raise ValueError(f"{name} has '{job}', which is no job id")
    return tuple(params[name])


def _counts(params: Mapping[str, Any], name: str) -> dict[str, int]:
    counts = {}
    for job, count in params[name].items():
        if not re.fullmatch("[0-9a-f]{32}", str(job)):
            raise ValueError(f"{name} has the key '{job}', which is no job id")
        # A dictionary that comes out of a template can hold its numbers as texts.
        if isinstance(count, bool) or not re.fullmatch(r"\d{1,18}", str(count)):
            raise ValueError(f"{name} has '{count}' for job {job}, which is no count")
        counts[str(job)] = int(count)
    return counts


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "job_managers": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "address": {"type": "str", "required": True},
                    "rest_port": {"type": "int", "required": True},
                    "name": {"type": "str", "default": ""},
                },
            },
            "rest_access_path": {"type": "path", "default": DEFAULT_ACCESS_PATH},
            "rest_timeout": {"type": "float", "default": DEFAULT_TIMEOUT},
            "wait_for_task_managers": {"type": "list", "elements": "str", "default": []},
            "wait_for_task_managers_gone": {"type": "list", "elements": "str", "default": []},
            "wait_for_jobs": {"type": "bool", "default": False},
            "wait_for_a_job": {"type": "bool", "default": False},
            "wait_for_job_ids": {"type": "list", "elements": "str", "default": []},
            "wait_for_calm": {"type": "dict", "default": {}},
            "wait_for_reading": {"type": "bool", "default": False},
            "wait_for_checkpoints": {"type": "dict", "default": {}},
            "wait_for_checkpoint_ids": {"type": "dict", "default": {}},
            "wait_for_checkpoints_since": {"type": "int", "default": 0},
            "wait_for_checkpoints_of": {"type": "list", "elements": "str"},
            "trigger_checkpoints": {"type": "bool", "default": False},
            "wait_for_restarts": {"type": "bool", "default": True},
            "wait_timeout": {"type": "float", "default": 120.0},
            "poll_interval": {"type": "float", "default": 0.5},
        },
        supports_check_mode=True,
    )
    params = module.params
    started = time.monotonic()
    try:
        for name in ("rest_timeout", "poll_interval"):
            if not params[name] > 0:
                raise ValueError(f"{name} is {params[name]}: it must be more than 0 seconds")
        if not params["job_managers"]:
            raise ValueError("job_managers is empty: without one there is nobody to ask")
        managers = [JobManager(each["address"].strip("[]"), each["rest_port"]) for each in params["job_managers"]]
        for manager in managers:
            Server.parse(str(manager))
        condition = condition_from(params)
        access = RestAccess.load(params["rest_access_path"])
    except ValueError as error:
        module.fail_json(msg=f"flink_job_info cannot start: {error}")
    reader = ClusterReader(params["rest_timeout"], access.get)
    trigger = CheckpointTrigger(access.trigger_checkpoint, access.get, params["rest_timeout"])
    reading = JobsWatch(
        lambda: reader.read(managers),
        condition,
        params["wait_timeout"],
        params["poll_interval"],
        nudge=trigger if params["trigger_checkpoints"] and not module.check_mode else None,
    ).run()
    missing = unmet_conditions(reading, condition)
    result = {"changed": False, **reading.as_dict(), "satisfied": reading.cluster is not None and not missing}
    result["reasons"] = [*missing, *reading.reasons]
    if missing:
        result["reasons"] += [f"job {job}: {why}" for job, why in sorted(trigger.failures.items())]
    result["duration_ms"] = round((time.monotonic() - started) * 1000, 1)
    if missing:
        seconds = result["duration_ms"] / 1000
        module.fail_json(
            msg=f"Flink is not as expected after {seconds:.1f} s: {'; '.join(result['reasons'])}. "
            "The leading JobManager's log and the job's exceptions in its web interface say why.",
            **result,
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
