# SPDX-License-Identifier: MIT
"""Views of careless.py that use write() and exc_info as they should not."""

import json
import threading

from careless_notes import PLAIN, note, ok

kept = []


def write_kept(environ, start_response, query):
    """Keeps write() for the call after."""
    write = start_response("200 OK", PLAIN)
    kept.append((write, start_response))
    return [b"kept\n"]


def write_late(environ, start_response, query):
    """Uses what other calls left, from this one and from a thread."""
    outcome = []

    def use(function, *args):
        try:
            function(*args)
            outcome.append("none")
        except BaseException as problem:
            outcome.append(type(problem).__name__)

    write, start = kept.pop()
    use(write, b"too late\n")
    use(start, "200 OK", PLAIN)
    thread = threading.Thread(target=use, args=(write, b"too late\n"))
    thread.start()
    thread.join()
    return ok(start_response, json.dumps(outcome))


def write_from_thread(environ, start_response, query):
    """A thread of the application's own writes while the view waits for it."""
    write = start_response("200 OK", PLAIN)
    outcome = []

    def work():
        try:
            write(b"from a thread\n")
            outcome.append(b"fine\n")
        except Exception as problem:
            outcome.append(repr(problem).encode())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    return outcome


class WritesInClose:
    """An iterable that has more to say when all is said."""

    def __init__(self, write, parts):
        self.write, self.parts = write, parts

    def __iter__(self):
        return self.parts

    def close(self):
        for piece in (b"late\n", b"x" * 100000):
            try:
                self.write(piece)
            except Exception as problem:
                note(f"write_in_close {type(problem).__name__}")


def write_in_close(environ, start_response, query):
    """how: list, generator, length, head"""
    how = query["how"]
    length = [("Content-Length", "5")] if how == "length" else []
    write = start_response("200 OK", PLAIN + length)
    parts = [b"body\n"]
    return WritesInClose(write, iter(parts) if how == "list" else (part for part in parts))


def threads_write(environ, start_response, query):
    """Several threads call write(), more than the client takes at once. how: joined, outlive"""
    write = start_response("200 OK", PLAIN)
    write(b"begun\n")

    def work():
        try:
            for _ in range(150):
                write(b"x" * 20000)
        except Exception as problem:
            note(f"threads_write {type(problem).__name__}")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(None if query["how"] == "joined" else 0.1)
    return []


def no_exc_info(environ, start_response, query):
    """After the head: what is not an exception cannot be raised again."""
    which = [("a", "b", "c"), (1, 2, 3), (KeyError, "text", None), (KeyError, KeyError, None),
             ("abc", b"abc", ())][int(query["which"])]
    write = start_response("200 OK", PLAIN)
    write(b"")
    try:
        start_response("500 No", PLAIN, which)
    except Exception as problem:
        write(type(problem).__name__.encode())
        try:
            start_response("500 No", PLAIN, which)
        except TypeError:
            write(b"\n")
    return []
