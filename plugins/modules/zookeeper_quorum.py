#!/usr/bin/python
"""zookeeper_quorum: the ensemble's verdict, from what its servers say."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zookeeper_quorum
short_description: Judge a ZooKeeper ensemble by what its servers say
version_added: 0.1.0
description:
  - Asks every server at once, with four-letter words read to their end (C(srvr), C(mntr), C(conf); the three must
    be in C(4lw.commands.whitelist)), and tries every quorum port.
  - Judges whether every expected server answers, exactly one leads and the rest follow or observe; whether the leader's
    synced followers are the other voters; whether epoch and membership are the same everywhere and every myid is the
    one of the inventory; whether the quorum port is open on the leader only.
  - The epoch is compared only once the leader has a transaction of it, since a healthy ensemble that has been idle
    since its election shows different zxids.
  - On request it proves that the quorum takes a write, with an ephemeral znode below C(/streamquorum-probe) that is
    read back through a session to every server and removed. Nothing of it stays, so it never reports a change.
  - Works with servers of 3.5 to 3.9. Run it on one host of the cluster.
author: [StreamQuorum (@streamquorum)]
attributes:
  check_mode:
    support: full
    description: Nothing is written; the write proof is left out, and RV(write_proof) says so.
extends_documentation_fragment:
  - streamquorum.ha.zookeeper_connection
  - streamquorum.ha.attributes.no_diff
options:
  members:
    description: The servers that should be there; the result of the filter C(streamquorum.ha.zookeeper_members) fits.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: Its number in C(server.N) and myid.
        type: int
        required: true
      address:
        description: Its name or address, as in its server line.
        type: str
        required: true
      host:
        description: Its name in the inventory. Not used; here so that the filter's result can be given as it is.
        type: str
      client_port:
        description: Its client port, where it is not O(client_port).
        type: int
      quorum_port:
        description: Its quorum port, where it is not O(quorum_port).
        type: int
      peer_type:
        description: Whether it votes.
        type: str
        choices: [participant, observer]
        default: participant
  client_port:
    description: Client port of the members that do not name their own.
    type: int
    default: 2181
  quorum_port:
    description: Quorum port of the members that do not name their own.
    type: int
    default: 2888
  standalone:
    description: Allow a single member that runs without a quorum.
    type: bool
    default: false
  probe_quorum_ports:
    description:
      - Try to connect to every quorum port.
      - The leader writes an error to its log each time, for a peer that said nothing. Switch it off for a check that
        runs every minute.
    type: bool
    default: true
  read_config:
    description:
      - Where a server that serves does not answer C(conf), read its membership from C(/zookeeper/config) instead. Needs
        kazoo on this host.
    type: bool
    default: false
  prove_write:
    description:
      - Prove a write. Needs kazoo on this host.
      - It is left out while no server serves; a verdict without it does not end a wait.
    type: bool
    default: false
  thresholds:
    description: Limits above which a value is a caution (RV(cautions)).
    type: dict
    default: {}
    suboptions:
      average_latency_ms:
        description: Average latency of requests since the server's start, in milliseconds.
        type: float
        default: 50
      outstanding_requests:
        description: Requests that wait in a server.
        type: int
        default: 10
      znodes:
        description: Number of znodes.
        type: int
        default: 1000000
      watches:
        description: Watches on one server.
        type: int
        default: 10000
      open_file_descriptor_ratio:
        description: Share of a server's file descriptors that is in use, 0 to 1.
        type: float
        default: 0.8
      data_bytes:
        description: Size of the data tree, in bytes.
        type: int
        default: 1073741824
      transactions_behind:
        description: Transactions that a server is behind the leader in the same epoch.
        type: int
        default: 10000
  strict:
    description: Count cautions as reasons. Latency is counted since a server's start, so one bad hour counts for weeks.
    type: bool
    default: false
  wait_for:
    description:
      - V(any) returns the first verdict, whatever it is. V(serving) waits for a quorum (healthy or degraded),
        V(healthy) for a healthy ensemble.
      - The module fails where the wanted verdict does not come in time.
    type: str
    choices: [any, serving, healthy]
    default: any
  wait_for_members:
    description:
      - Ids of servers that have to be in step with the ensemble before the wait ends, whatever it is for. They serve, in
        the leader's epoch, and with O(prove_write) the write is read through them.
    type: list
    elements: int
    default: []
  wait_timeout:
    description: How long to wait for it, in seconds. A verdict that is under way is finished.
    type: float
    default: 60
  poll_interval:
    description: Seconds between two verdicts while waiting.
    type: float
    default: 0.5
seealso:
  - module: streamquorum.ha.leader_znode
"""

EXAMPLES = r"""
- name: Judge the ensemble
  streamquorum.ha.zookeeper_quorum:
    members:
      - {id: 1, address: zk1.example.org}
      - {id: 2, address: zk2.example.org}
      - {id: 3, address: zk3.example.org}
      - {id: 4, address: zk4.example.org, peer_type: observer}
  register: __zookeeper_verdict

- name: Wait up to two minutes for a healthy ensemble that takes writes
  streamquorum.ha.zookeeper_quorum:
    members: "{{ __zookeeper_members }}"
    client_port: "{{ zookeeper_client_port }}"
    prove_write: true
    wait_for: healthy
    wait_timeout: 120
"""

RETURN = r"""
verdict:
  description:
    - V(healthy) (no reason against it), V(degraded) (a quorum serves, and there are reasons) or V(lost) (nothing shows
      that a quorum serves).
  type: str
  returned: always
reasons:
  description: Why it is not healthy, each with the server and what to do.
  type: list
  elements: str
  returned: always
cautions:
  description: Values above their thresholds, different releases.
  type: list
  elements: str
  returned: always
leader:
  description: Who leads (id, address); null where not exactly one does.
  type: dict
  returned: always
epoch:
  description: The leader's epoch; null without one.
  type: int
  returned: always
voters:
  description: How many voters the inventory has.
  type: int
  returned: always
serving_voters:
  description: How many of them lead or follow.
  type: int
  returned: always
fault_tolerance_left:
  description: How many more voters may be lost with a quorum left; 0 also where there is none.
  type: int
  returned: always
servers:
  description:
    - Facts of each server, sorted by id (id, address, client_port, peer_type, answers, serving, mode, version, zxid,
      epoch, counter, latency_min_ms, latency_avg_ms, latency_max_ms, connections, outstanding, znode_count,
      watch_count, data_bytes, open_file_descriptors, open_file_descriptor_ratio, synced_followers, myid,
      quorum_port_open, write_read, and failures by word). Null where nothing is known.
  type: list
  elements: dict
  returned: always
voter_differences:
  description: Where the voters that a running server knows are not those of O(members), in words.
  type: list
  elements: str
  returned: always
write_proof:
  description:
    - V(not_asked), V(check_mode) (left out), V(not_serving) (left out, no server served when it was due), V(accepted) or V(failed).
  type: str
  returned: always
duration_ms:
  description: How long the last verdict took inside the module, in milliseconds.
  type: float
  returned: always
attempts:
  description: How many verdicts were made.
  type: int
  returned: always
"""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.streamquorum.ha.plugins.module_utils.core.polling import poll
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import (
    Connection,
    Server,
    connect,
    connection_argument_spec,
)
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import ClientError
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.probe import EnsembleProbe
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.verdict import (
    HEALTHY,
    LOST,
    OBSERVER,
    PARTICIPANT,
    THRESHOLDS,
    Member,
    judge,
    lagging,
)


def members_of(params: Mapping[str, Any]) -> list[Member]:
    """The members, sorted by id.

    Raises:
        ValueError: none, none that votes, a port out of range, or an id or a client address twice.
    """
    members = [
        Member(
            id=given["id"],
            address=given["address"],
            client_port=given["client_port"] or params["client_port"],
            quorum_port=given["quorum_port"] or params["quorum_port"],
            peer_type=given["peer_type"],
        )
        for given in sorted(params["members"], key=lambda given: given["id"])
    ]
    if not any(member.votes for member in members):
        raise ValueError("members has no participant: give every server of the ensemble")
    for member in members:
        if not (0 < member.client_port < 65536 and 0 < member.quorum_port < 65536):
            raise ValueError(f"members: the ports of {member} are not 1..65535")
    for what in ("id", "client address"):
        seen: dict[Any, Member] = {}
        for member in members:
            key = member.id if what == "id" else (member.address, member.client_port)
            if key in seen:
                raise ValueError(f"members: {seen[key]} and {member} have the same {what}: correct one of them")
            seen[key] = member
    return members


def one_verdict(probe: Any, members: list[Member], params: Mapping[str, Any], write: bool) -> dict[str, Any]:
    """Prove where wanted, ask, judge."""
    started = time.monotonic()
    proof = None
    proof_state = "not_asked" if not params["prove_write"] else "not_serving" if write else "check_mode"
    if write:
        # A standalone server among several, or one that should not be alone, would take the write for itself.
        alone = params["standalone"] and len(members) == 1
        usable = ("leader", "follower", "observer", *(("standalone",) if alone else ()))
        serving = {identity for identity, mode in probe.modes().items() if mode in usable}
        if serving:
            proof = probe.prove_write([member for member in members if member.id in serving])
            proof_state = "accepted" if proof.accepted else "failed"
    # Asked after the proof: with a transaction of this epoch, the epochs can be compared.
    observed = probe.observe()
    verdict = judge(
        members,
        probe.with_config(observed) if params["read_config"] else observed,
        standalone=params["standalone"],
        strict=params["strict"],
        thresholds=params["thresholds"],
        proof=proof,
    )
    duration = round((time.monotonic() - started) * 1000, 1)
    return {**verdict.as_dict(), "write_proof": proof_state, "duration_ms": duration}


def wait_for_verdict(
    make: Callable[[], dict[str, Any]],
    wanted: str,
    members: Sequence[int],
    limit: float,
    interval: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[dict[str, Any], bool]:
    """Verdicts until one is as wanted or the time is up; the last one, and whether it is."""
    deadline = clock() + limit
    attempts = itertools.count(1)

    def reached(result: dict[str, Any]) -> bool:
        good = result["verdict"] == HEALTHY or (wanted == "serving" and result["verdict"] != LOST)
        # Servers may begin to serve between a proof that was left out and the words: the proof is still owed.
        ready = wanted == "any" or (good and result["write_proof"] != "not_serving")
        return ready and not (members and lagging(result, members))

    result = poll(
        lambda: {**make(), "attempts": next(attempts)},
        lambda result: None if reached(result) else deadline,
        interval,
        clock,
        sleep,
    )
    return result, reached(result)


def argument_spec() -> dict[str, Any]:
    """Arguments of the module."""
    port = {"type": "int"}
    return {
        **connection_argument_spec(servers=False),
        "members": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "id": {"type": "int", "required": True},
                "address": {"type": "str", "required": True},
                "host": {"type": "str"},
                "client_port": port,
                "quorum_port": port,
                "peer_type": {"type": "str", "choices": [PARTICIPANT, OBSERVER], "default": PARTICIPANT},
            },
        },
        "client_port": {"type": "int", "default": 2181},
        "quorum_port": {"type": "int", "default": 2888},
        "standalone": {"type": "bool", "default": False},
        "probe_quorum_ports": {"type": "bool", "default": True},
        "read_config": {"type": "bool", "default": False},
        "prove_write": {"type": "bool", "default": False},
        "thresholds": {
            "type": "dict",
            "default": {},
            "options": {
                name: {
                    "type": "float" if name in ("average_latency_ms", "open_file_descriptor_ratio") else "int",
                    "default": default,
                }
                for name, default in THRESHOLDS.items()
            },
        },
        "strict": {"type": "bool", "default": False},
        "wait_for": {"type": "str", "choices": ["any", "serving", "healthy"], "default": "any"},
        "wait_for_members": {"type": "list", "elements": "int", "default": []},
        "wait_timeout": {"type": "float", "default": 60},
        "poll_interval": {"type": "float", "default": 0.5},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    try:
        members = members_of(params)
        strangers = set(params["wait_for_members"]) - {member.id for member in members}
        if strangers:
            raise ValueError(f"wait_for_members names ids that members has not: {sorted(strangers)}")
        connection = Connection.from_params(params, [Server(member.address, member.client_port) for member in members])
    except ValueError as error:
        module.fail_json(msg=str(error))
    probe = EnsembleProbe(connection, members, connect if params["probe_quorum_ports"] else None)
    write = params["prove_write"] and not module.check_mode
    try:
        result, reached = wait_for_verdict(
            lambda: one_verdict(probe, members, params, write),
            params["wait_for"],
            params["wait_for_members"],
            params["wait_timeout"],
            params["poll_interval"],
        )
    except ClientError as error:
        module.fail_json(msg=str(error))
    if not reached:
        module.fail_json(
            msg=f"The ensemble is {result['verdict']} after {params['wait_timeout']:g} s of waiting: "
            + " ".join([*lagging(result, params["wait_for_members"]), *result["reasons"]]),
            changed=False,
            **result,
        )
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
