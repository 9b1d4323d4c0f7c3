# SPDX-License-Identifier: MIT
"""Middleware that people use: WhiteNoise, werkzeug's dispatcher and proxy fix."""

import gzip

import pytest

from browserless import Visitor

TEXT = bytes(range(32, 127)) * 4000


@pytest.fixture(scope="module")
def files(serve, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "text.css").write_bytes(TEXT)
    (folder / "text.css.gz").write_bytes(gzip.compress(TEXT))
    (folder / "empty.txt").touch()
    (folder / "big.bin").write_bytes(TEXT * 8)
    return serve("middleware:white_noise", env=frozenset({"GN_TEST_FILES": str(folder)}.items()))


@pytest.mark.smoke
def test_whitenoise_sends_whole_files(files):
    with files.connect() as conn:
        response = conn.get("/files/text.css")
        assert response.status == 200 and response.body == TEXT and response.framing == "length"
        assert response.get("Content-Type") == 'text/css; charset="utf-8"'
        assert response.get("Cache-Control") == "max-age=60, public"
        assert conn.get("/files/big.bin").body == TEXT * 8
        assert conn.get("/files/empty.txt").body == b""
        assert conn.get("/elsewhere").json()["path"] == "/elsewhere"


@pytest.mark.parametrize("asked, start, end", [
    ("bytes=0-1", 0, 2), ("bytes=10-19", 10, 20), ("bytes=379990-", 379990, 380000),
    ("bytes=-7", 379993, 380000), ("bytes=70000-200000", 70000, 200001),
])
def test_whitenoise_ranges(files, asked, start, end):
    with files.connect() as conn:
        part = conn.get("/files/text.css", [("Range", asked)])
        assert part.status == 206 and part.body == TEXT[start:end]
        assert part.get("Content-Range") == f"bytes {start}-{end - 1}/{len(TEXT)}"
        assert conn.get("/elsewhere").status == 200  # the connection goes on behind it


def test_whitenoise_range_that_cannot_be(files):
    refused = files.get("/files/text.css", [("Range", "bytes=999999-")])
    assert refused.status == 416 and refused.get("Content-Range") == f"bytes */{len(TEXT)}"


def test_whitenoise_conditional_requests(files):
    with files.connect() as conn:
        first = conn.get("/files/text.css")
        tag, modified = first.get("ETag"), first.get("Last-Modified")
        for condition in [("If-None-Match", tag), ("If-Modified-Since", modified)]:
            again = conn.get("/files/text.css", [condition])
            assert again.status == 304 and again.complete
            assert again.get("ETag") == tag
        assert conn.get("/files/text.css", [("If-None-Match", '"other"')]).status == 200


def test_whitenoise_head_and_gzip(files):
    with files.connect() as conn:
        head = conn.request("HEAD", "/files/text.css")
        assert head.get("Content-Length") == str(len(TEXT))
        packed = conn.get("/files/text.css", [("Accept-Encoding", "gzip")])
        assert packed.get("Content-Encoding") == "gzip"
        assert gzip.decompress(packed.body) == TEXT
        assert "Accept-Encoding" in packed.get("Vary")
        assert conn.request("POST", "/files/text.css", body=b"x").status == 405
        assert conn.get("/elsewhere").status == 200


def test_dispatcher_mounts(serve):
    server = serve("middleware:dispatcher")
    assert server.get("/flask/").text == "flask\n"
    assert server.get("/flask/shop/items/3").json()["url"] == "/flask/shop/items/3"
    assert server.get("/bottle/hello/w%C3%B6rld").json()["hello"] == "w\u00f6rld"
    assert server.get("/bottle/moved").get("Location").endswith("/bottle/hello/there")
    assert server.get("/deep/er/hello/x?a=b").json() == {"hello": "x", "args": {"a": "b"}}
    for target, script, path in [("/", "", "/"), ("/flasks", "", "/flasks"), ("/deep", "", "/deep")]:
        seen = server.get(target).json()
        assert (seen["script"], seen["path"]) == (script, path)
    with Visitor(server) as visitor:
        visitor.post("/flask/login", {"user": "u"})
        assert visitor.get("/flask/whoami").json() == {"user": "u"}


def test_proxy_fix(serve):
    environ = serve("middleware:proxy_fix").get("/x", [
        ("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example"), ("X-Forwarded-Port", "8443"),
        ("X-Forwarded-Prefix", "/shop")]).json()
    assert environ["REMOTE_ADDR"] == "198.51.100.7" and environ["SCRIPT_NAME"] == "/shop"
    assert environ["wsgi.url_scheme"] == "https" and environ["HTTP_HOST"] == "shop.example:8443"
