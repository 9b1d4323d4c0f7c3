# SPDX-License-Identifier: MIT
"""The application under the soak: one view of each kind."""

import hashlib
import os
import random
import tempfile
import threading
import time
from urllib.parse import parse_qsl

TEXT = [("Content-Type", "text/plain")]
PIECE = bytes(range(256)) * 40
PATH = os.path.join(tempfile.gettempdir(), f"gustnado-soak-{os.getpid()}")
with open(PATH, "wb") as made:
    made.write(PIECE * 50)
MEETING = threading.Condition()
here = []
FILE = open(PATH, "rb")
os.unlink(PATH)


# What goes wrong on purpose, so that one can see the soak fail.
PLANT = os.environ.get("SOAK_PLANT")
kept = []


def go_wrong(query):
    if PLANT == "memory":
        kept.append(bytearray(5000))
    elif PLANT == "descriptor" and len(kept) < 3:
        kept.append(os.dup(FILE.fileno()))
    elif PLANT == "worker" and not kept:
        kept.append(threading.Lock())
        with kept[0]:
            kept[0].acquire()
    elif PLANT == "answer" and random.random() < 0.002:
        query["n"] = "another"


def fast(environ, query):
    if PLANT is not None:
        go_wrong(query)
    return [f"fast {query['n']} {environ.get('HTTP_X_NUMBER')}".encode()]


def slow(environ, query):
    time.sleep(float(query["s"]))
    return [b"slow " + query["s"].encode()]


def busy(environ, query):
    end = time.thread_time() + float(query["s"])
    while time.thread_time() < end:
        pass
    return [b"busy"]


def stream(environ, query):
    for _ in range(int(query["n"])):
        yield PIECE
        if "s" in query:
            time.sleep(float(query["s"]))


def upload(environ, query):
    sha, n = hashlib.sha256(), 0
    while piece := environ["wsgi.input"].read(20000):
        sha.update(piece)
        n += len(piece)
    return [f"{n} {sha.hexdigest()}".encode()]


def file(environ, query):
    FILE.seek(0)
    return environ["wsgi.file_wrapper"](os.fdopen(os.dup(FILE.fileno()), "rb"))


def error(environ, query):
    raise LookupError(f"meant to fail: {query['n']}")


def meet(environ, query):
    """Comes back when n calls are here at once."""
    with MEETING:
        here.append(query["n"])
        MEETING.notify_all()
        met = MEETING.wait_for(lambda: here.count(query["n"]) >= int(query["n"]), 2)
    return [b"met" if met else b"alone"]


def late(environ, query):
    """Longer than the timeout; the worker comes back all the same."""
    time.sleep(float(query["s"]))
    return [b"nobody listens"]


VIEWS = {"/" + view.__name__: view for view in (fast, slow, busy, stream, upload, file, error, late, meet)}


def application(environ, start_response):
    view = VIEWS.get(environ["PATH_INFO"])
    if view is None:
        start_response("404 Not Found", TEXT)
        return [b"no such view\n"]
    start_response("200 OK", TEXT)
    return view(environ, dict(parse_qsl(environ["QUERY_STRING"])))
