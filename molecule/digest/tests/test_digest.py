"""An ensemble that is closed by passwords: who is refused, and where the passwords are not. In the order of the file."""

from __future__ import annotations

import json
import subprocess

import cluster
import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from workload import writing

HOSTS = cluster.group("zookeeper")
OFFERED = {"zookeeper_client_auth": "offered", "zookeeper_quorum_auth": "offered"}
LEARNERS = {"zookeeper_client_auth": "required", "zookeeper_quorum_auth": "learners"}
CLOSED = {"zookeeper_client_auth": "required", "zookeeper_quorum_auth": "required"}


def run(variables, *arguments):
    return cluster.playbook("playbooks/zookeeper.yml", "-e", json.dumps(variables), *arguments)


def answered(password="", user="app"):
    """Whether a client is answered: with a password, or without one anonymously."""
    sasl = {"mechanism": "DIGEST-MD5", "username": user, "password": password} if password else None
    servers = ",".join(f"{cluster.address(host)}:2181" for host in HOSTS)
    client = KazooClient(servers, timeout=6, sasl_options=sasl, connection_retry={"max_tries": 2})
    try:
        client.start(timeout=10)
        return bool(client.get_children("/"))
    except (KazooException, client.handler.timeout_exception):
        return False
    finally:
        client.stop()
        client.close()


def test_closed_step_by_step_under_writes(tmp_path):
    with writing() as result:
        code, output = run(OFFERED)
        assert code == 0, output
    assert set(result["acknowledged"]) <= result["found"], "acknowledged writes are missing"
    assert not result["lost"]
    assert answered()
    # Where nobody asks for it yet, members may be given another one.
    code, output = run(OFFERED | {"zookeeper_quorum_password": "canary-before"})
    assert code == 0, output
    code, output = run(OFFERED)
    assert code == 0, output
    for stage in (LEARNERS, CLOSED):
        code, output = run(stage, "-e", "availability_probe=true", "-e", f"rolling_diagnostics_dir={tmp_path}")
        assert code == 0, output
    for path in tmp_path.glob("*/availability.json"):
        assert json.loads(path.read_text())["probe"]["problems"] == []


def test_an_operators_shell_may_do_what_it_likes():
    made = "zkcli create /by-hand mine sasl:streamquorum:r > /dev/null 2>&1; zkcli get /by-hand 2> /dev/null"
    assert cluster.shell(HOSTS[0], made).splitlines()[-1] == "mine"
    assert (
        cluster.shell(HOSTS[1], "zkcli delete /by-hand 2>&1; zkcli ls / 2> /dev/null").splitlines()[-1] == "[zookeeper]"
    )
    assert "sudo zkcli" in cluster.shell(HOSTS[0], "runuser -u zookeeper -- zkcli ls / 2>&1 || true")


def test_who_is_refused():
    assert answered("canary-app")
    assert not answered("wrong")
    assert not answered()
    lines = "does not match with any of the expected authentication scheme [sasl], closing session"
    assert any(lines in cluster.shell(host, "journalctl -u zookeeper -o cat") for host in HOSTS)


@pytest.mark.parametrize("arguments", [("--check",), ()], ids=["--check", "for good"])
def test_no_password_shows(arguments):
    """In what a run prints, on a command line, in the journal, in the logs, or in a file that others may read."""
    changed = CLOSED | {"zookeeper_client_users": {"app": "canary-app", "more": "canary-more"}}
    code, output = run(changed, "--diff", "-vvv", *arguments)
    assert code == 0, output
    assert not [line for line in output.splitlines() if "canary" in line]
    for host in HOSTS:
        # Its own command line has the word, too.
        word = "canar[y]"
        assert not cluster.shell(host, f"grep -ls {word} /proc/[0-9]*/cmdline || true")
        assert not cluster.shell(host, f"grep -rls {word} /var/log/zookeeper /etc/systemd /run/systemd || true")
        assert not cluster.shell(host, f"journalctl --no-pager -o cat | grep {word} || true")
        readable = f"find /etc /opt /run /var /tmp -xdev -type f -perm /004 -exec grep -ls {word} {{}} + || true"
        assert not cluster.shell(host, readable)
        # The search finds what is there.
        holders = "/etc/zookeeper/current/jaas.conf /etc/streamquorum/zookeeper-client.j*"
        assert len(cluster.shell(host, f"grep -ls {word} {holders}").splitlines()) == 3


def test_diagnostics_show_no_password(tmp_path):
    wrong = CLOSED | {"zookeeper_config_extra": {"fips-mode": False, "electionAlg": 1}}
    code, output = run(wrong, "-e", f"rolling_diagnostics_dir={tmp_path}")
    assert code != 0, output
    files = list(tmp_path.glob("*/*"))
    assert files
    assert not [path for path in files if "canary" in path.read_text()]
    assert "canary" not in output
    code, output = run(CLOSED)
    assert code == 0, output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zookeeper_admin_password", "Give the new one to a new user"),
        ("zookeeper_quorum_password", "Go back to zookeeper_quorum_auth: offered"),
    ],
)
def test_a_password_by_which_members_or_this_toolkit_would_be_locked_out_is_refused(name, words):
    code, output = run(CLOSED | {name: "canary-other"}, "-vvv")
    assert code != 0, output
    assert words in output
    assert "canary" not in output
    assert all("changed=0" in line for line in output.splitlines() if "changed=" in line)


def test_another_password_of_this_toolkit_is_another_user():
    more = {"zookeeper_client_users": {"app": "canary-app", "second": "canary-second"}}
    for step in (
        {"zookeeper_super_users": ["second"]},
        {"zookeeper_admin_user": "second", "zookeeper_admin_password": "canary-second"},
    ):
        code, output = run(CLOSED | more | step)
        assert code == 0, output
    assert answered("canary-second", "second")
    assert not answered("canary-admin", "streamquorum")
    # And back, for the tests that follow.
    old = {"app": "canary-app", "streamquorum": "canary-admin"}
    second = {"zookeeper_admin_user": "second", "zookeeper_admin_password": "canary-second"}
    for step in ({"zookeeper_client_users": old, "zookeeper_super_users": ["streamquorum"]} | second, {}):
        code, output = run(CLOSED | step)
        assert code == 0, output


def test_secrets_come_from_a_vaulted_file(tmp_path):
    """The operator's own way to keep them. One is another than before, and is the one that counts."""
    names = ("zookeeper_admin_password", "zookeeper_quorum_password")
    given = {name: cluster.variable(HOSTS[0], name, "") for name in names}
    secrets, password = tmp_path / "secrets.json", tmp_path / "password"
    secrets.write_text(json.dumps(given | {"zookeeper_client_users": {"app": "canary-vaulted"}}))
    password.write_text("x")
    subprocess.run(
        ["ansible-vault", "encrypt", "--vault-password-file", password, secrets], check=True, capture_output=True
    )
    assert "canary" not in secrets.read_text()
    code, output = run(CLOSED, "-e", f"@{secrets}", "--vault-password-file", str(password), "-vvv")
    assert code == 0, output
    assert "canary" not in output
    assert answered("canary-vaulted")
    assert not answered("canary-app")
