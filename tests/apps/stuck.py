# SPDX-License-Identifier: MIT
"""Views that do not come back, each in its own way.

    /spin           a loop in Python, until TimeoutError
    /catch          the same, which catches it and answers late
    /nap?s=S        a sleep in C without the GIL: the exception waits for its end
    /hold?s=S       a call in C that keeps the GIL for S seconds
    /background?s=S a thread of the application does that
    /deadline       gustnado.deadline less the clock, or none
    /seen           what came of /catch
"""

import ctypes
import subprocess
import threading
import time
from urllib.parse import parse_qs

seen = []


def hold_gil(seconds):
    """A read() that C code repeats after signals; it ends with the end of a process."""
    with subprocess.Popen(["sleep", str(seconds)], stdout=subprocess.PIPE) as process:
        ctypes.PyDLL(None).read(process.stdout.fileno(), ctypes.create_string_buffer(1), 1)


def spin():
    while True:
        pass


def application(environ, start_response):
    path = environ["PATH_INFO"]
    query = parse_qs(environ["QUERY_STRING"])
    seconds = float(query.get("s", ["0"])[0])
    answer = "answered"
    if path == "/spin":
        spin()
    elif path == "/hint":
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        spin()
    elif path == "/catch":
        try:
            spin()
        except TimeoutError:
            seen.append(round(time.monotonic() - environ["gustnado.deadline"], 3))
    elif path == "/nap":
        time.sleep(seconds)
    elif path == "/hold":
        hold_gil(seconds)
    elif path == "/background":
        threading.Thread(target=hold_gil, args=(seconds,), name="holder").start()
    elif path == "/deadline":
        deadline = environ["gustnado.deadline"]
        answer = "none" if deadline is None else repr(deadline - time.monotonic())
    elif path == "/seen":
        answer = repr(seen)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer.encode()]
