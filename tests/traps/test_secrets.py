"""What Ansible prints of files that hold, or held, a secret: the module as it is, on files of a test."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import subprocess
import sys

from traps.world import ROOT

OWNER = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name, "mode": "0640"}
#: What stands there, and what is to stand there: nothing of the new text is a secret.
FILES = {
    "config.yaml": ("s3.secret-key: canary-1\nrest.port: 8081\n", "rest.port: 8081\n"),
    "jaas.conf": ('Server { x required user_admin="canary-2"; };\n', "Server { x required useKeyTab=true; };\n"),
    "zoo.cfg": ("DigestAuthenticationProvider.superDigest=super:canary-3\n", "tickTime=2000\n"),
    "environment": ("export AWS_SECRET_ACCESS_KEY='canary-4'\n", "export AWS_REGION='eu'\n"),
}


def test_trap_63_no_old_secret_is_in_the_output_of_a_verbose_run_with_diff(tmp_path):
    """In place, and beside the generation of before."""
    entries = []
    for name, (old, new) in FILES.items():
        (tmp_path / name).write_text(old)
        (tmp_path / f"{name}.before").write_text(old)
        entries += [
            OWNER | {"path": str(tmp_path / name), "content": new},
            OWNER
            | {"path": str(tmp_path / f"{name}.new"), "content": new, "compare": str(tmp_path / f"{name}.before")},
        ]
    task = {"streamquorum.ha.host_files": {"entries": entries}}
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]
    (tmp_path / "play.json").write_text(json.dumps(play))
    done = subprocess.run(
        [shutil.which("ansible-playbook"), "-i", "localhost,", str(tmp_path / "play.json"), "-vvv", "--diff",
         "-e", f"ansible_python_interpreter={sys.executable}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}, check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "(secret, changed)" in output
    assert "canary" not in output
    assert [(tmp_path / name).read_text() for name in FILES] == [new for _old, new in FILES.values()]
