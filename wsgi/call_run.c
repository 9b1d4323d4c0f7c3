/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/compat_priv.h"
#include "bridge/py/gil_priv.h"
#include "wsgi/bound_priv.h"
#include "wsgi/call_priv.h"
#include "wsgi/errors_priv.h"
#include "wsgi/input_priv.h"

/*
 * The worker's side of a call, from environ to close(), all on one thread and
 * under the GIL:
 *
 *   prepare    environ and the callables; then the exchange is the loop's again
 *   call       application(environ, start_response)
 *   respond    a list or tuple at once, a file by descriptor, else piece by piece
 *   close      always, once, when there is a close()
 *   finish     everything handed to the application is cut off
 *
 * What the application raises becomes an outcome in call_fault.c; what it
 * streams goes through call_sink.c.
 */

#define DATE_CHECK_NS (20 * GN_NS_PER_MS) /* how old the Date header may be beyond its second */

/* ---- objects of the call ----------------------------------------------------------- */

static PyObject *client_disconnected(
        void *target, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    struct gn_wsgi_call *call = target;

    (void)args;
    if (n_args != 0 || (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0)) {
        PyErr_SetString(PyExc_TypeError, "client_disconnected() takes no arguments");
        return NULL;
    }
    return PyBool_FromLong(gn_wsgi_call_is_gone(call));
}

void gn_wsgi_run_init(struct gn_wsgi_call *call)
{
    gn_wsgi_call_sink_init(call);
    gn_wsgi_response_init(&call->worker.response, &call->worker.sink);
    call->worker.response.headers.known = &gn_wsgi_desk_of(call->container, 0)->known;
    call->worker.start.response = &call->worker.response;
}

void gn_wsgi_run_fini(struct gn_wsgi_call *call)
{
    gn_wsgi_start_fini(&call->worker.start);
    gn_wsgi_response_fini(&call->worker.response);
    Py_CLEAR(call->worker.input);
    Py_CLEAR(call->worker.streamed_input);
    Py_CLEAR(call->worker.client_disconnected);
}

GN_NEEDS_GIL static enum gn_err make_objects(struct gn_wsgi_call *call)
{
    struct gn_wsgi_container *container = call->container;

    GN_TRY(gn_wsgi_start_bind(&call->worker.start, container->python.bound_type));
    if (call->worker.client_disconnected == NULL) {
        call->worker.client_disconnected = gn_wsgi_bound_new(container->python.bound_type,
                "gustnado.client_disconnected", client_disconnected, call);
    } else {
        gn_wsgi_bound_set(call->worker.client_disconnected, call);
    }
    if (call->worker.input == NULL) {
        call->worker.input = gn_wsgi_input_new(container->python.input_type);
    }
    if (call->worker.client_disconnected == NULL || call->worker.input == NULL) {
        return GN_ERR_PYTHON;
    }
    gn_wsgi_input_start(call->worker.input, call->request.has_body ? &call->request.body : NULL);
    if (GN_UNLIKELY(call->request.upload.intake != NULL)) {
        call->worker.streamed_input = gn_wsgi_streamed_input_new(
                container->python.streamed_input_type, &call->request.upload);
        return call->worker.streamed_input != NULL ? GN_OK : GN_ERR_PYTHON;
    }
    return GN_OK;
}

GN_NEEDS_GIL static enum gn_err make_environ(struct gn_wsgi_call *call, struct gn_wsgi_desk *desk)
{
    struct gn_wsgi_environ_request request = {
            .exchange = call->request.exchange,
            .body_bytes = call->request.has_body ? call->request.body.len : 0,
            .path_info = call->request.path_info,
            .outer_script_name = call->request.outer_script_name,
            .deadline = call->request.deadline,
    };

    GN_TRY(make_objects(call));
    call->request.has_body = false; /* the input object has it now */
    request.input = call->worker.input;
    if (GN_UNLIKELY(call->worker.streamed_input != NULL)) {
        request.input = call->worker.streamed_input;
        request.body_bytes = call->request.upload.length;
    }
    request.early_hints = call->worker.start.early_hints;
    request.client_disconnected = call->worker.client_disconnected;
    call->worker.environ = gn_wsgi_environ_make(
            &desk->environ, &desk->templates[call->mount->number], &request, &call->worker.asked);
    return call->worker.environ != NULL ? GN_OK : GN_ERR_PYTHON;
}

/** The Date header; the clock is asked a few times a second, not per request. */
static struct gn_slice date_now(struct gn_wsgi_desk *desk, gn_deadline now)
{
    if (desk->date.is_set && now - desk->date_read_at < DATE_CHECK_NS) {
        return gn_slice_of(desk->date.text, GN_HTTP_DATE_BYTES);
    }
    desk->date_read_at = now;
    return gn_http_date_cached(&desk->date, gn_clock_wall() / GN_NS_PER_S);
}

/** In a free-threaded build a call finds another desk each time, perhaps for the first time. */
GN_NEEDS_GIL static enum gn_err sit_down(struct gn_wsgi_call *call, struct gn_wsgi_desk *desk)
{
#ifdef Py_GIL_DISABLED
    call->worker.response.headers.known = &desk->known;
    if (GN_UNLIKELY(desk->errors == NULL)) {
        return gn_wsgi_desk_lay(desk, call->container);
    }
#else
    (void)call;
    (void)desk;
#endif
    return GN_OK;
}

/** The head may be made when the exchange has ended. */
static void keep_request_id(struct gn_wsgi_call *call)
{
    struct gn_slice id = call->request.exchange->request_id;

    gn_assert(id.len <= sizeof(call->worker.request_id));
    memcpy(call->worker.request_id, id.ptr, id.len);
    call->worker.response.request_id = gn_slice_of(call->worker.request_id, id.len);
}

GN_NEEDS_GIL static enum gn_err prepare(struct gn_wsgi_call *call)
{
    struct gn_wsgi_desk *desk = gn_wsgi_desk_of(call->container, call->py.worker);
    enum gn_err rc;

    gn_wsgi_response_begin(&call->worker.response, &call->request.exchange->writer,
            date_now(desk, call->py.started_at));
    if (GN_UNLIKELY(call->request.exchange->request_id.len > 0)) {
        keep_request_id(call);
    }
    rc = sit_down(call, desk);
    if (GN_LIKELY(rc == GN_OK)) {
        rc = make_environ(call, desk);
    }
    atomic_store_explicit(&call->shared.reads_exchange, false, memory_order_release);
    return rc;
}

GN_NEEDS_GIL static void flush_errors(const struct gn_wsgi_desk *desk)
{
#ifdef Py_GIL_DISABLED
    if (desk->errors == NULL) {
        return; /* it could not be laid */
    }
#endif
    gn_wsgi_errors_flush(desk->errors);
}

/** Cuts off what the application was given; keeps for the next request what it let go. */
GN_NEEDS_GIL static void finish(struct gn_wsgi_call *call)
{
    PyObject **disconnected = &call->worker.client_disconnected;

    Py_CLEAR(call->worker.environ); /* first: it refers to all the others */
    gn_wsgi_start_unbind(&call->worker.start);
    gn_wsgi_response_release(&call->worker.response);
    if (*disconnected != NULL) {
        gn_wsgi_bound_set(*disconnected, NULL);
        if (!gn_py_is_sole(*disconnected)) {
            Py_CLEAR(*disconnected);
        }
    }
    if (call->worker.input != NULL) {
        gn_wsgi_input_finish(call->worker.input);
        if (!gn_py_is_sole(call->worker.input)) {
            Py_CLEAR(call->worker.input);
        }
    }
    if (call->worker.streamed_input != NULL) {
        gn_wsgi_streamed_input_finish(call->worker.streamed_input);
        Py_CLEAR(call->worker.streamed_input);
    }
    flush_errors(gn_wsgi_desk_of(call->container, call->py.worker));
    Py_CLEAR(call->worker.asked.method);
    Py_CLEAR(call->worker.asked.uri);
    Py_CLEAR(call->worker.asked.peer);
}

/* ---- the response ------------------------------------------------------------------ */

/*
 * Threads of the application may write() while the call's own thread goes on.
 * Without a GIL what either does to the response is in the section of its guard,
 * which holds no Python code: a generator may wait for such a thread.
 */

/** The whole length when one piece is all there is (PEP 3333, "Handling the Content-Length"). */
static uint64_t length_of_single(PyObject *result, PyObject *piece)
{
    PyTypeObject *type = Py_TYPE(result);
    bool has_len = (type->tp_as_sequence != NULL && type->tp_as_sequence->sq_length != NULL) ||
            (type->tp_as_mapping != NULL && type->tp_as_mapping->mp_length != NULL);
    Py_ssize_t n;

    if (!has_len || !PyBytes_Check(piece)) {
        return GN_LENGTH_UNKNOWN;
    }
    n = PyObject_Size(result);
    PyErr_Clear();
    return n == 1 ? (uint64_t)PyBytes_GET_SIZE(piece) : GN_LENGTH_UNKNOWN;
}

/** str, bytes and None deserve a better word than what iterating them would say. */
static PyObject *iterator_of(PyObject *result)
{
    if (result == Py_None || PyUnicode_Check(result) || PyBytes_Check(result)) {
        PyErr_Format(PyExc_TypeError,
                "a WSGI application must return an iterable of bytes, such as [b'...'], not %.100s",
                result == Py_None ? "None" : Py_TYPE(result)->tp_name);
        return NULL;
    }
    return PyObject_GetIter(result);
}

GN_NEEDS_GIL static enum gn_err send_pieces(
        struct gn_wsgi_call *call, PyObject *result, PyObject *iterator)
{
    struct gn_wsgi_response *r = &call->worker.response;
    enum gn_err rc = GN_OK;
    struct gn_py_section section;
    bool is_first = true;
    PyObject *piece;

    while (rc == GN_OK && (piece = PyIter_Next(iterator)) != NULL) {
        uint64_t hint = is_first ? length_of_single(result, piece) : GN_LENGTH_UNKNOWN;

        is_first = false;
        gn_wsgi_call_guard(call, &section);
        rc = gn_wsgi_response_send(r, piece, hint);
        gn_py_section_end(&section);
        Py_DECREF(piece);
        if (rc == GN_OK && gn_wsgi_call_is_gone(call)) {
            rc = GN_ERR_GONE;
        }
    }
    if (rc == GN_OK && PyErr_Occurred()) {
        return GN_ERR_PYTHON;
    }
    return rc;
}

GN_NEEDS_GIL static enum gn_err end_stream(struct gn_wsgi_call *call, enum gn_err rc)
{
    struct gn_py_section section;

    gn_wsgi_call_await_writers(call);
    if (rc == GN_OK || rc == GN_ERR_CLOSED || rc == GN_ERR_TOO_BIG) {
        gn_wsgi_call_guard(call, &section);
        rc = gn_wsgi_response_end(&call->worker.response);
        gn_py_section_end(&section);
    }
    return rc;
}

/** write() has sent the head, so the length of the body is not known any more. */
static bool has_begun(const struct gn_wsgi_call *call)
{
    return call->worker.response.stage == GN_WSGI_SENT;
}

#ifdef Py_GIL_DISABLED

/** The same where other threads may change the list, or write, at any moment. */
GN_NEEDS_GIL static enum gn_err send_list(struct gn_wsgi_call *call, PyObject *list)
{
    PyObject *items = PySequence_Tuple(list);
    enum gn_err rc = GN_ERR_PYTHON;
    struct gn_py_section section;

    if (items == NULL) {
        return GN_ERR_PYTHON;
    }
    gn_wsgi_call_guard(call, &section);
    if (GN_LIKELY(!has_begun(call))) {
        rc = gn_wsgi_response_send_all(
                &call->worker.response, PySequence_Fast_ITEMS(items), PyTuple_GET_SIZE(items));
    } else {
        PyErr_SetString(PyExc_RuntimeError, "another thread called write() meanwhile");
    }
    gn_py_section_end(&section);
    Py_DECREF(items);
    return rc;
}

#else

/** A list or tuple of pieces, all there. */
GN_NEEDS_GIL static enum gn_err send_list(struct gn_wsgi_call *call, PyObject *list)
{
    return gn_wsgi_response_send_all(
            &call->worker.response, PySequence_Fast_ITEMS(list), PySequence_Fast_GET_SIZE(list));
}

#endif

/** The iterator of a list makes nothing: what is left of the list is the whole body. */
GN_NEEDS_GIL static enum gn_err send_rest_of_list(struct gn_wsgi_call *call, PyObject *iterator)
{
    PyObject *list = PySequence_List(iterator);
    enum gn_err rc = list != NULL ? send_list(call, list) : GN_ERR_PYTHON;

    Py_XDECREF(list);
    return rc;
}

GN_NEEDS_GIL static enum gn_err iterate(struct gn_wsgi_call *call, PyObject *result)
{
    PyObject *iterator = iterator_of(result);
    enum gn_err rc;

    if (iterator == NULL) {
        return GN_ERR_PYTHON;
    }
    if (Py_IS_TYPE(iterator, &PyListIter_Type) && !has_begun(call)) {
        rc = send_rest_of_list(call, iterator);
    } else {
        rc = end_stream(call, send_pieces(call, result, iterator));
    }
    Py_DECREF(iterator);
    return rc;
}

GN_NEEDS_GIL static enum gn_err send_file(
        struct gn_wsgi_call *call, struct gn_wsgi_file_range *range)
{
    struct gn_py_section section;
    enum gn_err rc;

    gn_wsgi_call_guard(call, &section);
    rc = gn_wsgi_response_send_file(&call->worker.response, range);
    gn_py_section_end(&section);
    return rc;
}

GN_NEEDS_GIL static enum gn_err send_result(struct gn_wsgi_call *call, PyObject *result)
{
    struct gn_wsgi_file_range range;

    if ((PyList_CheckExact(result) || PyTuple_CheckExact(result)) && GN_LIKELY(!has_begun(call))) {
        return send_list(call, result);
    }
    if (Py_IS_TYPE(result, call->container->python.file_wrapper_type) &&
            gn_wsgi_file_wrapper_open(result, &range)) {
        return end_stream(call, send_file(call, &range));
    }
    return iterate(call, result);
}

/** Worth a word in the log, though the client has its answer. */
static bool is_odd(const struct gn_wsgi_response *r)
{
    return r->is_short || r->is_long || r->dropped_id != 0;
}

GN_NEEDS_GIL static enum gn_wsgi_outcome respond(struct gn_wsgi_call *call, PyObject *result)
{
    enum gn_err rc = send_result(call, result);

    if (GN_LIKELY(rc == GN_OK)) {
        if (GN_UNLIKELY(is_odd(&call->worker.response))) {
            gn_wsgi_call_log_oddities(call);
        }
        return GN_WSGI_COMPLETE;
    }
    return rc == GN_ERR_GONE ? GN_WSGI_DROPPED : gn_wsgi_call_failed(call);
}

GN_NEEDS_GIL static void flush(struct gn_wsgi_call *call)
{
    struct gn_py_section section;

    gn_wsgi_call_guard(call, &section);
    (void)!gn_wsgi_response_flush(&call->worker.response);
    gn_py_section_end(&section);
}

/** close() may take its time, so whatever is complete goes out before. */
GN_NEEDS_GIL static void close_result(struct gn_wsgi_call *call, PyObject *result)
{
    PyObject *close;
    PyObject *value;

    if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) {
        return;
    }
    close = PyObject_GetAttr(result, call->container->python.close_name);
    if (close == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return;
    }
    if (call->worker.outcome == GN_WSGI_COMPLETE && !PyGen_CheckExact(result)) {
        flush(call);
    }
    value = close != NULL ? PyObject_CallNoArgs(close) : NULL;
    if (value == NULL && gn_wsgi_call_is_of_ours(call)) {
        PyErr_Clear();
    } else if (value == NULL) {
        gn_wsgi_call_log_exception(call, "exception in close() of the WSGI application's iterable");
    }
    Py_XDECREF(value);
    Py_XDECREF(close);
}

GN_NEEDS_GIL static void call_application(struct gn_wsgi_call *call)
{
    PyObject *args[3] = {NULL, call->worker.environ, call->worker.start.start_response};
    PyObject *result = PyObject_Vectorcall(
            call->mount->application, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);

    if (result == NULL) {
        call->worker.outcome = gn_wsgi_call_failed(call);
        return;
    }
    call->worker.outcome = respond(call, result);
    close_result(call, result);
    Py_DECREF(result);
}

void gn_wsgi_run(struct gn_pycall *py)
{
    struct gn_wsgi_call *call = GN_CONTAINER_OF(py, struct gn_wsgi_call, py);

    gn_assert_gil();
    if (gn_wsgi_call_is_gone(call)) {
        call->worker.outcome = GN_WSGI_DROPPED;
        atomic_store_explicit(&call->shared.reads_exchange, false, memory_order_release);
        return;
    }
    if (GN_LIKELY(prepare(call) == GN_OK)) {
        call_application(call);
    } else {
        call->worker.outcome = gn_wsgi_call_failed(call);
    }
    gn_wsgi_call_await_writers(call);
    finish(call);
    if (call->worker.pipe != NULL && GN_LIKELY(!gn_pyexec_is_forked(call->container->pyexec))) {
        gn_pipe_finish(&call->worker.pipe,
                call->worker.outcome == GN_WSGI_COMPLETE ? GN_OK : GN_ERR_CLOSED);
    }
}
