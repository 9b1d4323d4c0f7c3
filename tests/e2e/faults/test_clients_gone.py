# SPDX-License-Identifier: MIT
"""Rows 13 and 14: clients that leave by a reset, or half leave.

(At each byte of a request and a response, without load: ../test_client_gone.py.)
"""

import socket
import ssl

import pytest

from load import WEBSOCKET, frame, under_load
from process import SLOW, Server
from rawhttp import encode, eventually

STREAM = encode("GET", "/slow/trickle?s=0.001&n=1000")


def within_head(server, n):
    conn = server.connect()
    conn.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Cut: "[:n % 30])
    return conn


def within_body(server, n):
    conn = server.connect()
    conn.send(encode("POST", "/load", [("Content-Length", "100000")], b"x" * (n * 331 % 90000)))
    return conn


def within_view(server, n):
    conn = server.connect()
    conn.send(encode("GET", "/slow/sleep?s=0.002"))
    return conn


def within_response(server, n):
    conn = server.connect()
    conn.send(encode("GET", "/slow/big?n=20"))
    conn.take(n * 997 % 50000)
    return conn


def within_stream(server, n):
    conn = server.connect()
    conn.send(STREAM)
    conn.final_head()
    for _ in range(n % 3):
        conn.chunk()
    return conn


def within_frame(server, n):
    conn = server.connect()
    conn.start("GET", "/ws", WEBSOCKET)
    conn.head()
    conn.send(frame(1, b"hello" * 10)[:n % 50])
    return conn


def iterables(server):
    return server.get("/slow/events").json()


@pytest.mark.parametrize("where", [within_head, within_body, within_view, within_response,
                                   within_stream, within_frame])
def test_row13_clients_that_reset(server, is_long, where):
    """Every iterable is closed exactly once, by its own thread; nothing stays behind."""
    with under_load(server):
        for n in range(2000 if is_long else 200):
            where(server, n).reset()

    def are_closed():
        seen = iterables(server)
        return seen["started"] == seen["closed"] and seen["wrong_thread"] == 0
    assert eventually(are_closed, 10 * SLOW, 0.05), iterables(server)
    assert "Traceback" not in server.output() and "Broken pipe" not in server.output()


class TlsServer(Server):
    """Everybody who connects speaks TLS."""

    def __init__(self, *options, cert, key, **kwargs):
        self.context = ssl.create_default_context(cafile=cert)
        super().__init__("--certfile", cert, "--keyfile", key, *options, **kwargs)

    def connect(self, *args, **kwargs):
        conn = super().connect(*args, **kwargs)
        try:
            conn.sock = self.context.wrap_socket(conn.sock, server_hostname="localhost")
        except BaseException:
            conn.close()
            raise
        return conn

    def plain(self):
        return super().connect()


def client_hello(context):
    """The first flight of a handshake, as bytes."""
    out = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return out.read()


def test_row13_clients_that_reset_in_a_tls_handshake(everything, certificate, is_long):
    """At every byte of the first flight, and after the server's; then amid responses."""
    cert, key = certificate
    with TlsServer(*everything, cert=cert, key=key, threads="4:4") as server, \
            under_load(server):
        hello = client_hello(server.context)
        for n in [*range(0, len(hello), 1 if is_long else 3), len(hello)]:
            conn = server.plain()
            conn.send(hello[:n])
            if n == len(hello):
                conn.take(100)
            conn.reset()
        for n in range(200 if is_long else 50):
            conn = server.connect()
            conn.send(STREAM)
            conn.take(n)
            conn.reset()


@pytest.mark.parametrize("request_, body", [
    (encode("GET", "/native/100k"), b"x" * 102400),
    (encode("GET", "/slow/trickle?s=0.002&n=20"), b"tick\n" * 20),
    (encode("GET", "/slow/sleep?s=0.01"), b"done\n"),
    (encode("GET", "/slow/big?n=50"), b"x" * 65536 * 50),
    (encode("POST", "/native/echo", [], b"abc" * 30000), b"abc" * 30000),
], ids=["native", "stream", "view", "big", "body"])
def test_row14_clients_that_half_close_get_all(server, request_, body):
    with under_load(server):
        for _ in range(20):
            with server.connect() as conn:
                conn.send(request_)
                conn.sock.shutdown(socket.SHUT_WR)
                response = conn.read()
                assert response.complete and len(response.body) == len(body)
                assert response.body == body
                assert conn.closed_by_peer(5 * SLOW)
