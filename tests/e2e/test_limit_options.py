# SPDX-License-Identifier: MIT
"""Bounds and deadlines as the program's options set them, each just under and just over.

tests/wire/README.md says which test looks at which limit.
"""

import contextlib
import os
import resource
import select
import signal
import socket
import time
from pathlib import Path

import pytest

from process import SLOW, Server, run_program
from rawhttp import encode, eventually
from test_websocket import close_code, frame, module, raw, read_frame

pytestmark = pytest.mark.ours


def answer(server, data):
    """Status of the answer; after an error the connection must end, else it must go on."""
    with server.connect() as conn:
        conn.send(data)
        response = conn.read()
        assert response.complete and response.get("Date")
        if response.status >= 400:
            assert response.get("Connection") == "close" and conn.closed_by_peer()
        else:
            assert conn.get("/").status == 200
        return response.status


# ---- sizes ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(serve):
    return serve("--limit-request-line", "100", "--limit-request-fields", "5",
                 "--limit-request-field_size", "100", "--limit-request-head", "300",
                 "--limit-request-body", "1000", "--body-memory", "500", "echo:application")


def line_of(size):
    return encode("GET", "/" + "a" * (size - len("GET / HTTP/1.1")))


def fields_of(count):
    return encode("GET", "/", [(f"X-{i}", "y") for i in range(count - 1)])


def field_of(size):
    return encode("GET", "/", [("X", "y" * (size - len("X: ")))])


def head_of(size):
    """So many bytes before the empty line."""
    start = encode("GET", "/", [("A", "a" * 90), ("B", "b" * 90), ("C", "")])[:-2]
    return encode("GET", "/", [("A", "a" * 90), ("B", "b" * 90), ("C", "c" * (size - len(start)))])


def body_of(size):
    return encode("POST", "/", body=b"x" * size)


def chunks_of(size):
    return (encode("POST", "/", [("Transfer-Encoding", "chunked")]) +
            b"%x\r\n%s\r\n" % (size, b"x" * size) + b"0\r\n\r\n")


@pytest.mark.parametrize("request_of, most, status, option", [
    (line_of, 100, 414, "--limit-request-line"),
    (fields_of, 5, 431, "--limit-request-fields"),
    (field_of, 100, 431, "--limit-request-field_size"),
    (head_of, 300, 431, "--limit-request-head"),
    (body_of, 1000, 413, "--limit-request-body"),
    (chunks_of, 1000, 413, "--limit-request-body"),
])
def test_sizes_of_requests(small, request_of, most, status, option):
    assert answer(small, request_of(most)) == 200
    assert answer(small, request_of(most + 1)) == status
    # such lines come at most once a second: ask until it was this one's turn
    assert eventually(lambda: f"raise {option} " in small.output() or
                      answer(small, request_of(most + 1)) != status, 5 * SLOW, 0.3)
    assert f"raise {option} " in small.output()


@pytest.mark.parametrize("size", [500, 501])
def test_bodies_in_memory_and_in_a_file_are_the_same(small, size):
    with small.connect() as conn:
        seen = conn.request("POST", "/", body=b"x" * size).json()
        assert len(seen["body_b64"]) == (size + 2) // 3 * 4


def test_requests_per_connection(serve):
    server = serve("--max-requests-per-connection", "2", "echo:application")
    with server.connect() as conn:
        assert conn.get("/").get("Connection") is None
        assert conn.get("/").get("Connection") == "close"
        assert conn.closed_by_peer()


# ---- connections that wait to be accepted ------------------------------------------


@contextlib.contextmanager
def stopped(server):
    """A program that accepts nothing for a while."""
    server.signal(signal.SIGSTOP)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        yield
    finally:
        server.signal(signal.SIGCONT)


@contextlib.contextmanager
def descriptors_for(count):
    """So many clients at once, where the system has let us have fewer so far."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[0] < count + 100 <= before[1]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def clients_until_refused(path, most):
    """On a Unix socket the kernel says at once that no more may wait."""
    clients = []
    while len(clients) <= most:
        clients.append(socket.socket(socket.AF_UNIX))
        clients[-1].setblocking(False)
        try:
            clients[-1].connect(path)
        except BlockingIOError:
            clients.pop().close()
            break
    return clients


@pytest.mark.parametrize("options, backlog", [
    (["--backlog", 1], 1), (["--backlog", 9], 9), (["--backlog", 65535], 65535), ([], 2048)])
def test_connections_that_wait_to_be_accepted(tmp_path, options, backlog):
    """As many as were asked for and one, which is how the kernel counts; they are served later."""
    path = str(tmp_path / "socket")
    expected = min(backlog, int(Path("/proc/sys/net/core/somaxconn").read_text())) + 1
    with Server(*options, "echo:application", bind=path) as server, descriptors_for(expected):
        with stopped(server):
            clients = clients_until_refused(path, expected)
            assert len(clients) == expected
            first = clients[:5]
            for client in clients[5:]:
                client.close()
            for client in first:
                client.sendall(encode("GET", "/"))
        for client in first:
            client.settimeout(20 * SLOW)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            client.close()


@pytest.mark.parametrize("backlog", [0, 65536])
def test_a_backlog_out_of_bounds_is_refused(backlog):
    done = run_program("--backlog", backlog, "echo:application")
    assert done.returncode == 2
    assert f"--backlog {backlog}: expected a number from 1 to 65535" in done.stderr


# ---- deadlines of requests --------------------------------------------------------


@pytest.fixture(scope="module")
def hasty(serve):
    return serve("--header-timeout", "0.8", "--body-timeout", "0.8", "--keep-alive", "0.8",
                 "--body-rate", "1000", "--body-rate-after", "0.5", "--linger", "0.5",
                 "echo:application")


HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500


@pytest.mark.parametrize("start, rest", [(HEAD, b"\r\n"), (BODY, b"x" * 500)],
                         ids=["head", "body"])
def test_a_request_in_two_parts(hasty, start, rest):
    with hasty.connect() as conn:
        conn.send(start)
        time.sleep(0.2)
        conn.send(rest)
        assert conn.read().status == 200
    with hasty.connect() as conn:
        began = time.monotonic()
        conn.send(start)
        response = conn.read()
        assert response.status == 408 and response.get("Connection") == "close"
        assert 0.7 < time.monotonic() - began < 5 * SLOW
        assert conn.closed_by_peer()


def test_an_idle_connection(hasty):
    with hasty.connect() as conn:
        assert conn.get("/").status == 200
        time.sleep(0.2)
        assert conn.get("/").status == 200
        began = time.monotonic()
        assert conn.closed_by_peer()
        assert 0.7 < time.monotonic() - began < 5 * SLOW


def drip(conn, size, times):
    for _ in range(times):
        try:
            conn.send(b"x" * size)
        except OSError:
            return
        if select.select([conn.sock], [], [], 0.1)[0]:
            return


def test_the_rate_of_a_body(hasty):
    opening = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n"
    with hasty.connect() as conn:
        conn.send(opening)
        drip(conn, 400, 10)  # 4000 bytes a second
        assert conn.read().status == 200
    with hasty.connect() as conn:
        conn.send(opening)
        drip(conn, 10, 300)  # a hundred
        assert conn.read().status == 408


def test_after_an_error_what_comes_is_read_for_a_while(hasty):
    with hasty.connect() as conn:
        conn.send(b"nonsense\r\n\r\n")
        assert conn.read().status == 400
        conn.send(b"x" * 1000)  # no reset yet
        time.sleep(0.1)
        conn.send(b"x" * 1000)

        def is_refused():
            try:
                conn.send(b"x")
                return False
            except OSError:
                return True

        assert eventually(is_refused, 5 * SLOW, 0.1)


# ---- what clients do not read -----------------------------------------------------


def test_a_client_that_does_not_read_for_a_while(serve):
    server = serve("--write-timeout", "1", "slow:application")
    with server.connect() as conn:
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        conn.start("GET", "/big?n=120")
        time.sleep(0.4)
        response = conn.read()
        assert response.complete and len(response.body) == 120 * 65536
    with server.connect() as conn:
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        conn.start("GET", "/big?n=120")
        time.sleep(2 * SLOW)
        assert not conn.read().complete


def chunks_made(tmp_path, size):
    """How many parts of 64 KiB an application makes for a client that reads nothing."""
    path = str(tmp_path / f"sock-{size}")
    with Server("--output-size", size, "--output-low", "1K", "slow:application", bind=path) as server:
        with server.connect() as conn:
            conn.start("GET", "/big?n=400")

            def made():
                return server.get("/events").json()["chunks"]

            counts = [made()]
            while len(counts) < 4 or len(set(counts[-4:])) > 1:
                time.sleep(0.1)
                counts.append(made())
            conn.reset()
        return counts[-1]


def test_an_application_waits_for_a_client_that_does_not_read(tmp_path):
    few, many = chunks_made(tmp_path, "16K"), chunks_made(tmp_path, "4M")
    assert few < 20 and many >= few + 32


# ---- waiting for Python -----------------------------------------------------------


def test_waiting_for_a_worker_has_an_end(serve):
    server = serve("--queue-timeout", "0.5", "slow:application", threads=1)
    with server.connect() as busy, server.connect() as late:
        busy.start("GET", "/sleep?s=2")
        time.sleep(0.2)
        began = time.monotonic()
        response = late.get("/")
        assert response.status == 503 and response.get("Retry-After")
        assert 0.4 < time.monotonic() - began
        assert busy.read().status == 200
        busy.start("GET", "/sleep?s=0.2")
        time.sleep(0.05)
        assert late.get("/").status == 200


def test_calls_that_wait_for_a_worker_are_counted(serve):
    server = serve("--queue-limit", "2", "slow:application", threads=1)
    busy, first, second = (server.connect() for _ in range(3))
    busy.start("GET", f"/sleep?s={1.5 * SLOW}")
    time.sleep(0.2 * SLOW)
    for conn in (first, second):
        conn.start("GET", "/")
    assert first.silent(0.2) and second.silent(0.2)
    response = server.get("/")
    assert response.status == 503 and response.get("Retry-After")
    for conn in (busy, first, second):
        assert conn.read().status == 200
        conn.close()
    assert server.get("/").status == 200


# ---- WebSockets -------------------------------------------------------------------


@pytest.fixture(scope="module")
def sockets(serve, base_dir):
    return serve("--module", module(base_dir, "bench", "gn_bench_module"), "--ws-ping-interval",
                 "0.5", "--ws-ping-timeout", "0.5", "--ws-close-timeout", "0.5", "slow:application")


def test_a_websocket_that_gives_no_sign_of_life(sockets):
    with raw(sockets) as conn:
        began = time.monotonic()
        for _ in range(3):  # as long as pings are answered it lives
            first, payload = read_frame(conn)
            assert first == 0x89
            conn.send(frame(10, payload))
        assert time.monotonic() - began > 1.2
        began = time.monotonic()
        assert close_code(conn) == 1001
        assert 0.4 < time.monotonic() - began < 5 * SLOW


def test_a_websocket_that_does_not_close(sockets):
    with raw(sockets) as conn:
        conn.send(frame(3))  # no such opcode
        began = time.monotonic()
        assert close_code(conn) == 1002
        conn.sock.settimeout(10 * SLOW)
        assert conn.rest() == b""
        assert time.monotonic() - began < 5 * SLOW
