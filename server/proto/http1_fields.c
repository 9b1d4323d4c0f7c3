/* SPDX-License-Identifier: MIT */
#include "server/proto/http1_fields.h"

#include "server/proto/forwarded.h"
#include "server/proto/scan.h"
#include "server/proto/uri.h"

/*
 * The one place where a message gets its length. Anything that two readers
 * could understand in two ways is refused, also where RFC 9112 6.3 would allow
 * a guess: repeated or listed lengths, a length beside a transfer coding, a
 * coding on HTTP/1.0, chunked that is not alone.
 */

static const char *note_host(struct gn_http1_head *head, uint16_t *seen, struct gn_slice value)
{
    struct gn_authority authority;

    if ((*seen & GN_SEEN_HOST) != 0) {
        return "more than one Host field";
    }
    *seen |= GN_SEEN_HOST;
    if (value.len > 0 && gn_authority_parse(value, &authority) != GN_OK) {
        return "invalid Host";
    }
    /* The authority of an absolute-form target takes precedence (RFC 9112 3.2.2). */
    if (head->form != GN_FORM_ABSOLUTE) {
        head->host = value;
    }
    return NULL;
}

static const char *note_length(struct gn_http1_head *head, uint16_t *seen, struct gn_slice value)
{
    if ((*seen & GN_SEEN_LENGTH) != 0) {
        return "more than one Content-Length field";
    }
    *seen |= GN_SEEN_LENGTH;
    if (gn_slice_to_u64(value, INT64_MAX, &head->content_length) != GN_OK) {
        return "invalid Content-Length";
    }
    return NULL;
}

/* Whether the value is a list of two or more tokens of which the last, and no other, is
 * chunked: a request that somebody else may well understand. */
static bool is_list_ending_in_chunked(struct gn_slice value)
{
    struct gn_slice rest = value;
    struct gn_slice coding;
    bool is_chunked = false;

    while (gn_slice_split(&rest, ',', &coding)) {
        coding = gn_slice_trim_ows(coding);
        if (is_chunked || !gn_is_token(coding)) {
            return false;
        }
        is_chunked = gn_slice_eq_nocase(coding, GN_LIT("chunked"));
    }
    return is_chunked;
}

static const char *note_coding(uint16_t *seen, struct gn_slice value)
{
    if ((*seen & GN_SEEN_CODING) != 0) {
        return "more than one Transfer-Encoding field";
    }
    *seen |= GN_SEEN_CODING;
    if (gn_slice_eq_nocase(value, GN_LIT("chunked"))) {
        return NULL;
    }
    if (!is_list_ending_in_chunked(value)) {
        return "invalid Transfer-Encoding";
    }
    *seen |= GN_SEEN_CODING_OTHER;
    return NULL;
}

static uint16_t connection_option(struct gn_slice token)
{
    if (gn_slice_eq_nocase(token, GN_LIT("close"))) {
        return GN_SEEN_CLOSE;
    }
    if (gn_slice_eq_nocase(token, GN_LIT("keep-alive"))) {
        return GN_SEEN_KEEP_ALIVE;
    }
    if (gn_slice_eq_nocase(token, GN_LIT("upgrade"))) {
        return GN_SEEN_UPGRADE_TOKEN;
    }
    return 0;
}

static void note_connection(uint16_t *seen, struct gn_slice value)
{
    struct gn_slice token;

    while (gn_list_next(&value, &token)) {
        *seen |= connection_option(token);
    }
}

static void note_upgrade(uint16_t *seen, struct gn_slice value)
{
    *seen |= GN_SEEN_UPGRADE;
    if (gn_list_has_token(value, GN_LIT("websocket"))) {
        *seen |= GN_SEEN_WEBSOCKET;
    }
}

static void note_expect(uint16_t *seen, struct gn_slice value)
{
    bool is_continue = gn_slice_eq_nocase(value, GN_LIT("100-continue"));

    *seen |= is_continue ? GN_SEEN_CONTINUE : GN_SEEN_EXPECT_OTHER;
}

static void note_other(uint16_t *seen, struct gn_header *field)
{
    if (gn_slice_find(field->name, '_') < field->name.len) {
        field->flags |= GN_HEADER_HIDDEN;
    }
    if ((field->name.ptr[0] | 0x20) == 'x' && gn_forwarded_is_field(field)) {
        *seen |= GN_SEEN_FORWARDED;
    }
}

const char *gn_http1_note_field(struct gn_http1_head *head, uint16_t *seen, struct gn_header *field)
{
    switch (field->id) {
    case GN_HDR_HOST:
        return note_host(head, seen, field->value);
    case GN_HDR_CONTENT_LENGTH:
        return note_length(head, seen, field->value);
    case GN_HDR_TRANSFER_ENCODING:
        return note_coding(seen, field->value);
    case GN_HDR_CONNECTION:
        note_connection(seen, field->value);
        return NULL;
    case GN_HDR_UPGRADE:
        note_upgrade(seen, field->value);
        return NULL;
    case GN_HDR_EXPECT:
        note_expect(seen, field->value);
        return NULL;
    case GN_HDR_PROXY:
        field->flags |= GN_HEADER_HIDDEN;
        return NULL;
    case GN_HDR_OTHER:
        note_other(seen, field);
        return NULL;
    default:
        if (gn_forwarded_is_known(field->id)) {
            *seen |= GN_SEEN_FORWARDED;
        }
        return NULL;
    }
}

static bool fail(struct gn_http1_error *error_out, int status, const char *reason)
{
    error_out->status = status;
    error_out->reason = reason;
    return false;
}

/* RFC 9112 6.3. */
static bool conclude_framing(
        struct gn_http1_head *head, uint16_t seen, struct gn_http1_error *error_out)
{
    if ((seen & GN_SEEN_CODING) == 0) {
        head->framing = (seen & GN_SEEN_LENGTH) != 0 ? GN_FRAMING_LENGTH : GN_FRAMING_NONE;
        return true;
    }
    if ((seen & GN_SEEN_LENGTH) != 0) {
        return fail(error_out, 400, "both Content-Length and Transfer-Encoding");
    }
    if (head->minor_version == 0) {
        return fail(error_out, 400, "Transfer-Encoding in HTTP/1.0");
    }
    if ((seen & GN_SEEN_CODING_OTHER) != 0) {
        return fail(error_out, 501, "transfer coding other than chunked");
    }
    head->framing = GN_FRAMING_CHUNKED;
    return true;
}

static bool has_content(const struct gn_http1_head *head)
{
    return head->framing == GN_FRAMING_CHUNKED || head->content_length > 0;
}

/* The Host field of a request in absolute-form says what its target says (RFC 9112 3.2.2),
 * so that nobody downstream can see two different ones. */
static void replace_host_field(struct gn_http1_head *head)
{
    for (unsigned i = 0; i < head->n_headers; i++) {
        if (head->headers[i].id == GN_HDR_HOST) {
            head->headers[i].value = head->host;
        }
    }
}

bool gn_http1_conclude_fields(
        struct gn_http1_head *head, uint16_t seen, struct gn_http1_error *error_out)
{
    bool is_11 = head->minor_version == 1;

    if (!conclude_framing(head, seen, error_out)) {
        return false;
    }
    if (is_11 && (seen & GN_SEEN_HOST) == 0) {
        return fail(error_out, 400, "HTTP/1.1 request without Host");
    }
    if (head->method == GN_METHOD_TRACE && has_content(head)) {
        return fail(error_out, 400, "TRACE with content"); /* RFC 9110 9.3.8 */
    }
    if (is_11 && (seen & GN_SEEN_EXPECT_OTHER) != 0) {
        return fail(error_out, 417, "expectation other than 100-continue");
    }
    if (head->form == GN_FORM_ABSOLUTE) {
        replace_host_field(head);
    }
    head->expect_continue = is_11 && (seen & GN_SEEN_CONTINUE) != 0 && has_content(head);
    head->keep_alive = (seen & GN_SEEN_CLOSE) == 0 && (is_11 || (seen & GN_SEEN_KEEP_ALIVE) != 0);
    head->wants_upgrade =
            is_11 && (seen & GN_SEEN_UPGRADE_TOKEN) != 0 && (seen & GN_SEEN_UPGRADE) != 0;
    head->has_forwarded = (seen & GN_SEEN_FORWARDED) != 0;
    head->wants_websocket = head->wants_upgrade && (seen & GN_SEEN_WEBSOCKET) != 0;
    return true;
}
