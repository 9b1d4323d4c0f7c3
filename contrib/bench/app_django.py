# SPDX-License-Identifier: MIT
"""The django application, under the name every server knows how to load."""

import apps

application = apps.django()
