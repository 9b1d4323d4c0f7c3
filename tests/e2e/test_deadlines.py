# SPDX-License-Identifier: MIT
"""Views that do not come back, and what a running server says about them."""

import os
import re
import signal
import socket
import stat
import tempfile
import time
from pathlib import Path

import pytest

from process import SLOW, Server, run_program
from rawhttp import eventually

pytestmark = pytest.mark.ours

# ThreadSanitizer delivers signals at the thread's next call into libc: a read() that blocks is none.
SEES_C_CALLS = SLOW < 8


@pytest.fixture
def path():
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "control.sock"


def stuck(*options, **kwargs):
    return Server("stuck:application", *options, **kwargs)


def ask(word, *options, within=30):
    return run_program(word, *options, within=within)


# deadlines


def test_a_late_view_is_interrupted_and_its_worker_serves_on():
    with stuck("--timeout", "1", threads=1) as server:
        assert server.get("/spin").status == 504
        assert server.get("/").text == "answered"
        assert server.logs("no answer within the timeout")
        log = server.output()
        assert re.search(r"no answer within the timeout: GET /spin from 127\.0\.0\.1:\d+, "
                         r"queued \d+ ms, running for \d+ ms on gustnado-1", log), log
        assert server.logs("in spin\n") and server.logs("ended 0.")
        assert "Traceback" not in server.output()


def test_a_view_may_catch_it_and_its_late_answer_is_dropped():
    with stuck("--timeout", "1", threads=1) as server, server.connect() as conn:
        assert conn.get("/catch").status == 504
        late = eval(conn.get("/seen").text)  # pylint: disable=eval-used
        assert len(late) == 1 and 0 <= late[0] < 5 * SLOW
        assert conn.get("/").text == "answered"


def test_early_hints_are_no_answer():
    with stuck("--timeout", "1", threads=1) as server, server.connect() as conn:
        response = conn.get("/hint")
        assert [r.status for r in response.interim] == [103]
        assert response.status == 504 and response.complete
        assert conn.get("/").text == "answered"
        assert server.logs("no answer within the timeout: GET /hint")


def test_the_deadline_is_in_environ():
    with stuck("--timeout", "5") as server:
        assert 0 < float(server.get("/deadline").text) <= 5
    with stuck("--timeout", "0") as server:
        assert server.get("/deadline").text == "none"


def test_a_sleep_in_c_meets_the_exception_at_its_end():
    """The one after it does not."""
    with stuck("--timeout", "1", "--stuck-timeout", "0.5", threads=2) as server:
        assert server.get("/nap?s=2.5").status == 504
        assert server.logs("worker gustnado-1 is stuck: GET /nap?s=2.5 from ")
        assert server.get("/").text == "answered"
        assert server.logs("worker gustnado-1 is back: GET /nap?s=2.5 from ")
        for _ in range(10):
            assert server.get("/").text == "answered"
        assert "Traceback" not in server.output()


def test_a_client_that_leaves_does_not_save_its_view():
    with stuck("--timeout", "1", threads=1) as server:
        with server.connect() as conn:
            conn.start("GET", "/spin")
            time.sleep(0.5)
        assert server.logs("no answer within the timeout: GET /spin from ", 10)
        assert server.get("/").text == "answered"


# stuck


def test_ends_to_be_replaced_when_all_workers_are_stuck():
    server = stuck("--timeout", "0.5", "--stuck-timeout", "0.5", threads=2)
    conns = [server.connect() for _ in range(2)]
    for conn in conns:
        conn.start("GET", "/nap?s=60")
    assert server.wait(20) == 5
    assert conns[0].read().status == 504
    log = server.output()
    assert "2 of at most 2 workers are stuck" in log
    assert log.count("no Python call can run any more: ending with status 5") == 1


def test_may_stay_when_all_workers_are_stuck():
    with stuck("--timeout", "0.5", "--stuck-timeout", "0.5", "--stay-when-stuck", threads=1) as server:
        assert server.get("/nap?s=2.5").status == 504
        assert server.logs("no Python call can run any more; staying")
        assert server.logs("worker gustnado-1 is back", 10)
        assert server.get("/").text == "answered"


def test_ends_to_be_replaced_when_the_gil_is_stuck():
    server = stuck("--timeout", "1", "--stuck-timeout", "1", "--graceful-timeout", "20")
    began = time.monotonic()
    assert server.get("/hold?s=40").status == 504
    assert server.wait(15) == 5
    assert time.monotonic() - began < 12 * SLOW
    log = server.output()
    assert "and the GIL could not be had since" in log
    if SEES_C_CALLS:
        assert "in hold_gil\n" in log
    server.kill()


# introspection


def test_stacks_of_every_state(path):
    with stuck("--timeout", "0", "--control", path) as server:
        conns = [server.connect() for _ in range(3)]
        conns[0].start("GET", "/nap?s=2")
        time.sleep(0.3)
        conns[1].start("GET", "/background?s=0")  # one of the others is left idle
        assert conns[1].read().status == 200
        done = ask("stacks", "--control", path)
        assert done.returncode == 0, done.stderr
        assert re.search(r"^workers: \d of at most 8, 1 in a call, 0 stuck; 0 calls wait\n"
                         r"GIL: ", done.stdout), done.stdout
        assert re.search(r"^worker gustnado-\d: waiting, for \d+\.\d+ s in GET /nap\?s=2 from "
                         r"127\.0\.0\.1:\d+, which had queued \d+ ms\n", done.stdout, re.M)
        assert "in application\n" in done.stdout
        assert conns[0].read().status == 200
        for conn in conns:
            conn.close()
        done = ask("stacks", "--control", path)
        assert "idle" in done.stdout and "waiting" not in done.stdout


@pytest.mark.parametrize("view", ["/hold", "/background"])
def test_stacks_while_the_gil_is_stuck(path, view):
    """Whether a view or a thread of the application keeps it."""
    with stuck("--timeout", "0", "--gil-watch", "0.5", "--control", path) as server:
        with server.connect() as conn, server.connect() as other:
            conn.start("GET", f"{view}?s={3 * min(SLOW, 2)}")
            time.sleep(0.5)
            other.start("GET", "/")
            assert server.logs("the GIL has not moved for ", 3)
            done = ask("stacks", "--control", path)
            assert done.returncode == 0, done.stderr
            assert re.search(r"^GIL: has not moved for \d\.\d s$", done.stdout, re.M)
            if SEES_C_CALLS:
                assert "in hold_gil\n" in done.stdout
            assert conn.read().status == 200 and other.read().status == 200
        assert server.logs("the GIL moves again, after ")
        assert server.output().count("the GIL has not moved") == 1


def test_stats_and_what_is_found_without_a_path(tmp_path):
    with tempfile.TemporaryDirectory() as folder:
        env = {"XDG_RUNTIME_DIR": folder, "RUNTIME_DIRECTORY": None}
        with stuck(env=env) as server:
            assert server.get("/").status == 200
            place = Path(folder) / "gustnado" / f"{server.pid}.sock"
            assert stat.S_IMODE(place.stat().st_mode) == 0o600
            assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
            done = run_program("stats", server.pid, env=env)
            assert done.returncode == 0 and re.search(r"\b1 completed\b", done.stdout), done
            done = run_program("stats", env=env)
            others = done.returncode == 2 and re.search(rf"several .* {server.pid}\b", done.stderr)
            assert others or done.returncode == 0 and "1 completed" in done.stdout, done
        assert not place.exists()
        done = run_program("stats", env=env)
        assert done.returncode == 1 or str(server.pid) not in done.stdout + done.stderr


def test_the_socket_is_not_taken_from_a_live_server(path):
    with stuck("--control", path):
        done = run_program("-b", "127.0.0.1:0", "--chdir", Path(__file__).parent.parent / "apps",
                           "--control", path, "echo:application")
        assert done.returncode == 1 and "another server answers there" in done.stderr
        assert ask("stats", "--control", path).returncode == 0


def test_a_stale_socket_is_replaced(path):
    server = stuck("--control", path)
    server.signal(signal.SIGKILL)
    server.wait()
    assert path.exists()
    done = ask("stacks", "--control", path)
    assert done.returncode == 1 and "nobody answers" in done.stderr
    with stuck("--control", path):
        assert ask("stacks", "--control", path).returncode == 0
    assert not path.exists()


def test_no_socket_when_none_is_wanted():
    with tempfile.TemporaryDirectory() as folder:
        env = {"XDG_RUNTIME_DIR": folder, "RUNTIME_DIRECTORY": None}
        with stuck("--control", "", env=env):
            assert not list(Path(folder).iterdir())


def test_a_client_that_says_nothing_is_cut(path):
    with stuck("--control", path) as server, socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.settimeout(9 * SLOW)
        began = time.monotonic()
        assert sock.recv(1) == b"" and 4.5 < time.monotonic() - began
        assert server.get("/").status == 200


def test_a_server_that_is_stopped_does_not_answer(path):
    with stuck("--control", path) as server:
        server.signal(signal.SIGSTOP)
        try:
            done = ask("stacks", "--control", path, "--timeout", "0.5")
            assert done.returncode == 6 and "has not answered within 0.5 s" in done.stderr
        finally:
            server.signal(signal.SIGCONT)
        assert eventually(lambda: ask("stacks", "--control", path).returncode == 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_may_not_ask(path):
    with stuck("--control", path):
        path.parent.chmod(0o755)
        done = run_program("stacks", "--control", path, user=65534)
        assert done.returncode == 1 and "not permitted" in done.stderr, done
