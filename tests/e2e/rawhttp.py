# SPDX-License-Identifier: MIT
"""A strict little HTTP/1.1 client on a raw socket.

It shows what a library would hide: the exact framing, whether a response was
complete or cut, interim responses, and bytes that follow where none may.
"""

import socket
import struct
import time

TIMEOUT_S = 20


class Broken(Exception):
    """The peer closed, or sent what is not HTTP."""


class Response:
    """One response off the wire. `framing` is none, length, chunked or close."""

    def __init__(self, version, status, reason, headers):
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = b""
        self.framing = "none"
        self.complete = False
        self.interim = []
        self.chunks = []

    def all(self, name):
        """Every value of a header, in order."""
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name, default=None):
        """The only value of a header; twice the same header is an error."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} sent {len(values)} times: {values}"
        return values[0] if values else default

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        import json

        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.framing} {len(self.body)} bytes>"


class Connection:
    """One connection; `request` sends and reads, the parts can be used apart."""

    def __init__(self, address, timeout=TIMEOUT_S, source=None):
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address, timeout, source)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.eof = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def _fill(self):
        if self.eof:
            return False
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.eof = True
            return False
        self.pending += data
        return True

    def line(self):
        """One line without its CRLF."""
        while b"\r\n" not in self.pending:
            if not self._fill():
                raise Broken(f"closed within a line: {self.pending[:200]!r}")
        line, self.pending = self.pending.split(b"\r\n", 1)
        assert b"\n" not in line and b"\r" not in line, line
        return line

    def take(self, count):
        """Up to `count` bytes; fewer only at the end of the stream."""
        while len(self.pending) < count and self._fill():
            pass
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def rest(self):
        """Everything until the peer closes."""
        while self._fill():
            pass
        data, self.pending = self.pending, b""
        return data

    def closed_by_peer(self, within=TIMEOUT_S):
        """True if the peer closes without another byte."""
        self.sock.settimeout(within)
        if self.pending:
            return False
        return not self._fill()

    def silent(self, for_s=0.3):
        """True if nothing comes, not even the end."""
        self.sock.settimeout(for_s)
        try:
            return not self.pending and self._fill() is None
        except (TimeoutError, socket.timeout):
            return True
        finally:
            self.sock.settimeout(TIMEOUT_S)

    def head(self):
        """Status line and headers of the next response, interim ones included."""
        version, _, rest = self.line().decode("latin-1").partition(" ")
        assert version in ("HTTP/1.1", "HTTP/1.0"), version
        code, _, reason = rest.partition(" ")
        assert len(code) == 3 and code.isdigit(), rest
        headers = []
        while True:
            line = self.line().decode("latin-1")
            if not line:
                break
            name, colon, value = line.partition(":")
            assert colon and name and name == name.strip(), line
            headers.append((name, value.strip(" \t")))
        return Response(version, int(code), reason, headers)

    def final_head(self):
        """The head of the next final response; interim ones are kept in it."""
        interim = []
        while True:
            response = self.head()
            if response.status >= 200:
                response.interim = interim
                return response
            interim.append(response)

    def body(self, response, method="GET"):
        """Reads the body as RFC 9112 section 6.3 frames it."""
        coding = response.get("Transfer-Encoding")
        length = response.get("Content-Length")
        assert not (coding and length), "both Transfer-Encoding and Content-Length"
        if method == "HEAD" or response.status in (204, 304):
            response.complete = True
            if response.status == 204:
                assert coding is None and length is None, response.headers
        elif coding:
            assert coding.lower() == "chunked", coding
            response.framing = "chunked"
            self._chunked(response)
        elif length is not None:
            assert length.isdigit(), length
            response.framing = "length"
            response.body = self.take(int(length))
            response.complete = len(response.body) == int(length)
        else:
            response.framing = "close"
            response.body = self.rest()
            response.complete = True
        return response

    def chunk(self):
        """The next chunk; b"" for the last; None when the stream ends early."""
        try:
            size = int(self.line().split(b";")[0], 16)
            if size == 0:
                while self.line():
                    pass
                return b""
        except Broken:
            return None
        data = self.take(size + 2)
        if len(data) < size + 2:
            return None
        assert data.endswith(b"\r\n"), data[-8:]
        return data[:-2]

    def _chunked(self, response):
        while True:
            data = self.chunk()
            if data is None:
                return
            if not data:
                response.complete = True
                return
            response.chunks.append(data)
            response.body += data

    def read(self, method="GET"):
        return self.body(self.final_head(), method)

    def start(self, method, target, headers=(), body=None, version="1.1"):
        """Sends a request; Host and Content-Length are added where missing."""
        self.send(encode(method, target, headers, body, version))

    def request(self, method, target, headers=(), body=None, version="1.1"):
        self.start(method, target, headers, body, version)
        return self.read(method)

    def get(self, target, headers=()):
        return self.request("GET", target, headers)


def encode(method, target, headers=(), body=None, version="1.1"):
    """A request as bytes. Headers are str pairs, sent as latin-1."""
    names = {n.lower() for n, _ in headers}
    lines = [f"{method} {target} HTTP/{version}"]
    if "host" not in names:
        lines.append("Host: test.example")
    lines += [f"{n}: {v}" for n, v in headers]
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def chunked(*pieces):
    """The chunked coding of the pieces."""
    out = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces if p)
    return out + b"0\r\n\r\n"


def eventually(condition, within=10.0, every=0.01):
    """Waits for a condition; returns its last value."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value or time.monotonic() >= end:
            return value
        time.sleep(every)
