/* SPDX-License-Identifier: MIT */
#include "server/http/origin.h"

#include "server/base/alloc.h"

#include "server/http/http_server_priv.h"

void gn_origin_fini(struct gn_http_server *server, struct gn_origin *origin)
{
    gn_clients_give_back(&server->clients, &origin->client);
    gn_free(origin->proxied);
    origin->proxied = NULL;
}
