"""Names that a product itself reads in its configuration, by release: what is misspelt, and what is dead. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

#: Name -> the first and the last minor release that reads it.
KnownNames = Mapping[str, tuple[str, str]]


def parse_known(text: str) -> dict[str, tuple[str, str]]:
    """A list of names (`files/known_*.txt` of a role): a line `name first last` each."""
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {name: (first, last) for name, first, last in lines}


def unknown_problem(
    name: str, version: str, known: KnownNames, open_prefixes: Sequence[str], what: str, product: str
) -> str:
    """Why a name is none that this release reads, or nothing.

    Args:
        name: as it is in the configuration.
        version: the release.
        known: names that the product reads.
        open_prefixes: beginnings of names that are not looked up.
        what: the sort of the name, such as option.
        product: such as Flink.
    """
    if name.startswith(tuple(open_prefixes)):
        return ""
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.8)
        return f"{name} is no {what} of {product} that this toolkit knows.{f' Did you mean {near[0]}?' if near else ''}"
    first, last = known[name]
    if _numbers(first) <= _numbers(version) <= _numbers(last):
        return ""
    span = first if first == last else f"{first} to {last}"
    return f"{name} is {_article(what)} {what} of {product} {span}, and not of {version}."


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _numbers(release: str) -> tuple[int, ...]:
    """Major and minor release."""
    return tuple(int(part) for part in release.split(".")[:2])
