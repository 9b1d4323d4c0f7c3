/* SPDX-License-Identifier: MIT */
#include "server/http/access_json.h"

#include <unistd.h>

#include "server/http/access_values.h"

/*
 * Everything but the client's own words is written by us and needs no
 * escaping. Their bytes are taken for ISO 8859-1: whatever they are, the line
 * is ASCII, and a reader can get them back.
 */

enum { ESCAPED_BYTES = 6 }; /* \u00hh */

/** A key and what stands before its value. */
static enum gn_err put_key(struct gn_buf *out, const char *key)
{
    GN_TRY(gn_buf_append(out, GN_LIT(",\"")));
    GN_TRY(gn_buf_append(out, gn_slice_str(key)));
    return gn_buf_append(out, GN_LIT("\":"));
}

static char *escape(char *at, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char start[] = {'\\', 'u', '0', '0'};

    if (byte == '"' || byte == '\\') {
        *at++ = '\\';
        *at++ = (char)byte;
        return at;
    }
    memcpy(at, start, sizeof(start));
    at[4] = hex[byte >> 4];
    at[5] = hex[byte & 15];
    return at + ESCAPED_BYTES;
}

/** Any bytes as a string; cut like every value of the log. */
static enum gn_err put_string(struct gn_buf *out, struct gn_slice text)
{
    size_t len = GN_MIN(text.len, (size_t)GN_ACCESS_VALUE_BYTES);
    char *at;

    GN_TRY(gn_buf_reserve(out, ESCAPED_BYTES * len + 2));
    at = out->ptr + out->len;
    *at++ = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];

        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
            *at++ = (char)byte;
        } else {
            at = escape(at, byte);
        }
    }
    *at++ = '"';
    out->len = (size_t)(at - out->ptr);
    return GN_OK;
}

/** null when it is empty. */
static enum gn_err put_text(struct gn_buf *out, const char *key, struct gn_slice text)
{
    GN_TRY(put_key(out, key));
    return text.len > 0 ? put_string(out, text) : gn_buf_append(out, GN_LIT("null"));
}

static enum gn_err put_number(struct gn_buf *out, const char *key, uint64_t number)
{
    GN_TRY(put_key(out, key));
    return gn_access_put_number(out, number);
}

/** Microseconds; null when there was no such time. */
static enum gn_err put_time(struct gn_buf *out, const char *key, int64_t ns)
{
    GN_TRY(put_key(out, key));
    return ns < 0 ? gn_buf_append(out, GN_LIT("null"))
                  : gn_access_put_number(out, (uint64_t)ns / 1000);
}

/** The first key: no comma before it. */
static enum gn_err put_moment(struct gn_buf *out, const struct gn_access_facts *facts)
{
    const char ms[] = {'.', (char)('0' + facts->ms / 100 % 10), (char)('0' + facts->ms / 10 % 10),
            (char)('0' + facts->ms % 10), 'Z', '"'};

    GN_TRY(gn_buf_append(out, GN_LIT("{\"time\":\"")));
    GN_TRY(gn_buf_append(out, facts->utc));
    return gn_buf_append(out, gn_slice_of(ms, sizeof(ms)));
}

GN_LOOP_THREAD static enum gn_err put_request(struct gn_buf *out, const struct gn_exchange *ex)
{
    const struct gn_http1_head *head = ex->head;
    char client[GN_ADDR_TEXT_BYTES];
    char user[GN_ACCESS_USER_BYTES];

    GN_TRY(put_text(out, "request_id", gn_exchange_request_id(ex)));
    GN_TRY(put_text(out, "client", gn_slice_of(client, gn_addr_format_host(&ex->peer, client))));
    GN_TRY(put_text(out, "user", gn_access_user(ex, user)));
    GN_TRY(put_text(out, "scheme", ex->is_tls ? GN_LIT("https") : GN_LIT("http")));
    GN_TRY(put_text(out, "method", head->method_name));
    GN_TRY(put_text(out, "host", head->host));
    GN_TRY(put_text(out, "path", head->path));
    GN_TRY(put_text(out, "query", head->query));
    GN_TRY(put_text(out, "protocol", gn_access_protocol(ex)));
    GN_TRY(put_text(out, "referer", gn_http1_head_value(head, GN_HDR_REFERER)));
    return put_text(out, "user_agent", gn_http1_head_value(head, GN_HDR_USER_AGENT));
}

static enum gn_err put_numbers(
        struct gn_buf *out, const struct gn_exchange *ex, const struct gn_access_facts *facts)
{
    const struct gn_access_times times = gn_access_times(ex, facts->now);

    GN_TRY(put_number(out, "status", (uint64_t)gn_access_status(ex)));
    GN_TRY(put_number(out, "body_bytes", ex->response_bytes));
    GN_TRY(put_number(out, "bytes_in", ex->bytes_in));
    GN_TRY(put_number(out, "bytes_out", ex->bytes_out));
    GN_TRY(put_time(out, "duration_us", times.total));
    GN_TRY(put_time(out, "first_byte_us", times.first_byte));
    GN_TRY(put_time(out, "queue_us", times.queue));
    GN_TRY(put_time(out, "python_us", times.worker));
    return put_number(out, "pid", (uint64_t)getpid());
}

enum gn_err gn_access_json_write(
        const struct gn_exchange *ex, const struct gn_access_facts *facts, struct gn_buf *out)
{
    GN_TRY(put_moment(out, facts));
    GN_TRY(put_request(out, ex));
    GN_TRY(put_numbers(out, ex, facts));
    return gn_buf_append(out, GN_LIT("}\n"));
}
