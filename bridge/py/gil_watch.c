/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/gil_watch.h"

#include "bridge/py/dump.h"
#include "server/base/log.h"

#include "bridge/py/gil_priv.h"
#include "bridge/py/pyexec_priv.h"

#define TICKS 4 /* in gil_watch_ms */
#define MIN_TICK_MS 5
#define REPORT_MS 60000 /* between two blocks in the log */

static double seconds(int64_t ns)
{
    return (double)ns / (double)GN_NS_PER_S;
}

static void run_probe(struct gn_errand *probe)
{
    (void)probe; /* to have had the GIL is all */
}

static void on_probed(struct gn_errand *probe)
{
    struct gn_gil_watch *watch = GN_CONTAINER_OF(probe, struct gn_gil_watch, probe);

    gn_assert_loop_thread(watch->exec->loop);
    watch->is_probe_out = false;
    if (watch->stuck_since != 0) {
        gn_log_warning("%s again, after %.1f s",
                gn_pyexec_is_gil_off(watch->exec) ? "threads enter Python" : "the GIL moves",
                seconds(gn_clock_now() - watch->stuck_since));
        watch->stuck_since = 0;
    }
}

static void on_dumped(void *arg, struct gn_slice text)
{
    struct gn_gil_watch *watch = arg;
    struct gn_buf heading;

    watch->dump = NULL;
    if (watch->stuck_since == 0) {
        return; /* it moves again, and what the threads do now is of no interest */
    }
    gn_buf_init(&heading, 256);
    (void)!gn_buf_printf(&heading,
            gn_pyexec_is_gil_off(watch->exec)
                    ? "no thread could enter Python for %.1f s: one that does not stop for the "
                      "garbage collector holds up the others"
                    : "the GIL has not moved for %.1f s; no Python code can run",
            seconds(gn_clock_now() - watch->stuck_since));
    gn_log_block(GN_LOG_ERROR, gn_buf_slice(&heading), text);
    gn_buf_fini(&heading);
}

GN_LOOP_THREAD static void judge(struct gn_gil_watch *watch)
{
    gn_deadline since = gn_messenger_waits_since(watch->exec->watch.messenger);
    gn_deadline now = gn_clock_now();

    if (since == 0 || now < gn_deadline_after_ms(since, watch->exec->options.gil_watch_ms)) {
        return;
    }
    if (watch->dump == NULL &&
            (watch->reported_at == 0 ||
                    now >= gn_deadline_after_ms(watch->reported_at, REPORT_MS))) {
        watch->stuck_since = since;
        watch->reported_at = now;
        watch->dump = gn_pydump_start(watch->exec, on_dumped, watch);
    }
}

static bool is_busy(struct gn_pyexec *exec)
{
    bool is_busy;

    (void)pthread_mutex_lock(&exec->shared.lock);
    is_busy = exec->shared.n_threads > exec->shared.n_idle;
    (void)pthread_mutex_unlock(&exec->shared.lock);
    return is_busy;
}

GN_LOOP_THREAD static void start_tick(struct gn_gil_watch *watch)
{
    int64_t ms = GN_MAX(watch->exec->options.gil_watch_ms / TICKS, (int64_t)MIN_TICK_MS);

    gn_timer_start(&watch->tick, gn_loop_after_ms(watch->exec->loop, ms));
}

static void on_tick(struct gn_timer *timer)
{
    struct gn_gil_watch *watch = GN_CONTAINER_OF(timer, struct gn_gil_watch, tick);

    gn_assert_loop_thread(watch->exec->loop);
    judge(watch);
    if (is_busy(watch->exec) && !watch->is_probe_out) {
        watch->is_probe_out = true;
        gn_messenger_send(watch->exec->watch.messenger, &watch->probe);
    }
    if (watch->is_probe_out) {
        start_tick(watch);
    }
}

void gn_gil_watch_init(struct gn_gil_watch *watch, struct gn_pyexec *exec)
{
    *watch = (struct gn_gil_watch){.exec = exec, .probe.run = run_probe, .probe.done = on_probed};
    gn_timer_init(&watch->tick, exec->loop, on_tick);
}

void gn_gil_watch_begin(struct gn_gil_watch *watch)
{
    if (watch->exec->options.gil_watch_ms > 0) {
        start_tick(watch);
    }
}

void gn_gil_watch_fini(struct gn_gil_watch *watch)
{
    gn_timer_stop(&watch->tick);
    gn_pydump_cancel(&watch->dump);
}
