# SPDX-License-Identifier: MIT
"""Views that wait, compute or trickle, for tests of what a slow view may not hurt.

    /             answers at once
    /sleep?s=S    waits S seconds without the interpreter lock
    /burn?s=S     computes for S seconds of this thread's CPU
    /both?s=S     computes for S seconds, and waits for twice as long
    /trickle?s=S&n=N   N lines, S seconds apart
    /big?n=N      N chunks of 64 KiB, as fast as the client takes them
    /stuck        waits until somebody asks for /free
    /touch        counts itself
    /events       what became of the iterables of /trickle and /big, as JSON
"""

import json
import threading
import time
from urllib.parse import parse_qs

lock = threading.Lock()
freed = threading.Event()
events = {"started": 0, "closed": 0, "chunks": 0, "wrong_thread": 0, "touched": 0}


def count(**changes):
    with lock:
        for name, change in changes.items():
            events[name] += change


class Stream:
    """An iterable that tells what happened to it."""

    def __init__(self, chunk, count_of, pause):
        self.chunk, self.left, self.pause = chunk, count_of, pause
        self.thread = threading.get_ident()
        count(started=1)

    def __iter__(self):
        return self

    def __next__(self):
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        if self.pause:
            time.sleep(self.pause)
        count(chunks=1)
        return self.chunk

    def close(self):
        wrong = self.thread != threading.get_ident()
        count(closed=1, wrong_thread=1 if wrong else 0)


def burn(seconds):
    end = time.thread_time() + seconds
    number = 1
    while time.thread_time() < end:
        for _ in range(1000):
            number = number * 1103515245 + 12345 & 0x7FFFFFFF
    return number


def application(environ, start_response):
    path = environ["PATH_INFO"]
    query = {k: v[0] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}
    seconds = float(query.get("s", "0"))
    plain = [("Content-Type", "text/plain")]
    if path == "/sleep":
        time.sleep(seconds)
    elif path == "/burn":
        burn(seconds)
    elif path == "/both":
        burn(seconds)
        time.sleep(2 * seconds)
    elif path == "/trickle":
        start_response("200 OK", plain)
        return Stream(b"tick\n", int(query.get("n", "10")), seconds)
    elif path == "/big":
        start_response("200 OK", plain)
        return Stream(b"x" * 65536, int(query.get("n", "16")), 0)
    elif path == "/stuck":
        freed.wait()
    elif path == "/free":
        freed.set()
    elif path == "/touch":
        count(touched=1)
    elif path == "/events":
        with lock:
            payload = json.dumps(events).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [payload]
    start_response("200 OK", plain)
    return [b"done\n"]
