# SPDX-License-Identifier: MIT
"""The views: ordinary synchronous Django, among them one that is slow on purpose."""

import hashlib
import math
import threading
import time
import urllib.request

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from .forms import EntryForm, UploadForm
from .models import Entry, Upload

LONGEST_BLOCK_S = 20
ROWS = 100_000


@require_GET
def home(request, entry_form=None, upload_form=None, status=200):
    """The page. The session counts the visits."""
    request.session["visits"] = visits = request.session.get("visits", 0) + 1
    name = request.session.get("name", "")
    return render(request, "gusts/home.html", status=status, context={
        "visits": visits,
        "threads": settings.WORKER_THREADS,
        "rows": ROWS,
        "entries": Entry.objects.all()[:6],
        "entry_count": Entry.objects.count(),
        "uploads": Upload.objects.all()[:4],
        "entry_form": entry_form or EntryForm(initial={"name": name}),
        "upload_form": upload_form or UploadForm(),
    })


@require_POST
def sign(request):
    """Takes a line for the guestbook."""
    form = EntryForm(request.POST)
    if not form.is_valid():
        return _again(request, entry_form=form)
    entry = form.save()
    request.session["name"] = entry.name
    messages.success(request, f"Thank you, {entry.name}. Your line is in the guestbook.")
    return redirect(reverse("home") + "#guestbook")


@require_POST
def upload(request):
    """Takes a file; the digest is computed while it is read."""
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _again(request, upload_form=form)
    file = form.cleaned_data["file"]
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    Upload.objects.create(file=file, name=file.name[:200], size=file.size,
                          sha256=digest.hexdigest())
    messages.success(request, f"Received {file.name}, {file.size:,} bytes.")
    return redirect(reverse("home") + "#files")


def _again(request, **forms):
    """The page once more, with what is wrong beside the field."""
    request.method = "GET"
    return home(request, status=422, **forms)


@require_GET
def send_upload(request, number):
    """Sends an upload back, never as a page of ours."""
    kept = get_object_or_404(Upload, pk=number)
    return FileResponse(kept.file.open("rb"), as_attachment=True, filename=kept.name,
                        content_type="application/octet-stream")


@require_GET
def measurements(request):
    """A table that is never whole in memory: made and sent row by row."""
    def lines():
        yield "second,wind_m_s,direction_deg\n"
        for start in range(0, ROWS, 500):
            yield "".join(_row(second) for second in range(start, min(start + 500, ROWS)))
    return StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8", headers={
        "Content-Disposition": 'attachment; filename="measurements.csv"'})


def _row(second):
    gust = max(0.0, math.sin(second / 97) * math.sin(second / 13))
    speed = 4 + 2 * math.sin(second / 311) + 14 * gust ** 3
    return f"{second},{speed:.2f},{(second * 7) % 360}\n"


@require_GET
def slow(request):
    """Deliberately slow: holds a worker thread for ?s= seconds."""
    time.sleep(_seconds(request.GET))
    return HttpResponse("That took a while.\n", content_type="text/plain")


@require_GET
def breath(request):
    """Hardly anything: what the page measures Django's latency with."""
    return JsonResponse({"thread": threading.current_thread().name})


_no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_blocked = threading.Lock()
_blocked_until = 0.0


@require_POST
def block(request):
    """Blocks every worker thread of this server for ?s= seconds.

    It asks for the slow view through the front door, once for each worker: a
    browser could not, as it opens six connections to a server at most.
    """
    global _blocked_until
    seconds = _seconds(request.POST)
    with _blocked:
        if time.monotonic() < _blocked_until:
            return JsonResponse({"blocked": False, "why": "already blocked"}, status=409)
        _blocked_until = time.monotonic() + seconds
    url = f"http://127.0.0.1:{request.META['SERVER_PORT']}{reverse('slow')}?s={seconds}"
    for _ in range(settings.WORKER_THREADS):
        threading.Thread(target=_visit, args=(url, seconds + 30), daemon=True).start()
    return JsonResponse({"blocked": True, "seconds": seconds, "threads": settings.WORKER_THREADS})


def _visit(url, timeout):
    try:
        with _no_proxy.open(url, timeout=timeout) as response:
            response.read()
    except OSError:
        pass  # the server stops: so does the experiment


def _seconds(fields):
    try:
        return min(max(float(fields.get("s", "5")), 0.0), LONGEST_BLOCK_S)
    except ValueError:
        return 5.0
