# SPDX-License-Identifier: MIT
"""The access log from outside: JSON, ids, times and bytes, clients that leave, rotation."""

import json
import os
import re
import signal
import threading
import time
from datetime import datetime, timezone

import pytest

from process import APPS, SANITIZER, SLOW, Server, run_program
from rawhttp import encode, eventually

pytestmark = pytest.mark.ours

KEYS = ["time", "request_id", "client", "user", "scheme", "method", "host", "path", "query",
        "protocol", "referer", "user_agent", "status", "body_bytes", "bytes_in", "bytes_out",
        "duration_us", "first_byte_us", "queue_us", "python_us", "pid"]


def lines_of(path, count=1, within=5):
    """The log's lines, once there are so many."""
    def enough():
        lines = path.read_bytes().decode("ascii").splitlines() if path.exists() else []
        return lines if len(lines) >= count else None

    return eventually(enough, within * SLOW)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "access.log"


def logged(log, *options, **kwargs):
    return Server("--access-logfile", log, "--access-logformat", "json", *options, **kwargs)


def test_json_lines_say_what_happened(log):
    with logged(log, "slow:application") as server:
        request = encode("POST", "/sleep?s=0.2", [("User-Agent", "me"), ("Referer", "http://r/"),
                                                  ("Authorization", "Basic YTpi")], b"12345")
        with server.connect() as conn:
            conn.send(request)
            response = conn.read()
            conn.get("/")
        slow, fast = map(json.loads, lines_of(log, 2))
        assert list(slow) == list(fast) == KEYS
        when = datetime.fromisoformat(slow["time"].replace("Z", "+00:00"))
        assert abs((datetime.now(timezone.utc) - when).total_seconds()) < 60
        assert (slow["client"], slow["user"], slow["scheme"]) == ("127.0.0.1", "a", "http")
        assert (slow["method"], slow["path"], slow["query"]) == ("POST", "/sleep", "s=0.2")
        assert (slow["host"], slow["protocol"]) == ("test.example", "HTTP/1.1")
        assert (slow["referer"], slow["user_agent"]) == ("http://r/", "me")
        assert slow["status"] == 200 and slow["body_bytes"] == len(response.body)
        assert slow["bytes_in"] == len(request)
        assert slow["bytes_out"] > slow["body_bytes"] + 50
        assert 200_000 <= slow["python_us"] <= slow["first_byte_us"] + 1000
        assert slow["first_byte_us"] <= slow["duration_us"] < 10_000_000 * SLOW
        assert slow["queue_us"] < 5_000_000 and slow["pid"] == server.pid
        assert fast["user"] is None and fast["query"] is None and fast["referer"] is None
        assert slow["request_id"] != fast["request_id"]


@pytest.mark.parametrize("target, sent", [
    ("/%22%5C%0A", {}), ('/"quoted"', {}), ("/", {"User-Agent": 'a"b\\c\tcaf\xe9 \x85\xff'}),
    ("/?q=\\u0000", {"Referer": "{\"a\":\"b\"}"})])
def test_json_survives_what_clients_send(log, target, sent):
    with logged(log, "echo:application") as server:
        with server.connect() as conn:
            conn.send(encode("GET", target, list(sent.items())))
            conn.read()
        (text,) = lines_of(log)
        line = json.loads(text)
        assert all(0x20 <= ord(c) < 0x7f for c in text)
        for name, value in sent.items():
            assert line[name.lower().replace("-", "_")] == value


def test_a_bad_request_is_a_line_too(log):
    with logged(log, "echo:application") as server:
        with server.connect() as conn:
            conn.send(b"GET\x00 / HTTP/1.1\r\n\r\n")
            assert conn.read().status == 400
        (text,) = lines_of(log)
        line = json.loads(text)
        assert line["status"] == 400 and line["path"] is None and line["python_us"] is None


# ---- ids ----------------------------------------------------------------------


def test_ids_reach_log_application_client_and_traceback(log):
    with logged(log, "--request-id", "--forwarded-allow-ips", "", "--mount", "/echo=echo:application", "--mount",
                "/conformance=conformance:application") as server:
        seen = server.get("/echo", [("X-Request-ID", "forged"), ("X-Forwarded-For", "192.0.2.1")])
        failed = server.get("/conformance/raises?which=value", [("Accept", "application/json")])
        ids = [json.loads(line)["request_id"] for line in lines_of(log, 2)]
        assert [seen.get("X-Request-ID"), failed.get("X-Request-ID")] == ids
        assert dict(seen.json()["headers"])["HTTP_X_REQUEST_ID"] == ids[0] != "forged"
        assert failed.json()["request_id"] == ids[1]
        assert server.logs(f", request {ids[1]}")


def test_ids_of_trusted_proxies_are_kept(log):
    with logged(log, "--request-id", "--forwarded-allow-ips", "127.0.0.1",
                "echo:application") as server:
        given = ["a", "x" * 128, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"]
        made = ["x" * 129, "with space", 'quote"', ""]
        answers = [server.get("/", [("X-Request-ID", i)]).get("X-Request-ID") for i in given + made]
        assert answers[:3] == given
        assert all(re.fullmatch("[0-9a-f]{32}", answer) for answer in answers[3:])
        assert [json.loads(line)["request_id"] for line in lines_of(log, 7)] == answers


def test_ids_are_nobodys_business_unless_asked_for(log):
    options = ("--access-logfile", log, "--access-logformat", "%({request_id}x)s %(s)s")
    with Server(*options, "echo:application") as server:
        response = server.get("/")
        assert response.get("X-Request-ID") is None
        assert "HTTP_X_REQUEST_ID" not in dict(response.json()["headers"])
        assert re.fullmatch("[0-9a-f]{32} 200", lines_of(log)[0])


# ---- clients that leave ---------------------------------------------------------


def leave(server, target):
    conn = server.connect()
    conn.start("GET", target)
    time.sleep(0.3)
    conn.reset()


def test_a_client_that_leaves_before_the_answer_is_499(log):
    with logged(log, "slow:application") as server:
        leave(server, "/sleep?s=1")
        (line,) = lines_of(log)
        line = json.loads(line)
        assert line["status"] == 499 and line["bytes_out"] == 0 and line["first_byte_us"] is None
        assert line["python_us"] < 900_000 * SLOW


def test_a_client_that_leaves_within_the_answer_has_its_status(log):
    with logged(log, "slow:application") as server:
        leave(server, "/trickle?s=0.1&n=100")
        (line,) = lines_of(log)
        line = json.loads(line)
        assert line["status"] == 200 and 0 < line["body_bytes"] < 100 * len("5\r\ntick\n\r\n")


def test_bytes_out_are_those_that_were_taken(log):
    with logged(log, "slow:application") as server:
        conn = server.connect()
        conn.start("GET", "/big?n=1000")
        taken = len(conn.take(100_000))
        conn.reset()
        (line,) = lines_of(log)
        line = json.loads(line)
        assert taken <= line["bytes_out"] < 30_000_000


# ---- the file -------------------------------------------------------------------


def test_rotation_under_load_loses_no_line(tmp_path, log):
    """Ten rotations while four clients go on asking: each request is in one file, once."""
    with logged(log, "echo:application") as server:
        stop, counts = threading.Event(), []

        def ask(who):
            with server.connect() as conn:
                n = 0
                while not stop.is_set():
                    assert conn.get(f"/{who}/{n}").status == 200
                    n += 1
                counts.append((who, n))

        threads = [threading.Thread(target=ask, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for i in range(10):
            time.sleep(0.05)
            log.rename(tmp_path / f"access.log.{i}")
            server.signal(signal.SIGUSR1)
            assert eventually(log.exists, 5 * SLOW)
        stop.set()
        for thread in threads:
            thread.join()
        expected = sorted(f"/{who}/{n}" for who, count in counts for n in range(count))

        def paths():
            return sorted(json.loads(line)["path"] for file in tmp_path.glob("access.log*")
                          for line in file.read_text().splitlines())

        assert eventually(lambda: len(paths()) == len(expected), 5 * SLOW)
        assert paths() == expected


def memory(server):
    for line in open(f"/proc/{server.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024


def flood(server, count):
    """So many requests, pipelined."""
    with server.connect() as conn:
        batch = encode("GET", "/" + "x" * 1000) * 100
        for _ in range(count // 100):
            conn.send(batch)
            for _ in range(100):
                assert conn.read().status == 404


def test_a_pipe_that_nobody_reads_costs_bounded_memory(tmp_path):
    """A log reader stands still: clients do not notice, lines beyond 1 MiB are lost and counted."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with logged(fifo, "--mount", "/app=echo:application") as server:
        flood(server, 2000)
        before = memory(server)
        flood(server, 4000)
        if SANITIZER is None:  # they keep what is freed
            assert memory(server) - before < 4 << 20
        assert "lines of the access log were lost" not in server.output()
        end = time.monotonic() + 20 * SLOW
        while "lines of the access log were lost" not in server.output():
            assert time.monotonic() < end
            try:
                os.read(reader, 1 << 20)
            except BlockingIOError:
                time.sleep(0.01)
    os.close(reader)


def test_a_full_disk_is_said_once_and_hurts_nobody():
    with logged("/dev/full", "--mount", "/app=echo:application") as server:
        flood(server, 3000)
        assert server.logs("the access log cannot be written")
        assert server.get("/app").status == 200
        assert server.output().count("the access log cannot be written") == 1


def test_unknown_atoms_stop_the_start():
    result = run_program("--access-logfile", "-", "--access-logformat", "%({what}x)s",
                         "--chdir", APPS, "echo:application")
    assert result.returncode == 1 and "{what}x" in result.stderr


def test_error_log_takes_the_place_of_standard_error(tmp_path):
    """Applications' own prints are in it, and SIGUSR1 opens it anew."""
    path, moved = tmp_path / "error.log", tmp_path / "error.log.1"
    with Server("--error-logfile", path, "embedding:application") as server:
        assert "listening on" in path.read_text()
        path.rename(moved)
        server.signal(signal.SIGUSR1)
        assert eventually(path.exists, 5 * SLOW)
        with server.connect() as conn:
            conn.send(b"nonsense\r\n\r\n")
            assert conn.read().status == 400
        assert eventually(lambda: "answered 400" in path.read_text(), 5 * SLOW)
        assert "answered 400" not in moved.read_text() and "answered 400" not in server.output()


def test_an_error_log_that_cannot_be_opened_stops_the_start(tmp_path):
    result = run_program("--log-file", "/no/such/directory/log", "--chdir", APPS, "echo:application")
    assert result.returncode == 1 and "/no/such/directory/log" in result.stderr
    aside = tmp_path / "log"
    result = run_program("--log-file", aside, "--chdir", APPS, "fails_to_import:application")
    assert result.returncode == 4 and not result.stderr and "fails_to_import" in aside.read_text()
