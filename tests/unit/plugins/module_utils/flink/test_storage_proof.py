"""The proof of a storage: how it is started, and what is told of its end. What it finds is tried in molecule/storage."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import storage_proof

PARAMS = {
    "verb": "write", "name": ".proof", "uris": ["hdfs://ns1/flink"], "text": "", "generation": "/etc/flink/g", "kind": "jobmanager",
    "user": "flink", "timeout": 10,
}  # fmt: skip


@pytest.fixture
def given(tmp_path, monkeypatch):
    """In place of runuser, a script of the test, which gets the same arguments."""
    jar = tmp_path / "sent.jar"
    jar.write_bytes(b"a jar")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def script(shell, /, **params):
        path = tmp_path / "runuser"
        path.write_text(f"#!/bin/bash\n{shell}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return PARAMS | {"jar": str(jar)} | params

    return script


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("Setting HADOOP_CONF_DIR=x\\nstreamquorum-proof: a-token\\nWARN at the end", ["a-token"]),
        # Nothing was found, whatever else is printed: what is not told is no file of a job.
        ("Setting HADOOP_CONF_DIR=x\\nstreamquorum-proof: hdfs://ns1/x\\nstreamquorum-proof: ", ["hdfs://ns1/x", ""]),
        ("Setting HADOOP_CONF_DIR=x", []),
    ],
)
def test_only_what_the_proof_itself_says_is_told(given, printed, told):
    assert storage_proof.prove(given(f"printf '{printed}\\n'")) == told


def test_it_runs_as_the_services_user_with_its_generation(given, tmp_path):
    seen = tmp_path / "seen"
    text = f'printf "%s\\n" "$@" > {seen}; cat "${{*:7:1}}" >> {seen}; stat -c "%a %A" "${{@:9:1}}" >> {seen}'
    storage_proof.prove(given(text, verb="read", text="a-token"))
    lines = Path(seen).read_text().splitlines()
    assert lines[:4] == ["--user=flink", "--", "bash", "-c"]
    assert "/etc/flink/g/release/bin/flink" in lines
    assert lines[lines.index("read") :][:4] == ["read", ".proof", "a-token", "hdfs://ns1/flink"]
    assert "644 -rw-r--r--" in lines, "the user reads the jar"


@pytest.fixture
def generation(tmp_path):
    """One with scripts of the test in place of Flink's, which say what Java is started with."""
    made, scripts = tmp_path / "generation", tmp_path / "generation/release/bin"
    scripts.mkdir(parents=True)
    (made / "environment").write_text("export AWS_REGION=here\n")
    (made / "start").write_text(
        "export HADOOP_CLASSPATH='/opt/h/*'\nexport JVM_ARGS=-Xlog:gc\nexport FLINK_PID_DIR=$RUNTIME_DIRECTORY\n"
    )
    (tmp_path / "java").write_text(
        '#!/bin/sh\nprintf "streamquorum-proof: %s\\n" "$*" "$AWS_REGION $HADOOP_CLASSPATH $FLINK_CONF_DIR"\n'
    )
    (tmp_path / "java").chmod(0o755)
    (scripts / "config.sh").write_text(
        f'echo noise; JAVA_RUN={tmp_path}/java; FLINK_ENV_JAVA_OPTS="-Da=1 -javaagent:x.jar=9404 -Xmx9g"\n'
        'FLINK_ENV_JAVA_OPTS_JM="-Djm=1 -Dcom.sun.management.jmxremote.port=1"; FLINK_ENV_JAVA_OPTS_TM=-Dtm=1\n'
        "manglePathList() { echo $1; }; constructFlinkClassPath() { echo lib; }\n"
    )
    return made


@pytest.mark.parametrize(("kind", "own"), [("jobmanager", "-Djm=1"), ("taskmanager", "-Dtm=1")])
def test_java_is_started_as_the_service_is_and_takes_no_port_of_it(given, generation, kind, own):
    """Its script runs here as it is; only the change of the user is left out."""
    command, seen = storage_proof.prove(given('shift 2; exec "$@"', generation=str(generation), kind=kind))
    assert command.startswith(f"-Xmx256m -Da=1 {own} -classpath ")
    assert command.endswith("StorageProof write .proof hdfs://ns1/flink")
    assert seen == f"here /opt/h/* {generation}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo 'no file system' >&2; exit 1", "no file system"),
        ("exit 3", "exit code 3"),
        ("exec sleep 60", "no answer within 1 s"),
    ],
)
def test_trap_71_a_storage_that_is_not_reached_is_refused_in_words(given, text, told):
    with pytest.raises(storage_proof.StorageError, match=told) as raised:
        storage_proof.prove(given(text, timeout=1 if "sleep" in text else 10))
    assert "The user flink cannot write to hdfs://ns1/flink, as Flink would" in str(raised.value)


@pytest.mark.parametrize("verb", ["uploads", "unload"])
def test_uploads_are_asked_for_by_the_ids_of_their_applications(verb):
    asked = {**PARAMS, "verb": verb, "applications": ["application_1_0001", "application_1_0002"]}
    assert storage_proof.arguments(asked, "/nowhere") == [verb, "application_1_0001", "application_1_0002"]
    assert "what was uploaded for application_1_0001, application_1_0002" in storage_proof.told(asked, "it said so")
