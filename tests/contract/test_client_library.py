"""The client library of ZooKeeper is lent to a host that has none yet: real runs, on a Python without it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: By module: what it is asked, beside the ensemble.
ASKS = {"leader_znode": "path_root=/flink cluster_id=/none", "znode_elections": "limit=1"}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    venv.create(folder, with_pip=False)
    path = str(folder / "bin/python")
    assert subprocess.run([path, "-c", "import kazoo"], capture_output=True, check=False).returncode == 1
    return path


@pytest.mark.parametrize(("name", "pipelining"), [("leader_znode", "False"), ("znode_elections", "True")])
def test_a_host_without_the_client_library_asks_with_one_that_it_is_lent(name, pipelining, python, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{free.getsockname()[1]}"
    arguments = f"servers={server} timeout=1 kazoo_path={tmp_path}/none.zip {ASKS[name]}"
    command = [Path(sys.executable).parent / "ansible", "localhost", "-i", "localhost,", "-c", "local"]
    done = subprocess.run(
        [*command, "-m", f"streamquorum.ha.{name}", "-a", arguments, "-e", f"ansible_python_interpreter={python}"],
        env=os.environ | {"ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"), "ANSIBLE_PIPELINING": pipelining},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # It came as far as the server, and nobody is there.
    assert server in done.stdout, done.stdout + done.stderr
    assert "cannot be imported" not in done.stdout, done.stdout
    # What was lent is gone.
    assert [path for path in (tmp_path / "remote").rglob("*") if path.is_file()] == []
