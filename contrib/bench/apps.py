# SPDX-License-Identifier: MIT
"""The applications every server runs: plain WSGI, a Flask hello, a Django hello."""

import time

BODIES = {"/1k": b"x" * 1024, "/10k": b"x" * 10240, "/100k": b"x" * 102400}
PLAIN = "text/plain"


def burn(seconds):
    """Computes for so many seconds of this thread's CPU time."""
    end = time.thread_time() + seconds
    number = 1
    while time.thread_time() < end:
        for _ in range(200):
            number = number * 1103515245 + 12345 & 0x7FFFFFFF


def application(environ, start_response):
    path = environ["PATH_INFO"]
    body = BODIES.get(path)
    if body is None:
        if path == "/echo":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        elif path == "/sleep10":
            time.sleep(0.010)
            body = b"slept"
        elif path == "/sleep50":
            time.sleep(0.050)
            body = b"slept"
        elif path == "/sleep200":
            time.sleep(0.200)
            body = b"slept"
        elif path == "/burn5":
            burn(0.005)
            body = b"burnt"
        else:
            body = b"fast"
    start_response("200 OK", [("Content-Type", PLAIN), ("Content-Length", str(len(body)))])
    return [body]


def flask():
    """A Flask hello."""
    from flask import Flask

    app = Flask(__name__)

    @app.get("/hello")
    def hello():
        return "Hello, World!"
    return app


def django():
    """A Django hello, a page from the cache, and a report that takes its time.

    With the middleware a new project has less sessions and messages.
    """
    import sqlite3
    import tempfile

    from django.conf import settings
    from django.core.cache import cache
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path

    def hello(request):
        return HttpResponse("Hello, World!", content_type="text/plain")

    def page(request):
        return HttpResponse(cache.get_or_set("page", lambda: "x" * 1024, 3600),
                            content_type="text/plain")

    def report(request):
        """A query that adds up a table, 5 ms of Python, and 20 ms of waiting for a service."""
        with sqlite3.connect(database) as connection:
            rows = connection.execute(
                "SELECT text, SUM(number * number % 97) FROM rows GROUP BY text").fetchall()
        connection.close()
        burn(0.005)
        time.sleep(0.02)
        return HttpResponse(str(rows), content_type="text/plain")

    class Urls:
        """What ROOT_URLCONF may also be: an object with urlpatterns."""

        urlpatterns = [path("hello", hello), path("page", page), path("report", report)]

    database = f"{tempfile.mkdtemp(prefix='bench-django-')}/db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE rows (number INTEGER, text TEXT)")
        connection.executemany("INSERT INTO rows VALUES (?, ?)",
                               ((n, f"group {n % 50}") for n in range(10000)))
    connection.close()
    settings.configure(SECRET_KEY="bench", ALLOWED_HOSTS=["*"], ROOT_URLCONF=Urls, MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ])
    return get_wsgi_application()
