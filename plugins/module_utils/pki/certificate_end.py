"""Until when a certificate holds, read on a host, which has no library for it but Python's own. Pure."""

from __future__ import annotations

import base64
import binascii
import datetime
import re

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
UTC_TIME, VERSION = 0x17, 0xA0


def certificate_end(pem: str) -> str:
    """When the first certificate of a PEM text that ends, does: `2027-01-31`, in UTC; empty where there is none that can be read.

    Keys in the text are passed over.
    """
    ends = []
    for found in CERTIFICATE.findall(pem):
        try:
            ends.append(_end(base64.b64decode("".join(found.split()))))
        except (binascii.Error, IndexError, ValueError):
            return ""
    return min(ends).date().isoformat() if ends else ""


def _end(der: bytes) -> datetime.datetime:
    """notAfter of a certificate (RFC 5280, 4.1): the second time of the validity in the part that is signed."""
    _tag, signed = _first(_first(der)[1])
    tag, _content = _first(signed)
    # Version (which version 1 leaves out), serial number, algorithm and issuer come before.
    for _field in range(4 if tag == VERSION else 3):
        signed = _rest(signed)
    _tag, validity = _first(signed)
    tag, content = _first(_rest(validity))
    text = content.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC)


def _bounds(der: bytes) -> tuple[int, int]:
    """Where the content of the first element begins and ends (X.690, 8.1.3)."""
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    return start, start + length


def _first(der: bytes) -> tuple[int, bytes]:
    start, end = _bounds(der)
    return der[0], der[start:end]


def _rest(der: bytes) -> bytes:
    return der[_bounds(der)[1] :]
