"""An ensemble that goes from plaintext to TLS under writes: who is refused, and how certificates are renewed. In the order of
the file: what is refused at its end is let in at its beginning."""

from __future__ import annotations

import datetime
import json
import re
import shlex
import subprocess

import cluster
import joiner
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

HOSTS = cluster.group("zookeeper")
MEMBER, OTHER = HOSTS[0], HOSTS[2]
LIBRARY = "/opt/streamquorum/lib/kazoo-2.11.0-pure-sasl-0.6.2.zip"
AUTHORITY = cluster.ROOT / ".lab/tls/authority"
OFFERED = {"zookeeper_client_tls": "offered", "zookeeper_quorum_tls": "offered"}
PREFERRED = {"zookeeper_client_tls": "required", "zookeeper_quorum_tls": "preferred"}
CLOSED = {"zookeeper_client_tls": "required", "zookeeper_quorum_tls": "required", "zookeeper_admin_tls": True}

CLIENT = """
import sys
sys.path.insert(0, {library!r})
from kazoo.client import KazooClient
client = KazooClient({servers!r}, timeout=6, connection_retry=dict(max_tries=2), **{options!r})
try:
    client.start(timeout=10)
    print("answer:", client.get_children("/"), flush=True)
except Exception as error:
    print("refused:", type(error).__name__, flush=True)
import os; os._exit(0)
"""
WORD = """
import socket, ssl
raw = socket.create_connection(({host!r}, {port}), 5)
if {tls}:
    context = ssl.create_default_context(cafile="/root/clients-ca.pem")
    if {certificate!r}: context.load_cert_chain({certificate!r})
    raw = context.wrap_socket(raw, server_hostname={host!r})
raw.sendall(b"srvr")
parts = list(iter(lambda: raw.recv(65536), b""))
print(b"".join(parts).decode())
"""


def site(*arguments, **variables):
    return cluster.playbook("playbooks/zookeeper.yml", "-e", json.dumps(variables), *arguments)


def step(what, folder, **variables):
    """A run that changes the ensemble under a client that writes, with its evidence."""
    code, output = site(
        "-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={folder}", "--diff", "-vv", **variables
    )
    assert code == 0, output
    assert "PRIVATE KEY" not in output
    (path,) = folder.glob("*/availability.json")
    seen = json.loads(path.read_text())["probe"]
    assert seen["problems"] == []
    result = seen["result"]
    cluster.told(
        what,
        writes=result["writes"],
        writes_lost=result["missing"],
        sessions_lost=result["sessions_lost"],
        longest_stall_s=result["longest_stall_ms"] / 1000,
    )


def python(host, script):
    """(succeeded, what it printed) of a script on a host."""
    done = subprocess.run(
        ["podman", "exec", cluster.container(host), "timeout", "40", "python3", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout


def client(port, certificate=""):
    """Whether a client reads: plain, with TLS and a certificate, or with TLS and none (`-`)."""
    options = {}
    if certificate:
        own = certificate if certificate != "-" else None
        options = {
            "use_ssl": True,
            "ca": "/root/clients-ca.pem",
            "certfile": own,
            "keyfile": own,
            "check_hostname": True,
        }
    servers = ",".join(f"{host}:{port}" for host in HOSTS)
    _ok, printed = python(MEMBER, CLIENT.format(library=LIBRARY, servers=servers, options=options))
    return printed.startswith("answer:")


def word(port, tls=False, certificate=""):
    """Whether a member answers a four-letter word."""
    ok, printed = python(OTHER, WORD.format(host=MEMBER, port=port, tls=tls, certificate=certificate))
    return ok and "Mode: " in printed


def pids():
    return {host: cluster.shell(host, "systemctl show zookeeper -p MainPID --value") for host in HOSTS}


def signed(name, issuer_name, issuer_key, key, days, authority=False):
    """A certificate that ends in so many days."""
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, end) - datetime.timedelta(days=1))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def pem(key, certificate):
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (private + certificate.public_bytes(serialization.Encoding.PEM)).decode()


def give(host, name, text):
    """Puts a file where an attacker would have it: /root/<name> of a host."""
    cluster.shell(host, f"umask 077; printf '%s' {shlex.quote(text)} > /root/{name}")


def attackers():
    """What whoever is not to come in holds, on every host."""
    ca_key = serialization.load_pem_private_key((AUTHORITY / "clients/ca.key").read_bytes(), None)
    ca = x509.load_pem_x509_certificate((AUTHORITY / "clients/ca.pem").read_bytes())
    foreign_key, key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _each in range(2))
    foreign_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "foreign")])
    foreign = signed("foreign", foreign_name, foreign_key, foreign_key, 9, authority=True)
    held = {
        "good.pem": pem(key, signed(MEMBER, ca.subject, ca_key, key, 9)),
        "expired.pem": pem(key, signed(MEMBER, ca.subject, ca_key, key, -1)),
        "foreign.pem": pem(key, signed(MEMBER, foreign_name, foreign_key, key, 9)),
        "clients-ca.pem": (AUTHORITY / "clients/ca.pem").read_text(),
        "foreign-ca.pem": foreign.public_bytes(serialization.Encoding.PEM).decode(),
        "ensemble-ca.pem": (AUTHORITY / "ensemble/ca.pem").read_text(),
    }
    for host in HOSTS:
        for name, text in held.items():
            give(host, name, text)


def join(own="", ca=""):
    """A server that nobody listed, on a member's own host, wants the database: in plaintext, or by a certificate."""
    tls = ["sslQuorum=true", f"ssl.quorum.keyStore.location={own}", f"ssl.quorum.trustStore.location={ca}"]
    joiner.start(OTHER, OTHER, *(tls if own else []))


@pytest.fixture(autouse=True)
def no_joiner_is_left():
    yield
    joiner.stop(OTHER)


def refused_by_the_log(words):
    """The members' own lines about it; that it did not join is known when it was turned away again and again."""
    cluster.until(
        f"lines with {words}",
        lambda: sum(
            len(re.findall(words, cluster.shell(host, "journalctl -u zookeeper -o cat --since -60s"))) for host in HOSTS
        )
        >= 3,
    )
    assert not joiner.joined(OTHER)


# --- open


def test_everything_is_let_in_while_it_is_open():
    assert client(2181)
    assert word(2181)
    join()
    cluster.until("the joiner is an observer", lambda: joiner.joined(OTHER))


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"zookeeper_client_tls": "required"}, "set offered first"),
        ({"zookeeper_quorum_tls": "preferred"}, "set offered first"),
        ({"zookeeper_quorum_tls": "required"}, "set offered first"),
    ],
)
def test_a_step_that_leaves_one_out_is_refused(variables, words):
    before = pids()
    code, output = site(**variables)
    assert code != 0, output
    assert words in " ".join(output.split()), output
    assert pids() == before


# --- closing


def test_offered_lets_plaintext_go_on(tmp_path):
    step("none to offered", tmp_path, **OFFERED)
    attackers()
    assert client(2181)
    assert client(2281, "/root/good.pem")


def test_closed_in_two_more_steps(tmp_path):
    step("offered to required (clients), to preferred (members)", tmp_path / "1", **PREFERRED)
    step("preferred to required", tmp_path / "2", **CLOSED)
    before = pids()
    code, output = site(**CLOSED)
    assert code == 0, output
    recap = output[output.index("PLAY RECAP") :]
    assert recap.count("changed=0") == len(re.findall(r"changed=", recap)), output
    assert pids() == before
    code, output = cluster.playbook("playbooks/status.yml", "-e", json.dumps(CLOSED))
    assert code == 0, output


# --- closed: who is refused


def test_the_right_client_is_let_in():
    assert client(2281, "/root/good.pem")
    assert word(2281, tls=True, certificate="/root/good.pem")
    for host in HOSTS:
        assert cluster.shell(host, "zkcli ls /zookeeper 2> /dev/null").splitlines()[-1] == "[config, quota]", host


@pytest.mark.parametrize(
    ("certificate", "line"),
    [
        ("", "not an SSL/TLS record"),
        ("-", "Empty client certificate chain|certificate_required"),
        ("/root/expired.pem", "expired|validity check failed"),
        ("/root/foreign.pem", "unable to find valid certification path|Path does not chain|PKIX path"),
    ],
    ids=["plaintext", "no certificate", "expired", "foreign"],
)
def test_the_wrong_client_is_refused(certificate, line):
    assert not client(2281, certificate)
    assert not word(2281, tls=bool(certificate), certificate=certificate.strip("-"))
    # The reason stands below the message, which the journal keeps on the lines that follow.
    logs = [cluster.shell(host, "cat /var/log/zookeeper/zookeeper.log") for host in HOSTS]
    assert any(re.search(line, text) for text in logs), line


def test_the_plain_port_is_closed():
    assert not client(2181)
    assert not word(2181)


@pytest.mark.parametrize(
    ("own", "ca", "line"),
    [
        ("", "", "Blocked insecure connection attempt"),
        # It says no more; the joiner's side is told why.
        ("/root/foreign.pem", "/root/ensemble-ca.pem", "Exception reading or writing challenge"),
        # Of a client, or a member's own for clients: another authority than the ensemble's.
        ("/etc/zookeeper/tls/server.pem", "/root/ensemble-ca.pem", "Exception reading or writing challenge"),
    ],
    ids=["plaintext", "foreign", "a client's"],
)
def test_a_server_that_is_no_member_does_not_join(own, ca, line):
    join(own, ca)
    refused_by_the_log(line)
    if own:
        # Java does not even show a certificate of another authority than those that are asked for.
        alert = "Received fatal alert: certificate_required"
        cluster.until("the joiner is told why", lambda: alert in joiner.log(OTHER))


def test_who_has_a_members_own_certificate_joins():
    """What the authority of the ensemble is worth: keep it for the ensemble."""
    join("/etc/zookeeper/tls/quorum.pem", "/etc/zookeeper/tls/quorum-ca.pem")
    cluster.until("the joiner is an observer", lambda: joiner.joined(OTHER))


def test_the_admin_server_answers_members_only():
    curl = "curl --silent --max-time 5 --output /dev/null --resolve {host}:8080:127.0.0.1 --cacert /etc/zookeeper/tls/quorum-ca.pem "
    ask = curl.format(host=MEMBER) + f"{{}} https://{MEMBER}:8080/commands/ruok; echo $?"
    assert cluster.shell(MEMBER, ask.format("--cert /etc/zookeeper/tls/quorum.pem")) == "0"
    assert cluster.shell(MEMBER, ask.format("")) != "0"
    assert cluster.shell(MEMBER, "curl --silent --max-time 5 http://127.0.0.1:8080/commands/ruok; echo $?") != "0"
    # And not from anywhere else.
    assert cluster.shell(OTHER, f"curl --silent --insecure --max-time 5 https://{MEMBER}:8080/; echo $?") == "7"


# --- certificates


def test_files_are_the_services_alone():
    for host in HOSTS:
        found = cluster.shell(host, "stat -c '%n %a %U:%G' /etc/zookeeper/tls /etc/zookeeper/tls/*.pem").splitlines()
        assert "/etc/zookeeper/tls 750 root:zookeeper" in found
        for name in ("server", "quorum"):
            assert f"/etc/zookeeper/tls/{name}.pem 440 root:zookeeper" in found


def served(host, port, own):
    """Serial number of the certificate on a port."""
    ask = f"openssl s_client -connect {host}:{port} -cert {own} -key {own} < /dev/null 2>/dev/null"
    return cluster.shell(host, f"{ask} | openssl x509 -noout -serial")


def test_certificates_are_renewed_without_a_restart():
    before = pids()
    serials = {host: served(host, 2281, "/root/good.pem") for host in HOSTS}
    code, output = site("-e", "tls_renew_days=398", **CLOSED)
    assert code == 0, output
    assert pids() == before
    cluster.until(
        "each port shows the new one",
        lambda: all(served(host, 2281, "/root/good.pem") != serials[host] for host in HOSTS),
    )
    # Members meet again with the new ones: a leader that is lost makes them.
    lost = next(host for host in HOSTS if cluster.shell(host, "ss -Hltn sport = :2888"))
    cluster.shell(lost, "systemctl kill --signal=KILL zookeeper")
    cluster.until(
        "all serve again", lambda: cluster.playbook("playbooks/status.yml", "-e", json.dumps(CLOSED))[0] == 0, 90
    )


def test_a_certificate_comes_from_a_vaulted_file(tmp_path):
    """The one that the member has, so nothing changes; and with it one for another host, which is refused."""
    password = tmp_path / "password"
    password.write_text("x")
    files = {}
    for host in HOSTS:
        path = tmp_path / f"{host}.pem"
        path.write_text((AUTHORITY / f"clients/{host}.pem").read_text())
        subprocess.run(
            ["ansible-vault", "encrypt", "--vault-password-file", password, path], check=True, capture_output=True
        )
        files[host] = path
    given = {"zookeeper_certificate_ca_file": str(AUTHORITY / "clients/ca.pem")} | CLOSED
    vaulted = str(tmp_path / "{{ inventory_hostname }}.pem")
    code, output = site("--vault-password-file", str(password), **given, zookeeper_certificate_file=vaulted)
    assert code == 0, output
    assert not re.search(r"changed=[1-9]", output[output.index("PLAY RECAP") :]), output
    code, output = site("--vault-password-file", str(password), **given, zookeeper_certificate_file=str(files[MEMBER]))
    assert code != 0, output
    assert f"no subject alternative name for {OTHER}" in " ".join(output.split())


def test_another_authority_is_taken_in_steps_without_a_restart(tmp_path):
    """Whoever runs has to trust it before anybody shows a certificate of it."""
    key, own_key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _each in range(2))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the next authority")])
    ca = (
        signed("the next authority", name, key, key, 9, authority=True)
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
    for host in HOSTS:
        (tmp_path / f"{host}.pem").write_text(pem(own_key, signed(host, name, key, own_key, 90)))
    (tmp_path / "next.pem").write_text(ca)
    (tmp_path / "both.pem").write_text((AUTHORITY / "ensemble/ca.pem").read_text() + ca)
    old = {"zookeeper_quorum_certificate_file": str(AUTHORITY / "ensemble/{{ inventory_hostname }}.pem")}
    new = {"zookeeper_quorum_certificate_file": str(tmp_path / "{{ inventory_hostname }}.pem")}
    before = pids()
    for files, authorities in ((new, "next.pem"), (new, "both.pem")):
        code, output = site(**CLOSED | files, zookeeper_quorum_certificate_ca_file=str(tmp_path / authorities))
        assert code != 0, output
        assert "leads to none of the authorities that running processes trust" in " ".join(output.split()), output
    for files, authorities in ((old, "both.pem"), (new, "both.pem"), (new, "next.pem")):
        code, output = site(**CLOSED | files, zookeeper_quorum_certificate_ca_file=str(tmp_path / authorities))
        assert code == 0, output
    assert pids() == before
    # The private one would be another one now.
    code, output = site(**CLOSED)
    assert code != 0, output
    assert "which is not the private authority in" in " ".join(output.split()), output
    # And they find each other by it.
    given = CLOSED | new | {"zookeeper_quorum_certificate_ca_file": str(tmp_path / "next.pem")}
    cluster.shell(MEMBER, "systemctl restart zookeeper")
    cluster.until(
        "all serve again",
        lambda: cluster.playbook("playbooks/status.yml", "-e", json.dumps(given))[0] == 0,
        90,
        every=2,
    )
    for authorities, files in (("both.pem", new), ("both.pem", old)):
        code, output = site(**CLOSED | files, zookeeper_quorum_certificate_ca_file=str(tmp_path / authorities))
        assert code == 0, output
    code, output = site(**CLOSED)
    assert code == 0, output
    assert pids() == before | {MEMBER: pids()[MEMBER]}


# --- back


def test_the_way_back(tmp_path):
    step(
        "required to preferred (members), to offered (clients)",
        tmp_path / "1",
        **PREFERRED | {"zookeeper_client_tls": "offered"},
    )
    assert client(2181)
    step("to offered (members)", tmp_path / "2", **OFFERED)
    step("offered to none", tmp_path / "3")
    assert client(2181)
    assert not client(2281, "/root/good.pem")
