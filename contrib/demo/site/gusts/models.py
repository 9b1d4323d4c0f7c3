# SPDX-License-Identifier: MIT
"""What visitors leave behind."""

from django.db import models


class Entry(models.Model):
    """A line in the guestbook."""

    class Wind(models.TextChoices):
        """How the writer feels about it."""

        CALM = "calm", "calm"
        BREEZE = "breeze", "a breeze"
        GUST = "gust", "a gust"
        STORM = "storm", "a storm"

    name = models.CharField(max_length=60)
    text = models.TextField(max_length=500)
    wind = models.CharField(max_length=8, choices=Wind.choices, default=Wind.BREEZE)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created", "-id"]
        verbose_name_plural = "entries"

    def __str__(self):
        return f"{self.name}: {self.text[:40]}"


class Upload(models.Model):
    """A file somebody sent, with the digest computed while it was read."""

    file = models.FileField(upload_to="%Y/%m")
    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created", "-id"]

    def __str__(self):
        return self.name
