# SPDX-License-Identifier: MIT
"""Runs the server program for a test and looks after what it leaves behind."""

import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from rawhttp import Connection, eventually

APPS = Path(__file__).resolve().parent.parent / "apps"
SLOW = float(os.environ.get("GN_E2E_SLOW", "1"))  # sanitizers stretch every deadline
SANITIZER = os.environ.get("GN_E2E_SANITIZER")  # address, thread or None
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
                   "WARNING: ThreadSanitizer", "SUMMARY: UndefinedBehaviorSanitizer")


def free_port():
    """A port that is free now, and that no other worker of this run (--jobs) is given meanwhile."""
    while True:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        if port // 2 % WORKERS == WORKER:  # the kernel gives out odd ones first
            return port


def program():
    return os.environ["GN_E2E_PROGRAM"]


def is_peer():
    """True when another server stands in for ours (to prove the tests themselves)."""
    return Path(program()).name != "gustnado"


def environment(extra=None):
    env = dict(os.environ)
    env.setdefault("VIRTUAL_ENV", os.environ.get("GN_E2E_VENV", ""))
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env.update(extra or {})
    return {k: v for k, v in env.items() if v is not None}


def run_program(*options, within=30, env=None, cwd=None, user=None):
    """Runs the program to its end; for command lines that must fail."""
    return subprocess.run(
        [program(), *map(str, options)], capture_output=True, text=True, errors="replace",
        timeout=within * SLOW, env=environment(env), cwd=cwd, user=user)


class Server:
    """A running program. Use as a context manager, or `stop()` it."""

    def __init__(self, *options, port=None, threads=8, chdir=APPS, env=None, bind=None,
                 ready=True, limit=None):
        self.port = port or free_port()
        self.address = bind or ("127.0.0.1", self.port)
        text = f"unix:{bind}" if bind else f"127.0.0.1:{self.port}"
        self.command = command = self.words(text, threads, chdir) + [str(o) for o in options]
        self.log = tempfile.TemporaryFile()
        env = dict(env) if env else None
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=environment(env), start_new_session=True,
            preexec_fn=limit and (lambda: set_limit(*limit)))
        self.pid = self.process.pid
        if ready:
            self.wait_ready()
        self.fds_at_start = self.settled_fds() if ready else 0

    @staticmethod
    def words(address, threads, chdir):
        """How the command line begins."""
        return [program(), "-b", address, "--threads", str(threads), "--chdir", str(chdir)]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()

    def wait_ready(self, within=20):
        """Until it answers. The kernel does so for a program that has yet to open this and that:
        ready is who has seen a client come and go.
        """
        end = time.monotonic() + within * SLOW
        while True:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"{' '.join(self.command)}\nended with {self.process.returncode}:\n{self.output()}")
            try:
                with self.connect(1) as conn:
                    if not is_peer():
                        conn.sock.shutdown(socket.SHUT_WR)
                        conn.rest()
                return
            except OSError:
                if time.monotonic() > end:
                    self.kill()
                    raise AssertionError("not ready:\n" + self.output()) from None
                time.sleep(0.02)

    def output(self):
        """What the program has written to standard output and error so far."""
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size, 0).decode("utf-8", "replace")

    def logs(self, text, within=5):
        """True once the log holds the text."""
        return eventually(lambda: text in self.output(), within * SLOW)

    def connect(self, timeout=20, source=None):
        return Connection(self.address, timeout * SLOW, source)

    def get(self, target, headers=()):
        """One GET on a connection of its own."""
        with self.connect() as conn:
            return conn.get(target, headers)

    def request(self, *args, **kwargs):
        with self.connect() as conn:
            return conn.request(*args, **kwargs)

    def family(self):
        """Process ids of the program and all it started."""
        pids, seen = [self.pid], set()
        while pids:
            pid = pids.pop()
            seen.add(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    pids += [int(p) for p in task.read_text().split()]
                except OSError:
                    pass
        return seen

    def fds(self):
        """Open descriptors of the program's processes, standard ones aside."""
        total = 0
        for pid in self.family():
            try:
                total += len(os.listdir(f"/proc/{pid}/fd"))
            except OSError:
                pass
        return total

    def is_resting(self):
        """Whether the program's main thread, which runs its loop, sleeps."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return True
        return stat.rpartition(")")[2].split()[0] in "SZ"

    def settled_fds(self):
        """Their number once it stands still and the program waits for work: an address answers a
        moment before all is opened, and on a busy machine moments are long."""
        count, end = -1, time.monotonic() + 5 * SLOW
        while count != self.fds() or not (is_peer() or self.is_resting() or time.monotonic() > end):
            count = self.fds()
            time.sleep(0.02)
        return count

    def fds_return(self, to=None, within=10):
        """True once no more descriptors are open than at the start (peers are not judged)."""
        if is_peer():
            return True
        most = self.fds_at_start if to is None else to
        return eventually(lambda: self.fds() <= most, within * SLOW, 0.05)

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, within=20):
        try:
            return self.process.wait(within * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("did not end:\n" + self.output()) from None

    def stop(self, expect=0, within=20):
        """SIGTERM; the exit code is checked, and that nothing stays behind."""
        assert self.alive(), f"ended with {self.process.returncode}:\n{self.output()}"
        family = self.family()
        self.signal(signal.SIGTERM)
        code = self.wait(within)
        output = self.output()
        assert code == expect, f"exit code {code}:\n{output}"
        assert not [m for m in SANITIZER_MARKS if m in output], output
        # multiprocessing's helpers end by themselves when they see that the program is gone
        assert eventually(lambda: not any(map(is_running, family)), 5 * SLOW), \
            f"processes left behind: {[p for p in family if is_running(p)]}"

    def kill(self):
        if self.process.poll() is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()


def set_limit(which, soft):
    """In the child, before the program: a soft limit, the hard one as it is."""
    resource.setrlimit(which, (soft, resource.getrlimit(which)[1]))


def is_running(pid):
    return Path(f"/proc/{pid}").exists() and not is_zombie(pid)


def is_zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
