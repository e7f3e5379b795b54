"""What a keytab holds (MIT Kerberos, "The Kerberos Keytab Binary File Format", version 5.2). Pure; no key is kept."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

#: Of the package krb5-user; the role kerberos looks for it there, too.
KINIT = "/usr/bin/kinit"
CONFIG = "/etc/krb5.conf"


class KeytabError(Exception):
    """Not a keytab; the text says why."""


@dataclass(frozen=True, order=True)
class Entry:
    """One key: of whom, which version, when it was written (seconds since 1970)."""

    principal: str
    version: int
    timestamp: int


def parse(data: bytes) -> list[Entry]:
    """The entries of a keytab.

    Raises:
        KeytabError: it is none, or it ends in the middle of an entry.
    """
    if data[:2] != b"\x05\x02":
        raise KeytabError("it does not begin as a keytab does (05 02)")
    try:
        return list(_entries(data))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise KeytabError("it ends in the middle of an entry") from error


def _entries(data: bytes) -> Iterator[Entry]:
    position = 2
    while position < len(data):
        (size,) = struct.unpack_from(">i", data, position)
        position += 4
        # A negative size is a hole that a deleted entry left.
        if size > 0:
            if position + size > len(data):
                raise IndexError
            yield _entry(data[position : position + size])
        position += abs(size)


def _entry(data: bytes) -> Entry:
    (count,) = struct.unpack_from(">H", data, 0)
    texts, position = [], 2
    for _number in range(count + 1):
        (length,) = struct.unpack_from(">H", data, position)
        texts.append(data[position + 2 : position + 2 + length].decode())
        position += 2 + length
    realm, names = texts[0], texts[1:]
    _name_type, timestamp, version = struct.unpack_from(">IIB", data, position)
    position += 9
    _encryption, key_length = struct.unpack_from(">HH", data, position)
    position += 4 + key_length
    # Versions above 255 stand behind the key.
    if len(data) - position >= 4:
        version = struct.unpack_from(">I", data, position)[0] or version
    return Entry(f"{'/'.join(names)}@{realm}", version, timestamp)


def problems(data: bytes, principal: str, what: str) -> list[str]:
    """Why a keytab does not serve a principal; empty where it does.

    Args:
        data: the file.
        principal: name@REALM or name/host@REALM.
        what: how the file is called in the text.
    """
    try:
        found = {entry.principal for entry in parse(data)}
    except KeytabError as error:
        return [f"{what} is no keytab: {error}. Export it anew (kadmin: ktadd -k FILE {principal})."]
    if principal not in found:
        return [
            f"{what} has no key of {principal}; it has {', '.join(sorted(found)) or 'none at all'}. Export the right one "
            f"(kadmin: ktadd -k FILE {principal})."
        ]
    return []
