"""`make known-options`: collects roles/flink_ha/files/known_options.txt from the releases themselves, those of the table, by their bundle.

It ends with an error where the table names another ZooKeeper server than a release brings.

Each class of options is loaded, and its constants are read, so that what is told is what the release compares a key with.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
ROLE = ROOT / "roles/flink_ha"
BUNDLE = ROOT / ".bundle"
#: What a key of the configuration looks like. Without a dot there are few, and formats and connectors of tables have such names as well.
KEY = re.compile(r"^[a-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+$")
SINGLE = {"high-availability", "restart-strategy"}
#: Constants that are still in the classes, and that nothing reads any more: the last minor release in which they counted.
#: FLINK-22636 made the sub-paths of ZooKeeper fixed ones, FLINK-23118 ended Mesos, FLINK-25430 the registry of running jobs.
DEAD = {
    **dict.fromkeys(("latch", "leader", "checkpoints", "checkpoint-counter", "mesos-workers"), "1.13"),
    "running-registry": "1.14",
}
#: The server of releases whose row names none: it is not started.
OLD_SERVER = "3.4.14"
HEAD = """\
# Options that Flink itself reads, each with the first and the last minor release of vars/main/releases.yml that does, for the refusal of
# misspelt and dead keys. The first one there means: that one or before. Collected from the releases themselves by `make known-options`.
"""


def minor(version: str) -> str:
    return version.rpartition(".")[0]


def collected(version: str, classes: str) -> tuple[set[str], str]:
    """Keys that a release has, and the ZooKeeper server in its archive.

    Args:
        version: the release, whose archive is in the bundle.
        classes: directory of the compiled collector.

    Raises:
        FileNotFoundError: the archive is not there.
        subprocess.CalledProcessError: it cannot be read.
    """
    archive = next(BUNDLE.glob(f"flink-{version}-bin*.tgz"), None)
    if archive is None:
        raise FileNotFoundError(
            f"{BUNDLE} has no Flink {version}: fill it with playbooks/bundle.yml -e bundle_contents=…"
        )
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "-xzf", archive, "-C", folder, "--wildcards", "*/lib/*.jar"], check=True)
        command = ["java", "-cp", classes, "KnownOptions", f"{folder}/flink-{version}/lib"]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    *keys, server = printed.split()
    return {key for key in keys if KEY.match(key) or key in SINGLE}, server.removeprefix("server=")


def spans(keys: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, str]]:
    """The first and the last release of each key, of the keys by release, the oldest first."""
    found: dict[str, tuple[str, str]] = {}
    for release, names in keys.items():
        for name in names:
            found[name] = (found.get(name, (release, ""))[0], release)
    order = list(keys)
    for name, (first, last) in found.items():
        part = re.match(r"(?:high-availability|recovery)\.zookeeper\.path\.(.+)", name)
        if part and part[1] in DEAD:
            found[name] = (first, min(last, DEAD[part[1]], key=order.index))
    return found


def main() -> None:
    table = yaml.safe_load((ROLE / "vars/main/releases.yml").read_text())["flink_ha_releases"]
    # The newest of each minor release, the oldest first.
    newest = {minor(each["version"]): each["version"] for each in reversed(table)}
    keys = {}
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-d", classes, ROOT / "tools/KnownOptions.java"], check=True)
        for release, version in newest.items():
            keys[release], server = collected(version, classes)
            print(f"{version}: {len(keys[release])} options, ZooKeeper {server}", file=sys.stderr)
            told = next(each for each in table if each["version"] == version).get("zookeeper_server", OLD_SERVER)
            if told != server:
                raise SystemExit(
                    f"vars/main/releases.yml says ZooKeeper {told} of Flink {version}, which brings {server}."
                )
    lines = [f"{name} {first} {last}\n" for name, (first, last) in sorted(spans(keys).items())]
    (ROLE / "files/known_options.txt").write_text(HEAD + "".join(lines))


if __name__ == "__main__":
    main()
