# SPDX-License-Identifier: MIT
"""Middleware that people put between server and application, each as a callable of its own."""

import os

from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

import bottle_app
import echo
import falcon_app
import flask_app
import tls_app

# /files from $GN_TEST_FILES, with a .gz beside what is compressed; the rest is echo's
white_noise = WhiteNoise(echo.application, root=os.environ.get("GN_TEST_FILES", "/nonexistent"),
                         prefix="files/", max_age=60)

dispatcher = DispatcherMiddleware(echo.application, {
    "/flask": flask_app.app, "/bottle": bottle_app.app, "/deep/er": falcon_app.app})

proxy_fix = ProxyFix(tls_app.application, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)
