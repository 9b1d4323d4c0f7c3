/* SPDX-License-Identifier: MIT */
#include "tests/bridge/py/exec_fixture.h"

#include <pthread.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "tests/support/python.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"

struct gn_loop *exec_loop;
struct gn_pyexec *exec_under_test;

static char logged[1 << 18];
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(void *arg, enum gn_log_level level, struct gn_slice line)
{
    size_t len;

    (void)arg;
    (void)level;
    (void)pthread_mutex_lock(&log_lock);
    len = strlen(logged);
    if (len + line.len < sizeof(logged)) {
        memcpy(logged + len, line.ptr, line.len);
        logged[len + line.len] = '\0';
    }
    (void)pthread_mutex_unlock(&log_lock);
}

bool exec_log_has(const char *text)
{
    bool has;

    (void)pthread_mutex_lock(&log_lock);
    has = strstr(logged, text) != NULL;
    (void)pthread_mutex_unlock(&log_lock);
    return has;
}

static void run(struct gn_pycall *base)
{
    struct exec_call *call = GN_CONTAINER_OF(base, struct exec_call, base);
    PyObject *value;

    gn_assert_gil();
    value = PyObject_CallNoArgs(call->function);
    call->result = value != NULL && PyLong_Check(value) ? PyLong_AsLong(value) : -1;
    Py_XDECREF(value);
    PyErr_Clear();
    Py_CLEAR(call->function);
}

static void done(struct gn_pycall *base)
{
    GN_CONTAINER_OF(base, struct exec_call, base)->is_done = true;
}

static void refused(struct gn_pycall *base, enum gn_err why)
{
    (void)why;
    GN_CONTAINER_OF(base, struct exec_call, base)->is_refused = true;
}

static void describe(struct gn_pycall *base, struct gn_buf *into)
{
    (void)!gn_buf_printf(into, "call of %s", GN_CONTAINER_OF(base, struct exec_call, base)->name);
}

static const struct gn_pycall_ops ops = {
        .run = run, .done = done, .refused = refused, .describe = describe};

static PyObject *hold_gil(PyObject *self, PyObject *ms)
{
    gn_deadline until = gn_deadline_after_ms(gn_clock_now(), PyLong_AsLong(ms));

    (void)self;
    while (gn_clock_now() < until) {
        (void)usleep(1000);
    }
    Py_RETURN_NONE;
}

static void add_hold_gil(void)
{
    static PyMethodDef method = {"hold_gil", hold_gil, METH_O, NULL};
    PyObject *function = PyCFunction_New(&method, NULL);

    cr_assert_eq(PyObject_SetAttrString(PyImport_AddModule("__main__"), "hold_gil", function), 0);
    Py_DECREF(function);
}

void exec_begin(const struct gn_pyexec_options *options, const char *source)
{
    (void)pthread_mutex_lock(&log_lock);
    logged[0] = '\0';
    (void)pthread_mutex_unlock(&log_lock);
    gn_log_set_sink(note, NULL);
    gn_test_python_start(source);
    add_hold_gil();
    cr_assert_eq(gn_loop_create(&exec_loop, NULL), GN_OK);
    gn_assert_loop_thread(exec_loop);
    exec_under_test = gn_pyexec_create(exec_loop, options);
    gn_py_host_release_gil(gn_test_python_host());
}

void exec_submit(struct exec_call *call, const char *name)
{
    PyGILState_STATE gil = PyGILState_Ensure();

    *call = (struct exec_call){
            .base.ops = &ops, .name = name, .function = gn_test_python_value(name)};
    PyGILState_Release(gil);
    gn_assert_loop_thread(exec_loop);
    cr_assert_eq(gn_pyexec_submit(exec_under_test, &call->base), GN_OK);
}

void exec_await(const bool *flag)
{
    while (!*flag) {
        gn_loop_run_once(exec_loop);
        (void)usleep(500);
    }
}

void exec_await_python(const char *expression)
{
    bool is_true = false;

    while (!is_true) {
        PyGILState_STATE gil;

        gn_loop_run_once(exec_loop);
        (void)usleep(500);
        gil = PyGILState_Ensure();
        is_true = gn_test_python_is(expression);
        PyGILState_Release(gil);
    }
}

void exec_run_for(int64_t ms)
{
    gn_deadline until = gn_deadline_after_ms(gn_clock_now(), ms);

    while (gn_clock_now() < until) {
        gn_loop_run_once(exec_loop);
        (void)usleep(500);
    }
}

void exec_await_log(const char *text)
{
    while (!exec_log_has(text)) {
        gn_loop_run_once(exec_loop);
        (void)usleep(500);
    }
}

void exec_python(const char *source)
{
    PyGILState_STATE gil = PyGILState_Ensure();

    gn_test_python_run(source);
    PyGILState_Release(gil);
}

void exec_end(struct exec_call *calls, unsigned n)
{
    cr_assert_eq(
            gn_pyexec_stop(exec_under_test, gn_deadline_after_ms(gn_clock_now(), 20000)), GN_OK);
    for (unsigned i = 0; i < n; i++) {
        cr_assert(calls[i].is_done || calls[i].is_refused);
    }
    gn_py_host_take_gil(gn_test_python_host(), gn_deadline_after_ms(gn_clock_now(), 20000));
    for (unsigned i = 0; i < n; i++) {
        Py_CLEAR(calls[i].function);
    }
    gn_assert_gil();
    gn_pyexec_destroy(&exec_under_test);
    gn_test_python_stop();
    gn_loop_destroy(&exec_loop);
    gn_log_set_sink(NULL, NULL);
}
