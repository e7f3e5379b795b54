"""What several modules say of check mode and diff mode in the same words."""

from __future__ import annotations


class ModuleDocFragment:
    """`READS`: for a module that only reads; `NO_DIFF`: for one that has nothing to compare, and says itself what check mode does."""

    READS = r"""
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: none
    description: Changes nothing.
"""

    NO_DIFF = r"""
attributes:
  diff_mode:
    support: none
    description: Changes nothing.
"""
