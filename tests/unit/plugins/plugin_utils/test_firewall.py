"""What is written for a firewall, and when its rules are loaded."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.plugin_utils import firewall

RULES = "table inet streamquorum_flink {}\n"


def planned(rules: str | None = RULES, *, loaded: str = "", nft: bool = True, **unit: bool) -> firewall.FirewallPlan:
    host = {
        "units": {firewall.FLINK.unit: {"exists": False, "active": False, "enabled": False} | unit},
        "paths": {firewall.NFT: {"exists": nft}},
        "contents": {firewall.FLINK.loaded: loaded},
    }
    return firewall.plan(firewall.FLINK, rules, ["flink-jobmanager.service"], host)


ACTIVE = {"exists": True, "active": True, "enabled": True}


@pytest.mark.parametrize(
    ("unit", "loaded", "load"),
    [
        ({}, "", "started"),
        ({"exists": True, "enabled": True}, RULES, "started"),
        (ACTIVE, RULES, ""),
        (ACTIVE, "of another day", "reloaded"),
        # A unit of before, which kept nothing.
        (ACTIVE, "", "reloaded"),
        # A run was killed before the unit was enabled.
        (ACTIVE | {"enabled": False}, RULES, "reloaded"),
    ],
)
def test_trap_70_rules_are_loaded_where_others_are(unit, loaded, load):
    assert planned(loaded=loaded, **unit).load == load


def test_its_unit_keeps_what_it_loads_and_takes_only_its_own_table_away():
    _directory, rules, unit = planned().entries
    assert rules == {"path": "/etc/streamquorum/flink-firewall.nft", "content": RULES}
    lines = unit["content"].splitlines()
    for verb in ("ExecStart", "ExecReload"):
        assert [line for line in lines if line.startswith(verb)] == [
            f"{verb}=/usr/sbin/nft -f /etc/streamquorum/flink-firewall.nft",
            f"{verb}=/usr/bin/install -D -m 0644 /etc/streamquorum/flink-firewall.nft /run/streamquorum/flink-firewall.nft",
        ]
    assert "ExecStop=/usr/sbin/nft delete table inet streamquorum_flink" in lines
    assert "Before=flink-jobmanager.service" in lines


def test_nft_is_installed_where_it_is_missing_and_wanted():
    assert planned(nft=False).install
    assert not planned().install
    assert not planned(None, nft=False).install


def test_one_that_is_not_wanted_any_more_goes():
    gone = planned(None, **ACTIVE)
    assert gone.unload
    assert {(each["path"], each["state"]) for each in gone.entries} == {
        ("/etc/streamquorum/flink-firewall.nft", "absent"),
        ("/etc/systemd/system/streamquorum-flink-firewall.service", "absent"),
    }
    never = planned(None)
    assert (never.unload, never.load, never.entries) == (False, "", ())
