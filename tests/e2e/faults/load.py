# SPDX-License-Identifier: MIT
"""A small load of correct clients beside a fault, and what the server's process costs.

    with under_load(server) as load:
        ...the fault...

Six clients ask for everything the server does, some fifty times a second each:
WSGI and C handlers, bodies in memory and in a file, chunks both ways, a stream,
a WebSocket. Each answer is compared with what was asked. At the end of the
block every answer must have been right, and descriptors, threads and memory of
the process must be back where they were.

A test that takes something away from everybody (the last descriptor, say) names
what the clients may then see: `forgives={"refused"}`. A wrong answer is never
forgiven.
"""

import base64
import contextlib
import os
import random
import re
import statistics
import struct
import threading
import time
from pathlib import Path

from process import SLOW
from rawhttp import Broken, chunked, eventually

KINDS = ("get", "post", "chunked", "native", "stream", "websocket")
PACE_S = 0.02
FRESH_EVERY = 10  # exchanges on one connection
MEMORY_KIB = 3072  # what Python and a fault may leave behind
PLAIN = ("Content-Type", "application/octet-stream")


class Forgiven(Exception):
    """An answer that says no, where the test lets it."""


class Wrong(AssertionError):
    """An answer that is complete and not what was asked for, or an unforgiven end."""


# ---- the process ------------------------------------------------------------------------


def memory_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def cpu_s(pid):
    """User and system time of the process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_share(pid, for_s=1.0):
    """The share of a core that the process takes now."""
    began, before = time.monotonic(), cpu_s(pid)
    time.sleep(for_s)
    return (cpu_s(pid) - before) / (time.monotonic() - began)


def n_threads(pid):
    """All but the one that looks after late calls: it starts when needed, and stays."""
    n = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/comm") as comm:
                n += comm.read().strip() != "gn-messenger"
        except OSError:
            pass  # it has ended meanwhile
    return n


class Process:
    """What a server's process holds now."""

    def __init__(self, server):
        self.server = server
        self.fds, self.threads, self.memory_kib = self.look()

    def trim(self):
        """What is freed counts as free; with a sanitizer it does not matter."""
        if SLOW == 1:
            assert self.server.get("/careless/trim").status == 200
            self.memory_kib = memory_kib(self.server.pid)
        return self

    def look(self):
        pid = self.server.pid
        return (self.server.fds(), n_threads(pid), memory_kib(pid))

    def grown_kib(self):
        return memory_kib(self.server.pid) - self.memory_kib

    def must_return(self, memory=MEMORY_KIB, within=10):
        """Descriptors and threads are no more than then, memory hardly more."""
        assert self.server.alive(), self.server.output()

        def are_back():
            fds, threads, _ = self.look()
            return fds <= self.fds and threads <= self.threads
        assert eventually(are_back, within * SLOW, 0.05), \
            f"descriptors, threads were {self.fds, self.threads}, are {self.look()[:2]}"
        if SLOW == 1:  # sanitizers keep freed memory
            grown = Process(self.server).trim().memory_kib - self.memory_kib
            assert grown <= memory, f"{grown} KiB more than {self.memory_kib}"


# ---- beside a block ------------------------------------------------------------------------


class Beside(threading.Thread):
    """Takes its `step` again and again while a `with` block runs."""

    def __init__(self, every_s):
        super().__init__(daemon=True)
        self.every_s, self.ending = every_s, threading.Event()

    def run(self):
        while not self.ending.wait(self.every_s):
            self.step()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()


# ---- the clients --------------------------------------------------------------------------


class Client(threading.Thread):
    """Asks the same kind of question again and again and checks every answer."""

    def __init__(self, load, kind):
        super().__init__(daemon=True)
        self.load, self.kind = load, kind
        self.random = random.Random()
        self.conn = None
        self.asked = 0  # on this connection

    def run(self):
        while not self.load.ending.is_set():
            if self.load.resting.is_set():
                self.load.rests.release()
                while self.load.resting.is_set() and not self.load.ending.is_set():
                    time.sleep(0.01)
                continue
            self.one()
            time.sleep(self.load.pace_s)
        self.leave()

    def one(self):
        """One exchange, counted as right, forgiven or wrong."""
        began = time.monotonic()
        try:
            self.exchange()
        except Wrong as problem:
            self.load.count(self.kind, wrong=f"{self.kind}: {problem}")
            self.leave()
            return
        except Forgiven as answer:
            self.load.count(self.kind, forgiven=str(answer))
            self.leave()
            return
        except (Broken, OSError) as problem:
            self.count_end(problem)
            self.leave()
            time.sleep(0.01)
            return
        self.load.count(self.kind, took=time.monotonic() - began)
        if self.asked >= self.load.fresh_every:
            self.leave()

    def exchange(self):
        if self.conn is None:
            try:
                self.conn = self.load.server.connect()
                self.asked = 0
            except OSError as problem:
                raise Broken(f"refused: {problem}") from problem
            if self.kind == "websocket":
                self.shake_hands()
        getattr(self, self.kind)()
        self.asked += 1

    def count_end(self, problem):
        """A connection that could not be made (refused), or ended before the answer (lost)."""
        what = "refused" if str(problem).startswith("refused") else "lost"
        if what in self.load.forgives:
            self.load.count(self.kind, forgiven=what)
        else:
            self.load.count(self.kind, wrong=f"{self.kind}: {what}: {problem!r}")

    def leave(self):
        if self.conn is not None:
            self.conn.close()
            self.conn = None

    def answer(self, response):
        """The response, when it is a complete 200."""
        if response.status in self.load.forgives:
            raise Forgiven(response.status)
        if response.status != 200:
            raise Wrong(f"{response!r} {response.body[:200]!r}")
        if not response.complete:
            raise Broken(f"cut: {response!r}")
        return response

    def is_equal(self, what, seen, wanted):
        if seen != wanted:
            raise Wrong(f"{what} is {seen[:80]!r}… ({len(seen)}), not {wanted[:80]!r}… ({len(wanted)})")

    # the kinds

    def get(self):
        token = "%x" % self.random.getrandbits(60)
        self.load.tokens.append(token)
        seen = self.answer(self.conn.get(f"/load/{token}?t={token}", [("X-Token", token)])).json()
        self.is_equal("path", seen["path"] + seen["query"], f"/load/{token}t={token}")
        self.is_equal("header", dict(seen["headers"])["HTTP_X_TOKEN"], token)

    def post(self):
        """Every fourth body goes to a file, unless the test has none to give."""
        sizes = [10, 1000, 20000, 90000 if self.load.spools else 30000]
        body = self.random.randbytes(self.random.choice(sizes))
        seen = self.answer(self.conn.request("POST", "/load", [PLAIN], body)).json()
        self.is_equal("body", base64.b64decode(seen["body_b64"]), body)

    def chunked(self):
        pieces = [self.random.randbytes(self.random.randrange(1, 3000)) for _ in range(5)]
        seen = self.answer(self.conn.request("POST", "/load", [("Transfer-Encoding", "chunked")],
                                             chunked(*pieces))).json()
        self.is_equal("body", base64.b64decode(seen["body_b64"]), b"".join(pieces))

    def native(self):
        body = self.random.randbytes(self.random.randrange(1, 5000))
        seen = self.answer(self.conn.request("POST", "/native/echo", [PLAIN], body)).body
        self.is_equal("body", seen, body)
        self.is_equal("page", self.answer(self.conn.get("/native/1k")).body, b"x" * 1024)

    def stream(self):
        lines = self.random.randrange(1, 6)
        response = self.answer(self.conn.get(f"/slow/trickle?s=0.002&n={lines}"))
        self.is_equal("stream", response.body, b"tick\n" * lines)

    def websocket(self):
        data = self.random.randbytes(self.random.randrange(1, 2000))
        self.conn.send(frame(2, data))
        kind, seen = read_frame(self.conn)
        while kind == 0x89:  # a ping, on a machine that had us wait
            self.conn.send(frame(10, seen))
            kind, seen = read_frame(self.conn)
        if kind == 0x88:
            raise Broken(f"closed with {seen!r}")
        self.is_equal("message", seen, data)

    def shake_hands(self):
        self.conn.start("GET", "/ws", WEBSOCKET)
        head = self.conn.head()
        if head.status in self.load.forgives:
            raise Forgiven(head.status)
        if head.status != 101:
            raise Wrong(f"handshake: {head!r}")


WEBSOCKET = [("Upgrade", "websocket"), ("Connection", "Upgrade"),
             ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), ("Sec-WebSocket-Version", "13")]


def frame(opcode, data, rsv=0):
    """One final frame, masked with zeros."""
    size = len(data)
    if size < 126:
        head = struct.pack("!BB", 0x80 | rsv | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | rsv | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | rsv | opcode, 0x80 | 127, size)
    return head + bytes(4) + data


def read_frame(conn):
    """The first byte and the data of the next frame of the server's."""
    head = conn.take(2)
    if len(head) < 2:
        raise Broken("closed between frames")
    size = head[1]
    if size == 126:
        (size,) = struct.unpack("!H", conn.take(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", conn.take(8))
    data = conn.take(size)
    if len(data) < size:
        raise Broken("closed within a frame")
    return head[0], data


class Load:
    """The clients, and what they saw."""

    def __init__(self, server, kinds=KINDS, forgives=(), fresh_every=FRESH_EVERY, spools=True,
                 pace_s=PACE_S):
        self.server, self.forgives = server, set(forgives)
        self.fresh_every, self.spools, self.pace_s = fresh_every, spools, pace_s
        self.ending, self.resting = threading.Event(), threading.Event()
        self.rests = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.times = {kind: [] for kind in kinds}
        self.wrong, self.forgiven = [], []
        self.tokens = []  # of every request for /load/TOKEN
        self.clients = [Client(self, kind) for kind in kinds]

    def count(self, kind, took=None, wrong=None, forgiven=None):
        with self.lock:
            if took is not None:
                self.times[kind].append(took)
            if wrong:
                self.wrong.append(wrong)
            if forgiven:
                self.forgiven.append(forgiven)

    def answered(self):
        """How many exchanges have been right so far."""
        with self.lock:
            return sum(map(len, self.times.values()))

    def start(self):
        for client in self.clients:
            client.start()
        self.go_on()

    def go_on(self, each=3, within=20):
        """Waits until every client has got some more right answers."""
        with self.lock:
            wanted = {kind: len(times) + each for kind, times in self.times.items()}
        for _ in range(int(within * SLOW / 0.02)):  # not a deadline: the machine may have stopped us
            if self.wrong or all(len(self.times[kind]) >= n for kind, n in wanted.items()):
                return
            time.sleep(0.02)
        raise AssertionError(
            f"no answers any more: {({k: len(t) for k, t in self.times.items()})}")

    def rest(self):
        """Stops asking, between exchanges, until resume(); connections stay open."""
        self.resting.set()
        for _ in self.clients:
            assert self.rests.acquire(timeout=30 * SLOW), "a client waits for its answer"

    def resume(self):
        self.resting.clear()

    def end(self):
        self.ending.set()
        for client in self.clients:
            client.join(30 * SLOW)
            assert not client.is_alive(), f"the client {client.kind} waits for its answer"

    def must_be_right(self):
        assert not self.wrong, f"{len(self.wrong)} of {self.answered()}: {self.wrong[:4]}\n" \
            f"{self.server.output()[-3000:]}"

    def median_ms(self, kind, since=0):
        with self.lock:
            return statistics.median(self.times[kind][since:]) * 1000


@contextlib.contextmanager
def under_load(server, memory=MEMORY_KIB, recovers=True, **options):
    """Runs a block while clients ask; see the head of this file."""
    if recovers:
        settle(server, options.get("spools", True))
        before = Process(server).trim()
    load = Load(server, **options)
    load.start()
    try:
        yield load
        if recovers:
            load.go_on()
    finally:
        load.end()
    assert not recovers or server.alive(), server.output()
    load.must_be_right()
    if recovers:
        before.must_return(memory)


def settle(server, spools=True):
    """Brings pools, workers and arenas to their working size, once for each server."""
    if getattr(server, "is_settled", False):
        return
    before = server.fds()
    waiting = [server.connect() for _ in range(4)]
    for conn in waiting:
        conn.start("GET", "/slow/sleep?s=0.1")
    for conn in waiting:
        response = conn.read()
        assert response.status == 200, f"{response} {response.body}\n{server.output()}"
        conn.close()
    loads = [Load(server, spools=spools, pace_s=0) for _ in range(2)]
    for load in loads:
        load.start()
    loads[0].go_on(10)
    for load in loads:
        load.end()
        load.must_be_right()
    assert eventually(lambda: server.fds() <= before, 10 * SLOW, 0.05)
    server.is_settled = True
