/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/py/host.h"
#include "bridge/py/venv.h"
#include "server/base/buf.h"
#include "server/base/log.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

static gn_deadline in_ms(int64_t ms)
{
    return gn_deadline_after_ms(gn_clock_now(), ms);
}

Test(host, stands_for_a_real_interpreter)
{
    gn_test_python_start("import sys, subprocess, os\n"
                         "said = subprocess.run([sys.executable, '-c',\n"
                         "    'import sys; print(sys.version_info[:2] == %r)'\n"
                         "    % (tuple(sys.version_info[:2]),)],\n"
                         "    capture_output=True, text=True).stdout\n");
    cr_assert(gn_test_python_is("said == 'True\\n'"));
    cr_assert(gn_test_python_is("os.path.isabs(sys.executable)"));
    cr_assert(gn_test_python_is("sys._base_executable == sys.executable"));
    cr_assert_str_eq(PyUnicode_AsUTF8(PySys_GetObject("executable")),
            gn_py_host_executable(gn_test_python_host()));
    cr_assert_null(gn_py_host_venv(gn_test_python_host()));
    gn_test_python_stop();
}

Test(host, runs_processes_of_multiprocessing)
{
    gn_test_python_start("import multiprocessing, operator\n"
                         "from concurrent.futures import ProcessPoolExecutor\n"
                         "results = {}\n"
                         "for method in ('spawn', 'forkserver', 'fork'):\n"
                         "    context = multiprocessing.get_context(method)\n"
                         "    with ProcessPoolExecutor(1, mp_context=context) as pool:\n"
                         "        results[method] = pool.submit(operator.add, 2, 3).result()\n");
    cr_assert(gn_test_python_is("set(results.values()) == {5} and len(results) == 3"));
    gn_test_python_stop();
}

Test(host, sets_what_programs_look_at)
{
    gn_test_python_start("import sys, signal, threading, faulthandler, os\n");
    cr_assert(gn_test_python_is("sys.argv == ['test']"));
    cr_assert(gn_test_python_is("sys.flags.utf8_mode == 1"));
    cr_assert(gn_test_python_is("sys.stdout.encoding == 'utf-8'"));
    cr_assert(gn_test_python_is("sys.stdout.write_through"));
    cr_assert(gn_test_python_is("sys.modules['__main__'].__name__ == '__main__'"));
    cr_assert(gn_test_python_is("threading.current_thread() is threading.main_thread()"));
    cr_assert(gn_test_python_is("sys.path[0] == os.getcwd()"));
    cr_assert(
            gn_test_python_is("signal.getsignal(signal.SIGINT) is not signal.default_int_handler"));
#if !GN_ASAN && !GN_TSAN
    cr_assert(gn_test_python_is("faulthandler.is_enabled()"));
#endif
    cr_assert_str_eq(gn_py_version(), PY_VERSION);
    gn_test_python_stop();
}

Test(host, leaves_signals_alone)
{
    struct sigaction before[2];
    struct sigaction after[2];
    const int signals[2] = {SIGINT, SIGTERM};

    for (unsigned i = 0; i < 2; i++) {
        (void)sigaction(signals[i], NULL, &before[i]);
    }
    gn_test_python_start("");
    for (unsigned i = 0; i < 2; i++) {
        (void)sigaction(signals[i], NULL, &after[i]);
        cr_assert_eq(after[i].sa_handler, before[i].sa_handler);
    }
    gn_test_python_stop();
}

Test(host, puts_paths_in_order)
{
    static const char *const argv[] = {"program", "x"};
    static const char *const extra[] = {"/usr/share", "relative"};
    struct gn_py_host_options options = {
            .argv = argv,
            .argc = 2,
            .chdir = "/usr",
            .pythonpath = extra,
            .n_pythonpath = 2,
            .venv = "",
    };
    struct gn_py_host *host = NULL;

    cr_assert_eq(gn_py_host_start(&options, &host, NULL), GN_OK);
    gn_test_python_run("import sys, os\n");
    cr_assert(gn_test_python_is("sys.path[:3] == ['/usr', '/usr/share', '/usr/relative']"));
    cr_assert(gn_test_python_is("os.getcwd() == '/usr'"));
    cr_assert(gn_test_python_is("sys.argv == ['program', 'x']"));
    cr_assert_eq(gn_py_host_stop(&host, in_ms(5000)), GN_OK);
    cr_assert_null(host);
}

static char warned[512];

static void keep_warning(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    cr_assert_eq(level, GN_LOG_WARNING);
    (void)snprintf(warned, sizeof(warned), GN_SLICE_FMT, GN_SLICE_ARG(line));
}

Test(host, warns_of_a_path_that_does_not_exist)
{
    static const char *const extra[] = {"/usr/share", "/no/such/place"};
    struct gn_py_host_options options = {.pythonpath = extra, .n_pythonpath = 2, .venv = ""};
    struct gn_py_host *host = NULL;

    gn_log_set_sink(keep_warning, NULL);
    cr_assert_eq(gn_py_host_start(&options, &host, NULL), GN_OK);
    cr_assert_not_null(
            strstr(warned, "/no/such/place (--pythonpath) does not exist"), "%s", warned);
    gn_log_set_sink(NULL, NULL);
    cr_assert(gn_test_python_is("__import__('sys').path[2] == '/no/such/place'"));
    cr_assert_eq(gn_py_host_stop(&host, in_ms(5000)), GN_OK);
}

#ifdef Py_GIL_DISABLED
Test(host, runs_a_free_threaded_python_without_its_gil_where_people_say_so)
{
    cr_assert_eq(setenv("PYTHON_GIL", "0", 1), 0);
    gn_test_python_start("import sys\n");
    cr_assert(gn_test_python_is("not sys._is_gil_enabled()"));
    gn_test_python_stop();
}

Test(host, keeps_the_gil_of_a_free_threaded_python)
{
    cr_assert_eq(unsetenv("PYTHON_GIL"), 0);
    gn_test_python_start("import sys\n");
    cr_assert(gn_test_python_is("sys._is_gil_enabled()"));
    gn_test_python_stop();
}
#endif

Test(host, refuses_a_directory_that_is_none)
{
    struct gn_py_host_options options = {.chdir = "/no/such/place", .venv = ""};
    struct gn_py_host *host = NULL;
    struct gn_error err = {0};

    cr_assert_eq(gn_py_host_start(&options, &host, &err), GN_ERR_NOT_FOUND);
    cr_assert_not_null(
            strstr(err.message, "/no/such/place (--chdir): No such file"), "%s", err.message);
    cr_assert_null(host);
}

Test(host, names_the_variable_that_spoils_the_start)
{
    struct gn_py_host_options options = {.venv = ""};
    struct gn_py_host *host = NULL;
    struct gn_error err = {0};

    (void)setenv("PYTHONHOME", "/no/such/python", 1);
    cr_assert_eq(gn_py_host_start(&options, &host, &err), GN_ERR_PYTHON);
    cr_assert_not_null(
            strstr(err.message, "$PYTHONHOME is \"/no/such/python\""), "%s", err.message);
    cr_assert_null(host);
}

Test(host, uses_the_packages_of_an_environment)
{
    static const char *const argv[] = {"program"};
    char command[256];
    char folder[] = "/tmp/gn-test-host-XXXXXX";
    struct gn_py_venv base;
    struct gn_py_host_options options = {.argv = argv, .argc = 1, .chdir = folder};
    struct gn_py_host *host = NULL;
    struct gn_error err = {0};

    cr_assert_not_null(mkdtemp(folder));
    (void)unsetenv("VIRTUAL_ENV");
    cr_assert_eq(gn_py_venv_find("", &base, &err), GN_OK);
    (void)snprintf(command, sizeof(command),
            "%s -m venv --without-pip %s/.venv && cd %s/.venv/lib/python*/site-packages && "
            "touch only_there.py",
            base.python, folder, folder);
    gn_py_venv_fini(&base);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(gn_py_host_start(&options, &host, &err), GN_OK, "%s", err.message);
    cr_assert_not_null(strstr(gn_py_host_venv(host), "/.venv"));
    gn_test_python_run("import sys, only_there, subprocess\n"
                       "subprocess.run([sys.executable, '-c', 'import only_there'], check=True)\n");
    cr_assert(gn_test_python_is("sys.prefix.endswith('/.venv') and sys.base_prefix != sys.prefix"));
    cr_assert(gn_test_python_is("sys.executable.endswith('/.venv/bin/python')"));
    cr_assert_eq(gn_py_host_stop(&host, in_ms(5000)), GN_OK);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

/* ---- the end ------------------------------------------------------------------- */

static struct gn_buf logged;

static void keep_lines(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)level;
    cr_assert_eq(gn_buf_append(&logged, line), GN_OK);
}

Test(host, says_that_handlers_of_signals_do_not_run)
{
    static const char *const sources[2] = {"import signal\n"
                                           "signal.signal(signal.SIGUSR2, signal.SIG_IGN)\n",
            "import signal\n"
            "for n in (signal.SIGUSR2, signal.SIGTERM, signal.SIGRTMIN + 3):\n"
            "    signal.signal(n, lambda *_: None)\n"};
    struct gn_py_host *host;

    gn_buf_init(&logged, 65536);
    gn_test_python_start(sources[0]);
    gn_log_set_sink(keep_lines, NULL);
    host = gn_test_python_host();
    for (unsigned i = 0; i < 2; i++) {
        gn_test_python_run(sources[i]);
        gn_py_host_release_gil(host);
        gn_py_host_take_gil(host, in_ms(5000));
        cr_assert_eq(logged.len > 0, i == 1);
    }
    cr_assert_eq(gn_buf_append(&logged, gn_slice_of("", 1)), GN_OK);
    cr_assert_not_null(strstr(logged.ptr, "SIGUSR2, SIGTERM, 37"), "%s", logged.ptr);
    gn_test_python_stop();
    gn_buf_fini(&logged);
}

/* Runs hooks that write to a pipe, stops, and returns what they wrote. */
static const char *stop_and_read(const char *source, int64_t grace_ms, enum gn_err expected)
{
    static char said[256];
    struct gn_py_host *host;
    char setup[2048];
    ssize_t n;
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    (void)snprintf(setup, sizeof(setup),
            "import os, atexit, threading, time\n"
            "def say(text): os.write(%d, text.encode())\n"
            "atexit.register(say, 'atexit ')\n%s",
            fds[1], source);
    gn_test_python_start(setup);
    gn_buf_init(&logged, 4096);
    gn_log_set_sink(keep_lines, NULL);
    host = gn_test_python_host();
    gn_py_host_release_gil(host);
    gn_py_host_take_gil(host, in_ms(5000));
    cr_assert_eq(gn_py_host_stop(&host, in_ms(grace_ms)), expected);
    gn_log_set_sink(NULL, NULL);
    (void)close(fds[1]);
    n = read(fds[0], said, sizeof(said) - 1);
    said[n > 0 ? n : 0] = '\0';
    return said;
}

Test(host, runs_exit_hooks)
{
    cr_assert_str_eq(stop_and_read("", 5000, GN_OK), "atexit ");
    cr_assert_eq(logged.len, 0);
}

Test(host, waits_for_threads_before_hooks)
{
    cr_assert_str_eq(stop_and_read("def work():\n"
                                   "    while threading.main_thread().is_alive(): time.sleep(.01)\n"
                                   "    say('thread ')\n"
                                   "threading.Thread(target=work).start()\n",
                             20000, GN_OK),
            "thread atexit ");
}

Test(host, ends_the_threads_of_pools)
{
    cr_assert_str_eq(stop_and_read("from concurrent.futures import ThreadPoolExecutor\n"
                                   "pool = ThreadPoolExecutor(2)\n"
                                   "pool.submit(say, 'pool ').result()\n",
                             20000, GN_OK),
            "pool atexit ");
}

Test(host, does_not_wait_forever_for_threads)
{
    cr_assert_str_eq(stop_and_read("threading.Thread(target=time.sleep, args=(1000,),\n"
                                   "    name='sleeper').start()\n",
                             50, GN_ERR_TIMEOUT),
            "atexit ");
    cr_assert_eq(gn_buf_append(&logged, gn_slice_of("", 1)), GN_OK);
    cr_assert_not_null(strstr(logged.ptr, "do not end: sleeper"), "%s", logged.ptr);
    gn_buf_fini(&logged);
}

Test(host, does_not_finalise_under_daemon_threads)
{
    cr_assert_str_eq(stop_and_read("threading.Thread(target=time.sleep, args=(1000,),\n"
                                   "    daemon=True).start()\n",
                             20000, GN_ERR_TIMEOUT),
            "atexit ");
}

Test(host, does_not_wait_for_greenlets)
{
    cr_assert_str_eq(stop_and_read("real = threading.get_ident\n"
                                   "threading.get_ident = lambda: real()\n"
                                   "threading._shutdown = lambda: say('waited')\n",
                             5000, GN_ERR_TIMEOUT),
            "");
}

Test(host, cuts_hooks_that_hang, .exit_code = 0)
{
    (void)stop_and_read("atexit.register(time.sleep, 1000)\n", 10, GN_OK);
    _exit(1); /* not reached: the watchdog has ended the process */
}

static sem_t is_held;

static PyObject *hold_gil(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    (void)sem_post(&is_held);
    (void)sleep(1000);
    Py_RETURN_NONE;
}

static PyMethodDef hold_method = {"hold_gil", hold_gil, METH_NOARGS, NULL};

Test(host, does_not_wait_for_a_gil_that_is_stuck, .exit_code = 0)
{
    struct gn_py_host *host;
    PyObject *function;
    int fds[2];
    char source[256];

    cr_assert_eq(pipe(fds), 0);
    (void)sem_init(&is_held, 0, 0);
    gn_test_python_start("");
    host = gn_test_python_host();
    function = PyCFunction_New(&hold_method, NULL);
    cr_assert_eq(PyObject_SetAttrString(PyImport_AddModule("__main__"), "hold", function), 0);
    (void)snprintf(source, sizeof(source),
            "import os, threading\n"
            "def stick():\n"
            "    os.read(%d, 1)\n"
            "    hold()\n"
            "threading.Thread(target=stick, daemon=True).start()\n",
            fds[0]);
    gn_test_python_run(source);
    gn_py_host_release_gil(host);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    (void)sem_wait(&is_held);
    gn_py_host_take_gil(host, in_ms(50));
    _exit(1); /* not reached: the watchdog has ended the process */
}
