"""A world of hosts that exist only as files, and runs of our playbooks in it."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import Release, marker_text

ROOT = Path(__file__).parents[2]
ANSIBLE_PLAYBOOK = shutil.which("ansible-playbook")
VERSION = "3.9.5"
SUM = "0" * 128
#: Nobody listens there, so a connection is refused at once.
CLOSED_PORT = 1
#: How Ansible comes to hosts that are none.
CONNECTION = {
    "ansible_python_interpreter": sys.executable,
    "ansible_become": False,
    "ansible_host": "127.0.0.1",
    "ansible_port": CLOSED_PORT,
    "ansible_ssh_args": "-o ControlMaster=no -o ConnectTimeout=2 -o BatchMode=yes",
}
#: Before the first run.
FRESH = {
    "installed": False, "marker": "", "live": False, "mode": "", "generation": "", "before": "", "process": "", "data": False,
    "served": False,
}  # fmt: skip


class World:
    """Three members that serve with an old generation; the third leads. A test changes what it is about."""

    def __init__(self, folder: Path, collections: Path):
        self.folder, self.collections = folder, collections
        self.tree = collections / "ansible_collections/streamquorum/ha"
        (folder / "hosts").mkdir(parents=True)
        self.names = ["zk1", "zk2", "zk3"]
        self.inventory = {
            "all": {
                "vars": {
                    **CONNECTION,
                    "zookeeper_version": VERSION,
                    "zookeeper_archive_sha512": SUM,
                    "zookeeper_bundle_dir": str(folder / "bundle"),
                    "zookeeper_java_home": "/opt/java",
                    "rolling_diagnostics_dir": str(folder / "diagnostics"),
                },
                "children": {"zookeeper": {"hosts": {}}},
            }
        }
        # In another order than their ids.
        for number in (3, 1, 2):
            self.add(f"zk{number}", number)
        self.set("zk3", mode="leader")
        self.events: list[dict] = []

    def add(self, name: str, number: int) -> None:
        """A member of the ensemble, which serves."""
        self.inventory["all"]["children"]["zookeeper"]["hosts"][name] = {
            "zookeeper_id": number, "zookeeper_address": f"{name}.invalid", **self.place(name, id=number),
        }  # fmt: skip

    def place(self, name: str, **fields) -> dict:
        """A host, on which a member serves unless the fields say otherwise; gives what Ansible reaches it by."""
        state = {
            "name": name, "id": 0, "installed": True, "marker": marker_text(Release("zookeeper", VERSION, SUM)),
            "live": True, "mode": "follower", "generation": "0" * 16, "before": "0" * 16, "process": f"{name}.0", "data": True,
            "zoo_cfg": "", "restart": "", "lease": "", "served": True, "initialize": False, "stored": "",
            "release": "", "snapshots": ["snapshot.1"], "needs_reload": False,
        }  # fmt: skip
        self._file(name).write_text(json.dumps(state | fields))
        (self.folder / f"{name}.connection").write_text("local")
        return {
            "ansible_remote_tmp": str(self.folder / "tmp" / name),
            "ansible_connection": f"{{{{ lookup('ansible.builtin.file', '{self.folder}/{name}.connection') }}}}",
        }

    def take(self, inventory: dict, facts: dict[str, dict]) -> None:
        """Another inventory in place of this one; of each of its hosts the facts, which stands there instead of the members."""
        for name in self.names:
            self._file(name).unlink()
        self.inventory, self.names = copy.deepcopy(inventory), list(facts)
        everybody = self.inventory["all"]
        everybody["vars"] = CONNECTION | everybody.get("vars", {})
        everybody["hosts"] = {name: self.place(name, **fields) for name, fields in facts.items()}

    def _file(self, name: str) -> Path:
        return self.folder / "hosts" / f"{name}.json"

    def set(self, *names: str, **fields) -> None:
        """Changes what is true of some hosts."""
        for name in names:
            self._file(name).write_text(json.dumps({**self.host(name), **fields}))

    def host(self, name: str) -> dict:
        return json.loads(self._file(name).read_text())

    def unreachable(self, name: str) -> None:
        (self.folder / f"{name}.connection").write_text("ssh")

    def event(self, when: str, module: str, host: str, **what) -> None:
        """What happens before or after the next call of a module on a host: set, write, reply, hang."""
        self.events.append({"when": when, "module": module, "host": host, **what})

    def know(self, *, desired: str = "1" * 16) -> None:
        """What the preflight of a run notes of the members, so that phases/roll.yml can be run alone."""
        members = [self.host(name) for name in self.names]
        ends = [
            {"id": each["id"], "address": f"{each['name']}.invalid", "host": each["name"], "client_port": 2181,
             "quorum_port": 2888, "peer_type": "participant"}
            for each in members
        ]  # fmt: skip
        for each in members:
            self.inventory["all"]["children"]["zookeeper"]["hosts"][each["name"]] |= {
                "zookeeper_noted": {each["name"]: {
                    "member": {
                        "name": each["name"], "host": each["name"], "kind": "zookeeper", "id": each["id"], "votes": True,
                        "unit": "zookeeper.service", "root": "/etc/zookeeper", "ports": [2181], "timeout": 5,
                        "address": f"{each['name']}.invalid", "desired": desired, "live": each["live"],
                        "running": each["generation"], "process": each["process"], "restart_asked": each["restart"].strip(),
                    },
                    "ensemble": {
                        "members": ends, "standalone": False, "kazoo_path": "/nowhere.zip", "timeout": 5, "clients": [],
                    },
                }},
            }  # fmt: skip

    def roll(self, *arguments: str) -> tuple[int, str]:
        """Rolls the ensemble: the last part of site.yml alone."""
        self.know()
        return self.run("phases/roll.yml", "-e", "rolling_kind=zookeeper", *arguments)

    @property
    def environment(self) -> dict[str, str]:
        """What a run in this world has in its environment."""
        return {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_RETRIES": "0",
            "FAKE_WORLD": str(self.folder),
            "PWD": str(self.folder),
        }

    def prepare(self) -> Path:
        """Writes what a run reads; gives the inventory's file."""
        (self.folder / "events.json").write_text(json.dumps(self.events))
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps(self.inventory))
        return inventory

    def _start(self, playbook: str, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [ANSIBLE_PLAYBOOK, "-i", str(self.prepare()), f"playbooks/{playbook}", *arguments],
            cwd=self.tree,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=os.environ | self.environment,
        )

    def run(self, playbook: str, *arguments: str) -> tuple[int, str]:
        """Runs a playbook to its end; gives (exit code, output in one line)."""
        process = self._start(playbook, *arguments)
        try:
            output, _error = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, " ".join(output.split())

    def run_and_kill(self, playbook: str, *arguments: str) -> None:
        """Runs a playbook until a module hangs, and kills the controller then, by SIGKILL."""
        process = self._start(playbook, *arguments)
        hangs = self.folder / "hangs"
        deadline = time.monotonic() + 240
        while not hangs.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        os.killpg(process.pid, signal.SIGKILL)
        assert hangs.exists(), process.communicate()[0]
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(hangs.read_text()), signal.SIGKILL)
        process.communicate()
        hangs.unlink()
        self.events.clear()

    def calls(self, *modules: str) -> list[dict]:
        """What was called so far, in order; of all modules, or of some."""
        path = self.folder / "log.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [call for call in map(json.loads, lines) if not modules or call["module"] in modules]

    def stepped(self) -> list[str]:
        """Hosts of the steps, in order."""
        return [call["host"] for call in self.calls("service_step") if not call["check"]]

    def units(self) -> list[tuple[str, str]]:
        """What systemd was told in the playbooks themselves, by host: the state that a unit is to have."""
        return [
            (call["host"], call["args"].get("state", ""))
            for call in self.calls("fake_systemd_service")
            if not call["check"]
        ]

    def forget(self) -> None:
        """Forgets what was called so far."""
        (self.folder / "log.jsonl").unlink(missing_ok=True)
