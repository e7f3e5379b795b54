"""A server that nobody listed, on a host of the lab: it wants to join the quorum, and with it to get the database."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess

import cluster

#: Files of the joiner, and where it answers once it has joined.
FOLDER, PORT = "/tmp/joiner", 2199
#: What a member's configuration says of that member alone, and how it lets others in.
A_MEMBERS_OWN = (
    r"#|data|db[.]|admin|clientPort|secureClientPort|peerType|superUser"
    r"|ssl|sslQuorum|portUnification|serverCnxn|certReload"
)
AUTHENTICATION = r"|quorum[.]auth|.*[sS]asl|enforce|authProvider"
# The bracket keeps the command from finding itself.
STOP = f"pkill -f '[/]{FOLDER[1:]}/zoo.cfg' || true"
START = """
set -eu
umask 022; rm -rf {folder}; mkdir -p {folder}/data; cd {folder}
echo 9 > data/myid
printf '%s' {config} > zoo.cfg
printf '%s' {jaas} > jaas
setsid $(ls -d /usr/lib/jvm/*/bin/java | head -1) -Xmx100m -Djava.security.auth.login.config={folder}/jaas \
    -cp '{release}/lib/*' org.apache.zookeeper.server.quorum.QuorumPeerMain {folder}/zoo.cfg > log 2>&1 < /dev/null &
"""
KERBEROS = """{name} {{
  com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true useTicketCache=false
  keyTab="{keytab}" principal="{principal}";
}};
"""


def start(host, member, *lines, keytab="", principal=""):
    """Starts it anew on a host, as an observer, with the configuration of a member.

    Args:
        lines: of its zoo.cfg beside the member's, such as those of TLS.
        keytab: file on the host; without one it does not authenticate.
        principal: whose key it shows.
    """
    release = cluster.shell(member, "readlink -f /opt/zookeeper")
    _bring(release, member, host)
    unwanted = re.compile(A_MEMBERS_OWN + ("" if keytab else AUTHENTICATION))
    theirs = [
        line
        for line in cluster.shell(member, "cat /etc/zookeeper/current/zoo.cfg").splitlines()
        if not unwanted.match(line)
    ]
    own = [f"dataDir={FOLDER}/data", f"clientPort={PORT}", "peerType=observer", "admin.enableServer=false",
           "4lw.commands.whitelist=srvr", f"server.9={host}:12888:13888:observer"]  # fmt: skip
    sections = ("Server", "QuorumServer", "QuorumLearner") if keytab else ()
    jaas = "".join(KERBEROS.format(name=name, keytab=keytab, principal=principal) for name in sections)
    config = "\n".join([*(line for line in theirs if not line.startswith("4lw.")), *own, *lines, ""])
    stop(host)
    cluster.shell(
        host, START.format(folder=FOLDER, release=release, config=shlex.quote(config), jaas=shlex.quote(jaas))
    )


def _bring(release, member, host):
    """The release of a member, where a host has none."""
    if not cluster.shell(host, f"ls -d {release} 2>/dev/null || true"):
        copy = (
            f"podman exec {cluster.container(member)} tar -C / -cf - {release[1:]} "
            f"| podman exec -i {cluster.container(host)} tar -C / -xf -"
        )
        subprocess.run(copy, shell=True, check=True)


def stop(host):
    cluster.shell(host, STOP)


def log(host):
    return cluster.shell(host, f"cat {FOLDER}/log")


def joined(host):
    """Whether it serves as an observer of the ensemble."""
    try:
        with socket.create_connection((cluster.address(host), PORT), timeout=3) as connection:
            connection.sendall(b"srvr")
            parts = list(iter(lambda: connection.recv(65536), b""))
    except OSError:
        return False
    return b"Mode: observer" in b"".join(parts)
