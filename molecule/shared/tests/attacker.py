"""Somebody on a host of the lab: a client of the ensemble with whatever key a test gives it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess

import cluster

LIBRARY = "/opt/streamquorum/lib/kazoo-2.11.0-pure-sasl-0.6.2.zip"
CLIENT = """
import json, os, sys
sys.path.insert(0, {library!r})
os.environ["KRB5CCNAME"] = "MEMORY:test"
if {keytab!r}: os.environ["KRB5_CLIENT_KTNAME"] = {keytab!r}
if os.path.exists("/root/krb5.conf"): os.environ["KRB5_CONFIG"] = "/root/krb5.conf"
from kazoo.client import KazooClient
from kazoo.security import make_acl
client = KazooClient(
    {servers!r}, timeout=6, sasl_options={sasl!r}, auth_data={auth!r}, connection_retry=dict(max_tries=2))
for name, code in {codes!r}.items():
    try:
        client.connected or client.start(timeout=10)
        print(json.dumps([name, repr(eval(code))]), flush=True)
    except Exception as error:
        print(json.dumps([name, "refused: " + type(error).__name__]), flush=True)
os._exit(0)
"""


def hand_out(host):
    """All keys of the lab, and a krb5.conf that knows both realms, on a host."""
    variables = cluster.variables(host)
    kdc = cluster.group("kdc")[0]
    for path in (cluster.ROOT / ".lab" / variables["lab_name"] / "keytabs").glob("*.keytab"):
        subprocess.run(["podman", "cp", str(path), f"{cluster.container(host)}:/root/{path.name}"], check=True)
    realm, foreign = (cluster.variables(kdc)[name] for name in ("lab_realm", "lab_foreign_realm"))
    realms = "".join(f"{name} = {{\n kdc = {kdc}\n}}\n" for name in (realm, foreign))
    config = f"[realms]\n{realms}[domain_realm]\n.{kdc.partition('.')[2]} = {realm}\n[libdefaults]\nrdns = false\n"
    cluster.shell(host, f"printf '%s' {shlex.quote(config)} > /root/krb5.conf")


def tries(host, keytab, password="", **codes):
    """Outcomes of expressions over `client`, of one session on a host: name -> its value's repr, or `refused: <error>`.

    Args:
        keytab: file on the host, by a name under /root or by its path; empty for an anonymous client.
        password: of the user `super` of the scheme digest.
        codes: name -> expression.
    """
    script = CLIENT.format(
        library=LIBRARY,
        keytab=os.path.join("/root", keytab) if keytab else "",
        servers=",".join(f"{each}:2181" for each in cluster.group("zookeeper")),
        sasl={"mechanism": "GSSAPI"} if keytab else None,
        auth=[("digest", f"super:{password}")] if password else [],
        codes=codes,
    )
    printed = cluster.shell(host, f"timeout 90 python3 -c {shlex.quote(script)} 2>/dev/null")
    return dict(json.loads(line) for line in printed.splitlines())
