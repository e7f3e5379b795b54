"""What is said of kadmin's refusals, recorded from krb5 1.20.1; that it makes keys is shown against a real one (molecule/kerberos)."""

from __future__ import annotations

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.pki.kadmin import Kadmin, explained


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            'add_principal: Principal or policy already exists while creating "flink@A.TEST".\n',
            "would replace it. Export it on the KDC",
        ),
        ("kadmin: Incorrect password while initializing kadmin interface\n", "Check kerberos_admin_password."),
        ("kadmin: Cannot contact any KDC for requested realm while initializing kadmin interface", "port 88"),
        ("", "it said nothing. Try it by hand"),
    ],
)
def test_a_refusal_is_told_with_its_remedy(said, words):
    assert words in explained(said)


def test_the_first_kdc_administers_unless_another_is_named():
    given = {"realm": "A.TEST", "kdcs": ["kdc:88", "other"], "principal": "admin/admin", "password": "secret"}
    assert "admin_server = kdc\n" in Kadmin(server="", **given).config()
    assert "admin_server = adm\n" in Kadmin(server="adm", **given).config()
    assert "kdc = kdc:88\n" in Kadmin(server="", **given).config()
    assert "admin_server" not in Kadmin(server="", **given | {"kdcs": []}).config()


def test_the_password_is_in_no_text_of_it():
    assert "secret" not in repr(Kadmin("A.TEST", [], "", "admin/admin", "secret"))


def test_a_key_that_another_host_has_made_meanwhile_is_not_made_again(tmp_path):
    """Nobody is asked: the server is none."""
    (tmp_path / "flink.keytab").touch()
    assert Kadmin("A.TEST", [], "", "admin/admin", "secret").make("flink@A.TEST", tmp_path / "flink.keytab") is False
