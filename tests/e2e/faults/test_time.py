# SPDX-License-Identifier: MIT
"""Rows 20 and 31: clocks that jump, processes that are stopped for a while."""

import email.utils
import signal
import struct
import time
from pathlib import Path

import pytest

from load import WEBSOCKET, frame, read_frame, under_load
from process import SLOW, Server
from rawhttp import encode, eventually

HOUR_S = 3600


def date_of(server):
    response = server.get("/native/1k")
    return email.utils.parsedate_to_datetime(response.get("Date")).timestamp() - time.time()


class Clock:
    """A wall clock that jumps, beside a monotonic one that is true."""

    def __init__(self, library, file):
        self.file = file
        self.env = {"LD_PRELOAD": str(library), "GN_TEST_WALL_CLOCK": str(file)}
        self.file.write_bytes(bytes(8))

    def jump(self, seconds):
        with open(self.file, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", seconds))


@pytest.fixture
def clock(base_dir, tmp_path):
    if SLOW > 1:
        pytest.skip("a sanitizer must be loaded first")
    library = Path(base_dir, "tests", "support", "wall_clock.so")
    if not library.exists():
        pytest.skip(f"{library} was not built")
    return Clock(library, tmp_path / "clock")


def test_row20_a_clock_that_jumps_disconnects_nobody(everything, clock):
    """Deadlines are monotonic; the Date header follows the wall clock."""
    with Server(*everything, threads="4:4", env=clock.env) as server:
        idle = [server.connect() for _ in range(20)]
        for conn in idle:
            assert conn.get("/native/1k").status == 200
        with under_load(server) as load, server.connect() as slow, server.connect() as half:
            slow.start("GET", "/slow/trickle?s=0.1&n=15")
            half.send(b"GET /native/1k HTTP/1.1\r\n")
            for jump in (HOUR_S, -HOUR_S):
                clock.jump(jump)
                load.go_on(5)
                assert eventually(lambda: abs(date_of(server) - jump) < 3, 3 * SLOW, 0.05)
                load.go_on(5)
            clock.jump(0)
            half.send(b"Host: x\r\n\r\n")
            assert half.read().status == 200
            assert slow.read().body == b"tick\n" * 15
        for conn in idle:
            assert conn.get("/native/1k").status == 200
            conn.close()


def test_row20_deadlines_hold_while_the_clock_jumps(everything, clock):
    """Forwards it ends no wait too soon, backwards none too late."""
    with Server(*everything, "--keep-alive", "2", threads="4:4", env=clock.env) as server, \
            under_load(server, fresh_every=1), server.connect() as conn:
        conn.get("/native/1k")
        began = time.monotonic()
        clock.jump(HOUR_S)
        assert conn.silent(0.5)
        clock.jump(-HOUR_S)
        assert conn.closed_by_peer(10)
        assert 1.5 < time.monotonic() - began < 4


def test_row31_a_process_that_is_stopped_for_a_while(server, is_long):
    """Everybody waits, nobody is lost: not who was being served, nor who comes meanwhile."""
    with under_load(server) as load, server.connect() as slow:
        slow.start("GET", "/slow/trickle?s=0.05&n=10")
        server.signal(signal.SIGSTOP)
        try:
            late = [server.connect() for _ in range(20)]
            for conn in late:
                conn.start("GET", "/native/1k")
            assert late[0].silent(0.2)
            time.sleep(5 if is_long else 1)
        finally:
            server.signal(signal.SIGCONT)
        for conn in late:
            assert conn.read().body == b"x" * 1024
            conn.close()
        assert slow.read().body == b"tick\n" * 10
        load.go_on(5)


DEADLINE_S = 1.5
DEADLINES = ["--keep-alive", DEADLINE_S, "--header-timeout", DEADLINE_S,
             "--body-timeout", DEADLINE_S]
# What a client has sent (and been answered) before the stop, what it sends meanwhile.
GET, POST = encode("GET", "/native/1k"), encode("POST", "/native/echo", body=b"x" * 1024)
HALVES = [(GET, GET)] * 100 + [(GET[:30], GET[30:]), (POST[:-500], POST[-500:])] * 10


def begun(server):
    """A connection for each of HALVES; None when that took so long that one may be due."""
    conns = [server.connect() for _ in HALVES]
    began = time.monotonic()
    for conn, (first, _) in zip(conns, HALVES):
        conn.send(first)
        if first == GET:
            assert conn.read().status == 200
    if time.monotonic() - began < DEADLINE_S / 2:
        return conns
    for conn in conns:
        conn.close()
    return None


def stop_idle(server):
    """Stops it while its loop polls, which the stop interrupts: that poll tells of nothing."""
    time.sleep(0.05)
    server.signal(signal.SIGSTOP)
    time.sleep(0.05)


def test_row31_what_arrived_in_time_is_read_before_a_deadline(everything):
    """All deadlines pass while the process is stopped: whoever has sent meanwhile is answered."""
    with Server(*everything, *DEADLINES, threads="4:4") as server:
        assert (conns := eventually(lambda: begun(server), 20 * SLOW))
        stop_idle(server)
        for conn, (_, second) in zip(conns, HALVES):
            conn.send(second)
        time.sleep(DEADLINE_S + 0.1)
        server.signal(signal.SIGCONT)
        for conn in conns:
            assert conn.read().body == b"x" * 1024
        # They hold for those who are silent.
        for conn in conns:
            assert conn.closed_by_peer(5 * SLOW)
            conn.close()


def test_row31_a_websocket_that_answered_a_ping_meanwhile_lives(everything):
    options = ["--ws-ping-interval", "0.5", "--ws-ping-timeout", "1"]
    with Server(*everything, *options) as server, server.connect() as conn:
        conn.start("GET", "/ws", WEBSOCKET)
        assert conn.head().status == 101
        kind, data = read_frame(conn)
        assert kind == 0x89
        stop_idle(server)
        conn.send(frame(10, data) + frame(1, b"still here"))
        time.sleep(1.2)
        server.signal(signal.SIGCONT)
        assert read_frame(conn) == (0x81, b"still here")
        kind, data = read_frame(conn)
        assert kind == 0x89
        conn.send(frame(10, data))
