/* SPDX-License-Identifier: MIT */
#include "server/proto/http_conditional.h"

#include "server/proto/http_date.h"
#include "server/proto/http_method.h"

/*
 * The four fields come in two pairs; in each the entity tag, being exact,
 * takes the date's place when both are there. If-Match and If-None-Match are
 * lists that may be spread over several fields.
 */

static struct gn_slice opaque_of(struct gn_slice etag)
{
    return gn_slice_starts_with(etag, GN_LIT("W/")) ? gn_slice_skip(etag, 2) : etag;
}

static bool is_etagc(unsigned char c)
{
    return c == 0x21 || (c >= 0x23 && c <= 0x7e) || c >= 0x80;
}

bool gn_etag_is_valid(struct gn_slice etag)
{
    struct gn_slice opaque = opaque_of(etag);

    if (opaque.len < 2 || opaque.ptr[0] != '"' || opaque.ptr[opaque.len - 1] != '"') {
        return false;
    }
    for (size_t i = 1; i < opaque.len - 1; i++) {
        if (!is_etagc((unsigned char)opaque.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool gn_etag_eq_weak(struct gn_slice a, struct gn_slice b)
{
    return gn_etag_is_valid(a) && gn_slice_eq(opaque_of(a), opaque_of(b));
}

bool gn_etag_eq_strong(struct gn_slice a, struct gn_slice b)
{
    return gn_etag_is_valid(a) && gn_slice_starts_with(a, GN_LIT("\"")) && gn_slice_eq(a, b);
}

/* Splits off the next entity tag of a list. Tags may hold commas and backslashes, so the
 * general list walk does not fit. False at the end and at whatever is not a tag. */
static bool next_etag(struct gn_slice *rest, struct gn_slice *etag_out)
{
    size_t start = 0;
    size_t end;

    while (start < rest->len &&
            (rest->ptr[start] == ' ' || rest->ptr[start] == '\t' || rest->ptr[start] == ',')) {
        start++;
    }
    *rest = gn_slice_skip(*rest, start);
    end = gn_slice_starts_with(*rest, GN_LIT("W/")) ? 2 : 0;
    if (end >= rest->len || rest->ptr[end] != '"') {
        return false;
    }
    end += 1 + gn_slice_find(gn_slice_skip(*rest, end + 1), '"') + 1;
    if (end > rest->len) {
        return false;
    }
    *etag_out = gn_slice_of(rest->ptr, end);
    *rest = gn_slice_skip(*rest, end);
    return true;
}

/* Whether any field with that id names the current representation. */
static bool any_matches(const struct gn_http1_head *head, enum gn_header_id id,
        const struct gn_validators *v, bool is_weak)
{
    for (unsigned i = 0; i < head->n_headers; i++) {
        struct gn_slice rest = head->headers[i].value;
        struct gn_slice etag;

        if (head->headers[i].id != id) {
            continue;
        }
        if (gn_slice_eq(rest, GN_LIT("*"))) {
            return v->exists;
        }
        while (next_etag(&rest, &etag)) {
            if (is_weak ? gn_etag_eq_weak(etag, v->etag) : gn_etag_eq_strong(etag, v->etag)) {
                return true;
            }
        }
    }
    return false;
}

/* The value of a field that is no list. NULL when it is missing, and when it came twice: more than
 * one member is as good as none (RFC 9110 13.1.3 to 13.1.5). */
static struct gn_slice only_value(const struct gn_http1_head *head, enum gn_header_id id)
{
    struct gn_slice value = {NULL, 0};

    for (unsigned i = 0; i < head->n_headers; i++) {
        if (head->headers[i].id != id) {
            continue;
        }
        if (value.ptr != NULL) {
            return gn_slice_of(NULL, 0);
        }
        value = head->headers[i].value;
    }
    return value;
}

/* True and the date when the field is there, is a date, and there is one to compare with. */
static bool date_of(const struct gn_http1_head *head, enum gn_header_id id,
        const struct gn_validators *v, int64_t now, int64_t *date_out)
{
    struct gn_slice value = only_value(head, id);

    return value.ptr != NULL && v->has_last_modified &&
            gn_http_date_parse(value, now, date_out) == GN_OK;
}

static bool has(const struct gn_http1_head *head, enum gn_header_id id)
{
    return gn_http1_head_find(head, id) != NULL;
}

/* RFC 9110 13.2.2, steps 1 and 2. */
static bool may_act(const struct gn_http1_head *head, const struct gn_validators *v, int64_t now)
{
    int64_t date;

    if (has(head, GN_HDR_IF_MATCH)) {
        return any_matches(head, GN_HDR_IF_MATCH, v, false);
    }
    return !date_of(head, GN_HDR_IF_UNMODIFIED_SINCE, v, now, &date) || v->last_modified_s <= date;
}

/* Steps 3 and 4. */
static bool is_news(const struct gn_http1_head *head, const struct gn_validators *v, int64_t now)
{
    int64_t date;

    if (has(head, GN_HDR_IF_NONE_MATCH)) {
        return !any_matches(head, GN_HDR_IF_NONE_MATCH, v, true);
    }
    if (head->method != GN_METHOD_GET && head->method != GN_METHOD_HEAD) {
        return true;
    }
    return !date_of(head, GN_HDR_IF_MODIFIED_SINCE, v, now, &date) || v->last_modified_s > date;
}

/* Methods that neither select nor change a representation know no conditions (13.2.1). */
static bool selects_nothing(enum gn_http_method method)
{
    return method == GN_METHOD_OPTIONS || method == GN_METHOD_TRACE || method == GN_METHOD_CONNECT;
}

enum gn_precondition gn_http_preconditions(
        const struct gn_http1_head *head, const struct gn_validators *v, int64_t now_unix_s)
{
    bool is_read = head->method == GN_METHOD_GET || head->method == GN_METHOD_HEAD;

    if (selects_nothing(head->method)) {
        return GN_PRECONDITION_HOLDS;
    }
    if (!may_act(head, v, now_unix_s)) {
        return GN_PRECONDITION_FAILED;
    }
    if (!is_news(head, v, now_unix_s)) {
        return is_read ? GN_PRECONDITION_NOT_MODIFIED : GN_PRECONDITION_FAILED;
    }
    return GN_PRECONDITION_HOLDS;
}

bool gn_http_if_range(
        const struct gn_http1_head *head, const struct gn_validators *v, int64_t now_unix_s)
{
    struct gn_slice value = only_value(head, GN_HDR_IF_RANGE);
    int64_t date;

    if (!has(head, GN_HDR_IF_RANGE)) {
        return true;
    }
    if (gn_etag_is_valid(value)) {
        return gn_etag_eq_strong(value, v->etag);
    }
    /* A date is a strong validator only if the thing cannot change twice within it: one
     * second old is what RFC 9110 8.8.2.2 asks for at the least. */
    return date_of(head, GN_HDR_IF_RANGE, v, now_unix_s, &date) && v->last_modified_s == date &&
            date < now_unix_s;
}
