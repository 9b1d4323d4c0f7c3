/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_LIMITS_H
#define GN_SERVER_HTTP_LIMITS_H

/*
 * Every bound and every deadline of a connection, in one place. Each field is
 * an option of the program; 0 means "no limit" only where it says so.
 */

#include <stddef.h>
#include <stdint.h>

struct gn_http_limits {
    /* sizes of a request */
    size_t request_line_bytes; /* 8190; beyond: 414 */
    size_t field_bytes;        /* 8190, one header line; beyond: 431 */
    unsigned fields;           /* 100; beyond: 431 */
    size_t head_bytes;         /* 65536, request line and fields; beyond: 431 */
    uint64_t body_bytes;       /* 64 MiB, a handler may set its own; beyond: 413 */
    size_t body_memory_bytes;  /* 64 KiB; beyond, the body is spooled to a file */
    size_t pipeline_bytes;     /* 64 KiB read ahead while a request is served */

    /* sizes of a response */
    size_t output_bytes;     /* 256 KiB waiting for the client; beyond, handlers wait */
    size_t output_low_bytes; /* 64 KiB: below, waiting handlers go on */

    /* deadlines, milliseconds */
    int64_t handshake_ms;       /* 10 000 for a PROXY header, and for TLS to begin; closed */
    int64_t head_ms;            /* 10 000 from the first byte; 408 */
    int64_t idle_ms;            /* 75 000 between requests; closed silently */
    int64_t body_idle_ms;       /* 30 000 without a byte of body; 408 */
    int64_t write_stall_ms;     /* 60 000 without progress; closed */
    int64_t linger_ms;          /* 2 000 of reading on after an error answer */
    uint64_t body_rate_bytes_s; /* 240, after body_rate_grace_ms; 0: none; 408 */
    int64_t body_rate_grace_ms; /* 10 000 */

    /* early answers */
    uint64_t drain_bytes; /* 256 KiB of an unread body are read and dropped, else close */

    /* counts */
    unsigned connections;            /* 0: from the descriptor limit, less a reserve */
    unsigned connections_per_client; /* of one address that is no trusted proxy; beyond: 503;
                                        0: no limit */
    unsigned handshakes_s;           /* 1 000 of TLS begun per second, others wait; 0: no limit */
    unsigned requests_per_conn;      /* 0: no limit; the last answer says close */
};

/** The defaults above. */
struct gn_http_limits gn_http_limits_default(void);

#endif
