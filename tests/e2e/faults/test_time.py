# SPDX-License-Identifier: MIT
"""Rows 20 and 31: clocks that jump, processes that are stopped for a while."""

import email.utils
import signal
import struct
import time
from pathlib import Path

import pytest

from load import under_load
from process import SLOW, Server

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
            slow.start("GET", "/slow/trickle?s=0.1&n=20")
            half.send(b"GET /native/1k HTTP/1.1\r\n")
            for jump in (HOUR_S, -HOUR_S):
                clock.jump(jump)
                load.go_on(10)
                time.sleep(1.1 * SLOW)  # the second after the jump has a Date of its own
                assert abs(date_of(server) - jump) < 3
                load.go_on(5)
            clock.jump(0)
            half.send(b"Host: x\r\n\r\n")
            assert half.read().status == 200
            assert slow.read().body == b"tick\n" * 20
        for conn in idle:
            assert conn.get("/native/1k").status == 200
            conn.close()


@pytest.mark.parametrize("jump", [HOUR_S, -HOUR_S], ids=["forwards", "backwards"])
def test_row20_deadlines_hold_while_the_clock_jumps(everything, clock, jump):
    with Server(*everything, "--keep-alive", "2", threads="4:4", env=clock.env) as server, \
            under_load(server), server.connect() as conn:
        conn.get("/native/1k")
        began = time.monotonic()
        clock.jump(jump)
        assert conn.closed_by_peer(10)
        assert 1.5 < time.monotonic() - began < 4


def test_row31_a_process_that_is_stopped_for_a_while(server, is_long):
    """Everybody waits, nobody is lost: not who was being served, nor who comes meanwhile."""
    with under_load(server) as load, server.connect() as slow:
        slow.start("GET", "/slow/trickle?s=0.05&n=20")
        server.signal(signal.SIGSTOP)
        try:
            late = [server.connect() for _ in range(20)]
            for conn in late:
                conn.start("GET", "/native/1k")
            assert late[0].silent(0.2)
            time.sleep(5 if is_long else 1.5)
        finally:
            server.signal(signal.SIGCONT)
        for conn in late:
            assert conn.read().body == b"x" * 1024
            conn.close()
        assert slow.read().body == b"tick\n" * 20
        load.go_on(5)
