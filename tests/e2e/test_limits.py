# SPDX-License-Identifier: MIT
"""The bounds of server/http/limits.h from outside, each just under and just over."""

import select
import time

import pytest

from process import SLOW
from rawhttp import Broken, encode

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def server(serve):
    return serve("echo:application")


def status(server, data):
    """The status of the answer to these bytes, and whether the connection was then closed."""
    with server.connect() as conn:
        conn.send(data)
        response = conn.read()
        assert response.complete
        closes = response.get("Connection", "").lower() == "close"
        if closes:
            assert conn.closed_by_peer()
        else:
            assert conn.get("/").status == 200
        return response.status, closes


def line_of(size):
    """A request line of so many bytes, without its CRLF."""
    return "/" + "a" * (size - len("GET / HTTP/1.1"))


def test_request_line(server):
    assert status(server, encode("GET", line_of(8190))) == (200, False)
    assert status(server, encode("GET", line_of(8191))) == (414, True)


def test_field(server):
    size = 8190 - len("X: ")
    assert status(server, encode("GET", "/", [("X", "y" * size)])) == (200, False)
    assert status(server, encode("GET", "/", [("X", "y" * (size + 1))])) == (431, True)


def test_number_of_fields(server):
    fields = [(f"X-{i}", "y") for i in range(99)]
    assert status(server, encode("GET", "/", fields)) == (200, False)
    assert status(server, encode("GET", "/", [*fields, ("X-Z", "y")])) == (431, True)


def test_head(server):
    fields = [(f"X-{i}", "y" * 8000) for i in range(9)]
    assert status(server, encode("GET", "/", fields[:8])) == (200, False)
    assert status(server, encode("GET", "/", fields)) == (431, True)


def test_declared_body(server):
    with server.connect() as conn:
        conn.send(encode("POST", "/", [("Content-Length", str(64 * 1024 * 1024 + 1))]))
        assert conn.read().status == 413


def test_refused_body_with_expect(server):
    with server.connect() as conn:
        conn.send(encode("POST", "/", [("Content-Length", str(1 << 40)),
                                       ("Expect", "100-continue")]))
        response = conn.read()
        assert response.status == 413 and not response.interim


def test_chunked_body_that_grows_too_big(server):
    with server.connect() as conn:
        conn.send(encode("POST", "/", [("Transfer-Encoding", "chunked")]))
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        try:
            for _ in range(70):
                conn.send(chunk)
        except OSError:
            pass
        try:
            assert conn.read().status == 413
        except Broken:
            pass  # the reset overtook the answer: the bound held all the same
    assert server.get("/").status == 200


def trickles(server, opening, drop):
    """Sends a drop twice a second until the server answers; the answer, and after how long."""
    with server.connect() as conn:
        began = time.monotonic()
        conn.send(opening)
        while time.monotonic() - began < 60:
            if select.select([conn.sock], [], [], 0.5)[0]:
                response = conn.read()
                return response, time.monotonic() - began
            try:
                conn.send(drop)
            except OSError:
                pass
    raise AssertionError("never answered")


@pytest.mark.parametrize("opening, drop", [
    (b"GET / HTTP/1.1\r\nX-Slow: ", b"y"),
    (encode("POST", "/", [("Content-Length", "100000")]), b"x" * 30),
], ids=["head in ten seconds", "body below the least rate"])
def test_trickled_requests_are_answered_408(server, opening, drop):
    response, took = trickles(server, opening, drop)
    assert response.status == 408 and response.get("Connection") == "close"
    assert 8 < took < 25 * SLOW


MALFORMED = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nBad : b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"G E T / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
]


@pytest.mark.parametrize("data", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("split", [False, True])
def test_malformed_requests_are_refused_and_nothing_after_is_read(server, data, split):
    with server.connect() as conn:
        whole = data + encode("GET", "/smuggled")
        try:
            if split:
                for i in range(len(whole)):
                    conn.send(whole[i:i + 1])
            else:
                conn.send(whole)
        except OSError:
            pass  # refused before it was all sent
        response = conn.read()
        assert response.status in (400, 405, 414, 431, 501, 505), response
        assert b"smuggled" not in response.body
        assert conn.closed_by_peer()
    assert server.get("/").status == 200
