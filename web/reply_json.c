/* SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdarg.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "web/json_depth.h"
#include "web/reply.h"
#include "web/request.h"

#include "web/web_priv.h"

/*
 * JSON by Jansson, for convenience. Its parser and its destructor call
 * themselves once per level of nesting, on a task's small stack: what a client
 * sends is measured before (web/json_depth.h) and refused when it is deeper
 * than JSON_DEPTH.
 */

#define JSON_DEPTH 32

static void drop(void *arg)
{
    json_decref(arg);
}

GN_LOOP_THREAD static enum gn_err dump(struct gn_request *r, int status, const json_t *json)
{
    size_t len = json_dumpb(json, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    char *text;

    if (len == 0) {
        return GN_ERR_BUG;
    }
    text = gn_arena_alloc(&r->ex->arena, len);
    gn_assert(json_dumpb(json, text, len, JSON_COMPACT | JSON_ENCODE_ANY) == len);
    return gn_reply_borrowed(r, status, "application/json", gn_slice_of(text, len));
}

enum gn_err gn_reply_json_pack(struct gn_request *r, int status, const char *fmt, ...)
{
    json_error_t error;
    json_t *json;
    va_list args;
    enum gn_err rc;

    va_start(args, fmt);
    json = json_vpack_ex(&error, 0, fmt, args);
    va_end(args);
    if (json == NULL) {
        gn_log_error("gn_reply_json_pack(\"%s\"): %s", fmt, error.text);
        return GN_ERR_BUG;
    }
    rc = dump(r, status, json);
    json_decref(json);
    return rc;
}

/** The body as JSON, kept until the request is over, or the 400 is set. */
GN_LOOP_THREAD static enum gn_err load_body(struct gn_request *r, json_t **json_out)
{
    struct gn_slice body = gn_request_body(r);
    json_error_t error;

    if (!gn_json_is_shallow(body, JSON_DEPTH)) {
        return gn_fail(r, 400, "the JSON is nested deeper than %d levels", JSON_DEPTH);
    }
    *json_out = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (*json_out == NULL) {
        return gn_fail(r, 400, "not JSON: %s", error.text);
    }
    gn_arena_on_reset(&r->ex->arena, drop, *json_out);
    return GN_OK;
}

enum gn_err gn_request_json_unpack(struct gn_request *r, const char *fmt, ...)
{
    json_error_t error;
    json_t *json = NULL;
    va_list args;
    int rc;

    GN_TRY(load_body(r, &json));
    va_start(args, fmt);
    rc = json_vunpack_ex(json, &error, 0, fmt, args);
    va_end(args);
    return rc == 0 ? GN_OK : gn_fail(r, 400, "%s", error.text);
}
