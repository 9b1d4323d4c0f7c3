/* SPDX-License-Identifier: MIT */
/*
 * Of a free-threaded build the GIL is on as well unless PYTHON_GIL=0 is set, and an
 * application may change that while it runs. So it is asked for at the start and
 * every few milliseconds by workers that run. With a GIL as ever all of this is
 * constant, and this file all but empty.
 */
#include <Python.h>

#include "bridge/py/gil.h"

#include <sched.h>

#include "server/base/log.h"

#include "bridge/py/gil_priv.h"
#include "bridge/py/pyexec_priv.h"

#ifdef Py_GIL_DISABLED

bool gn_gil_is_on(void)
{
    PyObject *sys = PyImport_ImportModule("sys");
    PyObject *answer = sys != NULL ? PyObject_CallMethod(sys, "_is_gil_enabled", NULL) : NULL;
    bool is_on = answer != Py_False;

    PyErr_Clear();
    Py_XDECREF(answer);
    Py_XDECREF(sys);
    return is_on;
}

/* Processors that this process may use. */
static unsigned n_processors(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

void gn_gil_follow(struct gn_pyexec *exec)
{
    bool is_off = !gn_gil_is_on();
    unsigned n_cores;

    gn_assert_gil();
    if (is_off == gn_pyexec_is_gil_off(exec)) {
        return;
    }
    n_cores = is_off ? GN_MIN(n_processors(), exec->options.max_threads) : 1;
    (void)pthread_mutex_lock(&exec->shared.lock);
    atomic_store_explicit(&exec->is_gil_off, is_off, memory_order_relaxed);
    exec->shared.room.n_cores = n_cores;
    exec->shared.pace.n_cores = n_cores;
    (void)pthread_mutex_unlock(&exec->shared.lock);
    gn_log_debug("the GIL is %s: %u at a time run Python", is_off ? "off" : "on", n_cores);
}

const char *gn_gil_kind(void)
{
    return " free-threaded";
}

const char *gn_pyexec_gil_kind(const struct gn_pyexec *exec)
{
    return gn_pyexec_is_gil_off(exec) ? " free-threaded, GIL off" : " free-threaded, GIL on";
}

#else

const char *gn_gil_kind(void)
{
    return "";
}

const char *gn_pyexec_gil_kind(const struct gn_pyexec *exec)
{
    (void)exec;
    return "";
}

#endif
