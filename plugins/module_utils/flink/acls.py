"""To whom the cluster's nodes in ZooKeeper belong, and who may become whom. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def owner_problems(
    host: str, found: Sequence[Mapping[str, str]], wanted: Mapping[str, Any], serving: bool
) -> list[str]:
    """Refuses to become somebody else in a way that leaves processes without the nodes of the others.

    While Flink is rolled, processes of both identities make nodes that belong to them alone, and have to read each
    other's at once: what a JobManager cannot read when it takes over, it takes for lost. No ACL that was written before
    covers nodes that are made afterwards; that both are super users meanwhile does.

    Args:
        found: what `settings` gave for each service that was installed before.
        wanted: principal (empty for an anonymous client), acl (open or creator), keytab (its path), switching
            (flink_ha_switching_principals), closable (whether this toolkit rewrites ACLs in this ensemble), unguarded (whether
            the ensemble looks at no ACL).
        serving: whether a process of the cluster runs.
    """
    principal = wanted["principal"]
    problems = []
    for each in found:
        before, closed = each.get("principal", ""), "creator" in (each.get("acl"), wanted["acl"])
        if before == principal:
            continue
        told = f"{host}: runs as {before}"
        if not before:
            if serving and wanted["acl"] == "creator":
                problems.append(
                    f"{host}: Flink runs without authentication, and flink_ha_zookeeper_acl is creator. Who is switched first would "
                    "close its nodes to the others, which are switched after it. Set flink_ha_zookeeper_acl: open first, run, and "
                    "creator then."
                )
        elif closed and not principal:
            if wanted["unguarded"] and not serving:
                continue
            problems.append(
                f"{told}, to whom alone the cluster's nodes in ZooKeeper belong; an anonymous client could not read the nodes, and no "
                "JobManager would find its jobs. Keep flink_ha_zookeeper_auth: kerberos, set flink_ha_zookeeper_acl: open, and run "
                "playbooks/site.yml first, which opens them."
            )
        elif closed and not wanted["closable"]:
            problems.append(
                f"{told}, to whom alone the cluster's nodes in ZooKeeper belong; {principal} could not read the nodes, and this "
                f"toolkit is no super user of that ensemble. Keep flink_ha_principal: {before}."
            )
        elif closed and serving and not {before, principal} <= set(wanted["switching"]):
            problems.append(
                f"{told}, to whom alone the cluster's nodes in ZooKeeper belong; {principal} could not read the nodes, and no "
                f"JobManager would find its jobs. Set flink_ha_switching_principals: [{before}, {principal}] until the switch is "
                'done, and run playbooks/site.yml (docs/operations.md, "Another identity for Flink").'
            )
        elif serving and each.get("keytab") == wanted["keytab"]:
            problems.append(
                f"{told} with the key in {each['keytab']}, which a process that is started again needs until the switch is done. "
                f"Give {principal} a place of its own: flink_ha_keytab."
            )
    return list(dict.fromkeys(problems))


def acl_entries(path_root: str, cluster_id: str, owners: Sequence[str]) -> list[dict[str, Any]]:
    """The cluster's nodes as the module znode_acl takes them.

    What is above the cluster's own node is nobody's, so that clusters of several identities stand beside each other and
    none deletes another's; the cluster's own node is there before Flink, which needs no right above it.

    Args:
        path_root: flink_ha_zookeeper_path_root.
        cluster_id: flink_ha_cluster_id.
        owners: SASL ids to whom the nodes belong; none for anyone.
    """
    root = [part for part in path_root.split("/") if part]
    parts = root + [part for part in cluster_id.split("/") if part]
    own = {
        "path": "/" + "/".join(parts),
        "below": True,
        "acl": _grants(owners) if owners else [_grant("world", "anyone")],
    }
    if not owners:
        return [own]
    above = ["/" + "/".join(parts[:count]) for count in range(max(len(root), 1), len(parts))]
    return [{"path": path, "acl": [_grant("world", "anyone", "r")]} for path in above] + [own]


def acl_problems(declared: Iterable[str], entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Refuses an ACL for a node that has one from here: each run would undo the other's.

    Args:
        declared: paths of zookeeper_acls.
        entries: what `acl_entries` gave; the last one is the cluster's own.
    """
    own = entries[-1]["path"]
    taken = {entry["path"] for entry in entries}
    return [
        f"zookeeper_acls names {path}, which is of the Flink cluster under {own} and gets its ACL by flink_ha_zookeeper_acl. Take it off "
        "zookeeper_acls."
        for path in sorted(declared)
        if path in taken or path.startswith(f"{own}/")
    ]


def _grants(owners: Sequence[str]) -> list[dict[str, str]]:
    return [_grant("sasl", owner) for owner in sorted(set(owners))]


def _grant(scheme: str, identity: str, perms: str = "cdrwa") -> dict[str, str]:
    return {"scheme": scheme, "id": identity, "perms": perms}
