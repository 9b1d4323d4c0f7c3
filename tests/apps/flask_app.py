# SPDX-License-Identifier: MIT
"""A small Flask application: form, session, upload, download, streaming, errors."""

import hashlib
import io

from flask import (Flask, Response, abort, jsonify, redirect, request, send_file, session,
                   stream_with_context)

app = Flask(__name__)
app.secret_key = "for tests"


@app.get("/")
def index():
    return "flask\n"


@app.get("/hello/<name>")
def hello(name):
    return jsonify(hello=name, args=request.args)


@app.post("/login")
def login():
    session["user"] = request.form["user"]
    return redirect("/whoami")


@app.get("/whoami")
def whoami():
    return jsonify(user=session.get("user"))


@app.post("/upload")
def upload():
    file = request.files["file"]
    data = file.read()
    return jsonify(name=file.filename, size=len(data), sha256=hashlib.sha256(data).hexdigest())


@app.get("/download")
def download():
    return send_file(io.BytesIO(b"download " * 20000), download_name="file.txt",
                     mimetype="text/plain", as_attachment=True)


@app.get("/static-file")
def static_file():
    return send_file(__file__, mimetype="text/x-python", conditional=True)


@app.get("/stream")
def stream():
    return Response(stream_with_context(f"line {i} {request.path}\n" for i in range(100)),
                    mimetype="text/plain")


@app.post("/json")
def json_echo():
    return jsonify(request.get_json())


@app.get("/boom")
def boom():
    raise RuntimeError("flask view failed on purpose")


@app.get("/teapot")
def teapot():
    abort(418)
