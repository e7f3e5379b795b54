#!/usr/bin/python
"""leader_znode: who leads Flink, or another system that elects in ZooKeeper."""

from __future__ import annotations

DOCUMENTATION = r"""
module: leader_znode
short_description: Who leads a Flink cluster, or another system that elects in ZooKeeper
version_added: 0.1.0
description:
  - Reads Flink's leader for a cluster-id from ZooKeeper in every layout since Flink 1.0, decodes the address and the
    leader's session id, counts the contenders, checks that the winner of the election owns the leader's node, and
    compares with what each JobManager answers over REST.
  - Up to Flink 1.14 each component has a leader of its own. There the dispatcher's owner counts as the leader; the REST
    server's stands in RV(components).
  - With another O(kind) it reads who leads HDFS, YARN, Kafka in ZooKeeper mode, or whatever uses a latch or one ephemeral node, and
    returns the same. There it compares nodes alone.
  - That nobody leads is a verdict, not a failure. The module fails when ZooKeeper cannot be asked, and when what it was
    told to wait for does not come.
  - Reads only. Run it on a host that reaches ZooKeeper and the JobManagers' REST ports.
author: [StreamQuorum (@streamquorum)]
extends_documentation_fragment:
  - streamquorum.ha.zookeeper_connection
  - streamquorum.ha.zookeeper_connection.servers
  - streamquorum.ha.attributes.reads
options:
  kind:
    description:
      - What elects. V(hdfs) is the NameNode that a ZKFC made active, V(yarn) the active ResourceManager, V(kafka) the controller of
        brokers in ZooKeeper mode.
      - V(latch) is any node whose children have sequence numbers, of which the lowest leads (Curator, kazoo); V(ephemeral) is a node
        that is there as long as somebody leads.
    type: str
    choices: [flink, hdfs, yarn, kafka, latch, ephemeral]
    default: flink
  path:
    description:
      - Where it elects. Of V(flink), the cluster's node, in place of O(cluster_id) and O(path_root).
      - Of V(hdfs), C(/hadoop-ha/NAMESERVICE); of V(yarn), C(/yarn-leader-election/CLUSTER-ID); of V(kafka), the chroot of its brokers, V(/)
        for none; else the latch or the node itself.
    type: str
    default: ""
  cluster_id:
    description: Value of C(high-availability.cluster-id). It or O(path) is needed.
    type: str
    default: ""
  path_root:
    description: Value of C(high-availability.zookeeper.path.root).
    type: str
    default: /flink
  flink_version:
    description:
      - Flink's version, such as V(1.20.5). It says which layout counts; a leader in another release's layout makes the
        verdict RV(verdict=inconsistent).
      - Without it the layouts are probed from the newest to the oldest, and one with a live leader comes first.
    type: str
    default: ""
  job_managers:
    description:
      - The JobManagers that are expected. Each is asked over REST; a leader that is none of them is RV(foreign).
      - Without any, REST is left out.
    type: list
    elements: dict
    default: []
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
        description: Another name of the same host, such as the inventory's.
        type: str
        default: ""
  rest_access_path:
    description:
      - File on this host that says how REST is reached, http or https, and with which certificates; plain http where there is none.
      - The role flink_ha writes it.
    type: path
    default: /etc/streamquorum/flink-client.json
  rest_timeout:
    description: Time limit for everything that one JobManager is asked, in seconds; they are asked in parallel.
    type: float
    default: 5.0
  task_managers:
    description:
      - How many TaskManagers must be registered at least, by the leader's count; V(0) does not ask.
      - Fewer are a reason in RV(reasons); what O(wait_for) and its like wait for includes them.
    type: int
    default: 0
  jobs:
    description: Also read which jobs ZooKeeper keeps for the cluster, in RV(jobs).
    type: bool
    default: false
  wait_for:
    description: With V(leader), wait until one of O(job_managers) leads consistently.
    type: str
    choices: [none, leader]
    default: none
  wait_for_leader:
    description: Wait until this JobManager leads, C(host:port) of its REST address.
    type: str
    default: ""
  wait_for_change_from:
    description:
      - Wait until there is a leader, and a different one than this, given by session id, address, C(host:port) or owner.
      - The session id is the safest, since a JobManager that leads again has a new one.
    type: str
    default: ""
  wait_for_job_managers:
    description:
      - Wait until these JobManagers serve REST, each given as C(host:port) as in O(job_managers), and all that serve are in the election.
      - The leader is there first; one that stands by serves some seconds after its start.
    type: list
    elements: str
    default: []
  wait_timeout:
    description: How long to wait at most, in seconds.
    type: float
    default: 60.0
  poll_interval:
    description: Time between two readings while waiting, in seconds.
    type: float
    default: 0.5
"""

EXAMPLES = r"""
- name: Wait until one of our JobManagers leads and three TaskManagers are registered
  streamquorum.ha.leader_znode:
    servers: [zk1.example.org:2181, zk2.example.org:2181, zk3.example.org:2181]
    cluster_id: /orders
    flink_version: 1.20.5
    job_managers:
      - {address: jm1.example.org, rest_port: 8081}
      - {address: jm2.example.org, rest_port: 8081}
    task_managers: 3
    wait_for: leader
    wait_timeout: 120
  register: __flink_ha_leader

- name: Which NameNode is active
  streamquorum.ha.leader_znode:
    servers: [zk1.example.org:2181]
    kind: hdfs
    path: /hadoop-ha/nameservice1
  register: __namenode

- name: After the leader was stopped, wait for another one
  streamquorum.ha.leader_znode:
    servers: [zk1.example.org:2181]
    cluster_id: /orders
    wait_for_change_from: "{{ __flink_ha_leader.leader.session_id }}"
"""

RETURN = r"""
verdict:
  description:
    - V(led), the znodes agree with each other and, of Flink, with REST; V(leaderless), nobody leads; V(inconsistent), they
      contradict one another. After a crash of the leader that is so until its ZooKeeper session times out.
    - A contradiction was seen twice, one O(poll_interval) apart.
  type: str
  returned: always
  sample: led
reasons:
  description: Why, in words; what is worth knowing beside a good verdict, too. Empty when there is nothing to say.
  type: list
  elements: str
  returned: always
leader:
  description: The leading JobManager. Empty texts and port 0 where nobody leads.
  type: dict
  returned: always
  contains:
    address:
      description:
        - Its REST address. Up to Flink 1.14 it can be the dispatcher's address instead, then O(ignore:port) is 0.
        - Of another O(kind), host:port where the node tells them; else what it tells, such as C(rm1).
      type: str
      sample: http://jm1.example.org:8081
    host:
      description: Host in it.
      type: str
    port:
      description: REST port; 0 where only the host is known.
      type: int
    session_id:
      description: UUID of this leadership; empty where the leader wrote none. Of another O(kind), the transaction that made the leader's node.
      type: str
    owner:
      description: ZooKeeper session that owns the leader's node, as ZooKeeper writes it.
      type: str
      sample: "0x100002900970001"
components:
  description: Leader of each component (address, host, port, session_id, owner, contenders), by its name.
  type: dict
  returned: always
contenders:
  description:
    - JobManagers that stand in the election, the leader among them.
    - Of another O(kind), the children of the latch, or the brokers of Kafka; V(1) where nobody but the leader leaves a node.
  type: int
  returned: always
layout:
  description: Releases of Flink that keep their leaders as it was found; empty where nothing was found.
  type: str
  returned: always
  sample: 1.15 and newer
rest:
  description:
    - For each of O(job_managers), in their order. C(reachable) says that anything answered, C(status) what (0 for
      nothing). A JobManager answers 500 or 503 while it knows no leader.
    - C(leads) says that it is the leader, which may publish an address in place of its name.
    - C(overview) has taskmanagers, slots_total, slots_available, jobs_running and flink_version; empty without a 200.
    - C(detail) says why it is empty.
  type: list
  elements: dict
  returned: always
foreign:
  description: The leader is none of O(job_managers); false where none are given.
  type: bool
  returned: always
task_managers:
  description: How many are C(registered) (null where no JobManager tells), C(expected), and whether that is C(enough).
  type: dict
  returned: always
jobs:
  description: Ids of the jobs whose graph or checkpoints ZooKeeper points to, running or not.
  type: list
  elements: str
  returned: with O(jobs)
satisfied:
  description: One of O(job_managers) leads consistently, enough TaskManagers are registered, and what was waited for is so.
  type: bool
  returned: always
cluster_path:
  description: The node in ZooKeeper at which it elects.
  type: str
  returned: always
duration_ms:
  description: Time that the module's work took, waiting included.
  type: float
  returned: always
"""

import functools
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.core.polling import poll
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.endpoints import JobManager, Resolve, endpoint
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader.election import (
    read_election,
    read_jobs,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader.layouts import (
    DEFAULT_ROOT,
    cluster_path,
    parse_release,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.leader.verdict import (
    INCONSISTENT,
    LEADERLESS,
    LED,
    Expectation,
    Leader,
    Report,
    WaitCondition,
    judge,
    needs_rpc,
    unmet_conditions,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.rest import (
    DEFAULT_ACCESS_PATH,
    DEFAULT_TIMEOUT,
    Answer,
    RestAccess,
    RestReader,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper import elections
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import (
    Connection,
    Server,
    connection_argument_spec,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.elections import ZnodeReader
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import (
    CallTimedOut,
    ClientError,
    ConnectionFailed,
    LibraryMissing,
)

Ask = Callable[[Sequence[str], bool], list[Answer]]
#: What Flink's own options are for; the other kinds of elections stand in module_utils/zookeeper/elections.py.
FLINK = "flink"


class FlinkElection:
    """Reads who leads a Flink cluster, from its znodes and over REST.

    Args:
        ask: asks JobManagers by their REST addresses, for their RPC addresses too where True.
        resolve: addresses of a host name.
        path: the cluster's node.
        expected: what is known of the cluster.
    """

    def __init__(self, ask: Ask, resolve: Resolve, path: str, expected: Expectation) -> None:
        self._ask, self._resolve, self._path, self._expected = ask, resolve, path, expected

    def __call__(self, session: ZnodeReader) -> Report:
        election = read_election(session, self._path)
        answers = self._ask([str(each) for each in self._expected.job_managers], needs_rpc(election, self._expected))
        return judge(election, answers, self._expected, self._resolve)


class LeaderWatch:
    """Reads who leads until the condition is met, or its time is over.

    Args:
        connect: opens a ZooKeeper session.
        look: reads who leads through a session.
        resolve: addresses of a host name.
        condition: what to wait for.
        wait_timeout: seconds to wait at most.
        interval: seconds between two readings.
        clock: monotonic seconds.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[ZnodeReader]],
        look: Callable[[ZnodeReader], Report],
        resolve: Resolve,
        condition: WaitCondition,
        wait_timeout: float,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect = connect
        self._look = look
        self._resolve = resolve
        self._condition = condition
        self._wait_timeout = wait_timeout
        self._interval = interval
        self._clock = clock
        self._sleep = sleep

    def run(self) -> Report:
        """The last reading: the first that meets the condition, or the one at the end of the time.

        Raises:
            ClientError: ZooKeeper cannot be asked; while waiting, a lost connection is opened again until the end.
        """
        deadline = self._clock() + (self._wait_timeout if self._condition.waits else 0)
        found = poll(
            lambda: self._in_a_session(deadline),
            lambda found: None if isinstance(found, Report) else deadline,
            self._interval,
            self._clock,
            self._sleep,
        )
        if not isinstance(found, Report):
            raise found
        return found

    def _in_a_session(self, deadline: float) -> Report | ClientError:
        """What one session tells, or why it does not."""
        try:
            with self._connect() as session:
                return self._watch(session, deadline)
        except (ConnectionFailed, CallTimedOut) as error:
            return error

    def _watch(self, session: ZnodeReader, deadline: float) -> Report:
        doubted = False

        def until(report: Report) -> float | None:
            nonlocal doubted
            if self._condition.waits:
                return deadline if unmet_conditions(report, self._condition, self._resolve) else None
            if report.verdict == INCONSISTENT and not doubted:
                # The nodes are read one after the other: a change of leaders in between looks like a contradiction.
                doubted = True
                return self._clock() + self._interval
            return None

        return poll(lambda: self._look(session), until, self._interval, self._clock, self._sleep)


def resolver(seconds: float, lookup: Callable[..., list[Any]] = socket.getaddrinfo) -> Resolve:
    """Resolves names with this host's resolver, each once and within the limit; no addresses where that fails."""

    @functools.cache
    def resolve(host: str) -> frozenset[str]:
        found: set[str] = set()

        def look_up() -> None:
            try:
                found.update(str(entry[4][0]) for entry in lookup(host, None, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError):
                return

        # The resolver has no time limit of its own that a caller could set.
        thread = threading.Thread(target=look_up, daemon=True)
        thread.start()
        thread.join(seconds)
        return frozenset(() if thread.is_alive() else found)

    return lambda host: set(resolve(host))


def kept_jobs(connect: Callable[[], AbstractContextManager[ZnodeReader]], path: str) -> list[str]:
    """Ids of the jobs that ZooKeeper keeps for the cluster at `path`.

    Raises:
        ClientError: ZooKeeper cannot be asked.
    """
    with connect() as session:
        return read_jobs(session, path)


def elected_at(params: Mapping[str, Any]) -> str:
    """The node at which it elects.

    Raises:
        ValueError: no node is given, or it can be none.
    """
    if params["kind"] == FLINK and not params["path"]:
        return cluster_path(params["path_root"], params["cluster_id"])
    if params["cluster_id"] or not params["path"].startswith("/"):
        raise ValueError(f"kind {params['kind']} takes a path that begins with a slash, and no cluster_id beside it")
    return str(params["path"]).rstrip("/") or "/"


def other(found: elections.Election) -> Report:
    """An election that is not Flink's, in the shape of one."""
    verdict = INCONSISTENT if found.wrong else LED if found.owner else LEADERLESS
    leader = Leader(found.address, found.host, found.port, found.leadership, found.owner)
    return Report(
        verdict=verdict,
        reasons=[told for told in (found.wrong, found.absent) if told],
        leader=leader if verdict == LED else Leader(),
        components={},
        contenders=found.contenders,
        layout="",
        rest=[],
        foreign=False,
        task_managers=None,
        task_managers_expected=0,
    )


def job_manager(given: Mapping[str, Any]) -> JobManager:
    """An entry of O(job_managers).

    Raises:
        ValueError: address and port are no address of a host.
    """
    server = Server.parse(endpoint(str(given["address"]).strip("[]"), given["rest_port"]))
    return JobManager(server.host, server.port, given["name"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_argument_spec(),
            "kind": {"type": "str", "choices": [FLINK, *elections.KINDS], "default": FLINK},
            "path": {"type": "str", "default": ""},
            "cluster_id": {"type": "str", "default": ""},
            "path_root": {"type": "str", "default": DEFAULT_ROOT},
            "flink_version": {"type": "str", "default": ""},
            "job_managers": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "address": {"type": "str", "required": True},
                    "rest_port": {"type": "int", "required": True},
                    "name": {"type": "str", "default": ""},
                },
            },
            "rest_access_path": {"type": "path", "default": DEFAULT_ACCESS_PATH},
            "rest_timeout": {"type": "float", "default": DEFAULT_TIMEOUT},
            "task_managers": {"type": "int", "default": 0},
            "jobs": {"type": "bool", "default": False},
            "wait_for": {"type": "str", "choices": ["none", "leader"], "default": "none"},
            "wait_for_leader": {"type": "str", "default": ""},
            "wait_for_change_from": {"type": "str", "default": ""},
            "wait_for_job_managers": {"type": "list", "elements": "str", "default": []},
            "wait_timeout": {"type": "float", "default": 60.0},
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
        connection = Connection.from_params(params)
        access = RestAccess.load(params["rest_access_path"])
        path = elected_at(params)
        expected = Expectation(
            job_managers=tuple(job_manager(each) for each in params["job_managers"]),
            release=parse_release(params["flink_version"]) if params["flink_version"] else None,
            task_managers=params["task_managers"],
            rest_scheme=access.schemes[0],
        )
        target = Server.parse(params["wait_for_leader"]) if params["wait_for_leader"] else None
        condition = WaitCondition(
            leader=params["wait_for"] == "leader",
            host=target.host if target else "",
            port=target.port if target else 0,
            change_from=params["wait_for_change_from"],
            serving=tuple(str(Server.parse(each)) for each in params["wait_for_job_managers"]),
        )
    except ValueError as error:
        module.fail_json(msg=f"leader_znode cannot start: {error}")
    resolve = resolver(params["timeout"])
    flink = FlinkElection(RestReader(params["rest_timeout"], access.get).ask, resolve, path, expected)
    watch = LeaderWatch(
        connection.session,
        flink if params["kind"] == FLINK else lambda session: other(elections.read(session, params["kind"], path)),
        resolve,
        condition,
        params["wait_timeout"],
        params["poll_interval"],
    )
    try:
        report = watch.run()
        jobs = {"jobs": kept_jobs(connection.session, path)} if params["jobs"] else {}
    except ClientError as error:
        module.fail_json(
            msg=f"ZooKeeper cannot be asked who leads {path}: {error}. Check that the ensemble serves and that this host "
            "reaches the client ports in 'servers'.",
            # The action plugin lends it.
            library_missing=isinstance(error, LibraryMissing),
        )
    missing = unmet_conditions(report, condition, resolve)
    result = {
        "changed": False,
        **report.as_dict(),
        **jobs,
        "satisfied": not missing,
        "cluster_path": path,
        "duration_ms": round((time.monotonic() - started) * 1000, 1),
    }
    if condition.waits and missing:
        module.fail_json(
            msg=f"The leader of {params['kind']} under {path}: after {params['wait_timeout']:g} s, "
            f"{'; '.join([*missing, *report.reasons])}. The logs of those that stand in the election say why they do not take over.",
            **result,
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
