/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/loop/loop.h"
#include "tests/support/test.h"

static struct gn_loop *new_loop(void)
{
    struct gn_loop *loop = NULL;

    cr_assert_eq(gn_loop_create(&loop, NULL), GN_OK);
    return loop;
}

/* ---- timers ------------------------------------------------------------ */

struct timed {
    struct gn_timer timer;
    gn_deadline fired_at;
    unsigned n_fired;
};

static void on_timed(struct gn_timer *timer)
{
    struct timed *t = GN_CONTAINER_OF(timer, struct timed, timer);

    gn_assert_loop_thread(timer->loop);
    t->n_fired++;
    t->fired_at = gn_loop_now(timer->loop);
    gn_loop_stop(timer->loop);
}

Test(loop, timer_fires_once_and_never_early)
{
    struct gn_loop *loop = new_loop();
    struct timed t = {.n_fired = 0};
    gn_deadline at;

    gn_assert_loop_thread(loop);
    gn_timer_init(&t.timer, loop, on_timed);
    at = gn_loop_after_ms(loop, 5);
    gn_timer_start(&t.timer, at);
    cr_assert(gn_timer_is_running(&t.timer));
    gn_loop_run(loop);
    cr_assert_eq(t.n_fired, 1);
    cr_assert(t.fired_at >= at);
    cr_assert_not(gn_timer_is_running(&t.timer));
    gn_loop_destroy(&loop);
    cr_assert_null(loop);
}

Test(loop, timer_in_the_past_fires_at_once)
{
    struct gn_loop *loop = new_loop();
    struct timed t = {.n_fired = 0};

    gn_assert_loop_thread(loop);
    gn_timer_init(&t.timer, loop, on_timed);
    gn_timer_start(&t.timer, gn_loop_now(loop) - GN_NS_PER_S);
    gn_loop_run(loop);
    cr_assert_eq(t.n_fired, 1);
    gn_timer_start(&t.timer, GN_NEVER);
    cr_assert_not(gn_timer_is_running(&t.timer));
    gn_loop_destroy(&loop);
}

Test(loop, restarting_a_timer_moves_it)
{
    struct gn_loop *loop = new_loop();
    struct timed soon = {.n_fired = 0};
    struct timed moved = {.n_fired = 0};

    gn_assert_loop_thread(loop);
    gn_timer_init(&soon.timer, loop, on_timed);
    gn_timer_init(&moved.timer, loop, on_timed);
    gn_timer_start(&moved.timer, gn_loop_after_ms(loop, 1));
    gn_timer_start(&moved.timer, gn_loop_after_ms(loop, 3600 * 1000));
    gn_timer_start(&soon.timer, gn_loop_after_ms(loop, 3));
    gn_loop_run(loop);
    cr_assert_eq(soon.n_fired, 1);
    cr_assert_eq(moved.n_fired, 0);
    gn_timer_stop(&moved.timer);
    gn_loop_destroy(&loop);
}

Test(loop, zeroed_watchers_may_be_stopped)
{
    struct gn_loop *loop = new_loop();
    struct gn_timer timer = {.loop = NULL};
    struct gn_io io = {.loop = NULL};
    struct gn_defer defer = {.fn = NULL};
    struct gn_turn_hook hook = {.fn = NULL};

    gn_assert_loop_thread(loop);
    gn_timer_stop(&timer);
    gn_io_fini(&io);
    gn_defer_cancel(&defer);
    gn_loop_remove_turn_hook(&hook);
    gn_loop_destroy(&loop);
    gn_loop_destroy(&loop);
}

/* ---- descriptors ------------------------------------------------------- */

struct watched {
    struct gn_io io;
    struct watched *other; /* stopped from the callback */
    unsigned events;
    unsigned n_calls;
};

static void on_watched(struct gn_io *io, unsigned events)
{
    struct watched *w = GN_CONTAINER_OF(io, struct watched, io);

    gn_assert_loop_thread(io->loop);
    w->events = events;
    w->n_calls++;
    if (w->other != NULL) {
        gn_io_fini(&w->other->io);
    }
}

Test(loop, io_reports_what_is_ready_and_watched)
{
    struct gn_loop *loop = new_loop();
    struct watched w = {.n_calls = 0};
    int fds[2];

    gn_assert_loop_thread(loop);
    cr_assert_eq(pipe(fds), 0);
    gn_io_init(&w.io, loop, fds[0], on_watched);
    cr_assert_eq(gn_io_fd(&w.io), fds[0]);
    gn_io_watch(&w.io, GN_IO_READ);
    gn_io_watch(&w.io, GN_IO_READ);
    cr_assert_eq(gn_io_events(&w.io), GN_IO_READ);
    gn_loop_run_once(loop);
    cr_assert_eq(w.n_calls, 0);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    gn_loop_run_once(loop);
    cr_assert_eq(w.n_calls, 1);
    cr_assert_eq(w.events, GN_IO_READ);
    gn_io_watch(&w.io, 0);
    cr_assert_eq(gn_io_events(&w.io), 0);
    gn_loop_run_once(loop);
    cr_assert_eq(w.n_calls, 1);
    gn_io_watch(&w.io, GN_IO_READ);
    gn_loop_run_once(loop);
    cr_assert_eq(w.n_calls, 2, "readable still, so reported again");
    gn_io_fini(&w.io);
    close(fds[0]);
    close(fds[1]);
    gn_loop_destroy(&loop);
}

Test(loop, io_hang_up_shows_as_what_is_watched)
{
    struct gn_loop *loop = new_loop();
    struct watched w = {.n_calls = 0};
    int fds[2];

    gn_assert_loop_thread(loop);
    cr_assert_eq(pipe(fds), 0);
    gn_io_init(&w.io, loop, fds[0], on_watched);
    gn_io_watch(&w.io, GN_IO_READ);
    close(fds[1]);
    gn_loop_run_once(loop);
    cr_assert_eq(w.n_calls, 1);
    cr_assert_eq(w.events, GN_IO_READ);
    gn_io_fini(&w.io);
    close(fds[0]);
    gn_loop_destroy(&loop);
}

Test(loop, watcher_stopped_by_another_in_the_same_turn_is_not_called)
{
    struct gn_loop *loop = new_loop();
    struct watched a = {.n_calls = 0};
    struct watched b = {.n_calls = 0};
    int fds[2];

    gn_assert_loop_thread(loop);
    cr_assert_eq(pipe(fds), 0);
    a.other = &b;
    b.other = &a;
    gn_io_init(&a.io, loop, fds[1], on_watched);
    gn_io_init(&b.io, loop, fds[1], on_watched);
    gn_io_watch(&a.io, GN_IO_WRITE);
    gn_io_watch(&b.io, GN_IO_WRITE);
    gn_loop_run_once(loop);
    cr_assert_eq(a.n_calls + b.n_calls, 1);
    gn_io_fini(&a.io);
    gn_io_fini(&b.io);
    close(fds[0]);
    close(fds[1]);
    gn_loop_destroy(&loop);
}

Test(loop, descriptor_number_may_be_reused)
{
    struct gn_loop *loop = new_loop();
    int fds[2];

    gn_assert_loop_thread(loop);
    for (int i = 0; i < 3; i++) {
        struct watched w = {.n_calls = 0};

        cr_assert_eq(pipe(fds), 0);
        gn_io_init(&w.io, loop, fds[1], on_watched);
        gn_io_watch(&w.io, GN_IO_WRITE);
        gn_loop_run_once(loop);
        cr_assert_eq(w.n_calls, 1, "round %d", i);
        gn_io_fini(&w.io);
        close(fds[0]);
        close(fds[1]);
    }
    gn_loop_destroy(&loop);
}

/* ---- descriptors before timers ------------------------------------------ */

enum { N_READY = 300 }; /* far more than one poll returns at first */

struct readiness {
    struct timed timed;
    struct watched ready[N_READY];
};

/** A timer that is due, and `n` descriptors that are readable. The timer must not wait in the heap.
 */
GN_LOOP_THREAD static void make_all_ready(struct readiness *r, struct gn_loop *loop, size_t n)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

    cr_assert(fd >= 0);
    for (size_t i = 0; i < n; i++) {
        gn_io_init(&r->ready[i].io, loop, i == 0 ? fd : dup(fd), on_watched);
        cr_assert(gn_io_fd(&r->ready[i].io) >= 0);
        gn_io_watch(&r->ready[i].io, GN_IO_READ);
    }
    gn_timer_init(&r->timed.timer, loop, on_timed);
    gn_timer_start(&r->timed.timer, gn_loop_now(loop) - GN_NS_PER_S);
}

GN_LOOP_THREAD static void end_readiness(struct readiness *r, struct gn_loop *loop, size_t n)
{
    gn_timer_stop(&r->timed.timer);
    for (size_t i = 0; i < n; i++) {
        gn_io_fini(&r->ready[i].io);
        close(gn_io_fd(&r->ready[i].io));
    }
    gn_free(r);
    gn_loop_destroy(&loop);
}

static void on_ready_stops_timer(struct gn_io *io, unsigned events)
{
    struct readiness *r = GN_CONTAINER_OF(io, struct readiness, ready[0].io);

    gn_assert_loop_thread(io->loop);
    (void)events;
    r->ready[0].n_calls++;
    gn_timer_stop(&r->timed.timer);
}

Test(loop, what_has_arrived_is_read_before_a_timer_that_is_due)
{
    struct gn_loop *loop = new_loop();
    struct readiness *r = gn_xcalloc(sizeof(*r));

    gn_assert_loop_thread(loop);
    make_all_ready(r, loop, 1);
    r->ready[0].io.fn = on_ready_stops_timer;
    gn_loop_run_once(loop);
    cr_assert_eq(r->ready[0].n_calls, 1);
    cr_assert_eq(r->timed.n_fired, 0, "the reading stopped the timer");
    end_readiness(r, loop, 1);
}

static void on_ready_once(struct gn_io *io, unsigned events)
{
    on_watched(io, events);
    gn_assert_loop_thread(io->loop);
    gn_io_watch(io, 0);
}

Test(loop, more_descriptors_than_a_poll_returns_are_read_before_a_timer)
{
    struct gn_loop *loop = new_loop();
    struct readiness *r = gn_xcalloc(sizeof(*r));

    gn_assert_loop_thread(loop);
    make_all_ready(r, loop, N_READY);
    for (size_t i = 0; i < N_READY; i++) {
        r->ready[i].io.fn = on_ready_once;
    }
    gn_loop_run(loop); /* until the timer has fired */
    for (size_t i = 0; i < N_READY; i++) {
        cr_assert_eq(r->ready[i].n_calls, 1, "descriptor %zu", i);
    }
    end_readiness(r, loop, N_READY);
}

/* The child's loop is stopped while it polls; then its descriptor becomes ready, its timer due. */
struct stopped {
    struct watched pipe;
    struct timed timed;
};

static void on_input_stops_timer(struct gn_io *io, unsigned events)
{
    struct stopped *s = GN_CONTAINER_OF(io, struct stopped, pipe.io);

    gn_assert_loop_thread(io->loop);
    on_watched(io, events);
    gn_timer_stop(&s->timed.timer);
    gn_loop_stop(io->loop);
}

/** The exit code says whether the input was seen first. */
static int run_until_input_or_timer(int fd)
{
    struct gn_loop *loop = new_loop();
    struct stopped s = {.timed = {.n_fired = 0}};

    gn_assert_loop_thread(loop);
    gn_io_init(&s.pipe.io, loop, fd, on_input_stops_timer);
    gn_io_watch(&s.pipe.io, GN_IO_READ);
    gn_timer_init(&s.timed.timer, loop, on_timed);
    gn_timer_start(&s.timed.timer, gn_loop_after_ms(loop, 300));
    gn_loop_run(loop);
    return s.pipe.n_calls == 1 && s.timed.n_fired == 0 ? 0 : 1;
}

static void sleep_ms(long ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000 * 1000};

    (void)nanosleep(&time, NULL);
}

Test(loop, what_arrived_during_a_stop_is_read_before_a_timer)
{
    int fds[2];
    int status = -1;
    pid_t child;

    cr_assert_eq(pipe(fds), 0);
    child = fork();
    if (child == 0) {
        _exit(run_until_input_or_timer(fds[0]));
    }
    sleep_ms(100); /* should it not poll yet, or be slow with it, the test is easier */
    cr_assert_eq(kill(child, SIGSTOP), 0);
    cr_assert_eq(waitpid(child, NULL, WUNTRACED), child);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    sleep_ms(400);
    cr_assert_eq(kill(child, SIGCONT), 0);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 0);
    close(fds[0]);
    close(fds[1]);
}

Test(loop, descriptors_that_are_always_ready_do_not_starve_timers)
{
    struct gn_loop *loop = new_loop();
    struct readiness *r = gn_xcalloc(sizeof(*r));
    unsigned n_turns = 0;

    gn_assert_loop_thread(loop);
    make_all_ready(r, loop, N_READY);
    while (r->timed.n_fired == 0 && n_turns < 100) {
        gn_loop_run_once(loop);
        n_turns++;
    }
    cr_assert_eq(r->timed.n_fired, 1, "after %u turns", n_turns);
    end_readiness(r, loop, N_READY);
}

/* ---- deferred calls and hooks ------------------------------------------ */

struct deferred {
    struct gn_defer defer;
    struct gn_loop *loop;
    unsigned again; /* how often it defers itself again */
    unsigned n_calls;
};

static void on_deferred(struct gn_defer *defer)
{
    struct deferred *d = GN_CONTAINER_OF(defer, struct deferred, defer);

    gn_assert_loop_thread(d->loop);
    d->n_calls++;
    if (d->again > 0) {
        d->again--;
        gn_loop_defer(d->loop, defer);
    }
}

Test(loop, deferred_calls_run_once_in_this_turn)
{
    struct gn_loop *loop = new_loop();
    struct deferred a = {.defer = {.fn = on_deferred}, .loop = loop, .again = 2};
    struct deferred b = {.defer = {.fn = on_deferred}, .loop = loop};

    gn_assert_loop_thread(loop);
    gn_loop_defer(loop, &a.defer);
    gn_loop_defer(loop, &a.defer);
    gn_loop_defer(loop, &b.defer);
    cr_assert(gn_defer_is_queued(&b.defer));
    gn_defer_cancel(&b.defer);
    gn_loop_run_once(loop);
    cr_assert_eq(a.n_calls, 3);
    cr_assert_eq(b.n_calls, 0);
    gn_loop_destroy(&loop);
}

Test(loop, endless_deferring_does_not_starve_descriptors)
{
    struct gn_loop *loop = new_loop();
    struct deferred d = {.defer = {.fn = on_deferred}, .loop = loop, .again = 1u << 30};
    struct watched w = {.n_calls = 0};
    int fds[2];

    gn_assert_loop_thread(loop);
    cr_assert_eq(pipe(fds), 0);
    gn_io_init(&w.io, loop, fds[1], on_watched);
    gn_io_watch(&w.io, GN_IO_WRITE);
    gn_loop_defer(loop, &d.defer);
    gn_loop_run_once(loop);
    cr_assert_eq(w.n_calls, 1);
    gn_defer_cancel(&d.defer);
    gn_io_fini(&w.io);
    close(fds[0]);
    close(fds[1]);
    gn_loop_destroy(&loop);
}

struct hooked {
    struct gn_turn_hook hook;
    struct gn_loop *loop;
    struct hooked *removes;
    unsigned n_calls;
};

static void on_hooked(struct gn_turn_hook *hook)
{
    struct hooked *h = GN_CONTAINER_OF(hook, struct hooked, hook);

    gn_assert_loop_thread(h->loop);
    h->n_calls++;
    if (h->removes != NULL) {
        gn_loop_remove_turn_hook(&h->removes->hook);
    }
}

Test(loop, hooks_run_each_turn_and_may_remove_each_other)
{
    struct gn_loop *loop = new_loop();
    struct hooked a = {.hook = {.fn = on_hooked}, .loop = loop};
    struct hooked b = {.hook = {.fn = on_hooked}, .loop = loop};
    struct hooked c = {.hook = {.fn = on_hooked}, .loop = loop};

    gn_assert_loop_thread(loop);
    a.removes = &b;
    c.removes = &c;
    gn_loop_add_turn_hook(loop, &a.hook);
    gn_loop_add_turn_hook(loop, &b.hook);
    gn_loop_add_turn_hook(loop, &c.hook);
    gn_loop_run_once(loop);
    cr_assert(a.n_calls >= 1);
    cr_assert_eq(b.n_calls, 0);
    cr_assert_eq(c.n_calls, 1);
    gn_loop_remove_turn_hook(&a.hook);
    gn_loop_destroy(&loop);
}

/* ---- posts ------------------------------------------------------------- */

enum { N_THREADS = 4, N_POSTS = 5000 };

struct posting {
    struct gn_loop *loop;
    struct gn_post *posts; /* N_POSTS of them */
    unsigned n_run;        /* loop thread */
    bool in_order;         /* loop thread */
    struct posting_all *all;
};

struct posting_all {
    struct posting threads[N_THREADS];
    unsigned n_done;
};

struct numbered_post {
    struct gn_post post;
    struct posting *owner;
    unsigned number;
};

static void on_numbered(struct gn_post *post)
{
    struct numbered_post *p = GN_CONTAINER_OF(post, struct numbered_post, post);
    struct posting *owner = p->owner;

    gn_assert_loop_thread(owner->loop);
    owner->in_order = owner->in_order && p->number == owner->n_run;
    owner->n_run++;
    gn_free(p);
    if (owner->n_run == N_POSTS && ++owner->all->n_done == N_THREADS) {
        gn_loop_stop(owner->loop);
    }
}

static void *post_many(void *arg)
{
    struct posting *owner = arg;

    for (unsigned i = 0; i < N_POSTS; i++) {
        struct numbered_post *p = gn_xcalloc(sizeof(*p));

        p->post.fn = on_numbered;
        p->owner = owner;
        p->number = i;
        gn_loop_post(owner->loop, &p->post);
    }
    return NULL;
}

Test(loop, posts_of_each_thread_run_in_order)
{
    struct gn_loop *loop = new_loop();
    struct posting_all all = {.n_done = 0};
    pthread_t ids[N_THREADS];

    for (unsigned i = 0; i < N_THREADS; i++) {
        all.threads[i] = (struct posting){.loop = loop, .in_order = true, .all = &all};
        cr_assert_eq(pthread_create(&ids[i], NULL, post_many, &all.threads[i]), 0);
    }
    gn_loop_run(loop);
    for (unsigned i = 0; i < N_THREADS; i++) {
        pthread_join(ids[i], NULL);
        cr_assert_eq(all.threads[i].n_run, N_POSTS);
        cr_assert(all.threads[i].in_order, "thread %u", i);
    }
    gn_loop_destroy(&loop);
}

struct reposting {
    struct gn_post post;
    struct gn_loop *loop;
    unsigned left;
};

static void on_reposting(struct gn_post *post)
{
    struct reposting *r = GN_CONTAINER_OF(post, struct reposting, post);

    gn_assert_loop_thread(r->loop);
    if (r->left-- > 1) {
        gn_loop_post(r->loop, post);
    } else {
        gn_loop_stop(r->loop);
    }
}

Test(loop, post_may_be_posted_again_from_its_function)
{
    struct gn_loop *loop = new_loop();
    struct reposting r = {.post = {.fn = on_reposting}, .loop = loop, .left = 100};

    gn_loop_post(loop, &r.post);
    gn_loop_run(loop);
    cr_assert_eq(r.left, 0);
    gn_loop_destroy(&loop);
}

static void count_post(struct gn_post *post)
{
    GN_CONTAINER_OF(post, struct reposting, post)->left++;
}

Test(loop, destroying_runs_what_was_posted)
{
    struct gn_loop *loop = new_loop();
    struct reposting r = {.post = {.fn = count_post}, .loop = loop};

    gn_loop_post(loop, &r.post);
    gn_loop_destroy(&loop);
    cr_assert_eq(r.left, 1);
}

static void stop_at_post(struct gn_post *post)
{
    struct reposting *r = GN_CONTAINER_OF(post, struct reposting, post);

    gn_assert_loop_thread(r->loop);
    r->left++;
    gn_loop_stop(r->loop);
}

static void *post_quietly_and_wake(void *arg)
{
    struct reposting *r = arg;

    gn_loop_post_quietly(r->loop, &r->post);
    gn_loop_wake(r->loop);
    return NULL;
}

Test(loop, quiet_posts_run_once_something_wakes_the_loop)
{
    struct gn_loop *loop = new_loop();
    struct reposting r = {.post = {.fn = stop_at_post}, .loop = loop};
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, post_quietly_and_wake, &r), 0);
    gn_loop_run(loop);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(r.left, 1);
    gn_loop_destroy(&loop);
}

Test(loop, quiet_posts_run_in_any_turn_or_at_the_end)
{
    struct gn_loop *loop = new_loop();
    struct reposting r[3] = {{.post = {.fn = count_post}}, {.post = {.fn = count_post}},
            {.post = {.fn = count_post}}};

    gn_assert_loop_thread(loop);
    gn_loop_post_quietly(loop, &r[0].post);
    gn_loop_post(loop, &r[1].post);
    gn_loop_run_once(loop);
    cr_assert_eq(r[0].left, 1);
    cr_assert_eq(r[1].left, 1);
    gn_loop_post_quietly(loop, &r[2].post);
    gn_loop_destroy(&loop);
    cr_assert_eq(r[2].left, 1);
}

/* ---- several loops ----------------------------------------------------- */

struct ping {
    struct gn_post post;
    struct gn_loop *loop; /* where it runs */
    struct ping *peer;
    unsigned n_run;
    bool is_last; /* does not answer the last ping */
};

enum { N_PINGS = 2000 };

static void on_ping(struct gn_post *post)
{
    struct ping *p = GN_CONTAINER_OF(post, struct ping, post);

    gn_assert_loop_thread(p->loop);
    p->n_run++;
    if (p->n_run < N_PINGS || !p->is_last) {
        gn_loop_post(p->peer->loop, &p->peer->post);
    }
    if (p->n_run == N_PINGS) {
        gn_loop_stop(p->loop);
    }
}

struct second_loop {
    struct ping *ping;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_ready;
    bool may_end; /* the first loop posts no more: ours may go */
};

static void set_flag(struct second_loop *second, bool *flag)
{
    pthread_mutex_lock(&second->lock);
    *flag = true;
    pthread_cond_signal(&second->changed);
    pthread_mutex_unlock(&second->lock);
}

static void wait_for_flag(struct second_loop *second, const bool *flag)
{
    pthread_mutex_lock(&second->lock);
    while (!*flag) {
        pthread_cond_wait(&second->changed, &second->lock);
    }
    pthread_mutex_unlock(&second->lock);
}

static void *run_second_loop(void *arg)
{
    struct second_loop *second = arg;
    struct gn_loop *loop = new_loop();

    second->ping->loop = loop;
    set_flag(second, &second->is_ready);
    gn_loop_run(loop);
    wait_for_flag(second, &second->may_end);
    gn_loop_destroy(&loop);
    return NULL;
}

Test(loop, two_loops_in_two_threads_talk)
{
    struct ping a = {.post = {.fn = on_ping}};
    struct ping b = {.post = {.fn = on_ping}, .is_last = true};
    struct second_loop second = {.ping = &b};
    struct gn_loop *loop = new_loop();
    pthread_t id;

    a.loop = loop;
    a.peer = &b;
    b.peer = &a;
    pthread_mutex_init(&second.lock, NULL);
    pthread_cond_init(&second.changed, NULL);
    cr_assert_eq(pthread_create(&id, NULL, run_second_loop, &second), 0);
    wait_for_flag(&second, &second.is_ready);
    gn_loop_post(loop, &a.post);
    gn_loop_run(loop);
    set_flag(&second, &second.may_end);
    pthread_join(id, NULL);
    cr_assert_eq(a.n_run, N_PINGS);
    cr_assert_eq(b.n_run, N_PINGS);
    gn_loop_destroy(&loop);
    pthread_mutex_destroy(&second.lock);
    pthread_cond_destroy(&second.changed);
}
