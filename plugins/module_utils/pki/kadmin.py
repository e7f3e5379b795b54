"""New keys from the KDC's administration server, by MIT Kerberos' kadmin on the controller."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

REMEDIES = {
    "already exists": (
        "It has a key that somebody may use, and a new one would replace it. Export it on the KDC, which keeps it: "
        "kadmin.local -q 'ktadd -norandkey -k FILE PRINCIPAL'."
    ),
    "Cannot contact any KDC": "Check kerberos_kdcs, and that port 88 of the KDC is open to the controller.",
    "Cannot resolve": "Check kerberos_kdcs and kerberos_admin_server.",
    "Communication failure": "Check kerberos_admin_server, and that its port 749 is open to the controller.",
    "Incorrect password": "Check kerberos_admin_password.",
    "Preauthentication failed": "Check kerberos_admin_password.",
    "Operation requires": "Let it in kadm5.acl of the KDC add principals and change their keys.",
    "not found in Kerberos database": "Check kerberos_admin_principal.",
}


class KadminError(Exception):
    """It made no key; the text says why, and what to do."""


@dataclass(frozen=True)
class Kadmin:
    """The administration server of a realm, as an administrator.

    Args:
        realm: of the administrator and of the keys.
        kdcs: host or host:port; empty leaves finding them to DNS.
        server: host of the administration server; empty is the first KDC.
        principal: the administrator's.
        password: the administrator's; handed over by standard input.
        limit: seconds that a request may take.
    """

    realm: str
    kdcs: Sequence[str]
    server: str
    principal: str
    password: str = field(repr=False)
    limit: float = 30.0

    def make(self, principal: str, path: Path) -> bool:
        """A new principal, with a key that nobody knows, in a keytab that this user alone reads; False where the file is there by now.

        A run that ends in the middle is finished by the next one: a mark beside the file says that the principal is its own. Of several hosts
        that ask for one file, one makes it.

        Raises:
            KadminError: the principal is there already, or kadmin did not succeed.
            OSError: the file cannot be written.
        """
        mark, made = path.with_name(f"{path.name}.asked"), path.with_name(f"{path.name}.new")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with mark.open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if missing := not path.exists():
                lock.seek(0)
                if lock.read() != principal:
                    self._ask("addprinc", "-randkey", principal)
                    lock.truncate(0)
                    lock.write(principal)
                    lock.flush()
                made.unlink(missing_ok=True)
                self._ask("ktadd", "-k", str(made), principal)
                made.chmod(0o600)
                made.rename(path)
            # Who waits for it finds the file, as does who opens another one by now.
            mark.unlink(missing_ok=True)
            return missing

    def config(self) -> str:
        """A krb5.conf for kadmin alone, so that the controller's own need not know the realm."""
        server = self.server or (self.kdcs[0].rsplit(":", 1)[0] if self.kdcs else "")
        relations = [f"  kdc = {kdc}" for kdc in self.kdcs] + ([f"  admin_server = {server}"] if server else [])
        return "\n".join(
            ["[libdefaults]", f" default_realm = {self.realm}", " rdns = false", " dns_canonicalize_hostname = false",
             " udp_preference_limit = 1", "[realms]", f" {self.realm} = {{", *relations, " }", ""]
        )  # fmt: skip

    def _ask(self, *request: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "krb5.conf"
            config.write_text(self.config())
            environment = os.environ | {"KRB5_CONFIG": str(config), "LC_ALL": "C"}
            try:
                # The first prompt is the only one that reads it.
                done = subprocess.run(
                    ["kadmin", "-p", self.principal, *request],
                    input=self.password + "\n", capture_output=True, text=True, timeout=self.limit, env=environment, check=False,
                )  # fmt: skip
            except FileNotFoundError as error:
                raise KadminError("kadmin is missing on the controller. Install krb5-user.") from error
            except subprocess.TimeoutExpired as error:
                raise KadminError(
                    f"kadmin gave no answer within {self.limit:g} s. Check kerberos_admin_server."
                ) from error
        if done.returncode:
            raise KadminError(explained(done.stderr or done.stdout))


def explained(said: str) -> str:
    """What kadmin said, with what to do about it."""
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    remedy = next((what for words, what in REMEDIES.items() if words in said), "Try it by hand with kadmin.")
    return f"{last.removesuffix('.')}. {remedy}"
