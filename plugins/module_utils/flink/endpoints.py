"""Names and ports of JobManagers, and whether two names are of one host. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class JobManager:
    """A JobManager that the caller expects: its REST address, and another name of its host."""

    address: str
    rest_port: int
    name: str = ""

    def __str__(self) -> str:
        return endpoint(self.address, self.rest_port)


#: `resolve(host)` -> its addresses, none where it has none.
Resolve = Callable[[str], set[str]]


def endpoint(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def same_host(one: str, others: Iterable[str], resolve: Resolve) -> bool:
    """Whether `one` is among the others, by name or else by address.

    By address because a JobManager with a bind address of its own publishes that instead of its name.
    """
    names = [_plain(other) for other in others if other]
    if _plain(one) in names:
        return True
    found = resolve(_plain(one))
    return bool(found) and any(found & resolve(name) for name in names)
