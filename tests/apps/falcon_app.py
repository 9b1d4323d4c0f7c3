# SPDX-License-Identifier: MIT
"""A small Falcon application."""

import hashlib
from pathlib import Path

import falcon


class Hello:
    """GET /hello/{name}"""

    def on_get(self, req, resp, name):
        resp.media = {"hello": name, "args": req.params}


class Upload:
    """POST /upload, multipart"""

    def on_post(self, req, resp):
        for part in req.get_media():
            data = part.stream.read()
            resp.media = {"name": part.filename, "size": len(data),
                          "sha256": hashlib.sha256(data).hexdigest()}


class Body:
    """POST /body, the raw stream"""

    def on_post(self, req, resp):
        data = req.bounded_stream.read()
        resp.media = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


class StaticFile:
    """GET /static-file, by stream"""

    def on_get(self, req, resp):
        path = Path(__file__)
        resp.content_type = "text/x-python"
        resp.set_stream(path.open("rb"), path.stat().st_size)


class Stream:
    """GET /stream"""

    def on_get(self, req, resp):
        path = req.path
        resp.content_type = "text/plain"
        resp.stream = (f"line {i} {path}\n".encode() for i in range(100))


class Boom:
    """GET /boom"""

    def on_get(self, req, resp):
        raise RuntimeError("falcon view failed on purpose")


class Index:
    """GET /"""

    def on_get(self, req, resp):
        resp.content_type = "text/plain"
        resp.text = "falcon\n"


app = falcon.App()
app.add_route("/", Index())
app.add_route("/hello/{name}", Hello())
app.add_route("/upload", Upload())
app.add_route("/body", Body())
app.add_route("/static-file", StaticFile())
app.add_route("/stream", Stream())
app.add_route("/boom", Boom())
