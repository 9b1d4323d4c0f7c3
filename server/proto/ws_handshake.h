/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_WS_HANDSHAKE_H
#define GN_SERVER_PROTO_WS_HANDSHAKE_H

/*
 * The opening handshake of RFC 6455 4.2: is this request one, may it be
 * accepted, and what goes into the 101. Pure; safe on every thread.
 */

#include <stdbool.h>

#include "server/base/slice.h"
#include "server/proto/headers.h"
#include "server/proto/http1_parser.h"

enum {
    GN_WS_ACCEPT_BYTES = 28,
    GN_WS_HANDSHAKE_HEADERS = 4, /* the most gn_ws_handshake_headers makes */
};

struct gn_ws_handshake_options {
    const struct gn_slice *protocols; /* ours, the preferred first */
    unsigned n_protocols;
    const struct gn_slice *origins; /* allowed beside our own: "https://app.example"; "*": all */
    unsigned n_origins;
    bool is_tls;           /* the client's scheme is https, which its Origin must then have */
    bool any_origin;       /* no origin check at all */
    bool require_protocol; /* refuse clients that offer none of `protocols` */
};

/** What to answer. Slices live as long as the request and the options. */
struct gn_ws_handshake {
    int status;                 /* 101, 400, 403 or 426 */
    const char *reason;         /* static text for the log when refused */
    struct gn_slice protocol;   /* chosen; empty for none */
    struct gn_slice extensions; /* of our answer; empty, or set by the caller before _headers */
    char accept[GN_WS_ACCEPT_BYTES];
};

/**
 * Judges the request: GET on HTTP/1.1 without content, `Connection: Upgrade`,
 * `Upgrade: websocket`, version 13, a key of 16 bytes in base64, subprotocols
 * that are tokens, and an Origin that is absent, ours or allowed.
 *
 * Returns: GN_OK            accept with 101
 *          GN_ERR_REFUSED   answer out->status (400, 403, 426); out->reason says why
 */
GN_ANY_THREAD GN_MUST_CHECK enum gn_err gn_ws_handshake_check(const struct gn_http1_head *head,
        const struct gn_ws_handshake_options *options, struct gn_ws_handshake *out);

/**
 * The fields of the answer: for 101 Upgrade, Sec-WebSocket-Accept, and what was
 * agreed; for 426 Upgrade and Sec-WebSocket-Version; else none. Returns how many.
 * Valid as long as `h`.
 */
GN_ANY_THREAD unsigned gn_ws_handshake_headers(
        const struct gn_ws_handshake *h, struct gn_header headers_out[GN_WS_HANDSHAKE_HEADERS]);

/** The Sec-WebSocket-Accept for a key (RFC 6455 4.2.2). */
GN_ANY_THREAD void gn_ws_accept_key(struct gn_slice key, char accept_out[GN_WS_ACCEPT_BYTES]);

/**
 * Whether `origin` is the site that `host` names (RFC 6454): scheme, host and
 * port, default ports filled in, letters without case. "null" never is.
 */
GN_ANY_THREAD bool gn_origin_is_same(struct gn_slice origin, struct gn_slice host, bool is_tls);

#endif
