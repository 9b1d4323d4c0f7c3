# SPDX-License-Identifier: MIT
"""Rows 8 and 32: stopping under load, and starts that must not happen beside a running server.

(Stops without load and what else stops a start: ../test_program.py, ../test_tls.py.)
"""

import os
import signal
import time

import pytest

from load import under_load
from process import SLOW, Server, run_program

GRACEFUL_S = 5
HURRIED_S = 1.5


@pytest.fixture
def running(request, everything):
    graceful_s = getattr(request, "param", GRACEFUL_S)
    server = Server(*everything, "--graceful-timeout", graceful_s, threads="4:4")
    yield server
    server.kill()


def test_row08_a_stop_under_load_cuts_nothing(running):
    """Whatever was begun is finished; idle connections end at once; the exit code is 0."""
    idle = [running.connect() for _ in range(20)]
    for conn in idle:
        assert conn.get("/native/1k").status == 200
    slow, stream = running.connect(), running.connect()
    with under_load(running, recovers=False, forgives={"refused", "lost"}) as load:
        slow.start("GET", "/slow/sleep?s=0.8")
        stream.start("GET", "/slow/trickle?s=0.1&n=10")
        stream.final_head()
        assert stream.chunk() == b"tick\n"
        load.go_on()
        running.signal(signal.SIGTERM)
        began = time.monotonic()
        for conn in idle:
            assert conn.closed_by_peer(5 * SLOW)
        assert time.monotonic() - began < 0.7 * SLOW
        assert slow.read().text == "done\n"
        slow.close()
        rest = []
        while chunk := stream.chunk():
            rest.append(chunk)
        assert chunk == b"" and b"".join(rest) == b"tick\n" * 9
        stream.close()
        assert running.wait() == 0
        assert time.monotonic() - began < GRACEFUL_S * SLOW


@pytest.mark.parametrize("running", [HURRIED_S], indirect=True)
def test_row08_a_stop_takes_no_longer_than_it_may(running):
    """A response without end is cut at the deadline, and does not look complete."""
    with running.connect() as conn:
        conn.start("GET", "/slow/trickle?s=0.05&n=100000")
        conn.final_head()
        with under_load(running, recovers=False, forgives={"refused", "lost"}):
            began = time.monotonic()
            running.signal(signal.SIGTERM)
            while conn.chunk():
                pass
            assert conn.chunk() is None if conn.pending else conn.eof
            running.wait()
            took = time.monotonic() - began
            assert HURRIED_S - 0.1 < took < (HURRIED_S + 1) * SLOW


def test_row08_a_second_signal_stops_at_once(running):
    with running.connect() as conn:
        conn.start("GET", "/slow/sleep?s=60")
        with under_load(running, recovers=False, forgives={"refused", "lost"}):
            running.signal(signal.SIGTERM)
            time.sleep(0.3)
            assert running.alive()
            began = time.monotonic()
            running.signal(signal.SIGTERM)
            running.wait()
            assert time.monotonic() - began < 2 * SLOW


def refused(server, *options, says):
    """A start that fails in one sentence."""
    done = run_program(*options)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert len(output.strip().splitlines()) == 1, output
    assert all(word in output for word in says), output


def test_row32_starts_that_fail_say_why_and_hurt_nobody(server, apps, tmp_path):
    """The port is ours already; a log, a certificate, a module cannot be had."""
    bind = ["-b", "127.0.0.1:0", "--chdir", apps]
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate\n")
    with under_load(server):
        busy = f"127.0.0.1:{server.port}"
        refused(server, "-b", busy, "--chdir", apps, "echo:application", says=[busy, "in use"])
        refused(server, *bind, "--certfile", bad, "echo:application", says=["bad.pem"])
        refused(server, *bind, "--access-logfile", "/no/such/folder/log", "echo:application",
                says=["/no/such/folder/log"])
        refused(server, *bind, "--module", bad, "echo:application", says=["bad.pem"])
    assert os.getpgid(server.pid) == server.pid
