"""What an inventory describes, and what is refused in it."""

from __future__ import annotations

import pytest
from lab import inventory, run


def listing(**hosts):
    """What ansible-inventory says of these hosts."""
    shared = {"lab_name": "demo", "lab_subnet": "198.18.7.0/24"}
    return {
        "_meta": {"hostvars": {f"{short}.lab.test": shared | variables for short, variables in sorted(hosts.items())}}
    }


def test_a_lab_is_what_its_inventory_says():
    found = inventory.read_lab(
        listing(
            zk1={
                "ansible_host": "198.18.7.11",
                "lab_image": "trixie",
                "lab_java": False,
                "lab_volumes": ["shared:/shared"],
                "lab_tmpfs": ["/srv/small:size=16m"],
                "lab_capabilities": ["SYS_TIME"],
                "lab_devices": ["/dev/fuse"],
            }
        )
    )
    assert (found.name, found.subnet, found.prefix) == ("demo", "198.18.7.0/24", "sq-demo")
    assert found.hosts == (
        inventory.Host(
            name="zk1.lab.test",
            address="198.18.7.11",
            suite="trixie",
            java=False,
            volumes=("shared:/shared",),
            tmpfs=("/srv/small:size=16m",),
            capabilities=("SYS_TIME",),
            devices=("/dev/fuse",),
        ),
    )


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "zk1.lab.test: ansible_host is ''"),
        ({"ansible_host": "zk1"}, "zk1.lab.test: ansible_host is 'zk1'"),
        ({"ansible_host": "198.18.8.11"}, "zk1.lab.test: ansible_host is 198.18.8.11; take a free one"),
        ({"ansible_host": "198.18.7.1"}, "198.18.7.1 is taken"),
        ({"ansible_host": "198.18.7.255"}, "take a free one"),
        ({"ansible_host": "198.18.7.11", "lab_image": "sarge"}, "zk1.lab.test: lab_image is 'sarge'"),
        ({"ansible_host": "198.18.7.11", "lab_volumes": "shared:/shared"}, "lab_volumes must be a list"),
        ({"ansible_host": "198.18.7.11", "lab_volumes": ["/srv:/shared"]}, "write name:/path"),
        ({"ansible_host": "198.18.7.11", "lab_subnet": "10.0.0.0/24"}, "take a network inside 198.18.0.0/15"),
        ({"ansible_host": "198.18.7.11", "lab_subnet": "198.18.7.0/33"}, "lab_subnet is '198.18.7.0/33'"),
        ({"ansible_host": "198.18.7.11", "lab_name": "Demo Lab"}, "lab_name is 'Demo Lab'"),
        (
            {"ansible_host": "198.18.7.11", "lab_name": ""},
            "lab_name must be set, the same for all hosts; they have none",
        ),
    ],
)
def test_wrong_inventories_are_refused_by_name(variables, words):
    with pytest.raises(run.LabError, match="describes no lab") as refusal:
        inventory.read_lab(listing(zk1=variables))
    assert words in str(refusal.value)


def test_all_problems_are_named_at_once():
    with pytest.raises(run.LabError) as refusal:
        inventory.read_lab(
            listing(zk1={"ansible_host": "198.18.7.11"}, zk2={"ansible_host": "198.18.7.11", "lab_image": "x"})
        )
    assert "zk2.lab.test and zk1.lab.test have the same address 198.18.7.11" in str(refusal.value)
    assert "zk2.lab.test: lab_image is 'x'" in str(refusal.value)


def test_hosts_of_two_domains_may_not_share_a_short_name():
    hosts = (inventory.Host("zk1.a.test", "198.18.7.11"), inventory.Host("zk1.b.test", "198.18.7.12"))
    assert inventory.network_problems("198.18.7.0/24", hosts) == [
        "zk1.b.test and zk1.a.test have the same short name zk1."
    ]


@pytest.mark.parametrize("name", ["zk1", "ZK1.lab.test"])
def test_names_are_lower_case_and_fully_qualified(name):
    variables = {"lab_name": "demo", "lab_subnet": "198.18.7.0/24", "ansible_host": "198.18.7.11"}
    with pytest.raises(run.LabError, match="fully qualified and lower-case"):
        inventory.read_lab({"_meta": {"hostvars": {name: variables}}})


def test_an_empty_inventory_is_refused():
    with pytest.raises(run.LabError, match="has no hosts"):
        inventory.read_lab({"_meta": {"hostvars": {}}})
