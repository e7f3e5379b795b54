"""Somebody on a host of the lab: a client of the ensemble with whatever key a test gives it, and what must not come of it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import urllib.request
from typing import NamedTuple

import cluster

LIBRARY = "/opt/streamquorum/lib/kazoo-2.11.0-pure-sasl-0.6.2.zip"
#: A ticket that `hand_out` lets end, where the KDC has somebody for it.
ENDED = "ended.ticket"


class Key(NamedTuple):
    """What a client shows: a keytab, or a ticket (by a name under /root of its host, or by its path), or a password of
    the user `super` of the scheme digest; none of them for an anonymous one."""

    file: str = ""
    password: str = ""


#: Who must not get at what is another's, whatever they hold. The principals stand in the scenario's lab_principals.
STRANGERS = {
    "nobody": Key(),
    "another principal": Key("mallory.keytab"),
    "a principal of a trusted realm": Key("foreign.keytab"),
    "a member's name in a trusted realm": Key("foreign-member.keytab"),
    "who had a ticket": Key(ENDED),
    "who guesses the password": Key(password="not-the-password"),
}

CLIENT = """
import json, os, signal, sys
sys.path.insert(0, {library!r})
os.environ["KRB5CCNAME"] = {ticket!r} or "MEMORY:test"
if {keytab!r}: os.environ["KRB5_CLIENT_KTNAME"] = {keytab!r}
if os.path.exists("/root/krb5.conf"): os.environ["KRB5_CONFIG"] = "/root/krb5.conf"
from kazoo.client import KazooClient
from kazoo.security import make_acl

def connected():
    client = KazooClient(
        {servers!r}, timeout=6, sasl_options={sasl!r}, auth_data={auth!r}, connection_retry=dict(max_tries=2))
    client.start(timeout=10)
    return client

def late(*_):
    raise TimeoutError

# A client whose door was closed tries again without end.
signal.signal(signal.SIGALRM, late)
client = None
for name, code in {codes!r}.items():
    signal.alarm(12)
    try:
        client = client if client and client.connected else connected()
        print(json.dumps([name, repr(eval(code))]), flush=True)
    except Exception as error:
        client = None
        print(json.dumps([name, "refused: " + type(error).__name__]), flush=True)
    signal.alarm(0)
os._exit(0)
"""


def hand_out(host):
    """All keys of the lab, and a krb5.conf that knows both realms, on a host."""
    variables = cluster.variables(host)
    kdc = cluster.group("kdc")[0]
    for path in (cluster.ROOT / ".lab" / variables["lab_name"] / "keytabs").glob("*.keytab"):
        subprocess.run(["podman", "cp", str(path), f"{cluster.container(host)}:/root/{path.name}"], check=True)
    realm, foreign = _realm(kdc), cluster.variables(kdc)["lab_foreign_realm"]
    realms = "".join(f"{name} = {{\n kdc = {kdc}\n}}\n" for name in (realm, foreign))
    config = f"[realms]\n{realms}[domain_realm]\n.{kdc.partition('.')[2]} = {realm}\n[libdefaults]\nrdns = false\n"
    cluster.shell(host, f"printf '%s' {shlex.quote(config)} > /root/krb5.conf")


def let_a_ticket_end(host):
    """A ticket of the principal `brief` that is over, where an attacker has it."""
    kdc = cluster.group("kdc")[0]
    cluster.shell(kdc, f"kinit -l 5s -k -t /etc/krb5kdc/keytabs/brief.keytab -c FILE:/root/{ENDED} brief@{_realm(kdc)}")
    cluster.until("the ticket ends", lambda: "no" in cluster.shell(kdc, f"klist -s FILE:/root/{ENDED} || echo no"), 30)
    copy = f"podman exec {cluster.container(kdc)} cat /root/{ENDED} | podman exec -i {cluster.container(host)} sh -c 'cat > /root/{ENDED}'"
    subprocess.run(copy, shell=True, check=True)


def _realm(kdc):
    return cluster.variables(kdc)["lab_realm"]


def tries(host, key, **codes):
    """Outcomes of expressions over `client`, of one session on a host: name -> its value's repr, or `refused: <error>`."""
    path = os.path.join("/root", key.file) if key.file else ""
    script = CLIENT.format(
        library=LIBRARY,
        keytab="" if path.endswith(".ticket") else path,
        ticket=f"FILE:{path}" if path.endswith(".ticket") else "",
        servers=",".join(f"{each}:2181" for each in cluster.group("zookeeper")),
        sasl={"mechanism": "GSSAPI"} if path else None,
        auth=[("digest", f"super:{key.password}")] if key.password else [],
        codes=codes,
    )
    printed = cluster.shell(host, f"timeout 110 python3 -c {shlex.quote(script)} 2>/dev/null")
    return dict(json.loads(line) for line in printed.splitlines())


def tries_all_ways(host, key, **codes):
    """The same of somebody who does not insist on being known: what is refused to the key is tried without it."""
    outcome = tries(host, key, **codes)
    refused = {name: codes[name] for name, came in outcome.items() if came.startswith("refused")}
    return outcome | (tries(host, Key(), **refused) if refused and key != Key() else {})


def attack(host, tree, key, ways=tries):
    """What a stranger tries against the nodes of a Flink cluster, each on something that it does not leave worse."""
    # Each attack has names of its own: the session of the one before holds its ephemeral nodes until it times out.
    name = f"stranger-{secrets.token_hex(4)}"
    leader = f"{tree}/leader/rest_server/connection_info"
    return ways(
        host,
        key,
        make_at_the_top=f"client.create('/{name}', ephemeral=True)",
        make_among_the_servers_own=f"client.create('/zookeeper/quota/{name}', ephemeral=True)",
        make_beside_the_cluster=f"client.create('{os.path.dirname(tree)}/{name}', ephemeral=True)",
        make_in_the_tree=f"client.create('{tree}/{name}', ephemeral=True)",
        read_the_leader=f"client.get({leader!r})[0]",
        write_the_leader=f"client.set({leader!r}, client.get({leader!r})[0])",
        delete_a_child=f"client.delete('{tree}/victim')",
        change_an_acl=f"client.set_acls('{tree}', client.get_acls('{tree}')[0])",
    )


def victim(host, tree, key):
    """A node with the ACL of Flink's own, beside them, for a stranger to delete; made by who may do that."""
    leader = f"{tree}/leader/rest_server/connection_info"
    code = f"client.exists('{tree}/victim') or client.create('{tree}/victim', acl=client.get_acls('{leader}')[0])"
    (found,) = tries(host, key, made=code).values()
    assert not found.startswith("refused"), found


def succeeded(outcome):
    return {what for what, came in outcome.items() if not came.startswith("refused")}


def doors(member):
    """What answers somebody on another machine who shows nothing at all: name -> whether it does."""
    try:
        with urllib.request.urlopen(f"http://{cluster.address(member)}:8080/commands/configuration", timeout=5) as page:
            administered = "client_port" in page.read().decode()
    except OSError:
        administered = False
    return {
        "a four-letter word that tells the sessions": "SessionTracker dump" in cluster.word(member, "dump"),
        "the AdminServer": administered,
    }
