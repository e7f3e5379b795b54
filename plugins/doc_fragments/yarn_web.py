"""By what the web of YARN is asked, in the words of all modules that do."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  keytab:
    description: Keytab of the user, for a web of YARN that asks for Kerberos; empty where there is none.
    type: path
    default: ""
  principal:
    description: Whose key is in it.
    type: str
    default: ""
"""
