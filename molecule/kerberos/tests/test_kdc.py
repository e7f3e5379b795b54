"""The lab's KDC gives what the other tests rest on. Tickets are asked for on its own host, the only one with Kerberos' tools."""

from __future__ import annotations

import re
import stat
import subprocess
from datetime import datetime

import cluster
import pytest

KDC = cluster.group("kdc")[0]
PRINCIPALS = cluster.variable(KDC, "lab_principals", [])
KEYTABS = cluster.ROOT / ".lab" / cluster.variables(KDC)["lab_name"] / "keytabs"
COPIES = "/root/keytabs"
MEMBER = "zookeeper/n1.kerberos.test@KERBEROS.TEST"


def keytab_of(principal):
    return next(item["keytab"] for item in PRINCIPALS if item["principal"] == principal)


@pytest.fixture(scope="module", autouse=True)
def _copies():
    """The controller's copies, which roles and other tests hand out, go back to where tickets can be asked for."""
    cluster.shell(KDC, f"rm -rf {COPIES}")
    subprocess.run(["podman", "cp", str(KEYTABS), f"{cluster.container(KDC)}:{COPIES}"], check=True)
    yield
    cluster.shell(KDC, f"rm -rf {COPIES}")


def as_principal(principal, keytab, command):
    """Runs a command with a ticket that was got by the controller's copy of a keytab."""
    return cluster.shell(
        KDC,
        "set -eu; export LC_ALL=C; tickets=$(mktemp); trap 'rm -f $tickets' EXIT; export KRB5CCNAME=FILE:$tickets; "
        f"kinit -k -t {COPIES}/{keytab} {principal}; {command}",
    )


@pytest.mark.parametrize("item", PRINCIPALS, ids=lambda item: item["principal"])
def test_every_keytab_gives_a_ticket(item):
    assert f"Default principal: {item['principal']}" in as_principal(item["principal"], item["keytab"], "klist")


def test_a_keytab_gives_no_ticket_to_another_principal():
    with pytest.raises(AssertionError, match="no suitable keys"):
        as_principal("flink@KERBEROS.TEST", keytab_of("mallory@KERBEROS.TEST"), "klist")


@pytest.mark.parametrize("client", ["flink@KERBEROS.TEST", "mallory@FOREIGN.TEST"])
def test_a_client_of_either_realm_gets_a_ticket_for_a_member_that_the_member_can_read(client):
    # With -k kvno decrypts the ticket, by the member's own keytab.
    command = f"kvno -k {COPIES}/{keytab_of(MEMBER)} {MEMBER}"
    assert "keytab entry valid" in as_principal(client, keytab_of(client), command)


def test_the_trust_goes_both_ways():
    client, service = "flink@KERBEROS.TEST", "zookeeper/n1.kerberos.test@FOREIGN.TEST"
    tickets = as_principal(client, keytab_of(client), f"kvno {service}; klist")
    assert "krbtgt/FOREIGN.TEST@KERBEROS.TEST" in tickets


def test_the_tickets_of_one_principal_end_soon():
    listed = as_principal("brief@KERBEROS.TEST", keytab_of("brief@KERBEROS.TEST"), "klist")
    starts, ends = re.findall(r"\d\d/\d\d/\d\d(?:\d\d)? \d\d:\d\d:\d\d", listed)[:2]
    life = datetime.strptime(ends, "%m/%d/%y %H:%M:%S") - datetime.strptime(starts, "%m/%d/%y %H:%M:%S")
    assert 0 < life.total_seconds() <= 60


def test_nobody_else_reads_the_keytabs():
    assert stat.S_IMODE(KEYTABS.stat().st_mode) == 0o700
    files = sorted(KEYTABS.iterdir())
    assert [path.name for path in files] == sorted({item["keytab"] for item in PRINCIPALS})
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    found = cluster.shell(KDC, "find /etc/krb5kdc/keytabs -printf '%y %m %U\n'").splitlines()
    assert sorted(set(found)) == ["d 700 0", "f 600 0"]
    # What every key is in, and what the databases are encrypted with.
    assert not cluster.shell(KDC, "find /var/lib/krb5kdc /etc/krb5kdc/stash.* -type f -perm /077 -not -name '*.lock'")


@pytest.mark.parametrize("host", cluster.group("lab"))
def test_every_host_knows_every_other_both_ways_and_reaches_the_kdc(host):
    others = {cluster.address(other): other for other in cluster.group("lab")}
    for keys in (others.keys(), others.values()):
        found = [line.split()[:2] for line in cluster.shell(host, f"getent hosts {' '.join(keys)}").splitlines()]
        assert found == [list(pair) for pair in others.items()]
    connect = f"import socket; socket.create_connection(('{KDC}', 88), 5).close()"
    cluster.shell(host, f'python3 -c "{connect}"')
