"""A storage is reached through Flink's own file system, as the user of its processes, with all that they are started with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

#: Flink's scripts know how a classpath is made; $0 has to be one of them, since they find the release by it. The name of the class is
#: that of roles/flink_ha/files/StorageProof.java.
SCRIPT = """
generation=$1; jar=$2; shift 2
if [ -e "$generation/environment" ]; then . "$generation/environment"; fi
. "$FLINK_BIN/config.sh"
exec "$JAVA_RUN" -Xmx256m $FLINK_ENV_JAVA_OPTS \
    -classpath "$jar:$(manglePathList "$(constructFlinkClassPath):$INTERNAL_HADOOP_CLASSPATHS")" StorageProof "$@"
"""
#: Lines of what is printed that are told.
TOLD = 6


class StorageError(Exception):
    """The storage is not as it should be; the text is for the operator."""


def arguments(params: Mapping[str, Any]) -> list[str]:
    """Those of StorageProof, for the validated parameters of the module."""
    text = [params["text"]] if params["verb"] == "read" else []
    return [params["verb"], params["name"], *text, *params["uris"]]


def prove(params: Mapping[str, Any]) -> str:
    """What the proof printed.

    Args:
        params: of the module, validated.

    Raises:
        StorageError: it was not as it should be, or nothing answered in time.
        OSError: the proof could not be started.
    """
    # The user reads the jar, and may change nothing here.
    with tempfile.TemporaryDirectory(prefix="streamquorum-") as folder:
        os.chmod(folder, 0o755)
        jar = os.path.join(folder, "storage-proof.jar")
        shutil.copyfile(params["jar"], jar)
        os.chmod(jar, 0o644)
        release_bin = f"{params['release_dir']}/bin"
        command = ["runuser", f"--user={params['user']}", "--", "bash", "-c", SCRIPT, f"{release_bin}/flink"]
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LC_ALL": "C.UTF-8",
            "FLINK_BIN": release_bin,
            "FLINK_CONF_DIR": params["generation"],
            **{name: str(value) for name, value in params["environment"].items()},
        }
        return _run([*command, params["generation"], jar, *arguments(params)], environment, params)


def _run(command: Sequence[str], environment: Mapping[str, str], params: Mapping[str, Any]) -> str:
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        env=dict(environment),
        cwd="/",
        start_new_session=True,
    ) as process:
        try:
            out, problem = process.communicate(timeout=params["timeout"])
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise StorageError(told(params, f"no answer within {params['timeout']} s")) from None
    if process.returncode:
        raise StorageError(
            told(params, "\n".join(problem.strip().splitlines()[-TOLD:]) or f"exit code {process.returncode}")
        )
    return out.strip().rpartition("\n")[2]


def told(params: Mapping[str, Any], reason: str) -> str:
    """The refusal."""
    verbs = {
        "write": "cannot write to",
        "read": "cannot read in",
        "remove": "cannot remove a file in",
        "find": "cannot list",
    }
    return (
        f"The user {params['user']} {verbs[params['verb']]} {', '.join(params['uris'])}, as Flink would: {reason}\n"
        'Nothing was started or restarted. docs/operations.md, "The storage", says what each file system needs.'
    )
