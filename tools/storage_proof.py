"""`make storage-proof`: builds roles/flink_ha/files/storage-proof.jar from its source beside it, the same bytes from the same source.

The jar holds its source too, so that a jar that was not built anew is found without a compiler; and the major release of javac, since another
one makes other bytes.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FILES = Path(__file__).parents[1] / "roles/flink_ha/files"
SOURCE, JAR = FILES / "StorageProof.java", FILES / "storage-proof.jar"
#: Name in the jar of what says which compiler made it.
COMPILER = "javac.txt"
#: Exit code of --check where it cannot tell.
OTHER_COMPILER = 2
#: zip cannot tell an earlier time.
EPOCH = (1980, 1, 1, 0, 0, 0)


def built(libraries: str) -> dict[str, bytes]:
    """What the jar is to hold, by name.

    Args:
        libraries: classpath of a release of Flink.

    Raises:
        subprocess.CalledProcessError: it does not compile.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = ["-g:none", "--release", "8", "-Xlint:-options", "-cp", libraries, "-d", folder]
        subprocess.run(["javac", *options, str(SOURCE)], check=True)
        compiled = {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.class"))}
    return compiled | {SOURCE.name: SOURCE.read_bytes(), COMPILER: compiler().encode()}


def compiler() -> str:
    """The compiler of this machine, such as `javac 17`."""
    told = subprocess.run(["javac", "--version"], check=True, capture_output=True, text=True).stdout
    return told.partition(".")[0].strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("libraries", help="directory lib/ of a release of Flink: of any that this toolkit installs")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit code 1 where the jar is not what the source makes, 2 where another javac made it",
    )
    given = parser.parse_args()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in built(f"{given.libraries}/*").items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    if given.check:
        with zipfile.ZipFile(JAR) as archive:
            made_by = archive.read(COMPILER).decode()
        if made_by != compiler():
            print(f"{JAR.name} was made by {made_by}, and this is {compiler()}, which makes other bytes.")
            sys.exit(OTHER_COMPILER)
        if JAR.read_bytes() != made.getvalue():
            sys.exit(f"{JAR} is not what {SOURCE.name} makes: make storage-proof.")
    else:
        JAR.write_bytes(made.getvalue())


if __name__ == "__main__":
    main()
