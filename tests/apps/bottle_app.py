# SPDX-License-Identifier: MIT
"""A small Bottle application."""

import hashlib
from pathlib import Path

from bottle import Bottle, HTTPResponse, redirect, request, response, static_file

app = Bottle()


@app.get("/")
def index():
    return "bottle\n"


@app.get("/hello/<name>")
def hello(name):
    return {"hello": name, "args": dict(request.query.decode())}


@app.post("/upload")
def upload():
    file = request.files["file"]
    data = file.file.read()
    return {"name": file.filename, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@app.get("/static-file")
def send():
    return static_file(Path(__file__).name, root=Path(__file__).parent, mimetype="text/x-python")


@app.get("/stream")
def stream():
    response.content_type = "text/plain"
    for i in range(100):
        yield f"line {i} {request.path}\n"


@app.get("/cookies")
def cookies():
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return "cookies\n"


@app.get("/moved")
def moved():
    redirect("hello/there")


@app.get("/boom")
def boom():
    raise RuntimeError("bottle view failed on purpose")


@app.get("/empty")
def empty():
    return HTTPResponse(status=204)
