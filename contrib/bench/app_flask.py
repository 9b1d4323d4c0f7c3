# SPDX-License-Identifier: MIT
"""The flask application, under the name every server knows how to load."""

import apps

application = apps.flask()
