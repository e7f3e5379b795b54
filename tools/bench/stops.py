"""`make bench-stops`: is it safe to stop ZooKeeper as its unit does?

Stops the leader again and again under a client that writes every 5 ms, first with the unit's own signal, then with SIGTERM
for comparison, and says what was lost, how long writes stalled, and whether all members hold the same database in the end.
Exits with 1 where something was lost or the databases differ; stalls are told, not judged.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from ensemble import INVENTORY, UNIT, Ensemble, Member, Session, probing, stalls_ms, summary, until
from hosts import RESULTS, booted, median, play, save, share
from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError

TREE = "/bench"
AUDIT_SECONDS = 0.04
#: ZooKeeper keeps the digest of its database at each zxid that this divides.
DIGEST_INTERVAL = 128
DROP_IN = f"/run/systemd/system/{UNIT}.d/bench.conf"
MOST_TOLD = 5


class Audit(threading.Thread):
    """A second client: makes a znode of its own name for each write and removes every third again.

    The probe proves its chain of writes by their versions; this one leaves something that can be counted.
    """

    def __init__(self, session: Session, tree: str) -> None:
        super().__init__(daemon=True)
        self._tree = tree
        self._client = session.client
        self._stopped = threading.Event()
        self.there: set[str] = set()
        self.gone: set[str] = set()

    def run(self) -> None:
        # Hosts that were kept may have the names of an earlier run: what was there before would prove nothing.
        self._client.delete(self._tree, recursive=True)
        self._client.retry(self._client.ensure_path, self._tree)
        number = 0
        while not self._stopped.wait(AUDIT_SECONDS):
            number += 1
            name = f"{self._tree}/{number:07}"
            # Repeated until it is acknowledged: that it is there already says that a lost answer was yes.
            with contextlib.suppress(NodeExistsError):
                self._client.retry(self._client.create, name, name.encode())
            if number % 3:
                self.there.add(name)
                continue
            with contextlib.suppress(NoNodeError):
                self._client.retry(self._client.delete, name)
            self.gone.add(name)

    def end(self) -> None:
        self._stopped.set()
        self.join()


def database(member: Member) -> dict[str, str]:
    """All znodes through one member, after a sync: path to data and stat."""
    client = KazooClient(f"{member.address}:2181", timeout=30)
    client.start(30)
    try:
        client.sync("/")
        found: dict[str, str] = {}
        level = ["/"]
        while level:
            asked = [(path, client.get_async(path), client.get_children_async(path)) for path in level]
            level = []
            for path, node, children in asked:
                data, stat = node.get(30)
                if stat.mzxid == 0:
                    # No transaction made it: each server sets /zookeeper/config at its own start.
                    stat = stat._replace(mtime=0)
                found[path] = f"{hashlib.sha256(data or b'').hexdigest()} {tuple(stat)}"
                level += [f"{path.rstrip('/')}/{name}" for name in sorted(children.get(30))]
        return found
    finally:
        client.stop()
        client.close()


def digests(member: Member) -> dict[str, int]:
    """The digests that the server itself kept since its start: zxid to digest."""
    reply = json.loads(member.run("curl", "--silent", "--fail", "http://127.0.0.1:8080/commands/hash"))
    return {str(each["zxid"]): int(each["digest"]) for each in reply["digests"]}


def compare(ensemble: Ensemble, audit: Audit) -> dict[str, Any]:
    """Whether all members hold the same, and all that was acknowledged."""
    with Session(ensemble.servers, "none") as session:
        # To a transaction at which every server notes its digest.
        last = 0
        while last % DIGEST_INTERVAL or not last:
            last = session.client.retry(session.client.set, TREE, str(last).encode()).mzxid
    databases = {member.name: database(member) for member in ensemble.members}
    noted = {member.name: digests(member) for member in ensemble.members}
    common = set.intersection(*(set(each) for each in noted.values()))
    first = next(iter(databases.values()))
    differing = {
        path for path in set().union(*databases.values()) if len({each.get(path) for each in databases.values()}) > 1
    }
    lost = {name: sum(each not in znodes for each in audit.there) for name, znodes in databases.items()}
    risen = {name: sum(each in znodes for each in audit.gone) for name, znodes in databases.items()}
    return {
        "znodes": {name: len(znodes) for name, znodes in databases.items()},
        "sha256": {
            name: hashlib.sha256(json.dumps(znodes, sort_keys=True).encode()).hexdigest()[:16]
            for name, znodes in databases.items()
        },
        "differing": sorted(differing)[:MOST_TOLD],
        "differences": [
            {name: each.get(path) for name, each in databases.items()} for path in sorted(differing)[:MOST_TOLD]
        ],
        "last_zxid": hex(last),
        "digest_at_last_zxid": {name: each.get(str(last)) for name, each in noted.items()},
        "digests_compared": len(common),
        "digests_differing": sum(len({each[zxid] for each in noted.values()}) > 1 for zxid in common),
        "creates_acknowledged": len(audit.there) + len(audit.gone),
        "creates_lost": max(lost.values()),
        "deletes_acknowledged": len(audit.gone),
        "deletes_lost": max(risen.values()),
        "equal": not differing and len(first) > 0,
    }


def series(ensemble: Ensemble, name: str, count: int) -> dict[str, Any]:
    """So many stops of the leader, with what its unit does for a stop."""
    steps: list[dict[str, Any]] = []
    with probing(name, ensemble.servers) as probe, Session(ensemble.servers, name) as session:
        audit = Audit(session, f"{TREE}/{name}")
        audit.start()
        signals = {
            member.run("systemctl", "show", "--property=KillSignal", "--value", UNIT).strip()
            for member in ensemble.members
        }
        for number in range(1, count + 1):
            steps.append(ensemble.stop_leader(session, "systemctl", "restart", UNIT))
            if number % 10 == 0 or number == count:
                print(f"  {name}: {number} of {count} stops, load {os.getloadavg()[0]:.1f}", flush=True)
        audit.end()
        result = probe.end()
    until("the ensemble is whole", ensemble.whole)
    return {
        "stops": count,
        "kill_signal": "/".join(sorted(signals)),
        "leaders": {member.name: sum(step["leader"] == member.name for step in steps) for member in ensemble.members},
        "stalls_ms": stalls_ms(result, steps),
        "seconds_a_stop": [round(step["ended"] - step["began"], 2) for step in steps],
        "load": [round(step["load"], 1) for step in steps],
        "digest_mismatches": max(step["mismatches"] for step in steps),
        "probe": summary(result),
        "database": compare(ensemble, audit),
    }


def broken(figures: dict[str, Any]) -> list[str]:
    """What speaks against "nothing was lost", in words."""
    kept, probe = figures["database"], figures["probe"]
    at_last = set(kept["digest_at_last_zxid"].values())
    wrong = {
        "the members' databases differ": not kept["equal"],
        "the servers' own digests differ": bool(kept["digests_differing"]) or len(at_last) != 1 or None in at_last,
        "a server found its digest to differ from the leader's": bool(figures["digest_mismatches"]),
        "acknowledged creates are missing": bool(kept["creates_lost"]),
        "acknowledged deletes are undone": bool(kept["deletes_lost"]),
    }
    return [*probe["problems"], *(text for text, true in wrong.items() if true)]


def show(name: str, figures: dict[str, Any]) -> None:
    probe, kept, stalls = figures["probe"], figures["database"], figures["stalls_ms"]
    told = {
        "leader stops": f"{figures['stops']} (KillSignal {figures['kill_signal']}; {figures['leaders']})",
        "writes acknowledged": f"{probe['writes']}, lost {probe['missing']}, failed {probe['failures']}, sent again {probe['retries']}",
        "sessions lost": probe["sessions_lost"],
        "stall of a stop": f"median {median(stalls):.0f} ms, 90 % {share(stalls, 0.9):.0f} ms, max {max(stalls):.0f} ms, min {min(stalls):.0f} ms",
        "creates, deletes": f"{kept['creates_acknowledged']}, {kept['deletes_acknowledged']} acknowledged; lost {kept['creates_lost']}, {kept['deletes_lost']}",
        "database": f"{kept['znodes']} znodes, SHA-256 of all data and stats {sorted(set(kept['sha256'].values()))}",
        "servers' own digests": f"{kept['digests_compared']} compared, {kept['digests_differing']} differ; "
        f"at {kept['last_zxid']} {sorted(set(map(str, kept['digest_at_last_zxid'].values())))}",
        "digest mismatches": f"{figures['digest_mismatches']} told by the servers (mntr)",
        "client late by itself": f"{probe['longest_late_wake_ms']} ms at most",
        "load of the machine": f"{min(figures['load'])} to {max(figures['load'])}, median {median(figures['load'])}",
        "seconds a stop": f"median {median(figures['seconds_a_stop'])} until all served and the client wrote",
    }
    print(f"\n{name}")
    for label, text in told.items():
        print(f"  {label:22} {text}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stops", type=int, default=100, help="with the unit's own signal (100, about 8 minutes)")
    parser.add_argument("--sigterm", type=int, default=20, help="with SIGTERM, for comparison (20)")
    parser.add_argument("--json", type=Path, default=RESULTS / "stops.json", help="file for all values")
    parser.add_argument("--keep", action="store_true", help="take the lab's hosts as they run, and leave them running")
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    with booted(INVENTORY, given.keep):
        play(INVENTORY, "playbooks/bundle.yml")
        play(INVENTORY, "playbooks/zookeeper.yml")
        ensemble = Ensemble()
        until("the ensemble is whole", ensemble.whole)
        figures["unit"] = series(ensemble, "unit", given.stops)
        if given.sigterm:
            for member in ensemble.members:
                member.run(
                    "sh",
                    "-c",
                    f"'mkdir -p {os.path.dirname(DROP_IN)}; printf \"[Service]\\nKillSignal=SIGTERM\\n\" > {DROP_IN}; systemctl daemon-reload'",
                )
            try:
                figures["sigterm"] = series(ensemble, "sigterm", given.sigterm)
            finally:
                for member in ensemble.members:
                    member.run("sh", "-c", f"'rm {DROP_IN}; systemctl daemon-reload'")
    show("The unit's own stop", figures["unit"])
    if given.sigterm:
        show("SIGTERM (for comparison)", figures["sigterm"])
    save(given.json, figures)
    found = [f"{name}: {text}" for name, each in figures.items() for text in broken(each)]
    print("\n".join(found) or "Nothing was lost, and all databases are equal.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
