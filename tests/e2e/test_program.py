# SPDX-License-Identifier: MIT
"""The command line: what it refuses and how it says so, how it starts and how it stops."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from process import APPS, SLOW, Server, environment, free_port, is_peer, program, run_program
from rawhttp import Broken, Connection, eventually


def refused(*options, code=None, says=(), env=None, bind=True):
    """The program must end at once with one sentence that says what is wrong."""
    options = (*options, "--chdir", APPS)
    if bind:
        options = ("-b", f"127.0.0.1:{free_port()}", *options)
    done = run_program(*options, env=env)
    output = done.stdout + done.stderr
    if code is None:
        assert done.returncode not in (0, 3, 4) and done.returncode > 0, (done.returncode, output)
    else:
        assert done.returncode == code, (done.returncode, output)
    for word in says:
        assert word in output, output
    return output


def test_version():
    done = run_program("--version")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", done.stdout), done.stdout


def test_help_names_every_option():
    done = run_program("--help")
    assert done.returncode == 0
    for option in ("--bind", "--threads", "--chdir", "--pythonpath", "--access-logfile",
                   "--log-level", "--timeout", "--graceful-timeout", "--keep-alive"):
        assert option in done.stdout, option
    if not is_peer():
        for option in ("--module", "--mount", "--venv"):
            assert option in done.stdout, option


@pytest.mark.ours
@pytest.mark.parametrize("options, code, says", [
    ([], None, ["application"]),
    (["--no-such-option", "echo:application"], None, ["--no-such-option"]),
    (["--threads", "many", "echo:application"], None, ["threads", "many"]),
    (["--threads", "0", "echo:application"], None, ["threads"]),
    (["--timeout", "-1", "echo:application"], None, ["timeout"]),
    (["--log-level", "loud", "echo:application"], None, ["loud"]),
    (["-b", "nonsense:port", "echo:application"], None, ["nonsense:port"]),
    (["-b", "127.0.0.1:99999", "echo:application"], None, ["99999"]),
    (["-b", "192.0.2.1:8000", "echo:application"], 1, ["192.0.2.1", "no such address"]),
    (["-b", "unix:/no/such/folder/socket", "echo:application"], None, ["/no/such/folder"]),
    (["-b", "unix:/etc/passwd", "echo:application"], 1, ["/etc/passwd", "no socket"]),
    (["-b", "", "echo:application"], 2, ["--bind", "empty", "HOST:PORT"]),
    (["-b", "localhost:8", "-b", "127.0.0.1:8", "echo:application"], 2, ["127.0.0.1:8", "before"]),
    (["--control", "/no/such/folder/c", "echo:application"], 1, ["--control", "another path"]),
    (["--max-requests", "9", "echo:application"], 2, ["--max-requests:", "MemoryMax="]),
    (["-m", "7", "echo:application"], 2, ["-m:", "UMask="]),
    (["--workers", "4", "echo:application"], 2, ["--workers", "--threads", "--reuse-port"]),
    (["-w", "4", "echo:application"], 2, ["-w:", "--threads"]),
    (["--mount", "shop=echo:application"], None, ["shop"]),
    (["--mount", "/shop"], None, ["/shop"]),
    (["--module", "/no/such/module.so"], None, ["/no/such/module.so"]),
    (["--module", str(APPS / "echo.py")], None, ["echo.py"]),
    (["no_such_module:application"], 4, ["no_such_module"]),
    (["eccho:application"], 4, ["eccho", 'did you mean "echo"?']),
    (["echo:no_such_name"], 4, ["no_such_name", "echo"]),
    (["echo:Nested.no_such_name"], 4, ["no_such_name"]),
    (["echo:base64"], 4, ["base64"]),
    (["echo:no_such_factory()"], 4, ["no_such_factory"]),
    (["echo:create_app"], 4, ['write "echo:create_app()"']),
    (["green:application"], 4, ["gevent and eventlet", "leave it out"]),
    (["fails_to_import:application"], 4, ["fails on purpose", "fails_to_import"]),
    (["exits_on_import:application"], 4, ["exits_on_import"]),
    (["--mount", "/x=no_such_module:application", "echo:application"], 4, ["no_such_module"]),
])
def test_start_up_errors(options, code, says):
    output = refused(*options, code=code, says=says)
    if code is None:
        lines = [line for line in output.strip().splitlines() if line.strip()]
        assert "Traceback" not in output
        assert len(lines) <= 3, output


@pytest.mark.ours
def test_chdir_that_does_not_exist():
    done = run_program("--chdir", "/no/such/folder", "echo:application")
    assert done.returncode > 0 and "/no/such/folder" in done.stderr


@pytest.mark.ours
def test_working_directory_that_is_gone(tmp_path):
    """As a deployment leaves it that removes what it replaces."""
    folder = tmp_path / "old"
    folder.mkdir()
    words = ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", program(), "--check-config"]
    done = subprocess.run([*words, "echo:application"], cwd=folder, capture_output=True,
                          text=True, env=environment())
    assert done.returncode == 1 and "working directory is gone" in done.stderr, done
    assert "Traceback" not in done.stderr
    folder.mkdir()
    done = subprocess.run([*words, "--chdir", APPS, "echo:application"], cwd=folder,
                          capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done


@pytest.mark.ours
def test_module_that_is_a_library_but_not_ours():
    library = subprocess.run(["sh", "-c", "ls /lib/*/libz.so.1 /usr/lib/*/libz.so.1"],
                             capture_output=True, text=True).stdout.split()
    if not library:
        pytest.skip("no libz here")
    refused("--module", library[0], says=["libz.so.1"])


@pytest.mark.ours
def test_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_program("-b", f"127.0.0.1:{port}", "--chdir", APPS, "echo:application")
    assert done.returncode > 0
    assert str(port) in done.stderr and "in use" in done.stderr.lower()


@pytest.mark.ours
def test_venv_that_is_not_one(tmp_path):
    refused("--venv", tmp_path / "missing", "echo:application", says=["missing"], code=None)
    refused("--venv", tmp_path, "echo:application", says=[str(tmp_path)], code=None)
    venv = os.environ["GN_E2E_VENV"]
    for inside in ("bin", "bin/python"):
        refused("--venv", f"{venv}/{inside}", "echo:application", says=[f"itself: {venv}"], code=1)


@pytest.mark.ours
def test_venv_of_another_python(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib/python3.2/site-packages").mkdir(parents=True)
    (tmp_path / "bin/python").symlink_to(sys.executable)
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.2.1\n")
    refused("--venv", tmp_path, "echo:application", says=["3.2"], code=None)


# how applications are named and found


@pytest.mark.parametrize("spelling", ["echo:application", "echo:app", "echo",
                                      "echo:create_app()", "echo:Nested.app"])
def test_ways_to_name_an_application(spelling):
    with Server(spelling) as server:
        assert server.get("/x").json()["path"] == "/x"


def test_pythonpath(tmp_path):
    (tmp_path / "found_by_path.py").write_text((APPS / "echo.py").read_text())
    with Server("--pythonpath", tmp_path, "found_by_path:application") as server:
        assert server.get("/x").status == 200


# addresses


def test_unix_socket(tmp_path):
    path = str(tmp_path / "socket")
    with Server("echo:application", bind=path) as server:
        assert server.get("/x").json()["path"] == "/x"


def test_several_addresses(tmp_path):
    path, other = str(tmp_path / "socket"), free_port()
    with Server("-b", f"unix:{path}", "-b", f"127.0.0.1:{other}", "echo:application") as server:
        for address in (server.address, ("127.0.0.1", other), path):
            with Connection(address) as conn:
                assert conn.get("/x").status == 200


def test_ipv6():
    port = free_port()
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with Server("-b", f"[::1]:{port}", "echo:application"), Connection(("::1", port)) as conn:
        assert conn.get("/x").status == 200


@pytest.mark.ours
def test_a_stale_unix_socket_is_replaced_and_a_live_one_is_not(tmp_path):
    path = str(tmp_path / "socket")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    with Server("echo:application", bind=path):
        done = run_program("-b", f"unix:{path}", "--chdir", APPS, "echo:application")
        assert done.returncode > 0 and path in done.stderr
        with Connection(path) as conn:
            assert conn.get("/x").status == 200


@pytest.mark.ours
def test_banner_says_what_is_served_where():
    with Server("--mount", "/shop=slow:application", "echo:application") as server:
        assert server.logs(f"127.0.0.1:{server.port}")
        output = server.output()
        assert "/shop" in output and "slow:application" in output and "echo:application" in output
        assert f"Python {sys.version_info[0]}.{sys.version_info[1]}" in output


def test_access_log(tmp_path):
    path = tmp_path / "access.log"
    with Server("--access-logfile", path, "echo:application") as server:
        server.request("GET", "/some/path?q=1", [("User-Agent", 'agent "x"'),
                                                 ("Referer", "http://from.example/")])
        assert eventually(lambda: path.exists() and "/some/path" in path.read_text(), 5)
        line = path.read_text().splitlines()[-1]
        assert '"GET /some/path?q=1 HTTP/1.1" 200 ' in line
        assert "127.0.0.1" in line and "http://from.example/" in line
        assert 'agent "x"' not in line, "quotes must be escaped"


def test_access_log_of_a_response_cut_short(tmp_path):
    """The server cut it, the client did not leave: the status that went out, not 499."""
    path = tmp_path / "access.log"
    with Server("--access-logfile", path, "conformance:application") as server:
        server.get("/write_raises_after")
        assert eventually(lambda: path.exists() and "write_raises_after" in path.read_text(), 5)
        assert '"GET /write_raises_after HTTP/1.1" 200 8 ' in path.read_text()


def test_access_log_on_standard_output():
    with Server("--access-logfile", "-", "echo:application") as server:
        server.get("/to/stdout")
        assert server.logs('"GET /to/stdout HTTP/1.1" 200')


@pytest.mark.ours
def test_access_log_cannot_be_forged(tmp_path):
    path = tmp_path / "access.log"
    with Server("--access-logfile", path, "echo:application") as server:
        server.get("/x", [("User-Agent", 'a\xe9\tb" 200 1 "\\')])
        server.get("/y", [("User-Agent", "a\x1b[31mb")])
        server.get("/z")
        assert eventually(lambda: path.exists() and "GET /z" in path.read_text("ascii"), 5)
        lines = path.read_text("ascii").splitlines()
        assert [line for line in lines if "GET /x" in line][0].count('"') == 6
        assert all(character >= " " for line in lines for character in line)


# standard streams


def own_log(stderr, *options, application="conformance:application"):
    """A program whose standard error is the test's to choose; None closes all three."""
    port = free_port()
    command = [program(), "-b", f"127.0.0.1:{port}", "--chdir", str(APPS), *options, application]
    close = (lambda: [os.close(fd) for fd in (0, 1, 2)]) if stderr is None else None
    process = subprocess.Popen(
        command, env=environment(), preexec_fn=close, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL if stderr is None else stderr)
    assert eventually(lambda: can_connect(port), 20 * SLOW, 0.05)
    return process, port


def can_connect(port):
    try:
        Connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


@pytest.mark.ours
def test_standard_descriptors_may_be_closed():
    """Nothing of the server's may take their numbers: the log would be written there."""
    process, port = own_log(None)
    try:
        links = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in (0, 1, 2)]
        assert links == ["/dev/null"] * 3
        with Connection(("127.0.0.1", port)) as conn:
            assert conn.get("/raises?which=exception").status == 500
        process.terminate()
        assert process.wait(20 * SLOW) == 0
    finally:
        process.kill()


@pytest.mark.ours
@pytest.mark.parametrize("reader", ["gone", "asleep"])
def test_a_log_that_nobody_reads_stops_nobody(reader):
    ours, theirs = os.pipe()
    process, port = own_log(theirs)
    os.close(theirs)
    try:
        if reader == "gone":
            os.close(ours)
        for _ in range(400):
            with Connection(("127.0.0.1", port), 5 * SLOW) as conn:
                assert conn.get("/raises?which=exception").status == 500
        if reader == "asleep":
            os.set_blocking(ours, False)
            while True:
                try:
                    os.read(ours, 65536)
                except BlockingIOError:
                    break
            with Connection(("127.0.0.1", port), 5 * SLOW) as conn:
                assert conn.get("/raises?which=exception").status == 500
            assert eventually(lambda: b"were lost" in os.read(ours, 65536), 5)
        process.terminate()
        assert process.wait(20 * SLOW) == 0
    finally:
        process.kill()
        if reader == "asleep":
            os.close(ours)


# stopping


@pytest.mark.smoke
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_graceful_stop_lets_requests_finish(number):
    server = Server("slow:application")
    try:
        if is_peer() and number == signal.SIGINT:
            pytest.skip("the peer stops quickly on SIGINT")
        with server.connect() as conn, server.connect() as idle:
            idle.get("/")
            conn.start("GET", "/sleep?s=1")
            time.sleep(0.3)
            server.signal(number)
            assert conn.read().text == "done\n"
            assert idle.closed_by_peer()
        assert server.wait() == 0
        with pytest.raises(OSError):
            Connection(server.address, 1).get("/")
    finally:
        server.kill()


@pytest.mark.ours
def test_graceful_stop_streams_to_the_end():
    server = Server("slow:application")
    try:
        with server.connect() as conn:
            conn.start("GET", "/trickle?s=0.1&n=10")
            conn.final_head()
            assert conn.chunk() == b"tick\n"
            server.signal(signal.SIGTERM)
            rest = []
            while chunk := conn.chunk():
                rest.append(chunk)
            assert chunk == b"" and b"".join(rest) == b"tick\n" * 9
        assert server.wait() == 0
    finally:
        server.kill()


@pytest.mark.ours
def test_graceful_timeout_cuts():
    server = Server("--graceful-timeout", "1", "slow:application")
    try:
        with server.connect() as conn:
            conn.start("GET", "/trickle?s=0.1&n=1000")
            conn.final_head()
            server.signal(signal.SIGTERM)
            began = time.monotonic()
            server.wait(10)
            assert time.monotonic() - began < 6 * SLOW
    finally:
        server.kill()


@pytest.mark.ours
def test_view_stuck_in_sleep_cannot_hold_the_exit():
    server = Server("--graceful-timeout", "1", "slow:application")
    try:
        with server.connect() as conn:
            conn.start("GET", "/sleep?s=100")
            time.sleep(0.3)
            server.signal(signal.SIGTERM)
            server.wait(10)
            with pytest.raises((Broken, OSError)):
                conn.read()
    finally:
        server.kill()


@pytest.mark.ours
def test_second_signal_stops_at_once():
    server = Server("--graceful-timeout", "60", "slow:application")
    try:
        with server.connect() as conn:
            conn.start("GET", "/sleep?s=100")
            time.sleep(0.3)
            server.signal(signal.SIGTERM)
            time.sleep(0.5)
            assert server.alive()
            server.signal(signal.SIGTERM)
            server.wait(8)
    finally:
        server.kill()


def test_atexit_runs():
    server = Server("embedding:application")
    server.stop()
    assert "embedding: farewell" in server.output()


@pytest.mark.ours
def test_stubborn_thread_cannot_hold_the_exit():
    server = Server("--graceful-timeout", "1", "embedding:application",
                    env={"GN_TEST_STUBBORN": "1"})
    try:
        server.signal(signal.SIGTERM)
        server.wait(15)
        assert "embedding: farewell" in server.output()
    finally:
        server.kill()


# deadlines and limits that the command line sets


@pytest.mark.ours
def test_keep_alive_option():
    with Server("--keep-alive", "1", "echo:application") as server, server.connect() as conn:
        conn.get("/")
        assert conn.closed_by_peer(10)


@pytest.mark.ours
def test_timeout_answers_504():
    with Server("--timeout", "1", "--graceful-timeout", "1", "slow:application") as server:
        began = time.monotonic()
        response = server.get("/sleep?s=4")
        assert response.status == 504 and time.monotonic() - began < 3.5 * SLOW
        assert server.get("/").status == 200


@pytest.mark.smoke
@pytest.mark.ours
def test_threads_bound_how_many_views_run():
    with Server("slow:application", threads=3) as server:
        began = time.monotonic()
        conns = [server.connect() for _ in range(9)]
        for conn in conns:
            conn.start("GET", "/sleep?s=0.4")
        for conn in conns:
            assert conn.read().status == 200
            conn.close()
        assert time.monotonic() - began > 1.15
