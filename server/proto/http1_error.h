/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_PROTO_HTTP1_ERROR_H
#define GN_SERVER_PROTO_HTTP1_ERROR_H

/*
 * Why bytes from a client were refused: what to answer and what to log. After
 * one of these nothing more is parsed from that connection.
 */

#include <stddef.h>
#include <stdint.h>

struct gn_http1_error {
    int status;         /* of the answer: 400, 413, 414, 417, 431, 501 or 505; 0: no error */
    const char *reason; /* static text for the log: "space before the colon" */
    uint64_t offset;    /* of the offending byte, from the start of the head or of the body */
};

#endif
