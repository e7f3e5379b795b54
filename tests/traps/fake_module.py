"""Stands in for a module of the collection, on a host that exists only as a file. WANT_JSON: Ansible gives arguments as JSON.

A world is a directory (FAKE_WORLD) with `hosts/<name>.json` (what would be true of that host), `events.json` (what goes
wrong, and when) and `log.jsonl` (each call, in the order of their ends). The conftest writes it and reads it.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import signal
import sys
import time
from pathlib import Path

MODULE = "@MODULE@"
WORLD = Path(os.environ["FAKE_WORLD"])
SERVING = ("leader", "follower", "observer")


def host_file(name):
    return WORLD / "hosts" / f"{name}.json"


def hosts():
    return {path.stem: json.loads(path.read_text()) for path in sorted((WORLD / "hosts").glob("*.json"))}


def change(name, **fields):
    path = host_file(name)
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def host_state(me, given, _check):
    ours = {
        "exists": me["installed"], "active": me["live"], "enabled": me["installed"], "state": "", "sub_state": "",
        "fragment": "", "main_pid": 1, "started_at": 1, "restarts": 0, "result": "success", "needs_reload": me["needs_reload"],
        "generation": me["generation"], "process": me["process"],
    }  # fmt: skip
    none = {**ours, "exists": False, "active": False, "enabled": False, "generation": "", "process": ""}
    services = me.get("services", {"zookeeper.service": 2181})
    nothing = {
        "exists": me["installed"], "type": "", "owner": "", "group": "", "mode": "", "target": "", "entries": [],
        "free_mb": 10000,
    }  # fmt: skip
    paths = {path: dict(nothing) for path in given.get("paths", [])}
    for path, entry in paths.items():
        if path.endswith("/version-2") and me["data"]:
            entry["owner"], entry["entries"] = "zookeeper", [f"log.{number}" for number in range(1, 101)]
        elif path.endswith(("/served", "/initialize")):
            entry["exists"] = me["installed"] and me[path.rpartition("/")[2]]
        elif path.endswith("/current") and me["generation"]:
            entry["target"] = f"generations/{me['generation']}"
        elif path.endswith("/current/release"):
            entry["target"] = me["release"]
        elif path in me.get("directories", []):
            entry["exists"], entry["type"] = True, "directory"
    contents = {path: me.get("files", {}).get(path, "") for path in given.get("contents", [])}
    for path in contents:
        if path.endswith("/myid") and me["data"]:
            contents[path] = f"{me['id']}\n"
        elif path.endswith("/.streamquorum-release") and me["installed"]:
            contents[path] = me["marker"]
        elif path.endswith("/zoo.cfg"):
            contents[path] = me["zoo_cfg"]
        elif path.endswith(".restart"):
            contents[path] = me["restart"]
    return {
        "os": {"id": "debian", "version": "12", "codename": "", "name": "Debian 12", "machine": "x86_64", "memory_mb": 1},
        "javas": {given.get("java_home", ""): {"version": str(me.get("java", 17)), "major": me.get("java", 17)}},
        "units": {name: ours if name in services else none for name in given.get("units", [])},
        "paths": paths,
        "contents": contents,
        "lines": {path: [] for path in given.get("lines", {})},
        "holds": {path: {} for path in given.get("holds", {})},
        "matches": {
            path: (["flink-jobmanager-gc.log"] if me.get("ran", True) else []) if path == "/var/log/flink" else me["snapshots"]
            for path in given.get("matches", {})
        },
        "properties": {path: {} for path in given.get("properties", {})},
        "resolved": {name: me.get("resolved", {}).get(name, ["192.0.2.1"]) for name in given.get("resolve", [])},
        "accounts": {
            name: {"exists": me["installed"], "uid": 1, "gid": 1, "home": "", "shell": ""} for name in given.get("accounts", [])
        },
        "unread": {},
        "zookeeper_releases": dict.fromkeys(given.get("zookeeper_servers", []), ""),
        "standing": standing(me, given),
        "memory": {"swap_mb": 0, "swappiness": 60, "huge_pages": "madvise"},
        "certificates": dict.fromkeys(given.get("certificates", []), ""),
        "open_files": me.get("open_files", 1048576),
        "groups": dict.fromkeys(given.get("groups", []), True),
        "listening": [
            {"address": "", "port": port, "pid": 1, "unit": unit} for unit, port in services.items() if me["live"] and port
        ],
    }  # fmt: skip


def standing(me, given):
    """What stands at the paths of a host's `entries`, where a world says that they were written."""
    key = (given.get("standing") or {}).get("key", "").encode()
    found = {}
    for entry in me.get("entries", []):
        entry = {"state": "file", "target": "", "owner": "root", "group": "root", "mode": "0644"} | entry
        content = entry.get("secret_content", entry.get("content", ""))
        found[entry["path"]] = {
            "kind": entry["state"], "digest": hmac.new(key, content.encode(), "sha256").hexdigest(), "settings": {},
            **{name: entry[name] for name in ("owner", "group", "mode", "target")},
        }  # fmt: skip
    return found


def host_files(me, given, check):
    for entry in given["entries"]:
        if entry["path"].endswith(".restart") and not check:
            change(me["name"], restart=entry["content"])
        elif entry["path"].endswith(("/served", "/initialize")) and not check:
            change(me["name"], **{entry["path"].rpartition("/")[2]: True})
    return {"changes": []}


def service_step(me, given, check):
    wanted = given["generation"]
    before = {"running": me["generation"], "process": me["process"], "before": me["generation"], "journal": []}
    if given["process"] != me["process"]:
        return {"outcome": "moved", "reason": "another process runs", **before}
    if check:
        return {"outcome": "ok", "reason": "", **before}
    back = given.get("back", False)
    now = {"generation": me["before"] if back else wanted, "process": me["process"] + "+", "before": me["generation"]}
    change(me["name"], live=True, data=True, **now)
    if me["mode"] == "leader":
        others = [each for each in hosts().values() if each["name"] != me["name"] and each["mode"] == "follower"]
        if others:
            change(others[-1]["name"], mode="leader")
            change(me["name"], mode="follower")
    elif not me["mode"]:
        change(me["name"], mode="follower")
    return {
        "outcome": "ok", "reason": "back to what served" if back else "", "running": now["generation"],
        "process": now["process"], "before": me["generation"], "journal": [], "changed": True,
    }  # fmt: skip


def zookeeper_quorum(_me, given, _check):
    by_id = {each["id"]: each for each in hosts().values() if each["id"]}
    servers = []
    for member in given["members"]:
        each = by_id[member["id"]]
        mode = each["mode"] if each["live"] else ""
        servers.append(
            {
                "id": each["id"], "address": member["address"], "client_port": 2181, "mode": mode or None,
                "peer_type": "participant", "answers": each["live"], "serving": mode in SERVING, "version": "3.9.5",
                "zxid": "0x100000001", "epoch": 1, "counter": 1, "latency_min_ms": 0, "latency_avg_ms": 0,
                "latency_max_ms": 0, "connections": 0, "outstanding": 0, "znode_count": 1, "watch_count": 0,
                "data_bytes": 0, "open_file_descriptors": 1, "open_file_descriptor_ratio": 0.0, "synced_followers": None,
                "myid": each["id"], "quorum_port_open": None, "write_read": mode in SERVING or None, "failures": {},
            }
        )  # fmt: skip
    serving = [server for server in servers if server["serving"]]
    leaders = [server for server in servers if server["mode"] == "leader"]
    quorum = len(leaders) == 1 and 2 * len(serving) > len(servers)
    verdict = "lost" if not quorum else "healthy" if len(serving) == len(servers) else "degraded"
    reply = {
        "verdict": verdict, "reasons": [], "cautions": [], "servers": servers, "voter_differences": [],
        "leader": {"id": leaders[0]["id"], "address": leaders[0]["address"]} if len(leaders) == 1 else None,
        "epoch": 1, "voters": len(servers), "serving_voters": len(serving), "fault_tolerance_left": 1,
        "write_proof": "accepted" if given.get("prove_write") and quorum else "not_asked", "attempts": 1,
        "duration_ms": 1.0,
    }  # fmt: skip
    wanted = {"any": ("healthy", "degraded", "lost"), "serving": ("healthy", "degraded"), "healthy": ("healthy",)}
    awaited = given.get("wait_for_members", [])
    if verdict not in wanted[given.get("wait_for", "any")] or set(awaited) - {server["id"] for server in serving}:
        reply |= {"failed": True, "msg": f"the verdict is {verdict}, and not what was waited for"}
    return reply


def flink():
    """What is true of Flink: `session`, `reachable`, `complete`, `reasons`, `jobs`, `clock_ms`, and `proofs`, ids of jobs that checkpoint."""
    return json.loads((WORLD / "flink.json").read_text())


def leader_znode(_me, given, _check):
    if given.get("kind", "flink") != "flink":
        owner = json.loads((WORLD / "others.json").read_text()).get(given["path"])
        if owner is None:
            return {"failed": True, "msg": "not permitted."}
        leader = {"address": f"who owns {owner}", "host": "", "port": 0, "session_id": owner, "owner": owner}
        return {"verdict": "led", "reasons": [], "leader": leader, "cluster_path": given["path"], "contenders": 1}
    if not (WORLD / "flink.json").exists():  # no Flink runs in this world
        return {
            "verdict": "leaderless", "reasons": [], "foreign": False, "cluster_path": "/flink/test", "jobs": [], "rest": [],
            "leader": {"address": "", "host": "", "port": 0, "session_id": "", "owner": ""},
        }  # fmt: skip
    known, found = flink(), hosts()
    # Of several clusters, one leads in each.
    leads = known["leads"] if isinstance(known["leads"], list) else [known["leads"]]
    rest = [
        {
            "address": manager["address"], "rest_port": 8081,
            "status": 200 if found[manager["address"].split(".")[0]]["serves"] else 0,
            "leads": manager["address"].removesuffix(".invalid") in leads,
        }
        for manager in given["job_managers"]
    ]  # fmt: skip
    registered = sum(each.get("kind") == "taskmanager" and each["serves"] for each in found.values())
    answering = sum(answer["status"] == 200 for answer in rest)
    reply = {
        "verdict": "led", "foreign": False, "contenders": answering, "rest": rest, "reasons": [], "jobs": [],
        "leader": {"address": leads[0], "session_id": known["session"]},
        "cluster_path": f"/flink/{given['cluster_id'].strip('/')}",
        "task_managers": {"registered": registered, "expected": given.get("task_managers", 0)},
    }  # fmt: skip
    if given.get("wait_for") == "leader" and registered < given.get("task_managers", 0):
        reply |= {"failed": True, "msg": "TaskManagers are missing"}
    served = {f"{answer['address']}:{answer['rest_port']}" for answer in rest if answer["status"] == 200}
    missing = [each for each in given.get("wait_for_job_managers", []) if each not in served]
    if missing:
        reply |= {"failed": True, "msg": f"JobManager {missing[0]} does not serve"}
    return reply


def flink_leftovers(_me, _given, _check):
    return {"found": [], "ids": [], "missing": []}


def znode_elections(_me, _given, _check):
    return {"elections": [], "unwatched": [], "left_out": []}


def flink_job_info(_me, given, _check):
    known = flink()
    workers = [
        {"id": each["process"], "host": f"{each['name']}.invalid", "port": 6122, "slots": 2, "free_slots": 1}
        for each in hosts().values()
        if each.get("kind") == "taskmanager" and each["serves"]
    ]  # fmt: skip
    reply = {
        "flink_version": "2.3.0", "task_managers": workers, "ended_jobs": [], "unread_jobs": [],
        "job_managers": [], **{name: known[name] for name in ("reachable", "complete", "reasons", "jobs", "clock_ms")},
    }  # fmt: skip
    here = {f"{worker['host']}:{worker['port']}" for worker in workers}
    missing = [f"{each} is not registered" for each in given.get("wait_for_task_managers", []) if each not in here]
    running = {job["id"] for job in known["jobs"] if job["running"]}
    if given.get("wait_for_calm"):
        clock = known["clock_ms"] + max(given["wait_for_calm"].values())
        (WORLD / "flink.json").write_text(json.dumps(known | {"clock_ms": clock}))
    if not known["reachable"]:
        missing.append("no JobManager answers")
    missing += [f"job {each} does not run" for each in given.get("wait_for_job_ids", []) if each not in running]
    if given.get("wait_for_checkpoints_since"):
        asked = given.get("wait_for_checkpoints_of") or []
        missing += [f"job {each} has no checkpoint" for each in asked if each not in known["proofs"]]
    return reply | ({"failed": True, "msg": "; ".join(missing)} if missing else {})


def certificates(_me, given, _check):
    """Neither keys nor dates, which differ each time: only where they would be written, and how the stores are named."""
    entries, stores = [], {}
    for request in given["requests"]:
        entries += [
            {"path": request["path"], "secret_content": "a key\n", "group": request["group"], "mode": "0440"},
            {"path": request["ca_path"], "content": "authorities\n", "mode": "0444"},
        ]
        if request.get("store_password"):
            for name in ("key_store", "trust_store"):
                stores[name] = f"-{'0' * 16}".join(os.path.splitext(request[name]))
    made = {"problems": [], "soon": []}
    return made if given.get("only_inspect") else made | {"entries": entries, "stores": stores}


def run_lease(me, given, check):
    if given.get("state") == "released":
        return {"granted": False, "held_by": {}, "told": ""}
    if me["lease"]:
        return {"granted": False, "held_by": {}, "told": f"held by {me['lease']}"}
    return {"granted": True, "held_by": {}, "told": ""}


def fake_command(me, given, _check):
    found = me["stored"] if "find" in (given.get("argv") or []) else ""
    return {"rc": 0, "stdout": found, "stdout_lines": found.splitlines(), "stderr": ""}


def storage_proof(me, given, _check):
    found = given["verb"] == "find"
    return {"text": me["stored"] if found else "a-token", "where": "s3://bucket/flink/test" if found else ""}


def other(_me, _given, _check):
    """Modules that matter to a test only in that they are called, or not."""
    return {}


def happen(when, name):
    """Events of this call: they happen once. Gives the reply of the first that replaces the module's own."""
    path = WORLD / "events.json"
    events = json.loads(path.read_text())
    reply = None
    for event in list(events):
        if (event["when"], event["module"], event["host"]) != (when, MODULE, name):
            continue
        events.remove(event)
        path.write_text(json.dumps(events))
        for host, fields in event.get("set", {}).items():
            change(host, **fields)
        for file, text in event.get("write", {}).items():
            (WORLD / file).write_text(text)
        if event.get("hang"):
            (WORLD / "hangs").write_text(str(os.getpid()))
            # Until the test ends it, and in any case some time.
            signal.alarm(60)
            signal.pause()
        reply = reply or event.get("reply")
    return reply


def answer(name, arguments, check):
    """The result of this module on a host; one call after another."""
    began = time.time()
    guard = os.open(WORLD, os.O_RDONLY)
    fcntl.flock(guard, fcntl.LOCK_EX)
    try:
        reply = happen("before", name)
        if reply is None:
            me = json.loads(host_file(name).read_text())
            reply = globals().get(MODULE, other)(me, {"java_home": "", "generation": "", **arguments}, check)
        happen("after", name)
        entry = {
            "host": name,
            "module": MODULE,
            "args": arguments,
            "check": check,
            "began": began,
            "ended": time.time(),
        }
        with (WORLD / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")
    finally:
        os.close(guard)
    return {"changed": False, **reply}


def main():
    given = json.loads(Path(sys.argv[1]).read_text())
    arguments = {key: value for key, value in given.items() if not key.startswith("_ansible")}
    print(json.dumps(answer(Path(given["_ansible_remote_tmp"]).name, arguments, given["_ansible_check_mode"])))


if __name__ == "__main__":
    main()
