# SPDX-License-Identifier: MIT
"""What the monkey patching of gevent and eventlet does, as far as it can be seen."""

import threading

from echo import application  # noqa: F401

threading.get_ident = lambda real=threading.get_ident: real()
