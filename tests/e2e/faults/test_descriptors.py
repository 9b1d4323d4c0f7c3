# SPDX-License-Identifier: MIT
"""Rows 9 and 10: descriptors that run out, and system calls that fail."""

import os
import re
import resource
import signal
import subprocess
import time

import pytest

from load import cpu_share, under_load
from process import SLOW, Server
from rawhttp import Broken, Connection, eventually

FEW = 64  # descriptors


def limited(everything, *options):
    """A server with few descriptors. The limit is set after the start: Python opens files."""
    server = Server(*everything, *options, threads="4:4")
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (FEW, FEW))
    return server


def crowd(server, count=200):
    return [Connection(server.address, 20 * SLOW) for _ in range(count)]


def is_served(server):
    try:
        with server.connect(2) as conn:
            return conn.get("/native/1k").status == 200
    except (OSError, Broken):
        return False


def test_row09_emfile(everything):
    """No spin, those who are there are served, a line a second at most; it ends by itself."""
    with limited(everything, "--max-connections", "10000") as server, \
            under_load(server, fresh_every=10**9, spools=False) as load:
        began = time.monotonic()
        conns = crowd(server)
        load.go_on()
        load.rest()
        assert cpu_share(server.pid, 1.5) <= 0.05 * SLOW
        load.resume()
        load.go_on(5)
        lines = server.output().count("raise the limit")
        assert 1 <= lines <= time.monotonic() - began + 1
        for conn in conns:
            conn.close()
        assert eventually(lambda: is_served(server), 1 * SLOW, 0.05)


def test_row09_emfile_and_the_loads_new_connections(everything):
    """While it lasts a new client is turned away or waits; nobody gets a wrong answer."""
    with limited(everything, "--max-connections", "10000") as server, \
            under_load(server, forgives={"refused", "lost", 500, 503, 507}) as load:
        conns = crowd(server)
        time.sleep(1)
        for conn in conns:
            conn.close()
        assert eventually(lambda: is_served(server), 1 * SLOW, 0.05)
        load.go_on(20)


def test_row09_a_full_house_waits_at_the_door(everything):
    """With a bound on connections descriptors do not run out at all: newcomers wait."""
    with limited(everything, "--max-connections", "20") as server, \
            under_load(server, fresh_every=10**9) as load:
        conns = crowd(server, 60)
        load.go_on()
        conns[-1].start("GET", "/native/1k")
        assert conns[-1].silent(0.3)
        assert "open files" not in server.output()
        for conn in conns[:-1]:
            conn.close()
        assert conns[-1].read().status == 200
        conns[-1].close()


class Strace:
    """Makes system calls of a running server fail."""

    def __init__(self, server, *injections):
        names = {word.split(":")[0] for word in injections}
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + ",".join(names)]
        for word in injections:
            command += ["-e", "inject=" + word]
        self.server = server
        self.process = subprocess.Popen([*command, "-p", str(server.pid)],
                                        stderr=subprocess.PIPE, text=True)

    def is_on(self):
        """True once every thread is traced; a tracer that gave up says why."""
        if self.process.poll() is not None:
            problem = self.process.stderr.read().strip()
            if "ptrace" in problem or "not permitted" in problem:
                pytest.skip(problem)
            raise AssertionError(problem)
        return all(tracer != 0 for tracer in tracers(self.server.pid))

    def __enter__(self):
        assert eventually(self.is_on, 10 * SLOW)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        self.process.stderr.close()


def tracers(pid):
    return [int(re.search(r"TracerPid:\s+(\d+)", open(f"/proc/{pid}/task/{task}/status").read())[1])
            for task in os.listdir(f"/proc/{pid}/task")]


@pytest.mark.parametrize("error, forgives", [
    ("ECONNABORTED", set()), ("EINTR", set()), ("EPROTO", set()), ("ENOMEM", set()),
    ("ENOBUFS", set()), ("ENFILE", {"lost"}), ("EMFILE", {"lost"})])
def test_row10_accept_fails(server, error, forgives):
    """Every third accept fails; where descriptors ran out one client is turned away."""
    with under_load(server, forgives=forgives, fresh_every=3) as load:
        with Strace(server, f"accept4:error={error}:when=1+3"):
            load.go_on(7)


# As a signal or a debugger would. Not write: with it libev wakes itself up through a descriptor
# that never blocks, where the kernel has no reason to interrupt.
INTERRUPTED = ["read", "readv", "writev", "recvfrom", "recvmsg", "sendto", "sendmsg",
               "epoll_wait", "sendfile", "pread64", "pwrite64", "pwritev", "poll"]


def test_row10_eintr_everywhere(server):
    with under_load(server) as load:
        with Strace(server, *(f"{name}:error=EINTR:when=2+5" for name in INTERRUPTED)):
            load.go_on(10)
