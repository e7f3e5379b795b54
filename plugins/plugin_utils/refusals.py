"""What is refused in a run: each reason once, with the hosts that it concerns. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


def refusals(problems: Mapping[str, Iterable[str]]) -> list[str]:
    """The problems of all plans of a run.

    Args:
        problems: by host that was judged, in the order of the play.

    Returns:
        Each problem once, in the order of the hosts. One that not all hosts have begins with the names of those that do.
    """
    concerned: dict[str, list[str]] = {}
    for host, found in problems.items():
        for problem in found:
            concerned.setdefault(str(problem), []).append(host)
    return [_told(problem, found, problems) for problem, found in concerned.items()]


def _told(problem: str, found: list[str], judged: Collection[str]) -> str:
    # Most name their host themselves.
    if len(found) == len(judged) or any(problem.startswith(f"{host}: ") for host in judged):
        return problem
    return f"{', '.join(found)}: {problem}"
