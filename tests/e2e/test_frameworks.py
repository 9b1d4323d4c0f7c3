# SPDX-License-Identifier: MIT
"""Real frameworks: what their users do, through our server, and once more under wsgiref.validate."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from browserless import Visitor, multipart
from django_site import VERSIONS, Site
from process import APPS
from rawhttp import chunked

FRAMEWORKS = ["flask", "django", "pyramid", "bottle", "falcon"]
DATA = bytes(range(256)) * 1500


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(VERSIONS[0], tmp_path_factory.mktemp("django"))


@pytest.fixture(scope="module", params=["plain", "validated"])
def app(request, serve, site):
    """The server of a framework by name."""
    servers = set()

    def start(name):
        callable_name = f"{name}_app:app"
        if request.param == "validated":
            callable_name = f"validated:module('{name}_app')"
        server = serve(callable_name, env=(frozenset(site.env.items()) if name == "django" else None))
        servers.add(server)
        return server
    yield start
    for server in servers:  # Bottle keeps a thread's last request, its files too, until the next
        assert server.get("/no/such/path").status == 404
    if request.param == "validated":
        for server in servers:
            assert "AssertionError" not in server.output(), server.output()
            assert "WSGIWarning" not in server.output(), server.output()


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


@pytest.mark.parametrize("name", FRAMEWORKS)
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


def test_flask_blueprint_with_hooks_and_an_error_handler(app):
    server = app("flask")
    response = server.get("/shop/items/7")
    assert response.json() == {"item": 7, "url": "/shop/items/7", "before": True}
    assert response.get("X-After") == "shop"
    refused = server.get("/shop/items/0")
    assert refused.status == 422 and refused.json() == {"error": "no such item"}
    assert server.get("/shop/torn-down").json() >= 1


def test_flask_several_files_and_fields(app):
    headers, body = multipart("file", "one.txt", b"1" * 10, [("text", "h\u00e9"), ("text", "2")])
    seen = app("flask").request("POST", "/fields", headers, body).json()
    assert seen == {"text": ["h\u00e9", "2"], "files": {"file": ["one.txt", 10]}}


def test_flask_stream_keeps_its_context_and_is_closed(app):
    server = app("flask")
    with server.connect() as conn:
        conn.start("GET", "/endless?name=z")
        assert conn.final_head().status == 200
        assert conn.chunk() == b"z 0\n"
        conn.reset()
    with server.connect() as conn:
        for _ in range(100):
            if conn.get("/endless-closed").json() > 0:
                return
    raise AssertionError("the generator was not closed")


def test_flask_send_file(app):
    server = app("flask")
    response = server.get("/download")
    assert response.complete and response.body == b"download " * 20000
    assert response.get("Content-Disposition") == "attachment; filename=file.txt"
    with server.connect() as conn:
        head = conn.request("HEAD", "/static-file")
        assert int(head.get("Content-Length")) == (APPS / "flask_app.py").stat().st_size
        assert conn.get("/static-file", [("Range", "bytes=-5")]).body == \
            (APPS / "flask_app.py").read_bytes()[-5:]
        assert conn.get("/static-file", [("Range", "bytes=999999-")]).status == 416


@pytest.mark.ours
def test_mounts(serve, site):
    server = serve("--mount", "/shop=django_app:application", "--mount", "/api/v1=flask_app:app",
                   "echo:application", env=frozenset(site.env.items()))
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
