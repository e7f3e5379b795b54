"""What a run that stops leaves behind: files without secrets. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

#: The value behind a key that names a secret, in properties, YAML, JSON, JAAS and command lines.
SECRET = re.compile(
    r"(?i)([\w.-]*(?:password|passwd|passphrase|secret|token|credential)[\w.-]*[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;]+)"
)


def masked(text: str) -> str:
    """The text with the values of keys that name secrets left out."""
    return SECRET.sub(r"\1***", text)


def files(journals: Iterable[Mapping[str, Any]], failure: str, verdict: str) -> list[dict[str, str]]:
    """Names and contents of the files of a run that stops, without secrets.

    Args:
        journals: results of a loop over the members.
        failure: why it stops.
        verdict: what the ensemble answered at last.
    """
    found = [{"name": "failure.txt", "content": failure}, {"name": "verdict.json", "content": verdict}]
    return [{**each, "content": masked(each["content"])} for each in [*found, *map(journal_file, journals)]]


def journal_file(result: Mapping[str, Any]) -> dict[str, str]:
    """A member's journal as a file: name and content, from the result of a loop over the members."""
    name = re.sub(r"[^\w.@-]+", "_", f"{result['item']['host']}-{result['item']['unit']}")
    return {"name": f"{name}.log", "content": str(result.get("stdout") or result.get("msg") or "") + "\n"}


def journal_tail(result: Mapping[str, Any], count: int = 12) -> list[str]:
    """The last lines of a member's journal for the screen, without secrets."""
    lines = masked(str(result.get("stdout") or result.get("msg") or "")).splitlines()
    return [f"{result['item']['name']}: the end of its journal", *(f"  {line[:240]}" for line in lines[-count:])]
