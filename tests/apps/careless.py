# SPDX-License-Identifier: MIT
"""An application that does to its server what applications should not.

Each view is named by the path; see the functions. /state says what was noted.
"""

import asyncio
import concurrent.futures
import contextvars
import ctypes
import faulthandler
import io
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import parse_qs

from careless_notes import PLAIN, lock, note, notes, ok
# Views, which application() finds by their names:
from careless_writes import (no_exc_info, threads_write, write_from_thread, write_in_close,
                             write_kept, write_late)


async def _at_import():
    await asyncio.sleep(0)
    return True

asyncio.run(_at_import())
faulthandler.enable()

seen = contextvars.ContextVar("seen", default="nothing")


def state(environ, start_response, query):
    with lock:
        return ok(start_response, json.dumps(notes))


def context(environ, start_response, query):
    """What the call before left in the context."""
    before = seen.get()
    seen.set("something")
    return ok(start_response, before)


def sys_exit(environ, start_response, query):
    sys.exit(3)


def leaves(environ, start_response, query):
    """The process ends, before or within the response."""
    if query["when"] == "within":
        write = start_response("200 OK", [*PLAIN, ("Content-Length", "1000")])
        write(b"x" * 500)
        time.sleep(0.1)
    os._exit(3)


def interrupt(environ, start_response, query):
    raise KeyboardInterrupt


def generator_exit(environ, start_response, query):
    start_response("200 OK", PLAIN)
    yield b"one\n"
    raise GeneratorExit


def base_exception(environ, start_response, query):
    class Odd(BaseException):
        def __str__(self):
            raise RuntimeError("no text")

        __repr__ = __str__
    raise Odd


def input_from_thread(environ, start_response, query):
    """Reads the body in a thread while the view returns."""
    stream = environ["wsgi.input"]

    def work():
        for _ in range(1000):
            try:
                stream.seek(0)
                stream.read(10)
            except ValueError:
                break
    for _ in range(4):
        threading.Thread(target=work).start()
    return ok(start_response)


class Reentrant:
    """Iterates itself while it is iterated, closes while it is closed."""

    def __init__(self, start_response):
        self.start_response = start_response
        self.count = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.count += 1
        if self.count == 1:
            self.start_response("200 OK", PLAIN)(b"")
            return b"a\n"
        raise StopIteration

    def close(self):
        note("closed")
        if self.count < 10:
            self.count = 10
            self.close()


def reentrant(environ, start_response, query):
    return Reentrant(start_response)


class Shrinking(list):
    """A list that changes while it is looked at."""

    def __len__(self):
        note("asked for its length")
        self.clear()
        return 1


def shrinking(environ, start_response, query):
    start_response("200 OK", PLAIN)
    return Shrinking([b"gone\n", b"too\n"])


def buffer_grows(environ, start_response, query):
    """A header list that is changed after it was handed over, and headers of odd types."""
    headers = [("Content-Type", "text/plain"), ("X-One", "1")]
    start_response("200 OK", headers)
    headers.clear()
    headers.append(("X-Two", "2"))
    environ.clear()
    return [b"ok\n"]


class EvilStr(str):
    def encode(self, *args):
        raise RuntimeError("encode of a header was called")

    def __eq__(self, other):
        raise RuntimeError("compared")

    __hash__ = str.__hash__


def evil_headers(environ, start_response, query):
    start_response("200 OK", [(EvilStr("X-Evil"), EvilStr("yes"))])
    return [b"ok\n"]


class Temp(io.BufferedReader):
    """A file that notes its end."""

    def close(self):
        if not self.closed:
            note("file closed")
        super().close()


def make_file(size):
    fd, path = tempfile.mkstemp()
    os.write(fd, b"x" * size)
    os.lseek(fd, 0, 0)
    os.unlink(path)
    return Temp(io.FileIO(fd, "rb+"))


def file(environ, start_response, query):
    """how: shrink, closed, beyond, dir, fd_closed, offset, nofileno, evil_fileno"""
    how = query["how"]
    size = 1 << 20
    f = make_file(size)
    headers = list(PLAIN)
    if query.get("length"):
        headers.append(("Content-Length", str(size)))
    start_response("200 OK", headers)
    if how == "offset":
        f.seek(size - 7)
    elif how == "beyond":
        f.seek(size + 10)
    elif how == "read_first":
        f.read(3)
    elif how == "closed":
        f.close()
    elif how == "fd_closed":
        os.close(f.fileno())
    elif how == "dir":
        class Dir:
            def __init__(self):
                self.fd = os.open("/", os.O_RDONLY)

            def fileno(self):
                return self.fd

            def read(self, count=-1):
                return b""

            def close(self):
                os.close(self.fd)
        f = Dir()
    elif how == "evil_fileno":
        class Evil:
            def fileno(self):
                return int(query["fd"])

            def read(self, count=-1):
                return b""
        f = Evil()
    wrapped = environ["wsgi.file_wrapper"](f)
    if how == "shrink":
        os.ftruncate(f.fileno(), 1000)
    return wrapped


def shrink_while_sent(environ, start_response, query):
    """The file shrinks while a slow client takes it."""
    f = make_file(64 << 20)
    start_response("200 OK", [*PLAIN, ("Content-Length", str(64 << 20))])
    fd = os.dup(f.fileno())

    def work():
        time.sleep(0.5)
        os.ftruncate(fd, 1000)
        os.close(fd)
    threading.Thread(target=work).start()
    return environ["wsgi.file_wrapper"](f)


def bound_signal(environ, start_response, query):
    """signal.signal in a worker is Python's own ValueError."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return ok(start_response, "set")
    except ValueError:
        return ok(start_response, "ValueError")


def inherited(environ, start_response, query):
    """The descriptors that a child sees."""
    code = "import os; print([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')" \
           " if os.path.islink(f'/proc/self/fd/{n}')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, close_fds=False,
                         check=True, text=True)
    return ok(start_response, out.stdout)


def forks(environ, start_response, query):
    """A child that runs Python, prints and ends in the usual ways."""
    how = query.get("how", "exit")
    pid = os.fork()
    if pid == 0:
        if how == "raise":
            raise RuntimeError("in the child")
        if how == "exit":
            sys.exit(7)
        if how == "return":
            return ok(start_response, "from the child\n")
        if how == "closes":  # as those do who make a daemon of themselves
            os.closerange(0, 65536)
            os._exit(0)
        if how == "floods":  # more than waits for a client anywhere
            start_response("200 OK", [("Content-Type", "text/plain")])
            return (b"x" * 65536 for _ in range(64))
        if how == "stream":
            return environ["wsgi.file_wrapper"](io.BytesIO(b"from the child"))
        os._exit(7)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        got, status = os.waitpid(pid, os.WNOHANG)
        if got:
            return ok(start_response, f"child {status}\n")
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return ok(start_response, "child had to be killed\n")


def fork_pool(environ, start_response, query):
    fork = multiprocessing.get_context("fork")  # 3.14 would keep a server of forks
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=fork) as pool:
        return ok(start_response, str(list(pool.map(abs, [-1, 2, -3]))))


def children(environ, start_response, query):
    """multiprocessing with fork, whose child leaves by os._exit after Python's own clean-up."""
    ctx = multiprocessing.get_context("fork")
    queue = ctx.Queue()
    process = ctx.Process(target=queue.put, args=("hello",))
    process.start()
    text = queue.get(timeout=10)
    process.join(10)
    return ok(start_response, f"{text} {process.exitcode}\n")


def daemon_child(environ, start_response, query):
    """A child that outlives the request (and the server): it must not hold the port."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    return ok(start_response, str(process.pid))


def hog(environ, start_response, query):
    end = time.monotonic() + float(query.get("s", "1"))
    while time.monotonic() < end:
        pass
    return ok(start_response)


def nap(environ, start_response, query):
    time.sleep(float(query.get("s", "1")))
    return ok(start_response)


def giga(environ, start_response, query):
    start_response("200 OK", PLAIN)
    return (b"x" * int(query.get("size", "65536")) for _ in range(int(query.get("n", "16384"))))


def one_big(environ, start_response, query):
    start_response("200 OK", PLAIN)
    return [b"x" * int(query["size"])]


def trim(environ, start_response, query):
    """Gives back what the allocator keeps: what is left is in use."""
    ctypes.CDLL(None).malloc_trim(0)
    return ok(start_response)


def numpy_sum(environ, start_response, query):
    try:
        import numpy
    except ImportError:
        return ok(start_response, "no numpy")
    return ok(start_response, str(int(numpy.arange(1000).sum())))


def recursion(environ, start_response, query):
    def again(depth):
        return again(depth + 1)
    return again(0)


def memory_error(environ, start_response, query):
    return [bytearray(1 << 62)]


def stdout_closed(environ, start_response, query):
    sys.stderr.close()
    sys.stdout.close()
    environ["wsgi.errors"].write("after the end of stderr\n")
    return ok(start_response)


def drop_in_thread(environ, start_response, query):
    """The last reference to what belongs to the call goes in another thread, later."""
    held = [environ["wsgi.input"], environ["wsgi.errors"], start_response, environ]

    def work():
        time.sleep(0.05)
        held.clear()
    threading.Thread(target=work).start()
    return ok(start_response)


def asyncio_run(environ, start_response, query):
    async def work():
        reader = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('sub')", stdout=subprocess.PIPE)
        out, _ = await reader.communicate()
        return out.decode()
    return ok(start_response, asyncio.run(work()))


def connects_back(environ, start_response, query):
    """Asks its own server while it serves."""
    with socket.create_connection(("127.0.0.1", int(environ["SERVER_PORT"])), 10) as sock:
        sock.sendall(b"GET /context HTTP/1.0\r\n\r\n")
        data = b""
        while piece := sock.recv(4096):
            data += piece
    return ok(start_response, data.split(b"\r\n")[0].decode())


def application(environ, start_response):
    view = globals().get(environ["PATH_INFO"][1:], ok)
    query = {k: v[0] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}
    if view is ok:
        return ok(start_response)
    return view(environ, start_response, query)
