"""What a JVM writes besides the logs of its program: garbage collection, a heap that was full, a crash of its own. Pure.

Each has a bound: the log of the collection rotates, and the other two have fixed names. A heap dump is as large as the heap, and Java
writes none over another, so that the first one stays until somebody takes it away. The report of a crash is written over the last one.
"""

from __future__ import annotations

import re

#: -Xlog parts its fields at colons, and Flink's scripts split Java's options at spaces.
DIRECTORY = re.compile(r"^/[A-Za-z0-9_./@,+-]*$")
#: Files that a rotation may have: -Xlog's own limit; with none it would not rotate at all.
LEAST_FILES, MOST_FILES = 1, 1000


def options(major: int, directory: str, name: str, max_mb: int, files: int, heap_dump: bool) -> list[str]:
    """Java options that put these files into a directory.

    Args:
        major: release of Java: 8 has other options for the log of the collection, and newer ones do not start with them.
        directory: of the logs.
        name: how the files' names begin.
        max_mb: size in MB at which the log of the collection is rotated.
        files: old ones of it that stay.
        heap_dump: whether the heap is written where it is full.
    """
    base, kept = f"{directory}/{name}", min(max(files, LEAST_FILES), MOST_FILES)
    if major <= 8:
        collection = [
            f"-Xloggc:{base}-gc.log",
            "-XX:+PrintGCDetails",
            "-XX:+PrintGCDateStamps",
            "-XX:+UseGCLogFileRotation",
            f"-XX:NumberOfGCLogFiles={kept}",
            f"-XX:GCLogFileSize={max_mb}M",
        ]
    else:
        collection = [f"-Xlog:gc*:file={base}-gc.log:time,uptime,level,tags:filecount={kept},filesize={max_mb}m"]
    dump = ["-XX:+HeapDumpOnOutOfMemoryError", f"-XX:HeapDumpPath={base}.hprof"] if heap_dump else []
    return [*collection, *dump, f"-XX:ErrorFile={base}-hs_err.log"]


def directory_problems(directory: str, variable: str) -> list[str]:
    """Refuses a directory that Java could not be given."""
    if DIRECTORY.match(directory):
        return []
    return [
        f"{variable} is {directory!r}, which Java's options cannot name. Write an absolute path of letters, digits and ._/@,+- only."
    ]
