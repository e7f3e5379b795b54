"""The golden digests are measured in the stand-in world of tests/traps."""

from __future__ import annotations

from traps.conftest import collections

__all__ = ["collections"]
