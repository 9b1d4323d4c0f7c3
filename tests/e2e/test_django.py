# SPDX-License-Identifier: MIT
"""Django in depth, in each long-term version that is supported."""

import gzip
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from browserless import Visitor, multipart, token
from django_site import VERSIONS, Site
from process import APPS

DATA = bytes(range(256)) * 1500


@pytest.fixture(scope="module", params=VERSIONS)
def site(request, tmp_path_factory):
    return Site(request.param, tmp_path_factory.mktemp(f"django-{request.param}"))


@pytest.fixture(scope="module")
def server(site, serve):
    return serve(*site.options(), env=frozenset(site.env.items()))


@pytest.fixture
def visitor(server):
    with Visitor(server) as visitor:
        yield visitor


def login(visitor):
    page = visitor.get("/admin/login/").text
    response = visitor.post("/admin/login/?next=/admin/", {
        "username": "admin", "password": "admin", "next": "/admin/",
        "csrfmiddlewaretoken": token(page)})
    return visitor.follow(response)


@pytest.mark.smoke
def test_admin_login_and_forms(visitor):
    assert visitor.get("/admin/").status == 302
    assert "Site administration" in login(visitor).text
    page = visitor.get("/admin/auth/group/add/").text
    response = visitor.post("/admin/auth/group/add/", {
        "name": "gr\u00fcppe", "csrfmiddlewaretoken": token(page), "_save": "Save"})
    assert "gr\u00fcppe" in visitor.follow(response).text


def test_csrf(visitor):
    secret = visitor.get("/form").json()["token"]
    assert visitor.post("/form", {"text": "x"}).status == 403
    for count in (1, 2, 3):
        seen = visitor.post("/form", {"text": "h\u00e9", "csrfmiddlewaretoken": secret}).json()
        assert seen == {"text": "h\u00e9", "count": count}


def test_wrong_password(visitor):
    page = visitor.get("/admin/login/").text
    response = visitor.post("/admin/login/", {
        "username": "admin", "password": "wrong", "csrfmiddlewaretoken": token(page)})
    assert response.status == 200 and "correct" in response.text


def test_static(visitor):
    page = visitor.get("/admin/login/").text
    style = re.search(r'href="(/static/[^"]+\.css)"', page).group(1)
    response = visitor.get(style)
    assert response.status == 200 and "text/css" in response.get("Content-Type")
    again = visitor.get(style, [("If-Modified-Since", response.get("Last-Modified"))])
    assert again.status == 304


def test_download(visitor):
    response = visitor.get("/download")
    assert response.complete and response.body == b"download " * 20000
    assert "na%C3%AFve.txt" in response.get("Content-Disposition")


def test_gzip(visitor):
    response = visitor.get("/stream", [("Accept-Encoding", "gzip")])
    assert response.get("Content-Encoding") == "gzip"
    assert gzip.decompress(response.body).startswith(b"line 0 /stream\n")


def test_spools_big_uploads(visitor):
    headers, body = multipart("file", "big.bin", DATA * 10)
    seen = visitor.request("POST", "/upload", body, headers).json()
    assert seen["spooled"] and seen["sha256"] == hashlib.sha256(DATA * 10).hexdigest()


def test_raw_body(visitor):
    seen = visitor.request("POST", "/body", DATA).json()
    assert seen == {"size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}


def test_failing_view_is_logged(server, visitor):
    assert visitor.get("/boom").status == 500
    assert server.logs("django view failed on purpose")


def test_sessions_at_once(server):

    def visit(_):
        with Visitor(server) as visitor:
            assert "Site administration" in login(visitor).text
            return visitor.get("/admin/auth/user/").status
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(visit, range(12))) == [200] * 12


def test_version(site, visitor):
    assert visitor.get("/version").text.startswith(site.version + ".")


def test_logout_ends_the_session(visitor):
    login(visitor)
    page = visitor.get("/admin/").text
    visitor.post("/admin/logout/", {"csrfmiddlewaretoken": token(page)})
    assert visitor.get("/admin/").status == 302


def test_admin_refuses_a_form_without_its_token(visitor):
    login(visitor)
    assert visitor.post("/admin/auth/group/add/", {"name": "x", "_save": "Save"}).status == 403


def test_cookies(visitor):
    response = visitor.get("/cookies")
    seen = {value.partition("=")[0]: value for value in response.all("Set-Cookie")}
    assert set(seen) == {"plain", "signed", "gone"}
    assert seen["plain"].startswith('plain="a b\\073c"; ') and "HttpOnly" in seen["plain"]
    assert "Max-Age=0" in seen["gone"]


def test_conditional_get(visitor):
    tag = visitor.get("/conditional").get("ETag")
    again = visitor.get("/conditional", [("If-None-Match", tag)])
    assert again.status == 304 and again.complete and not again.body


def test_upload_of_no_file_and_of_one_with_fields(visitor):
    headers, body = multipart("file", "na\u00efve.txt", b"", [("text", "x")])
    assert visitor.request("POST", "/upload", body, headers).json()["size"] == 0


def test_file_response(visitor):
    response = visitor.get("/static-file")
    assert response.body == (APPS / "django_app.py").read_bytes()
    assert response.framing == "length"


def test_stream_reaches_the_client_piece_by_piece(server):
    with server.connect() as conn:
        conn.start("GET", "/db/stream")
        response = conn.final_head()
        assert response.get("Transfer-Encoding") == "chunked"
        pieces = []
        while piece := conn.chunk():
            pieces.append(piece.decode().split())
    assert [number for number, _ in pieces] == ["1", "2", "3", "4", "5"]
    assert len({thread for _, thread in pieces}) == 1


def test_transactions(server):
    name = "of-all"
    with server.connect() as conn:
        assert conn.request("POST", f"/db/groups?name={name}&n=0").json() == {"count": 1}
        assert conn.request("POST", f"/db/groups?name={name}&n=1&fail=1").status == 500
        assert conn.get(f"/db/groups?name={name}").json() == {"count": 1}


def test_writers_at_once(server):
    """SQLite lets one write at a time: the others wait in C, without the GIL."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: server.request("POST", f"/db/groups?name=many&n={n}").status,
                                range(24)))
    assert answers == [200] * 24
    assert server.get("/db/groups?name=many").json() == {"count": 24}


@pytest.mark.ours
def test_persistent_connections_belong_to_their_threads(site):
    """With CONN_MAX_AGE each worker keeps one, and they are gone when the server is."""
    with site.serve(env={"GN_TEST_CONN_MAX_AGE": "600"}, threads=4) as server:
        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(lambda _: server.get("/db/session?s=0.05").json(), range(24)))
        sessions = {}
        for answer in seen:
            sessions.setdefault(answer["thread"], set()).add(answer["session"])
        assert 1 < len(sessions) <= 4
        assert all(len(of_thread) == 1 for of_thread in sessions.values())


def test_static_files_handler(site, serve):
    server = serve(*site.options(application="django_app:with_static_files"),
                   env=frozenset(site.env.items()))
    style = server.get("/static/admin/css/base.css")
    assert style.status == 200 and style.get("Content-Type").startswith("text/css")
    assert style.get("Access-Control-Allow-Origin") is None  # WhiteNoise would say *
    since = [("If-Modified-Since", style.get("Last-Modified"))]
    assert server.get("/static/admin/css/base.css", since).status == 304
    assert server.get("/static/no/such.css").status == 404
    assert server.get("/").text == "django\n"
