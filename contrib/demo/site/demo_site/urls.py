# SPDX-License-Identifier: MIT
"""The Python part of the port: everything but /api and /chat, which are C."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import path
from django.views.generic import RedirectView

from gusts import views

admin.site.site_header = "Gustnado demo"
admin.site.site_title = "Gustnado demo"
admin.site.index_title = "What the demo keeps"

urlpatterns = [
    path("", views.home, name="home"),
    path("guestbook/", views.sign, name="sign"),
    path("uploads/", views.upload, name="upload"),
    path("uploads/<int:number>/", views.send_upload, name="send-upload"),
    path("measurements.csv", views.measurements, name="measurements"),
    path("slow/", views.slow, name="slow"),
    path("block/", views.block, name="block"),
    path("breath/", views.breath, name="breath"),
    path("favicon.ico", RedirectView.as_view(url=static("gusts/whirl.svg"))),
    path("admin/", admin.site.urls),
]
