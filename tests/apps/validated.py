# SPDX-License-Identifier: MIT
"""wsgiref's validator around each application: it raises when the server breaks a rule.

The validator also insists that applications call read() with a size, which
frameworks do not when the server says wsgi.input_terminated. Sized stands
between the two, so that only the server is on trial.
"""

import importlib
from wsgiref.validate import validator

import conformance
import echo


class Sized:
    """A stream whose every read() below it carries a size."""

    def __init__(self, stream):
        self.stream = stream

    def read(self, size=-1):
        if size is not None and size >= 0:
            return self.stream.read(size)
        parts = []
        while part := self.stream.read(65536):
            parts.append(part)
        return b"".join(parts)

    def readline(self, *size):
        return self.stream.readline(*size)

    def readlines(self, *hint):
        return self.stream.readlines(*hint)

    def __iter__(self):
        return iter(self.stream)


def validated(application):
    def sized(environ, start_response):
        environ["wsgi.input"] = Sized(environ["wsgi.input"])
        return application(environ, start_response)
    return validator(sized)


conformance_app = validator(conformance.application)
echo_app = validated(echo.application)


def module(name):
    """The application of another module."""
    return validated(importlib.import_module(name).app)
