"""`make known-keys`: collects roles/zookeeper/files/known_keys.txt from ZooKeeper's own jars, one of each minor release.

What a server does not know in zoo.cfg it takes for a Java property, zookeeper.KEY (QuorumPeerConfig.parseProperties). So its keys are those
that this class compares with, and the properties of that name that any class of the jar reads: all of them are texts in its constants.
"""

from __future__ import annotations

import argparse
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

FILE = Path(__file__).parents[1] / "roles/zookeeper/files/known_keys.txt"
JAR = re.compile(r"zookeeper-(\d+\.\d+)\.\d+\.jar")
PARSER = "org/apache/zookeeper/server/quorum/QuorumPeerConfig.class"
#: Names of TLS are put together, of a beginning for clients or for members and an end that stands there; beside properties of Java's own.
TLS, TLS_BEGINNINGS = (
    re.compile(r"org/apache/zookeeper/common/(Client|Quorum)?X509Util\.class"),
    ("ssl.", "ssl.quorum."),
)
TLS_END = re.compile(r"(?!(?:com|java|jdk)\.|ocsp\.enable$|true$|false$)[a-z][A-Za-z.]+")
#: Values of keys, and beginnings of keys with a number.
NO_KEYS = {"true", "false", "observer", "participant", "version", "group", "weight"}
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
#: Length of each kind of constant of a class file, without its tag (Java Virtual Machine Specification, 4.4).
LENGTHS = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
UTF8, STRING, WIDE = 1, 8, (5, 6)
HEAD = """\
# Keys of zoo.cfg that ZooKeeper itself reads, each with the first and the last minor release of vars/main/releases.yml that does. The first one
# there means: that one or before. Collected from the releases themselves by `make known-keys`.
"""


def texts(content: bytes) -> Iterator[str]:
    """Texts of a class: literals, not the names of its methods."""
    (count,) = struct.unpack_from(">H", content, 8)
    place, number = 10, 1
    found: dict[int, str] = {}
    literals = []
    while number < count:
        tag = content[place]
        if tag == UTF8:
            (length,) = struct.unpack_from(">H", content, place + 1)
            found[number] = content[place + 3 : place + 3 + length].decode(errors="replace")
            place += 3 + length
        else:
            if tag == STRING:
                literals.append(struct.unpack_from(">H", content, place + 1)[0])
            place += 1 + LENGTHS[tag]
        number += 2 if tag in WIDE else 1
    return (found[each] for each in literals)


def collected(jar: Path) -> set[str]:
    """Keys that a release has."""
    keys: set[str] = set()
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if not name.endswith(".class"):
                continue
            for text in texts(archive.read(name)):
                if text.startswith("zookeeper."):
                    keys.add(text.removeprefix("zookeeper."))
                elif name == PARSER:
                    keys.add(text)
                elif TLS.fullmatch(name) and TLS_END.fullmatch(text):
                    keys |= {f"{beginning}{text}" for beginning in TLS_BEGINNINGS}
    return {key for key in keys if KEY.fullmatch(key) and not key.startswith("org.")} - NO_KEYS


def lines(releases: Mapping[str, set[str]]) -> list[str]:
    """The table, from the keys of each minor release, the oldest first."""
    every = sorted({key for keys in releases.values() for key in keys})
    known = {key: [release for release, keys in releases.items() if key in keys] for key in every}
    return [f"{key} {found[0]} {found[-1]}" for key, found in known.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("jars", nargs="+", type=Path, help="zookeeper-VERSION.jar of each minor release")
    named = {found[1]: path for path in parser.parse_args().jars if (found := JAR.fullmatch(path.name))}
    releases = {
        minor: collected(named[minor]) for minor in sorted(named, key=lambda each: [*map(int, each.split("."))])
    }
    FILE.write_text(HEAD + "\n".join(lines(releases)) + "\n")


if __name__ == "__main__":
    main()
