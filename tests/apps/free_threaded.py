# SPDX-License-Identifier: MIT
"""Views that tell whether calls run at the same time, and see nothing of each other.

    /gil          whether the interpreter has its GIL
    /meet         spins, without letting go of Python, until two calls do
    /echo…        the keys of environ that a client decides, as JSON
"""

import json
import sys
import time

inside = []


def meet():
    me = object()
    inside.append(me)
    end = time.monotonic() + 20
    met = False
    while not met and time.monotonic() < end:
        met = len(inside) >= 2
    return "met" if met else "alone"


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/gil":
        body = str(getattr(sys, "_is_gil_enabled", lambda: True)())
    elif path == "/meet":
        body = meet()
    else:
        sum(range(200))  # time for another call to interfere
        body = json.dumps({key: value for key, value in environ.items()
                           if key.startswith("HTTP_X_") or
                           key in ("PATH_INFO", "QUERY_STRING", "REQUEST_METHOD", "REQUEST_URI",
                                   "REMOTE_PORT", "HTTP_HOST", "HTTP_USER_AGENT")})
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Echo", environ["QUERY_STRING"])])
    return [body.encode()]
