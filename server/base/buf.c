/* SPDX-License-Identifier: MIT */
#include "server/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/base/alloc.h"

#define FIRST_CAPACITY 256

void gn_buf_init(struct gn_buf *b, size_t limit_bytes)
{
    *b = (struct gn_buf){.limit = limit_bytes};
}

void gn_buf_fini(struct gn_buf *b)
{
    gn_free(b->ptr);
    *b = (struct gn_buf){0};
}

/** Doubles from the current capacity to at least `needed`, never past the limit. */
static size_t next_capacity(const struct gn_buf *b, size_t needed)
{
    size_t cap = b->cap > 0 ? b->cap : FIRST_CAPACITY;

    while (cap < needed) {
        cap = cap > b->limit / 2 ? b->limit : cap * 2;
    }
    return GN_MIN(cap, b->limit);
}

enum gn_err gn_buf_reserve(struct gn_buf *b, size_t extra)
{
    char *grown;
    size_t cap;

    if (GN_LIKELY(b->cap - b->len >= extra)) {
        return GN_OK;
    }
    if (extra > b->limit - b->len) {
        return GN_ERR_TOO_BIG;
    }
    cap = next_capacity(b, b->len + extra);
    grown = gn_try_realloc(b->ptr, cap);
    if (grown == NULL) {
        return GN_ERR_NO_MEMORY;
    }
    b->ptr = grown;
    b->cap = cap;
    return GN_OK;
}

enum gn_err gn_buf_append(struct gn_buf *b, struct gn_slice bytes)
{
    if (bytes.len == 0) {
        return GN_OK;
    }
    GN_TRY(gn_buf_reserve(b, bytes.len));
    memcpy(b->ptr + b->len, bytes.ptr, bytes.len);
    b->len += bytes.len;
    return GN_OK;
}

/** The text fills the buffer to its limit: vsnprintf's NUL needs room elsewhere. */
static GN_PRINTF(3, 0) enum gn_err
        print_to_the_brim(struct gn_buf *b, size_t n, const char *fmt, va_list args)
{
    char *text = gn_try_alloc(n + 1);

    if (text == NULL) {
        return GN_ERR_NO_MEMORY;
    }
    (void)vsnprintf(text, n + 1, fmt, args);
    memcpy(b->ptr + b->len, text, n);
    gn_free(text);
    return GN_OK;
}

enum gn_err gn_buf_printf(struct gn_buf *b, const char *fmt, ...)
{
    enum gn_err rc = GN_OK;
    size_t room = b->cap - b->len;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(room > 0 ? b->ptr + b->len : NULL, room, fmt, args);
    va_end(args);
    if (n < 0) {
        return GN_ERR_INVALID;
    }
    if ((size_t)n >= room && n > 0) {
        GN_TRY(gn_buf_reserve(b, (size_t)n));
        room = b->cap - b->len;
        va_start(args, fmt);
        if ((size_t)n < room) {
            (void)vsnprintf(b->ptr + b->len, room, fmt, args);
        } else {
            rc = print_to_the_brim(b, (size_t)n, fmt, args);
        }
        va_end(args);
    }
    if (rc == GN_OK) {
        b->len += (size_t)n;
    }
    return rc;
}

void gn_buf_consume(struct gn_buf *b, size_t n)
{
    gn_assert(n <= b->len);
    b->len -= n;
    if (b->len > 0) {
        memmove(b->ptr, b->ptr + n, b->len);
    }
}
