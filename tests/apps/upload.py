# SPDX-License-Identifier: MIT
"""Reads request bodies while they arrive, and remembers what happened to each."""

import hashlib
import json
import os
import select
import signal
import threading
import time
from urllib.parse import parse_qsl

lock = threading.Lock()
seen = {}
gates = {}


def note(key, **facts):
    with lock:
        seen.setdefault(key, {}).update(facts)


def gate(key):
    with lock:
        return gates.setdefault(key, threading.Event())


def digest(environ, query):
    """Everything, in pieces; with ?gate= not before POST /open says so."""
    if "gate" in query:
        note(query["gate"], began=True)
        gate(query["gate"]).wait(30)
    stream, sha, n = environ["wsgi.input"], hashlib.sha256(), 0
    while piece := stream.read(int(query.get("size", 65536))):
        sha.update(piece)
        n += len(piece)
    return {"bytes": n, "sha256": sha.hexdigest(), "length": environ.get("CONTENT_LENGTH"),
            "ends": environ["wsgi.input_terminated"], "seekable": stream.seekable()}


def record(environ, query):
    """Reads to the end and notes the exception that stops it."""
    key, began = query["key"], time.monotonic()
    try:
        note(key, began=True)
        environ["wsgi.input"].read()
        note(key, done=True)
    except OSError as e:
        note(key, raised=type(e).__name__, errno=e.errno, after=time.monotonic() - began)
        raise
    return seen[key]


def first(environ, query):
    """Only the first bytes are read."""
    return {"first": environ["wsgi.input"].read(int(query["n"])).decode("latin-1")}


def fork(environ, query):
    """A child wants to read on as well; what it is told comes back by a pipe."""
    stream = environ["wsgi.input"]
    first = stream.read(3)
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = "it was read"
        try:
            stream.read()
        except BaseException as e:  # whatever it is
            said = f"{type(e).__name__}: {e}"
        os.write(into, said.encode())
        os._exit(0)
    os.close(into)
    if not select.select([out], [], [], 15)[0]:
        os.kill(pid, signal.SIGKILL)
    with open(out) as f:
        said = f.read()
    os.waitpid(pid, 0)
    note("fork", child=said)
    return {"first": first.decode(), "child": said, "rest": stream.read().decode()}


def open_gate(environ, query):
    gate(query["gate"]).set()
    return {}


def show(environ, query):
    with lock:
        return dict(seen)


ROUTES = {"/digest": digest, "/record": record, "/first": first, "/fork": fork, "/open": open_gate,
          "/seen": show}


def lines(environ, start_response):
    """Answers each line as it comes."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    for line in environ["wsgi.input"]:
        yield line.upper()


def application(environ, start_response):
    if environ["PATH_INFO"] == "/lines":
        return lines(environ, start_response)
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    answer = ROUTES[environ["PATH_INFO"]](environ, query)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
