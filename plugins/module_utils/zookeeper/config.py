"""What the zookeeper role derives from the inventory: members, connection string, zoo.cfg, refusals. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.quorum import Voter, majority, tolerance

Member = Mapping[str, Any]

#: 255 is valid for ZooKeeper, but not with TTL nodes (zookeeperAdmin.md, extendedTypesEnabled).
ID_RANGE = range(1, 255)
PARTICIPANT, OBSERVER = "participant", "observer"
HOST_NAME = re.compile(
    r"^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"
)
#: Every key of zoo.cfg that is part of the member list, or changes how a quorum is counted.
MEMBERSHIP_KEYS = re.compile(r"^(server|group|weight)\.?[0-9]*|^(dynamicConfigFile|peerType)$")
#: Read only as Java properties without the zookeeper. prefix; dead in zoo.cfg (QuorumPeer.java, domain facts §1.1).
JVM_ONLY_KEYS = {
    "jute.maxbuffer",
    "readonlymode.enabled",
    "leader.nodelay",
    "follower.nodelay",
    "znode.container.checkIntervalMs",
    "znode.container.maxPerMinute",
    "znode.container.maxNeverUsedIntervalMs",
    "java.security.auth.login.config",
}


class ConfigError(ValueError):
    """A value that cannot be written to zoo.cfg; the text names the key."""


def zookeeper_members(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> list[dict[str, Any]]:
    """Members of the ensemble, sorted by id, from the inventory only.

    Never from facts or from the hosts of a play: one dead host or `--limit` would shrink the ensemble.
    A missing id is None here and refused by `zookeeper_problems`.
    """
    members = [
        {
            "host": host,
            "id": hostvars[host].get("zookeeper_id"),
            "address": hostvars[host].get("zookeeper_address", host),
            "peer_type": hostvars[host].get("zookeeper_peer_type", PARTICIPANT),
        }
        for host in hosts
    ]
    return sorted(members, key=lambda member: (_number(member["id"]), member["host"]))


def zookeeper_connect_string(members: Sequence[Member], client_port: int) -> str:
    """`host:port,…` of all members, sorted by id: the only place that joins it."""
    ordered = sorted(members, key=lambda member: _number(member["id"]))
    return ",".join(f"{member['address']}:{client_port}" for member in ordered)


def zookeeper_endpoints(members: Sequence[Member], client_port: int, quorum_port: int) -> list[dict[str, Any]]:
    """Members as the module `zookeeper_quorum` takes them."""
    return [
        {
            "id": member["id"],
            "address": member["address"],
            "peer_type": member["peer_type"],
            "client_port": client_port,
            "quorum_port": quorum_port,
        }
        for member in members
    ]


def zookeeper_server_lines(members: Sequence[Member], quorum_port: int, election_port: int) -> dict[str, str]:
    """The `server.N` lines of zoo.cfg."""
    return {
        f"server.{member['id']}": f"{member['address']}:{quorum_port}:{election_port}:{member['peer_type']}"
        for member in members
    }


def render_properties(options: Mapping[str, Any]) -> str:
    """`key=value` lines, sorted so that server.2 stands before server.10; parsed back before they are given out.

    Raises:
        ConfigError: a value is empty, has a line break, or does not come back as it was written.
    """
    values = {str(key): _value(key, value) for key, value in options.items()}
    text = "".join(f"{key}={values[key]}\n" for key in sorted(values, key=_natural))
    if parse_properties(text) != values:
        raise ConfigError(
            "zoo.cfg does not read back as it was computed: a key or value has '=', '#' or spaces at an end"
        )
    return text


def parse_properties(text: str) -> dict[str, str]:
    """The part of java.util.Properties that zoo.cfg uses."""
    lines = (line.strip() for line in text.splitlines())
    return {
        key.strip(): value.strip()
        for key, _equals, value in (line.partition("=") for line in lines if line and not line.startswith(("#", "!")))
    }


def _value(key: str, value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if value is None or not text.strip():
        raise ConfigError(f"zoo.cfg: {key} is empty; leave the key out instead")
    if "\n" in text or "\\" in text:
        raise ConfigError(f"zoo.cfg: {key} has a line break or a backslash, which java.util.Properties would eat")
    return text


def _natural(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", key)]


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _tolerated(voters: int) -> int:
    """How many of so many voters may be lost."""
    return tolerance([Voter(number) for number in range(voters)], ())


def membership_problems(members: Sequence[Member], single_node: bool) -> list[str]:
    """Why this list of members is refused; empty when it is not. Each names variable, host and remedy."""
    problems = []
    seen: dict[int, str] = {}
    for member in members:
        host, identity = member["host"], member["id"]
        if identity is None:
            problems.append(
                f"{host}: zookeeper_id is missing. Give every host of the group zookeeper its own, and never change it."
            )
        elif not isinstance(identity, int) or isinstance(identity, bool) or identity not in ID_RANGE:
            problems.append(f"{host}: zookeeper_id is {identity!r}; it must be a whole number from 1 to 254.")
        elif identity in seen:
            problems.append(
                f"{host}: zookeeper_id {identity} is already that of {seen[identity]}. Every member needs its own."
            )
        else:
            seen[identity] = host
        if member["peer_type"] not in (PARTICIPANT, OBSERVER):
            problems.append(
                f"{host}: zookeeper_peer_type is {member['peer_type']!r}; it must be participant or observer."
            )
        if not HOST_NAME.match(str(member["address"])) or str(member["address"]) == "0.0.0.0":
            problems.append(
                f"{host}: zookeeper_address {member['address']!r} is no host name or IPv4 address that peers could use."
            )
    addresses = [member["address"] for member in members]
    problems += [
        f"{member['host']}: zookeeper_address {member['address']} belongs to two members. Every member needs its own."
        for index, member in enumerate(members)
        if member["address"] in addresses[:index]
    ]
    return problems + _size_problems([m for m in members if m["peer_type"] == PARTICIPANT], len(members), single_node)


def _size_problems(voters: Sequence[Member], size: int, single_node: bool) -> list[str]:
    count = len(voters)
    if count == 1 and size == 1:
        if single_node:
            return []
        return [
            "The group zookeeper has one host: nothing would survive its loss. Use 3 voters, "
            "or set zookeeper_single_node: true to say that this is wanted."
        ]
    if single_node:
        return ["zookeeper_single_node is true, but the group zookeeper has more than one host. Remove the switch."]
    if count < 3 or count % 2 == 0 or count > 7:
        better = min(max(count + 1 - count % 2, 3), 7)
        return [
            f"The group zookeeper has {count} voters, which tolerate the loss of {_tolerated(count)}. Use 3, 5 or 7: "
            f"{better} voters tolerate the loss of {_tolerated(better)}. Observers (zookeeper_peer_type) are counted apart."
        ]
    return []


def extra_problems(extra: Mapping[str, Any], owned: Mapping[str, str]) -> list[str]:
    """Why `zookeeper_config_extra` is refused. `owned` names the variable of each key that one owns."""
    problems = []
    for key, value in extra.items():
        name = str(key)
        if name in owned:
            problems.append(f"zookeeper_config_extra: {name} belongs to {owned[name]}. Set that variable instead.")
        elif name.startswith(("group", "weight")):
            problems.append(
                f"zookeeper_config_extra: {name} makes a hierarchical quorum. Every quorum rule here counts voters; remove it."
            )
        elif MEMBERSHIP_KEYS.match(name):
            problems.append(
                f"zookeeper_config_extra: {name} is part of the member list, which comes from the inventory. Remove it."
            )
        elif name.startswith("zookeeper."):
            problems.append(
                f"zookeeper_config_extra: {name} would become the Java property zookeeper.{name}, which nothing reads. "
                f"Write {name.removeprefix('zookeeper.')}."
            )
        elif name in JVM_ONLY_KEYS:
            problems.append(
                f"zookeeper_config_extra: {name} works only as a Java property. Put -D{name}=… into zookeeper_java_opts_extra."
            )
        elif value is None or not str(value).strip():
            problems.append(f"zookeeper_config_extra: {name} is empty. Leave it out instead.")
    return problems


def package_problems(host: str, platform: str, version: str, packages: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Refuses a package that this platform does not have, or of another release than the one that is asked for."""
    package = packages.get(platform)
    if not package:
        return [
            f"{host}: zookeeper_install_method is package, which was tried on {', '.join(packages)} only, not on {platform}. "
            "Use zookeeper_install_method: archive."
        ]
    if package["version"] != version:
        return [
            f"{host}: the package of {platform} is ZooKeeper {package['version']}, and zookeeper_version is {version}. "
            f"Set zookeeper_version: {package['version']}, or use zookeeper_install_method: archive."
        ]
    return []


def identity_problems(host: str, identity: Any, data_dir: str, on_disk: str) -> list[str]:
    """Refuses a changed id: the data directory would vote under another name."""
    found = on_disk.strip()
    if not found or found == str(identity):
        return []
    if not found.isdigit() or len(found) > 3:
        # The service's user owns the file, and may have written anything: it is not repeated.
        return [
            f"{host}: {data_dir}/myid holds no id of a server, and this toolkit has not written that. Look who did. Where the data is "
            f"this member's, write it anew (zookeeper_id is {identity}): echo {identity} > {data_dir}/myid"
        ]
    return [
        f"{host}: {data_dir}/myid says {found}, and zookeeper_id is {identity}. An id never changes while there is data: "
        f"set zookeeper_id: {found}, or move the data directory away if this host is to be another member."
    ]


def data_dir_problems(
    host: str, running_config: str, data_dir: str, data_log_dir: str, found: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Refuses other directories than those that the last generation wrote to, as long as they hold nothing.

    Args:
        running_config: text of the current zoo.cfg; empty on a fresh host.
        found: version-2 of each wanted directory, as `host_state` gave it.
    """
    before = parse_properties(running_config)
    if not before.get("dataDir"):
        return []
    problems = []
    for variable, what, old, new, name in (
        ("zookeeper_data_dir", "snapshots and epochs", before["dataDir"], data_dir, ""),
        (
            "zookeeper_data_log_dir",
            "transaction logs",
            before.get("dataLogDir", before["dataDir"]),
            data_log_dir,
            "log.",
        ),
    ):
        # The directory of the snapshots is not empty, and may be without a log.
        if old != new and not any(each.startswith(name) for each in found[f"{new}/version-2"]["entries"]):
            problems.append(
                f"{host}: {variable} is {new}, but the {what} are in {old}. A directory without them would start without the data: set "
                f"{variable}: {old}. To move them, run playbooks/stop.yml -e stop_cluster=true, move {what} of {old}/version-2 to {new}/version-2 on each "
                "member, with their owner, change it, and run playbooks/site.yml."
            )
    return problems


def running_dir_problems(host: str, running_config: str, data_dir: str, data_log_dir: str) -> list[str]:
    """Refuses other directories than those that a process which somebody else set up writes to, whatever others hold.

    Args:
        running_config: the lines of its zoo.cfg that name them; empty where there is no such process.
    """
    before = parse_properties(running_config)
    if not before.get("dataDir"):
        return []
    wanted = {
        "zookeeper_data_dir": (before["dataDir"], data_dir),
        "zookeeper_data_log_dir": (before.get("dataLogDir", before["dataDir"]), data_log_dir),
    }
    return [
        f"{host}: {variable} is {new}, and the server that runs writes to "
        # The service's user chose it: what is no plain path is not repeated.
        + (
            f"{old}. Set {variable}: {old}."
            if re.fullmatch(r"/[\w./-]+", old)
            else "another directory, which its zoo.cfg names."
        )
        for variable, (old, new) in wanted.items()
        if os.path.normpath(old) != os.path.normpath(new)
    ]


def owner_problems(host: str, directories: Mapping[str, Mapping[str, Any]], user: str) -> list[str]:
    """Refuses another owner of the database than the user who is to write it: it would be given away under a member that runs.

    Args:
        directories: version-2 of each data directory, as `host_state` gave it.
        user: zookeeper_user.
    """
    return [
        f"{host}: {path} belongs to {found['owner']}, and zookeeper_user is {user}. Set zookeeper_user: {found['owner']}; or, while this "
        f"member is stopped, chown -R {user}: {path} and run again."
        for path, found in directories.items()
        if found["entries"] and found["owner"] != user
    ]


def voter_problems(host: str, running_config: str, wanted_config: str) -> list[str]:
    """Refuses another set of voters than the one that a live member runs with: name, ports or vote of any of them.

    Two memberships at the same time can each find a quorum of their own. Observers may come and go.

    Args:
        running_config: text of the zoo.cfg that runs; empty where it is not known.
        wanted_config: text of the zoo.cfg that is wanted.
    """
    before, after = (_voter_lines(parse_properties(text)) for text in (running_config, wanted_config))
    if not before or before == after:
        return []
    lines = sorted(set(before.items()) ^ set(after.items()))
    told = ", ".join(f"{key}={value}{'' if after.get(key) == value else ' (running)'}" for key, value in lines)
    return [
        f"{host}: the inventory has other voters than the ensemble that runs: {told}. The set of voters of a live ensemble is "
        "not changed, since two sets at once can lose data. Take the inventory's members back; voters come and go while the "
        'ensemble is down (docs/operations.md, "Hosts come and go").'
    ]


def moved_problems(host: str, listens_on: Sequence[int], client_port: int, secure_client_port: int) -> list[str]:
    """Refuses another client port of a live member: a roll would ask for it where it is not, and so would its clients.

    Args:
        listens_on: ports of its process.
        client_port, secure_client_port: as they are wanted.
    """
    if {client_port, secure_client_port} & set(listens_on):
        return []
    return [
        f"{host}: zookeeper_client_port is {client_port}, and the ZooKeeper that runs there listens on "
        f"{', '.join(map(str, listens_on))}. The client port of a live ensemble is not changed: put back the one that it has, run "
        "playbooks/stop.yml -e stop_cluster=true, change it, and run playbooks/site.yml."
    ]


def lost_data_problems(may_vote: Mapping[str, bool], directories: Sequence[str]) -> list[str]:
    """Refuses to start an ensemble whose voters with data are no quorum: the others get no vote until they have synced.

    Args:
        may_vote: name of each voter -> whether it holds data, or the marker of a first start.
        directories: zookeeper_data_dir and zookeeper_data_log_dir.
    """
    able = [name for name, votes in may_vote.items() if votes]
    quorum = majority(len(may_vote))
    if len(able) >= quorum:
        return []
    return [
        f"Of {len(may_vote)} voters only {', '.join(able)} may vote, and {quorum} have to elect a leader: a member without data "
        f"gets no vote until it has synced. Bring the data of the others back, in {' and '.join(directories)}; where it is lost "
        'for good, or the ensemble grows by that much, see docs/operations.md, "Most members have no data".'
    ]


def blind_start_problems(unreached: Sequence[str], has_data: Sequence[bool]) -> list[str]:
    """Refuses to start an ensemble anew where nobody that was asked holds data, and somebody could not be asked.

    Args:
        unreached: hosts of the ensemble that the run goes on without.
        has_data: of each host that was read, whether it holds data.
    """
    if not unreached or any(has_data):
        return []
    return [
        f"None of the members that could be reached holds data, and what {', '.join(unreached)} holds is not known: an ensemble that "
        "starts without it may lose everything. Start it for the first time with all of its members, without accept_unreachable."
    ]


def gone_problems(
    notes: Mapping[str, Mapping[str, Any]],
    hosts: Sequence[str],
    directories: Sequence[str],
    record: str,
    accepted: bool,
) -> list[str]:
    """Refuses to take an ensemble that has served for a new one, because nobody holds its data.

    What was not read is never taken for empty: a member that no run has looked at keeps even an accepted loss from being one.

    Args:
        notes: of each member that was read, whether it holds data (has_data), and has the record (served).
        hosts: members of the ensemble.
        directories: version-2 of its data directories.
        record: path of the record on each member.
        accepted: zookeeper_accept_empty_ensemble.
    """
    holds = {host: notes[host].get("has_data") for host in hosts}
    served = [host for host in hosts if notes[host].get("served")]
    unread = [host for host, data in holds.items() if data is None]
    if not served or any(holds.values()) or (accepted and not unread):
        return []
    empty = [host for host in hosts if host not in unread]
    found = f"No member holds data: {' and '.join(directories)} hold no snapshot and no log on {', '.join(empty)}"
    if unread:
        found += f", and {', '.join(unread)} was not read"
    return [
        f"{found}. But this ensemble has served ({record} on {', '.join(served)}): its data is not mounted, or gone. Look for "
        f"the mounts on each host (findmnt --target {directories[0]}; systemctl --failed; /etc/fstab), and bring a copy back "
        "where they are there. Nothing was changed. Only where that data is lost for good, or a new ensemble is wanted: "
        "playbooks/site.yml -e zookeeper_accept_empty_ensemble=true makes an empty one, of which Flink starts without its jobs "
        '(docs/operations.md, "All data is gone").'
    ]


def unready_problems(may_vote: Mapping[str, bool]) -> list[str]:
    """Refuses to start voters without data, of whom too few have the marker of a first start: they would wait for ever.

    Args:
        may_vote: name of each voter -> whether it holds data, or the marker of a first start.
    """
    waiting = [name for name, votes in may_vote.items() if not votes]
    if len(may_vote) - len(waiting) >= majority(len(may_vote)):
        return []
    return [
        f"No member holds data, and {', '.join(waiting)} would get no vote: nothing is started from nothing here. "
        "playbooks/site.yml makes a new ensemble; where this one has served, with -e zookeeper_accept_empty_ensemble=true "
        '(docs/operations.md, "All data is gone").'
    ]


def _voter_lines(config: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value.removesuffix(":participant")
        for key, value in config.items()
        if key.startswith("server.") and not value.endswith(":observer")
    }
