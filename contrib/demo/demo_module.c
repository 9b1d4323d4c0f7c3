/* SPDX-License-Identifier: MIT */

/*
 * The C part of the demo: GET /api/status, and the chat at /chat.
 *
 * The chat speaks JSON text messages. From a client: {"type": "say", "name",
 * "text"} and {"type": "ping"}. To clients: "welcome" (their number, how many
 * are here, the last lines), "members", "said" and "pong". The last HISTORY
 * lines are kept so that a newcomer sees what is going on.
 *
 * Everything runs on the loop thread, one callback at a time: no lock anywhere.
 */

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "web/gustnado.h"

enum { HISTORY = 50, NAME_BYTES = 96, TEXT_BYTES = 1600, MESSAGE_BYTES = 4096 };

struct demo {
    struct gn_websocket_ops chat_ops;
    struct gn_ws_group *room;
    json_t *history; /* array of "said" messages, the oldest first */
    gn_deadline started;
    uint64_t n_answers;
    uintptr_t last_member;
};

/* ---- GET /api/status --------------------------------------------------------- */

/* Resident memory of this process; 0 when /proc does not say. */
static uint64_t resident_bytes(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    uint64_t pages = 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    struct gn_slice rest = gn_slice_of(text, n > 0 ? (size_t)n : 0);

    rest = gn_slice_skip(rest, gn_slice_find(rest, ' ') + 1);
    rest.len = gn_slice_find(rest, ' ');
    if (gn_slice_to_u64(rest, UINT64_MAX / 65536, &pages) != GN_OK) {
        return 0;
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static enum gn_err get_status(struct gn_request *r)
{
    struct demo *demo = gn_request_data(r);
    int64_t uptime_ms = (gn_clock_now() - demo->started) / GN_NS_PER_MS;

    demo->n_answers++;
    gn_reply_header(r, "Cache-Control", GN_LIT("no-store"));
    return gn_reply_json_pack(r, 200, "{s:I, s:I, s:I, s:I}", "answers",
            (json_int_t)demo->n_answers, "uptime_ms", (json_int_t)uptime_ms, "members",
            (json_int_t)gn_ws_group_n_members(demo->room), "memory_bytes",
            (json_int_t)resident_bytes());
}

/* ---- the chat ------------------------------------------------------------------ */

/* Sends a message to one client, or to all when `ws` is NULL. Takes the reference. */
static enum gn_err send_json(struct demo *demo, struct gn_websocket *ws, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    enum gn_err status = GN_ERR_NO_MEMORY;

    if (text != NULL) {
        struct gn_slice slice = gn_slice_str(text);

        status = ws != NULL ? gn_ws_send_text(ws, slice)
                            : gn_ws_group_broadcast(demo->room, GN_WS_TEXT, slice, NULL);
        free(text); /* Jansson's, not ours */
    }
    json_decref(message);
    return status;
}

static enum gn_err tell_members(struct demo *demo)
{
    return send_json(demo, NULL,
            json_pack("{s:s, s:i}", "type", "members", "count",
                    (int)gn_ws_group_n_members(demo->room)));
}

static enum gn_err on_open(struct gn_websocket *ws)
{
    struct demo *demo = gn_ws_data(ws);

    /* The member's number travels in the pointer itself: nothing to free. */
    gn_ws_set_user(ws, (void *)++demo->last_member);
    gn_ws_group_add(demo->room, ws);
    GN_TRY(send_json(demo, ws,
            json_pack("{s:s, s:I, s:i, s:O}", "type", "welcome", "you",
                    (json_int_t)demo->last_member, "members",
                    (int)gn_ws_group_n_members(demo->room), "history", demo->history)));
    return tell_members(demo);
}

static enum gn_err say(struct demo *demo, struct gn_websocket *ws, const json_t *message)
{
    const char *name = json_string_value(json_object_get(message, "name"));
    const char *text = json_string_value(json_object_get(message, "text"));

    if (name == NULL || text == NULL || name[0] == '\0' || text[0] == '\0' ||
            strlen(name) > NAME_BYTES || strlen(text) > TEXT_BYTES) {
        gn_ws_close(ws, GN_WS_CLOSE_POLICY, GN_LIT("a name and a text, neither too long"));
        return GN_OK;
    }
    json_t *said = json_pack("{s:s, s:I, s:s, s:s}", "type", "said", "from",
            (json_int_t)(uintptr_t)gn_ws_user(ws), "name", name, "text", text);

    if (said == NULL || json_array_append(demo->history, said) != 0) {
        json_decref(said);
        return GN_ERR_NO_MEMORY;
    }
    if (json_array_size(demo->history) > HISTORY) {
        json_array_remove(demo->history, 0);
    }
    return send_json(demo, NULL, said);
}

static enum gn_err on_message(struct gn_websocket *ws, enum gn_ws_opcode kind, struct gn_slice data)
{
    struct demo *demo = gn_ws_data(ws);
    /* Jansson calls itself for each level; this stack is small. */
    bool is_readable = kind == GN_WS_TEXT && gn_json_is_shallow(data, 4);
    json_t *message = is_readable ? json_loadb(data.ptr, data.len, 0, NULL) : NULL;
    const char *type = json_string_value(json_object_get(message, "type"));
    enum gn_err status = GN_OK;

    if (type != NULL && strcmp(type, "ping") == 0) {
        status = gn_ws_send_text(ws, GN_LIT("{\"type\":\"pong\"}"));
    } else if (type != NULL && strcmp(type, "say") == 0) {
        status = say(demo, ws, message);
    } else {
        gn_ws_close(ws, GN_WS_CLOSE_POLICY, GN_LIT("unknown message"));
    }
    json_decref(message);
    return status;
}

static void on_close(struct gn_websocket *ws, unsigned code, struct gn_slice reason)
{
    (void)code;
    (void)reason;
    /* Nobody to tell is no misfortune. */
    if (tell_members(gn_ws_data(ws)) != GN_OK) {
        return;
    }
}

/* ---- the module ------------------------------------------------------------------ */

static enum gn_err setup(struct gn_application *app, void **state_out, struct gn_error *err)
{
    struct demo *demo = gn_xcalloc(sizeof(*demo));

    (void)err;
    demo->started = gn_clock_now();
    demo->history = json_array();
    demo->room = gn_ws_group_create(GN_WS_SLOW_CLOSE);
    demo->chat_ops = (struct gn_websocket_ops){
            .open = on_open,
            .message = on_message,
            .close = on_close,
            .data = demo,
            .message_bytes = MESSAGE_BYTES,
    };
    gn_app_route(app, "GET", "/api/status", get_status, demo);
    gn_app_websocket(app, "/chat", &demo->chat_ops);
    *state_out = demo;
    return GN_OK;
}

static void teardown(void *state)
{
    struct demo *demo = state;

    gn_ws_group_destroy(&demo->room);
    json_decref(demo->history);
    gn_free(demo);
}

GN_MODULE(.name = "demo", .version = "1.0", .setup = setup, .teardown = teardown);
