# SPDX-License-Identifier: MIT
"""The same applications under ours, gunicorn and waitress: what clients get must be the same.

A difference stands in EXPLAINED with its reason, and must still be there.
"""

import gzip
import json
import re
import sys

import pytest

from browserless import multipart
from django_site import VERSIONS, Site
from process import APPS, Server
from rawhttp import chunked

pytestmark = pytest.mark.ours


class Gunicorn(Server):
    @staticmethod
    def words(address, threads, chdir):
        return [sys.executable, "-m", "gunicorn", "-b", address, "--threads", str(threads),
                "--chdir", str(chdir), "--no-control-socket"]


class Waitress(Server):
    @staticmethod
    def words(address, threads, chdir):
        return [sys.executable, "-m", "waitress", f"--listen={address}", f"--threads={threads}"]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    site = Site(VERSIONS[0], tmp_path_factory.mktemp("django"))
    # The order of a set shows in Flask's Allow field.
    env = {**site.env, "PYTHONPATH": str(APPS), "PYTHONHASHSEED": "0"}
    running = {}
    try:
        for kind in (Server, Gunicorn, Waitress):
            running[kind.__name__.lower()] = kind("differential:application", env=env)
        yield running
    finally:
        for server in running.values():
            server.kill()


FILE = multipart("file", "na\u00efve name.bin", bytes(range(256)) * 300, [("text", "h\u00e9")])
FORM = [("Content-Type", "application/x-www-form-urlencoded")]


def of_each_framework():
    for name in ("flask", "django", "pyramid", "bottle", "falcon"):
        for method, path in [
                ("GET", "/"), ("GET", "/hello/w%C3%B6rld?a=1&b=%C3%A9"), ("GET", "/no/such"),
                ("GET", "/static-file"), ("GET", "/stream"), ("GET", "/boom"), ("HEAD", "/"),
                ("HEAD", "/static-file"), ("HEAD", "/stream"), ("OPTIONS", "/"), ("DELETE", "/"),
                ("PUT", "/hello/x"), ("GET", ""), ("GET", "//hello//x")]:
            yield method, f"/{name}{path}", [], None
        yield "POST", f"/{name}/upload", *FILE
        yield "POST", f"/{name}/upload", [*FILE[0], ("Expect", "100-continue")], FILE[1]
        yield "POST", f"/{name}/upload", [*FILE[0], ("Transfer-Encoding", "chunked")], \
            chunked(FILE[1][:1000], FILE[1][1000:])
        yield "GET", f"/{name}/static-file", [("Range", "bytes=5-9")], None
        yield "GET", f"/{name}/static-file", [("If-Modified-Since",
                                               "Fri, 31 Dec 2077 23:59:59 GMT")], None


REQUESTS = [
    *of_each_framework(),
    ("POST", "/flask/json", [("Content-Type", "application/json")], b'{"a": [1]}'),
    ("POST", "/flask/json", [("Content-Type", "application/json")], b"{"),
    ("POST", "/flask/login", FORM, b"user=z%C3%B6e"),
    ("POST", "/flask/fields", *FILE),
    ("GET", "/flask/teapot", [], None),
    ("GET", "/flask/download", [], None),
    ("GET", "/flask/shop/items/0", [], None),
    ("POST", "/pyramid/login", FORM, b"user=z%C3%B6e"),
    ("GET", "/bottle/empty", [], None),
    ("HEAD", "/bottle/empty", [], None),
    ("GET", "/bottle/cookies", [], None),
    ("GET", "/bottle/moved", [], None),
    ("POST", "/falcon/body", [], b"raw" * 1000),
    ("GET", "/django/admin/", [], None),
    ("POST", "/django/form", FORM, b"text=x"),
    ("GET", "/django/cookies", [], None),
    ("GET", "/django/conditional", [], None),
    ("GET", "/django/stream", [("Accept-Encoding", "gzip")], None),
    ("GET", "/django/download", [], None),
    ("GET", "/django/hello", [], None),
    ("GET", "/", [], None),
    ("GET", "/?", [], None),
    ("GET", "/a?b=c?d&e=%20+", [], None),
    ("GET", "/a%20b/%c3%a9/%2f/%25/;x=y", [], None),
    ("GET", "//a//b/../c", [], None),
    ("GET", "http://other.example/path?q", [], None),
    ("OPTIONS", "*", [], None),
    ("GET", "/headers", [("X-A", "1"), ("X-A", "2"), ("Accept", "*/*"), ("X-Empty", "")], None),
    ("GET", "/headers", [("X-Under_Score", "1"), ("X_Under", "2")], None),
    ("GET", "/headers", [("Proxy", "http://evil.example")], None),
    ("GET", "/headers", [("Cookie", "a=1"), ("Cookie", "b=2")], None),
    ("GET", "/headers", [("X-Latin", "caf\u00e9")], None),
    ("GET", "/headers", [("Content-Type", "text/x"), ("Content-Length", "0")], None),
    ("GET", "/body", [], b"a GET with a body"),
    ("POST", "/body", [("Content-Type", "a/b")], b""),
    ("POST", "/body", [("Transfer-Encoding", "chunked")], chunked(b"one", b"two")),
    ("PROPFIND", "/body", [], b"<x/>"),
]

# Where headers and body are the server's own because the application raised: only the status counts.
SERVERS_OWN_PAGES = {"GET /pyramid/boom"}

CHUNKED = ("gunicorn gives no CONTENT_LENGTH for a chunked body, and these frameworks then see none;"
           " ours has the body before the application runs, and its length")
NO_HOST = "RFC 9112 3.2.2: the host of an absolute target replaces the Host field"
STAR = "ours gives * an empty PATH_INFO, since what is not empty begins with a slash (RFC 3875 4.1.5)"
COOKIES = "RFC 9113 8.2.3 joins the pieces of a cookie by a semicolon: frameworks split there"
HTTPOXY = "ours drops Proxy, which programs take for the variable HTTP_PROXY"

# (peer, request as name() spells it): why the peer's answer is another than ours.
EXPLAINED = {
    **{("gunicorn", f"POST /{framework}/upload [Transfer-Encoding: chunked]"): CHUNKED
       for framework in ("django", "bottle", "falcon")},
    ("gunicorn", "POST /body [Transfer-Encoding: chunked]"): CHUNKED,
    **{(peer, called): reason for peer in ("gunicorn", "waitress") for called, reason in [
        ("GET http://other.example/path?q", NO_HOST), ("OPTIONS *", STAR),
        ("GET /headers [Cookie: a=1] [Cookie: b=2]", COOKIES),
        ("GET /headers [Proxy: http://evil.example]", HTTPOXY)]},
    ("waitress", "GET //a//b/../c"): "waitress takes all but one of the slashes in front away",
    ("waitress", "GET /headers [X-A: 1] [X-A: 2] [Accept: */*] [X-Empty: ]"):
        "waitress joins by comma and space, ours by a comma as gunicorn does",
}


def name(method, target, headers, body):
    """What tells it from its neighbours in the table."""
    words = [f"[{n}: {v}]" for n, v in headers if not n.startswith("Content-")]
    return " ".join([f"{method} {target}", *words])


def cookie(value):
    """What of a cookie is the same each time."""
    return re.sub(r"(?i)expires=[^;]*|=[^;]*(?=;)", "", value, count=2)


def visible(response):
    """What a client sees, without what belongs to the connection or tells the time."""
    hop = ("connection", "keep-alive", "transfer-encoding", "date", "server", "content-length")
    headers = sorted((n.lower(), cookie(v) if n.lower() == "set-cookie" else v)
                     for n, v in response.headers if n.lower() not in hop)
    body = response.body
    if ("content-encoding", "gzip") in headers:
        body = gzip.decompress(body)  # Django hides the length by a file name of random length
    if body.startswith(b"{"):
        body = json.loads(body)
    return {"status": response.status, "headers": headers, "body": body,
            "complete": response.complete}


def difference(ours, theirs):
    """One line for each thing that differs."""
    lines = []
    for key in ours:
        if ours[key] == theirs[key]:
            continue
        if isinstance(ours[key], dict) and isinstance(theirs[key], dict):
            names = sorted(set(ours[key]) | set(theirs[key]))
            lines += [f"{key}[{n}]: ours {ours[key].get(n)!r}, theirs {theirs[key].get(n)!r}"
                      for n in names if ours[key].get(n) != theirs[key].get(n)]
        else:
            lines.append(f"{key}: ours {ours[key]!r:.300}, theirs {theirs[key]!r:.300}")
    return lines


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: name(*request))
@pytest.mark.parametrize("peer", ["gunicorn", "waitress"])
def test_answers_are_the_same(servers, peer, request_):
    called = name(*request_)
    ours = visible(servers["server"].request(*request_))
    theirs = visible(servers[peer].request(*request_))
    if called in SERVERS_OWN_PAGES:
        ours, theirs = ({"status": seen["status"]} for seen in (ours, theirs))
    lines = difference(ours, theirs)
    if (peer, called) in EXPLAINED:
        assert lines, "no longer differs: the explanation can go"
    else:
        assert not lines, "\n".join(lines)
