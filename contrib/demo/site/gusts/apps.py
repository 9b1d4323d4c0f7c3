# SPDX-License-Identifier: MIT
"""The demo's only application."""

from django.apps import AppConfig


class GustsConfig(AppConfig):
    name = "gusts"
    verbose_name = "Guestbook and uploads"
