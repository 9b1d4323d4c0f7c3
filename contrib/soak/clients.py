# SPDX-License-Identifier: MIT
"""What the clients of the soak do: each operation checks its answer or leaves early.

An operation takes a random.Random and a `connect` function, and returns after
one or a few requests. A wrong answer is an AssertionError; it carries what was
wrong. Nothing is kept between two operations.
"""

import base64
import hashlib
import os
import socket
import struct

PIECE = bytes(range(256)) * 40


class Reader:
    """The receiving side of a connection: lines, counts, whole responses."""

    def __init__(self, sock):
        self.sock, self.pending = sock, b""

    def fill(self):
        data = self.sock.recv(65536)
        self.pending += data
        return bool(data)

    def line(self):
        while b"\r\n" not in self.pending:
            assert self.fill(), f"closed within a line: {self.pending[:100]!r}"
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line

    def take(self, n):
        while len(self.pending) < n:
            assert self.fill(), f"closed {n - len(self.pending)} bytes early"
        data, self.pending = self.pending[:n], self.pending[n:]
        return data

    def head(self):
        while True:
            status, headers = int(self.line().split()[1]), {}
            while line := self.line():
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            if status >= 200 or status == 101:
                return status, headers

    def response(self, has_body=True):
        status, headers = self.head()
        if not has_body:
            return status, b""
        if headers.get(b"transfer-encoding") == b"chunked":
            body = b""
            while size := int(self.line(), 16):
                body += self.take(size)
                assert self.take(2) == b"\r\n"
            assert self.line() == b""
            return status, body
        return status, self.take(int(headers[b"content-length"]))


def get(target, *headers):
    lines = [f"GET {target} HTTP/1.1", "Host: soak", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def expect(reader, status, body=None):
    got = reader.response()
    assert got[0] == status, f"{got[0]} instead of {status}"
    assert body is None or got[1] == body, f"wrong body: {got[1][:80]!r}"
    return got[1]


def vanish(random, sock):
    """FIN or RST, as it happens."""
    if random.random() < 0.5:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# ---- the operations --------------------------------------------------------------


def fast(random, connect):
    """A few requests on one connection, mostly one after the other, at times pipelined."""
    with connect() as sock:
        reader, numbers = Reader(sock), [random.randrange(10**6) for _ in range(4)]
        requests = [get(f"/fast?n={n}", f"X-Number: {n}") for n in numbers]
        answers = [f"fast {n} {n}".encode() for n in numbers]
        if random.random() < 0.3:
            sock.sendall(b"".join(requests))
            requests = [b""] * len(requests)
        for request, answer in zip(requests, answers):
            sock.sendall(request)
            expect(reader, 200, answer)


def slow(random, connect):
    s = f"{random.uniform(0.005, 0.2):.3f}"
    with connect() as sock:
        sock.sendall(get(f"/slow?s={s}"))
        expect(Reader(sock), 200, f"slow {s}".encode())


def busy(random, connect):
    with connect() as sock:
        sock.sendall(get("/busy?s=0.003"))
        expect(Reader(sock), 200, b"busy")


def stream(random, connect):
    n = random.randrange(1, 60)
    with connect() as sock:
        sock.sendall(get(f"/stream?n={n}"))
        expect(Reader(sock), 200, PIECE * n)


def file(random, connect):
    with connect() as sock:
        reader = Reader(sock)
        sock.sendall(get("/file"))
        expect(reader, 200, PIECE * 50)
        sock.sendall(get("/file").replace(b"GET", b"HEAD"))
        assert reader.response(has_body=False)[0] == 200
        sock.sendall(get("/fast?n=1", "X-Number: 2"))
        expect(reader, 200, b"fast 1 2")


def upload(random, connect):
    """With a length or in chunks, collected or read while it arrives, at times with Expect."""
    data = random.randbytes(int(10 ** random.uniform(0, 6)))
    target = random.choice(["/upload", "/streamed/upload"])
    answer = f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode()
    head = f"POST {target} HTTP/1.1\r\nHost: soak\r\n"
    with connect() as sock:
        reader = Reader(sock)
        if random.random() < 0.5:
            sock.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for i in range(0, len(data), 50000):
                piece = data[i:i + 50000]
                sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            sock.sendall(b"0\r\n\r\n")
        elif random.random() < 0.5:
            sock.sendall(f"{head}Expect: 100-continue\r\nContent-Length: {len(data)}\r\n\r\n".encode())
            assert b" 100 " in reader.line() and reader.line() == b""
            sock.sendall(data)
        else:
            sock.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        expect(reader, 200, answer)


def error(random, connect):
    with connect() as sock:
        reader = Reader(sock)
        sock.sendall(get(f"/error?n={random.randrange(10**6)}"))
        expect(reader, 500)
        sock.sendall(get("/nothing"))
        expect(reader, 404, b"no such view\n")


def native(random, connect):
    with connect() as sock:
        reader, data = Reader(sock), random.randbytes(random.randrange(1, 5000))
        sock.sendall(get("/native/10k") + b"POST /native/echo HTTP/1.1\r\nHost: soak\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        assert len(expect(reader, 200)) == 10240
        expect(reader, 200, data)


def nonsense(random, connect):
    with connect() as sock:
        sock.sendall(random.choice([b"\x16\x03\x01\x02garbage\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                                    b"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n"]))
        expect(Reader(sock), 400)


def late(random, connect):
    """Beyond --timeout: 504, while the view still sleeps."""
    with connect() as sock:
        sock.sendall(get("/late?s=4"))
        expect(Reader(sock), 504)


def frame(random, opcode, payload):
    mask, n = random.randbytes(4), len(payload)
    size = bytes([128 | n]) if n < 126 else struct.pack("!BH", 254, n) if n < 65536 else \
        struct.pack("!BQ", 255, n)
    masked = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (n // 4 + 1))[:n], "big")
    return bytes([128 | opcode]) + size + mask + masked.to_bytes(n, "big")


def join(random, sock):
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(get("/ws", "Connection: Upgrade", "Upgrade: websocket",
                     "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"))
    reader = Reader(sock)
    status, headers = reader.head()
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    assert status == 101 and headers[b"sec-websocket-accept"] == base64.b64encode(digest), status
    return reader


def message(reader):
    opcode, n = reader.take(2)
    if n > 125:
        n = int.from_bytes(reader.take(2 if n == 126 else 8), "big")
    return opcode & 15, reader.take(n)


def websocket(random, connect):
    with connect() as sock:
        reader = join(random, sock)
        for _ in range(random.randrange(1, 6)):
            data = random.randbytes(int(10 ** random.uniform(0, 5)))
            sock.sendall(frame(random, 2, data))
            assert message(reader) == (2, data), "wrong echo"
        sock.sendall(frame(random, 8, b"\x03\xe8"))
        assert message(reader)[0] == 8


# ---- those who leave early ---------------------------------------------------------


def leave_stream(random, connect):
    sock = connect()
    sock.sendall(get(f"/stream?n=1000&s={random.choice(['0', '0.01'])}"))
    Reader(sock).take(random.randrange(1, 50000))
    vanish(random, sock)


def leave_upload(random, connect):
    sock, target = connect(), random.choice(["/upload", "/streamed/upload"])
    sock.sendall(f"POST {target} HTTP/1.1\r\nHost: soak\r\nContent-Length: 900000\r\n\r\n".encode())
    sock.sendall(random.randbytes(random.randrange(100000)))
    vanish(random, sock)


def leave_slow(random, connect):
    sock = connect()
    sock.sendall(get("/slow?s=0.1"))
    vanish(random, sock)


def leave_head(random, connect):
    sock = connect()
    sock.sendall(get("/fast?n=1")[:random.randrange(1, 20)])
    vanish(random, sock)


def leave_websocket(random, connect):
    sock = connect()
    join(random, sock)
    sock.sendall(frame(random, 2, random.randbytes(30000))[:random.randrange(1, 30000)])
    vanish(random, sock)


# How often each comes, in parts of the whole.
MIX = {fast: 30, slow: 8, busy: 4, stream: 8, file: 8, upload: 10, error: 4, native: 10,
       websocket: 6, nonsense: 3, late: 0.2, leave_stream: 4, leave_upload: 4, leave_slow: 3,
       leave_head: 3, leave_websocket: 3}
