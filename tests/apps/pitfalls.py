# SPDX-License-Identifier: MIT
"""Does what applications do to the process they run in, at import and in views.

$GN_TEST_AT_IMPORT names, with commas between, what happens at import: see AT_IMPORT.
"""

import ast
import asyncio
import atexit
import concurrent.futures
import ctypes
import faulthandler
import json
import locale
import logging
import logging.config
import multiprocessing
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from urllib.parse import parse_qs

local = threading.local()
handled = []
profiled = set()
pool = concurrent.futures.ThreadPoolExecutor(2)


# at import


def take_signals():
    """Handlers for all that a server reacts to."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, lambda n, _: handled.append(n))


def ignore_signals():
    """And what programs for a terminal do, so that `| head` ends them."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def configure_logging():
    """As settings files do it."""
    stream = {"class": "logging.StreamHandler", "formatter": "line"}
    logging.config.dictConfig({
        "version": 1, "disable_existing_loggers": True,
        "formatters": {"line": {"format": "%(levelname)s %(name)s %(threadName)s: %(message)s"}},
        "handlers": {"out": {**stream, "stream": "ext://sys.stdout"},
                     "err": {**stream, "stream": "ext://sys.stderr"}},
        "loggers": {"to.out": {"handlers": ["out"], "level": "DEBUG"}},
        "root": {"handlers": ["err"], "level": "INFO"}})
    logging.captureWarnings(True)


def use_profile():
    """As coverage and debuggers do it: threads that start later are watched."""
    threading.setprofile(lambda frame, event, arg: profiled.add(frame.f_code.co_name))


def change_directory():
    os.chdir("/")


def change_umask():
    os.umask(0o177)


def close_descriptors():
    os.closerange(3, 1000)


def run_loop():
    """A library that keeps an asyncio loop of its own in a thread."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    application.loop = loop


def use_dumps():
    faulthandler.register(signal.SIGUSR2, all_threads=True)


AT_IMPORT = {f.__name__: f for f in (
    take_signals, ignore_signals, configure_logging, use_profile, change_directory, change_umask,
    close_descriptors, run_loop, use_dumps)}


# children


def square(number):
    return number * number


def put_name(queue):
    queue.put([__name__, multiprocessing.current_process().name, os.getcwd()])


def process_pool(query):
    context = multiprocessing.get_context(query["how"])
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        return list(pool.map(square, range(5)))


def process(query):
    """A function of the application's own module runs in the child."""
    context = multiprocessing.get_context(query["how"])
    queue = context.Queue()
    child = context.Process(target=put_name, args=(queue,), name="child")
    child.start()
    seen = queue.get(timeout=60)
    child.join(60)
    return [*seen, child.exitcode]


def shell(query):
    """Pipes, a signal, a group, an environment of its own."""
    child = subprocess.Popen("cat; exec sleep 60", shell=True, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, start_new_session=True)
    child.stdin.write(b"through cat")
    child.stdin.close()
    text = child.stdout.read(11).decode()
    os.killpg(child.pid, signal.SIGTERM)
    status = child.wait(30)
    child.stdout.close()
    masked = subprocess.run(["sh", "-c", "grep -E 'SigBlk|SigIgn' /proc/self/status"],
                            capture_output=True, text=True, check=True).stdout
    return {"text": text, "status": status, "signals": dict(re.findall(r"(\w+):\s+(\w+)", masked))}


def child_closes_all(query):
    """As code that makes daemons does."""
    pid = os.fork()
    if pid == 0:
        os.closerange(0, 1000)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ends(query):
    """The whole process, with a status of the application's choice."""
    os._exit(int(query["status"]))


def crashes(query):
    faulthandler.enable()
    ctypes.string_at(0)


# threads


def own_local(query):
    """A value for each thread."""
    local.count = getattr(local, "count", 0) + 1
    time.sleep(float(query.get("s", "0")))
    return [threading.current_thread().name, local.count]


def own_pool(query):
    """Executors that the application made at import, in a view, and in a with."""
    with concurrent.futures.ThreadPoolExecutor(2) as brief:
        return [pool.submit(square, 3).result(10), brief.submit(square, 4).result(10)]


def own_loop(query):
    """Work handed to the application's own asyncio thread."""
    async def work():
        await asyncio.sleep(0.01)
        return "slept"
    return asyncio.run_coroutine_threadsafe(work(), application.loop).result(10)


def asyncio_run(query):
    async def one(number):
        await asyncio.sleep(0.01)
        return await asyncio.to_thread(square, number)

    async def work():
        return await asyncio.gather(*(one(n) for n in range(5)))
    return asyncio.run(work())


def thread_raises(query):
    """threading.excepthook reports it."""
    thread = threading.Thread(target=lambda: 1 / 0, name="divides")
    thread.start()
    thread.join()
    return True


def exit_hook(query):
    """Registered by a worker, run by the main thread at the end."""
    atexit.register(lambda: print("exit hook of a view, main thread:",
                                  threading.current_thread() is threading.main_thread()))
    return True


def watched(query):
    return sorted(profiled & {"watched", "application"})


# signals


def sets_signal(query):
    try:
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    except ValueError as error:
        return str(error)


def had_signals(query):
    return handled


# extensions


def numpy_sum(query):
    """Large enough for NumPy to let the GIL go and for its BLAS to start threads; exact."""
    import numpy
    size = int(query.get("n", "200"))
    values = numpy.arange(size * size, dtype="float64").reshape(size, size) % 7
    product = values @ values.T
    return int(product.trace()) == int((values * values).sum())


def rust(query):
    import orjson
    value = {"text": "caf\u00e9", "list": list(range(1000)), "n": int(query.get("m", "1"))}
    try:
        orjson.loads(b"{")
    except orjson.JSONDecodeError:
        return orjson.loads(orjson.dumps(value)) == value


def greenlets(query):
    """gevent's event loop is a libev of its own, and runs in this thread."""
    import gevent

    def nap(number):
        gevent.sleep(0.01)
        return number * number
    tasks = [gevent.spawn(nap, n) for n in range(5)]
    gevent.joinall(tasks)
    return [task.value for task in tasks]


# depth


def deep(query):
    """Deep recursion of each kind; what it raised, if it did."""
    kinds = {
        "python": lambda: recurse(0),
        "repr": lambda: repr(nest(100000)),
        "json_loads": lambda: json.loads("[" * 100000 + "]" * 100000),
        "json_dumps": lambda: json.dumps(nest(100000)),
        "pickle": lambda: pickle.dumps(nest(100000)),
        "literal": lambda: ast.literal_eval("-" * 100000 + "1"),
        "compile": lambda: compile("(" * 150 + ")" * 150, "deep", "eval"),
        "regex": lambda: re.match(r"(?:(a)|b)*?c", "ab" * 200000),
        "compare": lambda: nest(100000) == nest(100000),
        "method": lambda: Calls()(),
    }
    try:
        kinds[query["kind"]]()
        return "nothing"
    except (RecursionError, MemoryError, SyntaxError) as error:
        return type(error).__name__


class Calls:
    """Each call goes through C, which takes of the thread's own stack."""

    def __call__(self):
        return max([1], key=lambda _: self())


def recurse(depth):
    return recurse(depth + 1)


def nest(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def deeper(query):
    """With the limit that applications set for deep trees: C stack is what counts then."""
    levels = int(query["levels"])
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(levels * 2)
    try:
        return len(json.dumps(json.loads("[" * levels + "]" * levels))) // 2
    finally:
        sys.setrecursionlimit(before)


# the rest


def warns(query):
    warnings.warn("an odd thing in a view", RuntimeWarning, stacklevel=1)
    return True


def logs(query):
    logging.getLogger("to.out").debug("debug %s", query["id"])
    logging.getLogger("elsewhere").info("info %s", query["id"])
    logging.getLogger("elsewhere").debug("hidden %s", query["id"])
    try:
        raise KeyError("in a view")
    except KeyError:
        logging.exception("exception %s", query["id"])
    return True


def writes(query):
    """Without a newline and without a flush."""
    sys.stdout.write(f"<out {query['id']}>")
    sys.stderr.write(f"<err {query['id']}>")
    return True


def text(query):
    """What text is written and read as, whatever the locale says."""
    path = Path(query["folder"]) / "na\u00efve.txt"
    path.write_text("caf\u00e9")
    child = subprocess.run(["cat", path], capture_output=True, text=True, check=True).stdout
    return {"bytes": path.read_bytes().hex(), "child": child,
            "names": os.listdir(query["folder"]), "preferred": locale.getpreferredencoding(False),
            "out": sys.stdout.encoding, "errors": sys.stderr.errors}


def flags(query):
    return {"dont_write_bytecode": sys.flags.dont_write_bytecode, "optimize": sys.flags.optimize,
            "dev_mode": sys.flags.dev_mode, "path": sys.path, "filters": len(sys.warnoptions),
            "hash": hash("the same"), "traced": "tracemalloc" in sys.modules}


def giga(query):
    """More than a socket takes, for clients that go away."""
    return "x" * (1 << 24)


def process_facts(query):
    return {"cwd": os.getcwd(), "umask": current_umask(), "argv": sys.argv,
            "orig_argv": sys.orig_argv, "executable": sys.executable,
            "stack": resource.getrlimit(resource.RLIMIT_STACK)[0]}


def current_umask():
    return int(re.search(r"Umask:\s+(\d+)", Path("/proc/self/status").read_text())[1], 8)


def application(environ, start_response):
    query = {k: v[0] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}
    view = globals().get(environ["PATH_INFO"].strip("/"), process_facts)
    payload = json.dumps(view(query)).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [payload]


for name in filter(None, os.environ.get("GN_TEST_AT_IMPORT", "").split(",")):
    AT_IMPORT[name]()
