"""The decoder of what a leader wrote into its node. Pure; it trusts nothing of that, since any client may have written it."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

_STREAM = b"\xac\xed\x00\x05"
_BLOCK, _LONG_BLOCK, _NULL = 0x77, 0x7A, 0x70


#: TC_OBJECT, TC_CLASSDESC, java.util.UUID, its serialVersionUID, flags and two long fields, as every JDK writes it.
#: leastSigBits comes first, in the description and so in the values.
_UUID = (
    b"\x73\x72\x00\x0ejava.util.UUID\xbc\x99\x03\xf7\x98\x6d\x85\x2f\x02\x00\x02"
    b"J\x00\x0cleastSigBitsJ\x00\x0bmostSigBits\x78\x70"
)


#: A URL of a JobManager has some tens of bytes.
_DATA_LIMIT = 64 * 1024
_ADDRESS = re.compile(
    r"(?P<scheme>https?|akka(?:\.ssl)?\.tcp|pekko(?:\.ssl)?\.tcp)://(?:[^@/\s]+@)?"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:/@\[\]]+)):(?P<port>\d{1,5})(?:/\S*)?"
)


@dataclass(frozen=True)
class LeaderInfo:
    """What a leader wrote: where it is reached, and the id of its leadership (empty where it wrote none)."""

    address: str
    host: str
    port: int
    session_id: str


def decode_leader(data: bytes) -> LeaderInfo | None:
    """The data of a leader's node; None where it is empty, which means that nobody has confirmed leadership.

    `ObjectOutputStream.writeUTF(address); writeObject(UUID)`, the same from Flink 1.3 to 2.3
    (ZooKeeperLeaderElectionService 1.3.3, ZooKeeperUtils 1.20).

    Raises:
        ValueError: it is anything else; the text says where it differs.
    """
    if not data:
        return None
    if len(data) > _DATA_LIMIT:
        raise ValueError(f"{len(data)} bytes are more than a leader writes")
    if not data.startswith(_STREAM):
        raise ValueError("not a Java serialization stream")
    block, rest = _blocks(data[len(_STREAM) :])
    if len(block) < 2 or len(block) - 2 != int.from_bytes(block[:2], "big"):
        raise ValueError(f"the address is cut short or followed by other data ({len(block)} bytes)")
    address = _modified_utf8(block[2:])
    if rest[:1] == bytes([_NULL]):
        session, tail = "", rest[1:]
    elif rest.startswith(_UUID) and len(rest) >= len(_UUID) + 16:
        least, most = rest[len(_UUID) : len(_UUID) + 8], rest[len(_UUID) + 8 : len(_UUID) + 16]
        session, tail = str(uuid.UUID(bytes=most + least)), rest[len(_UUID) + 16 :]
    else:
        raise ValueError("the leader's session id is cut short or is no java.util.UUID")
    if tail:
        raise ValueError(f"{len(tail)} bytes follow the leader's session id")
    host, port = split_address(address)
    return LeaderInfo(address, host, port, session)


def split_address(address: str) -> tuple[str, int]:
    """Host and port of a REST or RPC address (`http://h:8081`, `pekko.tcp://flink@h:6123/user/rpc/dispatcher_0`).

    Raises:
        ValueError: it is neither.
    """
    match = _ADDRESS.fullmatch(address) if address.isprintable() else None
    if not match or not 1 <= int(match["port"]) <= 65535:
        raise ValueError(f"{address[:80]!a} is no address of a JobManager")
    return match["v6"] or match["host"], int(match["port"])


def _blocks(stream: bytes) -> tuple[bytes, bytes]:
    """Contents of the leading data blocks (Java writes a new one each 1024 bytes), and what follows them."""
    content, at = b"", 0
    while at < len(stream) and stream[at] in (_BLOCK, _LONG_BLOCK):
        size = 1 if stream[at] == _BLOCK else 4
        start = at + 1 + size
        length = int.from_bytes(stream[at + 1 : start], "big")
        if len(stream) < start + length:
            raise ValueError(f"cut short: a block of {length} bytes has {max(0, len(stream) - start)}")
        content += stream[start : start + length]
        at = start + length
    return content, stream[at:]


def _modified_utf8(data: bytes) -> str:
    """Text that DataOutput.writeUTF wrote: NUL in two bytes, characters beyond the BMP as two surrogates."""
    try:
        text = data.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeError as error:
        raise ValueError("the address is not modified UTF-8") from error
