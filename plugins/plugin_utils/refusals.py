"""What is refused in a run: each reason once, with the hosts that it concerns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.streamquorum.ha.plugins.plugin_utils.inputs import registered


def refusals(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], name: str) -> list[str]:
    """The problems of all plans of a run.

    Args:
        hostvars: of all hosts.
        hosts: those of the play.
        name: of the variable that holds each host's plan; one that has none was not judged, and is left out.

    Returns:
        Each problem once, in the order of the hosts. One that not all hosts have begins with the names of those that do.
    """
    plans = {host: registered(hostvars, host, name) for host in hosts}
    judged = [host for host, plan in plans.items() if plan is not None]
    concerned: dict[str, list[str]] = {}
    for host in judged:
        for problem in plans[host]["problems"]:
            concerned.setdefault(str(problem), []).append(host)
    return [_told(problem, found, judged) for problem, found in concerned.items()]


def _told(problem: str, found: list[str], judged: list[str]) -> str:
    # Most name their host themselves.
    if len(found) == len(judged) or any(problem.startswith(f"{host}: ") for host in judged):
        return problem
    return f"{', '.join(found)}: {problem}"
