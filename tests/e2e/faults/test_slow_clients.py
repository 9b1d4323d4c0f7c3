# SPDX-License-Identifier: MIT
"""Rows 12, 15 and 16: clients that send slowly, read slowly, or do not read at all.

(With 1 000 of them and a p99: contrib/bench/slow. Each deadline alone: ../test_limits.py.)
"""

import select
import socket
import time

import pytest

from load import Beside, Process, memory_kib, settle, under_load
from process import SLOW, Server
from rawhttp import Broken, encode, eventually

HEAD = b"GET /native/1k HTTP/1.1\r\nHost: x\r\nX-Long: "
BODY = encode("POST", "/load", [("Content-Length", "100000")])
READ = encode("GET", "/native/100k")
DEADLINES = ["--header-timeout", "1", "--body-rate-after", "1", "--write-timeout", "1"]


class Tricklers(Beside):
    """Clients that send a byte now and then and are never done."""

    def __init__(self, conns, every_s=0.2):
        super().__init__(every_s)
        self.conns = conns

    def step(self):
        for conn in self.conns:
            try:
                conn.send(b"y")
            except OSError:
                pass


def small_reader(server):
    conn = server.connect()
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return conn


def trickling(server, opening, count):
    conns = [server.connect() for _ in range(count)]
    for conn in conns:
        conn.send(opening)
    return conns


@pytest.mark.parametrize("opening", [HEAD, BODY], ids=["head", "body"])
def test_row12_clients_that_send_slowly(everything, is_long, opening):
    """408 at the deadline; they hold no worker, and nobody else waits longer for them."""
    count = 1000 if is_long else 150
    with Server(*everything, *DEADLINES, threads="4:4") as server, under_load(server) as load:
        load.go_on(20)
        alone = load.median_ms("get")
        threads = Process(server).threads
        since = len(load.times["get"])
        conns = trickling(server, opening, count)
        with Tricklers(conns):
            assert Process(server).threads == threads
            load.go_on(20)
            for conn in conns:
                response = conn.read()
                assert response.status == 408 and response.get("Connection") == "close"
        assert load.median_ms("get", since) <= 2 * alone + 20 * SLOW
        for conn in conns:
            conn.close()


def test_row12_clients_that_read_slowly(everything, is_long):
    """Cut when they have taken nothing for so long; a C handler's answers hold no worker."""
    count = 300 if is_long else 50
    with Server(*everything, *DEADLINES, threads="4:4") as server:
        with under_load(server) as load:
            read_slowly(server, count, load)


def read_slowly(server, count, load):
    before = server.fds()
    conns = [small_reader(server) for _ in range(count)]
    for conn in conns:
        conn.send(READ * 100)
    load.go_on(20)
    began = time.monotonic()
    assert eventually(lambda: server.fds() <= before + 6, 10 * SLOW, 0.1)
    assert time.monotonic() - began < 8 * SLOW
    for conn in conns:
        with pytest.raises((Broken, OSError)):
            while conn.read().complete:
                pass
            raise Broken("cut")
        conn.close()


def test_row15_clients_that_pipeline_and_never_read(everything):
    """What is read ahead and what waits to be written are bounded; then they are cut."""
    count, requests = 10, encode("GET", "/native/1k") * 1000
    with Server(*everything, *DEADLINES, threads="4:4") as server, under_load(server):
        conns = {conn.sock: conn for conn in (small_reader(server) for _ in range(count))}
        before, most = memory_kib(server.pid), 0
        for sock in conns:
            sock.setblocking(False)
        end = time.monotonic() + 0.8
        while time.monotonic() < end:
            for sock in select.select([], list(conns), [], 0.1)[1]:
                try:
                    sock.send(requests)
                except OSError:
                    pass
            most = max(most, memory_kib(server.pid) - before)
        if SLOW == 1:  # a sanitizer keeps freed memory for itself
            assert most <= 1024 * count, f"{most} KiB"
        assert eventually(lambda: server.fds() <= server.fds_at_start + 12, 10 * SLOW, 0.1)
        for conn in conns.values():
            conn.close()


@pytest.mark.parametrize("size", [1, 100, 65536])
def test_row16_an_endless_response_waits_for_its_reader(server, size):
    """An endless body in pieces of any size, to a client that takes next to nothing."""
    settle(server)
    with under_load(server):
        before, most = memory_kib(server.pid), 0
        with small_reader(server) as conn:
            conn.start("GET", f"/careless/giga?size={size}&n=1000000000")
            for _ in range(15):
                conn.take(1000)
                time.sleep(0.02)
                most = max(most, memory_kib(server.pid) - before)
            conn.reset()
        if SLOW == 1:
            assert most <= 10240, f"{most} KiB"


def test_row16_a_gigabyte_arrives_whole(server, is_long):
    """The reader takes it at its own pace, and gets every byte."""
    size, pieces = 65536, 16384 if is_long else 512
    with under_load(server), server.connect() as conn:
        before, most = memory_kib(server.pid), 0
        conn.start("GET", f"/careless/giga?size={size}&n={pieces}")
        response = conn.final_head()
        assert response.status == 200
        total = 0
        while chunk := conn.chunk():
            total += len(chunk)
            assert chunk.count(b"x") == len(chunk)
            if total % (64 * size) == 0:
                most = max(most, memory_kib(server.pid) - before)
        assert chunk == b"" and total == size * pieces
        if SLOW == 1:
            assert most <= 10240, f"{most} KiB"
