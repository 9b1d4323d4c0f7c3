/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SUPPORT_MEM_STREAM_H
#define GN_TESTS_SUPPORT_MEM_STREAM_H

/*
 * A stream without a network: a test puts in what the peer sent and looks at
 * what was written. It can be made to take only so many bytes, and to fail at
 * its n-th call, so that a test can walk n = 1, 2, 3 … until its scenario
 * passes without meeting the failure.
 *
 * Readiness shows on the loop as with any descriptor: readable while there is
 * input, an end or an error to be read; writable while it takes bytes.
 */

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/net/stream.h"

struct gn_mem_stream {
    struct gn_stream stream; /* first */
    int peer_fd;             /* the other end of the pair that carries readiness */
    struct gn_buf input;     /* what the peer sent and nobody read yet */
    bool has_eof;            /* after the input comes FIN */
    bool is_dead;            /* after the input comes an error */
    size_t room;             /* bytes that may still be written; SIZE_MAX: any number */
    size_t max_read;         /* bytes per read; 0: as many as there are */
    unsigned fail_at;        /* this call fails, counted from 1; 0: none */

    struct gn_mem_record *record; /* outlives the stream */
};

/** What happened to a stream; the test's own, valid after the stream is gone. */
struct gn_mem_record {
    struct gn_buf output;
    unsigned n_calls;  /* of read, write, writev and shutdown */
    unsigned n_writes; /* that took bytes */
    bool has_shut;
    bool is_destroyed;
};

void gn_mem_record_init(struct gn_mem_record *record);
void gn_mem_record_fini(struct gn_mem_record *record);

/** The caller gives it to a connection, which destroys it. */
GN_LOOP_THREAD struct gn_mem_stream *gn_mem_stream_create(
        struct gn_loop *loop, struct gn_mem_record *record);
/** The peer sends. Not after the stream is destroyed, as all of these. */
void gn_mem_stream_feed(struct gn_mem_stream *m, struct gn_slice bytes);
void gn_mem_stream_end(struct gn_mem_stream *m);
void gn_mem_stream_kill(struct gn_mem_stream *m);
/** The peer reads: so many more bytes may be written. */
void gn_mem_stream_take(struct gn_mem_stream *m, size_t n);

#endif
