# SPDX-License-Identifier: MIT
"""A Django project in one file: admin, sessions, CSRF, database, upload, download, static.

The database's folder comes from $GN_TEST_DB_DIR. Run `python django_app.py
migrate` and `… createsuperuser` before serving.
"""

import hashlib
import io
import os
import sys
import time
from pathlib import Path

import django
from django.conf import settings

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("GN_TEST_DB_DIR", "/nonexistent"))

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
        DATABASES={"default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "test.sqlite3",
            "OPTIONS": {"timeout": 30}}},
        CONN_MAX_AGE=60,
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
from django.core.wsgi import get_wsgi_application  # noqa: E402
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


def slow(request):
    time.sleep(float(request.GET.get("s", "0.1")))
    return HttpResponse("slow\n")


urlpatterns = [
    path("", index), path("hello/<str:name>", hello), path("form", form), path("upload", upload),
    path("body", body), path("static-file", static_file), path("download", download),
    path("stream", stream), path("boom", boom), path("slow", slow),
    path("admin/", admin.site.urls),
]

application = get_wsgi_application()
app = application


def via_manage():
    """As many projects do it: the module that manage.py names, after its own set-up."""
    return application


if __name__ == "__main__":
    sys.modules["django_app"] = sys.modules[__name__]
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
