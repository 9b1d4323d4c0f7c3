/* SPDX-License-Identifier: MIT */
#include "server/base/bufq.h"

#include "server/base/alloc.h"

/*
 * A singly linked list of segments. A segment is memory (own bytes behind the
 * header, or lent) or a file range; `at` and `len` bound what is still to be
 * written. Own segments are allocated with spare room so that the chunk
 * framing around small writes shares one; that room is used up by what is moved
 * behind as well, or a stream of one-byte chunks would take a segment for each.
 */

#define SHARED_SEGMENT_BYTES 4096

enum segment_kind {
    SEGMENT_OWN,  /* bytes are in data[] */
    SEGMENT_LENT, /* bytes are the lender's */
    SEGMENT_FILE, /* a range of a descriptor */
};

struct gn_bufq_segment {
    struct gn_bufq_segment *next;
    enum segment_kind kind;
    int fd;          /* SEGMENT_FILE */
    uint64_t offset; /* SEGMENT_FILE: next byte to send */
    uint64_t len;    /* bytes left */
    const char *at;  /* memory kinds: next byte to write */
    size_t room;     /* SEGMENT_OWN: bytes of data[] not yet used */
    gn_bufq_release_fn release;
    void *arg;
    char data[];
};

static struct gn_bufq_segment *push(struct gn_bufq *q, enum segment_kind kind, size_t capacity)
{
    struct gn_bufq_segment *s = gn_xalloc(sizeof(*s) + capacity);

    *s = (struct gn_bufq_segment){.kind = kind, .fd = -1, .room = capacity, .at = s->data};
    if (q->last != NULL) {
        q->last->next = s;
    } else {
        q->first = s;
    }
    q->last = s;
    return s;
}

static char *extend_last(struct gn_bufq *q, size_t size)
{
    struct gn_bufq_segment *s = q->last;
    char *to = s->data + (s->at - s->data) + s->len;

    s->len += size;
    s->room -= size;
    q->n_bytes += size;
    return to;
}

char *gn_bufq_extend(struct gn_bufq *q, size_t size)
{
    if (q->last == NULL || q->last->kind != SEGMENT_OWN || q->last->room < size) {
        (void)push(q, SEGMENT_OWN, GN_MAX(size, (size_t)SHARED_SEGMENT_BYTES));
    }
    return extend_last(q, size);
}

void gn_bufq_append(struct gn_bufq *q, struct gn_slice bytes)
{
    if (bytes.len > 0) {
        memcpy(gn_bufq_extend(q, bytes.len), bytes.ptr, bytes.len);
    }
}

void gn_bufq_lend(struct gn_bufq *q, struct gn_slice bytes, gn_bufq_release_fn release, void *arg)
{
    struct gn_bufq_segment *s;

    if (bytes.len == 0) {
        if (release != NULL) {
            release(arg);
        }
        return;
    }
    s = push(q, SEGMENT_LENT, 0);
    s->at = bytes.ptr;
    s->len = bytes.len;
    s->release = release;
    s->arg = arg;
    q->n_bytes += bytes.len;
}

void gn_bufq_lend_file(struct gn_bufq *q, int fd, uint64_t offset, uint64_t len,
        gn_bufq_release_fn release, void *arg)
{
    struct gn_bufq_segment *s;

    if (len == 0) {
        if (release != NULL) {
            release(arg);
        }
        return;
    }
    s = push(q, SEGMENT_FILE, 0);
    s->fd = fd;
    s->offset = offset;
    s->len = len;
    s->release = release;
    s->arg = arg;
    q->n_bytes += len;
}

int gn_bufq_peek(const struct gn_bufq *q, struct iovec *iov, int max)
{
    int n = 0;

    for (const struct gn_bufq_segment *s = q->first; s != NULL && n < max; s = s->next) {
        union {
            const char *in;
            void *out; /* struct iovec has no const; nobody writes through it */
        } base = {.in = s->at};

        if (s->kind == SEGMENT_FILE) {
            break;
        }
        iov[n++] = (struct iovec){.iov_base = base.out, .iov_len = (size_t)s->len};
    }
    return n;
}

bool gn_bufq_peek_file(const struct gn_bufq *q, struct gn_bufq_file *file_out)
{
    const struct gn_bufq_segment *s = q->first;

    if (s == NULL || s->kind != SEGMENT_FILE) {
        return false;
    }
    *file_out = (struct gn_bufq_file){.fd = s->fd, .offset = s->offset, .len = s->len};
    return true;
}

static void segment_free(struct gn_bufq_segment *s)
{
    if (s->release != NULL) {
        s->release(s->arg);
    }
    gn_free(s);
}

static void pop(struct gn_bufq *q)
{
    struct gn_bufq_segment *s = q->first;

    q->first = s->next;
    if (q->first == NULL) {
        q->last = NULL;
    }
    segment_free(s);
}

/** Copies what fits into the room behind `to`, so that a segment is not kept for a few bytes. */
static void join_small(struct gn_bufq *to, struct gn_bufq *from)
{
    const struct gn_bufq_segment *s = from->first;

    while (s != NULL && s->kind == SEGMENT_OWN && to->last != NULL &&
            to->last->kind == SEGMENT_OWN && to->last->room >= s->len) {
        memcpy(extend_last(to, (size_t)s->len), s->at, (size_t)s->len);
        from->n_bytes -= s->len;
        pop(from);
        s = from->first;
    }
}

void gn_bufq_move(struct gn_bufq *to, struct gn_bufq *from)
{
    join_small(to, from);
    if (from->first == NULL) {
        return;
    }
    if (to->last != NULL) {
        to->last->next = from->first;
    } else {
        to->first = from->first;
    }
    to->last = from->last;
    to->n_bytes += from->n_bytes;
    *from = (struct gn_bufq){0};
}

void gn_bufq_consume(struct gn_bufq *q, uint64_t n)
{
    gn_assert(n <= q->n_bytes);
    q->n_bytes -= n;
    while (n > 0) {
        struct gn_bufq_segment *s = q->first;
        uint64_t part = GN_MIN(n, s->len);

        n -= part;
        s->len -= part;
        if (s->kind == SEGMENT_FILE) {
            s->offset += part;
        } else {
            s->at += part;
        }
        if (s->len == 0) {
            pop(q);
        }
    }
}

void gn_bufq_truncate(struct gn_bufq *q, uint64_t n)
{
    struct gn_bufq_segment *s = q->first;
    struct gn_bufq_segment *rest;

    if (n == 0) {
        gn_bufq_clear(q);
        return;
    }
    if (n >= q->n_bytes) {
        return;
    }
    q->n_bytes = n;
    while (n > s->len) {
        n -= s->len;
        s = s->next;
    }
    s->len = n;
    s->room = 0; /* what lies behind is not ours to overwrite in order */
    rest = s->next;
    s->next = NULL;
    q->last = s;
    while (rest != NULL) {
        struct gn_bufq_segment *next = rest->next;

        segment_free(rest);
        rest = next;
    }
}

void gn_bufq_clear(struct gn_bufq *q)
{
    while (q->first != NULL) {
        pop(q);
    }
    q->n_bytes = 0;
}
