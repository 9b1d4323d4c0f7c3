# SPDX-License-Identifier: MIT
"""Starts servers that have no command line of their own: launch.py NAME MODULE PORT THREADS."""

import importlib
import logging
import sys

name, module, port, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
application = importlib.import_module(module).application

if name == "bjoern":
    import bjoern

    bjoern.run(application, "127.0.0.1", port)
elif name == "fastwsgi":
    import fastwsgi

    fastwsgi.run(wsgi_app=application, host="127.0.0.1", port=port, loglevel=0)
elif name == "tornado":
    import concurrent.futures

    import tornado.httpserver
    import tornado.ioloop
    import tornado.wsgi

    logging.getLogger("tornado.access").disabled = True
    pool = concurrent.futures.ThreadPoolExecutor(threads) if threads > 8 else None
    container = tornado.wsgi.WSGIContainer(application, executor=pool)
    tornado.httpserver.HTTPServer(container).listen(port, "127.0.0.1")
    tornado.ioloop.IOLoop.current().start()
