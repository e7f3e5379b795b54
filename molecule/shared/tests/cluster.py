"""The lab as a test sees it: its inventory, its playbooks, and the cluster by its own protocols from outside.

Nothing here uses the code under test: words, znodes and REST are read by kazoo and the standard library.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

ROOT = Path(__file__).parents[3]
#: What a scenario measured, a row a measurement; shown at the end of its run.
MEASURED: list[dict[str, Any]] = []
#: How REST is opened where it speaks TLS; a scenario sets it. Hosts are reached by their addresses, so it compares no names.
REST_TLS: ssl.SSLContext | None = None
#: How many times longer than a quiet machine a busy one is waited for.
PATIENCE = 4
#: What a cluster that is not there yet answers with.
NOT_YET = (
    OSError,
    AssertionError,
    LookupError,
    ValueError,
    http.client.HTTPException,
    subprocess.SubprocessError,
    KazooException,
    KazooTimeoutError,
)
#: Molecule asks for colours, which stand within sentences that are wrapped.
WITHOUT_COLOURS = os.environ | {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
#: CI runs a part of some scenarios.
SHORT = os.environ.get("FAULTS") == "short"
INVENTORY = ROOT / "molecule" / os.environ.get("MOLECULE_SCENARIO_NAME", "default") / "inventory"


@functools.cache
def inventory() -> dict[str, Any]:
    done = subprocess.run(
        ["ansible-inventory", "-i", str(INVENTORY), "--list"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def group(name: str) -> list[str]:
    """Hosts of a group, with those of its children, in the inventory's order."""
    found = inventory().get(name, {})
    hosts = found.get("hosts", []) + [host for child in found.get("children", []) for host in group(child)]
    return list(dict.fromkeys(hosts))


def variables(host: str) -> dict[str, Any]:
    return inventory()["_meta"]["hostvars"][host]


def variable(host: str, name: str, default: Any) -> Any:
    return variables(host).get(name, default)


def address(host: str) -> str:
    return variables(host)["ansible_host"]


def playbook(*arguments: str, inventory: Path = INVENTORY) -> tuple[int, str]:
    """Runs a playbook on the lab: (exit code, output). Its output is in the failure of the test that asks for it.

    Args:
        arguments: of ansible-playbook, without an inventory: a second one would be merged with the first.
        inventory: another one than the lab's own; what is beside its hosts, and the way to them, is the lab's (`derived`).
    """
    if inventory != INVENTORY:
        door = f"ansible_ssh_common_args='-F {ROOT}/.lab/{INVENTORY.parent.name}/ssh_config'"
        arguments = (*arguments, "-e", door)
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        env=WITHOUT_COLOURS,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def module(host: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Runs a module of the collection on a host: its answer."""
    command = ["ansible", host, "-i", str(INVENTORY), "-m", f"streamquorum.ha.{name}", "-a", json.dumps(arguments)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=WITHOUT_COLOURS, check=False
    )
    # HOST | CHANGED => and then the answer, as ansible.cfg has it.
    _who, _arrow, text = done.stdout.partition("=>")
    answer = yaml.safe_load(textwrap.dedent(text))
    return answer if isinstance(answer, dict) else {"failed": True, "msg": done.stdout + done.stderr}


def assert_nothing_changed(result: tuple[int, str]) -> str:
    """Of what `playbook` gave: it succeeded, and no task of any host was changed. Gives the output."""
    code, output = result
    assert code == 0, output
    recap = output[output.index("PLAY RECAP") :]
    assert recap.count("changed=") == recap.count("changed=0"), output
    return output


def derived(directory: Path, hosts: dict[str, Any]) -> Path:
    """An inventory with other hosts and the lab's variables, for `playbook`."""
    (directory / "hosts.yml").write_text(json.dumps(hosts))
    if not (directory / "group_vars").exists():
        (directory / "group_vars").symlink_to(INVENTORY / "group_vars")
    return directory


def container(host: str) -> str:
    return f"sq-{variables(host)['lab_name']}-{host.split('.')[0]}"


def shell(host: str, command: str) -> str:
    """Runs a command as root past the network, as one would at the machine's console."""
    done = subprocess.run(
        ["podman", "exec", container(host), "sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{host}: {command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def power(action: str, host: str) -> None:
    """Switches a host, or "all", off or on, or reboots it, as one would at its switch; waits for a boot."""
    command = [sys.executable, "tools/lab", "power", "--inventory", str(INVENTORY), action, host]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def until(what: str, condition: Callable[[], Any], seconds: float = 60, every: float = 0.1) -> tuple[Any, float]:
    """Waits for a condition: (its value, seconds taken).

    Args:
        what: the condition in words.
        condition: gives its value once it is true; who cannot be asked yet is asked again.
        seconds: how long a quiet machine may need; a busy one is waited for longer, since a test asserts no times.
        every: seconds between two looks; more where a look takes long, so that looking does not hold up what is waited for.
    """
    seconds *= PATIENCE
    began = time.monotonic()
    value, error = None, None
    while (looked := time.monotonic()) - began < seconds:
        try:
            value, error = condition(), None
        except NOT_YET as raised:
            value, error = None, raised
        if value:
            return value, time.monotonic() - began
        time.sleep(max(every, 2 * (time.monotonic() - looked)))
    raise AssertionError(f"not within {seconds} s: {what} (last: {value!r}, {error!r})")


def told(what: str, **figures: float) -> None:
    MEASURED.append({"what": what} | {name: round(value, 2) for name, value in figures.items()})


# --- ZooKeeper


def client_port(host: str) -> int:
    return int(variable(host, "zookeeper_client_port", 2181))


def word(host: str, text: str) -> str:
    """Answer of a four-letter word."""
    with socket.create_connection((address(host), client_port(host)), timeout=3) as connection:
        connection.sendall(text.encode())
        parts = list(iter(lambda: connection.recv(65536), b""))
    return b"".join(parts).decode()


def mode(host: str) -> str:
    """leader, follower, observer; empty for a server that does not serve."""
    lines = [line for line in word(host, "srvr").splitlines() if line.startswith("Mode: ")]
    return lines[0].removeprefix("Mode: ") if lines else ""


def zookeeper_leader() -> str:
    """The one host that leads."""
    found = []
    for host in group("zookeeper"):
        try:
            if mode(host) == "leader":
                found.append(host)
        except OSError:
            continue
    assert len(found) == 1, found
    return found[0]


@contextmanager
def session(*hosts: str, timeout: float = 10) -> Iterator[KazooClient]:
    """A session with one of the given members, or of all."""
    members = hosts or tuple(group("zookeeper"))
    client = KazooClient(",".join(f"{address(host)}:{client_port(host)}" for host in members), timeout=timeout)
    client.start(timeout=30 * PATIENCE)
    try:
        yield client
    finally:
        client.stop()
        client.close()


# --- Flink


def job_managers() -> list[tuple[str, int]]:
    """(host, REST port) of every JobManager; on YARN of the one that leads, wherever it is now."""
    if group("flink_client"):
        if variable(group("zookeeper")[0], "zookeeper_client_auth", "none") == "required":
            return [flink_leader_by_a_member()]
        with session() as client:
            return [flink_leader(client)]
    found = []
    for host in group("flink_jobmanager"):
        instances = variable(host, "flink_ha_jobmanager_instances", [{}])
        default = variable(host, "flink_ha_rest_port", 8081)
        found += [(host, int(instance.get("rest_port", default))) for instance in instances]
    return found


def rest(host: str, port: int, path: str) -> Any:
    scheme = "https" if REST_TLS else "http"
    # On YARN a node is known by its address.
    place = address(host) if host in inventory()["_meta"]["hostvars"] else host
    with urllib.request.urlopen(f"{scheme}://{place}:{port}{path}", timeout=5, context=REST_TLS) as answer:
        return json.load(answer)


def rest_any(path: str) -> Any:
    """The answer of whichever JobManager gives one; during a failover none may."""
    errors = []
    for host, port in job_managers():
        try:
            return rest(host, port, path)
        except (OSError, urllib.error.URLError) as error:
            errors.append(f"{host}: {error}")
    raise LookupError("; ".join(errors))


def resource_manager(path: str) -> Any:
    """What the active ResourceManager of YARN answers, to a ticket where it asks for one."""
    for host in group("hadoop_resourcemanager"):
        # One that stands by sends on to the other, which is not followed. Without a server that asks, the keytab need not be there.
        found = shell(
            host,
            "KRB5_CLIENT_KTNAME=/etc/hadoop/yarn.keytab KRB5CCNAME=MEMORY: curl --silent --max-time 5 --negotiate --user : "
            f"--header 'Accept: application/json' --write-out '\\n%{{http_code}}' 'http://{host}:8088/ws/v1/cluster{path}' || true",
        )
        body, _line, code = found.rpartition("\n")
        if code != "200":
            continue
        answer = json.loads(body)
        if path != "/info" or answer["clusterInfo"]["haState"] == "ACTIVE":
            return answer
    raise LookupError("no ResourceManager is active")


def applications() -> list[dict[str, Any]]:
    """All applications that YARN knows of, the oldest first."""
    found = (resource_manager("/apps")["apps"] or {}).get("app") or []
    return sorted(found, key=lambda each: each["startedTime"])


def application() -> str:
    """Id of the one that is live."""
    (found,) = (each["id"] for each in applications() if each["state"] not in ("FINISHED", "FAILED", "KILLED"))
    return found


def flink_leader_znode() -> str:
    """Where the leader of the lab's cluster publishes its address."""
    host = (group("flink_jobmanager") or group("flink_client"))[0]
    root = variable(host, "flink_ha_zookeeper_path_root", "/flink")
    cluster = application() if group("flink_client") else variable(host, "flink_ha_cluster_id", "")
    return f"{root}/{cluster.strip('/')}/leader/rest_server/connection_info"


def flink_leader(client: KazooClient) -> tuple[str, int]:
    """(host, REST port) of the leader, from the text in its znode: the address follows the serialization header."""
    node = flink_leader_znode()
    if not client.exists(node):
        # Up to Flink 1.14.
        node = node.replace("/rest_server/connection_info", "/rest_server_lock")
    data, _stat = client.get(node)
    start = data.index(b"http://") + len(b"http://")
    length = int.from_bytes(data[start - len(b"http://") - 2 : start - len(b"http://")], "big")
    host, port = data[start : start + length - len(b"http://")].decode().split(":")
    return host, int(port)


def flink_leader_by_a_member() -> tuple[str, int]:
    """The same by the command of a member, where nobody else is let in.

    Raises:
        LookupError: there is none.
    """
    printed = shell(group("zookeeper")[0], f"zkcli get {flink_leader_znode()} 2>/dev/null || true")
    found = re.search(r"https?://([\w.-]+):(\d+)", printed)
    if not found:
        raise LookupError("nobody leads")
    return found.group(1), int(found.group(2))
