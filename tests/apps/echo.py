# SPDX-License-Identifier: MIT
"""Answers 200 with a JSON account of what the application saw."""

import base64
import json


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    seen = {
        "method": environ["REQUEST_METHOD"],
        "script": environ.get("SCRIPT_NAME", ""),
        "path": environ.get("PATH_INFO", ""),
        "query": environ.get("QUERY_STRING", ""),
        "host": environ.get("HTTP_HOST"),
        "proto": environ.get("SERVER_PROTOCOL"),
        "body_b64": base64.b64encode(body).decode(),
        "headers": sorted((k, v) for k, v in environ.items() if k.startswith("HTTP_")),
    }
    payload = json.dumps(seen).encode()
    start_response(
        "200 OK",
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(payload))),
            ("X-Echo", "1"),
        ],
    )
    return [payload]


app = application


def create_app():
    """A factory, for the MODULE:create_app() form."""
    return application


class Nested:
    """For the MODULE:dotted.attribute form."""

    app = staticmethod(application)
