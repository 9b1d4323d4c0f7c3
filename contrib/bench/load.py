# SPDX-License-Identifier: MIT
"""The load: wrk for requests, small clients of our own for what wrk does not do."""

import base64
import os
import re
import socket
import ssl
import subprocess
import threading
import time

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
POST = """
wrk.method = "POST"
wrk.body = string.rep("x", 10240)
wrk.headers["Content-Type"] = "application/octet-stream"
"""


class Wrk:
    """One run of wrk; `result()` waits for its end."""

    def __init__(self, url, connections, seconds, core=None, post=None):
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                   "--timeout", "10s", url]
        if post:
            command += ["-s", post]
        if core is not None:
            command = ["taskset", "-c", core, *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def result(self):
        text = self.process.communicate()[0]
        return parse(text)


def parse(text):
    """What wrk printed, as numbers; latencies in milliseconds."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    done = re.search(r"(\d+) requests in", text)
    if not rate or not done:
        raise RuntimeError("wrk said:\n" + text)
    out = {"rate": float(rate.group(1)), "requests": int(done.group(1)), "errors": 0}
    for name, percent in (("p50", "50"), ("p99", "99")):
        found = re.search(rf"\s{percent}%\s+([\d.]+)(us|ms|s|m)\b", text)
        out[name] = float(found.group(1)) * UNITS[found.group(2)] if found else None
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    out["errors"] += int(bad.group(1)) if bad else 0
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    out["errors"] += sum(map(int, broken.groups())) if broken else 0
    return out


def measure(server, path, connections, seconds, core=None, post=None):
    """One run against one server, with what it cost the server."""
    before = server.cpu_s()
    result = Wrk(server.url(path), connections, seconds, core, post).result()
    used = server.cpu_s() - before
    result["cpu_us"] = used * 1e6 / result["requests"] if result["requests"] else None
    result["rss"] = server.rss_bytes()
    return result


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


class WebSocketPings:
    """Sends small text messages one after the other and measures each echo."""

    def __init__(self, port, path):
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
                           f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                           "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.sock.recv(4096)
            if not data:
                raise RuntimeError(f"no handshake: {head!r}")
            head += data
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode("latin-1"))

    def run(self, seconds):
        frame = b"\x81\x84\x00\x00\x00\x00ping"
        times, end = [], time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            self.sock.sendall(frame)
            got = 0
            while got < 6:
                data = self.sock.recv(64)
                if not data:
                    raise RuntimeError("closed")
                got += len(data)
            times.append((time.perf_counter() - start) * 1e3)
            time.sleep(0.0005)
        return {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99),
                "requests": len(times)}

    def close(self):
        self.sock.close()


class Tricklers(threading.Thread):
    """Clients that send their request a byte at a time and are never done."""

    def __init__(self, port, count, every_s=1.0):
        super().__init__(daemon=True)
        self.port, self.every_s, self.halt = port, every_s, threading.Event()
        self.socks = []
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", port), 10)
            sock.setblocking(False)
            self.socks.append(sock)

    def run(self):
        text = b"GET /1k HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 4000
        at = 0
        pause = self.every_s / 20
        while not self.halt.wait(pause):
            for sock in self.socks[at % 20::20]:
                try:
                    sock.send(text[at // 20:at // 20 + 1])
                except OSError:
                    pass
            at += 1

    def stop(self):
        self.halt.set()
        self.join()
        for sock in self.socks:
            sock.close()


def idle_bytes(server, count, opening, answer_has):
    """Memory of the server for each idle connection, after one exchange on each."""
    socks = []
    try:
        for n in range(200):  # pools and arenas reach their working size first
            socks.append(_opened(server, n, opening, answer_has))
        before = server.rss_bytes()
        for n in range(count):
            socks.append(_opened(server, n, opening, answer_has))
        time.sleep(0.5)
        return (server.rss_bytes() - before) / count
    finally:
        for sock in socks:
            sock.close()


TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # who answers is known
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE


def _opened(server, n, opening, answer_has):
    """One connection after one exchange. Its address varies: one has only so many ports."""
    source = f"127.0.1.{n // 1000 + 1}"
    sock = socket.create_connection(("127.0.0.1", server.port), 10, (source, 0))
    if server.speaks_tls:
        sock = TRUSTING.wrap_socket(sock)
    sock.sendall(opening)
    seen = b""
    while answer_has not in seen:
        data = sock.recv(65536)
        if not data:
            raise RuntimeError(f"no answer: {seen[:200]!r}")
        seen += data
    return sock
