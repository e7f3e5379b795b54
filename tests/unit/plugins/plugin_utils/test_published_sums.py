"""The controller asks for a published sum: a real server with TLS of its own."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from types import SimpleNamespace

import pytest
from ansible_collections.streamquorum.ha.plugins.action.published_sum import ActionModule, alike
from ansible_collections.streamquorum.ha.plugins.module_utils.release import published
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import Release, ReleaseError, marker_text
from ansible_collections.streamquorum.ha.plugins.plugin_utils import published_sums, release_source

SUM, OTHER = "a1" * 64, "b2" * 64
ARCHIVE = "flink-2.3.0-bin-scala_2.12.tgz"
PATH = f"/flink/flink-2.3.0/{ARCHIVE}.sha512"
RELEASES = [{"version": "2.3.0", "archive": ARCHIVE, "sha512": ""}]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        code, headers, body = self.server.pages.get(self.path, (404, {}, b"not found"))
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def apache(tmp_path, monkeypatch):
    """Apache's own hosts: two directories of a server that the controller trusts."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.asked, server.pages = [], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = f"https://localhost:{server.server_port}"
    monkeypatch.setattr(published, "HOSTS", (f"{home}/current", f"{home}/every"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()


def text(sha512=SUM):
    return (200, {}, f"{sha512}  {ARCHIVE}\n".encode())


def test_the_second_host_has_what_the_first_has_not(apache):
    apache.pages["/every" + PATH] = text()
    found, url = published_sums.ask("flink", "2.3.0", ARCHIVE)
    assert (found, url) == (SUM, f"{published.HOSTS[1]}{PATH}")
    assert apache.asked == ["/current" + PATH, "/every" + PATH]


def test_another_host_is_not_taken_at_its_word(apache):
    apache.pages["/current" + PATH] = (302, {"Location": f"{published.HOSTS[0]}/mirror"}, b"")
    apache.pages["/current/mirror"] = text(OTHER)
    with pytest.raises(ReleaseError) as refused:
        published_sums.ask("flink", "2.3.0", ARCHIVE)
    assert "/current/mirror" not in apache.asked
    assert all(host in str(refused.value) for host in published.HOSTS)


def test_a_certificate_that_nobody_signed_is_refused(apache, monkeypatch):
    apache.pages["/current" + PATH] = text()
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    with pytest.raises(ReleaseError, match=r"(?i)certificate"):
        published_sums.ask("flink", "2.3.0", ARCHIVE)
    assert apache.asked == []


def asked(path, check_mode=False, markers=("",), **given):
    """What the action finds and tells, and does to the record."""
    action = object.__new__(ActionModule)
    action._task = SimpleNamespace(check_mode=check_mode)
    given = {"version": "2.3.0", "releases": RELEASES, "mirrors": ["https://m"], **given}
    given = {f"flink_ha_{name}": value for name, value in given.items()}
    return action._sums("flink", given, markers, str(path))


def test_a_sum_is_asked_for_once_shown_and_kept(apache, tmp_path):
    apache.pages["/current" + PATH] = text()
    record = tmp_path / published.RECORD
    assert asked(record, check_mode=True)[0] == {ARCHIVE: SUM}
    assert not record.exists()
    sums, told = asked(record)
    assert sums == {ARCHIVE: SUM}
    assert all(each in told for each in (ARCHIVE, SUM, published.HOSTS[0], str(record)))
    assert published_sums.of_record(str(record)) == {ARCHIVE: SUM}
    assert list(tmp_path.glob(f"{published.RECORD}.*")) == []
    # From then on nobody is asked, whatever is published.
    apache.pages["/current" + PATH] = text(OTHER)
    apache.asked.clear()
    assert asked(record) == ({ARCHIVE: SUM}, "")
    assert apache.asked == []
    assert published_sums.of_record(str(record)) == {ARCHIVE: SUM}


def test_the_operators_own_sum_wins(apache, tmp_path):
    assert asked(tmp_path / published.RECORD, archive_sha512=OTHER) == ({}, "")
    assert apache.asked == []


def test_where_the_release_is_installed_nobody_is_asked(apache, tmp_path):
    installed = marker_text(Release("flink", "2.3.0", OTHER))
    assert asked(tmp_path / published.RECORD, markers=[installed] * 3) == ({}, "")
    assert apache.asked == []
    with pytest.raises(ReleaseError):
        asked(tmp_path / published.RECORD, markers=[installed, ""])
    assert len(apache.asked) == 2


def test_without_an_answer_each_host_is_named(apache, tmp_path):
    with pytest.raises(ReleaseError, match="Apache's own hosts did not give it") as refused:
        asked(tmp_path / published.RECORD)
    assert all(host in str(refused.value) for host in published.HOSTS)


def test_a_bundle_that_cannot_be_read_is_left_to_the_plan(apache, tmp_path):
    """It refuses where a host has to install the release, and a cluster that is there goes on."""
    (tmp_path / "manifest.json").write_text("no manifest")
    assert asked(tmp_path / published.RECORD, bundle_dir=str(tmp_path)) == ({}, "")
    assert apache.asked == []


def test_what_a_killed_run_leaves_of_the_record_is_no_inventory(tmp_path, monkeypatch):
    def killed(*_paths):
        raise KeyboardInterrupt

    monkeypatch.setattr(published_sums.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        published_sums.record(str(tmp_path / published.RECORD), ARCHIVE, SUM, "https://u")
    assert [path.suffix for path in tmp_path.iterdir()] == [".txt"]


def test_each_release_of_an_inventory_is_asked_for_by_the_values_of_its_own_hosts():
    wanted = ["flink_ha_version", "flink_ha_archive_sha512"]
    other = {"flink_ha_version": "1.20.5", "flink_ha_archive_sha512": ""}
    known = {"a": {"flink_ha_version": "2.3.0", "flink_ha_archive_sha512": OTHER}, "b": other, "c": {**other, "own": 1}}
    assert alike(known, wanted) == [["a"], ["b", "c"]]


def test_why_a_sum_is_missing_is_told_of_the_release_that_lacks_it():
    given = {"flink_ha_version": "2.3.0", "flink_releases": RELEASES, "flink_ha_releases": RELEASES}
    for reasons, is_told in (({"2.3.0": "Nobody answers. "}, True), ({"1.20.5": "Nobody answers. "}, False)):
        (problem,) = release_source.of_role("flink", given, {}, reasons)["problems"]
        assert ("Nobody answers." in problem) is is_told
