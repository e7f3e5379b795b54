"""What a service is started with, in the planner of either role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.generation import generation_digest


@dataclass(frozen=True)
class Generation:
    """Files (name -> content or secret_content, and mode) and links (name -> target)."""

    files: Mapping[str, Mapping[str, str]] = field(repr=False)
    links: Mapping[str, str]

    @property
    def digest(self) -> str:
        return generation_digest(self.content)

    @property
    def content(self) -> dict[str, Any]:
        """As the rules of module_utils/core/generation.py take it."""
        return {"files": self.files, "links": self.links}

    def text(self, name: str) -> str:
        """The content of a file, secret or not."""
        file = self.files[name]
        return file.get("content") or file["secret_content"]
