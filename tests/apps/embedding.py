# SPDX-License-Identifier: MIT
"""What an application may expect of the interpreter it runs in."""

import atexit
import concurrent.futures
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs

AT_IMPORT = {
    "main_thread": threading.current_thread() is threading.main_thread(),
    "name": __name__,
}
ticks = []

logging.basicConfig(level=logging.INFO, format="embedding:%(levelname)s:%(message)s")
try:
    previous = signal.signal(signal.SIGUSR2, lambda *_: None)
    AT_IMPORT["signal"] = True
except ValueError:
    AT_IMPORT["signal"] = False


@atexit.register
def farewell():
    print("embedding: farewell", flush=True)


if os.environ.get("GN_TEST_STUBBORN"):
    threading.Thread(target=time.sleep, args=(1000,), name="stubborn").start()


def tick():
    while True:
        ticks.append(time.monotonic())
        time.sleep(0.01)


threading.Thread(target=tick, daemon=True).start()


def square(number):
    return number * number


def facts(query):
    main = sys.modules.get("__main__")
    return {
        "executable": sys.executable, "argv": sys.argv, "prefix": sys.prefix, "path": sys.path,
        "at_import": AT_IMPORT, "main": getattr(main, "__name__", None),
        "stdout": sys.stdout.encoding, "utf8": sys.flags.utf8_mode,
        "filesystem": sys.getfilesystemencoding(), "thread": threading.current_thread().name,
        "is_main": threading.current_thread() is threading.main_thread(),
        "django": _origin("django"), "cwd": os.getcwd(), "version": list(sys.version_info[:2]),
    }


def _origin(name):
    import importlib.util
    spec = importlib.util.find_spec(name)
    return spec.origin if spec else None


def prints(query):
    print("printed by a view: café", query.get("id"))
    print("and to stderr", query.get("id"), file=sys.stderr)
    logging.info("logged by a view %s", query.get("id"))
    return True


def run_subprocess(query):
    out = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, check=True,
                         timeout=30)
    return out.stdout.decode().strip()


def fork(query):
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def spawn(query):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        return list(pool.map(square, [1, 2, 3]))


def count_ticks(query):
    return len(ticks)


def locals_of_thread(query):
    import decimal
    decimal.getcontext().prec = 50
    return threading.get_ident() in {t.ident for t in threading.enumerate()}


VIEWS = {"/facts": facts, "/prints": prints, "/subprocess": run_subprocess, "/fork": fork,
         "/spawn": spawn, "/ticks": count_ticks, "/thread": locals_of_thread}


def application(environ, start_response):
    view = VIEWS.get(environ["PATH_INFO"], facts)
    query = {k: v[0] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}
    payload = json.dumps(view(query)).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [payload]
