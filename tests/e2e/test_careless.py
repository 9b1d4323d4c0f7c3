# SPDX-License-Identifier: MIT
"""Applications that do what they should not, and faults around the server."""

import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from process import APPS, SANITIZER_MARKS, SLOW, Server, environment, free_port, program
from rawhttp import Broken, Connection, encode, eventually

pytestmark = pytest.mark.ours


@pytest.fixture
def server(serve):
    return serve("careless:application", threads=4)


def memory_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_each_call_has_a_context_of_its_own(server):
    with server.connect() as conn:
        assert [conn.get("/context").text for _ in range(3)] == ["nothing"] * 3


@pytest.mark.parametrize("view", ["sys_exit", "interrupt", "base_exception", "recursion",
                                  "evil_headers"])
def test_exceptions_of_any_kind_end_the_call_alone(server, view):
    with server.connect() as conn:
        assert conn.get("/" + view).status == 500
        assert conn.get("/context").status == 200
    assert server.alive()


def test_generator_exit_cuts_the_response(server):
    response = server.get("/generator_exit")
    assert response.status == 200 and not response.complete


def test_what_a_call_left_behind_is_dead(server):
    assert server.get("/write_kept").text == "kept\n"
    assert server.get("/write_late").json() == ["RuntimeError"] * 3


@pytest.mark.parametrize("view, text", [
    ("write_from_thread", "from a thread\nfine\n"), ("reentrant", "a\n"), ("buffer_grows", "ok\n"),
    ("drop_in_thread", "ok\n"), ("asyncio_run", "sub\n"), ("connects_back", "HTTP/1.1 200 OK"),
    ("bound_signal", "ValueError"), ("fork_pool", "[1, 2, 3]"), ("children", "hello 0\n"),
    ("forks?how=raise", "child 0\n"), ("forks?how=exit", "child 0\n"),
    ("forks?how=return", "child 0\n"), ("forks?how=stream", "child 0\n"),
    ("forks?how=other", "child 1792\n"),
])
def test_odd_views_work(server, view, text):
    response = server.get("/" + view)
    assert response.complete and response.text == text


def test_children_inherit_no_descriptor(server):
    links = server.get("/inherited").text
    assert "socket" not in links and "eventpoll" not in links and "eventfd" not in links


def test_a_child_that_outlives_us_does_not_hold_the_port():
    port = free_port()
    first = Server("careless:application", port=port)
    child = int(first.get("/daemon_child").text)
    try:
        first.signal(signal.SIGTERM)
        assert first.wait() == 0
        with Server("careless:application", port=port) as second:
            assert second.get("/context").status == 200
    finally:
        os.kill(child, signal.SIGKILL)


def test_body_read_by_threads_that_outlive_the_call(server):
    for size in (10, 100000):
        assert server.request("POST", "/input_from_thread", body=b"x" * size).text == "ok\n"


@pytest.mark.parametrize("how, size", [
    ("shrink", 1000), ("beyond", 0), ("dir", 0), ("offset", 7), ("read_first", (1 << 20) - 3)])
def test_files_that_are_not_what_they_seem(server, how, size):
    response = server.get(f"/file?how={how}")
    assert response.complete and len(response.body) == size
    response = server.get(f"/file?length=1&how={how}")
    assert not response.complete and len(response.body) == size


@pytest.mark.parametrize("how", ["closed", "fd_closed"])
def test_files_that_are_closed(server, how):
    assert server.get(f"/file?how={how}").status == 500


@pytest.mark.parametrize("fd", [-1, 99999, 99999999999])
def test_descriptors_that_are_none(server, fd):
    assert server.get(f"/file?how=evil_fileno&fd={fd}").body == b""


def test_file_that_shrinks_while_it_is_sent(server):
    with server.connect() as conn:
        conn.start("GET", "/shrink_while_sent")
        time.sleep(1)
        assert not conn.read().complete
    assert server.get("/context").status == 200


def test_trace_is_refused(server):
    response = server.request("TRACE", "/context", [("Cookie", "secret")])
    assert response.status == 405 and "TRACE" not in response.get("Allow")
    assert b"secret" not in response.body


@pytest.mark.parametrize("size", [1, 100, 65536])
def test_slow_readers_cost_no_memory(server, size):
    """An endless body in pieces of any size, to a client that takes next to nothing."""
    server.get("/context")
    before = memory_kib(server.pid)
    with server.connect() as conn:
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        conn.start("GET", f"/giga?size={size}&n=1000000000")
        most = 0
        for _ in range(20):
            conn.take(1000)
            time.sleep(0.05)
            most = max(most, memory_kib(server.pid) - before)
        if SLOW == 1:  # a sanitizer keeps freed memory for itself
            assert most < 10240, f"{most} KiB"
        conn.reset()
    assert server.fds_return()


def test_client_that_pipelines_and_never_reads(server):
    before = memory_kib(server.pid)
    with server.connect() as conn:
        conn.sock.setblocking(False)
        requests = encode("GET", "/context") * 1000
        end = time.monotonic() + 2
        while time.monotonic() < end:
            select.select([], [conn.sock], [], 0.1)
            try:
                conn.sock.send(requests)
            except BlockingIOError:
                pass
        grown = memory_kib(server.pid) - before
        conn.reset()
    if SLOW == 1:  # a sanitizer keeps freed memory for itself
        assert grown < 8192, f"{grown} KiB"
    assert server.get("/context").status == 200


def test_loop_answers_while_python_is_busy(server):
    busy = [server.connect() for _ in range(4)]
    for conn in busy:
        conn.start("GET", "/hog?s=2")
    time.sleep(0.3)
    began = time.monotonic()
    with server.connect() as conn:
        conn.send(b"NONSENSE\r\n\r\n")
        assert conn.read().status == 400
    assert server.request("TRACE", "/").status == 405
    assert time.monotonic() - began < 0.5 * SLOW
    for conn in busy:
        assert conn.read().status == 200
        conn.close()


def test_full_queue_is_told_at_once():
    with Server("careless:application", "--queue-limit", "2", threads=2) as server:
        conns = [server.connect() for _ in range(12)]
        began = time.monotonic()
        for conn in conns:
            conn.start("GET", "/nap?s=3")
        waiting = {conn.sock: conn for conn in conns}
        refused = 0
        while time.monotonic() - began < 2 and refused < 8:
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


def test_connection_goes_on_after_a_timeout():
    with Server("careless:application", "--timeout", "1") as server, server.connect() as conn:
        assert conn.get("/nap?s=3").status == 504
        assert conn.get("/context").text == "nothing"


def test_out_of_descriptors():
    """No spin, those who are there are served, and it ends by itself."""
    port = free_port()
    process = subprocess.Popen(
        [program(), "-b", f"127.0.0.1:{port}", "--chdir", str(APPS), "careless:application",
         "--max-connections", "1000"], stdin=subprocess.DEVNULL, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    try:
        def first():
            try:
                return Connection(("127.0.0.1", port), 5 * SLOW)
            except OSError:
                return None
        good = eventually(first, 20 * SLOW, 0.05)
        assert good.get("/context").status == 200
        others = [Connection(("127.0.0.1", port), 5 * SLOW) for _ in range(150)]
        time.sleep(0.5)
        before = cpu_s(process.pid)
        time.sleep(2)
        assert cpu_s(process.pid) - before < 0.1 * SLOW
        assert good.get("/context").status == 200
        for conn in others:
            conn.close()

        def served():
            try:
                with Connection(("127.0.0.1", port), 2 * SLOW) as conn:
                    return conn.get("/context").status == 200
            except (OSError, Broken):
                return False
        assert eventually(served, 2 * SLOW, 0.05)
        good.close()
        process.terminate()
        assert process.wait(20 * SLOW) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("options, number", [
    ([], signal.SIGQUIT), (["--graceful-timeout", "0.5"], signal.SIGTERM)])
def test_stop_while_a_client_is_owed_bytes(options, number):
    """They are the application's: the last references go when Python is about to."""
    server = Server(*options, "careless:application")
    try:
        with server.connect() as conn:
            conn.start("GET", f"/one_big?size={1 << 24}")
            conn.final_head()
            server.signal(number)
            assert server.wait() == 0
            assert not [mark for mark in SANITIZER_MARKS if mark in server.output()]
    finally:
        server.kill()


def test_stopped_and_continued():
    with Server("slow:application") as server, server.connect() as conn:
        conn.start("GET", "/trickle?s=0.05&n=20")
        server.signal(signal.SIGSTOP)
        time.sleep(2)
        with pytest.raises(TimeoutError), server.connect() as other:
            other.sock.settimeout(0.5)
            other.get("/")
        server.signal(signal.SIGCONT)
        response = conn.read()
        assert response.complete and len(response.body) == 100
        assert server.get("/").status == 200


def test_spool_that_cannot_be_made():
    with Server("echo:application", env={"TMPDIR": "/nonexistent"}) as server:
        with server.connect() as conn:
            assert conn.request("POST", "/", body=b"x" * 300000).status == 500
        assert server.request("POST", "/", body=b"x" * 1000).status == 200


def test_closed_streams_of_python():
    """The last: it leaves sys.stderr closed."""
    with Server("careless:application") as server:
        assert server.get("/stdout_closed").text == "ok\n"
        assert server.get("/sys_exit").status == 500
        assert server.logs("after the end of stderr")
        assert json.loads(server.get("/state").text) == {}
