"""The module host_files, as a host runs it."""

from __future__ import annotations

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.streamquorum.ha.plugins.modules import host_files as module


def test_secrets_of_several_lines_stay_out_of_the_hosts_journal(monkeypatch, tmp_path):
    """Ansible by itself masks those of one line only: it looks for them in the arguments' repr, where a line break is none."""
    logged = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda self, msg, log_args=None: logged.append(f"{msg} {log_args}"))
    entries = [{"path": str(tmp_path / "key.pem"), "secret_content": "first canary\nsecond canary\n", "mode": "0400"}]
    with patch_module_args({"entries": entries, "_ansible_check_mode": True}), pytest.raises(SystemExit):
        module.main()
    assert len(logged) == 1
    assert str(tmp_path / "key.pem") in logged[0]
    assert "canary" not in logged[0]
