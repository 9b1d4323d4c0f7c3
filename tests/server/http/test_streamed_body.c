/* SPDX-License-Identifier: MIT */
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/loop/loop.h"
#include "tests/server/http/http_fixture.h"
#include "tests/support/test.h"

/* A body given to its handler while it arrives: whose turn is it, and what is said of its end. */

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define EXPECT POST "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

static void quiet(void *arg, enum gn_log_level level, struct gn_slice line)
{
    (void)arg;
    (void)level;
    (void)line;
}

static void stream_it(struct http_fixture *f, struct gn_exchange *ex)
{
    (void)f;
    ex->body_mode = GN_BODY_STREAM;
}

/** A handler that gives up when it is told to. */
static void give_up(struct http_fixture *f, struct gn_exchange *ex)
{
    gn_assert_loop_thread(f->loop);
    gn_exchange_abort(ex);
}

static void init(struct http_fixture *f)
{
    gn_log_set_sink(quiet, NULL);
    http_fixture_init(f);
    f->begin = stream_it;
    f->serve = http_fixture_hold;
    f->cancel = give_up;
    f->limits.linger_ms = 10;
}

static void on_tick(struct gn_timer *timer)
{
    gn_assert_loop_thread(timer->loop);
    gn_loop_stop(timer->loop);
}

static void run_ms(struct http_fixture *f, int64_t ms)
{
    struct gn_timer timer;

    gn_assert_loop_thread(f->loop);
    gn_timer_init(&timer, f->loop, on_tick);
    gn_timer_start(&timer, gn_deadline_after_ms(gn_clock_now(), ms));
    gn_loop_run(f->loop);
    gn_timer_stop(&timer);
}

/** Runs until the handler was cancelled, at most ten seconds. */
static void run_until_cancelled(struct http_fixture *f)
{
    gn_assert_loop_thread(f->loop);
    for (int i = 0; i < 1000 && f->n_cancel == 0; i++) {
        run_ms(f, 10);
    }
    cr_assert_eq(f->n_cancel, 1);
}

/** Takes what has come; returns how much. */
static uint64_t take(struct http_fixture *f, bool *ended_out)
{
    struct gn_bufq content = {0};
    uint64_t n;

    gn_assert_loop_thread(f->loop);
    gn_exchange_take_body(f->held[0], &content, ended_out);
    n = content.n_bytes;
    gn_bufq_clear(&content);
    return n;
}

Test(streamed_body, who_waits_for_100_is_not_late)
{
    struct http_fixture f;
    bool ended;

    init(&f);
    f.limits.body_idle_ms = 20;
    http_fixture_start(&f);
    http_fixture_feed(&f, EXPECT);
    run_ms(&f, 100);
    cr_assert_eq(f.n_cancel, 0, "the handler has not asked yet");
    cr_assert_str_eq(http_fixture_output(&f), "");
    cr_assert_eq(take(&f, &ended), 0);
    cr_assert_not(ended);
    run_until_cancelled(&f);
    cr_assert_eq(f.why, GN_ERR_TIMEOUT, "now it has");
    cr_assert_eq(strncmp(http_fixture_output(&f), CONTINUE "HTTP/1.1 408 ", sizeof(CONTINUE) + 12),
            0, "%s", http_fixture_output(&f));
    http_fixture_fini(&f);
}

Test(streamed_body, who_does_not_wait_for_100_may_be_late)
{
    struct http_fixture f;

    init(&f);
    f.limits.body_idle_ms = 20;
    http_fixture_start(&f);
    http_fixture_feed(&f, EXPECT "ab");
    run_until_cancelled(&f);
    cr_assert_eq(f.why, GN_ERR_TIMEOUT);
    http_fixture_fini(&f);
}

Test(streamed_body, the_wait_for_100_does_not_count_for_the_rate)
{
    struct http_fixture f;
    bool ended;

    init(&f);
    f.limits.body_rate_bytes_s = 1000;
    f.limits.body_rate_grace_ms = 100;
    http_fixture_start(&f);
    http_fixture_feed(&f, EXPECT);
    run_ms(&f, 150);
    (void)take(&f, &ended);
    http_fixture_feed(&f, "a");
    cr_assert_eq(f.n_cancel, 0);
    http_fixture_feed(&f, "bcd");
    cr_assert_eq(take(&f, &ended), 4);
    cr_assert(ended);
    http_fixture_reply(f.held[0], "ok");
    http_fixture_fini(&f);
}

/** Content is left with the server for a while, which runs meanwhile. */
Test(streamed_body, a_slow_handler_does_not_count_for_the_rate)
{
    const struct gn_response head = {.status = 200};
    struct http_fixture f;
    bool ended;

    init(&f);
    f.limits.pipeline_bytes = 4;
    f.limits.body_rate_bytes_s = 1000;
    f.limits.body_rate_grace_ms = 100;
    http_fixture_start(&f);
    http_fixture_feed(&f, POST "Content-Length: 8\r\n\r\nabcd");
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_exchange_start(f.held[0], &head, 2), GN_OK);
    http_fixture_turn(&f);
    run_ms(&f, 150);
    cr_assert_eq(take(&f, &ended), 4);
    http_fixture_feed(&f, "e");
    cr_assert_eq(f.n_cancel, 0);
    http_fixture_feed(&f, "fgh");
    cr_assert_eq(take(&f, &ended), 4);
    cr_assert(ended);
    gn_exchange_abort(f.held[0]);
    http_fixture_fini(&f);
}

Test(streamed_body, what_is_wrong_with_it_is_told)
{
    static const struct {
        const char *sent;
        enum gn_err why;
        const char *answer;
    } cases[] = {
            {"4\r\nabcd\r\n7\r\nefghijk\r\n", GN_ERR_TOO_BIG, "HTTP/1.1 413 "},
            {"4\r\nabcd\r\nx\r\n", GN_ERR_PROTOCOL, "HTTP/1.1 400 "},
            {"4\r\nabcdef\r\n", GN_ERR_PROTOCOL, "HTTP/1.1 400 "},
    };

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct http_fixture f;

        init(&f);
        f.limits.body_bytes = 10;
        http_fixture_start(&f);
        http_fixture_feed(&f, POST "Transfer-Encoding: chunked\r\n\r\n");
        cr_assert_eq(f.n_held, 1);
        http_fixture_feed(&f, cases[i].sent);
        cr_assert_eq(f.n_cancel, 1, "%s", cases[i].sent);
        cr_assert_eq(f.why, cases[i].why, "%s: %s", cases[i].sent, gn_err_name(f.why));
        cr_assert_eq(strncmp(http_fixture_output(&f), cases[i].answer, 13), 0, "%s",
                http_fixture_output(&f));
        http_fixture_fini(&f);
    }
}

Test(streamed_body, what_is_wrong_with_it_is_told_behind_a_head_too)
{
    const struct gn_response head = {.status = 200};
    struct http_fixture f;

    init(&f);
    http_fixture_start(&f);
    http_fixture_feed(&f, POST "Transfer-Encoding: chunked\r\n\r\n");
    gn_assert_loop_thread(f.loop);
    cr_assert_eq(gn_exchange_start(f.held[0], &head, 2), GN_OK);
    http_fixture_feed(&f, "x\r\n");
    cr_assert_eq(f.n_cancel, 1);
    cr_assert_eq(f.why, GN_ERR_PROTOCOL);
    cr_assert(f.record.is_destroyed, "cut, for the response is not complete");
    http_fixture_fini(&f);
}
