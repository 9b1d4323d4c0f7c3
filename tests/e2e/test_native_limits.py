# SPDX-License-Identifier: MIT
"""Bounds of native handlers and WebSockets, each just under and just over.

tests/support/limits_module.c has the handlers.
"""

from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from process import SLOW
from rawhttp import encode, eventually
from test_websocket import close_code, frame, raw, read_frame

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def start(serve, base_dir):
    path = Path(base_dir, "tests/support/gn_limits_module.so")
    if not path.exists():
        pytest.skip(f"{path} was not built")
    return lambda *options: serve("--module", path, *options, "echo:application")


# ---- requests -----------------------------------------------------------------------


def test_native_handlers_at_once(start):
    server = start("--native-tasks", "3")
    waiting = [server.connect() for _ in range(3)]
    for conn in waiting[:2]:
        conn.start("GET", f"/limits/wait?{int(1500 * SLOW)}")
    assert server.get("/limits/wait?0").status == 200  # the third
    waiting[2].start("GET", f"/limits/wait?{int(1500 * SLOW)}")
    assert eventually(lambda: server.get("/limits/wait?0").status == 503, 1 * SLOW)
    with server.connect() as conn:
        response = conn.get("/limits/wait?0")
        assert response.status == 503 and response.complete and response.get("Date")
        assert conn.get("/").status == 200  # Python has bounds of its own
    for conn in waiting:
        assert conn.read().status == 200
        assert conn.get("/limits/wait?0").status == 200
        conn.close()


def test_the_body_limit_of_a_route(start):
    server = start("--limit-request-body", "1000")
    with server.connect() as conn:
        assert conn.request("POST", "/limits/small", body=b"x" * 100).text == "100"
        assert conn.request("POST", "/", body=b"x" * 1000).status == 200
        conn.start("POST", "/limits/small", body=b"x" * 101)
        response = conn.read()
        assert response.status == 413 and response.get("Connection") == "close"
        assert conn.closed_by_peer()
    assert server.logs("POST /limits/small has a limit of its own, 100 bytes: raise body_limit_bytes")
    assert "--limit-request-body" not in server.output()
    over = encode("POST", "/", body=b"x" * 1001)

    def says_the_option():
        with server.connect() as conn:
            conn.send(over)
            assert conn.read().status == 413
        return "raise --limit-request-body" in server.output()

    assert eventually(says_the_option, 5 * SLOW, 0.3)  # such lines come once a second


@pytest.mark.parametrize("body, keeps", [
    ([("Content-Length", "1000")], True), ([("Content-Length", "1001")], False),
    ([("Transfer-Encoding", "chunked")], True),
], ids=["just under", "just over", "in chunks"])
def test_what_is_read_of_a_body_nobody_wants(start, body, keeps):
    server = start("--drain-size", "1000")
    with server.connect() as conn:
        conn.start("PUT", "/limits/small", body)  # answered at the head
        response = conn.read()
        assert response.status == 405
        assert (response.get("Connection") == "close") != keeps
        if not keeps:
            assert conn.closed_by_peer()
            return
        conn.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n" if "chunked" in body[0] else
                  b"x" * 1000)
        assert conn.get("/limits/wait?0").status == 200


def test_a_body_in_chunks_that_nobody_wants_has_an_end(start):
    with start("--drain-size", "1000").connect() as conn:
        conn.start("PUT", "/limits/small", [("Transfer-Encoding", "chunked")])
        assert conn.read().status == 405
        conn.send(b"3e9\r\n" + b"x" * 1001 + b"\r\n")
        assert conn.closed_by_peer()


# ---- WebSockets ---------------------------------------------------------------------


def fragments(*sizes):
    """A message in pieces of these sizes."""
    last = len(sizes) - 1
    return b"".join(frame(2 if i == 0 else 0, b"x" * size, fin=i == last)
                    for i, size in enumerate(sizes))


@pytest.mark.parametrize("under, over", [
    (frame(2, b"x" * 1000), frame(2, b"x" * 1001)),
    (fragments(500, 500), fragments(500, 501)),
    (fragments(0, 1000, 0), fragments(0, 1001)),
    (fragments(1000, 0), fragments(1000, 1)),
], ids=["whole", "two fragments", "empty fragments", "an end"])
def test_the_size_of_a_message(start, under, over):
    with raw(start("--ws-max-size", "1000"), "/limits/echo") as conn:
        conn.send(under)
        assert read_frame(conn) == (0x82, b"x" * 1000)
        conn.send(over)
        assert close_code(conn) == 1009
        assert conn.rest() == b""


def test_the_size_of_an_inflated_message(start):
    server = start("--ws-max-size", "1000")
    with connect(f"ws://127.0.0.1:{server.port}/limits/echo", open_timeout=10 * SLOW,
                 proxy=None) as ws:
        assert ws.protocol.extensions, "compression was not agreed on"
        ws.send("x" * 1000)
        assert ws.recv(timeout=10 * SLOW) == "x" * 1000
        ws.send("x" * 1001)
        with pytest.raises(ConnectionClosed) as closed:
            ws.recv(timeout=10 * SLOW)
        assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("size, taken", [(9999, 10), (10000, 10), (10001, 11)])
def test_what_waits_for_a_client(start, size, taken):
    with raw(start("--ws-send-queue", size), "/limits/pour") as conn:
        conn.send(frame(2, b"x" * 996))  # each is 1000 bytes with its header
        for _ in range(taken):
            assert read_frame(conn) == (0x82, b"x" * 996)
        assert read_frame(conn) == (0x81, str(taken).encode())  # room again, and nothing was lost
        conn.send(frame(9, b"alive"))
        assert read_frame(conn) == (0x8A, b"alive")
