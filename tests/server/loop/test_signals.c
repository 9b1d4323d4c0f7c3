/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <unistd.h>

#include "server/loop/signals.h"
#include "tests/support/test.h"

struct watched {
    struct gn_signal watch;
    int signum;
    unsigned n_calls;
};

static void on_signal(struct gn_signal *watch, int signum)
{
    struct watched *w = GN_CONTAINER_OF(watch, struct watched, watch);

    gn_assert_loop_thread(watch->loop);
    w->signum = signum;
    w->n_calls++;
    gn_loop_stop(watch->loop);
}

Test(signals, arrive_on_the_loop_one_by_one)
{
    struct gn_loop *loop = NULL;
    struct watched usr1 = {.n_calls = 0};
    struct watched usr2 = {.n_calls = 0};

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    gn_signal_start(&usr1.watch, loop, SIGUSR1, on_signal);
    gn_signal_start(&usr2.watch, loop, SIGUSR2, on_signal);
    cr_assert_eq(kill(getpid(), SIGUSR1), 0);
    gn_loop_run(loop);
    cr_assert_eq(usr1.n_calls, 1);
    cr_assert_eq(usr1.signum, SIGUSR1);
    cr_assert_eq(usr2.n_calls, 0);
    cr_assert_eq(kill(getpid(), SIGUSR2), 0);
    gn_loop_run(loop);
    cr_assert_eq(usr2.signum, SIGUSR2);
    gn_signal_stop(&usr1.watch);
    gn_signal_stop(&usr2.watch);
    gn_signal_stop(&usr2.watch);
    gn_loop_destroy(&loop);
}

Test(signals, stopped_watch_restores_the_default, .signal = SIGUSR1)
{
    struct gn_loop *loop = NULL;
    struct watched w = {.n_calls = 0};

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    gn_signal_start(&w.watch, loop, SIGUSR1, on_signal);
    gn_signal_stop(&w.watch);
    (void)kill(getpid(), SIGUSR1);
}

Test(signals, zeroed_watch_may_be_stopped)
{
    struct gn_loop *loop = NULL;
    struct gn_signal watch = {.loop = NULL};

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    gn_assert_loop_thread(loop);
    gn_signal_stop(&watch);
    gn_loop_destroy(&loop);
}
