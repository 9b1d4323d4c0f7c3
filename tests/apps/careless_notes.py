# SPDX-License-Identifier: MIT
"""What the views of careless.py have in common."""

import threading

PLAIN = [("Content-Type", "text/plain")]
notes = {}
lock = threading.Lock()


def note(name, by=1):
    with lock:
        notes[name] = notes.get(name, 0) + by


def ok(start_response, text="ok\n"):
    start_response("200 OK", PLAIN)
    return [text.encode()]
