/* SPDX-License-Identifier: MIT */
/*
 *   start ─► the messenger is sent ──► it has the GIL in time ─► done
 *                  │ GN_LOOK_MS, twice that when it has the GIL but is slow
 *                  └► its errand counts no more ─► thread by thread, by signals ─► done
 *
 * The look and the errand are one block of memory. Who destroys a look whose
 * errand is still out, or whose sample is still being taken, only marks it: the
 * last one that comes back frees it.
 */
#include <Python.h>

#include "bridge/py/look.h"

#include "bridge/py/messenger.h"
#include "bridge/py/pyerr.h"
#include "bridge/py/sampler.h"

#include "bridge/py/gil_priv.h"

struct gn_look {
    struct gn_look_options options;
    struct gn_errand errand;
    struct gn_sample sample;
    struct gn_timer patience; /* with Python */
    gn_deadline until;        /* of the whole look */
    unsigned at;              /* of the target being sampled */
    bool is_errand_out;
    bool is_sample_out;
    bool is_patient; /* a second time */
    bool is_without_gil;
    bool is_over;      /* fn has been called */
    bool is_destroyed; /* to be freed by who comes back last */
    unsigned n;
    struct gn_look_target targets[];
};

static void free_look(struct gn_look *look)
{
    for (unsigned i = 0; i < look->n; i++) {
        gn_buf_fini(&look->targets[i].stack);
        gn_buf_fini(&look->targets[i].said);
    }
    gn_free(look);
}

GN_LOOP_THREAD static void finish(struct gn_look *look)
{
    gn_timer_stop(&look->patience);
    look->is_over = true;
    look->options.fn(look, look->options.arg);
}

/* True when the look is gone for its owner; frees it when nobody is out any more. */
static bool is_gone(struct gn_look *look)
{
    if (!look->is_destroyed) {
        return false;
    }
    if (!look->is_errand_out && !look->is_sample_out) {
        free_look(look);
    }
    return true;
}

/* ---- by signals ---------------------------------------------------------------------- */

GN_LOOP_THREAD static void sample_next(struct gn_look *look)
{
    if (look->at == look->n || gn_loop_now(look->options.loop) >= look->until) {
        finish(look);
        return;
    }
    look->sample.thread = look->targets[look->at].thread;
    look->is_sample_out = true;
    gn_sampler_ask(look->options.sampler, &look->sample);
}

static void on_sampled(struct gn_sample *sample, enum gn_err rc, struct gn_slice text)
{
    struct gn_look *look = GN_CONTAINER_OF(sample, struct gn_look, sample);

    gn_assert_loop_thread(look->options.loop);
    look->is_sample_out = false;
    if (is_gone(look)) {
        return;
    }
    if (rc == GN_OK) {
        (void)!gn_buf_append(&look->targets[look->at].stack, text);
    }
    look->at++;
    if (rc == GN_ERR_CLOSED) {
        finish(look);
    } else {
        sample_next(look);
    }
}

GN_LOOP_THREAD static void ask_threads(struct gn_look *look)
{
    if (look->options.sampler != NULL) {
        sample_next(look);
    } else {
        finish(look);
    }
}

static void on_impatient(struct gn_timer *timer)
{
    struct gn_look *look = GN_CONTAINER_OF(timer, struct gn_look, patience);

    gn_assert_loop_thread(look->options.loop);
    if (look->options.is_gil_off) {
        ask_threads(look);
        return;
    }
    if (!gn_errand_cancel(&look->errand) && !look->is_patient) {
        look->is_patient = true; /* it has the GIL: it may be on its way */
        gn_timer_start(timer, gn_loop_after_ms(look->options.loop, GN_LOOK_MS));
        return;
    }
    look->is_without_gil = true;
    ask_threads(look);
}

/* ---- by Python ----------------------------------------------------------------------- */

static void run_errand(struct gn_errand *errand)
{
    struct gn_look *look = GN_CONTAINER_OF(errand, struct gn_look, errand);

    gn_assert_gil();
    for (unsigned i = 0; i < look->n && gn_gil_is_on(); i++) {
        (void)!gn_pyerr_stack(look->targets[i].python_thread, &look->targets[i].said);
    }
}

static void on_errand_done(struct gn_errand *errand)
{
    struct gn_look *look = GN_CONTAINER_OF(errand, struct gn_look, errand);

    gn_assert_loop_thread(look->options.loop);
    look->is_errand_out = false;
    if (is_gone(look) || look->is_over || look->is_without_gil) {
        return;
    }
    for (unsigned i = 0; i < look->n; i++) {
        struct gn_buf empty = look->targets[i].stack;

        look->targets[i].stack = look->targets[i].said;
        look->targets[i].said = empty;
    }
    finish(look);
}

/* ---- life ---------------------------------------------------------------------------- */

struct gn_look *gn_look_create(const struct gn_look_options *options, unsigned n)
{
    struct gn_look *look = gn_xcalloc(sizeof(*look) + n * sizeof(look->targets[0]));

    look->options = *options;
    look->n = n;
    look->errand.run = run_errand;
    look->errand.done = on_errand_done;
    look->sample.fn = on_sampled;
    gn_timer_init(&look->patience, options->loop, on_impatient);
    for (unsigned i = 0; i < n; i++) {
        gn_buf_init(&look->targets[i].stack, GN_PYERR_TEXT_BYTES);
        gn_buf_init(&look->targets[i].said, GN_PYERR_TEXT_BYTES);
    }
    return look;
}

struct gn_look_target *gn_look_target(struct gn_look *look, unsigned i)
{
    gn_assert(i < look->n);
    return &look->targets[i];
}

unsigned gn_look_count(const struct gn_look *look)
{
    return look->n;
}

void gn_look_start(struct gn_look *look)
{
    gn_deadline now = gn_clock_now();

    look->until = gn_deadline_after_ms(now, GN_LOOK_LIMIT_MS);
    if (look->options.is_gil_off) {
        gn_timer_start(&look->patience, now); /* there is none to have with Python */
        return;
    }
    look->is_errand_out = true;
    gn_timer_start(&look->patience, gn_deadline_after_ms(now, GN_LOOK_MS));
    gn_messenger_send(look->options.messenger, &look->errand);
}

bool gn_look_was_without_gil(const struct gn_look *look)
{
    return look->is_without_gil;
}

void gn_look_destroy(struct gn_look **look_ptr)
{
    struct gn_look *look = *look_ptr;

    if (look == NULL) {
        return;
    }
    *look_ptr = NULL;
    gn_timer_stop(&look->patience);
    (void)gn_errand_cancel(&look->errand);
    look->is_destroyed = true;
    (void)is_gone(look);
}
