/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_HOST_PRIV_H
#define GN_BRIDGE_PY_HOST_PRIV_H

/*
 * The interpreter's host, which host.c begins and host_end.c ends. Behind
 * <Python.h>.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "bridge/py/fork.h"
#include "bridge/py/host.h"
#include "bridge/py/venv.h"

#define GN_PY_HOST_MAGIC 0x5f9d10a3u

struct gn_py_host {
    unsigned magic;
    struct gn_py_venv venv;
    char *executable;
    PyThreadState *main_state; /* not NULL while the main thread does not hold the GIL */
    pthread_t main_thread;
    int exit_status; /* where the process is ended from here */
    struct gn_py_fork_hook *fork_hook;
    atomic_bool is_joining;     /* the main thread waits for other threads */
    atomic_bool is_interrupted; /* and was told to give up */
};

#endif
