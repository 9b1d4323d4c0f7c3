/* SPDX-License-Identifier: MIT */
/*
 *   start: who is in which call, CPU clocks ─► WINDOW_MS ─► CPU clocks again: who
 *   computes? ─► a look at the stacks of those in a call ─► text
 *
 * A call that is seen in a worker (worker.call) has not been done: `done` runs
 * on this thread. So it may be asked what it is after the lock is given up.
 */
#include <Python.h>

#include "bridge/py/dump.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "bridge/py/late.h"

#include "bridge/py/gil_priv.h"
#include "bridge/py/pyexec_priv.h"

#define WINDOW_MS 20
#define COMPUTES_FROM 4 /* who uses this part of the window; processors are shared */
#define WHAT_BYTES 2048
#define MAX_STRANGERS 64 /* threads of the application */

enum state {
    STARTING,
    IDLE,
    READY,
    RUNNING,
    WAITING,
    STUCK,
};

static const char *const state_names[] = {
        "starting", "idle", "ready", "running", "waiting", "stuck"};

struct shot {
    const struct gn_pyworker *worker; /* lives as long as the executor */
    unsigned number;
    unsigned n_calls;
    enum state state;
    struct gn_pycall *call; /* only while it is being asked */
    clockid_t cpu_clock;
    int64_t cpu_ns;
    pid_t thread;
    unsigned long python_thread;
    int64_t queued_ms;
    gn_deadline started_at;
    struct gn_buf what;
};

struct gn_pydump {
    struct gn_pyexec *exec;
    gn_pydump_fn fn;
    void *arg;
    struct gn_timer window;
    gn_deadline began;
    struct gn_look *look;
    gn_deadline looked_at;
    unsigned n_shots;
    struct shot *shots;
    unsigned n_strangers;
    pid_t strangers[MAX_STRANGERS];
};

static int64_t cpu_of(clockid_t clock)
{
    struct timespec t;

    return clock_gettime(clock, &t) == 0 ? (int64_t)t.tv_sec * GN_NS_PER_S + t.tv_nsec : 0;
}

/* ---- who does what ------------------------------------------------------------------ */

static void shoot_locked(struct shot *shot, struct gn_pyworker *w)
{
    *shot = (struct shot){
            .worker = w,
            .number = w->number,
            .n_calls = w->n_calls,
            .call = atomic_load(&w->call),
            .cpu_clock = w->cpu_clock,
            .thread = w->thread_id,
            .python_thread = w->python_thread,
            .state = !w->is_up    ? STARTING
                    : w->is_awake ? READY
                                  : IDLE,
    };
    if (shot->call != NULL) {
        shot->state = WAITING; /* until it is seen to compute */
        shot->cpu_ns = cpu_of(w->cpu_clock);
    }
}

static void shoot_all(struct gn_pydump *d)
{
    struct gn_list *node;
    struct gn_list *tmp;

    (void)pthread_mutex_lock(&d->exec->shared.lock);
    d->shots = gn_xcalloc((d->exec->shared.n_threads + 1) * sizeof(*d->shots));
    GN_LIST_FOREACH (node, tmp, &d->exec->shared.workers) {
        shoot_locked(&d->shots[d->n_shots++], GN_LIST_ENTRY(node, struct gn_pyworker, link));
    }
    (void)pthread_mutex_unlock(&d->exec->shared.lock);
}

GN_LOOP_THREAD static void ask_calls(struct gn_pydump *d)
{
    for (unsigned i = 0; i < d->n_shots; i++) {
        struct shot *shot = &d->shots[i];
        struct gn_pycall *call = shot->call;

        gn_buf_init(&shot->what, WHAT_BYTES);
        if (call == NULL) {
            continue;
        }
        shot->started_at = call->started_at;
        shot->queued_ms = (call->started_at - call->queued_at) / GN_NS_PER_MS;
        if (call->late != NULL && gn_pylate_is_stuck(call->late)) {
            shot->state = STUCK;
        }
        if (call->ops->describe != NULL) {
            call->ops->describe(call, &shot->what);
        }
        shot->call = NULL;
    }
}

/* A worker that is in another call by now has computed, or who knows. */
static void see_who_computes(struct gn_pydump *d)
{
    int64_t elapsed_ns = gn_clock_now() - d->began;

    for (unsigned i = 0; i < d->n_shots; i++) {
        struct shot *shot = &d->shots[i];

        if (shot->state == WAITING &&
                cpu_of(shot->cpu_clock) - shot->cpu_ns >= elapsed_ns / COMPUTES_FROM) {
            shot->state = RUNNING;
        }
    }
}

/* ---- threads of the application -------------------------------------------------------- */

static void read_name(pid_t thread, char *name, size_t size)
{
    char path[64];
    ssize_t n = -1;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/comm", (int)thread);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, name, size - 1);
        (void)close(fd);
    }
    name[n > 0 ? n - 1 : 0] = '\0'; /* it ends with a newline */
}

static bool is_ours(const struct gn_pydump *d, pid_t thread)
{
    char name[32];

    if (thread == getpid()) {
        return true;
    }
    for (unsigned i = 0; i < d->n_shots; i++) {
        if (d->shots[i].thread == thread) {
            return true;
        }
    }
    read_name(thread, name, sizeof(name));
    return strncmp(name, "gn-", 3) == 0 && strcmp(name, "gn-python") != 0;
}

static void find_strangers(struct gn_pydump *d)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours alone */
    while (tasks != NULL && (entry = readdir(tasks)) != NULL && d->n_strangers < MAX_STRANGERS) {
        uint64_t thread;

        if (gn_slice_to_u64(gn_slice_str(entry->d_name), INT32_MAX, &thread) == GN_OK &&
                !is_ours(d, (pid_t)thread)) {
            d->strangers[d->n_strangers++] = (pid_t)thread;
        }
    }
    if (tasks != NULL) {
        (void)closedir(tasks);
    }
}

/* ---- text --------------------------------------------------------------------------- */

static void write_indented(struct gn_buf *text, struct gn_slice stack)
{
    struct gn_slice line;

    while (stack.len > 0 && gn_slice_split(&stack, '\n', &line)) {
        if (line.len > 0) {
            (void)!gn_buf_printf(text, "  " GN_SLICE_FMT "\n", GN_SLICE_ARG(line));
        }
    }
}

GN_LOOP_THREAD static void write_summary(const struct gn_pydump *d, struct gn_buf *text)
{
    struct gn_pyexec_stats stats = gn_pyexec_stats(d->exec);
    gn_deadline since = gn_messenger_waits_since(d->exec->watch.messenger);
    gn_deadline now = gn_clock_now();

    (void)!gn_buf_printf(text, "workers: %u of at most %u, %u in a call, %u stuck; %u calls wait\n",
            stats.threads, d->exec->options.max_threads, stats.busy, stats.stuck, stats.queued);
    if (gn_pyexec_is_gil_off(d->exec)) {
        (void)!gn_buf_append(text, GN_LIT("GIL: off\n"));
    } else if (!gn_look_was_without_gil(d->look)) {
        (void)!gn_buf_printf(text, "GIL: moves, had within %.1f ms\n",
                (double)(now - d->looked_at) / (double)GN_NS_PER_MS);
    } else {
        (void)!gn_buf_printf(text, "GIL: has not moved for %.1f s\n",
                since != 0 ? (double)(now - since) / (double)GN_NS_PER_S : 0);
    }
}

static void write_shot(const struct shot *shot, gn_deadline now, struct gn_buf *text)
{
    (void)!gn_buf_printf(text, "\nworker gustnado-%u: %s", shot->number, state_names[shot->state]);
    if (shot->state >= RUNNING) {
        (void)!gn_buf_printf(text, ", for %.3f s in " GN_SLICE_FMT ", which had queued %lld ms",
                (double)(now - shot->started_at) / (double)GN_NS_PER_S,
                GN_SLICE_ARG(gn_buf_slice(&shot->what)), (long long)shot->queued_ms);
    }
    (void)!gn_buf_append(text, GN_LIT("\n"));
}

static void write_stack(struct gn_look *look, unsigned i, struct gn_buf *text)
{
    struct gn_slice stack = gn_buf_slice(&gn_look_target(look, i)->stack);

    write_indented(text, stack.len > 0 ? stack : GN_LIT("(its stack could not be had)"));
}

static void write_strangers(const struct gn_pydump *d, unsigned first, struct gn_buf *text)
{
    for (unsigned i = 0; i < d->n_strangers; i++) {
        const struct gn_look_target *target = gn_look_target(d->look, first + i);
        char name[32];

        if (target->stack.len > 0) {
            read_name(target->thread, name, sizeof(name));
            (void)!gn_buf_printf(
                    text, "\nthread %d of the application (%s)\n", (int)target->thread, name);
            write_indented(text, gn_buf_slice(&target->stack));
        }
    }
}

static void free_dump(struct gn_pydump *d)
{
    for (unsigned i = 0; i < d->n_shots; i++) {
        gn_buf_fini(&d->shots[i].what);
    }
    gn_free(d->shots);
    gn_free(d);
}

static void on_looked(struct gn_look *look, void *arg)
{
    struct gn_pydump *d = arg;
    gn_deadline now = gn_clock_now();
    struct gn_buf text;
    unsigned target = 0;

    gn_assert_loop_thread(d->exec->loop);
    gn_buf_init(&text, GN_PYDUMP_TEXT_BYTES);
    write_summary(d, &text);
    for (unsigned i = 0; i < d->n_shots; i++) {
        write_shot(&d->shots[i], now, &text);
        if (d->shots[i].state >= READY) {
            write_stack(look, target++, &text);
        }
    }
    write_strangers(d, target, &text);
    gn_look_destroy(&d->look);
    d->fn(d->arg, gn_buf_slice(&text));
    gn_buf_fini(&text);
    free_dump(d);
}

/* ---- the way ------------------------------------------------------------------------ */

static unsigned count_targets(const struct gn_pydump *d)
{
    unsigned n = d->n_strangers;

    for (unsigned i = 0; i < d->n_shots; i++) {
        n += d->shots[i].state >= READY ? 1 : 0;
    }
    return n;
}

static void on_window(struct gn_timer *timer)
{
    struct gn_pydump *d = GN_CONTAINER_OF(timer, struct gn_pydump, window);
    unsigned target = 0;

    gn_assert_loop_thread(d->exec->loop);
    see_who_computes(d);
    find_strangers(d);
    d->look = gn_pywatch_look(d->exec, count_targets(d), on_looked, d);
    for (unsigned i = 0; i < d->n_shots; i++) {
        if (d->shots[i].state >= READY) {
            struct gn_look_target *t = gn_look_target(d->look, target++);

            t->python_thread = d->shots[i].python_thread;
            t->thread = d->shots[i].thread;
        }
    }
    for (unsigned i = 0; i < d->n_strangers; i++) {
        gn_look_target(d->look, target++)->thread = d->strangers[i];
    }
    d->looked_at = gn_clock_now();
    gn_look_start(d->look);
}

struct gn_pydump *gn_pydump_start(struct gn_pyexec *exec, gn_pydump_fn fn, void *arg)
{
    struct gn_pydump *d = gn_xcalloc(sizeof(*d));

    d->exec = exec;
    d->fn = fn;
    d->arg = arg;
    d->began = gn_clock_now();
    shoot_all(d);
    ask_calls(d);
    gn_timer_init(&d->window, exec->loop, on_window);
    gn_timer_start(&d->window, gn_deadline_after_ms(d->began, WINDOW_MS));
    return d;
}

void gn_pydump_cancel(struct gn_pydump **dump)
{
    struct gn_pydump *d = *dump;

    if (d == NULL) {
        return;
    }
    *dump = NULL;
    gn_timer_stop(&d->window);
    gn_look_destroy(&d->look);
    free_dump(d);
}
