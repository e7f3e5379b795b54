"""What an operator should know of a host, and nobody changes by itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Above it, the kernel swaps a process out that still has its memory.
MOST_SWAPPINESS = 10


def java_hints(host: str, units: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Processes whose Java was replaced on disk since their start, as an update of its package does.

    Args:
        host: its name.
        units: what `host_state` returned.
    """
    return [
        f"{host}: {unit} runs a Java that was updated since its start. It stays until a restart: playbooks/rolling_restart.yml "
        "with rolling_restart_force=true."
        for unit, facts in sorted(units.items())
        if facts.get("java_replaced")
    ]


def memory_hints(host: str, memory: Mapping[str, Any]) -> list[str]:
    """Settings of the kernel under which a JVM stands still longer than its session may."""
    hints = []
    if memory["swap_mb"] and memory["swappiness"] > MOST_SWAPPINESS:
        hints.append(
            f"{host}: has {memory['swap_mb']} MB of swap and vm.swappiness {memory['swappiness']}. A garbage collection that swaps outlasts "
            "the session with ZooKeeper: set vm.swappiness to 1, or switch the swap off."
        )
    if memory["huge_pages"] == "always":
        hints.append(
            f"{host}: transparent huge pages are always on, which makes pauses longer and RocksDB larger: madvise leaves them to who asks "
            "(/sys/kernel/mm/transparent_hugepage/enabled)."
        )
    return hints


def certificate_lines(host: str, certificates: Mapping[str, str]) -> list[str]:
    """A line for each certificate of the host, with its end."""
    return [f"{host}: {path} holds until {end}" for path, end in sorted(certificates.items()) if end]


def status_hints(states: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[str]:
    """What `status` tells under its tables: ends of certificates and hints, each once.

    Args:
        states: by host, what `host_state` returned for each role; without units where it could not be asked.
    """
    told = []
    for host, found in sorted(states.items()):
        for state in found:
            if "units" in state:
                told += [
                    *java_hints(host, state["units"]),
                    *memory_hints(host, state["memory"]),
                    *certificate_lines(host, state["certificates"]),
                ]
    return list(dict.fromkeys(told))
