/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_HTTP_FORWARDING_H
#define GN_SERVER_HTTP_FORWARDING_H

/*
 * Between server/http and its exchanges: what a proxy's fields make of a
 * request before any handler sees it.
 *
 * Thread: the loop thread.
 */

#include "server/base/attr.h"

struct gn_exchange_private;

/**
 * The head is in and has fields of server/proto/forwarded.h. From a trusted
 * peer they become the exchange's peer, scheme, host, port and prefix; from
 * anybody else they are removed from the head.
 */
GN_LOOP_THREAD void gn_forwarding_apply(struct gn_exchange_private *p);

#endif
