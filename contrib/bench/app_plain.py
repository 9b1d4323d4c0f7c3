# SPDX-License-Identifier: MIT
"""The plain application, under the name every server knows how to load."""

from apps import application  # noqa: F401
