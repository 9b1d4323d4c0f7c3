# SPDX-License-Identifier: MIT
"""Descriptors, disks and memory that run out: the server goes on, and comes back by itself."""

import os
import resource
import subprocess
import time
from pathlib import Path

import pytest

from process import SANITIZER, SLOW, Server
from rawhttp import encode, eventually

pytestmark = pytest.mark.ours


def cpu_seconds(server):
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def limit(server, kind, value):
    """Sets a soft limit of the running server; returns the one before."""
    before = resource.prlimit(server.pid, kind)
    resource.prlimit(server.pid, kind, (value, before[1]))
    return before


def highest_fd(server):
    return max(int(fd) for fd in os.listdir(f"/proc/{server.pid}/fd"))


def test_descriptors_that_run_out():
    """Accepting rests: little CPU, a line a second at most, and whoever is connected is served."""
    with Server("echo:application") as server:
        with server.connect() as member:
            assert member.get("/").status == 200
            before = limit(server, resource.RLIMIT_NOFILE, highest_fd(server) + 4)
            waiting = [server.connect() for _ in range(100)]
            assert server.logs("raise the limit of open files")
            began, cpu = time.monotonic(), cpu_seconds(server)
            while time.monotonic() - began < 2:
                assert member.get("/").status == 200
                time.sleep(0.25)
            assert cpu_seconds(server) - cpu <= 0.05 * 2 + 0.04 * SLOW
            assert server.output().count("rests for") <= 2 + time.monotonic() - began
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
            for conn in waiting:
                conn.close()
            assert eventually(lambda: server.get("/").status == 200, 5 * SLOW)
        assert server.fds_return()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one MiB."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path],
                          capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("only root can mount a small file system")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def upload(server, size):
    """The answer to so many bytes, and whether the connection was closed."""
    with server.connect() as conn:
        try:
            conn.send(encode("POST", "/", body=b"x" * size))
        except OSError:
            pass  # refused before it was all sent
        response = conn.read()
        return response.status, response.get("Connection") == "close" and conn.closed_by_peer()


def others_are_well(server, failing, status):
    """Uploads fail beside requests that must not."""
    with server.connect() as conn:
        assert conn.get("/").status == 200
        for _ in range(3):
            assert upload(server, failing) == (status, True)
            assert conn.get("/").status == 200
            assert upload(server, 1000) == (200, False)
    assert server.fds_return()


def test_a_disk_that_is_full(small_disk):
    with Server("echo:application", env={"TMPDIR": str(small_disk)}) as server:
        assert upload(server, 500_000) == (200, False)
        others_are_well(server, 2_000_000, 507)
        assert server.logs("no space left for a request body")
        assert not os.listdir(small_disk)


def test_a_file_that_may_not_grow():
    with Server("echo:application") as server:
        before = limit(server, resource.RLIMIT_FSIZE, 500_000)
        others_are_well(server, 1_000_000, 507)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)
        assert upload(server, 1_000_000) == (200, False)


def test_a_directory_that_is_not_there():
    with Server("echo:application", env={"TMPDIR": "/no/such/directory"}) as server:
        others_are_well(server, 1_000_000, 500)


def memory(server):
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError


# The formula of server/http/README.md with the options below, and what malloc adds.
HEAD, FIELDS, AHEAD, BODY, OUT = 16384, 100, 16384, 16384, 32768
PER_CONNECTION = HEAD + FIELDS * 40 + 4096 + AHEAD + BODY + 65536 + 2 * OUT + 65536


def test_memory_of_the_worst_connections(tmp_path):
    """Each holds as much as it may: a body, requests ahead, a response that nobody reads."""
    options = ("--limit-request-head", HEAD, "--pipeline-size", AHEAD, "--body-memory", BODY,
               "--output-size", OUT, "--output-low", 1024, "--threads", "64")
    path = str(tmp_path / "sock")
    with Server(*options, "slow:application", bind=path, threads=64) as server:
        fill = [("X-" + str(i), "y" * 1000) for i in range(14)]
        worst = (encode("POST", "/big?n=1000", fill, b"x" * BODY) +
                 encode("GET", "/", fill) * 20)
        assert server.get("/").status == 200
        before = memory(server)
        conns = []
        for _ in range(60):
            conn = server.connect()
            conns.append(conn)
            conn.sock.setblocking(False)
            conn.sock.send(worst)  # as much as there is room for
        time.sleep(1)
        stacks = 64 * 256 * 1024  # threads that wait for those clients have stacks of their own
        shadow = 3 if SANITIZER == "thread" else 1  # it remembers who touched each word
        most = (len(conns) * PER_CONNECTION + stacks) * shadow + (8 << 20) * SLOW
        assert memory(server) - before < most
        for conn in conns:
            conn.reset()
        assert server.fds_return()
        assert server.get("/").status == 200
