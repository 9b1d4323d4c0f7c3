# SPDX-License-Identifier: MIT
"""wsgiref.validate between our server and the applications: it must find nothing."""

import hashlib
import os
import subprocess
import sys

import pytest

from browserless import Visitor, multipart, token
from process import APPS

DATA = bytes(range(256)) * 600


@pytest.fixture(scope="module")
def validated(serve, tmp_path_factory):
    folder = tmp_path_factory.mktemp("validated")
    env = {"GN_TEST_DB_DIR": str(folder), "DJANGO_SUPERUSER_PASSWORD": "admin",
           "PYTHONDONTWRITEBYTECODE": "1"}
    for command in (["migrate", "-v", "0"], ["createsuperuser", "--noinput", "--username", "admin",
                                             "--email", "admin@example.com", "-v", "0"]):
        subprocess.run([sys.executable, str(APPS / "django_app.py"), *command],
                       env={**os.environ, **env}, check=True)
    servers = []

    def start(name):
        server = serve(f"validated:{name}", fds=False, env=frozenset(env.items()))
        servers.append(server)
        return server
    yield start
    for server in servers:
        assert "AssertionError" not in server.output(), server.output()
        assert "WSGIWarning" not in server.output(), server.output()


CASES = ["environ_dump", "environ_mutable", "list_one", "list_many", "generator", "write_only",
         "write_then_iterate", "empty_list", "tuple_iterable", "tracked", "exc_info_before",
         "headers_kept", "start_late", "big?size=300000", "big?size=300000&how=parts",
         "file?kind=bytesio", "file?kind=plain", "length?declare=10", "early_hints"]


@pytest.mark.parametrize("case", CASES)
def test_conformance_application(validated, case):
    server = validated("conformance_app")
    with server.connect() as conn:
        response = conn.get("/" + case)
        assert response.complete and response.status in (200, 503)
        assert conn.get("/").text == "ok\n"


@pytest.mark.parametrize("step", ["read:5,read:100", "readline,readline,readline",
                                  "readlines,readlines", "iter"])
def test_input(validated, step):
    response = validated("conformance_app").request(
        "POST", f"/input_steps?steps={step}", [("Content-Type", "text/plain")], b"one\ntwo\nthree")
    assert response.status == 200
    assert "one\n" in response.text.replace("\\n", "\n")


def test_methods(validated):
    server = validated("conformance_app")
    with server.connect() as conn:
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            assert conn.request(method, "/head").status == 200


def test_echo(validated):
    for size in (0, 1, 65537):
        response = validated("echo_app").request(
            "PUT", "/x?y=z", [("Content-Type", "a/b")], b"x" * size)
        assert response.json()["query"] == "y=z"


def test_flask(validated):
    server = validated("flask_app()")
    assert server.get("/hello/x?y=z").json() == {"hello": "x", "args": {"y": "z"}}
    headers, body = multipart("file", "f.bin", DATA)
    seen = server.request("POST", "/upload", headers, body).json()
    assert seen["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert server.get("/stream").complete
    assert server.get("/static-file").body == (APPS / "flask_app.py").read_bytes()
    assert server.get("/download").body == b"download " * 20000
    with Visitor(server) as visitor:
        assert visitor.follow(visitor.post("/login", {"user": "u"})).json() == {"user": "u"}


def test_django(validated):
    server = validated("django_app()")
    assert server.get("/hello/x").json()["hello"] == "x"
    headers, body = multipart("file", "f.bin", DATA)
    seen = server.request("POST", "/upload", headers, body).json()
    assert seen["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert server.get("/stream").complete
    assert server.get("/static-file").body == (APPS / "django_app.py").read_bytes()
    with Visitor(server) as visitor:
        page = visitor.get("/admin/login/").text
        response = visitor.post("/admin/login/?next=/admin/", {
            "username": "admin", "password": "admin", "csrfmiddlewaretoken": token(page)})
        assert "Site administration" in visitor.follow(response).text
        assert visitor.get("/static/admin/css/base.css").status == 200
