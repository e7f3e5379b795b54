"""Jars of a scenario, from Maven Central, into .cache/jars/SET/. What is there with its sum already is not asked for."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache/jars"
sys.path.insert(0, str(ROOT / ".ansible/collections"))

from ansible_collections.streamquorum.ha.plugins.module_utils.release.bundle import maven_command, pom


def file_of(jar):
    _group, artifact, version = jar["artifact"].split(":")
    return CACHE / jar["set"] / f"{artifact}-{version}.jar"


def is_there(path, sha512):
    return path.exists() and hashlib.sha512(path.read_bytes()).hexdigest() == sha512


def main(lists):
    jars = [jar for each in lists for jar in yaml.safe_load(Path(each).read_text())["jars"]]
    missing = [jar for jar in jars if not is_there(file_of(jar), jar["sha512"])]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pom.xml").write_text(pom(jar["artifact"] for jar in missing))
        subprocess.run(maven_command(folder), cwd=folder, check=True)
        for jar in missing:
            path, fetched = file_of(jar), Path(folder) / file_of(jar).name
            if not is_there(fetched, jar["sha512"]):
                sys.exit(f"{jar['artifact']} has another sum than its list says.")
            path.parent.mkdir(parents=True, exist_ok=True)
            # Another scenario may be reading the old one.
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as beside:
                beside.write(fetched.read_bytes())
            os.chmod(beside.name, 0o644)
            os.replace(beside.name, path)
    print(f"fetched: {', '.join(file_of(jar).name for jar in missing)}")


if __name__ == "__main__":
    main(sys.argv[1:])
