# SPDX-License-Identifier: MIT
"""A small Pyramid application."""

import hashlib
from pathlib import Path

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import FileResponse, Response
from pyramid.session import SignedCookieSessionFactory


def index(request):
    return Response("pyramid\n", content_type="text/plain", charset="utf-8")


def hello(request):
    return {"hello": request.matchdict["name"], "args": dict(request.params)}


def upload(request):
    field = request.POST["file"]
    data = field.file.read()
    return {"name": field.filename, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def login(request):
    request.session["user"] = request.POST["user"]
    return HTTPFound("/whoami")


def whoami(request):
    return {"user": request.session.get("user")}


def static_file(request):
    return FileResponse(Path(__file__), request=request, content_type="text/x-python")


def stream(request):
    path = request.path
    lines = (f"line {i} {path}\n".encode() for i in range(100))
    return Response(app_iter=lines, content_type="text/plain")


def boom(request):
    raise RuntimeError("pyramid view failed on purpose")


def create_app():
    with Configurator(session_factory=SignedCookieSessionFactory("for tests")) as config:
        for path, view, renderer in [
            ("/", index, None), ("/hello/{name}", hello, "json"), ("/upload", upload, "json"),
            ("/login", login, None), ("/whoami", whoami, "json"),
            ("/static-file", static_file, None), ("/stream", stream, None), ("/boom", boom, None),
        ]:
            config.add_route(view.__name__, path)
            config.add_view(view, route_name=view.__name__, renderer=renderer)
        return config.make_wsgi_app()


app = create_app()
