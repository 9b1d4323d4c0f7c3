/* SPDX-License-Identifier: MIT */

/*
 * A module: handlers in a shared object that the program loads beside a Python
 * application, or alone.
 *
 *   cc -shared -fPIC -o visits.so visits.c $(pkg-config --cflags gustnado-module)
 *   gustnado --module ./visits.so
 *   curl http://127.0.0.1:8000/native/visits/anna
 */

#include <web/gustnado.h>

struct visits {
    uint64_t n_all;
};

/* Handlers run one at a time, on the loop thread: counting needs no lock. */
static enum gn_err count_visit(struct gn_request *r)
{
    struct visits *visits = gn_request_data(r);

    visits->n_all++;
    return gn_reply_json_pack(r, 200, "{s:s%, s:I}", "name", gn_path_arg(r, "name").ptr,
            gn_path_arg(r, "name").len, "visits", (long long)visits->n_all);
}

static enum gn_err echo(struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    return gn_ws_send(ws, kind, data);
}

static const struct gn_websocket_ops echo_ops = {.message = echo};

static enum gn_err setup(struct gn_application *app, void **state_out, struct gn_error *err)
{
    struct visits *visits = gn_xcalloc(sizeof(*visits));

    (void)err;
    gn_app_route(app, "GET", "/native/visits/{name}", count_visit, visits);
    gn_app_websocket(app, "/native/echo", &echo_ops);
    *state_out = visits;
    return GN_OK;
}

static void teardown(void *state)
{
    gn_free(state);
}

GN_MODULE(.name = "visits", .version = "1.0", .setup = setup, .teardown = teardown);
