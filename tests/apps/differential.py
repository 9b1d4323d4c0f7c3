# SPDX-License-Identifier: MIT
"""Everything that test_differential.py compares, below one prefix each; elsewhere the environ."""

import json

from werkzeug.middleware.dispatcher import DispatcherMiddleware

import bottle_app
import django_app
import falcon_app
import flask_app
import pyramid_app

# What PEP 3333 names, ports and the server's name aside; each server adds keys of its own.
NAMED = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE",
         "CONTENT_LENGTH", "SERVER_PROTOCOL", "REMOTE_ADDR", "wsgi.url_scheme", "wsgi.version",
         "wsgi.input_terminated", "wsgi.run_once")


def environ_dump(environ, start_response):
    """What applications may rely on."""
    body = environ["wsgi.input"].read()
    seen = {k: v for k, v in environ.items() if k in NAMED or k.startswith("HTTP_")}
    seen["body"] = body.decode("latin-1")
    payload = json.dumps(seen, sort_keys=True).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Twice", "a"),
                              ("x-twice", "b"), ("Content-Length", str(len(payload)))])
    return [payload]


application = DispatcherMiddleware(environ_dump, {
    "/flask": flask_app.app, "/django": django_app.app, "/pyramid": pyramid_app.app,
    "/bottle": bottle_app.app, "/falcon": falcon_app.app})
