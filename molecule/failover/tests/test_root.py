"""Root among the files of a service's user, while a process of that user swaps them as fast as it can."""

from __future__ import annotations

import json
import os
import re
import subprocess

import cluster
import pytest
import yaml

#: Executions of each module on each host; a hundred before a release.
EXECUTIONS = int(os.environ.get("LAB_ATTACKED_EXECUTIONS", "10"))
#: Whose processes attack, by group: not in the directories that the services live in, but in ones of the same make.
USERS = {"zookeeper": "zookeeper", "flink_taskmanager": "flink"}
ROOT, SENTINEL, CANARY = "/var/lib/attacked", "/var/lib/sentinel", "a-canary-of-roots"
DIRECTORIES = [f"{ROOT}-{name}" for name in ("data", "log", "home")]
SEEN = f"find {SENTINEL} -printf '%p %U:%G %m %l\\n' | sort; cat {SENTINEL}/file {SENTINEL}/below/file"


def entries():
    """As the roles have them; every second execution asks for other rights, so that each has something to do."""
    rights = {"owner": "{{ attacker }}", "group": "{{ attacker }}"}
    mode = "{{ ['0750', '0700'][item % 2] }}"
    found = []
    for directory in DIRECTORIES:
        found += [{"path": directory, "state": "directory", **rights, "mode": "0750"}]
        found += [
            {"path": f"{directory}/{name}", "state": "directory", **rights, "mode": mode}
            for name in ("version-2", "tmp", "tmp/below")
        ]
        found += [
            {"path": f"{directory}/{name}", "content": "{{ item }}\n", **rights, "mode": mode}
            for name in ("myid", "initialize", "rights")
        ]
        found += [{"path": f"{directory}/old", "state": "absent", "recursive": True}]
    return found


def play(folder):
    files = [f"{directory}/{name}" for directory in DIRECTORIES for name in ("myid", "initialize", "tmp/below/x")]
    paths = [f"{directory}/{name}" for directory in DIRECTORIES for name in ("version-2", "tmp/below", "old")]
    # One entry an execution: what is refused at the first look would keep all others from being written.
    one = "{{ [entries[item % (entries | length)]] }}"
    tasks = [
        ("files", {"streamquorum.ha.host_files": {"entries": one}}),
        (
            "state",
            {
                "streamquorum.ha.host_state": {
                    "paths": paths,
                    "contents": files,
                    "lines": {path: [CANARY] for path in files},
                }
            },
        ),
    ]
    common = {"loop": list(range(EXECUTIONS)), "timeout": 60, "failed_when": False}
    return [
        {
            "hosts": ":".join(f"{group}[0]" for group in USERS),
            "gather_facts": False,
            # Whoever is not root has nothing to lose.
            "become": True,
            "vars": {"entries": entries()},
            "tasks": [
                *({"name": name, **task, **common, "register": f"found_{name}"} for name, task in tasks),
                {
                    "name": "keep",
                    "ansible.builtin.copy": {
                        "content": "{{ {'files': found_files.results, 'state': found_state.results} | to_json }}",
                        "dest": f"{folder}/{{{{ inventory_hostname }}}}.json",
                        "mode": "0600",
                    },
                    "delegate_to": "localhost",
                    "become": False,
                },
            ],
        }
    ]


@pytest.fixture(scope="module")
def attacked():
    hosts = {cluster.group(group)[0]: user for group, user in USERS.items()}
    for host, user in hosts.items():
        swapper = cluster.ROOT / "molecule/shared/tests/swapper.py"
        subprocess.run(["podman", "cp", str(swapper), f"{cluster.container(host)}:/usr/local/bin/swapper"], check=True)
        cluster.shell(
            host,
            f"mkdir -p {SENTINEL}/below && echo {CANARY} | tee {SENTINEL}/file > {SENTINEL}/below/file"
            f" && chmod 600 {SENTINEL}/file {SENTINEL}/below/file && chmod 755 {SENTINEL} {SENTINEL}/below"
            f" && install -d -o {user} -g {user} -m 750 {' '.join(DIRECTORIES)}"
            f" && systemd-run --quiet --unit=swapper --uid={user} python3 /usr/local/bin/swapper {SENTINEL} {' '.join(DIRECTORIES)}",
        )
    yield hosts
    for host in hosts:
        cluster.shell(host, f"systemctl stop swapper; rm -rf {SENTINEL} {' '.join(DIRECTORIES)} /usr/local/bin/swapper")


def test_trap_52_nothing_of_roots_is_given_away_or_read_under_attack(attacked, tmp_path):
    before = {host: cluster.shell(host, SEEN) for host in attacked}
    inventory = cluster.derived(
        tmp_path,
        {
            "all": {
                "children": {
                    group: {"hosts": {host: {"ansible_host": cluster.address(host), "attacker": USERS[group]}}}
                    for group, host in zip(USERS, attacked, strict=True)
                }
            }
        },
    )
    (tmp_path / "attacked.yml").write_text(yaml.safe_dump(play(tmp_path)))
    code, output = cluster.playbook(str(tmp_path / "attacked.yml"), inventory=inventory)
    assert code == 0, output
    assert {host: cluster.shell(host, SEEN) for host in attacked} == before
    for host in attacked:
        assert cluster.shell(host, "systemctl is-active swapper") == "active"
        text = (tmp_path / f"{host}.json").read_text()
        found = json.loads(text)
        refused = [each["msg"] for each in found["files"] if "changes" not in each]
        assert [each for each in found["files"] if each.get("changed")], "root wrote nothing, so nothing was tried"
        # In words, each of which names a path; none that ended for another reason.
        assert [told for told in refused if not re.search(rf"{ROOT}-\w+", told) or "Traceback" in told] == []
        assert [each for each in found["state"] if "unread" not in each] == []
        read = json.dumps([each["contents"] | each["lines"] | each["unread"] for each in found["state"]])
        assert CANARY not in read
        assert CANARY not in json.dumps(refused)
        cluster.told(
            f"attacked on {host}",
            executions=len(found["files"]) + len(found["state"]),
            refused=len(refused),
            unread=sum(bool(each["unread"]) for each in found["state"]),
            swaps=float(cluster.shell(host, f"cat {DIRECTORIES[0]}/swaps")),
        )
