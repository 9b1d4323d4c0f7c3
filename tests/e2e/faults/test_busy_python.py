# SPDX-License-Identifier: MIT
"""Rows 21 to 24: workers that are all busy, stuck, or hold the interpreter; applications that
fork, spawn and close what is not theirs. (Odd views without load: ../test_careless.py.)
"""

import select
import statistics
import time

import pytest

from load import under_load
from process import SANITIZER, SLOW, Server
from rawhttp import eventually

NATIVE = ("native", "websocket")
LATE_S = 1 if SLOW == 1 else 3  # the load must not be late


def times_of(server, count=20):
    """How long a new connection takes to get a C handler's page; seconds, sorted."""
    took = []
    for _ in range(count):
        began = time.monotonic()
        assert server.get("/native/1k").status == 200
        took.append(time.monotonic() - began)
        time.sleep(0.01)
    return sorted(took)


def soon_below(limit_s, measure):
    """True once a measurement stays below: a busy machine spoils some, a server at fault all."""
    return eventually(lambda: measure() <= limit_s, 1, 0)


def start_each(server, target, count):
    conns = [server.connect() for _ in range(count)]
    for conn in conns:
        conn.start("GET", target)
    return conns


def test_row21_workers_that_all_wait(everything):
    """C handlers and WebSockets go on; beyond the queue 503 comes at once, and says when."""
    options = ["--queue-limit", "8", "--queue", "fifo"]  # no worker kept back
    with Server(*everything, *options, threads="4:4") as server, \
            under_load(server, kinds=NATIVE) as load:
        alone = statistics.median(times_of(server))
        busy = start_each(server, "/slow/trickle?s=0.1&n=1000", 4)
        for conn in busy:
            assert conn.final_head().status == 200
        queued = start_each(server, "/slow/sleep?s=0", 8)
        assert server.get("/native/1k").status == 200  # by now the loop has seen the eight
        assert soon_below(0.05 * SLOW, lambda: statistics.median(times_of_refusals(server)))
        assert soon_below(2 * alone + 0.01 * SLOW, lambda: statistics.median(times_of(server)))
        load.go_on(5)
        assert all(conn.silent(0.01) for conn in queued)
        for conn in busy:
            conn.reset()
        for conn in queued:
            assert conn.read().text == "done\n"
            conn.close()
        assert server.get("/slow/sleep?s=0").status == 200


def times_of_refusals(server, count=20):
    took = []
    for _ in range(count):
        with server.connect() as conn:
            began = time.monotonic()
            response = conn.get("/slow/sleep?s=0")
            took.append(time.monotonic() - began)
            assert response.status == 503 and int(response.get("Retry-After")) > 0
    return took


def test_row21_a_full_queue_is_told_at_once(everything):
    """Twelve at the same moment, two workers, two places."""
    nap_s = 1 + SLOW / 2
    with Server(*everything, "--queue-limit", "2", threads=2) as server:
        conns = start_each(server, f"/careless/nap?s={nap_s}", 12)
        began = time.monotonic()
        waiting = {conn.sock: conn for conn in conns}
        refused = 0
        while time.monotonic() - began < nap_s - 0.2 and refused < 8:
            for sock in select.select(list(waiting), [], [], 0.1)[0]:
                response = waiting.pop(sock).read()
                assert response.status == 503 and int(response.get("Retry-After")) > 0
                refused += 1
        assert refused >= 8
        # Two wait and up to two run: how many had begun when the rest came is the machine's affair.
        statuses = [conn.read().status for conn in waiting.values()]
        assert statuses.count(200) >= 2 and set(statuses) <= {200, 503}
        for conn in conns:
            conn.close()


def test_row22_a_worker_that_is_stuck(everything):
    """Its client is told, the others are served by the workers that are left, and it may return."""
    with Server(*everything, "--timeout", LATE_S, threads="4:4") as server, \
            under_load(server) as load:
        began = time.monotonic()
        for conn in start_each(server, "/slow/stuck", 2):
            assert conn.read().status == 504
            conn.close()
        assert LATE_S - 0.1 < time.monotonic() - began < 4 * LATE_S
        load.go_on(10)
        assert server.get("/slow/free").status == 200


def test_row22_a_worker_that_is_stuck_for_ever_cannot_hold_the_exit(everything):
    server = Server(*everything, "--timeout", LATE_S, "--graceful-timeout", "1", threads="4:4")
    try:
        with under_load(server, recovers=False):
            assert server.get("/slow/stuck").status == 504
        began = time.monotonic()
        server.process.terminate()
        server.wait()
        assert time.monotonic() - began < 8 * SLOW
    finally:
        server.kill()


def test_row23_views_that_hold_the_interpreter(server):
    """Four loops of pure Python: the loop accepts, answers, refuses and echoes meanwhile."""
    with under_load(server, kinds=NATIVE) as load:
        busy = start_each(server, "/careless/hog?s=1.5", 4)
        time.sleep(0.2)
        assert soon_below(0.05 * SLOW, lambda: times_of(server)[17])
        with server.connect() as conn:
            conn.send(b"NONSENSE\r\n\r\n")
            assert conn.read().status == 400
        assert server.request("TRACE", "/careless/").status == 405
        load.go_on(5)
        for conn in busy:
            assert conn.read().status == 200
            conn.close()


# A child that is forked while another thread is inside ThreadSanitizer finds its locks taken when
# it starts threads of its own; asyncio's race is told of in ../test_careless.py.
starts_threads = pytest.mark.skipif(SANITIZER == "thread", reason="beyond ThreadSanitizer")


@pytest.mark.parametrize("view, text", [
    ("forks?how=closes", "child 0\n"), ("forks?how=other", "child 1792\n"),
    pytest.param("children", "hello 0\n", marks=starts_threads),
    pytest.param("asyncio_run", "sub\n", marks=starts_threads)])
def test_row24_applications_that_fork_and_spawn(server, view, text):
    """A child may close every descriptor it sees: ours are not touched."""
    with under_load(server):
        for _ in range(5):
            assert server.get("/careless/" + view).text == text
    links = server.get("/careless/inherited").text
    assert "socket" not in links and "eventpoll" not in links and "eventfd" not in links
