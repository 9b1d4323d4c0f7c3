# SPDX-License-Identifier: MIT
"""One page for every error that the server itself answers, whoever in it found the error."""

import email.utils
import json
import threading
import time

import pytest

from process import Server, run_program
from rawhttp import encode, eventually

pytestmark = pytest.mark.ours

REASONS = {400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
           408: "Request Timeout", 413: "Content Too Large", 414: "URI Too Long",
           417: "Expectation Failed", 431: "Request Header Fields Too Large",
           500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable",
           504: "Gateway Timeout", 505: "HTTP Version Not Supported"}
JSON = ("Accept", "application/json")

# what is sent; what is answered; whether Accept can be known; whether the connection ends
REQUESTS = {
    "400": (encode("GET", "/slow/%00", [JSON]), 400, True, False),
    "400, no head": (b"nonsense\r\n\r\n", 400, False, True),
    "404": (encode("GET", "/nowhere", [JSON]), 404, True, False),
    "405": (encode("TRACE", "/slow/", [JSON]), 405, True, False),
    "413": (encode("POST", "/slow/", [JSON, ("Content-Length", "9999999999")]), 413, True, True),
    "414": (encode("GET", "/" + "a" * 9000, [JSON]), 414, False, True),
    "417": (encode("POST", "/slow/", [JSON, ("Expect", "miracles"), ("Content-Length", "1")]),
            417, True, True),
    "431": (encode("GET", "/slow/", [("X-" + "a" * 9000, "b"), JSON]), 431, False, True),
    "431, Accept first": (encode("GET", "/slow/", [JSON, ("X-" + "a" * 9000, "b")]), 431, True,
                          True),
    "501": (encode("POST", "/slow/", [JSON, ("Transfer-Encoding", "gzip, chunked")]), 501, True,
            True),
    "505": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, False, True),
    "500": (encode("GET", "/conformance/raises?which=value", [JSON]), 500, True, False),
    "504": (encode("GET", "/slow/sleep?s=3", [JSON]), 504, True, False),
}


def is_right(response, status, wants_json, closes, detail=None):
    """The page and everything around it."""
    assert response.status == status and response.complete, response
    assert response.reason == REASONS[status]
    assert email.utils.parsedate_to_datetime(response.get("Date"))
    assert response.framing == "length" and len(response.body) < 4096
    assert (response.get("Connection") == "close") == closes
    text = response.text
    if wants_json:
        assert response.get("Content-Type") == "application/json"
        page = json.loads(text)
        assert (page["status"], page["error"]) == (status, REASONS[status])
        assert set(page) <= {"status", "error", "detail"}
    else:
        assert response.get("Content-Type") == "text/html; charset=utf-8"
        assert f"<h1>{status} {REASONS[status]}</h1>" in text
    assert "gustnado" not in text.lower() and "Traceback" not in text
    return True


@pytest.fixture(scope="module")
def server(serve):
    return serve("--mount", "/slow=slow:application", "--mount",
                 "/conformance=conformance:application", "--timeout", "1",
                 "--header-timeout", "1", threads=8)  # late views keep some


@pytest.mark.parametrize("name", REQUESTS)
def test_every_error_has_the_same_page(server, name):
    data, status, knows_accept, closes = REQUESTS[name]
    with server.connect() as conn:
        conn.send(data)
        assert is_right(conn.read(), status, knows_accept, closes)
        assert closes == conn.closed_by_peer(0.2) if closes else conn.get("/slow/").status == 200


@pytest.mark.parametrize("name", ["404", "500", "504"])
def test_html_unless_json_is_asked_for(server, name):
    data, status, _, closes = REQUESTS[name]
    with server.connect() as conn:
        conn.send(data.replace(b"application/json", b"text/html,application/json;q=0.9"))
        assert is_right(conn.read(), status, False, closes)


@pytest.mark.parametrize("target, status", [("/nowhere", 404), ("/conformance/raises?which=value", 500)])
def test_head_has_the_length_of_the_page_and_no_page(server, target, status):
    with server.connect() as conn:
        page = conn.get(target)
        conn.start("HEAD", target)
        head = conn.read("HEAD")
        assert head.status == status
        assert head.get("Content-Length") == str(len(page.body))
        assert conn.get("/slow/").status == 200


def test_a_late_head_gets_408(server):
    with server.connect() as conn:
        conn.send(b"GET / HTTP/1.1\r\nAccept: application/json\r\n")
        assert is_right(conn.read(), 408, True, True)


def test_405_says_what_is_allowed(server):
    assert "GET" in server.request("TRACE", "/slow/").get("Allow")


def test_503_says_when_to_come_again():
    with Server("slow:application", "--queue-limit", "1", threads=1) as server:
        busy = []

        def keep_busy():
            with server.connect() as conn:
                busy.append(conn.get("/sleep?s=1.5").status)

        threads = [threading.Thread(target=keep_busy) for _ in range(6)]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        with server.connect() as conn:
            response = conn.get("/", [JSON])
            assert response.status == 503 and response.get("Retry-After").isdigit()
            assert is_right(response, 503, True, False)
            assert response.json()["detail"]
        for thread in threads:
            thread.join()


def test_a_page_of_ones_own(tmp_path):
    page = tmp_path / "error.html"
    page.write_text("<h1>Sorry: {{status}} {{ reason }}</h1>{{detail}}")
    with Server("--error-page", page, "--mount", "/slow=slow:application") as server:
        for data, status in ((encode("GET", "/x"), 404), (b"nonsense\r\n\r\n", 400),
                             (encode("TRACE", "/slow/"), 405)):
            with server.connect() as conn:
                conn.send(data)
                response = conn.read()
                assert response.status == status
                assert response.text == f"<h1>Sorry: {status} {REASONS[status]}</h1>"
        assert server.get("/x", [JSON]).json() == {"status": 404, "error": "Not Found"}


@pytest.mark.parametrize("text, said", [
    ("{{hostname}}", "{{hostname"), ("x" * 65537, "65536"), (None, "cannot be read")])
def test_a_bad_page_stops_the_start(tmp_path, text, said):
    page = tmp_path / "error.html"
    if text is not None:
        page.write_text(text)
    result = run_program("--error-page", page, "--check-config", "echo:application")
    assert result.returncode == 1
    assert f"--error-page {page}" in result.stderr and said in result.stderr
