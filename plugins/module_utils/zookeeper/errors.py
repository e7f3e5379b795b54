"""How a call to ZooKeeper can fail."""

from __future__ import annotations


class ClientError(Exception):
    """A call to ZooKeeper failed; the text names the call, the server and the cause."""


class ConnectionFailed(ClientError):  # noqa: N818 - says what happened
    """No connection, no session, or it was lost during the call (whether a write happened is then unknown)."""


class AuthRefused(ClientError):  # noqa: N818 - says what happened
    """The server refused who we are, or what we may do."""


class CallTimedOut(ClientError):  # noqa: N818 - says what happened
    """No answer within the time limit (whether a write happened is then unknown)."""


class LibraryMissing(ClientError):  # noqa: N818 - says what happened
    """kazoo is not there, or too old; the text says what to do."""
