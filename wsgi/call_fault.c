/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/late.h"
#include "bridge/py/pyerr.h"
#include "server/base/log.h"

#include "bridge/py/compat_priv.h"
#include "wsgi/call_priv.h"

/*
 * What goes wrong in a call: an exception is logged where it surfaces and
 * becomes an outcome; nothing raised by an application, SystemExit and
 * KeyboardInterrupt included, leaves the worker's side. Only one that says that
 * the client is gone is not worth a line.
 */

static const char *text_of(PyObject *text)
{
    const char *utf8 = text != NULL ? PyUnicode_AsUTF8(text) : NULL;

    if (utf8 == NULL) {
        PyErr_Clear();
        return "?";
    }
    return utf8;
}

void gn_wsgi_call_log_exception(struct gn_wsgi_call *call, const char *what)
{
    const struct gn_wsgi_asked *asked = &call->worker.asked;
    const struct gn_slice id = call->worker.response.request_id;
    PyObject *exception = gn_py_take_raised();
    struct gn_buf heading;

    gn_buf_init(&heading, 16384);
    (void)!gn_buf_printf(&heading, "%s: %s %s from %s", what, text_of(asked->method),
            text_of(asked->uri), text_of(asked->peer));
    if (id.len > 0) {
        (void)!gn_buf_printf(&heading, ", request " GN_SLICE_FMT, GN_SLICE_ARG(id));
    }
    if (exception != NULL) {
        gn_py_raise_again(exception);
    }
    gn_pyerr_log(GN_LOG_ERROR, gn_buf_slice(&heading));
    gn_buf_fini(&heading);
}

bool gn_wsgi_call_is_of_ours(struct gn_wsgi_call *call)
{
    PyObject *says_gone =
            call->worker.streamed_input != NULL ? PyExc_OSError : PyExc_BrokenPipeError;

    return gn_wsgi_call_is_gone(call) &&
            (PyErr_ExceptionMatches(says_gone) ||
                    (PyErr_ExceptionMatches(PyExc_TimeoutError) &&
                            gn_pyexec_was_interrupted(call->container->pyexec, &call->py)));
}

enum gn_wsgi_outcome gn_wsgi_call_failed(struct gn_wsgi_call *call)
{
    if (gn_wsgi_call_is_of_ours(call)) {
        PyErr_Clear();
        return GN_WSGI_DROPPED;
    }
    gn_wsgi_call_log_exception(call, "exception in the WSGI application");
    return GN_WSGI_FAILED;
}

GN_NEEDS_GIL GN_COLD static void log_lengths(struct gn_wsgi_call *call)
{
    const struct gn_wsgi_response *r = &call->worker.response;
    const struct gn_wsgi_asked *asked = &call->worker.asked;

    gn_log_warning("the application's body is %s than its Content-Length of %llu: %s %s",
            r->is_long ? "longer" : "shorter", (unsigned long long)r->writer.declared,
            text_of(asked->method), text_of(asked->uri));
}

/** Once per header: an application that sends it does so with every response. */
GN_NEEDS_GIL GN_COLD static void log_dropped(struct gn_wsgi_container *container, unsigned id)
{
    uint64_t bit = UINT64_C(1) << (id & 63);
    uint64_t before =
            atomic_fetch_or_explicit(&container->warned_ids[id >> 6], bit, memory_order_relaxed);

    if ((before & bit) == 0) {
        gn_log_warning("the application set the hop-by-hop header '" GN_SLICE_FMT
                       "', which is the server's business; it is left out",
                GN_SLICE_ARG(gn_header_name((enum gn_header_id)id)));
    }
}

void gn_wsgi_call_log_oddities(struct gn_wsgi_call *call)
{
    const struct gn_wsgi_response *r = &call->worker.response;

    if (r->is_short || r->is_long) {
        log_lengths(call);
    }
    if (r->dropped_id != 0 && r->dropped_id != GN_HDR_CONNECTION) {
        log_dropped(call->container, r->dropped_id);
    }
}
