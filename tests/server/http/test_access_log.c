/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/http/access_log.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/test.h"

#define GET "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
#define PATH_BYTES 64

static void temporary_path(char path[PATH_BYTES], const char *name)
{
    char dir[] = "/tmp/gn-access-XXXXXX";

    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, PATH_BYTES, "%s/%s", dir, name);
}

static void remove_all(char path[PATH_BYTES])
{
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    cr_assert_eq(rmdir(path), 0);
}

static const char *content(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "r");
    size_t n;

    cr_assert_not_null(file);
    n = fread(text, 1, sizeof(text) - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    return text;
}

static void setup(struct http_fixture *f, const char *path, const char *format)
{
    const struct gn_access_log_options options = {
            .path = gn_slice_str(path), .format = gn_slice_str(format)};
    struct gn_error err = {0};

    http_fixture_init(f);
    gn_assert_loop_thread(f->loop);
    cr_assert_eq(gn_access_log_create(f->loop, &options, &f->access_log, &err), GN_OK, "%s",
            err.message);
    http_fixture_start(f);
}

static void reply_with_header(struct http_fixture *f, struct gn_exchange *ex)
{
    const struct gn_header header = {.name = GN_LIT("X-Kind"), .value = GN_LIT("first")};
    const struct gn_response response = {
            .status = 201, .headers = &header, .n_headers = 1, .body = GN_LIT("body")};

    gn_assert_loop_thread(f->loop);
    gn_exchange_reply(ex, &response);
}

Test(access_log, writes_a_line_per_exchange)
{
    struct http_fixture f;
    char path[PATH_BYTES];

    temporary_path(path, "log");
    setup(&f, path, "%(h)s %(r)s %(s)s %(b)s %({x-kind}o)s");
    f.serve = reply_with_header;
    http_fixture_feed(&f, GET GET);
    gn_assert_loop_thread(f.loop);
    gn_access_log_flush(f.access_log);
    cr_assert_str_eq(content(path),
            "192.0.2.1 GET /x HTTP/1.1 201 4 first\n"
            "192.0.2.1 GET /x HTTP/1.1 201 4 first\n");
    http_fixture_feed(&f, "nonsense\r\n\r\n");
    gn_access_log_flush(f.access_log);
    cr_assert_not_null(strstr(content(path), "\n192.0.2.1 - 400 "), "%s", content(path));
    http_fixture_fini(&f);
    remove_all(path);
}

Test(access_log, says_499_when_the_client_left)
{
    struct http_fixture f;
    char path[PATH_BYTES];

    temporary_path(path, "log");
    setup(&f, path, "%(s)s");
    f.serve = http_fixture_hold;
    http_fixture_feed(&f, GET);
    gn_mem_stream_kill(f.stream);
    http_fixture_turn(&f);
    http_fixture_reply(f.held[0], "nobody");
    http_fixture_turn(&f);
    gn_assert_loop_thread(f.loop);
    gn_access_log_flush(f.access_log);
    cr_assert_str_eq(content(path), "499\n");
    http_fixture_fini(&f);
    remove_all(path);
}

static void reply_in_parts(struct http_fixture *f, struct gn_exchange *ex)
{
    const struct gn_response head = {.status = 200};
    struct gn_bufq part = {0};

    gn_assert_loop_thread(f->loop);
    cr_assert_eq(gn_exchange_start(ex, &head, GN_LENGTH_UNKNOWN), GN_OK);
    gn_bufq_append(&part, GN_LIT("0123456789"));
    cr_assert_eq(gn_exchange_write(ex, &part), GN_OK);
    gn_exchange_finish(ex);
}

static void reply_large(struct http_fixture *f, struct gn_exchange *ex)
{
    static char body[100000];
    const struct gn_response response = {.status = 200, .body = gn_slice_of(body, sizeof(body))};

    gn_assert_loop_thread(f->loop);
    memset(body, 'x', sizeof(body));
    gn_exchange_reply(ex, &response);
}

static void give_up(struct http_fixture *f, struct gn_exchange *ex)
{
    gn_assert_loop_thread(f->loop);
    gn_exchange_abort(ex);
}

#define POST_CHUNKED                                                                               \
    "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
#define POST_EXPECT                                                                                \
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

/* Against what really was fed and written, whatever the framing. */
Test(access_log, counts_the_bytes_on_the_wire)
{
    static const struct {
        const char *first;
        const char *second; /* after the first was read; "" */
        http_fixture_fn serve;
    } cases[] = {
            {GET, "", NULL},
            {GET, "", reply_with_header},
            {GET, "", reply_in_parts},
            {GET, "", reply_large},
            {GET, "", give_up},
            {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "", reply_in_parts},
            {POST_CHUNKED, "", NULL},
            {POST_EXPECT, "hello", reply_in_parts},
            {"nonsense\r\n\r\n", "", NULL},
            {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\n", NULL},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct http_fixture f;
        char path[PATH_BYTES];
        char expected[64];

        temporary_path(path, "log");
        setup(&f, path, "%({bytes_in}x)s %({bytes_out}x)s");
        f.serve = cases[i].serve;
        http_fixture_feed(&f, cases[i].first);
        http_fixture_feed(&f, cases[i].second);
        gn_mem_stream_end(f.stream);
        http_fixture_turn(&f);
        (void)snprintf(expected, sizeof(expected), "%zu %zu\n",
                strlen(cases[i].first) + strlen(cases[i].second), f.record.output.len);
        gn_assert_loop_thread(f.loop);
        gn_access_log_flush(f.access_log);
        cr_assert_str_eq(
                content(path), expected, "case %zu: %s instead of %s", i, content(path), expected);
        http_fixture_fini(&f);
        remove_all(path);
    }
}

/** Begins a long response on the exchange that is held. */
static void reply_started(struct http_fixture *f)
{
    static char bytes[20000];
    const struct gn_response head = {.status = 200};
    struct gn_bufq part = {0};

    gn_assert_loop_thread(f->loop);
    cr_assert_eq(gn_exchange_start(f->held[0], &head, GN_LENGTH_UNKNOWN), GN_OK);
    gn_bufq_append(&part, gn_slice_of(bytes, sizeof(bytes)));
    cr_assert_eq(gn_exchange_write(f->held[0], &part), GN_OK);
}

Test(access_log, counts_no_bytes_that_the_client_did_not_take)
{
    struct http_fixture f;
    char path[PATH_BYTES];
    char expected[64];

    temporary_path(path, "log");
    setup(&f, path, "%(s)s %({bytes_out}x)s");
    f.serve = http_fixture_hold;
    http_fixture_feed(&f, GET);
    f.stream->room = 1000;
    reply_started(&f);
    http_fixture_turn(&f);
    cr_assert_eq(f.record.output.len, 1000);
    gn_mem_stream_kill(f.stream);
    http_fixture_turn(&f);
    gn_exchange_abort(f.held[0]);
    http_fixture_turn(&f);
    (void)snprintf(expected, sizeof(expected), "200 %zu\n", f.record.output.len);
    gn_assert_loop_thread(f.loop);
    gn_access_log_flush(f.access_log);
    cr_assert_str_eq(content(path), expected);
    http_fixture_fini(&f);
    remove_all(path);
}

Test(access_log, flushes_by_itself_and_at_the_end)
{
    struct http_fixture f;
    char path[PATH_BYTES];

    temporary_path(path, "log");
    setup(&f, path, "%(s)s");
    http_fixture_feed(&f, GET);
    for (int i = 0; i < 1000 && content(path)[0] == '\0'; i++) {
        (void)usleep(1000);
        http_fixture_turn(&f);
    }
    cr_assert_str_eq(content(path), "200\n");
    http_fixture_feed(&f, GET);
    http_fixture_fini(&f);
    cr_assert_str_eq(content(path), "200\n200\n");
    remove_all(path);
}

Test(access_log, opens_its_path_anew)
{
    struct http_fixture f;
    char path[PATH_BYTES];
    char moved[PATH_BYTES + 4];

    temporary_path(path, "log");
    (void)snprintf(moved, sizeof(moved), "%s.1", path);
    setup(&f, path, "%(s)s");
    http_fixture_feed(&f, GET);
    cr_assert_eq(rename(path, moved), 0);
    gn_assert_loop_thread(f.loop);
    gn_access_log_reopen(f.access_log);
    http_fixture_feed(&f, GET GET);
    gn_access_log_flush(f.access_log);
    cr_assert_str_eq(content(moved), "200\n");
    cr_assert_str_eq(content(path), "200\n200\n");
    http_fixture_fini(&f);
    (void)unlink(moved);
    remove_all(path);
}

/* What a client chose must not drive the terminal of who reads the log, nor forge a line: escapes
 * in the target stay as they were sent, bytes that may stand in a field are written as \xHH. */
Test(access_log, uvicorn_cve_2020_7694_ghsa_33c7_2mpw_hg34_control_bytes)
{
    static const char request[] = "GET /%1b%5b31m%0d%0a HTTP/1.1\r\nHost: a\r\nUser-Agent: \x9b"
                                  "31m\t\"x\\\r\n"
                                  "Referer: \xc2\x9b"
                                  "2J\xff\r\nAuthorization: Basic GzpbCg==\r\n\r\n";
    static const char *const formats[] = {
            "%(h)s %(u)s \"%(r)s\" \"%(f)s\" \"%(a)s\" %({user-agent}i)s", "json"};
    static const char *const wanted[] = {
            "192.0.2.1 \\x1b \"GET /%1b%5b31m%0d%0a HTTP/1.1\" \"\\xc2\\x9b2J\\xff\" "
            "\"\\x9b31m\\x09\\x22x\\x5c\" \\x9b31m\\x09\\x22x\\x5c\n",
            NULL};

    for (size_t i = 0; i < GN_ARRAY_LEN(formats); i++) {
        struct http_fixture f;
        char path[PATH_BYTES];
        const char *text;

        temporary_path(path, "log");
        setup(&f, path, formats[i]);
        http_fixture_feed(&f, request);
        gn_assert_loop_thread(f.loop);
        gn_access_log_flush(f.access_log);
        text = content(path);
        cr_assert(wanted[i] == NULL || strcmp(text, wanted[i]) == 0, "%s", text);
        cr_assert_not_null(strstr(text, "/%1b%5b31m%0d%0a"), "%s", text);
        cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1, "more than one line: %s", text);
        for (const char *p = text; *p != '\n'; p++) {
            cr_assert(*p >= 0x20 && *p < 0x7f, "byte %02x of %s", (unsigned char)*p, text);
        }
        http_fixture_fini(&f);
        remove_all(path);
    }
}

static char sink[65536];
static unsigned n_warnings;

static void count_warnings(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)line;
    n_warnings += level >= GN_LOG_WARNING;
}

Test(access_log, a_reader_that_stands_still_stops_nobody)
{
    struct http_fixture f;
    char path[PATH_BYTES];
    int reader;

    gn_log_set_sink(count_warnings, NULL);
    temporary_path(path, "fifo");
    cr_assert_eq(mkfifo(path, 0600), 0);
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    setup(&f, path, "%(r)s %(r)s %(r)s %(r)s %(r)s %(r)s %(r)s %(r)s %(r)s %(r)s");
    for (int i = 0; i < 20000; i++) {
        gn_mem_stream_feed(f.stream,
                GN_LIT("GET /012345678901234567890123456789 HTTP/1.1\r\nHost: a\r\n\r\n"));
        if (i % 100 == 0) {
            http_fixture_turn(&f);
        }
    }
    http_fixture_turn(&f);
    cr_assert_eq(f.n_serve, 20000);
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(n_warnings, 0);
    do {
        gn_access_log_flush(f.access_log);
    } while (read(reader, sink, sizeof(sink)) > 0 && n_warnings == 0);
    cr_assert_eq(n_warnings, 1, "nobody was told of the lost lines");
    http_fixture_fini(&f);
    (void)close(reader);
    remove_all(path);
}

/* Opening waits for a reader otherwise: at the start without a word, at SIGUSR1 with every client.
 */
Test(access_log, does_not_wait_for_the_reader_of_a_pipe, .timeout = 10)
{
    struct gn_loop *loop = NULL;
    struct gn_access_log *log = NULL;
    struct gn_error err = {0};
    struct gn_access_log_options options = {.format = GN_LIT("%(s)s")};
    char path[PATH_BYTES];
    int reader;

    temporary_path(path, "fifo");
    cr_assert_eq(mkfifo(path, 0600), 0);
    options.path = gn_slice_str(path);
    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    cr_assert_eq(gn_access_log_create(loop, &options, &log, &err), GN_ERR_SYSTEM);
    cr_assert_not_null(strstr(err.message, "cannot open the access log"));
    reader = open(path, O_RDONLY | O_NONBLOCK);
    cr_assert_eq(gn_access_log_create(loop, &options, &log, &err), GN_OK);
    (void)close(reader);
    gn_access_log_reopen(log);
    gn_access_log_destroy(&log);
    gn_loop_destroy(&loop);
    remove_all(path);
}

Test(access_log, says_why_it_cannot_start)
{
    const struct gn_access_log_options nowhere = {.path = GN_LIT("/no/such/directory/log")};
    const struct gn_access_log_options nonsense = {
            .path = GN_LIT("-"), .format = GN_LIT("%(nonsense)s")};
    struct gn_access_log *log = NULL;
    struct gn_loop *loop = NULL;
    struct gn_error err = {0};

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    cr_assert_eq(gn_access_log_create(loop, &nowhere, &log, &err), GN_ERR_SYSTEM);
    cr_assert_not_null(strstr(err.message, "/no/such/directory/log"));
    cr_assert_eq(gn_access_log_create(loop, &nonsense, &log, &err), GN_ERR_INVALID);
    cr_assert_not_null(strstr(err.message, "nonsense"));
    cr_assert_null(log);
    gn_loop_destroy(&loop);
}
