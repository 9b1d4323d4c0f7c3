/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_HTTP1_CONN_H
#define GN_SERVER_HTTP_HTTP1_CONN_H

/*
 * One HTTP/1.x connection: reads requests from a stream, has them served one
 * after the other, writes the responses in order. It belongs to its server and
 * ends by itself; nobody outside this folder holds a pointer to it.
 *
 * Thread: the loop thread.
 */

#include "server/http/http_server.h"
#include "server/http/origin.h"
#include "server/net/stream.h"

/** Starts serving on `*stream`, which it takes, and the origin too. */
GN_LOOP_THREAD void gn_http1_conn_start(
        struct gn_http_server *server, struct gn_stream **stream, struct gn_origin *origin);
/**
 * Takes both only to answer `status` (400 or 503) without reading, and to
 * close; `reason` is for the log, `detail` for the reader.
 */
GN_LOOP_THREAD void gn_http1_conn_refuse(struct gn_http_server *server, struct gn_stream **stream,
        struct gn_origin *origin, int status, const char *reason, struct gn_slice detail);

#endif
