# SPDX-License-Identifier: MIT
"""Applications that do what they should not. (Faults under load: faults/.)"""

import json
import os
import signal
import time

import pytest

from process import SANITIZER, SANITIZER_MARKS, Server, free_port
from rawhttp import eventually

pytestmark = pytest.mark.ours


@pytest.fixture
def server(serve):
    return serve("careless:application", threads=4)


def noted(server, what):
    return server.get("/state").json().get(what, 0)


def test_each_call_has_a_context_of_its_own(server):
    with server.connect() as conn:
        assert [conn.get("/context").text for _ in range(3)] == ["nothing"] * 3


@pytest.mark.parametrize("view", ["sys_exit", "interrupt", "base_exception", "recursion"])
def test_exceptions_of_any_kind_end_the_call_alone(server, view):
    with server.connect() as conn:
        assert conn.get("/" + view).status == 500
        assert conn.get("/context").status == 200
    assert server.alive()


def test_generator_exit_cuts_the_response(server):
    response = server.get("/generator_exit")
    assert response.status == 200 and not response.complete


def test_headers_of_a_subclass_of_str_are_the_text_they_hold(server):
    """Members of a StrEnum, Markup; what else they can do is never asked for."""
    response = server.get("/evil_headers")
    assert response.status == 200 and response.get("X-Evil") == "yes"


@pytest.mark.parametrize("how", ["list", "generator", "length", "head"])
def test_write_in_close_comes_too_late(server, how):
    before = noted(server, "write_in_close RuntimeError")
    with server.connect() as conn:
        response = conn.request("HEAD" if how == "head" else "GET", f"/write_in_close?how={how}")
        assert response.status == 200 and response.body == (b"" if how == "head" else b"body\n")
        assert conn.get("/context").status == 200
    assert eventually(lambda: noted(server, "write_in_close RuntimeError") == before + 2, 5)


def test_several_threads_may_write(server):
    """However slow the client: each piece is whole, nobody waits for ever."""
    with server.connect() as conn:
        conn.start("GET", "/threads_write?how=joined")
        time.sleep(0.5)
        response = conn.read()
        assert response.complete and response.body == b"begun\n" + b"x" * 4 * 150 * 20000
        assert conn.get("/context").status == 200


def test_threads_that_write_beyond_the_end_come_too_late(server):
    """What they had begun is part of the answer, the rest is not."""
    before = noted(server, "threads_write RuntimeError")
    with server.connect() as conn:
        conn.start("GET", "/threads_write?how=outlive")
        time.sleep(1)
        response = conn.read()
        assert response.complete and (len(response.body) - 6) % 20000 == 0
        assert conn.get("/context").status == 200
    assert eventually(lambda: noted(server, "threads_write RuntimeError") > before, 5)


def test_threads_that_write_to_a_client_who_left(server):
    before = noted(server, "threads_write BrokenPipeError")
    with server.connect() as conn:
        conn.start("GET", "/threads_write?how=joined")
        conn.final_head()
        time.sleep(0.3)
        conn.reset()
    assert eventually(lambda: noted(server, "threads_write BrokenPipeError") > before, 10)


@pytest.mark.parametrize("which", range(5))
def test_exc_info_that_is_none_is_refused(server, which):
    """Ten times, since what the interpreter is told wrongly shows later."""
    for _ in range(10):
        assert server.get(f"/no_exc_info?which={which}").text == "TypeError\n"


def test_what_a_call_left_behind_is_dead(server):
    assert server.get("/write_kept").text == "kept\n"
    assert server.get("/write_late").json() == ["RuntimeError"] * 3


# The thread with which asyncio waits for a child wakes the loop over a socket pair, which the loop
# may have closed before that thread has the GIL again. The kernel orders the two; ThreadSanitizer
# does not see how, and a suppression would match by `close` or libpython, which hides too much.
asyncio_run = pytest.param("asyncio_run", "sub\n", marks=pytest.mark.skipif(
    SANITIZER == "thread", reason="a race of CPython's asyncio"))


@pytest.mark.parametrize("view, text", [
    ("write_from_thread", "from a thread\nfine\n"), ("reentrant", "a\n"), ("buffer_grows", "ok\n"),
    ("drop_in_thread", "ok\n"), asyncio_run, ("connects_back", "HTTP/1.1 200 OK"),
    ("bound_signal", "ValueError"), ("fork_pool", "[1, 2, 3]"), ("children", "hello 0\n"),
    ("forks?how=raise", "child 0\n"), ("forks?how=exit", "child 0\n"),
    ("forks?how=return", "child 0\n"), ("forks?how=stream", "child 0\n"),
    ("forks?how=floods", "child 0\n"),
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
    assert server.logs("could not be sent: it has become shorter meanwhile")
    assert server.get("/context").status == 200


def test_trace_is_refused(server):
    response = server.request("TRACE", "/context", [("Cookie", "secret")])
    assert response.status == 405 and "TRACE" not in response.get("Allow")
    assert b"secret" not in response.body


def test_connection_goes_on_after_a_timeout():
    with Server("careless:application", "--timeout", "1") as server, server.connect() as conn:
        assert conn.get("/nap?s=3").status == 504
        assert conn.get("/context").text == "nothing"


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
