"""How hosts find each other, and how people and Ansible get in."""

from __future__ import annotations

from lab import access, state


def test_names_resolve_both_ways_and_never_to_loopback(two_hosts):
    lines = access.hosts_file(two_hosts).splitlines()
    assert lines[2:] == ["198.18.7.11 zk1.lab.test zk1", "198.18.7.12 zk2.lab.test zk2"]
    assert not [line for line in lines if "lab.test" in line and line.startswith(("127.", "::1"))]


def test_known_hosts_has_name_and_address_and_drops_the_comment(two_hosts):
    keys = {"zk1.lab.test": "ssh-ed25519 AAA1 root@zk1", "zk2.lab.test": "ssh-ed25519 AAA2 root@zk2"}
    assert access.known_hosts(two_hosts, keys) == (
        "zk1.lab.test,198.18.7.11 ssh-ed25519 AAA1\nzk2.lab.test,198.18.7.12 ssh-ed25519 AAA2\n"
    )


def test_ssh_checks_host_keys_against_the_labs_own_file(two_hosts):
    text = access.ssh_config(two_hosts)
    assert "Host zk1.lab.test zk1\n    HostName 198.18.7.11\n" in text
    assert "    StrictHostKeyChecking yes\n" in text
    assert f'    UserKnownHostsFile "{state.LAB_ROOT / "demo" / "known_hosts"}"\n' in text
