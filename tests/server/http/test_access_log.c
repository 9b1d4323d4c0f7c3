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
