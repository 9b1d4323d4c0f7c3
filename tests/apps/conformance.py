# SPDX-License-Identifier: MIT
"""An application that exercises the clauses of PEP 3333, each by its own path.

Every case is a function in `cases`, named as its path; its docstring names the
clause. What cannot be seen on the wire (threads, close(), what the server
raised) is noted under the request's `id` query parameter and read back with
/notes?id=… afterwards.
"""

import io
import json
import os
import sys
import tempfile
import threading
import time
from urllib.parse import parse_qs

cases = {}
notes = {}
lock = threading.Lock()
gates = {}
PLAIN = [("Content-Type", "text/plain")]


def case(function):
    cases[function.__name__] = function
    return function


def note(environ, **facts):
    key = query(environ).get("id")
    if key:
        with lock:
            notes.setdefault(key, {}).update(facts)


def query(environ):
    return {k: v[0] for k, v in parse_qs(environ.get("QUERY_STRING", ""), True).items()}


def gate(environ):
    """An event other requests can set: /open?gate=…"""
    with lock:
        return gates.setdefault(query(environ).get("gate", ""), threading.Event())


def answer(start_response, value):
    payload = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json"),
                              ("Content-Length", str(len(payload)))])
    return [payload]


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/").split("/")[0] or "index"
    function = cases.get(name)
    if function is None:
        start_response("404 Not Found", PLAIN[:])
        return [b"no such case\n"]
    return function(environ, start_response)


class Tracked:
    """An iterable that notes how it was used and who closed it."""

    def __init__(self, environ, parts, fail_close=False):
        self.environ, self.parts, self.fail_close = environ, iter(parts), fail_close
        self.called = threading.get_ident()
        self.iterated = set()
        self.closed = 0
        note(environ, closed=0, taken=0)
        self.taken = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.iterated.add(threading.get_ident())
        part = next(self.parts)
        if isinstance(part, BaseException):
            raise part
        self.taken += 1
        note(self.environ, taken=self.taken)
        return part() if callable(part) else part

    def close(self):
        self.closed += 1
        same = {threading.get_ident(), self.called} | self.iterated == {self.called}
        note(self.environ, closed=self.closed, same_thread=same)
        if self.fail_close:
            raise RuntimeError("close failed on purpose")


# The test's own instruments.


@case
def index(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "3")])
    return [b"ok\n"]


@case
def notes_of(environ, start_response):
    with lock:
        return answer(start_response, notes.get(query(environ).get("id"), {}))


cases["notes"] = notes_of


@case
def open_gate(environ, start_response):
    gate(environ).set()
    return answer(start_response, True)


cases["open"] = open_gate


# environ


@case
def environ_dump(environ, start_response):
    """environ variables: the CGI ones, wsgi.* and their types."""
    simple = {k: v for k, v in environ.items() if isinstance(v, (str, bool, int, tuple))}
    types = {k: type(v).__name__ for k, v in environ.items()}
    return answer(start_response, {
        "environ": simple, "types": types, "dict": type(environ) is dict,
        "keys_are_str": all(type(k) is str for k in environ)})


@case
def environ_mutable(environ, start_response):
    """The application is allowed to modify the dictionary in any way it desires."""
    stale = "test.mark" in environ or environ.get("REQUEST_METHOD") == "MANGLED"
    environ["test.mark"] = 1
    environ["REQUEST_METHOD"] = "MANGLED"
    environ["PATH_INFO"] = "/elsewhere"
    del environ["wsgi.version"]
    return answer(start_response, {"stale": stale})


@case
def errors_stream(environ, start_response):
    """wsgi.errors: flush, write and writelines, text, in order."""
    stream = environ["wsgi.errors"]
    mark = query(environ)["id"]
    stream.write(f"first {mark} caf\u00e9\n")
    stream.writelines([f"second {mark}\n", f"third {mark}\n"])
    stream.flush()
    return answer(start_response, True)


@case
def threads(environ, start_response):
    """wsgi.multithread: calls really do overlap."""
    event = gate(environ)
    if query(environ).get("role") == "opener":
        event.set()
        return answer(start_response, True)
    return answer(start_response, event.wait(10))


# start_response


@case
def start_late(environ, start_response):
    """start_response need not be called before the iterable is first asked."""
    def parts():
        start_response("200 OK", PLAIN[:])
        yield b"late\n"
    return parts()


@case
def start_never(environ, start_response):
    """start_response must be called before the first bytestring."""
    return [b"never\n"]


@case
def start_twice(environ, start_response):
    """A second call without exc_info is a fatal error."""
    start_response("200 OK", PLAIN[:])
    try:
        start_response("201 Created", PLAIN[:])
    except Exception as problem:
        note(environ, raised=type(problem).__name__)
        raise
    return [b"twice\n"]


@case
def exc_info_before(environ, start_response):
    """exc_info before the headers are sent: the second call replaces the first."""
    start_response("200 OK", PLAIN + [("X-First", "1")])
    try:
        raise ValueError("on purpose")
    except ValueError:
        start_response("503 Replaced", PLAIN + [("X-Second", "1")], sys.exc_info())
    return [b"replaced\n"]


@case
def exc_info_first(environ, start_response):
    """exc_info in the only call is fine."""
    try:
        raise ValueError("on purpose")
    except ValueError:
        start_response("500 Told", PLAIN[:], sys.exc_info())
    return [b"told\n"]


@case
def exc_info_after(environ, start_response):
    """exc_info after the headers are sent: start_response raises it."""
    start_response("200 OK", PLAIN[:])

    def parts():
        yield b"sent\n"
        try:
            raise KeyError("on purpose")
        except KeyError:
            try:
                start_response("500 Too Late", PLAIN[:], sys.exc_info())
            except KeyError:
                note(environ, reraised=True)
                raise
        note(environ, reraised=False)
        yield b"not reached\n"
    return parts()


@case
def exc_info_empty_yield(environ, start_response):
    """Headers are not sent before the first non-empty bytestring."""
    start_response("200 OK", PLAIN[:])

    def parts():
        yield b""
        yield b""
        try:
            raise ValueError("on purpose")
        except ValueError:
            start_response("503 Still Free", PLAIN[:], sys.exc_info())
        yield b"replaced\n"
    return parts()


@case
def exc_info_empty_write(environ, start_response):
    """write(b"") does not send the headers either."""
    write = start_response("200 OK", PLAIN[:])
    write(b"")
    try:
        raise ValueError("on purpose")
    except ValueError:
        start_response("503 Still Free", PLAIN[:], sys.exc_info())
    return [b"replaced\n"]


@case
def statuses(environ, start_response):
    """The status line is sent as given: a code of ours and a reason of any text."""
    start_response(query(environ)["status"], PLAIN[:])
    return [b"body\n"]


BAD_START = {
    "status_bytes": (b"200 OK", []),
    "status_int": (200, []),
    "status_none": (None, []),
    "status_short": ("20", []),
    "status_word": ("OK", []),
    "status_empty": ("", []),
    "status_crlf": ("200 OK\r\nX-Evil: 1", []),
    "status_interim": ("100 Continue", []),
    "status_not_latin1": ("200 \u20ac", []),
    "headers_dict": ("200 OK", {"A": "b"}),
    "headers_tuple": ("200 OK", (("A", "b"),)),
    "headers_none": ("200 OK", None),
    "header_not_tuple": ("200 OK", ["A: b"]),
    "header_triple": ("200 OK", [("A", "b", "c")]),
    "header_name_bytes": ("200 OK", [(b"A", "b")]),
    "header_value_bytes": ("200 OK", [("A", b"b")]),
    "header_value_int": ("200 OK", [("Content-Length", 3)]),
    "header_value_none": ("200 OK", [("A", None)]),
    "header_name_empty": ("200 OK", [("", "b")]),
    "header_name_space": ("200 OK", [("A B", "c")]),
    "header_name_colon": ("200 OK", [("A:", "c")]),
    "header_name_crlf": ("200 OK", [("A\r\nB", "c")]),
    "header_name_not_latin1": ("200 OK", [("A\u20ac", "c")]),
    "header_value_crlf": ("200 OK", [("A", "b\r\nX-Evil: 1")]),
    "header_value_lf": ("200 OK", [("A", "b\nX-Evil: 1")]),
    "header_value_cr": ("200 OK", [("A", "b\rX-Evil: 1")]),
    "header_value_nul": ("200 OK", [("A", "b\0c")]),
    "header_value_not_latin1": ("200 OK", [("A", "\u20ac")]),
    "length_word": ("200 OK", [("Content-Length", "three")]),
    "length_negative": ("200 OK", [("Content-Length", "-1")]),
    "length_plus": ("200 OK", [("Content-Length", "+3")]),
    "length_twice": ("200 OK", [("Content-Length", "3"), ("Content-Length", "4")]),
}


@case
def bad_start(environ, start_response):
    """Errors in status and headers are raised where start_response is called."""
    status, headers = BAD_START[query(environ)["which"]]
    try:
        start_response(status, headers)
    except Exception as problem:
        note(environ, raised=type(problem).__name__)
        raise
    note(environ, raised=None)
    return [b"bad\n"]


@case
def arguments(environ, start_response):
    """Positional arguments only; wrong counts are a TypeError."""
    raised = []
    for wrong in [(), ("200 OK",), ("200 OK", [], None, None)]:
        try:
            start_response(*wrong)
            raised.append(None)
        except TypeError:
            raised.append("TypeError")
    return answer(start_response, raised)


@case
def headers_kept(environ, start_response):
    """Headers go out in order, with case, duplicates and latin-1 kept."""
    headers = [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("X-One", "1"),
               ("Set-Cookie", "b=2"), ("x-lower", "l"), ("X-Latin", "caf\xe9"), ("X-Empty", "")]
    start_response("200 OK", headers)
    headers.append(("X-After", "changed after the call"))
    return [b"kept\n"]


@case
def server_headers(environ, start_response):
    """Date and Server from the application are not doubled."""
    start_response("200 OK", PLAIN + [("Date", "Tue, 01 Jan 2030 00:00:00 GMT"),
                                      ("Server", "mine")])
    return [b"own\n"]


@case
def hop_by_hop(environ, start_response):
    """Hop-by-hop features are the server's: the message must stay well framed."""
    which = query(environ)["which"]
    value = {"Transfer-Encoding": "chunked", "Connection": "keep-alive",
             "Keep-Alive": "timeout=5", "Upgrade": "other"}[which]
    try:
        start_response("200 OK", PLAIN + [(which, value)])
    except Exception as problem:
        note(environ, raised=type(problem).__name__)
        raise
    return [b"hop ", b"by hop\n"]


@case
def connection_close(environ, start_response):
    """An application may ask for the connection to be closed (a common extension)."""
    start_response("200 OK", PLAIN + [("Connection", "close"), ("Content-Length", "4")])
    return [b"bye\n"]


# the write callable


@case
def write_only(environ, start_response):
    """Everything through write(), then an empty iterable."""
    write = start_response("200 OK", PLAIN[:])
    results = [write(b"one "), write(b"two "), write(b"three\n")]
    note(environ, write_returns=[repr(r) for r in results])
    return []


@case
def write_then_iterate(environ, start_response):
    """What was written comes before what is yielded."""
    write = start_response("200 OK", PLAIN[:])
    write(b"written ")
    return [b"yielded\n"]


@case
def write_in_iteration(environ, start_response):
    """write() between yields keeps its place."""
    write = start_response("200 OK", PLAIN[:])

    def parts():
        write(b"a")
        yield b"b"
        write(b"c")
        yield b"d\n"
    return parts()


@case
def write_streams(environ, start_response):
    """write() transmits before it returns."""
    write = start_response("200 OK", PLAIN[:])
    write(b"first\n")
    write(b"opened\n" if gate(environ).wait(10) else b"timed out\n")
    return []


@case
def write_length(environ, start_response):
    """A declared length holds for write() too."""
    write = start_response("200 OK", PLAIN + [("Content-Length", "6")])
    write(b"abc")
    write(b"def")
    return []


@case
def write_str(environ, start_response):
    """write() takes bytes only."""
    write = start_response("200 OK", PLAIN[:])
    try:
        write("text")
    except Exception as problem:
        note(environ, raised=type(problem).__name__)
        raise
    return []


@case
def write_raises_after(environ, start_response):
    """An exception after write() has sent bytes aborts the response."""
    start_response("200 OK", PLAIN[:])(b"written\n")
    raise RuntimeError("on purpose")


# iterables


@case
def list_one(environ, start_response):
    """len(iterable) == 1: the length is known."""
    start_response("200 OK", PLAIN[:])
    return [b"known\n"]


@case
def list_many(environ, start_response):
    """A list of several bytestrings."""
    start_response("200 OK", PLAIN[:])
    return [b"one ", b"", b"two ", b"three\n"]


@case
def tuple_iterable(environ, start_response):
    """Any iterable: a tuple."""
    start_response("200 OK", PLAIN[:])
    return (b"a", b"tuple\n")


@case
def set_iterable(environ, start_response):
    """Any iterable: a set."""
    start_response("200 OK", PLAIN[:])
    return {b"a set\n"}


@case
def generator(environ, start_response):
    """Any iterable: a generator."""
    start_response("200 OK", PLAIN[:])
    return (b"%d\n" % n for n in range(5))


class GetItem:
    """An iterable by the old protocol."""

    def __getitem__(self, index):
        if index == 3:
            raise IndexError
        return b"%d\n" % index


@case
def getitem_iterable(environ, start_response):
    """Any iterable: __getitem__ alone."""
    start_response("200 OK", PLAIN[:])
    return GetItem()


class LyingLength(list):
    """A sequence whose len() says one, though there is more."""

    def __len__(self):
        return 1


@case
def len_lies(environ, start_response):
    """len() may only be relied upon when it is accurate: the message stays framed."""
    start_response("200 OK", PLAIN[:])
    return LyingLength([b"one\n", b"two\n"])


@case
def empty_list(environ, start_response):
    """An empty iterable is an empty body."""
    start_response("200 OK", PLAIN[:])
    return []


@case
def empty_strings(environ, start_response):
    """Only empty bytestrings: an empty body, and the headers go out."""
    start_response("200 OK", PLAIN[:])
    return iter([b"", b"", b""])


@case
def bytes_itself(environ, start_response):
    """A bytes object yields ints, which are not bytestrings."""
    start_response("200 OK", PLAIN[:])
    return b"bytes"


@case
def returns_none(environ, start_response):
    """None is not an iterable."""
    start_response("200 OK", PLAIN[:])
    return None


@case
def returns_str(environ, start_response):
    """str yields str, which is not a bytestring."""
    start_response("200 OK", PLAIN[:])
    return "text"


@case
def yields(environ, start_response):
    """Only bytes may be yielded."""
    start_response("200 OK", PLAIN[:])
    part = {"str": "text", "int": 5, "none": None, "bytearray": bytearray(b"array\n"),
            "memoryview": memoryview(b"view\n")}[query(environ)["which"]]
    parts = [part] if query(environ).get("at") != "later" else [b"first\n", part, b"last\n"]
    return Tracked(environ, parts)


class BytesSubclass(bytes):
    """bytes by inheritance."""


@case
def bytes_subclass(environ, start_response):
    """A subclass of bytes is a bytestring."""
    start_response("200 OK", PLAIN[:])
    return [BytesSubclass(b"sub"), BytesSubclass(b"class\n")]


@case
def streams(environ, start_response):
    """A yielded bytestring is transmitted before the next is requested."""
    start_response("200 OK", PLAIN[:])

    def second():
        return b"opened\n" if gate(environ).wait(10) else b"timed out\n"
    return Tracked(environ, [b"first\n", second])


@case
def streams_with_length(environ, start_response):
    """The same with a declared length."""
    start_response("200 OK", PLAIN + [("Content-Length", "13")])

    def second():
        return b"opened\n" if gate(environ).wait(10) else b"timeou\n"
    return Tracked(environ, [b"first\n", second])


@case
def big(environ, start_response):
    """Bytestrings of any size arrive whole."""
    size = int(query(environ)["size"])
    start_response("200 OK", PLAIN[:])
    block = bytes(range(256)) * 256
    whole = (block * (size // len(block) + 1))[:size]
    if query(environ).get("how") == "parts":
        return [whole[i:i + 70000] for i in range(0, size, 70000)]
    return [whole]


@case
def tracked(environ, start_response):
    """close() is called once, on the thread that called and iterated."""
    start_response("200 OK", PLAIN[:])
    return Tracked(environ, [b"one\n", b"two\n"])


@case
def tracked_length(environ, start_response):
    """close() is called also when the declared length is reached early."""
    start_response("200 OK", PLAIN + [("Content-Length", "4")])
    return Tracked(environ, [b"one\n", b"two\n", b"three\n"])


@case
def tracked_head(environ, start_response):
    """close() is called for HEAD too."""
    start_response("200 OK", PLAIN[:])
    return Tracked(environ, [b"one\n", b"two\n"])


@case
def tracked_never_started(environ, start_response):
    """close() is called when start_response never was."""
    return Tracked(environ, [b"one\n"])


@case
def tracked_raises(environ, start_response):
    """close() is called when iteration raises."""
    start_response("200 OK", PLAIN[:])
    at = int(query(environ).get("at", "0"))
    return Tracked(environ, [b"part\n"] * at + [RuntimeError("iteration failed on purpose")])


@case
def close_raises(environ, start_response):
    """An exception in close() is logged; the complete response stands."""
    start_response("200 OK", PLAIN + [("Content-Length", "5")])
    return Tracked(environ, [b"fine\n"], fail_close=True)


@case
def close_later(environ, start_response):
    """The response is complete on the wire before a slow close() returns."""
    class Slow(Tracked):
        """close() waits for its gate."""

        def close(self):
            gate(environ).wait(10)
            super().close()
    start_response("200 OK", PLAIN + [("Content-Length", "5")])
    return Slow(environ, [b"fast\n"])


# declared lengths


@case
def length(environ, start_response):
    """A declared length that is exact, too short or too long."""
    body = b"0123456789"
    declared = int(query(environ)["declare"])
    start_response("200 OK", PLAIN + [("Content-Length", str(declared))])
    return iter([body[:4], body[4:]])


@case
def no_body_status(environ, start_response):
    """204 and 304 carry no body and no framing, whatever is yielded."""
    code = query(environ)["code"]
    headers = [("X-Kept", "1")]
    if "length" in query(environ):
        headers.append(("Content-Length", query(environ)["length"]))
    start_response(f"{code} Empty", headers)
    return [b"must not be seen"]


@case
def head(environ, start_response):
    """HEAD: the headers of GET, no body."""
    headers = PLAIN[:]
    if "length" in query(environ):
        headers.append(("Content-Length", query(environ)["length"]))
    start_response("200 OK", headers)
    return [b"five\n"] if environ["REQUEST_METHOD"] == "GET" or "body" in query(environ) else []


# exceptions


class Odd(Exception):
    """An exception whose text cannot be made."""

    def __str__(self):
        raise RuntimeError("no text")


@case
def raises(environ, start_response):
    """An exception from the call is a 500, and the server goes on."""
    kinds = {"value": ValueError("raised on purpose"), "exit": SystemExit(3),
             "interrupt": KeyboardInterrupt(), "generator": GeneratorExit(),
             "stop": StopIteration(), "odd": Odd(),
             "memory": MemoryError("on purpose"),
             "unicode": ValueError("caf\u00e9 \u20ac \udc80")}
    if "started" in query(environ):
        start_response("200 OK", PLAIN[:])
    raise kinds[query(environ)["which"]]


@case
def recursion(environ, start_response):
    """Endless recursion is an exception like others."""
    def down(n):
        return down(n + 1) + 1
    down(0)


# wsgi.input


def _apply(stream, steps):
    """Runs "read:5,readline,readlines:10" against the stream."""
    out = []
    for step in filter(None, steps.split(",")):
        name, _, argument = step.partition(":")
        arguments = [int(a) for a in argument.split(":") if a]
        if name == "iter":
            out.append([part.decode("latin-1") for part in stream])
        elif name == "next":
            out.append(next(stream, b"<end>").decode("latin-1"))
        elif name == "none":
            out.append(stream.read(None).decode("latin-1"))
        elif name == "readinto":
            space = bytearray(arguments[0])
            count = stream.readinto(space)
            out.append(bytes(space[:count]).decode("latin-1"))
        else:
            value = getattr(stream, name)(*arguments)
            if isinstance(value, bytes):
                value = value.decode("latin-1")
            elif isinstance(value, list):
                value = [part.decode("latin-1") for part in value]
            out.append(value)
    return out


@case
def input_steps(environ, start_response):
    """wsgi.input: read, readline, readlines, iteration, and what comes at the end."""
    return answer(start_response, _apply(environ["wsgi.input"], query(environ)["steps"]))


@case
def input_errors(environ, start_response):
    """wsgi.input refuses wrong arguments by exception, not by crash."""
    raised = {}
    stream = environ["wsgi.input"]
    for name, arguments in [("read", ("x",)), ("read", (1, 2)), ("readline", ("x",)),
                            ("readlines", ("x",)), ("read", (1.5,)),
                            ("read", (2 ** 70,))]:
        try:
            getattr(stream, name)(*arguments)
            raised[f"{name}{arguments}"] = None
        except (TypeError, ValueError, OverflowError) as problem:
            raised[f"{name}{arguments}"] = type(problem).__name__
    return answer(start_response, raised)


@case
def input_hash(environ, start_response):
    """A body of any size comes through whole."""
    import hashlib
    digest, total, stream = hashlib.sha256(), 0, environ["wsgi.input"]
    size = int(query(environ).get("by", "65536"))
    while True:
        data = stream.read(size)
        if not data:
            break
        assert len(data) <= size
        digest.update(data)
        total += len(data)
    return answer(start_response, {
        "sha256": digest.hexdigest(), "bytes": total, "again": len(stream.read()),
        "declared": environ.get("CONTENT_LENGTH"),
        "terminated": environ.get("wsgi.input_terminated"),
        "transfer_encoding": environ.get("HTTP_TRANSFER_ENCODING")})


@case
def input_ignored(environ, start_response):
    """A body nobody reads does not harm the next request."""
    return answer(start_response, {"ignored": environ.get("CONTENT_LENGTH")})


@case
def input_kept(environ, start_response):
    """wsgi.input used after its request is over fails cleanly or reads nothing."""
    with lock:
        old = notes.get("kept_input")
        notes["kept_input"] = environ["wsgi.input"]
    result = "first"
    if old is not None:
        try:
            result = f"read {len(old.read())}"
        except Exception as problem:
            result = type(problem).__name__
    return answer(start_response, result)


@case
def echo(environ, start_response):
    """The body back, with its length."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream"),
                              ("Content-Length", str(len(body)))])
    return [body]


# wsgi.file_wrapper


def _file(data):
    file = tempfile.TemporaryFile()
    file.write(data)
    file.seek(0)
    return file


class WatchedFile:
    """A file-like object that notes its close()."""

    def __init__(self, environ, file):
        self.environ, self.file, self.closed_times = environ, file, 0
        note(environ, closed=0)

    def read(self, size=-1):
        return self.file.read(size)

    def close(self):
        self.closed_times += 1
        self.file.close()
        note(self.environ, closed=self.closed_times)


class WatchedRealFile(WatchedFile):
    """The same with a descriptor to send from."""

    def fileno(self):
        return self.file.fileno()

    def tell(self):
        return self.file.tell()


DATA = bytes(i * 7 & 0xFF for i in range(300000))


@case
def file(environ, start_response):
    """wsgi.file_wrapper around files of every kind."""
    wanted = query(environ)
    kind, offset = wanted.get("kind", "real"), int(wanted.get("offset", "0"))
    data = DATA[:int(wanted.get("size", len(DATA)))]
    if kind == "real":
        source = WatchedRealFile(environ, _file(data))
    elif kind == "plain":
        source = _file(data)
    elif kind == "unbuffered":
        with _file(data) as buffered:
            source = os.fdopen(os.dup(buffered.fileno()), "rb", buffering=0)
    elif kind == "bytesio":
        source = io.BytesIO(data)
    elif kind == "pipe":
        reader, writer = os.pipe()
        os.write(writer, data[:4096])
        os.close(writer)
        source = os.fdopen(reader, "rb")
        data = data[:4096]
    else:
        source = WatchedFile(environ, io.BytesIO(data))
    if offset:
        (source.file if isinstance(source, WatchedFile) else source).seek(offset)
    headers = [("Content-Type", "application/octet-stream")]
    if "declare" in wanted:
        headers.append(("Content-Length", wanted["declare"]))
    start_response("200 OK", headers)
    wrapper = environ["wsgi.file_wrapper"]
    block = wanted.get("block")
    return wrapper(source, int(block)) if block else wrapper(source)


@case
def file_wrapped(environ, start_response):
    """A file wrapper inside a middleware's generator is iterated like any other."""
    start_response("200 OK", PLAIN[:])
    inner = environ["wsgi.file_wrapper"](io.BytesIO(b"abcdefgh"), 3)

    def parts():
        for part in inner:
            yield part.upper() + b"|"
    return parts()


@case
def file_close_only(environ, start_response):
    """The wrapper may be closed by a middleware that never returns it."""
    source = WatchedFile(environ, io.BytesIO(b"unused"))
    wrapper = environ["wsgi.file_wrapper"](source)
    if hasattr(wrapper, "close"):
        wrapper.close()
    start_response("200 OK", PLAIN[:])
    return [b"other\n"]


@case
def file_after_write(environ, start_response):
    """Bytes written before a file keep their place before it."""
    write = start_response("200 OK", PLAIN[:])
    write(b"before ")
    return environ["wsgi.file_wrapper"](_file(b"file\n"))


# extensions


@case
def early_hints(environ, start_response):
    """wsgi.early_hints sends a 103 before the response."""
    hints = environ.get("wsgi.early_hints")
    if hints is not None:
        hints([("Link", "</style.css>; rel=preload; as=style"), ("Link", "</a.js>; rel=preload")])
    start_response("200 OK", PLAIN + [("Content-Length", "6")])
    return [b"hints\n"]


@case
def early_hints_bad(environ, start_response):
    """Hints are checked like headers."""
    raised = None
    try:
        environ["wsgi.early_hints"]([("Link", "a\r\nX-Evil: 1")])
    except (ValueError, TypeError) as problem:
        raised = type(problem).__name__
    return answer(start_response, raised)


@case
def waits(environ, start_response):
    """A view that waits for its gate."""
    opened = gate(environ).wait(float(query(environ).get("s", "10")))
    return answer(start_response, opened)


@case
def drip(environ, start_response):
    """An endless response; ends when the client is gone."""
    def parts():
        while True:
            time.sleep(0.01)
            yield b"x" * 1000
    start_response("200 OK", PLAIN[:])
    return Tracked(environ, parts())
