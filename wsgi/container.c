/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "wsgi/container.h"

#include <stdlib.h>
#include <sys/random.h>

#include "bridge/py/pyerr.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/base/obj.h"
#include "server/http/exchange.h"
#include "server/proto/uri.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/bound_priv.h"
#include "wsgi/call_priv.h"
#include "wsgi/container_priv.h"
#include "wsgi/errors_priv.h"
#include "wsgi/file_wrapper_priv.h"
#include "wsgi/input_priv.h"

/*
 * Mounts are kept longest prefix first, so the first that matches is the right
 * one. Matching is on the decoded path: /%61dmin is /admin, for us as for the
 * application.
 */

#define RETRY_MS 1
#define DEFAULT_SOFTWARE "gustnado"

/* ---- serving ----------------------------------------------------------------------- */

static struct gn_wsgi_container *container_of(struct gn_handler *handler)
{
    struct gn_wsgi_container *c = GN_CONTAINER_OF(handler, struct gn_wsgi_container, handler);

    GN_CHECK_OBJ(c, GN_WSGI_CONTAINER_MAGIC);
    return c;
}

/** Whole segments: /app matches /app and /app/x, not /apple. */
static bool matches(struct gn_slice prefix, struct gn_slice path)
{
    return gn_slice_starts_with(path, prefix) &&
            (path.len == prefix.len || prefix.len == 0 || path.ptr[prefix.len] == '/');
}

static struct gn_wsgi_mount *find_mount(const struct gn_wsgi_container *c, struct gn_slice path)
{
    for (unsigned i = 0; i < c->n_mounts; i++) {
        if (matches(c->mounts[i].prefix, path)) {
            return &c->mounts[i];
        }
    }
    return NULL;
}

/** Decodes in place of the undecoded slice; nothing is copied when there is no escape. */
static enum gn_err decode(struct gn_exchange *ex, struct gn_slice *path)
{
    if (gn_slice_find(*path, '%') == path->len) {
        return GN_OK;
    }
    return gn_uri_decode(&ex->arena, *path, GN_URI_PATH, path);
}

/** TRACE would show a page's scripts the fields that browsers hide from them: never passed on. */
GN_LOOP_THREAD static void refuse_trace(struct gn_exchange *ex)
{
    const struct gn_header headers[] = {
            GN_HEADER(ALLOW, "Allow", GN_LIT("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH")),
    };

    gn_exchange_reply_error_with(ex, 405, GN_LIT(""), headers, GN_ARRAY_LEN(headers));
}

/** Finds the application and its decoded path; NULL when the request was refused. */
GN_LOOP_THREAD static struct gn_wsgi_mount *locate(
        const struct gn_wsgi_container *c, struct gn_exchange *ex, struct gn_slice *path_out)
{
    struct gn_wsgi_mount *mount;

    *path_out = ex->path_info;
    if (ex->head->form == GN_FORM_ASTERISK) {
        *path_out = GN_LIT(""); /* "*" is no path: the application as a whole is meant */
    }
    if (decode(ex, path_out) != GN_OK) {
        gn_exchange_reply_error(ex, 400, GN_LIT(""));
        return NULL;
    }
    mount = find_mount(c, *path_out);
    if (mount == NULL) {
        gn_exchange_reply_error(ex, 404, GN_LIT(""));
    }
    return mount;
}

/** A body is neither asked for nor collected when nobody wants it; else its mount says how. */
static void on_begin(struct gn_handler *handler, struct gn_exchange *ex)
{
    struct gn_wsgi_container *c = container_of(handler);
    const struct gn_http1_head *head = ex->head;
    const struct gn_wsgi_mount *mount;
    struct gn_slice path;

    gn_assert_loop_thread(c->loop);
    if (head->framing == GN_FRAMING_NONE ||
            (head->framing == GN_FRAMING_LENGTH && head->content_length == 0)) {
        return; /* serve looks, and that is now */
    }
    mount = locate(c, ex, &path);
    if (mount != NULL && mount->streams_uploads) {
        ex->body_mode = GN_BODY_STREAM;
    }
}

static void on_body(struct gn_handler *handler, struct gn_exchange *ex)
{
    gn_assert_loop_thread(container_of(handler)->loop);
    if (ex->handler_data != NULL) {
        gn_wsgi_upload_more(ex->handler_data);
    }
}

static void on_serve(struct gn_handler *handler, struct gn_exchange *ex)
{
    struct gn_wsgi_container *c = container_of(handler);
    struct gn_slice outer = ex->script_name;
    struct gn_wsgi_mount *mount;
    struct gn_slice path;

    gn_assert_loop_thread(c->loop);
    if (ex->head->method == GN_METHOD_TRACE) {
        refuse_trace(ex);
        return;
    }
    if (decode(ex, &outer) != GN_OK) {
        gn_exchange_reply_error(ex, 400, GN_LIT(""));
        return;
    }
    mount = locate(c, ex, &path);
    if (mount == NULL) {
        return;
    }
    gn_wsgi_call_start(c, mount, ex, gn_slice_skip(path, mount->prefix.len), outer);
}

static void on_drained(struct gn_handler *handler, struct gn_exchange *ex)
{
    gn_assert_loop_thread(container_of(handler)->loop);
    if (ex->handler_data != NULL) {
        gn_wsgi_call_drained(ex->handler_data);
    }
}

static void on_cancel(struct gn_handler *handler, struct gn_exchange *ex, enum gn_err why)
{
    gn_assert_loop_thread(container_of(handler)->loop);
    if (ex->handler_data != NULL) {
        gn_wsgi_call_cancel(ex->handler_data, why);
    }
}

static const struct gn_handler_ops container_ops = {
        .name = "wsgi",
        .begin = on_begin,
        .body = on_body,
        .serve = on_serve,
        .drained = on_drained,
        .cancel = on_cancel,
};

/* ---- life ---------------------------------------------------------------------------- */

/** "/" and a final '/' go; what is left is empty or begins with one. */
static enum gn_err clean_prefix(
        struct gn_slice prefix, struct gn_slice *clean_out, struct gn_error *err)
{
    while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '/') {
        prefix.len--;
    }
    if (prefix.len > 0 && prefix.ptr[0] != '/') {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "the mount prefix '" GN_SLICE_FMT "' must begin with '/'", GN_SLICE_ARG(prefix));
    }
    *clean_out = prefix;
    return GN_OK;
}

static int longer_first(const void *a, const void *b)
{
    const struct gn_wsgi_mount *x = a;
    const struct gn_wsgi_mount *y = b;

    return x->prefix.len < y->prefix.len ? 1 : x->prefix.len > y->prefix.len ? -1 : 0;
}

static enum gn_err python_failed(struct gn_error *err)
{
    PyErr_Clear();
    return gn_error_set(
            err, GN_ERR_PYTHON, 0, "Python could not make what the WSGI container needs");
}

GN_NEEDS_GIL static enum gn_err make_python(struct gn_wsgi_container *c)
{
    c->python.bound_type = gn_wsgi_bound_type_create();
    c->python.input_type = gn_wsgi_input_type_create();
    c->python.streamed_input_type = gn_wsgi_streamed_input_type_create();
    c->python.errors_type = gn_wsgi_errors_type_create();
    c->python.file_wrapper_type = gn_wsgi_file_wrapper_type_create();
    c->python.close_name = PyUnicode_InternFromString("close");
    return PyErr_Occurred() ? GN_ERR_PYTHON : GN_OK;
}

/** A secret, so that nobody outside can make two kinds of requests look like one. */
static uint64_t random_seed(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed)) {
        seed = (uint64_t)gn_clock_wall() * UINT64_C(0x9e3779b97f4a7c15);
    }
    return seed;
}

GN_NEEDS_GIL static enum gn_err add_mount(struct gn_wsgi_container *c,
        const struct gn_wsgi_mount_options *options, struct gn_error *err)
{
    struct gn_wsgi_mount *mount = &c->mounts[c->n_mounts];
    struct gn_slice prefix = {0};

    GN_TRY(clean_prefix(options->prefix, &prefix, err));
    for (unsigned i = 0; i < c->n_mounts; i++) {
        if (gn_slice_eq(c->mounts[i].prefix, prefix)) {
            return gn_error_set(err, GN_ERR_EXISTS, 0, "two applications are mounted at '%s'",
                    prefix.len > 0 ? c->mounts[i].prefix.ptr : "/");
        }
    }
    if (!PyCallable_Check(options->application)) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "the application at '" GN_SLICE_FMT "' is not callable; it is of type %s",
                GN_SLICE_ARG(options->prefix), Py_TYPE((PyObject *)options->application)->tp_name);
    }
    mount->prefix = gn_slice_of(gn_xstrndup(prefix.ptr, prefix.len), prefix.len);
    mount->application = Py_NewRef(options->application);
    mount->streams_uploads = options->streams_uploads;
    mount->family = options->family;
    mount->key_seed = random_seed();
    c->n_mounts++;
    return GN_OK;
}

GN_NEEDS_GIL static enum gn_err add_mounts(struct gn_wsgi_container *c,
        const struct gn_wsgi_container_options *options, struct gn_error *err)
{
    c->mounts = gn_xcalloc((options->n_mounts + 1) * sizeof(*c->mounts));
    for (unsigned i = 0; i < options->n_mounts; i++) {
        GN_TRY(add_mount(c, &options->mounts[i], err));
    }
    qsort(c->mounts, c->n_mounts, sizeof(*c->mounts), longer_first);
    for (unsigned i = 0; i < c->n_mounts; i++) {
        c->mounts[i].number = i;
    }
    return GN_OK;
}

/** With a GIL there is one desk, for whoever holds it; else one per worker, who lays it. */
GN_NEEDS_GIL static enum gn_err make_desks(
        struct gn_wsgi_container *c, const struct gn_wsgi_container_options *options)
{
    struct gn_slice software =
            options->server_software.len > 0 ? options->server_software : GN_LIT(DEFAULT_SOFTWARE);

    c->python.facts = (struct gn_wsgi_environ_facts){
            .file_wrapper = (PyObject *)c->python.file_wrapper_type,
            .server_software = gn_slice_of(gn_xstrndup(software.ptr, software.len), software.len),
            .multithread = options->multithread,
            .multiprocess = options->multiprocess,
    };
#ifdef Py_GIL_DISABLED
    c->n_desks = gn_pyexec_max_threads(c->pyexec);
    c->desks = gn_xcalloc(c->n_desks * sizeof(*c->desks));
    return GN_OK;
#else
    return gn_wsgi_desk_lay(c->desks, c);
#endif
}

GN_NEEDS_GIL static void clear_desks(struct gn_wsgi_container *c)
{
#ifdef Py_GIL_DISABLED
    for (unsigned i = 0; i < c->n_desks; i++) {
        gn_wsgi_desk_clear(&c->desks[i]);
    }
    gn_free(c->desks);
#else
    gn_wsgi_desk_clear(c->desks);
#endif
    gn_free((char *)(uintptr_t)c->python.facts.server_software.ptr);
}

enum gn_err gn_wsgi_container_create(const struct gn_wsgi_container_options *options,
        struct gn_wsgi_container **container_out, struct gn_error *err)
{
    struct gn_wsgi_container *c = gn_xcalloc(sizeof(*c));
    enum gn_err rc;

    gn_assert_loop_thread(options->loop);
    gn_assert_gil();
    gn_assert(options->pyexec != NULL && options->n_mounts > 0);
    c->handler.ops = &container_ops;
    c->magic = GN_WSGI_CONTAINER_MAGIC;
    c->loop = options->loop;
    c->pyexec = options->pyexec;
    c->pipe_bytes = options->pipe_bytes > 0 ? options->pipe_bytes : GN_PIPE_LIMIT_BYTES;
    gn_timeout_list_init(
            &c->loop_side.timeouts, c->loop, options->timeout_ms, gn_wsgi_call_on_timeout);
    gn_timeout_list_init(&c->loop_side.retries, c->loop, RETRY_MS, gn_wsgi_call_on_retry);
    rc = make_python(c);
    if (rc != GN_OK) {
        rc = python_failed(err);
        goto out;
    }
    rc = add_mounts(c, options, err);
    if (rc != GN_OK) {
        goto out;
    }
    rc = make_desks(c, options);
    if (rc != GN_OK) {
        rc = python_failed(err);
        goto out;
    }
    *container_out = c;
    c = NULL;
out:
    gn_wsgi_container_destroy(&c);
    return rc;
}

struct gn_handler *gn_wsgi_container_handler(struct gn_wsgi_container *container)
{
    GN_CHECK_OBJ(container, GN_WSGI_CONTAINER_MAGIC);
    return &container->handler;
}

struct gn_wsgi_stats gn_wsgi_container_stats(const struct gn_wsgi_container *container)
{
    GN_CHECK_OBJ(container, GN_WSGI_CONTAINER_MAGIC);
    return container->loop_side.stats;
}

GN_NEEDS_GIL static void drop_python(struct gn_wsgi_container *c)
{
    for (unsigned i = 0; i < c->n_mounts; i++) {
        Py_CLEAR(c->mounts[i].application);
    }
    clear_desks(c);
    Py_CLEAR(c->python.close_name);
    Py_CLEAR(c->python.bound_type);
    Py_CLEAR(c->python.input_type);
    Py_CLEAR(c->python.streamed_input_type);
    Py_CLEAR(c->python.errors_type);
    Py_CLEAR(c->python.file_wrapper_type);
}

void gn_wsgi_container_destroy(struct gn_wsgi_container **container)
{
    struct gn_wsgi_container *c = *container;

    if (c == NULL) {
        return;
    }
    GN_CHECK_OBJ(c, GN_WSGI_CONTAINER_MAGIC);
    gn_assert_loop_thread(c->loop);
    gn_assert_gil();
    *container = NULL;
    gn_timeout_list_fini(&c->loop_side.timeouts);
    gn_timeout_list_fini(&c->loop_side.retries);
    while (c->loop_side.free_calls != NULL) {
        struct gn_wsgi_call *call = c->loop_side.free_calls;

        c->loop_side.free_calls = call->loop.next_free;
        gn_wsgi_call_destroy(&call);
    }
    if (c->loop_side.stats.running > 0) {
        return; /* workers stuck in Python still refer to it */
    }
    drop_python(c);
    for (unsigned i = 0; i < c->n_mounts; i++) {
        gn_free((char *)(uintptr_t)c->mounts[i].prefix.ptr);
    }
    gn_free(c->mounts);
    c->magic = 0;
    gn_free(c);
}
