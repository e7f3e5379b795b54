"""A storage is reached through Flink's own file system, as the user of its processes, with all that they are started with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

#: What the generation's own start script exports, but for what a service has for itself alone. Flink's scripts know how a classpath is
#: made; $0 has to be one of them, since they find the release by it. Of the options for Java those are left out that would take a port or
#: write a file beside the service that runs, and sizes. The name of the class is that of roles/flink_ha/files/StorageProof.java.
SCRIPT = r"""
generation=$1; kind=$2; jar=$3; shift 3
if [ -e "$generation/environment" ]; then . "$generation/environment"; fi
eval "$(grep -E '^export (JAVA_HOME|HADOOP_CLASSPATH|HADOOP_CONF_DIR|FLINK_LIB_DIR|FLINK_PLUGINS_DIR|FLINK_LOG_DIR)=' "$generation/start")"
export FLINK_CONF_DIR="$generation"
. "$generation/release/bin/config.sh"
case $kind in jobmanager) own=$FLINK_ENV_JAVA_OPTS_JM ;; *) own=$FLINK_ENV_JAVA_OPTS_TM ;; esac
options=()
for option in $FLINK_ENV_JAVA_OPTS $own; do
    case $option in
        -javaagent:* | -agent* | -Dcom.sun.management.* | -Xlog* | -Xm* | -XX:StartFlightRecording*) ;;
        *) options+=("$option") ;;
    esac
done
exec "$JAVA_RUN" -Xmx256m "${options[@]}" \
    -classpath "$jar:$(manglePathList "$(constructFlinkClassPath):$INTERNAL_HADOOP_CLASSPATHS")" StorageProof "$@"
"""
#: What is told stands behind it: Flink's scripts, Java and the log print too.
MARK = "streamquorum-proof: "
#: Verb -> what the user cannot do, where it goes wrong.
VERBS = {
    "write": "cannot write to",
    "read": "cannot read in",
    "remove": "cannot remove a file in",
    "find": "cannot list",
    "keep": "cannot write to",
    "kept": "cannot list",
    "purge": "cannot remove",
    "uploads": "cannot look for",
    "unload": "cannot remove",
}
#: Of them, those of a run that starts nothing.
CLEANING = ("keep", "kept", "purge", "uploads", "unload")
#: And those that are about what Flink has uploaded to YARN.
UPLOADS = ("uploads", "unload")
#: Last lines of what was printed, where nothing was told.
TOLD = 6


class StorageError(Exception):
    """The storage is not as it should be; the text is for the operator."""


def arguments(params: Mapping[str, Any], file: str) -> list[str]:
    """Those of StorageProof, for the validated parameters of the module.

    Args:
        params: of the module.
        file: that has the text, where it is too long for an argument.
    """
    if params["verb"] in UPLOADS:
        return [params["verb"], *params["applications"]]
    text = {"read": [params["text"]], "keep": [file]}.get(params["verb"], [])
    return [params["verb"], params["name"], *text, *params["uris"]]


def prove(params: Mapping[str, Any]) -> list[str]:
    """What the proof told.

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
        text = os.path.join(folder, "text")
        with open(text, "w", encoding="utf-8") as handle:
            os.fchmod(handle.fileno(), 0o644)
            handle.write(params["text"] if params["verb"] == "keep" else "")
        generation = params["generation"]
        command = ["runuser", f"--user={params['user']}", "--", "bash", "-c", SCRIPT, f"{generation}/release/bin/flink"]
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}
        return _run([*command, generation, params["kind"], jar, *arguments(params, text)], environment, params)


def _run(command: Sequence[str], environment: Mapping[str, str], params: Mapping[str, Any]) -> list[str]:
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
        last = "\n".join(problem.strip().splitlines()[-TOLD:])
        raise StorageError(told(params, "\n".join(marked(problem)) or last or f"exit code {process.returncode}"))
    return marked(out)


def marked(printed: str) -> list[str]:
    """Lines that the proof itself told."""
    return [line.removeprefix(MARK) for line in printed.splitlines() if line.startswith(MARK)]


def kept(told: Sequence[str]) -> list[dict[str, Any]]:
    """Applications with something that is kept, and when it was written, from lines of the proof."""
    found = [line.partition(" ") for line in told]
    return [{"application": application, "written": int(written)} for written, _space, application in found]


def told(params: Mapping[str, Any], reason: str) -> str:
    """The refusal."""
    what = ", ".join(params["uris"]) or "its storage"
    if params["verb"] in UPLOADS:
        what = f"what was uploaded for {', '.join(params['applications'])}"
    problem = f"The user {params['user']} {VERBS[params['verb']]} {what}, as Flink would: {reason}"
    if params["verb"] in CLEANING:
        return problem
    return (
        f"{problem}\n"
        'Nothing was started or restarted. docs/operations.md, "The storage", says what each file system needs.'
    )
