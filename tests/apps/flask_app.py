# SPDX-License-Identifier: MIT
"""A small Flask application: form, session, upload, download, streaming, errors."""

import hashlib
import io

from flask import (Blueprint, Flask, Response, abort, g, jsonify, redirect, request, send_file,
                   session, stream_with_context, url_for)

torn_down = []
closed = []
shop = Blueprint("shop", __name__, url_prefix="/shop")
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


@app.post("/fields")
def fields():
    return jsonify(text=request.form.getlist("text"),
                   files={k: [f.filename, len(f.read())] for k, f in request.files.items()})


@app.get("/endless")
def endless():
    def lines():
        try:
            for i in range(1_000_000_000):
                yield f"{request.args['name']} {i}\n"
        finally:
            closed.append(request.path)
    return Response(stream_with_context(lines()), mimetype="text/plain")


@app.get("/endless-closed")
def endless_closed():
    return jsonify(len(closed))


@shop.before_request
def before():
    g.before = True


@shop.after_request
def after(response):
    response.headers["X-After"] = "shop"
    return response


@shop.teardown_request
def teardown(error):
    torn_down.append(request.path)


class NoItem(Exception):
    pass


@shop.errorhandler(NoItem)
def no_item(error):
    return jsonify(error="no such item"), 422


@shop.get("/items/<int:number>")
def item(number):
    if number == 0:
        raise NoItem
    return jsonify(item=number, url=url_for("shop.item", number=number), before=g.before)


@shop.get("/torn-down")
def count_torn_down():
    return jsonify(len(torn_down))


app.register_blueprint(shop)
