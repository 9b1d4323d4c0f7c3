# SPDX-License-Identifier: MIT
"""A Django project in one file: admin, sessions, CSRF, database, upload, download, static.

$GN_TEST_DB_DIR is the folder of its database: a SQLite file, or, with
$GN_TEST_PG_PORT set, that of the socket of a PostgreSQL server, whose database
is $GN_TEST_PG_NAME. $GN_TEST_CONN_MAX_AGE is Django's setting. Run `python
django_app.py migrate` and `… createsuperuser` before serving;
tests/e2e/django_site.py does.
"""

import hashlib
import io
import os
import sys
import threading
import time
from pathlib import Path

import django
from django.conf import settings

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("GN_TEST_DB_DIR", "/nonexistent"))


def database():
    port = os.environ.get("GN_TEST_PG_PORT")
    if port:
        chosen = {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["GN_TEST_PG_NAME"],
                  "USER": "gustnado", "HOST": str(DATA), "PORT": port}
    else:
        chosen = {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "test.sqlite3",
                  "OPTIONS": {"timeout": 30}}
    return {**chosen, "CONN_MAX_AGE": int(os.environ.get("GN_TEST_CONN_MAX_AGE", "0")),
            "CONN_HEALTH_CHECKS": True}


if not settings.configured:
    settings.configure(
        DEBUG=False,
        SECRET_KEY="for tests",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=[
            "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
            "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "whitenoise.middleware.WhiteNoiseMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.gzip.GZipMiddleware",
            "django.middleware.http.ConditionalGetMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]},
        }],
        DATABASES={"default": database()},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # tests log in often
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        STATIC_URL="/static/",
        WHITENOISE_USE_FINDERS=True,
        WHITENOISE_AUTOREFRESH=True,
        FILE_UPLOAD_MAX_MEMORY_SIZE=100000,
        LOGGING_CONFIG="logging.config.dictConfig",
        LOGGING={"version": 1, "disable_existing_loggers": False,
                 "handlers": {"console": {"class": "logging.StreamHandler"}},
                 "root": {"handlers": ["console"], "level": "WARNING"}},
    )
    django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402
from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.http import (FileResponse, HttpResponse, JsonResponse,  # noqa: E402
                         StreamingHttpResponse)
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402


def index(request):
    return HttpResponse("django\n", content_type="text/plain")


def hello(request, name):
    return JsonResponse({"hello": name, "args": request.GET.dict(), "path": request.path,
                         "root": request.META["SCRIPT_NAME"]})


def form(request):
    if request.method == "POST":
        request.session["count"] = request.session.get("count", 0) + 1
        return JsonResponse({"text": request.POST["text"], "count": request.session["count"]})
    return JsonResponse({"token": get_token(request)})


@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return JsonResponse({"name": file.name, "size": file.size, "sha256": digest.hexdigest(),
                         "spooled": hasattr(file, "temporary_file_path")})


@csrf_exempt
def body(request):
    return JsonResponse({"size": len(request.body),
                         "sha256": hashlib.sha256(request.body).hexdigest()})


def static_file(request):
    return FileResponse(Path(__file__).open("rb"), content_type="text/x-python")


def download(request):
    return FileResponse(io.BytesIO(b"download " * 20000), as_attachment=True,
                        filename="na\u00efve.txt")


def stream(request):
    lines = (f"line {i} {request.path}\n" for i in range(100))
    return StreamingHttpResponse(lines, content_type="text/plain")


def boom(request):
    raise RuntimeError("django view failed on purpose")


def version(request):
    return HttpResponse(django.get_version())


def slow(request):
    time.sleep(float(request.GET.get("s", "0.1")))
    return HttpResponse("slow\n")


def conditional(request):
    """ConditionalGetMiddleware makes its ETag."""
    return HttpResponse("the same text\n" * 100, content_type="text/plain")


def cookies(request):
    response = HttpResponse("cookies\n")
    response.set_cookie("plain", "a b;c", max_age=60, httponly=True, samesite="Lax")
    response.set_signed_cookie("signed", "secret")
    response.delete_cookie("gone")
    return response


def database_session(request):
    """Which session of the database serves this thread; holds it for a while."""
    seconds = float(request.GET.get("s", "0"))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_backend_pid() FROM pg_sleep(%s)", [seconds])
            session = cursor.fetchone()[0]
        else:
            cursor.execute("SELECT 1")
            time.sleep(seconds)
            session = id(connection.connection)
    return JsonResponse({"session": session, "thread": threading.current_thread().name})


@csrf_exempt
def groups(request):
    """POST adds a group, and fails after that if asked to; GET counts those of the name."""
    name = request.GET["name"]
    if request.method == "POST":
        with transaction.atomic():
            Group.objects.create(name=f"{name}-{request.GET['n']}")
            if "fail" in request.GET:
                raise RuntimeError("after the insert")
    return JsonResponse({"count": Group.objects.filter(name__startswith=f"{name}-").count()})


def database_stream(request):
    """A query in mid-stream: the connection must be this thread's until the end."""
    def lines():
        for number in range(5):
            with connection.cursor() as cursor:
                cursor.execute("SELECT %s + 1", [number])
                yield f"{cursor.fetchone()[0]} {threading.current_thread().name}\n"
            time.sleep(0.01)
    return StreamingHttpResponse(lines(), content_type="text/plain")


urlpatterns = [
    path("", index), path("hello/<str:name>", hello), path("form", form), path("upload", upload),
    path("body", body), path("static-file", static_file), path("download", download),
    path("stream", stream), path("boom", boom), path("slow", slow),
    path("version", version),
    path("conditional", conditional), path("cookies", cookies),
    path("db/session", database_session), path("db/groups", groups),
    path("db/stream", database_stream),
    path("admin/", admin.site.urls),
]

application = get_wsgi_application()
app = application
with_static_files = StaticFilesHandler(application)  # as runserver has it


def via_manage():
    """As many projects do it: the module that manage.py names, after its own set-up."""
    return application


if __name__ == "__main__":
    sys.modules["django_app"] = sys.modules[__name__]
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
