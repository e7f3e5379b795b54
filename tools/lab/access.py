"""How hosts find each other, and how people and Ansible get in: names, host keys, ssh_config. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from lab.inventory import Lab

SOCKETS = "~/.ansible/cp"


def hosts_file(lab: Lab) -> str:
    """/etc/hosts of every host: names of all, both ways; a host's own name is never on loopback."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{host.address} {host.name} {host.short}" for host in lab.hosts]
    return "\n".join(lines) + "\n"


def known_hosts(lab: Lab, keys: Mapping[str, str]) -> str:
    """The lab's known_hosts, from the public key that each host generated; `keys` is by host name."""
    return "".join(f"{host.name},{host.address} {' '.join(keys[host.name].split()[:2])}\n" for host in lab.hosts)


def ssh_config(lab: Lab) -> str:
    """The lab's ssh_config, the one way in for Ansible, testinfra and people: `ssh -F .lab/demo/ssh_config zk1`.

    Host keys are checked against those that the lab read from the hosts past the network, and nothing else; the user's
    own configuration, keys and agent play no part.
    """
    lines = []
    for host in lab.hosts:
        lines += [f"Host {host.name} {host.short}", f"    HostName {host.address}"]
    lines += [
        "Host *",
        "    User ops",
        f'    IdentityFile "{lab.directory / "id_ed25519"}"',
        "    IdentitiesOnly yes",
        "    IdentityAgent none",
        f'    UserKnownHostsFile "{lab.directory / "known_hosts"}"',
        "    GlobalKnownHostsFile none",
        "    StrictHostKeyChecking yes",
        "    PasswordAuthentication no",
        # One connection for many commands. Ansible names a socket of its own beside these; a longer path than this
        # would not fit into a socket's name in a deep checkout.
        "    ControlMaster auto",
        "    ControlPersist 60",
        f"    ControlPath {SOCKETS}/lab-%C",
    ]
    return "\n".join(lines) + "\n"
