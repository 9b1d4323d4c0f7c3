/* SPDX-License-Identifier: MIT */
/*
 * A queue under a lock, and a thread that takes all of it, then the GIL, then
 * runs what has not been cancelled meanwhile. Results go back by posts, so an
 * errand belongs to one side at a time: the queue's, the thread's, the loop's.
 */
#include <Python.h>

#include "bridge/py/messenger.h"

#include <pthread.h>

#include "server/base/thread_cond.h"

#include "bridge/py/gil_priv.h"

enum {
    ERRAND_NEW,
    ERRAND_SENT,
    ERRAND_RUN, /* begun, perhaps over */
    ERRAND_CANCELLED,
};

struct gn_messenger {
    struct gn_loop *loop;
    pthread_t thread;
    bool has_thread;            /* loop thread only */
    atomic_llong waits_since;   /* a gn_deadline; 0: it does not wait */
    struct {                    /* under lock, which is held for a few instructions */
        pthread_mutex_t lock;   /* no other lock is taken under it */
        pthread_cond_t changed; /* an errand came, the end is asked for, or is there */
        struct gn_errand *first;
        struct gn_errand *last;
        bool is_ending;
        bool is_over;
    } shared;
};

struct gn_messenger *gn_messenger_create(struct gn_loop *loop)
{
    struct gn_messenger *m = gn_xcalloc(sizeof(*m));

    m->loop = loop;
    (void)pthread_mutex_init(&m->shared.lock, NULL);
    gn_thread_cond_init(&m->shared.changed);
    return m;
}

/* ---- the thread ------------------------------------------------------------------ */

static struct gn_errand *take_all(struct gn_messenger *m)
{
    struct gn_errand *first;

    (void)pthread_mutex_lock(&m->shared.lock);
    while (m->shared.first == NULL && !m->shared.is_ending) {
        (void)pthread_cond_wait(&m->shared.changed, &m->shared.lock);
    }
    first = m->shared.first;
    m->shared.first = NULL;
    m->shared.last = NULL;
    (void)pthread_mutex_unlock(&m->shared.lock);
    return first;
}

static void run_all(struct gn_messenger *m, struct gn_errand *errand)
{
    PyGILState_STATE gil;

    atomic_store(&m->waits_since, gn_clock_now());
    gil = PyGILState_Ensure();
    atomic_store(&m->waits_since, 0);
    gn_assert_gil();
    for (; errand != NULL; errand = errand->next) {
        int sent = ERRAND_SENT;

        if (atomic_compare_exchange_strong(&errand->state, &sent, ERRAND_RUN)) {
            errand->run(errand);
        }
    }
    PyGILState_Release(gil);
}

static void tell(struct gn_messenger *m, struct gn_errand *errand)
{
    while (errand != NULL) {
        struct gn_errand *next = errand->next;

        gn_loop_post(m->loop, &errand->post);
        errand = next;
    }
}

static void *messenger_main(void *arg)
{
    struct gn_messenger *m = arg;
    struct gn_errand *errands;

    (void)pthread_setname_np(pthread_self(), "gn-messenger");
    while ((errands = take_all(m)) != NULL) {
        run_all(m, errands);
        tell(m, errands);
    }
    (void)pthread_mutex_lock(&m->shared.lock);
    m->shared.is_over = true;
    (void)pthread_cond_signal(&m->shared.changed);
    (void)pthread_mutex_unlock(&m->shared.lock);
    return NULL;
}

/* ---- the loop's side --------------------------------------------------------------- */

static void on_done(struct gn_post *post)
{
    struct gn_errand *errand = GN_CONTAINER_OF(post, struct gn_errand, post);

    errand->done(errand);
}

void gn_messenger_send(struct gn_messenger *m, struct gn_errand *errand)
{
    errand->next = NULL;
    errand->post.fn = on_done;
    atomic_store(&errand->state, ERRAND_SENT);
    if (!m->has_thread) {
        m->has_thread = pthread_create(&m->thread, NULL, messenger_main, m) == 0;
    }
    if (!m->has_thread) {
        atomic_store(&errand->state, ERRAND_CANCELLED);
        gn_loop_post(m->loop, &errand->post);
        return;
    }
    (void)pthread_mutex_lock(&m->shared.lock);
    if (m->shared.last != NULL) {
        m->shared.last->next = errand;
    } else {
        m->shared.first = errand;
    }
    m->shared.last = errand;
    (void)pthread_cond_signal(&m->shared.changed);
    (void)pthread_mutex_unlock(&m->shared.lock);
}

bool gn_errand_cancel(struct gn_errand *errand)
{
    int sent = ERRAND_SENT;

    return atomic_compare_exchange_strong(&errand->state, &sent, ERRAND_CANCELLED);
}

bool gn_errand_has_run(const struct gn_errand *errand)
{
    return atomic_load(&errand->state) == ERRAND_RUN;
}

gn_deadline gn_messenger_waits_since(const struct gn_messenger *messenger)
{
    return atomic_load(&messenger->waits_since);
}

static bool await_over(struct gn_messenger *m, gn_deadline deadline)
{
    bool is_over;

    (void)pthread_mutex_lock(&m->shared.lock);
    m->shared.is_ending = true;
    (void)pthread_cond_signal(&m->shared.changed);
    while (!m->shared.is_over && gn_clock_now() < deadline) {
        (void)gn_thread_cond_wait_until(&m->shared.changed, &m->shared.lock, deadline);
    }
    is_over = m->shared.is_over;
    (void)pthread_mutex_unlock(&m->shared.lock);
    return is_over;
}

bool gn_messenger_end(struct gn_messenger **messenger, gn_deadline deadline)
{
    struct gn_messenger *m = *messenger;

    *messenger = NULL;
    if (m->has_thread) {
        if (!await_over(m, deadline)) {
            (void)pthread_detach(m->thread); /* it may end yet, and nobody joins it */
            return false;
        }
        (void)pthread_join(m->thread, NULL);
    }
    (void)pthread_cond_destroy(&m->shared.changed);
    (void)pthread_mutex_destroy(&m->shared.lock);
    gn_free(m);
    return true;
}
