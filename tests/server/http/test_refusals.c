/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/http/exchange.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/test.h"

/*
 * Answers to requests that were refused before anybody served them: in which
 * language, with or without content, and what the log says.
 */

#define JSON "Accept: application/json\r\n"
#define HOST "Host: h\r\n"

static struct http_fixture f;
static char lines[4096]; /* logged */

static void keep_line(void *arg, enum gn_log_level level, struct gn_slice line)
{
    size_t n = strlen(lines);

    (void)arg;
    (void)level;
    (void)snprintf(lines + n, sizeof(lines) - n, GN_SLICE_FMT, GN_SLICE_ARG(line));
}

static void setup(void)
{
    lines[0] = '\0';
    gn_log_set_sink(keep_line, NULL);
    http_fixture_init(&f);
}

TestSuite(refusals, .init = setup);

static void feed_bytes(const char *text)
{
    for (; *text != '\0'; text++) {
        const char one[2] = {*text, '\0'};

        http_fixture_feed(&f, one);
    }
}

/** The answer to `text`; the client leaves and another one comes. */
static const char *answer(const char *text, bool in_bytes)
{
    static char output[8192];

    if (in_bytes) {
        feed_bytes(text);
    } else {
        http_fixture_feed(&f, text);
    }
    (void)snprintf(output, sizeof(output), "%s", http_fixture_output(&f));
    http_fixture_clear_output(&f);
    gn_mem_stream_end(f.stream);
    http_fixture_turn(&f);
    cr_assert(f.record.is_destroyed);
    http_fixture_connect(&f);
    return output;
}

static void check_language(const char *request, const char *status, bool is_json, bool in_bytes)
{
    const char *got = answer(request, in_bytes);

    cr_assert_eq(strncmp(got, "HTTP/1.1 ", 9), 0, "%s", got);
    cr_assert_eq(strncmp(got + 9, status, 3), 0, "%s: %s", request, got);
    cr_assert_not_null(strstr(got, "Connection: close\r\n"), "%s: %s", request, got);
    cr_assert_eq(
            strstr(got, "Content-Type: application/json") != NULL, is_json, "%s: %s", request, got);
    cr_assert_not_null(strstr(got, is_json ? "{\"status\":" : "<h1>"), "%s: %s", request, got);
}

/* ---- language ------------------------------------------------------------------------ */

Test(refusals, accept_counts_as_far_as_it_could_be_read)
{
    static const struct {
        const char *request;
        const char *status;
        bool is_json;
    } cases[] = {
            {"GET / HTTP/1.1\r\n" HOST JSON "no colon\r\n\r\n", "400", true},
            {"GET / HTTP/1.1\r\n" HOST "no colon\r\n" JSON "\r\n", "400", false},
            {"GET / HTTP/1.1\r\n" JSON "\r\n", "400", true},
            {"GET / HTTP/1.1\r\n" JSON HOST "A: \x01\r\n\r\n", "400", true},
            {"GET / HTTP/1.1\r\n" JSON "Host: a b\r\n\r\n", "400", true},
            {"POST / HTTP/1.1\r\n" HOST "Content-Length: x\r\n" JSON "\r\n", "400", false},
            {"POST / HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\nx", "400", true},
            {"POST / HTTP/1.1\r\n" HOST JSON "Content-Length: 99\r\n\r\n", "413", true},
            {"POST / HTTP/1.1\r\n" HOST "Expect: x\r\n" JSON "\r\n", "417", true},
            {"GET / HTTP/1.1\r\n" HOST JSON "A: 01234567890123456789012345678901234567\r\n", "431",
                    true},
            {"GET / HTTP/1.1\r\n" HOST "A: 01234567890123456789012345678901234567\r\n" JSON, "431",
                    false},
            {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n" JSON "\r\n", "501",
                    true},
            {"GET /01234567890123456789012345678901 HTTP/1.1\r\n" JSON HOST "\r\n", "414", false},
            {"nonsense\r\n" JSON "\r\n", "400", false},
            {"GET / HTTP/3.0\r\n" JSON HOST "\r\n", "505", false},
            {"\r\nGET / HTTP/1.0\r\n" JSON "Transfer-Encoding: chunked\r\n\r\n", "400", true},
    };

    f.limits.request_line_bytes = 40;
    f.limits.field_bytes = 40;
    f.limits.body_bytes = 98;
    http_fixture_start(&f);
    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        check_language(cases[i].request, cases[i].status, cases[i].is_json, false);
        check_language(cases[i].request, cases[i].status, cases[i].is_json, true);
    }
    cr_assert_eq(f.n_serve, 0);
    http_fixture_fini(&f);
}

/** Waits for the head's deadline. */
static const char *late_answer(void)
{
    for (int i = 0; i < 1000 && f.record.output.len == 0; i++) {
        (void)usleep(1000);
        http_fixture_turn(&f);
    }
    return answer("", false);
}

Test(refusals, accept_counts_in_a_head_that_comes_too_late)
{
    static char padding[20000];

    f.limits.head_ms = 20;
    f.limits.field_bytes = 2 * sizeof(padding);
    http_fixture_start(&f);
    http_fixture_feed(&f, "GET / HTTP/1.1\r\n" JSON);
    cr_assert_not_null(strstr(late_answer(), "{\"status\":408"));
    http_fixture_feed(&f, "GET / HTTP/1.1\r\n");
    cr_assert_not_null(strstr(late_answer(), "<h1>408"));
    http_fixture_feed(&f, "GET / HTT");
    cr_assert_not_null(strstr(late_answer(), "<h1>408"));
    /* the same in a block that had to grow */
    memset(padding, 'x', sizeof(padding) - 1);
    http_fixture_feed(&f, "GET / HTTP/1.1\r\n" JSON "A: ");
    http_fixture_feed(&f, padding);
    cr_assert_not_null(strstr(late_answer(), "{\"status\":408"));
    http_fixture_fini(&f);
}

Test(refusals, head_gets_no_page)
{
    const char *got;

    http_fixture_start(&f);
    got = answer("HEAD / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", false);
    cr_assert_not_null(strstr(got, "HTTP/1.1 400"));
    cr_assert_not_null(strstr(got, "Content-Length: "));
    cr_assert_eq(strcmp(strstr(got, "\r\n\r\n"), "\r\n\r\n"), 0, "%s", got);
    http_fixture_fini(&f);
}

/* ---- the log --------------------------------------------------------------------------- */

static void begin_with_a_limit(struct http_fixture *fixture, struct gn_exchange *ex)
{
    (void)fixture;
    if (gn_slice_starts_with(ex->head->path, GN_LIT("/small"))) {
        ex->body_limit_bytes = 4;
    }
}

Test(refusals, a_body_beyond_the_limit_of_its_route_is_that_routes_to_raise)
{
    f.begin = begin_with_a_limit;
    f.limits.body_bytes = 8;
    http_fixture_start(&f);
    (void)answer("POST /small HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabcd", false);
    (void)answer("POST /large HTTP/1.1\r\n" HOST "Content-Length: 8\r\n\r\nabcdefgh", false);
    cr_assert_eq(f.n_serve, 2);
    cr_assert_null(strstr(lines, "413"), "%s", lines);
    cr_assert_not_null(strstr(
            answer("PUT /small/\x1b HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", false), "400"));
    (void)answer("PUT /small/a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", false);
    cr_assert_not_null(strstr(lines, "answered 413 to"), "%s", lines);
    cr_assert_not_null(strstr(lines,
                               "PUT /small/a has a limit of its own, 4 bytes: raise "
                               "body_limit_bytes of its route"),
            "%s", lines);
    cr_assert_null(strstr(lines, "--limit-request-body"), "%s", lines);
    http_fixture_fini(&f);
}

Test(refusals, a_body_beyond_the_servers_limit_names_the_option)
{
    f.begin = begin_with_a_limit;
    f.limits.body_bytes = 8;
    http_fixture_start(&f);
    (void)answer("POST /large HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n9\r\n", false);
    cr_assert_not_null(strstr(lines, "raise --limit-request-body"), "%s", lines);
    cr_assert_null(strstr(lines, "body_limit_bytes"), "%s", lines);
    http_fixture_fini(&f);
}

/** The last bytes are written when all have come: that, too, is the client's to know. */
Test(refusals, a_disk_that_is_full_at_the_last_byte_of_a_body_is_told)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const struct rlimit tiny = {.rlim_cur = 8, .rlim_max = RLIM_INFINITY};
    const char *got;

    cr_assert_eq(sigaction(SIGXFSZ, &ignore, NULL), 0);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    f.limits.body_memory_bytes = 4;
    http_fixture_start(&f);
    http_fixture_feed(&f, "POST / HTTP/1.1\r\n" HOST "Content-Length: 8\r\n\r\n12345678");
    cr_assert_not_null(strstr(http_fixture_output(&f), "HTTP/1.1 200 "));
    cr_assert_eq(f.n_serve, 1);
    http_fixture_clear_output(&f);
    feed_bytes("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
               "1\r\na\r\n1\r\nb\r\n7\r\n1234567\r\n0\r\n\r\n");
    got = http_fixture_output(&f);
    cr_assert_not_null(strstr(got, "HTTP/1.1 507 "), "%s", got);
    cr_assert_not_null(strstr(got, "Connection: close"), "%s", got);
    cr_assert_eq(f.n_serve, 1);
    gn_mem_stream_end(f.stream);
    http_fixture_turn(&f);
    http_fixture_fini(&f);
}
