/* SPDX-License-Identifier: MIT */

/*
 * A program of your own around libgustnado; no Python anywhere.
 *
 *   cc -o chat main.c $(pkg-config --cflags --libs gustnado)
 *   ./chat 127.0.0.1:8000
 *   curl http://127.0.0.1:8000/sum/1000000
 */

#include <web/gustnado.h>

struct sum {
    uint64_t to;
    uint64_t result;
};

/* Runs on a worker thread, so it may take its time. */
static void add_up(void *arg)
{
    struct sum *sum = arg;

    for (uint64_t n = 1; n <= sum->to; n++) {
        sum->result += n;
    }
}

static enum gn_err get_sum(struct gn_request *r)
{
    struct sum sum = {0};

    if (gn_slice_to_u64(gn_path_arg(r, "to"), 100000000, &sum.to) != GN_OK) {
        return gn_fail(r, 400, "the sum goes up to 100000000");
    }
    GN_TRY(gn_run_await(r, add_up, &sum, gn_after_ms(r, 5000)));
    return gn_reply_textf(r, 200, "%llu\n", (unsigned long long)sum.result);
}

static enum gn_err join(struct gn_websocket *ws)
{
    gn_ws_group_add(gn_ws_data(ws), ws);
    return GN_OK;
}

static enum gn_err say(struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    return gn_ws_group_broadcast(gn_ws_data(ws), kind, data, NULL);
}

int main(int argc, char **argv)
{
    const char *bind[] = {argc > 1 ? argv[1] : "127.0.0.1:8000", NULL};
    struct gn_run_options options = gn_run_options_default();
    struct gn_application *app = gn_app_create();
    struct gn_ws_group *room = gn_ws_group_create(GN_WS_SLOW_CLOSE);
    struct gn_websocket_ops chat = {.open = join, .message = say, .data = room};
    int exit_code;

    options.bind = bind;
    gn_app_get(app, "/sum/{to:int}", get_sum);
    gn_app_websocket(app, "/chat", &chat);
    exit_code = gn_app_run(&app, &options);
    gn_ws_group_destroy(&room);
    return exit_code;
}
