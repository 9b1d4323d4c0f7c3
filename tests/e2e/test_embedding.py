# SPDX-License-Identifier: MIT
"""The interpreter inside: what applications do to the process they run in, and find there."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from process import APPS, SANITIZER, SLOW, Server, environment, program
from rawhttp import Broken, Connection, eventually

@pytest.fixture(scope="module")
def embedding(serve):
    return serve("embedding:application", fds=False)  # multiprocessing keeps a helper


def test_main_thread_imports_and_workers_serve(embedding):
    facts = embedding.get("/facts").json()
    assert facts["at_import"] == {"main_thread": True, "name": "embedding", "signal": True}
    assert facts["is_main"] is False
    assert facts["main"] == "__main__"


def test_interpreter_looks_like_the_virtual_environments(embedding):
    facts = embedding.get("/facts").json()
    venv = os.environ["GN_E2E_VENV"]
    assert facts["prefix"] == venv
    assert facts["executable"].startswith(venv + "/bin/python")
    assert facts["django"].startswith(venv)
    assert facts["argv"] and facts["stdout"].lower() == facts["filesystem"].lower() == "utf-8"
    assert facts["cwd"] == str(APPS)
    assert facts["version"] == list(sys.version_info[:2])


@pytest.mark.ours
def test_venv_option_and_venv_beside_chdir(tmp_path):
    venv = os.environ["GN_E2E_VENV"]
    with Server("--venv", venv, "embedding:application", env={"VIRTUAL_ENV": None}) as server:
        assert server.get("/facts").json()["prefix"] == venv
    (tmp_path / "embedding.py").write_text((APPS / "embedding.py").read_text())
    (tmp_path / ".venv").symlink_to(venv)
    with Server("embedding:application", chdir=tmp_path, env={"VIRTUAL_ENV": None}) as server:
        assert os.path.realpath(server.get("/facts").json()["prefix"]) == os.path.realpath(venv)


def test_prints_reach_the_log_at_once(embedding):
    embedding.get("/prints?id=p1")
    for text in ("printed by a view: caf\u00e9 p1", "and to stderr p1",
                 "embedding:INFO:logged by a view p1"):
        assert embedding.logs(text), text


def test_subprocess_fork_and_spawn(embedding):
    assert embedding.get("/subprocess").json() == "42"
    assert embedding.get("/fork").json() == 7
    assert embedding.get("/spawn").json() == [1, 4, 9]
    assert embedding.get("/thread").json() is True


def test_threads_of_the_application_run_while_idle(embedding):
    first = embedding.get("/ticks").json()
    assert eventually(lambda: embedding.get("/ticks").json() > first + 5, 10, 0.2)


# processes


@pytest.fixture(scope="module")
def pitfalls(serve):
    return serve("pitfalls:application", fds=False)  # multiprocessing keeps a helper


def broken(*, at_import="", env=None, **kwargs):
    """A server of its own for what changes the process."""
    return Server("pitfalls:application", env={"GN_TEST_AT_IMPORT": at_import, **(env or {})},
                  **kwargs)


@pytest.mark.parametrize("how", ["spawn", "forkserver", "fork"])
def test_multiprocessing(pitfalls, how):
    if SANITIZER == "thread" and how == "fork":
        pytest.skip("ThreadSanitizer lets no child of a program with threads start threads")
    assert pitfalls.get(f"/process_pool?how={how}").json() == [0, 1, 4, 9, 16]
    assert pitfalls.get(f"/process?how={how}").json() == ["pitfalls", "child", str(APPS), 0]


def test_pools_of_processes_at_once(pitfalls):
    """From several workers, each forking while the others hold whatever locks they hold."""
    with ThreadPoolExecutor(6) as pool:
        for seen in pool.map(lambda how: pitfalls.get(f"/process_pool?how={how}").json(),
                             ["fork", "spawn"] * 3):
            assert seen == [0, 1, 4, 9, 16]


def test_children_have_pipes_and_default_signals(pitfalls):
    seen = pitfalls.get("/shell").json()
    assert (seen["text"], seen["status"]) == ("through cat", -signal.SIGTERM)
    ours = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # nohup's, and inherited
    assert {k: int(v, 16) for k, v in seen["signals"].items()} == {"SigBlk": 0, "SigIgn": int(ours)}


def test_forked_child_may_close_all_descriptors(pitfalls):
    with pitfalls.connect() as conn:
        assert conn.get("/child_closes_all").json() == 0
        assert conn.get("/had_signals").status == 200


@pytest.mark.ours
def test_os_exit_ends_the_process_with_its_status():
    """Nothing can be done for the calls beside it: os._exit asks the kernel."""
    server = broken()
    try:
        with pytest.raises((Broken, OSError)):
            server.get("/ends?status=7")
        assert server.wait() == 7
        with Server("echo:application", port=server.port) as again:
            assert again.get("/x").status == 200
    finally:
        server.kill()


@pytest.mark.ours
@pytest.mark.skipif(SANITIZER is not None, reason="the sanitizer reports fatal signals itself")
def test_crash_is_reported_with_the_stack_of_python():
    server = broken()
    try:
        with pytest.raises((Broken, OSError)):
            server.get("/crashes")
        assert server.wait() == -signal.SIGSEGV
        output = server.output()
        assert "Segmentation fault" in output and "in crashes" in output
    finally:
        server.kill()


# signals


@pytest.mark.ours
@pytest.mark.parametrize("what", ["take_signals", "ignore_signals"])
def test_handlers_set_at_import_do_not_steal_ours(what, tmp_path):
    log = tmp_path / "access.log"
    server = Server("--access-logfile", log, "pitfalls:application",
                    env={"GN_TEST_AT_IMPORT": what})
    try:
        server.get("/before")
        log.rename(tmp_path / "old.log")
        server.signal(signal.SIGUSR1)
        assert eventually(log.exists, 5 * SLOW)
        with server.connect() as conn:
            conn.start("GET", "/giga")
            conn.reset()  # SIGPIPE, if it were not ignored
        assert server.get("/had_signals").json() == []
        server.stop()
        says = "set handlers for SIGINT, SIGQUIT, SIGUSR1, SIGTERM, SIGCHLD: they do not run"
        assert (says in server.output()) == (what == "take_signals")
    finally:
        server.kill()


def test_signal_in_a_view_is_pythons_own_error(pitfalls):
    assert "main thread" in pitfalls.get("/sets_signal").json()


@pytest.mark.ours
def test_faulthandler_dumps_on_a_signal():
    with broken(at_import="use_dumps") as server, server.connect() as conn:
        conn.start("GET", "/own_local?s=0.5")
        time.sleep(0.2)
        server.signal(signal.SIGUSR2)
        assert server.logs("in own_local")
        assert conn.read().json()[1] == 1


# threads


@pytest.mark.smoke
def test_locals_of_a_thread_last_from_call_to_call(pitfalls):
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: pitfalls.get("/own_local?s=0.02").json(), range(48)))
    counts = {}
    for name, count in seen:
        counts.setdefault(name, []).append(count)
    assert 1 < len(counts) <= 8
    assert all(sorted(c) == list(range(min(c), min(c) + len(c))) for c in counts.values())


def test_executors_of_the_application(pitfalls):
    assert pitfalls.get("/own_pool").json() == [9, 16]
    assert pitfalls.get("/asyncio_run").json() == [0, 1, 4, 9, 16]


def test_asyncio_loop_in_a_thread_of_the_application():
    with broken(at_import="run_loop") as server:
        with ThreadPoolExecutor(8) as pool:
            for seen in pool.map(lambda _: server.get("/own_loop").json(), range(16)):
                assert seen == "slept"


def test_thread_that_raises_is_reported(pitfalls):
    assert pitfalls.get("/thread_raises").json() is True
    assert pitfalls.logs("Exception in thread divides")


def test_profilers_see_the_workers():
    with broken(at_import="use_profile") as server:
        server.get("/watched")
        assert server.get("/watched").json() == ["application", "watched"]


def test_exit_hook_of_a_view_runs_on_the_main_thread():
    server = broken()
    server.get("/exit_hook")
    server.get("/own_pool")  # its executor at module level still has threads
    server.stop()
    assert "exit hook of a view, main thread: True" in server.output()


# extensions


@pytest.mark.smoke
@pytest.mark.parametrize("view", ["numpy_sum?n=300", "rust"])
def test_extensions_in_several_workers(pitfalls, view):
    def visit(number):
        with pitfalls.connect() as conn:
            return [conn.get(f"/{view}{'&' if '?' in view else '?'}m={number}").json()
                    for _ in range(5)]
    with ThreadPoolExecutor(8) as pool:
        for seen in pool.map(visit, range(8)):
            assert seen == [True] * 5


@pytest.mark.skipif(SANITIZER is not None, reason="sanitizers cannot follow greenlets' stacks")
def test_gevent_finds_its_own_event_loop():
    """Without its monkey patching, which is refused (test_program.py)."""
    with broken() as server, ThreadPoolExecutor(4) as pool:
        for seen in pool.map(lambda _: server.get("/greenlets").json(), range(12)):
            assert seen == [0, 1, 4, 9, 16]


# depth


@pytest.mark.parametrize("kind, raised", [
    ("python", "RecursionError"), ("repr", "RecursionError"), ("method", "RecursionError"),
    ("json_loads", "RecursionError"), ("json_dumps", "RecursionError"),
    ("pickle", "RecursionError"), ("compare", "RecursionError"),
    ("literal", None), ("compile", None), ("regex", "nothing"),
])
def test_deep_recursion_ends_the_call_alone(pitfalls, kind, raised):
    """Where versions of Python differ in the exception it need only be one."""
    seen = pitfalls.get(f"/deep?kind={kind}").json()
    assert seen == raised if raised else seen in ("MemoryError", "RecursionError", "nothing")


@pytest.mark.ours
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python bounds C recursion by itself")
@pytest.mark.parametrize("kib", [resource.RLIM_INFINITY, 1024])
def test_workers_have_the_stack_that_python_expects(kib):
    """Whatever `ulimit -s` says: unlimited gives threads no more than 2 MiB."""
    most = kib if kib == resource.RLIM_INFINITY else kib * 1024
    with broken(limit=(resource.RLIMIT_STACK, most)) as server:
        assert server.get("/deeper?levels=20000").json() == 20000


# text, output, environment


def test_logging_configured_by_the_application():
    with broken(at_import="configure_logging") as server:
        server.get("/logs?id=one")
        server.get("/warns")
        assert server.logs("WARNING py.warnings")
        output = server.output()
        assert re.search(r"^DEBUG to.out gustnado-\d+: debug one$", output, re.M)
        assert re.search(r"^INFO elsewhere gustnado-\d+: info one$", output, re.M)
        assert "KeyError: 'in a view'" in output and "hidden" not in output


def test_writes_appear_without_newline_and_flush(pitfalls):
    pitfalls.get("/writes?id=w1")
    assert pitfalls.logs("<out w1>") and pitfalls.logs("<err w1>")


def test_warnings_appear(pitfalls):
    pitfalls.get("/warns")
    assert pitfalls.logs("RuntimeWarning: an odd thing in a view")


@pytest.mark.ours
@pytest.mark.parametrize("env", [{"LC_ALL": "C", "LANG": None}, {"LC_ALL": "POSIX"},
                                 {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_text_is_utf8_whatever_the_locale(env, tmp_path):
    with broken(env=env) as server:
        seen = server.get(f"/text?folder={tmp_path}").json()
    assert seen == {"bytes": "636166c3a9", "child": "caf\u00e9", "names": ["na\u00efve.txt"],
                    "preferred": "utf-8", "out": "utf-8", "errors": "backslashreplace"}


@pytest.mark.ours
def test_variables_for_python_are_heeded():
    env = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error::RuntimeWarning", "PYTHONHASHSEED": "0",
           "PYTHONOPTIMIZE": "1", "PYTHONPATH": "/of/python", "PYTHONTRACEMALLOC": "1"}
    options = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
    with Server(*options, "pitfalls:application") as server:
        seen = server.get("/flags").json()
        assert seen["dev_mode"] and seen["optimize"] == 1
        assert seen["path"][:2] == [str(APPS), "/of/python"]
        assert server.get("/warns").status == 500
        expected = subprocess.run([sys.executable, "-c", "print(hash('the same'))"], text=True,
                                  capture_output=True, env={**os.environ, "PYTHONHASHSEED": "0"})
        assert seen["hash"] == int(expected.stdout)


@pytest.mark.ours
def test_python_in_development_mode_finds_nothing():
    """Its allocators check that the GIL is held and that nothing is written out of bounds."""
    env = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "default"}
    with Server("conformance:application", env=env) as server:
        with server.connect() as conn:
            for view in ("environ_dump", "generator", "write_then_iterate", "file?kind=plain",
                         "file?kind=bytesio", "big?size=300000&how=parts", "raises?which=exception"):
                assert conn.get("/" + view).status in (200, 500)
            assert conn.request("POST", "/input_steps?steps=read:5,read:100", body=b"x" * 99).status
    for text in ("Fatal Python error", "ResourceWarning", "DeprecationWarning"):
        assert text not in server.output(), server.output()


@pytest.mark.ours
def test_variable_that_spoils_the_start():
    done = subprocess.run([program(), "--chdir", APPS, "echo:application"], capture_output=True,
                          text=True, env=environment({"PYTHONHOME": "/no/such"}), timeout=60)
    assert done.returncode == 3 and "$PYTHONHOME is \"/no/such\"" in done.stderr


# the process's own state


@pytest.mark.ours
def test_directory_and_umask_may_change(tmp_path):
    """Paths of options start at --chdir, and sockets have the permissions we were started with."""
    (tmp_path / "pitfalls.py").write_bytes((APPS / "pitfalls.py").read_bytes())
    server = Server("-b", "unix:site.sock", "--access-logfile", "access.log",
                    "pitfalls:application", chdir=tmp_path,
                    env={"GN_TEST_AT_IMPORT": "change_directory,change_umask"})
    path, log = tmp_path / "site.sock", tmp_path / "access.log"
    try:
        with Connection(str(path)) as conn:
            facts = conn.get("/process_facts").json()
        assert facts["cwd"] == "/" and facts["umask"] == 0o177
        mask = os.umask(0o022)
        os.umask(mask)
        assert path.stat().st_mode & 0o777 == 0o666 & ~mask
        assert eventually(lambda: "process_facts" in log.read_text(), 5 * SLOW)
        log.unlink()
        server.signal(signal.SIGUSR1)
        assert eventually(log.exists, 5 * SLOW)
        server.stop()
        assert not path.exists()
    finally:
        server.kill()


@pytest.mark.ours
def test_descriptors_may_be_closed_at_import():
    """As code that makes daemons does; in a view it would be the end."""
    with broken(at_import="close_descriptors") as server:
        assert server.get("/own_pool").json() == [9, 16]
        assert server.get("/process_pool?how=fork").json() == [0, 1, 4, 9, 16]
