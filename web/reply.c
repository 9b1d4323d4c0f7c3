/* SPDX-License-Identifier: MIT */
#include "web/reply.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/proto/http_status.h"

#include "web/web_priv.h"

/*
 * A whole reply is only noted in the request, in its arena, and leaves when
 * the handler has returned: ending an exchange earlier would end the memory
 * the handler still works with. So later calls and errors can replace it.
 */

#define FIRST_HEADERS 8

/* ---- headers ----------------------------------------------------------------- */

/** Room for one more, and one beyond it for Content-Type. */
static void grow_headers(struct gn_request *r)
{
    unsigned cap = r->cap_headers == 0 ? FIRST_HEADERS : r->cap_headers * 2;
    struct gn_header *grown = gn_arena_alloc(&r->ex->arena, cap * sizeof(*grown));

    if (r->n_headers > 0) {
        memcpy(grown, r->headers, r->n_headers * sizeof(*grown));
    }
    r->headers = grown;
    r->cap_headers = cap;
}

static void push_header(struct gn_request *r, struct gn_slice name, struct gn_slice value)
{
    if (r->n_headers + 2 > r->cap_headers) {
        grow_headers(r);
    }
    r->headers[r->n_headers++] = (struct gn_header){.name = name, .value = value};
}

void gn_reply_header_add(struct gn_request *r, const char *name, struct gn_slice value)
{
    struct gn_arena *arena = &r->ex->arena;

    push_header(r, gn_arena_dup(arena, gn_slice_str(name)), gn_arena_dup(arena, value));
}

void gn_reply_header(struct gn_request *r, const char *name, struct gn_slice value)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < r->n_headers; i++) {
        if (!gn_slice_eq_nocase(r->headers[i].name, gn_slice_str(name))) {
            r->headers[kept++] = r->headers[i];
        }
    }
    r->n_headers = kept;
    gn_reply_header_add(r, name, value);
}

static bool has_header(const struct gn_request *r, struct gn_slice name)
{
    return gn_headers_find_name(r->headers, r->n_headers, name) != NULL;
}

/** The fields of the response: those set, and the content type unless it was set by name. */
static void fill_headers(struct gn_request *r, struct gn_response *response)
{
    if (r->content_type.ptr != NULL &&
            (r->n_headers == 0 || !has_header(r, GN_LIT("Content-Type")))) {
        if (r->cap_headers == 0) {
            grow_headers(r);
        }
        r->headers[r->n_headers] = GN_HEADER(CONTENT_TYPE, "Content-Type", r->content_type);
        response->n_headers = r->n_headers + 1;
    } else {
        response->n_headers = r->n_headers;
    }
    response->headers = r->headers;
}

/* ---- whole replies -------------------------------------------------------------- */

/** Notes a reply; `type` and `body` last as long as the request. */
static enum gn_err note(
        struct gn_request *r, int status, struct gn_slice type, struct gn_slice body)
{
    gn_assert(!r->is_streamed);
    r->status = status;
    r->content_type = type;
    r->body = body;
    return GN_OK;
}

enum gn_err gn_reply_text(struct gn_request *r, int status, struct gn_slice text)
{
    return note(r, status, GN_LIT("text/plain; charset=utf-8"), gn_arena_dup(&r->ex->arena, text));
}

enum gn_err gn_reply_textf(struct gn_request *r, int status, const char *fmt, ...)
{
    struct gn_slice text;
    va_list args;

    va_start(args, fmt);
    text = gn_web_vprintf(&r->ex->arena, fmt, args);
    va_end(args);
    return note(r, status, GN_LIT("text/plain; charset=utf-8"), text);
}

enum gn_err gn_reply_html(struct gn_request *r, int status, struct gn_slice html)
{
    return note(r, status, GN_LIT("text/html; charset=utf-8"), gn_arena_dup(&r->ex->arena, html));
}

enum gn_err gn_reply_json(struct gn_request *r, int status, struct gn_slice json)
{
    return note(r, status, GN_LIT("application/json"), gn_arena_dup(&r->ex->arena, json));
}

enum gn_err gn_reply_bytes(
        struct gn_request *r, int status, const char *content_type, struct gn_slice bytes)
{
    return gn_reply_borrowed(r, status, content_type, gn_arena_dup(&r->ex->arena, bytes));
}

enum gn_err gn_reply_borrowed(
        struct gn_request *r, int status, const char *content_type, struct gn_slice bytes)
{
    return note(r, status, gn_arena_dup(&r->ex->arena, gn_slice_str(content_type)), bytes);
}

enum gn_err gn_reply_status(struct gn_request *r, int status)
{
    return note(r, status, gn_slice_of(NULL, 0), gn_slice_of(NULL, 0));
}

enum gn_err gn_reply_redirect(struct gn_request *r, int status, struct gn_slice location)
{
    gn_assert(status >= 300 && status <= 399);
    gn_reply_header(r, "Location", location);
    return gn_reply_status(r, status);
}

enum gn_err gn_fail(struct gn_request *r, int status, const char *fmt, ...)
{
    va_list args;

    gn_assert(gn_http_status_is_error(status));
    va_start(args, fmt);
    r->fail_detail = gn_web_vprintf(&r->ex->arena, fmt, args);
    va_end(args);
    r->fail_status = status;
    return GN_ERR_REFUSED;
}

struct gn_slice gn_web_vprintf(struct gn_arena *arena, const char *fmt, va_list args)
{
    va_list again;
    char *text;
    int len;

    va_copy(again, args);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_copy has just set it */
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    gn_assert(len >= 0);
    text = gn_arena_alloc(arena, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, fmt, args);
    return gn_slice_of(text, (size_t)len);
}

/* ---- streamed replies -------------------------------------------------------------- */

enum gn_err gn_reply_start(
        struct gn_request *r, int status, const char *content_type, uint64_t body_length)
{
    struct gn_response head = {.status = status};
    enum gn_err rc;

    gn_assert(!r->is_streamed);
    r->content_type = content_type != NULL ? gn_arena_dup(&r->ex->arena, gn_slice_str(content_type))
                                           : gn_slice_of(NULL, 0);
    fill_headers(r, &head);
    rc = gn_exchange_start(r->ex, &head, body_length);
    if (rc == GN_ERR_INVALID) {
        gn_log_error("a streamed reply was refused: %s", r->ex->writer.error);
        return GN_ERR_BUG; /* passed up it is a 500: the client did nothing wrong */
    }
    GN_TRY(rc);
    r->is_streamed = true;
    r->status = status;
    return GN_OK;
}

enum gn_err gn_reply_write_queue_await(
        struct gn_request *r, struct gn_bufq *take, gn_deadline deadline)
{
    enum gn_err rc;

    gn_assert(r->is_streamed && !r->is_finished);
    rc = gn_exchange_write(r->ex, take);
    if (rc != GN_ERR_FULL) {
        return rc;
    }
    r->is_full = true;
    while (r->is_full) {
        GN_TRY(gn_cond_await(&r->news, deadline));
    }
    return GN_OK;
}

enum gn_err gn_reply_write_await(struct gn_request *r, struct gn_slice bytes, gn_deadline deadline)
{
    struct gn_bufq part = {0};

    gn_bufq_append(&part, bytes);
    return gn_reply_write_queue_await(r, &part, deadline);
}

enum gn_err gn_reply_finish(struct gn_request *r)
{
    gn_assert(r->is_streamed);
    r->is_finished = true;
    return GN_OK;
}

/* ---- after the handler --------------------------------------------------------------- */

/** Fields that spoke of the reply which is not sent. */
static bool is_about_body(const struct gn_header *field)
{
    return gn_slice_eq_nocase(field->name, GN_LIT("Content-Type")) ||
            gn_slice_eq_nocase(field->name, GN_LIT("Content-Encoding")) ||
            gn_slice_eq_nocase(field->name, GN_LIT("Content-Length")) ||
            gn_slice_eq_nocase(field->name, GN_LIT("ETag"));
}

void gn_reply_error(struct gn_request *r, int status, struct gn_slice detail)
{
    struct gn_header *kept;
    unsigned n = 0;

    if (r->n_headers == 0) {
        gn_exchange_reply_error(r->ex, status, detail);
        return;
    }
    kept = gn_arena_alloc(&r->ex->arena, r->n_headers * sizeof(*kept));
    for (unsigned i = 0; i < r->n_headers; i++) {
        if (!is_about_body(&r->headers[i])) {
            kept[n++] = r->headers[i];
        }
    }
    gn_exchange_reply_error_with(r->ex, status, detail, kept, n);
}

/** A failure the author should hear of, but not one that only says the client left. */
GN_LOOP_THREAD static void log_failure(const struct gn_request *r, int status)
{
    if (status >= 500 && r->rc != GN_ERR_GONE && r->rc != GN_ERR_CANCELLED) {
        gn_log_error("handler of " GN_SLICE_FMT " " GN_SLICE_FMT ": %s" GN_SLICE_FMT,
                GN_SLICE_ARG(r->ex->head->method_name), GN_SLICE_ARG(r->ex->head->path),
                r->fail_status == 0 ? gn_err_name(r->rc) : "", GN_SLICE_ARG(r->fail_detail));
    }
}

GN_LOOP_THREAD static void conclude_failed(struct gn_request *r)
{
    int status = r->fail_status != 0 ? r->fail_status : gn_err_http_status(r->rc);

    if (gn_exchange_is_connected(r->ex)) {
        log_failure(r, status);
    }
    if (r->is_streamed) {
        gn_exchange_abort(r->ex);
    } else {
        gn_reply_error(r, status, r->fail_detail);
    }
}

void gn_reply_conclude(struct gn_request *r)
{
    struct gn_response response = {.status = r->status, .body = r->body};

    if (r->rc != GN_OK && !r->is_finished) {
        conclude_failed(r);
        return;
    }
    if (r->is_streamed) {
        gn_exchange_finish(r->ex);
        return;
    }
    if (r->status == 0) {
        response.status = 204;
    }
    fill_headers(r, &response);
    gn_exchange_reply(r->ex, &response);
}
