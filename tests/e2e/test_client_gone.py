# SPDX-License-Identifier: MIT
"""Clients that vanish, at any byte of a request or a response. Nothing may stay behind."""

import time

import pytest

from rawhttp import encode, eventually

LEAVE = ["close", "reset"]


@pytest.fixture
def server(serve):
    return serve("slow:application")


def leave(conn, how):
    conn.reset() if how == "reset" else conn.close()


def settled(server):
    """True once every iterable that was started has been closed, on its own thread."""
    def look():
        seen = server.get("/events").json()
        return seen["started"] == seen["closed"] and seen["wrong_thread"] == 0
    return eventually(look, 10, 0.05)


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("sent", [
    encode("GET", "/touch", [("X-Header", "value")]),
    encode("POST", "/touch", [("X-Header", "value")], b"0123456789"),
    encode("POST", "/touch", [("Transfer-Encoding", "chunked")],
           b"5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nT: t\r\n\r\n"),
], ids=["GET", "POST", "chunked"])
def test_at_any_byte_of_the_request(server, how, sent):
    for cut in range(len(sent) + 1):
        conn = server.connect()
        conn.send(sent[:cut])
        leave(conn, how)
    assert server.get("/").text == "done\n"
    assert server.fds_return()


@pytest.mark.smoke
@pytest.mark.parametrize("how", LEAVE)
def test_at_any_byte_of_the_response(server, how):
    with server.connect() as conn:
        conn.start("GET", "/trickle?s=0&n=3")
        seen = b""
        while not seen.endswith(b"\r\n0\r\n\r\n"):
            seen += conn.take(1)
        length = len(seen)
    for cut in range(length + 1):
        conn = server.connect()
        conn.start("GET", "/trickle?s=0&n=3")
        conn.take(cut)
        leave(conn, how)
    assert settled(server)
    assert server.fds_return()


@pytest.mark.smoke
@pytest.mark.parametrize("how", LEAVE)
def test_between_chunks_ends_the_iteration(server, how):
    before = server.get("/events").json()
    conn = server.connect()
    conn.start("GET", "/trickle?s=0.05&n=10000")
    conn.final_head()
    assert conn.chunk() == b"tick\n"
    leave(conn, how)
    assert settled(server), "close() was not called"
    after = server.get("/events").json()
    assert after["chunks"] - before["chunks"] < 2000
    assert "Traceback" not in server.output()


@pytest.mark.smoke
@pytest.mark.parametrize("how", LEAVE)
def test_slow_reader_that_leaves_frees_the_worker(server, how):
    before = server.get("/events").json()["chunks"]
    conn = server.connect()
    conn.start("GET", "/big?n=4000")
    conn.take(100000)
    time.sleep(0.5)
    made = server.get("/events").json()["chunks"] - before
    assert made < 400, f"{made} chunks made for a client that reads nothing"
    leave(conn, how)
    assert settled(server)
    assert server.fds_return()


def test_many_slow_readers_do_not_stop_the_others(serve):
    server = serve("slow:application", threads=4)
    conns = [server.connect() for _ in range(3)]
    for conn in conns:
        conn.start("GET", "/big?n=4000")
        conn.take(1000)
    for _ in range(20):
        assert server.get("/").text == "done\n"
    for conn in conns:
        conn.reset()
    assert settled(server)


@pytest.mark.parametrize("how", LEAVE)
def test_while_the_view_runs(server, how):
    for _ in range(8):
        conn = server.connect()
        conn.start("GET", "/sleep?s=0.2")
        time.sleep(0.02)
        leave(conn, how)
    assert server.get("/").text == "done\n"
    assert server.fds_return()
    assert "Traceback" not in server.output()


@pytest.mark.ours
def test_queued_call_of_a_lost_client_is_never_started(serve):
    """Lost means reset: one that merely sends no more may still be listening."""
    server = serve("slow:application", threads=2)
    before = server.get("/events").json()["touched"]
    busy = [server.connect() for _ in range(2)]
    for conn in busy:
        conn.start("GET", "/sleep?s=1")
    time.sleep(0.3)
    for _ in range(5):
        conn = server.connect()
        conn.start("GET", "/touch")
        time.sleep(0.02)
        conn.reset()
    for conn in busy:
        assert conn.read().status == 200
        conn.close()
    after = server.get("/events").json()["touched"]
    assert after == before, f"{after - before} calls ran for clients that had gone"


def test_half_closed_client_is_answered(server):
    import socket
    with server.connect() as conn:
        conn.start("GET", "/sleep?s=0.2")
        conn.sock.shutdown(socket.SHUT_WR)
        response = conn.read()
        assert response.complete and response.text == "done\n"


def test_storm_of_connections(server):
    for _ in range(300):
        server.connect().reset()
    for _ in range(100):
        conn = server.connect()
        conn.start("GET", "/big?n=20")
        conn.reset()
    assert settled(server)
    assert server.get("/").text == "done\n"
    assert server.fds_return()
