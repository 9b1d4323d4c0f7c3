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
    """A Django hello, with the middleware a new project has less sessions and messages."""
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path

    def hello(request):
        return HttpResponse("Hello, World!", content_type="text/plain")

    class Urls:
        """What ROOT_URLCONF may also be: an object with urlpatterns."""

        urlpatterns = [path("hello", hello)]

    settings.configure(SECRET_KEY="bench", ALLOWED_HOSTS=["*"], ROOT_URLCONF=Urls, MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ])
    return get_wsgi_application()
