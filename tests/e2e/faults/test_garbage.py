# SPDX-License-Identifier: MIT
"""Row 26: bytes that are no requests, cut at every place. The sanitizers' build is where it counts.

(As messages with meaning: tests/wire. Without sockets, for as long as one likes: contrib/fuzz.)
"""

import random
import re
import socket
from pathlib import Path

import pytest

from load import WEBSOCKET, under_load
from process import SLOW
from rawhttp import Connection, encode

CORPUS = Path(__file__).resolve().parents[2] / "fuzz" / "corpus"
HANDSHAKE = encode("GET", "/ws", [*WEBSOCKET, ("Sec-WebSocket-Extensions", "permessage-deflate")])
POST = encode("POST", "/load", [("Transfer-Encoding", "chunked")])


def answers(server, *pieces):
    """Sends the pieces and the end; all that comes back. No end within the time is a hang."""
    with Connection(server.address, 20 * SLOW) as conn:
        try:
            for piece in pieces:
                conn.send(piece)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return conn.rest()


def must_be_http(data):
    assert not data or re.match(rb"HTTP/1\.1 [1-5]\d\d ", data), data[:200]


@pytest.mark.parametrize("folder, before", [
    ("http1_head", b""), ("http1_body", POST), ("fields", b"GET / HTTP/1.1\r\nHost: x\r\nCookie: "),
    ("multipart", b""), ("proxy_protocol", b""), ("text", b"GET /"), ("ws_frame", HANDSHAKE),
    ("ws_deflate", HANDSHAKE)])
def test_row26_corpora_at_every_split(server, is_long, folder, before):
    """The first byte of some inputs steers the fuzzer: with and without it."""
    with under_load(server):
        for path in sorted((CORPUS / folder).iterdir()):
            data = path.read_bytes()
            step = 1 if is_long else max(1, len(data) // 24)
            for at in range(0, len(data), step):
                must_be_http(answers(server, before + data[:at], data[at:]))
            must_be_http(answers(server, before + data[1:]))


def test_row26_noise(server, is_long):
    """Random bytes, zeroes, 0xff, alone and behind a request that is right."""
    chance = random.Random(26)
    with under_load(server):
        for n in range(3000 if is_long else 300):
            size = chance.randrange(1, 5000)
            data = chance.choice([bytes(size), b"\xff" * size, chance.randbytes(size)])
            must_be_http(answers(server, encode("GET", "/native/1k") * (n % 3), data))


def test_row26_requests_with_one_byte_changed(server, is_long):
    chance = random.Random(62)
    whole = bytearray(encode("POST", "/load?q=1", [("X-Token", "a"), ("Transfer-Encoding", "chunked")],
                             b"3\r\nabc\r\n0\r\n\r\n"))
    with under_load(server):
        for at in range(len(whole)):
            for _ in range(10 if is_long else 2):
                changed = bytearray(whole)
                changed[at] = chance.randrange(256)
                must_be_http(answers(server, bytes(changed)))
