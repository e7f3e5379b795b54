"""Which texts hold a secret, by the names in them: such a text is shown to nobody. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Words in the names of secrets: those that Flink hides in its log (GlobalConfiguration.SENSITIVE_KEYS), ZooKeeper's hash of the
#: super user's password, and what environment variables are called. The tag of an application on YARN is made by these: with another list it
#: would be another application, so they stay as they are.
TAGGED_WORDS = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "credential",
    "account.key",
    "apikey",
    "api-key",
    "api_key",
    "auth-params",
    "service-key",
    "token",
    "basic-auth",
    "jaas.config",
    "http-headers",
    "superdigest",
)
#: All of them, the keys of object stores too.
SECRET_WORDS = (*TAGGED_WORDS, "azure.sas", "access-key", "access.key", "accesskey")
#: A name and the beginning of its value, in properties, YAML, JSON, JAAS and shell.
_NAMED = re.compile(r"([\w.-]+)[\"']?\s*[:=]\s*[^\s#]")
#: Users of a JAAS file with passwords are keys of their own.
_JAAS_USER = re.compile(r"user_\S+")


def names_secret(name: str, words: Sequence[str] = SECRET_WORDS) -> bool:
    """Whether what has this name is a secret."""
    return any(word in name.lower() for word in words)


def holds_secret(text: str, words: Sequence[str] = SECRET_WORDS) -> bool:
    """Whether a text has a value under the name of a secret."""
    return any(names_secret(name, words) or _JAAS_USER.fullmatch(name) is not None for name in _NAMED.findall(text))
