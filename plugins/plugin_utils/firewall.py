"""A firewall of this toolkit on a host: a table of nftables with a unit of its own. Pure, but for reading the template.

The unit keeps a copy of the rules that it loaded last. Rules that differ from the copy are loaded, whoever wrote them and when: a run
that was killed after it had written them would otherwise leave the old ones loaded, for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.streamquorum.ha.plugins.plugin_utils.templates import render

NFT = "/usr/sbin/nft"
TEMPLATES = Path(__file__).parents[2] / "roles/common/templates"


@dataclass(frozen=True)
class Firewall:
    """Which firewall it is; the same on all hosts."""

    #: Of its files; its unit is streamquorum-<name>.service.
    name: str
    table: str
    #: What its unit says of it.
    description: str

    @property
    def unit(self) -> str:
        return f"streamquorum-{self.name}.service"

    @property
    def rules(self) -> str:
        """File of the rules that are wanted."""
        return f"/etc/streamquorum/{self.name}.nft"

    @property
    def loaded(self) -> str:
        """File of the rules that were loaded last; gone with a reboot, as they are."""
        return f"/run/streamquorum/{self.name}.nft"


#: Each comes and goes without the other.
ZOOKEEPER = Firewall("firewall", "streamquorum", "The ports of the ZooKeeper quorum are its members' alone")
FLINK = Firewall("flink-firewall", "streamquorum_flink", "The ports of Flink are its cluster's, and REST its users'")


@dataclass(frozen=True)
class FirewallPlan:
    """What is written on a host for its firewall, and what is done to its unit."""

    unit: str
    #: Entries of `host_files`.
    entries: tuple[Mapping[str, Any], ...]
    #: nft is missing.
    install: bool
    #: It was wanted before, and is not any more: its table goes before its files.
    unload: bool
    #: State that loads the rules once they are written, as `systemd_service` takes it; empty where they are loaded.
    load: str
    #: Whether systemd knows the unit.
    exists: bool


def plan(firewall: Firewall, rules: str | None, before: list[str], host: Mapping[str, Any]) -> FirewallPlan:
    """The plan of a firewall on one host.

    Args:
        firewall: which.
        rules: text that is wanted; None for no firewall.
        before: units that start after it.
        host: what `host_state` said of the unit, of the path `NFT`, and of the content of `firewall.loaded`.
    """
    unit, unit_file = host["units"][firewall.unit], f"/etc/systemd/system/{firewall.unit}"
    exists, ends = bool(unit["exists"]), rules is None and bool(unit["exists"])
    if rules is None:
        gone = tuple({"path": path, "state": "absent"} for path in (firewall.rules, unit_file))
        return FirewallPlan(firewall.unit, gone if ends else (), install=False, unload=ends, load="", exists=exists)
    unit_text = render(str(TEMPLATES), "firewall.service", firewall=firewall, nft=NFT, before=before)
    return FirewallPlan(
        firewall.unit,
        (
            {"path": str(Path(firewall.rules).parent), "state": "directory", "mode": "0755"},
            {"path": firewall.rules, "content": rules},
            {"path": unit_file, "content": unit_text},
        ),
        install=not host["paths"][NFT]["exists"],
        unload=False,
        load=_load(unit, host["contents"][firewall.loaded], rules),
        exists=exists,
    )


def _load(unit: Mapping[str, Any], loaded: str, rules: str) -> str:
    if not unit["active"]:
        return "started"
    # Not restarted: between its two halves the ports would be open.
    return "" if unit["enabled"] and loaded == rules else "reloaded"
