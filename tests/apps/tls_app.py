# SPDX-License-Identifier: MIT
"""Says what environ holds, echoes bodies, sends a file."""

import json
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "e2e" / "rawhttp.py"


def application(environ, start_response):
    if environ["PATH_INFO"] == "/echo":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return [environ["wsgi.input"].read()]
    if environ["PATH_INFO"] == "/file":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"](FILE.open("rb"))
    seen = {k: v for k, v in environ.items() if isinstance(v, str)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]
