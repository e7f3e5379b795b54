"""What a process that somebody else set up is, by its command line, its configuration file and the jars that it has open. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

#: Product -> jar with its release, which a process that runs it has open.
JARS = {"flink": r"flink-dist(?:_[\d.]+)?-(\d[\w.+-]*)\.jar", "zookeeper": r"zookeeper-(\d[\w.+-]*)\.jar"}
#: Main class of a server of ZooKeeper, of its own release and of Flink's -> the word before the path of its configuration file
#: (QuorumPeerMain.main; bin/zookeeper.sh of Flink).
SERVERS = {
    "org.apache.zookeeper.server.quorum.QuorumPeerMain": "org.apache.zookeeper.server.quorum.QuorumPeerMain",
    "org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer": "--zkConfigFile",
}


def releases(paths: Iterable[str]) -> dict[str, str]:
    """The release of each product that a process runs; none of a product that it has not open, or in two releases.

    Args:
        paths: of the files that it has open, as the kernel names them.
    """
    names = [os.path.basename(path.removesuffix(" (deleted)")) for path in paths]
    found = {
        product: {match[1] for name in names if (match := re.fullmatch(pattern, name))}
        for product, pattern in JARS.items()
    }
    return {product: each.pop() for product, each in found.items() if len(each) == 1}


def server_config(words: Sequence[str], directory: str) -> str:
    """Path of the zoo.cfg that a server was started with; empty for another process, and for one that nobody else could find.

    Args:
        words: of its command line.
        directory: the one that it works in.
    """
    before = next((word for name, word in SERVERS.items() if name in words), "")
    given = words[words.index(before) + 1] if before in words[:-1] else ""
    path = os.path.normpath(os.path.join(directory, given)) if given else ""
    return path if os.path.isabs(path) else ""


def config_dir(words: Sequence[str]) -> str:
    """The directory that a command line names (`--configDir`); empty where it names none that another process could find."""
    given = words[words.index("--configDir") + 1] if "--configDir" in words[:-1] else ""
    return os.path.normpath(given) if given.startswith("/") else ""


def read_files(words: Sequence[str], files: Mapping[str, str]) -> list[str]:
    """Names of the files that such a process may read, in their order.

    Args:
        words: of its command line.
        files: names; with a pattern, one that is not read where a word has that.
    """
    return [
        name for name, pattern in files.items() if not pattern or not any(re.search(pattern, word) for word in words)
    ]


def settings(words: Sequence[str]) -> list[str]:
    """The settings of a command line (`-D key=value`) as lines of a file."""
    pairs = [words[index + 1] for index, word in enumerate(words[:-1]) if word == "-D"]
    # Java's own stand before its main class.
    behind = words[words.index("--configDir") :] if "--configDir" in words else []
    pairs += [word[2:] for word in behind if word.startswith("-D") and len(word) > 2]
    return [f"{key}: {value}" for key, equals, value in (pair.partition("=") for pair in pairs) if equals]


def dotted(text: str) -> list[str]:
    """The settings of a file of `key: value` lines as such lines with whole keys, where some stand below others (YAML), without quotation
    marks and comments. What is neither, such as the items of a list, is left out."""
    found: list[str] = []
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = re.match(r"^( *)([^\s:#'\"-][^\s:]*):(?: +(.*))?$", re.sub(r"(^|\s)#.*$", "", line).rstrip())
        if match:
            indent, value = len(match[1]), (match[3] or "").strip().strip("'\"")
            above = [each for each in above if each[0] < indent]
            key = ".".join([name for _indent, name in above] + [match[2]])
            found += [f"{key}: {value}"] if value else []
            above += [] if value else [(indent, match[2])]
    return found
