"""The jar that proves a storage was built of the source beside it. That it compiles to the same bytes is tried in molecule/failover."""

from __future__ import annotations

import zipfile
from pathlib import Path

FILES = Path(__file__).parents[2] / "roles/flink_ha/files"


def test_the_jar_holds_the_source_that_stands_beside_it():
    with zipfile.ZipFile(FILES / "storage-proof.jar") as jar:
        assert jar.namelist() == ["StorageProof.class", "StorageProof.java", "javac.txt"]
        assert jar.read("StorageProof.java") == (FILES / "StorageProof.java").read_bytes(), "make storage-proof"
