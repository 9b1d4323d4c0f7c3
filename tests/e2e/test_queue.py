# SPDX-License-Identifier: MIT
"""Who goes first: cheap requests beside dear ones, limits of mounts, threads that retire.

Counts and orders are checked, not speeds, but for bounds that only a request stuck behind
another breaks.
"""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from process import APPS, SLOW, Server
from rawhttp import eventually

pytestmark = pytest.mark.ours


def ask(server, target, times=1):
    """The statuses, and the longest a request took."""
    worst = 0
    statuses = set()
    for _ in range(times):
        start = time.monotonic()
        statuses.add(server.get(target).status)
        worst = max(worst, time.monotonic() - start)
    return statuses, worst


def ask_until(server, target, done):
    statuses = set()
    while not done.is_set():
        statuses |= ask(server, target)[0]
    return statuses


def teach(server, *targets):
    for target in targets:
        assert ask(server, target, 6)[0] == {200}


def test_cheap_requests_pass_dear_ones_that_wait():
    long = ("--timeout", 30 * SLOW, "--queue-timeout", 30 * SLOW)
    with Server(*long, "slow:application", threads=4) as server, ThreadPoolExecutor(12) as pool:
        teach(server, "/", "/sleep?s=0.05")
        start = time.monotonic()
        dear = [pool.submit(server.get, f"/sleep?s={2 * SLOW}") for _ in range(9)]
        time.sleep(0.3 * SLOW)
        statuses, worst = ask(server, "/", 20)
        assert statuses == {200}
        assert worst < 1.5 * SLOW, "it waited for a worker"
        assert {job.result().status for job in dear} == {200}
        assert time.monotonic() - start > 5.9 * SLOW, "a worker is kept back"


def test_requests_nobody_knows_do_not_wait_for_reports():
    """What the first strangers cost says nothing about the next, nor does a wait for the
    interpreter's lock: neither keeps cheap requests behind dear ones."""
    with Server("slow:application", threads=16) as server, ThreadPoolExecutor(40) as pool:
        done = threading.Event()
        reports = [pool.submit(ask_until, server, "/both?s=0.01", done) for _ in range(40)]
        try:
            time.sleep(1)
            for target in "/", "/touch", "/touch/1", "/events":
                statuses, worst = ask(server, target, 100)
                assert statuses == {200}
                assert worst < 0.25 * SLOW, f"{target} waited as long as a report"
        finally:
            done.set()
        assert {status for job in reports for status in job.result()} == {200}


def test_first_come_first_served_can_be_had():
    with Server("--queue", "fifo", "slow:application", threads=2) as server, \
            ThreadPoolExecutor(4) as pool:
        teach(server, "/", "/sleep?s=0.05")
        dear = [pool.submit(server.get, f"/sleep?s={SLOW}") for _ in range(2)]
        time.sleep(0.3 * SLOW)
        _, worst = ask(server, "/")
        assert worst > 0.3 * SLOW, "it passed those before it"
        assert {job.result().status for job in dear} == {200}


def test_a_mount_at_its_limit_holds_up_no_other():
    with Server("--mount", "/a=slow:application", "--mount", "/b=echo:application",
                "--mount-limit", "/a=2", threads=8) as server, ThreadPoolExecutor(6) as pool:
        start = time.monotonic()
        limited = [pool.submit(server.get, f"/a/sleep?s={SLOW}") for _ in range(6)]
        time.sleep(0.3 * SLOW)
        statuses, worst = ask(server, "/b/", 5)
        assert statuses == {200} and worst < 0.6 * SLOW
        assert {job.result().status for job in limited} == {200}
        assert time.monotonic() - start > 2.9 * SLOW, "two at a time"


def test_a_mount_that_fills_its_queue_fills_nobody_elses():
    with Server("--mount", "/a=slow:application", "--mount", "/b=echo:application",
                "--mount-limit", "/a=1", "--queue-limit", "2", threads=4) as server, \
            ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(server.get, f"/a/sleep?s={SLOW}") for _ in range(8)]
        assert eventually(lambda: sum(job.done() for job in jobs) >= 5, 5 * SLOW)
        assert {server.get("/b/").status for _ in range(5)} == {200}, "refused beside idle threads"
        statuses = [job.result().status for job in jobs]
        assert statuses.count(503) == 8 - statuses.count(200)
        assert statuses.count(200) in (2, 3), "two wait; one runs, if it began before all came"


def test_a_full_queue_says_when_to_come_back():
    with Server("--queue-limit", "1", "slow:application", threads=1) as server, \
            ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(server.get, f"/sleep?s={SLOW}") for _ in range(4)]
        answers = [job.result() for job in jobs]
        refused = [a for a in answers if a.status == 503]
        assert 1 <= len(refused) <= 3
        assert all(int(a.get("Retry-After")) >= 1 for a in refused)


def test_statistics_name_the_kinds_of_requests():
    server = Server("--log-level", "debug", "slow:application", threads=2)
    try:
        teach(server, "/", "/sleep?s=0.02", "/touch/123", "/touch/456")
        server.signal(15)
        assert server.wait() == 0
        log = server.output()
        assert "statistics of the Python executor" in log
        assert "GET /sleep " in log and "GET /touch/* " in log
        line = next(line for line in log.splitlines() if "GET /sleep " in line)
        assert "waits 16ms+" in line or "both" in line, line
    finally:
        server.kill()


def database_files(server):
    """Descriptors of the server that are its test database."""
    names = []
    for fd in Path(f"/proc/{server.pid}/fd").iterdir():
        try:
            names.append(os.readlink(fd))
        except OSError:
            pass
    return sum(name.endswith("test.sqlite3") for name in names)


def test_idle_threads_close_djangos_connections(tmp_path):
    env = {"GN_TEST_DB_DIR": str(tmp_path), "GN_TEST_CONN_MAX_AGE": "60",
           "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, str(APPS / "django_app.py"), "migrate", "-v", "0"],
                   env={**os.environ, **env}, check=True)
    with Server("--threads", "1:8", "--thread-idle", "0.5", "django_app:application", threads=8,
                env=env) as server, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: server.get("/db/session?s=0.3").status, range(16)))
        most = database_files(server)
        assert most >= 2, "one connection per thread stays open (CONN_MAX_AGE)"
        assert eventually(lambda: database_files(server) <= 1, 20 * SLOW), database_files(server)
