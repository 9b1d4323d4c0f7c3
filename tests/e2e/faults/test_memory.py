# SPDX-License-Identifier: MIT
"""Rows 17 to 19: memory that runs out, and requests that would use it up."""

import resource
import zlib

import pytest

from load import WEBSOCKET, Beside, frame, memory_kib, read_frame, under_load
from process import SLOW, Server
from rawhttp import Broken, encode

MIB = 1 << 20


def address_space(pid):
    return int(open(f"/proc/{pid}/statm").read().split()[0]) * resource.getpagesize()


@pytest.mark.skipif(SLOW > 1, reason="a sanitizer's own address space cannot be bounded")
def test_row17_memory_that_runs_out(everything):
    """The call that asks for too much fails; whatever is answered beside it is right."""
    server = Server(*everything, threads="4:4")
    try:
        with under_load(server, recovers=False, forgives={"refused", "lost", 500, 503, 507}) as load:
            most = address_space(server.pid) + 64 * MIB
            resource.prlimit(server.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
            for _ in range(20):
                try:
                    response = server.get(f"/careless/one_big?size={512 * MIB}")
                except (Broken, OSError):
                    break
                assert response.status in (500, 503)
                if server.alive():
                    load.go_on(1)
            resource.prlimit(server.pid, resource.RLIMIT_AS,
                             (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        # A process that could not go on has said so and ended; one that could is as before.
        if server.process.poll() is None:
            with under_load(server):
                assert len(server.get(f"/careless/one_big?size={MIB}").body) == MIB
            server.stop()
        else:
            assert "memory" in server.output()
    finally:
        server.kill()


class Peak(Beside):
    """The most memory that a process has had more than at the start, in KiB."""

    def __init__(self, server):
        super().__init__(every_s=0.005)
        self.pid, self.before, self.most = server.pid, memory_kib(server.pid), 0

    def step(self):
        self.most = max(self.most, memory_kib(self.pid) - self.before)

    def must_be_below(self, kib):
        if SLOW == 1:  # a sanitizer keeps freed memory for itself
            assert self.most <= kib, f"{self.most} KiB"


def flood(conn, pieces):
    """Sends until the server has enough, then reads what it says; None if that was lost."""
    try:
        for piece in pieces:
            conn.send(piece)
    except OSError:
        pass
    try:
        return conn.read().status
    except (Broken, OSError):
        return None


def endless(piece):
    while True:
        yield piece


CHUNKED = encode("POST", "/load", [("Transfer-Encoding", "chunked")])


@pytest.fixture
def bounded(serve, everything):
    return serve(*everything, "--limit-request-body", "256K", "--linger", "0.05", threads="4:4")


@pytest.mark.parametrize("opening, piece, statuses", [
    (CHUNKED, b"4000\r\n" + b"x" * 0x4000 + b"\r\n", {413}),
    (CHUNKED, b"1;" + b"e" * 65536 + b"\r\nx\r\n", {400, 413}),
    (CHUNKED, b"1\r\nx\r\n" * 1000, {400, 413}),
    (CHUNKED + b"0\r\n", b"T: " + b"x" * 1000 + b"\r\n", {400, 431}),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"x" * 65536, {431}),
    (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n" * 100, {431}),
    (b"GET /", b"x" * 65536, {414}),
    (b"", b"\r\n" * 1000, {400}),
], ids=["chunks", "extension", "tiny chunks", "trailers", "field", "fields", "line", "empty lines"])
def test_row18_requests_without_end(bounded, opening, piece, statuses):
    """Refused at the bound; the memory is that of the bound."""
    with under_load(bounded), Peak(bounded) as peak:
        for _ in range(4):
            with bounded.connect() as conn:
                conn.send(opening)
                assert flood(conn, endless(piece)) in {*statuses, None}
        peak.must_be_below(256 + 2048 + 2048)  # the bound, the row's 2 MiB, the load's own


def test_row18_a_body_of_single_bytes_arrives(server):
    with under_load(server), server.connect() as conn:
        conn.send(CHUNKED + b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n")
        assert len(conn.read().json()["body_b64"]) == (5000 + 2) // 3 * 4


def bomb(inflated):
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(press.compress(bytes(MIB)) for _ in range(inflated // MIB))
    return (data + press.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_row19_a_message_that_inflates(server):
    """1009 at the bound of the inflated size (32 MiB of the echo), not at the message's end."""
    data = bomb(256 * MIB)
    assert len(data) < MIB
    with under_load(server, memory=16384), Peak(server) as peak:
        for _ in range(2):
            with server.connect() as conn:
                conn.start("GET", "/ws", [*WEBSOCKET, ("Sec-WebSocket-Extensions",
                                                       "permessage-deflate")])
                head = conn.head()
                assert head.status == 101 and "permessage-deflate" in head.get(
                    "Sec-WebSocket-Extensions")
                conn.send(frame(2, data, rsv=0x40))
                kind, close = read_frame(conn)
                assert kind == 0x88 and close[:2] == (1009).to_bytes(2, "big")
        peak.must_be_below(2 * 32 * 1024 + 8192)  # a growing buffer and its copy


def test_row19_a_body_is_not_inflated(server):
    """Content-Encoding is the application's affair: the bytes arrive as they were sent."""
    data = zlib.compress(bytes(64 * MIB), 9)
    with under_load(server), Peak(server) as peak:
        response = server.request("POST", "/native/echo", [("Content-Encoding", "deflate")], data)
        assert response.status == 200 and response.body == data
        peak.must_be_below(8192)
