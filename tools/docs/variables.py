"""Writes docs/variables.md to standard output, from the roles' own files: nothing in it is written by hand twice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ROLES = ("zookeeper", "flink_ha", "rolling", "kerberos", "tls")
SECTION = re.compile(r"^# --- (.+?) -+$")
NAME = re.compile(r"^#? ?([a-z_]+):")
#: Who has to reach each port; a firewall lets exactly these pass.
REACHED_BY: Mapping[str, tuple[str, str]] = {
    "zookeeper_client_port": ("every member", "clients: all Flink hosts, the members, who runs zkcli"),
    "zookeeper_secure_client_port": (
        "every member, where zookeeper_client_tls is not none",
        "as zookeeper_client_port",
    ),
    "zookeeper_quorum_port": ("the leader", "the other members, nobody else"),
    "zookeeper_election_port": ("every voter", "the other members, nobody else"),
    "zookeeper_admin_port": ("every member, on zookeeper_admin_address", "the host itself"),
    "flink_ha_rest_port": ("every JobManager", "users, and the JobManagers"),
    "flink_ha_jobmanager_rpc_port": ("every JobManager", "all Flink hosts"),
    "flink_ha_blob_port": ("every JobManager", "all Flink hosts"),
    "flink_ha_jobmanager_metrics_port": ("every JobManager", "the JobManagers"),
    "flink_ha_taskmanager_rpc_port": ("every TaskManager", "all Flink hosts"),
    "flink_ha_taskmanager_data_port": ("every TaskManager", "the TaskManagers"),
    "flink_ha_taskmanager_metrics_port": ("every TaskManager", "the JobManagers"),
}


def load(role: str, path: str) -> Any:
    return yaml.safe_load((ROOT / "roles" / role / path).read_text())


def switches() -> dict[str, Any]:
    """Every switch, as the playbooks read it."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "playbooks/vars/switches.yml").read_text())["switches"]
    return found


def sections(role: str) -> dict[str, str]:
    """The section of defaults/main.yml in which each variable stands."""
    found: dict[str, str] = {}
    section = ""
    for line in (ROOT / "roles" / role / "defaults/main.yml").read_text().splitlines():
        heading, name = SECTION.match(line), NAME.match(line)
        section = heading.group(1) if heading else section
        if name and name.group(1).startswith(role):
            found.setdefault(name.group(1), section)
    return found


def ports() -> dict[str, Any]:
    """Every port variable with its default."""
    return {
        name: value
        for role in ROLES
        for name, value in load(role, "defaults/main.yml").items()
        if name.endswith("_port")
    }


def cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def default_of(option: Mapping[str, Any]) -> str:
    if "default" not in option:
        return "(none)"
    value = option["default"]
    return "`" + cell(str(value).lower() if isinstance(value, bool) else value if value != "" else '""') + "`"


def row(name: str, option: Mapping[str, Any]) -> str:
    text = option["description"] if isinstance(option["description"], str) else " ".join(option["description"])
    choices = f" One of {', '.join(map(str, option['choices']))}." if "choices" in option else ""
    return f"| `{name}` | {option['type']} | {default_of(option)} | {cell(text)}{choices} |"


def switch_lines() -> Iterator[str]:
    yield "\n## Switches of a run\n"
    yield "Given with `-e`, to the playbooks that ask for them.\n"
    yield "| variable | type | default | effect |\n|---|---|---|---|"
    for name, option in switches().items():
        yield row(name, option)


def role_lines(role: str) -> Iterator[str]:
    yield f"\n## Role {role}"
    (entry, spec), *_others = load(role, "meta/argument_specs.yml")["argument_specs"].items()
    where, current = sections(role), None
    for name, option in spec["options"].items():
        if entry != "main" and option.get("required"):  # another role gives it
            continue
        if where.get(name, current) != current:
            current = where[name]
            yield f"\n### {current}\n\n| variable | type | default | effect |\n|---|---|---|---|"
        yield row(name, option)


def lines() -> Iterator[str]:
    yield "# Variables\n"
    yield "Made by `make docs` from the roles; a change here is undone by the next one."
    yield from switch_lines()
    for role in ROLES:
        yield from role_lines(role)
    yield "\n## Ports\n"
    yield "What listens, and who must reach it: a firewall needs no other rule between the hosts of a standalone cluster. On YARN, JobManagers and"
    yield "TaskManagers take any port, and client hosts also need HDFS's ports, the ResourceManagers' (8032, web 8088) and the NodeManagers' web (8042).\n"
    yield (
        "Members listen for each other on their own address, the AdminServer on loopback. Clients and Flink's processes come by whatever\n"
        "address a host has, unless `clientPortAddress` (in `zookeeper_config_extra`) and `flink_ha_bind_address` name one.\n"
    )
    yield "| port | default | who listens | who reaches it |\n|---|---|---|---|"
    for name, default in ports().items():
        yield f"| `{name}` | {default} | {REACHED_BY[name][0]} | {REACHED_BY[name][1]} |"
    yield "\nWith Kerberos all hosts reach the KDC on port 88 (TCP and UDP), and the controller of keytabs.yml ports 88 and 749 of it."
    for role, product in (("zookeeper", "ZooKeeper"), ("flink_ha", "Flink")):
        yield f"\n## Releases of {product}\n\n| release | Java | sum |\n|---|---|---|"
        for release in load(role, "vars/main/releases.yml")[f"{role}_releases"]:
            known = "pinned" if release["sha512"] else "your own, or a bundle's"
            yield f"| {release['version']} | {release['java']['min']} to {release['java']['max']} | {known} |"
        yield "\nUpgrades that [upgrade](operations.md#upgrade) rolls:\n\n| from | to | tested |\n|---|---|---|"
        for pair in load(role, "vars/main/upgrades.yml")[f"{role}_upgrades"]:
            yield f"| {pair['from']} | {pair['to']} | {pair['tested'] or 'no'} |"


def main() -> None:
    print("\n".join(lines()))


if __name__ == "__main__":
    main()
