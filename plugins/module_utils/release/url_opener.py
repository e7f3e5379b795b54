"""Opens URLs with Ansible's own client, so that the machine's proxies and certificates apply."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import IO
from urllib.error import HTTPError, URLError

from ansible.module_utils.urls import ConnectionError as UrlConnectionError
from ansible.module_utils.urls import NoSSLError, SSLValidationError, open_url
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import SourceError


class UrlOpener:
    """Gives the stream of a URL; `timeout` is in seconds, for connecting and for each wait for more.

    Raises:
        SourceError: the URL cannot be had; the text says why.
    """

    def __init__(self, timeout: int) -> None:
        self._timeout = timeout

    @contextlib.contextmanager
    def __call__(self, url: str) -> Iterator[IO[bytes]]:
        try:
            response = open_url(url, timeout=self._timeout, http_agent="streamquorum")
        except HTTPError as error:
            raise SourceError(f"HTTP status {error.code} ({error.reason})") from error
        except (URLError, OSError, UrlConnectionError, SSLValidationError, NoSSLError, ValueError) as error:
            raise SourceError(f"cannot be reached: {getattr(error, 'reason', None) or error}") from error
        with response:
            yield response
