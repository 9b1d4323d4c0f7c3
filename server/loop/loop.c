/* SPDX-License-Identifier: MIT */
#include "server/loop/loop.h"

#include <errno.h>

#include "server/base/alloc.h"
#include "server/base/obj.h"

#include "server/loop/loop_priv.h"

/*
 * A thin wrapper. libev's iteration is: prepare watchers, apply descriptor
 * changes, poll, check watchers, callbacks by priority. Ours is named from the
 * user's side: a turn starts when the poll returns (the check watcher, at the
 * highest priority, reads the clock), runs callbacks, and ends in the prepare
 * watcher of the next iteration, which runs what was deferred and then the
 * turn hooks, so that whatever a hook batches is complete.
 *
 * Posts from other threads are a stack with one atomic head. The push that
 * finds it empty wakes the loop; libev skips the system call when the loop is
 * awake. The loop takes the whole stack at once and reverses it, which gives
 * the order of posting and cannot suffer from ABA, because nothing is ever
 * popped singly. Quiet posts have a stack of their own, which each turn takes.
 *
 * Timers: libev keeps its own cached clock, read a moment before ours, and
 * waits in milliseconds. A timer that libev finds due but our clock does not is
 * started again for the rest: nobody sees a deadline "reached" too soon.
 *
 * When the process was stopped for a while, deadlines are due and their input
 * has arrived. So timers have the lowest priority, and wait for another poll
 * when this one may not have told all that is ready: it brought very many, or
 * none although the timer is late (the stop itself has interrupted the poll).
 */

/* A turn that defers again and again ends after so many rounds and polls in between. */
#define MAX_ROUNDS 16

/* libev asks for 64 events at first, and for more after a poll that brought as many. Of those that
 * it brought some may be for watchers that others stopped. */
#define FULL_POLL 32u
/* So often a timer waits for the next poll. As libev asks for twice as many then, 16 would do for a
 * million; descriptors that are ready again and again do not hold timers for longer. */
#define MAX_POSTPONED 16
/* Polls wait in milliseconds: what comes later than this has been held up. */
#define LATE_NS (2 * GN_NS_PER_MS)

_Static_assert(sizeof(ev_io) <= sizeof(((struct gn_io *)0)->ev), "ev_io fits");
_Static_assert(sizeof(ev_timer) <= sizeof(((struct gn_timer *)0)->ev), "ev_timer fits");
_Static_assert(
        (int)GN_IO_READ == (int)EV_READ && (int)GN_IO_WRITE == (int)EV_WRITE, "events are libev's");

/* ---- turns ------------------------------------------------------------- */

GN_LOOP_THREAD static void run_deferred(struct gn_loop *loop)
{
    struct gn_list batch;
    struct gn_list *node;

    gn_list_init(&batch);
    gn_list_splice(&batch, &loop->deferred);
    while ((node = gn_list_pop(&batch)) != NULL) {
        struct gn_defer *defer = GN_LIST_ENTRY(node, struct gn_defer, link);

        defer->fn(defer);
    }
}

/** Each hook goes back to the list before it runs, so that any hook may remove any. */
GN_LOOP_THREAD static void run_hooks(struct gn_loop *loop)
{
    struct gn_list batch;
    struct gn_list *node;

    gn_list_init(&batch);
    gn_list_splice(&batch, &loop->hooks);
    while ((node = gn_list_pop(&batch)) != NULL) {
        struct gn_turn_hook *hook = GN_LIST_ENTRY(node, struct gn_turn_hook, link);

        gn_list_append(&loop->hooks, node);
        hook->fn(hook);
    }
}

/** Takes a stack of posts as it is and runs them in the order of posting. */
GN_LOOP_THREAD static void run_posts(_Atomic(struct gn_post *) *stack)
{
    struct gn_post *newest = NULL;
    struct gn_post *oldest = NULL;

    if (atomic_load_explicit(stack, memory_order_seq_cst) != NULL) {
        newest = atomic_exchange_explicit(stack, NULL, memory_order_acquire);
    }
    while (newest != NULL) {
        struct gn_post *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct gn_post *post = oldest;

        oldest = post->next; /* before its function, which may post it again */
        post->fn(post);
    }
}

GN_LOOP_THREAD static void run_posted(struct gn_loop *loop)
{
    run_posts(&loop->posted_quietly);
    run_posts(&loop->posted);
}

GN_LOOP_THREAD static void end_turn(struct gn_loop *loop)
{
    run_posts(&loop->posted_quietly);
    for (unsigned round = 0; round < MAX_ROUNDS; round++) {
        run_deferred(loop);
        run_hooks(loop);
        if (gn_list_is_empty(&loop->deferred)) {
            return;
        }
    }
    ev_async_send(loop->ev, &loop->wake); /* poll, but do not wait */
}

static void on_before_poll(struct ev_loop *ev, ev_prepare *w, int revents)
{
    struct gn_loop *loop = ev_userdata(ev);

    (void)w;
    (void)revents;
    gn_assert_loop_thread(loop);
    end_turn(loop);
}

static void on_after_poll(struct ev_loop *ev, ev_check *w, int revents)
{
    struct gn_loop *loop = ev_userdata(ev);

    (void)w;
    (void)revents;
    loop->now = gn_clock_now();
    loop->n_ready = 0;
}

static void on_wake(struct ev_loop *ev, ev_async *w, int revents)
{
    struct gn_loop *loop = ev_userdata(ev);

    (void)w;
    (void)revents;
    gn_assert_loop_thread(loop);
    run_posted(loop);
}

/* ---- life -------------------------------------------------------------- */

/** libev's own preference may be a backend younger kernels got wrong: epoll, else poll. */
static struct ev_loop *new_ev_loop(void)
{
    const unsigned flags = EVFLAG_NOENV | EVFLAG_NOTIMERFD;
    struct ev_loop *ev = ev_loop_new(flags | EVBACKEND_EPOLL);

    return ev != NULL ? ev : ev_loop_new(flags | EVBACKEND_POLL);
}

static void start_own_watchers(struct gn_loop *loop)
{
    ev_prepare_init(&loop->before_poll, on_before_poll);
    ev_prepare_start(loop->ev, &loop->before_poll);
    ev_check_init(&loop->after_poll, on_after_poll);
    ev_set_priority(&loop->after_poll, EV_MAXPRI);
    ev_check_start(loop->ev, &loop->after_poll);
    ev_async_init(&loop->wake, on_wake);
    ev_async_start(loop->ev, &loop->wake);
}

enum gn_err gn_loop_create(struct gn_loop **loop_out, struct gn_error *err)
{
    struct ev_loop *ev = new_ev_loop();
    struct gn_loop *loop;

    if (ev == NULL) {
        return gn_error_set(err, GN_ERR_SYSTEM, errno, "no event loop could be created");
    }
    loop = gn_xcalloc(sizeof(*loop));
    loop->magic = GN_LOOP_MAGIC;
    loop->thread = pthread_self();
    loop->ev = ev;
    loop->now = gn_clock_now();
    gn_list_init(&loop->deferred);
    gn_list_init(&loop->hooks);
    atomic_init(&loop->posted, NULL);
    atomic_init(&loop->posted_quietly, NULL);
    ev_set_userdata(ev, loop);
    start_own_watchers(loop);
    *loop_out = loop;
    return GN_OK;
}

void gn_loop_destroy(struct gn_loop **loop)
{
    struct gn_loop *ending = *loop;

    if (ending == NULL) {
        return;
    }
    GN_CHECK_OBJ(ending, GN_LOOP_MAGIC);
    gn_assert_loop_thread(ending);
    run_posted(ending);
    gn_assert(gn_list_is_empty(&ending->hooks));
    gn_assert(gn_list_is_empty(&ending->deferred));
    ev_async_stop(ending->ev, &ending->wake);
    ev_check_stop(ending->ev, &ending->after_poll);
    ev_prepare_stop(ending->ev, &ending->before_poll);
    ev_loop_destroy(ending->ev);
    ending->magic = 0;
    gn_free(ending);
    *loop = NULL;
}

static void refresh_now(struct gn_loop *loop)
{
    ev_now_update(loop->ev);
    loop->now = gn_clock_now();
}

void gn_loop_run(struct gn_loop *loop)
{
    gn_assert_loop_thread(loop);
    refresh_now(loop);
    while (!loop->stop) {
        (void)ev_run(loop->ev, 0);
    }
    end_turn(loop);
    loop->stop = false;
}

void gn_loop_stop(struct gn_loop *loop)
{
    loop->stop = true;
    ev_break(loop->ev, EVBREAK_ALL);
}

void gn_loop_run_once(struct gn_loop *loop)
{
    gn_assert_loop_thread(loop);
    refresh_now(loop);
    (void)ev_run(loop->ev, EVRUN_NOWAIT);
    end_turn(loop);
}

gn_deadline gn_loop_now(const struct gn_loop *loop)
{
    return loop->now;
}

gn_deadline gn_loop_after_ms(const struct gn_loop *loop, int64_t ms)
{
    return gn_deadline_after_ms(loop->now, ms);
}

void gn_assert_loop_thread(const struct gn_loop *loop)
{
    gn_assert(pthread_equal(loop->thread, pthread_self()));
}

/* ---- posts, deferred calls, hooks -------------------------------------- */

/** True when the stack was empty. */
static bool push(_Atomic(struct gn_post *) *stack, struct gn_post *post)
{
    struct gn_post *head = atomic_load_explicit(stack, memory_order_relaxed);

    do {
        post->next = head;
    } while (!atomic_compare_exchange_weak_explicit(
            stack, &head, post, memory_order_seq_cst, memory_order_relaxed));
    return head == NULL;
}

void gn_loop_post(struct gn_loop *loop, struct gn_post *post)
{
    if (push(&loop->posted, post)) {
        ev_async_send(loop->ev, &loop->wake);
    }
}

void gn_loop_post_quietly(struct gn_loop *loop, struct gn_post *post)
{
    (void)push(&loop->posted_quietly, post);
}

void gn_loop_wake(struct gn_loop *loop)
{
    ev_async_send(loop->ev, &loop->wake);
}

void gn_loop_defer(struct gn_loop *loop, struct gn_defer *defer)
{
    if (!gn_defer_is_queued(defer)) {
        gn_list_append(&loop->deferred, &defer->link);
    }
}

void gn_defer_cancel(struct gn_defer *defer)
{
    if (gn_defer_is_queued(defer)) {
        gn_list_unlink(&defer->link);
    }
}

bool gn_defer_is_queued(const struct gn_defer *defer)
{
    return defer->link.next != NULL && gn_list_is_linked(&defer->link);
}

void gn_loop_add_turn_hook(struct gn_loop *loop, struct gn_turn_hook *hook)
{
    gn_list_append(&loop->hooks, &hook->link);
}

void gn_loop_remove_turn_hook(struct gn_turn_hook *hook)
{
    if (hook->link.next != NULL) {
        gn_list_unlink(&hook->link);
    }
}

/* ---- descriptors ------------------------------------------------------- */

static ev_io *io_watcher(struct gn_io *io)
{
    return (ev_io *)(void *)&io->ev;
}

static const ev_io *io_watcher_const(const struct gn_io *io)
{
    return (const ev_io *)(const void *)&io->ev;
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
    struct gn_io *io = GN_CONTAINER_OF(w, struct gn_io, ev);
    unsigned watched = (unsigned)w->events & (GN_IO_READ | GN_IO_WRITE);

    (void)ev;
    gn_assert_loop_thread(io->loop);
    io->loop->n_ready++;
    if ((revents & EV_ERROR) != 0) {
        /* libev found the descriptor unusable and stopped: the owner's call will tell why. */
        io->fn(io, watched);
        return;
    }
    io->fn(io, (unsigned)revents & watched);
}

void gn_io_init(struct gn_io *io, struct gn_loop *loop, int fd, gn_io_fn fn)
{
    io->loop = loop;
    io->fn = fn;
    ev_io_init(io_watcher(io), on_io, fd, 0);
}

void gn_io_watch(struct gn_io *io, unsigned events)
{
    ev_io *w = io_watcher(io);

    if (gn_io_events(io) == events) {
        return;
    }
    ev_io_stop(io->loop->ev, w);
    if (events != 0) {
        ev_io_modify(w, (int)events);
        ev_io_start(io->loop->ev, w);
    }
}

unsigned gn_io_events(const struct gn_io *io)
{
    const ev_io *w = io_watcher_const(io);

    return w->active != 0 ? (unsigned)w->events & (GN_IO_READ | GN_IO_WRITE) : 0;
}

int gn_io_fd(const struct gn_io *io)
{
    return io_watcher_const(io)->fd;
}

void gn_io_fini(struct gn_io *io)
{
    if (io->loop != NULL) {
        ev_io_stop(io->loop->ev, io_watcher(io));
    }
}

/* ---- single timers ----------------------------------------------------- */

static ev_timer *timer_watcher(struct gn_timer *timer)
{
    return (ev_timer *)(void *)&timer->ev;
}

GN_LOOP_THREAD static void start_timer(struct gn_timer *timer)
{
    ev_timer *w = timer_watcher(timer);
    int64_t wait_ns = timer->at - timer->loop->now;

    ev_timer_set(w, wait_ns > 0 ? (double)wait_ns / (double)GN_NS_PER_S : 0.0, 0.0);
    ev_timer_start(timer->loop->ev, w);
}

/** Whether descriptors may be ready of which this turn does not know. */
GN_LOOP_THREAD static bool waits_for_poll(const struct gn_timer *timer)
{
    const struct gn_loop *loop = timer->loop;

    if (loop->n_ready == 0) {
        return timer->n_postponed == 0 && loop->now - timer->at > LATE_NS;
    }
    return loop->n_ready >= FULL_POLL && timer->n_postponed < MAX_POSTPONED;
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    struct gn_timer *timer = GN_CONTAINER_OF(w, struct gn_timer, ev);

    (void)ev;
    (void)revents;
    gn_assert_loop_thread(timer->loop);
    if (timer->at > timer->loop->now) {
        start_timer(timer);
        return;
    }
    if (waits_for_poll(timer)) {
        timer->n_postponed++;
        start_timer(timer);
        return;
    }
    timer->fn(timer);
}

void gn_timer_init(struct gn_timer *timer, struct gn_loop *loop, gn_timer_fn fn)
{
    timer->loop = loop;
    timer->fn = fn;
    timer->at = GN_NEVER;
    timer->n_postponed = 0;
    ev_timer_init(timer_watcher(timer), on_timer, 0.0, 0.0);
    ev_set_priority(timer_watcher(timer), EV_MINPRI);
}

void gn_timer_start(struct gn_timer *timer, gn_deadline at)
{
    ev_timer_stop(timer->loop->ev, timer_watcher(timer));
    timer->at = at;
    timer->n_postponed = 0;
    if (at != GN_NEVER) {
        start_timer(timer);
    }
}

void gn_timer_stop(struct gn_timer *timer)
{
    if (timer->loop != NULL) {
        ev_timer_stop(timer->loop->ev, timer_watcher(timer));
    }
}

bool gn_timer_is_running(const struct gn_timer *timer)
{
    const ev_timer *w = (const ev_timer *)(const void *)&timer->ev;

    return timer->loop != NULL && w->active != 0;
}
