"""Answers of JobManagers: recorded bodies, broken ones, and servers that do not answer in time."""

from __future__ import annotations

import datetime
import http.client
import json
import socket
import ssl
import threading
import time
import urllib.error
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from ansible.module_utils.urls import SSLValidationError
from ansible_collections.streamquorum.ha.plugins.module_utils.flink import rest as fr
from ansible_collections.streamquorum.ha.plugins.module_utils.pki import certificates

FIXTURES = Path(__file__).parents[4] / "fixtures" / "flink" / "rest"
BODY = json.loads((FIXTURES / "2.3.0.json").read_text())["led"]["127.0.0.2:28081"]["body"].encode()
CONFIG = json.dumps(json.loads((FIXTURES / "2.3.0.json").read_text())["jobmanager/config"]["127.0.0.2:28081"]).encode()


def test_recorded_overview():
    assert fr.parse_overview(BODY) == fr.Overview(0, 0, 0, 0, "2.3.0")
    assert fr.parse_overview(BODY).as_dict() == {
        "taskmanagers": 0,
        "slots_total": 0,
        "slots_available": 0,
        "jobs_running": 0,
        "flink_version": "2.3.0",
    }


@pytest.mark.parametrize("release", ["1.13.6", "1.14.6", "1.18.1", "1.20.5", "2.3.0"])
def test_every_recorded_answer(release):
    for moment, replies in json.loads((FIXTURES / f"{release}.json").read_text()).items():
        for reply in replies.values() if moment != "jobmanager/config" else ():
            if reply["status"]:
                answer = fr.read_overview(reply["status"], reply["body"].encode())
                assert answer.reachable
                assert (answer.overview is not None) == (reply["status"] == 200)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>not Flink</html>",
        b"{}",
        BODY[:40],
        b"\xff\xfe",
        BODY.replace(b'"taskmanagers":0', b'"taskmanagers":-1'),
        BODY.replace(b'"taskmanagers":0', b'"taskmanagers":true'),
        BODY.replace(b'"taskmanagers":0', b'"taskmanagers":"0"'),
        BODY.replace(b'"2.3.0"', b'"2.3.0\\u001b[2J"'),
        b"[" * 100000,
        b'{"taskmanagers":' + b"9" * 10000 + b"}",
    ],
)
def test_a_200_that_is_not_flinks(body):
    answer = fr.read_overview(200, body)
    assert answer.reachable
    assert answer.overview is None
    assert answer.detail.startswith("answers 200, but not as Flink does")


@pytest.mark.parametrize(
    ("status", "words"), [(500, "knows no leader"), (503, "knows no leader"), (404, "answers 404")]
)
def test_other_statuses(status, words):
    answer = fr.read_overview(status, b"whatever")
    assert (answer.reachable, answer.overview) == (True, None)
    assert words in answer.detail


def test_rpc_address():
    assert fr.parse_rpc_address(CONFIG) == ("127.0.0.2", 26123)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"[1]", b'[{"key":"jobmanager.rpc.address","value":"a"}]'])
def test_no_rpc_address(body):
    with pytest.raises(ValueError, match=r"."):
        fr.parse_rpc_address(body)


def test_answers_stand_in_the_order_of_the_questions():
    def get(place, seconds):
        if place.endswith("/jobmanager/config"):
            return 200, CONFIG
        return (200, BODY) if "a:1" in place else (503, b"")

    answers = fr.RestReader(1, get).ask(["a:1", "b:1"], with_rpc=True)
    assert [answer.status for answer in answers] == [200, 503]
    assert answers[0].rpc == ("127.0.0.2", 26123)
    assert fr.RestReader(1, get).ask(["a:1"])[0].rpc is None
    assert fr.RestReader(1, get).ask([]) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")), "Connection refused"),
        (urllib.error.URLError(TimeoutError("timed out")), "timed out"),
        (TimeoutError(), "timed out"),
        (urllib.error.URLError(socket.gaierror(-2, "Name or service not known")), "Name or service not known"),
        (urllib.error.URLError(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong")), "WRONG_VERSION"),
        (ValueError("unknown url type"), "unknown url type"),
        (http.client.BadStatusLine("\x1b[2J"), r"\x1b[2J"),
        (SSLValidationError("no trusted certificate"), "no trusted certificate"),
    ],
)
def test_no_answer_says_why(error, words):
    def get(place, seconds):
        raise error

    answer = fr.RestReader(1, get).ask(["a:1"])[0]
    assert not answer.reachable
    assert words in answer.detail
    assert answer.detail.isprintable()


def test_a_config_that_fails_leaves_the_overview():
    def get(place, seconds):
        if "config" in place:
            raise TimeoutError
        return 200, BODY

    answer = fr.RestReader(1, get).ask(["a:1"], with_rpc=True)[0]
    assert answer.overview
    assert answer.rpc is None


def test_a_server_that_hangs_costs_no_more_than_the_limit():
    released = threading.Event()

    def get(place, seconds):
        if "slow" in place:
            released.wait(10)
        return 200, BODY

    started = time.monotonic()
    slow, quick = fr.RestReader(0.2, get).ask(["slow:1", "quick:1"])
    assert time.monotonic() - started < 2
    released.set()
    assert "no reply within 0.2 s" in slow.detail
    assert quick.overview


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status = {"/overview": 200, "/none/overview": 503, "/moved/overview": 307}.get(self.path, 404)
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "/overview")
        self.end_headers()
        self.wfile.write(BODY if status == 200 else b"")

    def log_message(self, *args):
        pass


def test_over_a_socket(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # a proxy of the host must not stand between
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"127.0.0.1:{server.server_port}"
    try:
        answers = fr.RestReader(5, fr.RestAccess().get).ask([base, f"{base}/none", f"{base}/moved", f"{base}/nowhere"])
    finally:
        server.shutdown()
        server.server_close()
    assert [answer.status for answer in answers] == [200, 503, 307, 404]
    assert answers[0].overview
    assert not fr.RestReader(5, fr.RestAccess().get).ask([base])[0].reachable


# --- https


class Redirecting(BaseHTTPRequestHandler):
    """As a JobManager with https answers plain http."""

    def do_GET(self):
        self.send_response(301)
        self.send_header("Location", "https://elsewhere.test/")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Two authorities with a certificate each for 127.0.0.1: {name: (file of key and certificate, file of the authority)}."""
    found = {}
    for name in ("ours", "foreign"):
        folder = tmp_path_factory.mktemp(name)
        now = datetime.datetime.now(datetime.UTC)
        bundle, trusted = certificates.Authority(folder, name).issue("jm1", "flink", ["127.0.0.1"], 2, 1, now)
        (folder / "own.pem").write_text(bundle.pem())
        (folder / "trusted.pem").write_text(certificates.authorities_pem(trusted))
        found[name] = (str(folder / "own.pem"), str(folder / "trusted.pem"))
    return found


@pytest.fixture
def serve():
    """Serves on a port of its own, with or without TLS; gives host:port."""
    servers = []

    def start(handler=Handler, context=None):
        server = HTTPServer(("127.0.0.1", 0), handler)
        server.handle_error = lambda *args: None  # a refused handshake is what the tests are about
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def context(own, trusted="", mutual=False):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # As Flink: with 1.3 a client learns only from the first answer that its certificate was refused.
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(own)
    if mutual:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(trusted)
    return made


def asked(place, **access):
    return fr.RestReader(5, fr.RestAccess(**access).get).ask([place])[0]


def test_https_with_our_authority(serve, authorities):
    own, trusted = authorities["ours"]
    place = serve(context=context(own))
    assert asked(place, schemes=("https",), authorities=trusted).overview
    refused = asked(place, schemes=("https",), authorities=authorities["foreign"][1])
    assert not refused.reachable
    assert "CERTIFICATE_VERIFY_FAILED" in refused.detail


def test_a_name_that_the_certificate_has_not_is_refused(serve, authorities):
    own, trusted = authorities["ours"]
    place = serve(context=context(own)).replace("127.0.0.1", "localhost")
    assert "Hostname mismatch" in asked(place, schemes=("https",), authorities=trusted).detail


def test_our_certificate_is_shown(serve, authorities):
    own, trusted = authorities["ours"]
    place = serve(context=context(own, trusted, mutual=True))
    https = {"schemes": ("https",), "authorities": trusted}
    assert asked(place, **https, certificate=own).overview
    assert not asked(place, **https).reachable
    assert not asked(place, **https, certificate=authorities["foreign"][0]).reachable


def test_either_scheme_while_a_live_cluster_is_switched(serve, authorities):
    own, trusted = authorities["ours"]
    both = {"schemes": ("https", "http"), "authorities": trusted, "certificate": own}
    assert asked(serve(), **both).overview
    assert asked(serve(context=context(own, trusted, mutual=True)), **both).overview


def test_a_certificate_that_does_not_hold_is_no_reason_to_ask_in_plain(monkeypatch):
    tried = []

    def get(self, url, seconds, content, _method):
        tried.append(url)
        raise urllib.error.URLError(ssl.SSLCertVerificationError(1, "certificate verify failed"))

    monkeypatch.setattr(fr.RestAccess, "_open", get)
    assert not asked("a:1", schemes=("https", "http"), authorities="ca.pem").reachable
    assert tried == ["https://a:1/overview"]


def test_a_redirect_does_not_hide_why_https_failed(serve):
    answer = asked(serve(Redirecting), schemes=("https", "http"), authorities=ssl.get_default_verify_paths().cafile)
    assert not answer.reachable
    assert "SSL" in answer.detail


def test_plain_http_is_told_from_no_answer(serve):
    answer = asked(serve(Redirecting))
    assert (answer.status, answer.detail) == (301, "answers 301: it serves https, and was asked by http")


def test_access_is_read_from_its_file(tmp_path):
    path = tmp_path / "access.json"
    assert fr.RestAccess.load(str(path)) == fr.RestAccess(("http",))
    path.write_text('{"schemes": ["https", "http"], "authorities": "/ca.pem", "certificate": "/own.pem"}')
    assert fr.RestAccess.load(str(path)) == fr.RestAccess(("https", "http"), "/ca.pem", "/own.pem")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schemes": 1, "authorities": "a", "certificate": ""}',
        '{"schemes": [], "authorities": "a", "certificate": ""}',
        '{"schemes": ["ftp"], "authorities": "a", "certificate": ""}',
        '{"schemes": ["https"], "authorities": "", "certificate": ""}',
    ],
)
def test_a_damaged_file_is_refused(tmp_path, text):
    path = tmp_path / "access.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="does not say how REST is reached"):
        fr.RestAccess.load(str(path))


def test_an_unreadable_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Is a directory"):
        fr.RestAccess.load(str(tmp_path))


def test_nothing_but_a_checkpoint_of_a_job_is_ever_posted_to_one_that_runs_on(monkeypatch):
    sent, methods = [], []

    def open_(self, url, seconds, content, method):
        sent.append((url, content))
        methods.append(method)
        return 202, b'{"request-id":"1"}'

    monkeypatch.setattr(fr.RestAccess, "_open", open_)
    access = fr.RestAccess()
    assert access.trigger_checkpoint("jm1:8081", "0" * 32, 5)[0] == 202
    assert sent == [(f"http://jm1:8081/jobs/{'0' * 32}/checkpoints", b'{"checkpointType": "CONFIGURED"}')]
    for other in ("", "../jars/upload?", f"{'0' * 32}/stop", "0" * 31):
        with pytest.raises(ValueError, match="no job id"):
            access.trigger_checkpoint("jm1:8081", other, 5)
    access.get("jm1:8081/overview", 5)
    assert sent[-1] == ("http://jm1:8081/overview", None)
    # Who ends a cluster says so.
    access.call("DELETE", "jm1:8081/cluster", 5, None)
    assert (sent[-1], methods) == (("http://jm1:8081/cluster", None), ["", "", "DELETE"])
