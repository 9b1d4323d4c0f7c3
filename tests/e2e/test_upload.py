# SPDX-License-Identifier: MIT
"""Uploads that the application reads while they arrive (--request-buffering off)."""

import errno as codes
import hashlib
import http.client
import select
import subprocess
import time

import pytest

from browserless import multipart
from process import SLOW, Server
from rawhttp import chunked, encode, eventually

pytestmark = pytest.mark.ours

OFF = ("--request-buffering", "off")
DATA = bytes(range(256)) * 9000
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(serve):
    return serve("upload:application", *OFF)


def seen(server, key, fact, within=5):
    """What the application noted under a key, once it noted that fact."""
    eventually(lambda: fact in server.get("/seen").json().get(key, {}), within * SLOW)
    return server.get("/seen").json().get(key, {})


@pytest.mark.smoke
def test_each_line_is_answered_before_the_next_is_sent(server):
    with server.connect() as conn:
        conn.start("POST", "/lines", [("Transfer-Encoding", "chunked")])
        for i, line in enumerate((b"one\n", b"two\n", b"three\n")):
            conn.send(b"%x\r\n%s\r\n" % (len(line), line))
            if i == 0:
                assert conn.final_head().status == 200
            assert conn.chunk() == line.upper()
        conn.send(b"0\r\n\r\n")
        assert conn.chunk() == b""
        assert conn.request("POST", "/first?n=2", body=b"xy").json() == {"first": "xy"}


def test_a_forked_child_does_not_wait_for_what_comes_elsewhere(server):
    with server.connect() as conn:
        conn.start("POST", "/fork", [("Content-Length", "10")])
        conn.send(b"abc")
        assert "RuntimeError: wsgi.input arrives in the process that serves the request" in \
            seen(server, "fork", "child", within=20)["child"]
        conn.send(b"defghij")
        answer = conn.read().json()
        assert (answer["first"], answer["rest"]) == ("abc", "defghij")


@pytest.mark.parametrize("size", [1000, 65536, 5000000])
def test_the_standard_library_sends_chunks(server, size):
    conn = http.client.HTTPConnection(*server.address, timeout=20 * SLOW)
    pieces = (DATA[i:i + 70001] for i in range(0, len(DATA), 70001))
    conn.request("POST", f"/digest?size={size}", pieces, encode_chunked=True,
                 headers={"Transfer-Encoding": "chunked"})
    answer = conn.getresponse().read().decode()
    assert f'"sha256": "{SHA}"' in answer and f'"bytes": {len(DATA)}' in answer
    assert '"length": null' in answer and '"ends": true' in answer, answer
    conn.request("POST", "/digest", DATA)
    answer = conn.getresponse().read().decode()
    assert f'"sha256": "{SHA}"' in answer and f'"length": "{len(DATA)}"' in answer
    assert '"seekable": false' in answer, answer


def test_curl_gets_100_when_the_application_reads(server, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(DATA)
    began = time.monotonic()
    done = subprocess.run(
        ["curl", "-sv", "--expect100-timeout", "60", "-H", "Expect: 100-continue", "-T", path,
         f"http://127.0.0.1:{server.port}/digest"], capture_output=True, text=True,
        timeout=90 * SLOW)
    assert SHA in done.stdout and "100 Continue" in done.stderr, done.stderr
    assert time.monotonic() - began < 50, "it waited in vain"


def test_no_100_before_somebody_reads(server):
    with server.connect() as conn:
        conn.start("POST", "/digest?gate=expect",
                   [("Expect", "100-continue"), ("Content-Length", "3")])
        assert "began" in seen(server, "expect", "began")
        assert conn.silent()
        server.request("POST", "/open?gate=expect")
        assert conn.head().status == 100
        conn.send(b"abc")
        assert conn.read().json()["bytes"] == 3


def test_a_view_that_does_not_read_holds_the_client_back(server):
    total = 64 << 20
    with server.connect() as conn:
        conn.start("POST", "/digest?gate=held", [("Content-Length", str(total))])
        assert "began" in seen(server, "held", "began")
        before, sent = resident(server), 0
        conn.sock.setblocking(False)
        while eventually(lambda: can_send(conn), 0.5):
            sent += conn.sock.send(bytes(min(1 << 20, total - sent)))
        assert sent < total / 2, "the kernel's buffers, and little of ours"
        assert resident(server) - before < 4 << 20
        server.request("POST", "/open?gate=held")
        conn.sock.settimeout(20 * SLOW)
        conn.send(bytes(total - sent))
        answer = conn.read().json()
        assert answer["bytes"] == total
        assert answer["sha256"] == hashlib.sha256(bytes(total)).hexdigest()


def can_send(conn):
    try:
        return conn.sock.send(b"") == 0 and writable(conn)
    except BlockingIOError:
        return False


def writable(conn):
    return bool(select.select([], [conn.sock], [], 0)[1])


def resident(server):
    with open(f"/proc/{server.pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


@pytest.mark.smoke
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_vanishes_wakes_the_reader(server, how):
    for n, head in enumerate((("Content-Length", "9"), ("Transfer-Encoding", "chunked"))):
        key = f"gone-{how}-{n}"
        conn = server.connect()
        conn.send(encode("POST", f"/record?key={key}", [head]) + b"3\r\nabc")
        assert "began" in seen(server, key, "began")
        getattr(conn, how)()
        facts = seen(server, key, "raised")
        assert facts["raised"] == "ConnectionResetError" and facts["after"] < 5 * SLOW, facts
    assert "Traceback" not in server.output()
    assert server.fds_return()


def test_a_slow_client_times_out(serve):
    server = serve("upload:application", *OFF, "--body-timeout", "0.5")
    with server.connect() as conn:
        conn.start("POST", "/record?key=slow", [("Content-Length", "9")])
        conn.send(b"abc")
        assert conn.read().status == 408
        assert conn.closed_by_peer(10)
    assert seen(server, "slow", "raised")["raised"] == "TimeoutError"


def test_the_timeout_of_the_call_counts_the_upload(serve):
    server = serve("upload:application", *OFF, "--timeout", "1")
    with server.connect() as conn:
        conn.start("POST", "/record?key=late", [("Content-Length", "9")])
        conn.send(b"abc")
        assert conn.read().status == 504
    assert seen(server, "late", "raised")["raised"] == "TimeoutError"


@pytest.mark.parametrize("head, body, status, errno", [
    ("chunked", chunked(b"x" * 600, b"x" * 600), 413, "EFBIG"),
    ("chunked", b"3\r\nabc\r\nno size\r\n", 400, "EBADMSG"),
])
def test_a_body_that_cannot_be_had(serve, head, body, status, errno):
    server = serve("upload:application", *OFF, "--limit-request-body", "1000")
    with server.connect() as conn:
        conn.start("POST", f"/record?key={errno}", [("Transfer-Encoding", head)])
        assert "began" in seen(server, errno, "began")
        conn.send(body)
        assert conn.read().status == status
    facts = seen(server, errno, "raised")
    assert facts["raised"] == "OSError" and facts["errno"] == getattr(codes, errno), facts


def test_a_length_beyond_the_limit_is_refused_before_the_call(serve):
    server = serve("upload:application", *OFF, "--limit-request-body", "1000")
    for n, status in ((1000, 200), (1001, 413)):
        with server.connect() as conn:
            conn.start("POST", f"/record?key=limit-{n}", [("Content-Length", str(n))])
            if status == 200:
                conn.send(b"x" * n)
            assert conn.read().status == status
    assert "limit-1000" in server.get("/seen").json()
    assert "limit-1001" not in server.get("/seen").json()


def test_an_answer_before_the_end_keeps_the_next_request_in_step(server):
    with server.connect() as conn:
        for body in (encode("POST", "/first?n=3", body=b"abcdef" * 1000),
                     encode("POST", "/first?n=3", [("Transfer-Encoding", "chunked")],
                            chunked(b"abc", b"POST /x HTTP/1.1\r\n\r\n" * 100))):
            conn.send(body + encode("POST", "/first?n=1", body=b"next"))
            response = conn.read()
            assert response.json() == {"first": "abc"} and response.get("Connection") is None
            assert conn.read().json() == {"first": "n"}


def test_an_answer_long_before_the_end_closes(server):
    with server.connect() as conn:
        conn.start("POST", "/first?n=3", [("Content-Length", "10000000")])
        conn.send(b"x" * 100000)
        response = conn.read()
        assert response.json() == {"first": "xxx"}
        assert response.get("Connection") == "close"
        assert conn.closed_by_peer(10)


def test_a_stop_waits_for_the_upload():
    server = Server("upload:application", *OFF)
    try:
        with server.connect() as conn:
            conn.start("POST", "/record?key=stop", [("Content-Length", "6")])
            conn.send(b"abc")
            assert "began" in seen(server, "stop", "began")
            server.signal(15)
            assert eventually(lambda: refused(server), 10 * SLOW)
            conn.send(b"def")
            assert conn.read().json()["done"]
        assert server.wait() == 0, server.output()
    finally:
        server.kill()


def refused(server):
    try:
        server.connect().close()
    except ConnectionError:
        return True
    return False


def test_mounts_choose_for_themselves(serve):
    server = serve("upload:application", "--mount", "/s=upload:application",
                   "--request-buffering", "/s=off")
    for prefix, seekable in (("", True), ("/s", False)):
        response = server.request("POST", f"{prefix}/digest", body=b"abc")
        assert response.json()["seekable"] is seekable, prefix


@pytest.mark.parametrize("app", [
    "flask_app:app", "bottle_app:app", "falcon_app:app", "pyramid_app:app",
    "django_app:application"])
def test_frameworks_read_it_too(serve, app):
    headers, body = multipart("file", "some.bin", DATA)
    # Django keeps its database open, Bottle leaves its files to the collector of cycles.
    server = serve(app, *OFF, fds=not app.startswith(("django", "bottle")))
    answer = server.request("POST", "/upload", headers, body).json()
    assert (answer["size"], answer["sha256"]) == (len(DATA), SHA)
