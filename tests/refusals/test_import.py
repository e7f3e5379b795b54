"""playbooks/import.yml in real runs: what cannot be imported is refused, and what is written is an inventory that Ansible reads."""

from __future__ import annotations

import json
import subprocess

from .outcome import refused

CONFIG = "high-availability: zookeeper\nhigh-availability.cluster-id: /x\nhigh-availability.storageDir: hdfs://ns1/x\n"


def test_an_import_of_nothing_and_of_another_file_is_refused(run, tmp_path):
    nowhere = tmp_path / "nowhere"
    refused(run(nowhere, playbook="playbooks/import.yml"), "import_config", "import_version", "are needed")
    given = ("-e", f"import_config={tmp_path}/flink-conf.yaml", "-e", "import_version=1.20.5")
    refused(run(nowhere, *given, playbook="playbooks/import.yml"), "cannot be read on the controller")
    (tmp_path / "flink-conf.yaml").write_text("nothing at all\n")
    refused(run(nowhere, *given, playbook="playbooks/import.yml"), "Is it the right file?")


def test_what_is_imported_is_an_inventory(run, tmp_path):
    (tmp_path / "flink-conf.yaml").write_text(CONFIG + "s3.secret-key: canary\n")
    (tmp_path / "masters").write_text("jm1:8081\n")
    inputs = {
        "import_config": [f"{tmp_path}/flink-conf.yaml", f"{tmp_path}/masters"],
        "import_version": "1.20.5",
        "import_output": f"{tmp_path}/hosts.yml",
    }
    code, output = run(tmp_path / "nowhere", "-e", json.dumps(inputs), playbook="playbooks/import.yml")
    assert code == 0, output
    assert "canary" not in output
    listed = subprocess.run(
        ["ansible-inventory", "-i", tmp_path / "hosts.yml", "--list"], capture_output=True, text=True, check=True
    )
    found = json.loads(listed.stdout)
    assert found["flink_jobmanager"]["hosts"] == ["jm1"]
    assert found["_meta"]["hostvars"]["jm1"]["flink_ha_cluster_id"] == "/x"
