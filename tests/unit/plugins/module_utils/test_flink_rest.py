"""Answers of JobManagers: recorded bodies, broken ones, and servers that do not answer in time."""

from __future__ import annotations

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
from ansible_collections.streamquorum.ha.plugins.module_utils import flink_rest as fr

FIXTURES = Path(__file__).parents[3] / "fixtures" / "flink" / "rest"
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
