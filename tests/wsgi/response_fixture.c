/* SPDX-License-Identifier: MIT */
#include "tests/wsgi/response_fixture.h"

#include <unistd.h>

#include "server/base/alloc.h"
#include "tests/support/test.h"

#include "bridge/py/gil_priv.h"
#include "wsgi/bound_priv.h"
#include "wsgi/start_response_priv.h"

static void drain(struct sunk *s, struct gn_bufq *from)
{
    while (!gn_bufq_is_empty(from)) {
        struct gn_bufq_file file;
        struct iovec iov;

        if (gn_bufq_peek_file(from, &file)) {
            cr_assert_eq(gn_buf_reserve(&s->wire, file.len), GN_OK);
            cr_assert_eq(pread(file.fd, s->wire.ptr + s->wire.len, file.len, (off_t)file.offset),
                    (ssize_t)file.len);
            s->wire.len += file.len;
            gn_bufq_consume(from, file.len);
            continue;
        }
        cr_assert_eq(gn_bufq_peek(from, &iov, 1), 1);
        cr_assert_eq(gn_buf_append(&s->wire, gn_slice_of(iov.iov_base, iov.iov_len)), GN_OK);
        gn_bufq_consume(from, iov.iov_len);
    }
}

static enum gn_err sink_send(void *arg, struct gn_bufq *take)
{
    struct sunk *s = arg;

    s->n_sends++;
    if (s->is_gone) {
        gn_bufq_clear(take);
        return GN_ERR_GONE;
    }
    drain(s, take);
    return GN_OK;
}

struct lent {
    struct sunk *sunk;
    PyObject *object;
};

static void *sink_lend(void *arg, PyObject *bytes)
{
    struct lent *lent = gn_xalloc(sizeof(*lent));

    *lent = (struct lent){.sunk = arg, .object = Py_NewRef(bytes)};
    lent->sunk->n_lent++;
    return lent;
}

static void sink_release(void *arg)
{
    struct lent *lent = arg;

    lent->sunk->n_lent--;
    Py_DECREF(lent->object);
    gn_free(lent);
}

void sunk_begin(struct sunk *s, const char *request)
{
    gn_assert_gil();
    memset(s, 0, sizeof(*s));
    wsgi_request_parse(&s->request, request);
    gn_buf_init(&s->wire, 64 * 1024 * 1024);
    s->sink = (struct gn_wsgi_sink){
            .send = sink_send, .lend = sink_lend, .release = sink_release, .arg = s};
    gn_wsgi_response_init(&s->response, &s->sink);
    gn_wsgi_response_begin(
            &s->response, &s->request.exchange.writer, GN_LIT("Sun, 06 Nov 1994 08:49:37 GMT"));
}

void sunk_start(struct sunk *s, const char *status, const char *headers)
{
    gn_assert_gil();
    PyTypeObject *type = gn_wsgi_bound_type_create();
    struct gn_wsgi_start start = {.response = &s->response};
    PyObject *globals;
    char code[512];

    cr_assert_eq(gn_wsgi_start_bind(&start, type), GN_OK);
    globals = wsgi_globals("start_response", start.start_response);
    (void)snprintf(code, sizeof(code), "start_response('%s', %s)", status, headers);
    wsgi_run(globals, code);
    Py_DECREF(globals);
    gn_wsgi_start_fini(&start);
    Py_DECREF(type);
}

const char *sunk_end(struct sunk *s)
{
    cr_assert_eq(gn_buf_append(&s->wire, gn_buf_slice(&s->response.bytes)), GN_OK);
    gn_buf_clear(&s->response.bytes);
    drain(s, &s->response.out);
    cr_assert_eq(gn_buf_append(&s->wire, gn_slice_of("", 1)), GN_OK);
    return s->wire.ptr;
}

const char *sunk_body(const struct sunk *s)
{
    const char *blank = strstr(s->wire.ptr, "\r\n\r\n");

    cr_assert_not_null(blank, "%s", s->wire.ptr);
    return blank + 4;
}

void sunk_fini(struct sunk *s)
{
    gn_assert_gil();
    gn_wsgi_response_drop(&s->response);
    gn_wsgi_response_fini(&s->response);
    cr_assert_eq(s->n_lent, 0);
    gn_buf_fini(&s->wire);
    wsgi_request_fini(&s->request);
}
