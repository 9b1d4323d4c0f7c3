# SPDX-License-Identifier: MIT
"""WebSockets: the chat of the demo and an echo, with a library and with raw frames."""

import json
import os
import struct
import threading
import time
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from process import SLOW
from rawhttp import eventually

pytestmark = pytest.mark.ours


def module(base_dir, folder, name):
    path = Path(base_dir, "contrib", folder, name + ".so")
    if not path.exists():
        pytest.skip(f"{path} was not built")
    return path


@pytest.fixture(scope="module")
def server(serve, base_dir):
    return serve("--module", module(base_dir, "demo", "gn_demo_module"),
                 "--module", module(base_dir, "bench", "gn_bench_module"), "slow:application",
                 threads=4)


def join(server, path="/chat", **kwargs):
    return connect(f"ws://127.0.0.1:{server.port}{path}", open_timeout=10 * SLOW,
                   compression=None, proxy=None, **kwargs)


class Member:
    """Somebody in the chat."""

    def __init__(self, server):
        self.joined = join(server)
        self.ws = self.joined.__enter__()
        self.welcome = self.next("welcome")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.joined.__exit__(*exc)

    def next(self, kind, within=10):
        end = time.monotonic() + within * SLOW
        while True:
            message = json.loads(self.ws.recv(timeout=max(end - time.monotonic(), 0.01)))
            if message["type"] == kind:
                return message

    def say(self, name, text):
        self.ws.send(json.dumps({"type": "say", "name": name, "text": text}))


# the chat


@pytest.mark.smoke
def test_chat_between_two(server):
    with Member(server) as ada, Member(server) as bob:
        ada.say("Ada", "h\u00e9llo \U0001f32a")
        for member in (ada, bob):
            said = member.next("said")
            assert (said["name"], said["text"]) == ("Ada", "h\u00e9llo \U0001f32a")
            assert said["from"] == ada.welcome["you"]
        bob.say("Bob", "hi")
        assert ada.next("said")["text"] == "hi"


def test_newcomers_see_the_last_lines(server):
    with Member(server) as ada:
        for number in range(60):
            ada.say("Ada", f"line {number}")
        for number in range(60):
            assert ada.next("said")["text"] == f"line {number}"
        with Member(server) as bob:
            texts = [line["text"] for line in bob.welcome["history"]]
            assert texts == [f"line {n}" for n in range(10, 60)]


def test_members_are_counted(server):
    with Member(server) as ada:
        before = ada.next("members")["count"]
        with Member(server):
            assert ada.next("members")["count"] == before + 1
        assert ada.next("members")["count"] == before
    assert eventually(lambda: server.get("/api/status").json()["members"] == before - 1, 5)


def test_wrong_message_closes_with_a_reason(server):
    with join(server) as ws:
        ws.recv()
        ws.send("not json")
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                ws.recv(timeout=10)
        assert closed.value.rcvd.code == 1008


def test_native_endpoint(server):
    with server.connect() as conn:
        first, second = (conn.get("/api/status").json()["answers"] for _ in range(2))
        assert second == first + 1
        assert conn.get("/api/status").get("Content-Type").startswith("application/json")
        assert conn.request("POST", "/api/status").status == 405
        assert conn.request("HEAD", "/api/status").status == 200
        assert conn.get("/").text == "done\n"


@pytest.mark.smoke
def test_chat_and_native_while_every_worker_is_blocked(server):
    with Member(server) as ada, Member(server) as bob:
        blocked = [server.connect() for _ in range(12)]
        for conn in blocked:
            conn.start("GET", "/sleep?s=1")
        time.sleep(0.1)
        began = time.monotonic()
        for number in range(20):
            ada.say("Ada", f"still here {number}")
            assert bob.next("said")["text"] == f"still here {number}"
            assert server.get("/api/status").status == 200
        took = time.monotonic() - began
        for conn in blocked:
            assert conn.read().status == 200
            conn.close()
        assert took < 1.0 * SLOW, f"20 rounds took {took:.2f} s beside blocked workers"


# the echo


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 1000000])
def test_echo_of_any_size(server, size):
    with join(server, "/ws", max_size=None) as ws:
        for message in ("x" * size, bytes(i & 255 for i in range(size))):
            ws.send(message)
            assert ws.recv(timeout=10 * SLOW) == message


def test_fragments_and_pings_between_them(server):
    with join(server, "/ws") as ws:
        ws.send(["one ", "two ", "three"])
        assert ws.recv(timeout=10) == "one two three"
        assert ws.ping().wait(10)


@pytest.mark.smoke
def test_many_messages_keep_their_order(server):
    with join(server, "/ws") as ws:
        def send():
            for number in range(2000):
                ws.send(str(number))
        sender = threading.Thread(target=send)
        sender.start()
        for number in range(2000):
            assert ws.recv(timeout=20 * SLOW) == str(number)
        sender.join()


def test_other_origins_are_refused(server):
    with pytest.raises(InvalidStatus) as refused:
        join(server, "/ws", origin="http://evil.example")
    assert refused.value.response.status_code == 403
    with join(server, "/ws", origin=f"http://127.0.0.1:{server.port}") as ws:
        ws.send("mine")
        assert ws.recv(timeout=10) == "mine"


# raw frames


HELLO = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
         ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]


def frame(opcode, payload=b"", fin=True, masked=True, rsv=0, length=None):
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size = len(payload) if length is None else length
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    if masked:
        key = os.urandom(4)
        payload = key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))
    return head + payload


def raw(server, path="/ws"):
    conn = server.connect()
    conn.start("GET", path, HELLO)
    response = conn.head()
    assert response.status == 101
    assert response.get("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    return conn


def read_frame(conn):
    head = conn.take(2)
    if len(head) < 2:
        return None, b""
    assert not head[1] & 0x80, "a server never masks"
    size = head[1] & 127
    if size == 126:
        size = struct.unpack("!H", conn.take(2))[0]
    elif size == 127:
        size = struct.unpack("!Q", conn.take(8))[0]
    return head[0], conn.take(size)


def close_code(conn):
    while True:
        first, payload = read_frame(conn)
        if first is None:
            return None
        if first & 15 == 8:
            return struct.unpack("!H", payload[:2])[0] if payload else 1005


@pytest.mark.parametrize("sent, code", [
    pytest.param(frame(1, b"x", masked=False), 1002, id="unmasked"),
    pytest.param(frame(1, b"x", rsv=4), 1002, id="reserved bit"),
    pytest.param(frame(3, b"x"), 1002, id="unknown opcode"),
    pytest.param(frame(11), 1002, id="unknown control"),
    pytest.param(frame(9, b"x" * 126), 1002, id="long ping"),
    pytest.param(frame(9, b"x", fin=False), 1002, id="fragmented ping"),
    pytest.param(frame(0, b"x"), 1002, id="continuation of nothing"),
    pytest.param(frame(1, b"x", fin=False) + frame(1, b"y"), 1002, id="text within text"),
    pytest.param(frame(1, b"\xff\xfe"), 1007, id="text that is not UTF-8"),
    pytest.param(frame(1, b"\xe2\x82"), 1007, id="cut UTF-8"),
    pytest.param(frame(2, b"", length=1 << 40), 1009, id="too big"),
    pytest.param(frame(2, b"", length=1 << 63), None, id="length with the top bit"),
    pytest.param(frame(8, b"x"), 1002, id="close with one byte"),
    pytest.param(frame(8, struct.pack("!H", 1005)), 1002, id="close with a code nobody may send"),
    pytest.param(frame(8, struct.pack("!H", 1000) + b"\xff"), 1007, id="close with bad UTF-8"),
    pytest.param(frame(8, struct.pack("!H", 1000) + b"bye"), 1000, id="plain close"),
    pytest.param(frame(8), None, id="close without a code"),
])
@pytest.mark.parametrize("split", [False, True])
def test_frames_that_end_the_connection(server, sent, code, split):
    with raw(server) as conn:
        if split:
            for i in range(len(sent)):
                conn.send(sent[i:i + 1])
        else:
            conn.send(sent)
        seen = close_code(conn)
        if code is not None:
            assert seen == code
        assert conn.rest() == b""


def test_ping_is_answered_between_fragments(server):
    with raw(server) as conn:
        conn.send(frame(1, b"a", fin=False) + frame(9, b"ping me") + frame(0, b"b"))
        assert read_frame(conn) == (0x8A, b"ping me")
        assert read_frame(conn) == (0x81, b"ab")


def test_frames_sent_with_the_handshake(server):
    from rawhttp import encode
    with server.connect() as conn:
        conn.send(encode("GET", "/ws", HELLO) + frame(1, b"early") + frame(1, b"bird"))
        assert conn.head().status == 101
        assert read_frame(conn) == (0x81, b"early")
        assert read_frame(conn) == (0x81, b"bird")


@pytest.mark.parametrize("change, statuses", [
    ({"Upgrade": None}, (400, 426)), ({"Connection": None}, (400, 426)),
    ({"Sec-WebSocket-Key": None}, (400,)), ({"Sec-WebSocket-Key": "short"}, (400,)),
    ({"Sec-WebSocket-Version": "8"}, (426,)), ({"Sec-WebSocket-Version": None}, (400, 426)),
])
def test_handshakes_that_are_refused(server, change, statuses):
    headers = [(n, change.get(n, v)) for n, v in HELLO if change.get(n, v) is not None]
    with server.connect() as conn:
        response = conn.get("/ws", headers)
        assert response.status in statuses, response
        if response.status == 426:
            assert response.get("Sec-WebSocket-Version") == "13" or "Version" not in str(change)


def test_post_is_no_handshake(server):
    assert server.request("POST", "/ws", HELLO, b"").status in (400, 405)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_clients_that_vanish(server, how):
    sent = frame(1, b"hello") + frame(9, b"x") + frame(8, struct.pack("!H", 1000))
    for cut in range(len(sent)):
        conn = raw(server)
        conn.send(sent[:cut])
        conn.reset() if how == "reset" else conn.close()
    assert eventually(lambda: server.get("/").status == 200, 5)
    assert server.fds_return()


def test_slow_reader_meets_the_bound(server):
    with Member(server) as ada, raw(server, "/chat") as sleeper:
        text = "x" * 1500

        def talk():
            for _ in range(8000):
                ada.say("Ada", text)
        talker = threading.Thread(target=talk)
        talker.start()
        for _ in range(8000):
            ada.next("said", 30)
        talker.join()
        assert close_code(sleeper) in (1013, None)


def test_graceful_stop_says_going_away(base_dir):
    from process import Server
    server = Server("--module", module(base_dir, "bench", "gn_bench_module"), "slow:application")
    try:
        with raw(server) as conn:
            server.process.terminate()
            assert close_code(conn) == 1001
        assert server.wait() == 0
    finally:
        server.kill()


def test_deeply_nested_json_does_not_run_out_of_stack(server):
    with Member(server) as member:
        member.ws.send("[" * 4000)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                member.ws.recv(timeout=10 * SLOW)
        assert closed.value.rcvd.code == 1008
    assert server.alive()
