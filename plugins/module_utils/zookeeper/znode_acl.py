"""Who may do what with znodes: declared lists, what differs, and what has to be done. I/O through a session.

ZooKeeper decides by the node itself for reading, writing and its ACL, and by the *parent* for making and deleting a
node; nothing is inherited (PrepRequestProcessor.java).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.client import PERMISSIONS, Grant
from ansible_collections.streamquorum.ha.plugins.module_utils.zookeeper.errors import AuthRefused

#: What an id may be of. `auth` and `super` mean the caller, who would be whoever runs the playbook.
SCHEMES = ("world", "sasl", "digest", "ip", "x509")
#: Nodes of the server itself; only their ACLs can be declared.
RESERVED = "/zookeeper"
#: The server makes them open to anyone: without them, a closed top would not be closed. (The node of our own probes goes
#: with them.)
BESIDE = (RESERVED, f"{RESERVED}/quota")


class AclError(Exception):
    """A declaration that is none, or cannot be made so; the text names the path and the remedy."""


Acl = frozenset[Grant]
ALL = "".join(PERMISSIONS)
OPEN: Acl = frozenset({Grant("world", "anyone", ALL)})
READABLE: Acl = frozenset({Grant("world", "anyone", "r")})


def acl(grants: Iterable[Grant]) -> Acl:
    """One entry for each id, with all that it is granted."""
    bits: dict[tuple[str, str], int] = {}
    for grant in grants:
        key = (grant.scheme, grant.id)
        bits[key] = bits.get(key, 0) | grant.bits
    return frozenset(Grant.of_bits(scheme, identity, value) for (scheme, identity), value in bits.items())


@dataclass(frozen=True)
class Declared:
    """A node that exists with this ACL; with `below`, every node under it that there is has the same."""

    path: str
    acl: Acl
    below: bool = False


def problems(path: str, grants: Any) -> list[str]:
    """Why a declaration is refused, without naming the variable that it stands in; empty where it is one.

    Args:
        path: of the node.
        grants: [{scheme, id, perms}] as the operator wrote it.
    """
    found = []
    if not path.startswith("/") or (path != "/" and (path.endswith("/") or "" in path[1:].split("/"))):
        found.append(f"{path!r} is no path of a znode, such as /app/orders")
    elif {".", ".."} & set(path.split("/")):
        found.append(f"{path!r} has a part that ZooKeeper does not take")
    if not isinstance(grants, Sequence) or isinstance(grants, str) or not grants:
        return [*found, f"{path} has no list of {{scheme, id, perms}}; an empty one would lock out everybody"]
    for grant in grants:
        found += [f"{path}: {problem}" for problem in _grant_problems(grant)]
    return found


def _grant_problems(grant: Any) -> list[str]:
    if not isinstance(grant, Mapping) or set(grant) != {"scheme", "id", "perms"}:
        return [f"{grant} is not of scheme, id and perms"]
    scheme, identity, perms = (str(grant[name]) for name in ("scheme", "id", "perms"))
    found = []
    if scheme not in SCHEMES:
        found.append(f"the scheme {scheme!r} is none of {', '.join(SCHEMES)}")
    if not identity or (scheme == "world" and identity != "anyone"):
        found.append(f"the id {identity!r} is none of the scheme {scheme} (world knows anyone only)")
    if not perms or set(perms) - set(PERMISSIONS) or len(set(perms)) != len(perms):
        found.append(
            f"perms {perms!r} of {identity} are not letters of {ALL} (create, delete children, read, write, admin), each once"
        )
    return found


def zookeeper_acl_problems(given: Any, client_auth: str) -> list[str]:
    """Why zookeeper_acls is refused.

    Args:
        given: path -> [{scheme, id, perms}].
        client_auth: zookeeper_client_auth.
    """
    if not isinstance(given, Mapping):
        return ["zookeeper_acls is no map of paths to lists of {scheme, id, perms}."]
    if given and client_auth == "none":
        return [
            "zookeeper_acls is given, and zookeeper_client_auth is none: nobody would have an identity, and no super user could "
            "take them back. Set zookeeper_client_auth: offered, or leave zookeeper_acls empty."
        ]
    return [f"zookeeper_acls: {problem}." for path, grants in given.items() for problem in problems(str(path), grants)]


def locked_nodes(found: Mapping[str, Sequence[str]]) -> list[str]:
    """Paths with which nobody could do everything once no client has a SASL identity.

    Args:
        found: path -> ACL as `shown` gives it.
    """
    return [path for path, grants in sorted(found.items()) if not any(_lasts(grant) for grant in grants)]


def _lasts(grant: str) -> bool:
    scheme = grant.split(":")[0]
    return scheme not in ("sasl", "world") or grant == f"world:anyone:{ALL}"


def locked_problems(found: Mapping[str, Sequence[str]], looked: int) -> list[str]:
    """Refuses to take the identities away while nodes belong to them.

    Args:
        found: what znode_acl found of nodes that are not open to anyone.
        looked: how many nodes it read.
    """
    locked = locked_nodes(found)
    if not locked:
        return []
    return [
        f"zookeeper_client_auth is none, under which nobody has an identity, and of {looked} nodes {len(locked)} would belong to "
        f"nobody: {', '.join(locked[:5])}{' and others' if len(locked) > 5 else ''}. Open them first, while clients are still "
        "known: flink_ha_zookeeper_acl: open for Flink's, zookeeper_acls with {scheme: world, id: anyone, perms: cdrwa} for "
        "others; run playbooks/site.yml, then take zookeeper_acls off the inventory."
    ]


def entries(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """zookeeper_acls as the module znode_acl takes it, parents first; what is declared of / holds for `BESIDE` too."""
    whole = {**(dict.fromkeys(BESIDE, given["/"]) if "/" in given else {}), **given}
    return [{"path": path, "acl": whole[path]} for path in sorted(whole)]


def declared(entry: Mapping[str, Any]) -> Declared:
    """From {path, acl: [{scheme, id, perms}], below}.

    Raises:
        AclError: it is none.
    """
    wrong = problems(entry["path"], entry["acl"])
    if wrong:
        raise AclError("; ".join(wrong))
    grants = [Grant(each["scheme"], each["id"], _ordered(each["perms"])) for each in entry["acl"]]
    return Declared(entry["path"], acl(grants), bool(entry.get("below")))


def _ordered(perms: str) -> str:
    return "".join(letter for letter in PERMISSIONS if letter in perms)


def shown(value: Acl | None) -> list[str]:
    """For people: as zkCli.sh writes it; of a digest, never the hash."""
    return sorted(
        f"digest:{grant.id.partition(':')[0]}:…:{grant.perms}" if grant.scheme == "digest" else str(grant)
        for grant in value or ()
    )


class AclSession(Protocol):
    """What is needed of a `ClientSession`."""

    @property
    def session_id(self) -> int: ...
    def get_acls(self, path: str) -> list[Grant] | None: ...
    def set_acls(self, path: str, grants: Iterable[Grant]) -> bool: ...
    def children(self, path: str) -> list[str] | None: ...

    def create(
        self, path: str, data: bytes = b"", ephemeral: bool = False, grants: Iterable[Grant] | None = None
    ) -> bool: ...
    def read(self, path: str) -> Any: ...


@dataclass
class Outcome:
    """What was looked at, and what differed: path -> ACL, None for a node that is not there."""

    looked: int = 0
    before: dict[str, Acl | None] = field(default_factory=dict)
    after: dict[str, Acl] = field(default_factory=dict)

    @property
    def created(self) -> list[str]:
        return sorted(path for path, value in self.before.items() if value is None)

    @property
    def rewritten(self) -> list[str]:
        return sorted(path for path, value in self.before.items() if value is not None)


def look(session: AclSession, nodes: Sequence[Declared]) -> Outcome:
    """What differs from the declarations; a later one decides over an earlier one that reaches the same node.

    Raises:
        ClientError: a node cannot be read.
    """
    outcome = Outcome()
    for node in nodes:
        for path in _ancestors(node.path):
            outcome.looked += 1
            if path not in outcome.after and session.get_acls(path) is None:
                _note(outcome, path, None, node.acl)
        found = session.get_acls(node.path)
        outcome.looked += 1
        _note(outcome, node.path, None if found is None else acl(found), node.acl)
        if node.below:
            for path in _under(session, node.path):
                found = session.get_acls(path)
                outcome.looked += 1
                # None: it was deleted meanwhile.
                if found is not None:
                    _note(outcome, path, acl(found), node.acl)
    return outcome


def _ancestors(path: str) -> Iterator[str]:
    parts = path.strip("/").split("/")[:-1]
    return ("/" + "/".join(parts[: count + 1]) for count in range(len(parts)))


def _under(session: AclSession, path: str) -> Iterator[str]:
    waiting = [path]
    while waiting:
        parent = waiting.pop()
        children = [f"{parent.rstrip('/')}/{name}" for name in session.children(parent) or []]
        found = [child for child in children if child != RESERVED]
        yield from found
        waiting += found


def _note(outcome: Outcome, path: str, found: Acl | None, wanted: Acl) -> None:
    outcome.before.pop(path, None)
    outcome.after.pop(path, None)
    if found != wanted:
        outcome.before[path], outcome.after[path] = found, wanted


def apply(session: AclSession, outcome: Outcome) -> None:
    """Makes it so: parents first, so that what is closed is not open to a stranger in between for long.

    A node that was made meanwhile gets its ACL, and one that was deleted meanwhile is left alone.

    Raises:
        AclError: we are no super user, and could not go back.
        ClientError: ZooKeeper refused, or was lost; the next run goes on from there.
    """
    if outcome.after:
        prove_super(session)
    for path in sorted(outcome.after, key=lambda path: (path.count("/"), path)):
        grants = sorted(outcome.after[path])
        if outcome.before[path] is None and session.create(path, grants=grants):
            continue
        session.set_acls(path, grants)


def prove_super(session: AclSession) -> None:
    """Reads a node that nobody may read, and that is gone with the session.

    Raises:
        AclError: it may not be made or read.
        ClientError: ZooKeeper was lost meanwhile.
    """
    path = f"/streamquorum-acl-{session.session_id:x}"
    try:
        # An id that nobody can have.
        session.create(path, ephemeral=True, grants=[Grant("ip", "0.0.0.0", "a")])
        session.read(path)
    except AuthRefused as error:
        raise AclError(
            f"the ensemble does not take this host's credentials for those of a super user ({error}); without one, an ACL that is "
            "wrong could not be taken back. Run this on a member of an ensemble that authenticates (zookeeper_client_auth)"
        ) from error
