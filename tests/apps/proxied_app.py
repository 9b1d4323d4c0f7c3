# SPDX-License-Identifier: MIT
"""A Django view that says where it believes to be, and who asks."""

from django.conf import settings

if not settings.configured:
    settings.configure(DEBUG=False, SECRET_KEY="for tests", ALLOWED_HOSTS=["*"],
                       ROOT_URLCONF=__name__)

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import re_path  # noqa: E402


def origin(request):
    meta = request.META
    return JsonResponse({
        "url": request.build_absolute_uri(), "secure": request.is_secure(),
        "host": request.get_host(), "port": request.get_port(), "path": request.path,
        "addr": meta["REMOTE_ADDR"], "addr_port": meta["REMOTE_PORT"],
        "name": meta["SERVER_NAME"], "peer": meta["gustnado.peer_addr"],
        "fields": sorted(k for k in meta if k.startswith(("HTTP_X_", "HTTP_FORWARDED")))})


urlpatterns = [re_path("", origin)]
application = get_wsgi_application()
