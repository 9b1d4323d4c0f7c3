/* SPDX-License-Identifier: MIT */
#include "web/request.h"

#include <sys/mman.h>

#include "server/base/alloc.h"
#include "server/base/log.h"

#include "web/web_priv.h"

/*
 * Views of a request. Nothing is parsed before it is asked for; what was
 * parsed stays in the arena. Arguments are in web/args.c.
 */

enum gn_http_method gn_request_method(const struct gn_request *r)
{
    return r->ex->head->method;
}

struct gn_slice gn_request_method_name(const struct gn_request *r)
{
    return r->ex->head->method_name;
}

struct gn_slice gn_request_path(const struct gn_request *r)
{
    return r->ex->path_info;
}

struct gn_slice gn_request_query(const struct gn_request *r)
{
    return r->ex->head->query;
}

struct gn_slice gn_request_prefix(const struct gn_request *r)
{
    return r->ex->script_name;
}

struct gn_slice gn_request_host(const struct gn_request *r)
{
    return r->ex->head->host;
}

bool gn_request_is_tls(const struct gn_request *r)
{
    return r->ex->is_tls;
}

const struct gn_tls_facts *gn_request_tls(const struct gn_request *r)
{
    return r->ex->tls;
}

/* ---- headers ------------------------------------------------------------- */

/** ptr not NULL for a field that is there, however empty. */
static struct gn_slice value_of(const struct gn_header *field)
{
    if (field == NULL) {
        return gn_slice_of(NULL, 0);
    }
    return field->value.ptr != NULL ? field->value : GN_LIT("");
}

struct gn_slice gn_request_header_id(const struct gn_request *r, enum gn_header_id id)
{
    return value_of(gn_http1_head_find(r->ex->head, id));
}

struct gn_slice gn_request_header(const struct gn_request *r, const char *name)
{
    const struct gn_http1_head *head = r->ex->head;

    return value_of(gn_headers_find_name(head->headers, head->n_headers, gn_slice_str(name)));
}

static struct gn_slice unquoted(struct gn_slice value)
{
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
        return gn_slice_of(value.ptr + 1, value.len - 2);
    }
    return value;
}

/** RFC 6265 4.2.1: name=value pairs with "; " between them. */
static bool find_cookie(struct gn_slice field, struct gn_slice name, struct gn_slice *value_out)
{
    struct gn_slice pair;

    while (gn_slice_split(&field, ';', &pair)) {
        size_t equals = gn_slice_find(pair, '=');

        if (equals < pair.len &&
                gn_slice_eq(gn_slice_trim_ows(gn_slice_of(pair.ptr, equals)), name)) {
            *value_out = unquoted(gn_slice_trim_ows(gn_slice_skip(pair, equals + 1)));
            return true;
        }
    }
    return false;
}

struct gn_slice gn_request_cookie(const struct gn_request *r, const char *name)
{
    const struct gn_http1_head *head = r->ex->head;
    struct gn_slice value;

    for (unsigned i = 0; i < head->n_headers; i++) {
        if (head->headers[i].id == GN_HDR_COOKIE &&
                find_cookie(head->headers[i].value, gn_slice_str(name), &value)) {
            return value;
        }
    }
    return gn_slice_of(NULL, 0);
}

/* ---- body ------------------------------------------------------------------ */

struct mapping {
    void *at;
    size_t len;
};

static void unmap(void *arg)
{
    struct mapping *m = arg;

    (void)munmap(m->at, m->len);
}

GN_LOOP_THREAD static struct gn_slice map_spooled(struct gn_exchange *ex)
{
    struct mapping *m = gn_arena_alloc(&ex->arena, sizeof(*m));

    m->len = (size_t)ex->body.len;
    m->at = mmap(NULL, m->len, PROT_READ, MAP_PRIVATE, ex->body.spool_fd, 0);
    if (m->at == MAP_FAILED) {
        gn_log_error("a spooled request body of %zu bytes could not be mapped", m->len);
        return gn_slice_of(NULL, 0);
    }
    gn_arena_on_reset(&ex->arena, unmap, m);
    return gn_slice_of(m->at, m->len);
}

struct gn_slice gn_request_body(struct gn_request *r)
{
    if (r->body_view.ptr != NULL) {
        return r->body_view;
    }
    gn_assert(r->ex->body_mode == GN_BODY_COLLECT);
    if (r->ex->body.len == 0) {
        r->body_view = GN_LIT("");
    } else if (r->ex->body.spool_fd >= 0) {
        r->body_view = map_spooled(r->ex);
    } else {
        r->body_view = gn_body_peek(&r->ex->body);
    }
    return r->body_view;
}

enum gn_err gn_request_read_await(
        struct gn_request *r, struct gn_bufq *into, bool *ended_out, gn_deadline deadline)
{
    const uint64_t before = into->n_bytes;

    gn_assert(r->ex->body_mode == GN_BODY_STREAM);
    for (;;) {
        gn_exchange_take_body(r->ex, into, ended_out);
        if (*ended_out || into->n_bytes > before) {
            return GN_OK;
        }
        GN_TRY(gn_cond_await(&r->news, deadline));
    }
}

/* ---- around the request ------------------------------------------------------ */

const struct gn_addr *gn_request_peer(const struct gn_request *r)
{
    return &r->ex->peer;
}

const struct gn_addr *gn_request_proxy(const struct gn_request *r)
{
    return r->ex->proxy;
}

struct gn_slice gn_request_client(struct gn_request *r)
{
    char text[GN_ADDR_TEXT_BYTES];
    size_t len = gn_addr_format_host(&r->ex->peer, text);

    return gn_arena_dup(&r->ex->arena, gn_slice_of(text, len));
}

struct gn_slice gn_request_id(const struct gn_request *r)
{
    return gn_exchange_request_id(r->ex);
}

struct gn_arena *gn_request_arena(struct gn_request *r)
{
    return &r->ex->arena;
}

void *gn_request_data(const struct gn_request *r)
{
    return r->route->options.data;
}

struct gn_application *gn_request_app(const struct gn_request *r)
{
    return r->app;
}

struct gn_loop *gn_request_loop(const struct gn_request *r)
{
    return r->app->loop;
}

struct gn_exchange *gn_request_exchange(const struct gn_request *r)
{
    return r->ex;
}

bool gn_request_is_connected(const struct gn_request *r)
{
    return gn_exchange_is_connected(r->ex);
}

gn_deadline gn_after_ms(const struct gn_request *r, int64_t ms)
{
    return gn_loop_after_ms(r->app->loop, ms);
}

enum gn_err gn_run_await(struct gn_request *r, gn_run_fn fn, void *arg, gn_deadline deadline)
{
    return gn_executor_run_await(r->app->executor, fn, arg, deadline);
}
