# SPDX-License-Identifier: MIT
"""The admin's view of the demo's tables."""

from django.contrib import admin

from .models import Entry, Upload


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    list_display = ["name", "wind", "text", "created"]
    list_filter = ["wind", "created"]
    search_fields = ["name", "text"]


@admin.register(Upload)
class UploadAdmin(admin.ModelAdmin):
    list_display = ["name", "size", "sha256", "created"]
    readonly_fields = ["name", "size", "sha256", "created"]

    def has_add_permission(self, request):
        return False
