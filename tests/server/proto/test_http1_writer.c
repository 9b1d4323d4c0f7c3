/* SPDX-License-Identifier: MIT */
#include "server/proto/http1_writer.h"
#include "tests/support/test.h"

#define DATE GN_LIT("Thu, 01 Jan 1970 00:00:00 GMT")
#define DATE_LINE "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
#define SERVER_LINE "Server: gustnado\r\n"

enum { MAX_FIELDS = 4 };

/* A request, a response, and the head that must come of them. */
struct head_case {
    const char *name;
    enum gn_http_method method;
    uint8_t minor;
    bool keep_alive;
    int status;
    uint64_t length;
    const char *fields[MAX_FIELDS][2];
    const char *head; /* between the status line and the empty line, ours sorted last */
    bool keeps, has_body;
};

static unsigned fields_of(const struct head_case *c, struct gn_header out[MAX_FIELDS])
{
    unsigned n = 0;

    while (n < MAX_FIELDS && c->fields[n][0] != NULL) {
        out[n] = (struct gn_header){
                .name = gn_slice_str(c->fields[n][0]), .value = gn_slice_str(c->fields[n][1])};
        n++;
    }
    return n;
}

static void writer_for(struct gn_http1_writer *w, const struct head_case *c)
{
    struct gn_http1_head head = {
            .method = c->method, .minor_version = c->minor, .keep_alive = c->keep_alive};

    gn_http1_writer_init(w, &head, true);
}

static void check_head(const struct head_case *c)
{
    struct gn_header fields[MAX_FIELDS];
    struct gn_http1_response r = {.status = c->status,
            .headers = fields,
            .n_headers = fields_of(c, fields),
            .body_length = c->length};
    struct gn_http1_writer w;
    struct gn_slice got, line;
    struct gn_buf out;

    gn_buf_init(&out, 4096);
    writer_for(&w, c);
    cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_OK, "%s: %s", c->name, w.error);
    got = gn_buf_slice(&out);
    cr_assert(gn_slice_split(&got, '\n', &line));
    cr_assert(gn_slice_starts_with(line, GN_LIT("HTTP/1.1 ")));
    cr_assert(gn_slice_ends_with(got, GN_LIT("\r\n\r\n")));
    got.len -= 2;
    cr_assert(gn_slice_eq(got, gn_slice_str(c->head)), "%s: got\n" GN_SLICE_FMT, c->name,
            GN_SLICE_ARG(got));
    cr_assert_eq(w.keep_alive, c->keeps, "%s", c->name);
    cr_assert_eq(gn_http1_writer_has_body(&w), c->has_body, "%s", c->name);
    cr_assert_eq(w.status, c->status);
    gn_buf_fini(&out);
}

#define UNKNOWN GN_LENGTH_UNKNOWN
#define LEN(n) "Content-Length: " n "\r\n"
#define CHUNKS "Transfer-Encoding: chunked\r\n"
#define CLOSE "Connection: close\r\n"
#define NO_FIELDS                                                                                  \
    {                                                                                              \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

Test(http1_writer, decides_framing_and_persistence)
{
    enum gn_http_method get = GN_METHOD_GET;
    const struct head_case cases[] = {
            {"length", get, 1, true, 200, 5, NO_FIELDS, SERVER_LINE LEN("5"), true, true},
            {"empty", get, 1, true, 200, 0, NO_FIELDS, SERVER_LINE LEN("0"), true, true},
            {"huge", get, 1, true, 200, INT64_MAX, NO_FIELDS,
                    SERVER_LINE LEN("9223372036854775807"), true, true},
            {"chunks", get, 1, true, 200, UNKNOWN, NO_FIELDS, SERVER_LINE CHUNKS, true, true},
            {"closing", get, 1, false, 200, 5, NO_FIELDS, SERVER_LINE LEN("5") CLOSE, false, true},
            {"1.0 length", get, 0, true, 200, 5, NO_FIELDS,
                    SERVER_LINE LEN("5") "Connection: keep-alive\r\n", true, true},
            {"1.0 closing", get, 0, false, 200, 5, NO_FIELDS, SERVER_LINE LEN("5") CLOSE, false,
                    true},
            {"1.0 unknown length", get, 0, true, 200, UNKNOWN, NO_FIELDS, SERVER_LINE CLOSE, false,
                    true},
            {"204", get, 1, true, 204, 0, NO_FIELDS, SERVER_LINE, true, false},
            {"204 with a length", get, 1, true, 204, UNKNOWN, {{"Content-Length", "5"}},
                    SERVER_LINE, true, false},
            {"205", get, 1, true, 205, UNKNOWN, NO_FIELDS, SERVER_LINE LEN("0"), true, false},
            {"304", get, 1, true, 304, 0, NO_FIELDS, SERVER_LINE, true, false},
            {"304 with a length", get, 1, true, 304, 0, {{"Content-Length", "5"}},
                    SERVER_LINE LEN("5"), true, false},
            {"HEAD", GN_METHOD_HEAD, 1, true, 200, 5, NO_FIELDS, SERVER_LINE LEN("5"), true, false},
            {"HEAD, unknown", GN_METHOD_HEAD, 1, true, 200, UNKNOWN, NO_FIELDS, SERVER_LINE, true,
                    false},
            {"HEAD, the application's length", GN_METHOD_HEAD, 1, true, 200, 0,
                    {{"content-length", "99"}}, SERVER_LINE LEN("99"), true, false},
            {"HEAD on 1.0, unknown", GN_METHOD_HEAD, 0, true, 200, UNKNOWN, NO_FIELDS,
                    SERVER_LINE "Connection: keep-alive\r\n", true, false},
            {"the application's length", get, 1, true, 200, UNKNOWN, {{"Content-Length", "7"}},
                    SERVER_LINE LEN("7"), true, true},
            {"the application's server", get, 1, true, 200, 0, {{"Server", "mine"}},
                    "Server: mine\r\n" LEN("0"), true, true},
            {"the application closes", get, 1, true, 200, 0, {{"Connection", "x, Close"}},
                    SERVER_LINE LEN("0") CLOSE, false, true},
            {"hop-by-hop", get, 1, true, 200, UNKNOWN,
                    {{"Transfer-Encoding", "chunked"}, {"Keep-Alive", "9"}, {"Trailer", "x"},
                            {"X-Own", "caf\xe9\t!"}},
                    "X-Own: caf\xe9\t!\r\n" SERVER_LINE CHUNKS, true, true},
            {"an upgrade not asked for", get, 1, true, 200, 0, {{"Upgrade", "h2"}},
                    SERVER_LINE LEN("0"), true, true},
            {"426", get, 1, true, 426, 0, {{"Upgrade", "websocket"}},
                    "Upgrade: websocket\r\n" SERVER_LINE LEN("0") "Connection: Upgrade\r\n", true,
                    true},
            {"426, kept for an old client", get, 0, true, 426, 0, {{"Upgrade", "websocket"}},
                    "Upgrade: websocket\r\n" SERVER_LINE LEN(
                            "0") "Connection: keep-alive, Upgrade\r\n",
                    true, true},
            {"426, closing", get, 1, false, 426, 0, {{"Upgrade", "websocket"}},
                    "Upgrade: websocket\r\n" SERVER_LINE LEN("0") "Connection: close, Upgrade\r\n",
                    false, true},
            {"an empty value", get, 1, true, 200, 0, {{"X-Own", ""}},
                    "X-Own: \r\n" SERVER_LINE LEN("0"), true, true},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        check_head(&cases[i]);
    }
}

/* What applications must not send. */
struct bad_case {
    const char *error;
    int status;
    struct gn_slice reason;
    struct gn_slice name, value;
    uint64_t length;
};

Test(http1_writer, refuses_what_must_not_be_sent)
{
    static const struct bad_case cases[] = {
            {"status is not between 200 and 599", 199, {0}, {0}, {0}, 0},
            {"status is not between 200 and 599", 101, {0}, {0}, {0}, 0},
            {"status is not between 200 and 599", 600, {0}, {0}, {0}, 0},
            {"status is not between 200 and 599", 0, {0}, {0}, {0}, 0},
            {"status is not between 200 and 599", -200, {0}, {0}, {0}, 0},
            {"reason phrase holds a control byte", 200, GN_LIT_INIT("OK\r\nX: y"), {0}, {0}, 0},
            {"header name is not a token", 200, {0}, GN_LIT_INIT(""), GN_LIT_INIT("v"), 0},
            {"header name is not a token", 200, {0}, GN_LIT_INIT("a b"), GN_LIT_INIT("v"), 0},
            {"header name is not a token", 200, {0}, GN_LIT_INIT("a:"), GN_LIT_INIT("v"), 0},
            {"header name is not a token", 200, {0}, GN_LIT_INIT("a\r\nb"), GN_LIT_INIT("v"), 0},
            {"header name is not a token", 200, {0}, GN_LIT_INIT("a\0"), GN_LIT_INIT("v"), 0},
            {"header name is not a token", 200, {0}, GN_LIT_INIT("\xe9"), GN_LIT_INIT("v"), 0},
            {"header value holds a CR", 200, {0}, GN_LIT_INIT("A"), GN_LIT_INIT("b\r\nC: d"), 0},
            {"header value holds a LF", 200, {0}, GN_LIT_INIT("A"), GN_LIT_INIT("b\nC: d"), 0},
            {"header value holds a NUL", 200, {0}, GN_LIT_INIT("A"), GN_LIT_INIT("b\0"), 0},
            {"header value holds a control byte", 200, {0}, GN_LIT_INIT("A"), GN_LIT_INIT("\x1b"),
                    0},
            {"header value holds a control byte", 200, {0}, GN_LIT_INIT("Location"),
                    GN_LIT_INIT("/\x7f"), 0},
            {"header value holds a CR", 200, {0}, GN_LIT_INIT("Connection"), GN_LIT_INIT("\r"), 0},
            {"invalid Content-Length", 200, {0}, GN_LIT_INIT("Content-Length"), GN_LIT_INIT("-1"),
                    UNKNOWN},
            {"invalid Content-Length", 200, {0}, GN_LIT_INIT("Content-Length"), GN_LIT_INIT("5, 5"),
                    UNKNOWN},
            {"Content-Length does not match the body", 200, {0}, GN_LIT_INIT("Content-Length"),
                    GN_LIT_INIT("5"), 6},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_header fields[] = {{.name = GN_LIT("X-First"), .value = GN_LIT("1")},
                {.name = cases[i].name, .value = cases[i].value}};
        struct gn_http1_response r = {.status = cases[i].status,
                .reason = cases[i].reason,
                .headers = fields,
                .n_headers = cases[i].name.ptr != NULL ? 2 : 0,
                .body_length = cases[i].length};
        struct gn_http1_response good = {.status = 500, .body_length = 0};
        struct gn_http1_writer w;
        struct gn_buf out;

        gn_buf_init(&out, 4096);
        cr_assert_eq(gn_buf_append(&out, GN_LIT("before")), GN_OK);
        gn_http1_writer_init(
                &w, &(struct gn_http1_head){.minor_version = 1, .keep_alive = true}, true);
        cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_ERR_INVALID, "case %zu", i);
        cr_assert_str_eq(w.error, cases[i].error, "case %zu", i);
        cr_assert_eq(out.len, 6, "case %zu", i);
        cr_assert(w.keep_alive);
        if (strncmp(cases[i].error, "header ", 7) == 0) {
            cr_assert_eq(w.error_index, 1);
        }
        cr_assert_eq(gn_http1_writer_head(&w, &good, &out), GN_OK, "usable after a refusal");
        gn_buf_fini(&out);
    }
}

Test(http1_writer, refuses_two_lengths_and_two_heads)
{
    struct gn_header fields[] = {{.name = GN_LIT("Content-Length"), .value = GN_LIT("5")},
            {.name = GN_LIT("content-length"), .value = GN_LIT("5")}};
    struct gn_http1_response r = {
            .status = 200, .headers = fields, .n_headers = 2, .body_length = UNKNOWN};
    struct gn_http1_writer w;
    struct gn_buf out;

    gn_buf_init(&out, 4096);
    gn_http1_writer_init_closing(&w);
    cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_ERR_INVALID);
    cr_assert_str_eq(w.error, "more than one Content-Length");
    r.n_headers = 1;
    cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_OK);
    cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_ERR_INVALID);
    cr_assert_str_eq(w.error, "the response has a head already");
    gn_buf_fini(&out);
}

Test(http1_writer, an_id_set_by_hand_cannot_hide_a_field)
{
    struct gn_header liar = {
            .name = GN_LIT("Content-Length"), .value = GN_LIT("x"), .id = GN_HDR_CONTENT_TYPE};
    struct gn_http1_response r = {.status = 200, .headers = &liar, .n_headers = 1};
    struct gn_http1_writer w;
    struct gn_buf out;

    gn_buf_init(&out, 4096);
    gn_http1_writer_init_closing(&w);
    cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_ERR_INVALID);
    gn_buf_fini(&out);
}

Test(http1_writer, writes_the_date_it_is_given)
{
    struct gn_header own = {.name = GN_LIT("DATE"), .value = GN_LIT("x")};
    struct gn_http1_response r = {.status = 200, .date = DATE};
    struct gn_http1_writer w;
    struct gn_buf out;

    gn_buf_init(&out, 4096);
    gn_http1_writer_init_closing(&w);
    cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_OK);
    cr_assert(gn_slice_eq(gn_buf_slice(&out),
            GN_LIT("HTTP/1.1 200 OK\r\n" DATE_LINE SERVER_LINE LEN("0") CLOSE "\r\n")));
    gn_buf_clear(&out);
    gn_http1_writer_init_closing(&w);
    r.headers = &own;
    r.n_headers = 1;
    r.reason = GN_LIT("Fine \xe9");
    cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_OK);
    cr_assert(gn_slice_eq(gn_buf_slice(&out),
            GN_LIT("HTTP/1.1 200 Fine \xe9\r\nDATE: x\r\n" SERVER_LINE LEN("0") CLOSE "\r\n")));
    gn_buf_fini(&out);
}

Test(http1_writer, adds_the_request_id_unless_there_is_one)
{
    const struct gn_header own = {.name = GN_LIT("x-request-id"), .value = GN_LIT("own")};
    struct gn_http1_response r = {.status = 200, .request_id = GN_LIT("given")};
    struct gn_http1_head head = {.method = GN_METHOD_GET, .minor_version = 1, .keep_alive = true};

    for (unsigned n = 0; n < 2; n++) {
        struct gn_http1_writer w;
        struct gn_buf out;

        r.headers = &own;
        r.n_headers = n;
        gn_http1_writer_init(&w, &head, true);
        gn_buf_init(&out, 4096);
        cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_OK);
        cr_assert_eq(gn_buf_append(&out, gn_slice_of("", 1)), GN_OK);
        cr_assert_eq(strstr(out.ptr, "\r\nX-Request-ID: given\r\n") != NULL, n == 0);
        cr_assert_eq(strstr(out.ptr, "\r\nx-request-id: own\r\n") != NULL, n == 1);
        gn_buf_fini(&out);
    }
}

Test(http1_writer, fails_whole_when_the_buffer_is_full)
{
    struct gn_http1_response r = {.status = 200};
    struct gn_http1_writer w;
    struct gn_buf out;

    gn_buf_init(&out, 16);
    gn_http1_writer_init_closing(&w);
    cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_ERR_TOO_BIG);
    cr_assert_eq(out.len, 0);
    cr_assert_eq(w.status, 0);
    gn_buf_fini(&out);
}

/* Starts a response of that length to a request of that kind. */
static void start(struct gn_http1_writer *w, enum gn_http_method method, uint8_t minor,
        uint64_t length, struct gn_buf *out)
{
    struct gn_http1_head head = {.method = method, .minor_version = minor, .keep_alive = true};
    struct gn_http1_response r = {.status = 200, .body_length = length};

    gn_buf_init(out, 4096);
    gn_http1_writer_init(w, &head, true);
    cr_assert_eq(gn_http1_writer_head(w, &r, out), GN_OK);
    gn_buf_clear(out);
}

static void put_piece(struct gn_http1_writer *w, const char *text, struct gn_buf *out)
{
    struct gn_http1_piece piece;

    cr_assert_eq(gn_http1_writer_body(w, strlen(text), &piece), GN_OK);
    cr_assert_eq(gn_buf_append(out, piece.prefix), GN_OK);
    cr_assert_eq(gn_buf_append(out, gn_slice_of(text, piece.take)), GN_OK);
    cr_assert_eq(gn_buf_append(out, piece.suffix), GN_OK);
}

Test(http1_writer, frames_chunks)
{
    struct gn_http1_writer w;
    struct gn_http1_piece piece;
    struct gn_slice tail;
    struct gn_buf out;

    start(&w, GN_METHOD_GET, 1, UNKNOWN, &out);
    put_piece(&w, "hello", &out);
    put_piece(&w, "", &out);
    put_piece(&w, "0123456789abcdefg", &out);
    cr_assert(gn_slice_eq(gn_buf_slice(&out), GN_LIT("5\r\nhello\r\n11\r\n0123456789abcdefg\r\n")));
    cr_assert_eq(gn_http1_writer_body(&w, SIZE_MAX, &piece), GN_OK);
    cr_assert(gn_slice_eq(piece.prefix, GN_LIT("ffffffffffffffff\r\n")));
    cr_assert_eq(gn_http1_writer_end(&w, &tail), GN_OK);
    cr_assert(gn_slice_eq(tail, GN_LIT("0\r\n\r\n")));
    cr_assert(w.keep_alive);
    gn_buf_fini(&out);
}

Test(http1_writer, keeps_to_the_declared_length)
{
    struct gn_http1_writer w;
    struct gn_http1_piece piece;
    struct gn_slice tail;
    struct gn_buf out;

    start(&w, GN_METHOD_GET, 1, 5, &out);
    put_piece(&w, "abc", &out);
    cr_assert_eq(gn_http1_writer_body(&w, 3, &piece), GN_ERR_TOO_BIG);
    cr_assert_eq(piece.take, 2);
    cr_assert_eq(gn_http1_writer_body(&w, 1, &piece), GN_ERR_TOO_BIG);
    cr_assert_eq(piece.take, 0);
    cr_assert_eq(gn_http1_writer_end(&w, &tail), GN_OK);
    cr_assert_eq(tail.len, 0);
    cr_assert_eq(w.n_body, 5);
    cr_assert(w.keep_alive);
    gn_buf_fini(&out);

    start(&w, GN_METHOD_GET, 1, 5, &out);
    put_piece(&w, "abcd", &out);
    cr_assert_eq(gn_http1_writer_end(&w, &tail), GN_ERR_EOF);
    cr_assert_not(w.keep_alive);
    gn_buf_fini(&out);
}

Test(http1_writer, swallows_the_body_of_head)
{
    struct gn_http1_writer w;
    struct gn_http1_piece piece;
    struct gn_slice tail;
    struct gn_buf out;

    start(&w, GN_METHOD_HEAD, 1, 5, &out);
    cr_assert_eq(gn_http1_writer_body(&w, 50, &piece), GN_OK);
    cr_assert_eq(piece.take + piece.prefix.len + piece.suffix.len, 0);
    cr_assert_eq(gn_http1_writer_end(&w, &tail), GN_OK);
    cr_assert_eq(w.n_body, 0);
    cr_assert(w.keep_alive);
    gn_buf_fini(&out);
}

Test(http1_writer, ends_with_the_connection_on_http_10)
{
    struct gn_http1_writer w;
    struct gn_slice tail;
    struct gn_buf out;

    start(&w, GN_METHOD_GET, 0, UNKNOWN, &out);
    put_piece(&w, "hello", &out);
    cr_assert(gn_slice_eq(gn_buf_slice(&out), GN_LIT("hello")));
    cr_assert_eq(gn_http1_writer_end(&w, &tail), GN_OK);
    cr_assert_eq(tail.len, 0);
    cr_assert_not(w.keep_alive);
    gn_buf_fini(&out);
}

Test(http1_writer, refuses_body_out_of_turn)
{
    struct gn_http1_writer w;
    struct gn_http1_piece piece;
    struct gn_slice tail;
    struct gn_buf out;

    gn_http1_writer_init_closing(&w);
    cr_assert_not(gn_http1_writer_has_body(&w));
    cr_assert_eq(gn_http1_writer_body(&w, 1, &piece), GN_ERR_INVALID);
    cr_assert_eq(piece.take, 0);
    cr_assert_eq(gn_http1_writer_end(&w, &tail), GN_ERR_INVALID);
    start(&w, GN_METHOD_GET, 1, 0, &out);
    cr_assert_eq(gn_http1_writer_end(&w, &tail), GN_OK);
    cr_assert_eq(gn_http1_writer_end(&w, &tail), GN_ERR_INVALID);
    cr_assert_eq(gn_http1_writer_body(&w, 1, &piece), GN_ERR_INVALID);
    gn_buf_fini(&out);
}

Test(http1_writer, writes_interim_responses)
{
    struct gn_header links[] = {
            {.name = GN_LIT("Link"), .value = GN_LIT("</a.css>; rel=preload; as=style")},
            {.name = GN_LIT("Content-Length"), .value = GN_LIT("5")}};
    struct gn_http1_head head = {.minor_version = 1, .keep_alive = true};
    struct gn_http1_response r = {.status = 200};
    struct gn_http1_writer w;
    struct gn_buf out;

    gn_buf_init(&out, 4096);
    gn_http1_writer_init(&w, &head, true);
    cr_assert_eq(gn_http1_writer_interim(&w, 100, NULL, 0, &out), GN_OK);
    cr_assert_eq(gn_http1_writer_interim(&w, 103, links, 2, &out), GN_OK);
    cr_assert(gn_slice_eq(gn_buf_slice(&out),
            GN_LIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
                   "Link: </a.css>; rel=preload; as=style\r\n\r\n")));
    cr_assert_eq(gn_http1_writer_interim(&w, 101, NULL, 0, &out), GN_ERR_INVALID);
    cr_assert_eq(gn_http1_writer_interim(&w, 200, NULL, 0, &out), GN_ERR_INVALID);
    links[0].value = GN_LIT("a\r\nb");
    gn_buf_clear(&out);
    cr_assert_eq(gn_http1_writer_interim(&w, 103, links, 1, &out), GN_ERR_INVALID);
    cr_assert_eq(out.len, 0);
    cr_assert_eq(gn_http1_writer_head(&w, &r, &out), GN_OK);
    cr_assert_eq(gn_http1_writer_interim(&w, 103, NULL, 0, &out), GN_ERR_INVALID);

    gn_buf_clear(&out);
    head.minor_version = 0;
    gn_http1_writer_init(&w, &head, true);
    cr_assert_eq(gn_http1_writer_interim(&w, 100, NULL, 0, &out), GN_OK);
    cr_assert_eq(out.len, 0, "HTTP/1.0 knows no interim responses");
    gn_buf_fini(&out);
}

Test(http1_writer, switches_protocols)
{
    struct gn_header fields[] = {{.name = GN_LIT("Upgrade"), .value = GN_LIT("websocket")},
            {.name = GN_LIT("Connection"), .value = GN_LIT("close")},
            {.name = GN_LIT("Sec-WebSocket-Accept"), .value = GN_LIT("x=")}};
    struct gn_http1_head head = {.minor_version = 1, .keep_alive = true};
    struct gn_http1_writer w;
    struct gn_buf out;

    gn_buf_init(&out, 4096);
    gn_http1_writer_init(&w, &head, true);
    cr_assert_eq(gn_http1_writer_upgrade(&w, fields + 1, 2, &out), GN_ERR_INVALID);
    cr_assert_eq(out.len, 0);
    cr_assert_eq(gn_http1_writer_upgrade(&w, fields, 3, &out), GN_OK);
    cr_assert(gn_slice_eq(gn_buf_slice(&out),
            GN_LIT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Accept: x=\r\nConnection: Upgrade\r\n\r\n")));
    cr_assert_eq(gn_http1_writer_upgrade(&w, fields, 3, &out), GN_ERR_INVALID);
    gn_buf_fini(&out);
}

Test(http1_writer, replies_in_one_go)
{
    struct gn_http1_head head = {.minor_version = 1, .keep_alive = true};
    struct gn_http1_response r = {.status = 404};
    struct gn_http1_writer w;
    struct gn_buf out;

    gn_buf_init(&out, 4096);
    gn_http1_writer_init(&w, &head, true);
    cr_assert_eq(gn_http1_writer_reply(&w, &r, GN_LIT("gone"), &out), GN_OK);
    cr_assert(gn_slice_eq(gn_buf_slice(&out),
            GN_LIT("HTTP/1.1 404 Not Found\r\n" SERVER_LINE LEN("4") "\r\ngone")));
    cr_assert(w.keep_alive);
    gn_buf_clear(&out);

    head.method = GN_METHOD_HEAD;
    gn_http1_writer_init(&w, &head, true);
    cr_assert_eq(gn_http1_writer_reply(&w, &r, GN_LIT("gone"), &out), GN_OK);
    cr_assert(gn_slice_ends_with(gn_buf_slice(&out), GN_LIT(LEN("4") "\r\n")));
    gn_buf_fini(&out);

    gn_buf_init(&out, 400);
    head.method = GN_METHOD_GET;
    gn_http1_writer_init(&w, &head, true);
    char big[300];
    memset(big, 'x', sizeof(big));
    cr_assert_eq(gn_http1_writer_reply(&w, &r, gn_slice_of(big, sizeof(big)), &out), GN_OK);
    gn_buf_fini(&out);

    gn_buf_init(&out, 340);
    gn_http1_writer_init(&w, &head, true);
    cr_assert_eq(
            gn_http1_writer_reply(&w, &r, gn_slice_of(big, sizeof(big)), &out), GN_ERR_TOO_BIG);
    cr_assert_eq(out.len, 0);
    cr_assert_eq(w.status, 0, "as before");
    gn_buf_fini(&out);
}
