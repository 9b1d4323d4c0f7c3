# SPDX-License-Identifier: MIT
"""Real frameworks: what their users do, through our server."""

import gzip
import hashlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from browserless import Visitor, multipart, token
from process import APPS
from rawhttp import chunked

FRAMEWORKS = ["flask", "django", "pyramid", "bottle", "falcon"]
DATA = bytes(range(256)) * 1500


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A migrated SQLite database with a user admin/admin."""
    folder = tmp_path_factory.mktemp("django")
    env = {**os.environ, "GN_TEST_DB_DIR": str(folder), "DJANGO_SUPERUSER_PASSWORD": "admin",
           "PYTHONDONTWRITEBYTECODE": "1"}
    for command in (["migrate", "-v", "0"], ["createsuperuser", "--noinput", "--username", "admin",
                                             "--email", "admin@example.com", "-v", "0"]):
        subprocess.run([sys.executable, str(APPS / "django_app.py"), *command], env=env, check=True)
    return folder


@pytest.fixture(scope="module")
def app(serve, database):
    """The server of a framework by name. Django's threads keep their database open."""
    def start(name):
        if name == "django":
            return serve("django_app:application", fds=False,
                         env=(frozenset({"GN_TEST_DB_DIR": str(database)}.items())))
        return serve(f"{name}_app:app")
    return start


@pytest.mark.smoke
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_hello(app, name):
    server = app(name)
    assert server.get("/").text == f"{name}\n"
    seen = server.get("/hello/w%C3%B6rld?a=1&b=%C3%A9").json()
    assert seen["hello"] == "w\u00f6rld" and seen["args"] == {"a": "1", "b": "\u00e9"}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_unknown_path(app, name):
    response = app(name).get("/no/such/path")
    assert response.status == 404 and response.complete


@pytest.mark.parametrize("name", ["flask", "django", "pyramid", "bottle", "falcon"])
@pytest.mark.parametrize("size", [0, 10, 384000])
def test_upload(app, name, size):
    data = DATA[:size]
    headers, body = multipart("file", "some.bin", data)
    response = app(name).request("POST", "/upload", headers, body)
    assert response.status == 200, response.body[:500]
    seen = response.json()
    assert (seen["name"], seen["size"]) == ("some.bin", size)
    assert seen["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.ours
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_chunked_upload(app, name):
    headers, body = multipart("file", "some.bin", DATA)
    pieces = [body[i:i + 9999] for i in range(0, len(body), 9999)]
    response = app(name).request(
        "POST", "/upload", headers + [("Transfer-Encoding", "chunked")], chunked(*pieces))
    assert response.json()["sha256"] == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_file(app, name):
    response = app(name).get("/static-file")
    assert response.complete and response.body == (APPS / f"{name}_app.py").read_bytes()


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_stream(app, name):
    response = app(name).get("/stream")
    assert response.complete
    assert response.text == "".join(f"line {i} /stream\n" for i in range(100))


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_failing_view(app, name):
    server = app(name)
    response = server.get("/boom")
    assert response.status == 500 and response.complete
    assert server.get("/").status == 200


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_head(app, name):
    server = app(name)
    with server.connect() as conn:
        response = conn.request("HEAD", "/")
        assert response.status in (200, 405)
        assert conn.get("/").text == f"{name}\n"


@pytest.mark.smoke
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_many_at_once(app, name):
    server = app(name)

    def visit(number):
        with server.connect() as conn:
            return [conn.get(f"/hello/n{number}x{i}").json()["hello"] for i in range(20)]
    with ThreadPoolExecutor(16) as pool:
        for number, seen in enumerate(pool.map(visit, range(16))):
            assert seen == [f"n{number}x{i}" for i in range(20)]


@pytest.mark.parametrize("name", ["flask", "pyramid"])
def test_session(app, name):
    with Visitor(app(name)) as visitor:
        assert visitor.get("/whoami").json() == {"user": None}
        response = visitor.post("/login", {"user": "z\u00f6e"})
        assert visitor.follow(response).json() == {"user": "z\u00f6e"}


def test_flask_json_and_errors(app):
    server = app("flask")
    response = server.request("POST", "/json", [("Content-Type", "application/json")],
                              b'{"a": [1, "\xc3\xa9"]}')
    assert response.json() == {"a": [1, "\u00e9"]}
    assert server.get("/teapot").status == 418
    assert server.request("DELETE", "/json").status == 405


def test_flask_ranges(app):
    whole = (APPS / "flask_app.py").read_bytes()
    server = app("flask")
    part = server.get("/static-file", [("Range", "bytes=10-19")])
    assert part.status == 206 and part.body == whole[10:20]
    tag = server.get("/static-file").get("ETag")
    again = server.get("/static-file", [("If-None-Match", tag)])
    assert again.status == 304 and again.complete


def test_bottle_cookies_redirect_and_empty(app):
    server = app("bottle")
    assert [c.split(";")[0] for c in server.get("/cookies").all("Set-Cookie")] == ["a=1", "b=2"]
    assert server.get("/moved").status in (302, 303)
    with server.connect() as conn:
        assert conn.get("/empty").status == 204
        assert conn.get("/").text == "bottle\n"


def test_falcon_raw_body(app):
    response = app("falcon").request("POST", "/body", body=DATA)
    assert response.json() == {"size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}


# Django in more depth


@pytest.fixture
def visitor(app):
    with Visitor(app("django")) as visitor:
        yield visitor


def login(visitor):
    page = visitor.get("/admin/login/").text
    response = visitor.post("/admin/login/?next=/admin/", {
        "username": "admin", "password": "admin", "next": "/admin/",
        "csrfmiddlewaretoken": token(page)})
    return visitor.follow(response)


def test_django_admin_login_and_forms(visitor):
    assert visitor.get("/admin/").status == 302
    assert "Site administration" in login(visitor).text
    page = visitor.get("/admin/auth/group/add/").text
    response = visitor.post("/admin/auth/group/add/", {
        "name": "gr\u00fcppe", "csrfmiddlewaretoken": token(page), "_save": "Save"})
    assert "gr\u00fcppe" in visitor.follow(response).text


def test_django_csrf(visitor):
    secret = visitor.get("/form").json()["token"]
    assert visitor.post("/form", {"text": "x"}).status == 403
    for count in (1, 2, 3):
        seen = visitor.post("/form", {"text": "h\u00e9", "csrfmiddlewaretoken": secret}).json()
        assert seen == {"text": "h\u00e9", "count": count}


def test_django_wrong_password(visitor):
    page = visitor.get("/admin/login/").text
    response = visitor.post("/admin/login/", {
        "username": "admin", "password": "wrong", "csrfmiddlewaretoken": token(page)})
    assert response.status == 200 and "correct" in response.text


def test_django_static(visitor):
    page = visitor.get("/admin/login/").text
    style = re.search(r'href="(/static/[^"]+\.css)"', page).group(1)
    response = visitor.get(style)
    assert response.status == 200 and "text/css" in response.get("Content-Type")
    again = visitor.get(style, [("If-Modified-Since", response.get("Last-Modified"))])
    assert again.status == 304


def test_django_download(visitor):
    response = visitor.get("/download")
    assert response.complete and response.body == b"download " * 20000
    assert "na%C3%AFve.txt" in response.get("Content-Disposition")


def test_django_gzip(visitor):
    response = visitor.get("/stream", [("Accept-Encoding", "gzip")])
    assert response.get("Content-Encoding") == "gzip"
    assert gzip.decompress(response.body).startswith(b"line 0 /stream\n")


def test_django_spools_big_uploads(visitor):
    headers, body = multipart("file", "big.bin", DATA * 10)
    seen = visitor.request("POST", "/upload", body, headers).json()
    assert seen["spooled"] and seen["sha256"] == hashlib.sha256(DATA * 10).hexdigest()


def test_django_raw_body(visitor):
    seen = visitor.request("POST", "/body", DATA).json()
    assert seen == {"size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}


def test_django_failing_view_is_logged(app, visitor):
    assert visitor.get("/boom").status == 500
    assert app("django").logs("django view failed on purpose")


def test_django_sessions_at_once(app):
    server = app("django")

    def visit(_):
        with Visitor(server) as visitor:
            assert "Site administration" in login(visitor).text
            return visitor.get("/admin/auth/user/").status
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(visit, range(12))) == [200] * 12


@pytest.mark.ours
def test_mounts(serve, database):
    server = serve("--mount", "/shop=django_app:application", "--mount", "/api/v1=flask_app:app",
                   "echo:application", fds=False, env=frozenset({"GN_TEST_DB_DIR": str(database)}.items()))
    assert server.get("/shop/hello/x").json() | {"args": {}} == {
        "hello": "x", "args": {}, "path": "/shop/hello/x", "root": "/shop"}
    assert server.get("/api/v1/hello/y").json()["hello"] == "y"
    with Visitor(server) as visitor:
        assert visitor.get("/shop/admin/").get("Location").startswith("/shop/admin/login/")
    for target, script, path in [
            ("/", "", "/"), ("/shopper", "", "/shopper"), ("/api/v2", "", "/api/v2")]:
        seen = server.get(target).json()
        assert (seen["script"], seen["path"]) == (script, path)
    assert server.get("/api/v1").status in (200, 301, 302, 307, 308, 404)
