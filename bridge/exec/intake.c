/* SPDX-License-Identifier: MIT */
#include "bridge/exec/intake.h"

#include "server/base/alloc.h"
#include "server/base/obj.h"
#include "server/base/thread_cond.h"

#include "bridge/exec/duct_priv.h"

/*
 * `is_held_back` means that the loop may give nothing before it is asked: so it
 * is at the start, and after a put that filled it. The reader asks when
 * it is about to wait or has just taken everything, and only while that flag
 * is set, so a reader that keeps up costs no notice at all.
 */

struct gn_intake {
    unsigned magic;
    struct gn_duct duct;
    uint64_t limit_bytes;
    gn_intake_fn on_wanted;
    void *owner; /* loop thread; NULL once the loop has let go */

    struct { /* under the duct's lock */
        bool is_held_back;
        bool is_ended;
        bool is_cancelled;
        bool is_closed; /* the reader has let go */
        enum gn_err status;
    } shared;
};

#define GN_INTAKE_MAGIC 0x2d80f61bu

static struct gn_intake *intake_of(struct gn_duct *duct)
{
    return GN_CONTAINER_OF(duct, struct gn_intake, duct);
}

static void on_notice(struct gn_duct *duct)
{
    struct gn_intake *intake = intake_of(duct);

    gn_assert_loop_thread(duct->loop);
    if (intake->owner != NULL) {
        intake->on_wanted(intake, intake->owner);
    }
}

static void on_last(struct gn_duct *duct)
{
    struct gn_intake *intake = intake_of(duct);

    intake->magic = 0;
    gn_free(intake);
}

static void lock(struct gn_intake *intake)
{
    GN_CHECK_OBJ(intake, GN_INTAKE_MAGIC);
    gn_duct_lock(&intake->duct);
}

struct gn_intake *gn_intake_create(
        struct gn_loop *loop, size_t limit_bytes, gn_intake_fn on_wanted, void *owner)
{
    struct gn_intake *intake = gn_xcalloc(sizeof(*intake));

    intake->magic = GN_INTAKE_MAGIC;
    intake->limit_bytes = limit_bytes;
    intake->on_wanted = on_wanted;
    intake->owner = owner;
    intake->shared.is_held_back = true;
    gn_duct_init(&intake->duct, loop, on_notice, on_last);
    return intake;
}

/* ---- the loop's half --------------------------------------------------- */

enum gn_err gn_intake_put(struct gn_intake *intake, struct gn_bufq *take)
{
    enum gn_err rc = GN_ERR_GONE;

    lock(intake);
    if (!intake->shared.is_closed && !intake->shared.is_cancelled) {
        gn_bufq_move(&intake->duct.queue, take);
        intake->shared.is_held_back = intake->duct.queue.n_bytes >= intake->limit_bytes;
        rc = intake->shared.is_held_back ? GN_ERR_FULL : GN_OK;
        pthread_cond_signal(&intake->duct.may_go_on);
    }
    gn_duct_unlock(&intake->duct);
    gn_bufq_clear(take);
    return rc;
}

void gn_intake_end(struct gn_intake **intake, enum gn_err status)
{
    struct gn_intake *f = *intake;

    if (f == NULL) {
        return;
    }
    *intake = NULL;
    f->owner = NULL;
    lock(f);
    f->shared.is_held_back = false;
    f->shared.is_ended = true;
    f->shared.status = status;
    pthread_cond_signal(&f->duct.may_go_on);
    gn_duct_unlock_and_unref(&f->duct);
}

/* ---- the worker's half ------------------------------------------------- */

/** The lock is held; true when gn_duct_notify must follow once it is not. */
static bool begin_asking(struct gn_intake *intake)
{
    if (!intake->shared.is_held_back) {
        return false;
    }
    intake->shared.is_held_back = false;
    return gn_duct_begin_notice(&intake->duct);
}

/** The lock is held: whether a reader has nothing to wait for. */
static bool is_decided(const struct gn_intake *intake)
{
    return intake->shared.is_cancelled || intake->shared.is_ended ||
            !gn_bufq_is_empty(&intake->duct.queue);
}

static void ask_before_waiting(struct gn_intake *intake)
{
    bool must_notify;

    lock(intake);
    must_notify = !is_decided(intake) && begin_asking(intake);
    gn_duct_unlock(&intake->duct);
    if (must_notify) {
        gn_duct_notify(&intake->duct);
    }
}

enum gn_err gn_intake_read(struct gn_intake *intake, struct gn_bufq *into, gn_deadline deadline)
{
    bool must_notify = false;
    bool in_time = true;
    enum gn_err rc = GN_OK;

    ask_before_waiting(intake);
    lock(intake);
    while (in_time && !is_decided(intake)) {
        in_time = gn_thread_cond_wait_until(&intake->duct.may_go_on, &intake->duct.lock, deadline);
    }
    if (intake->shared.is_cancelled) {
        rc = GN_ERR_CLOSED;
    } else if (!gn_bufq_is_empty(&intake->duct.queue)) {
        gn_bufq_move(into, &intake->duct.queue);
        must_notify = begin_asking(intake);
    } else if (intake->shared.is_ended) {
        rc = intake->shared.status == GN_OK ? GN_ERR_EOF : intake->shared.status;
    } else {
        rc = GN_ERR_TIMEOUT;
    }
    gn_duct_unlock(&intake->duct);
    if (must_notify) {
        gn_duct_notify(&intake->duct);
    }
    return rc;
}

void gn_intake_ask_quietly(struct gn_intake *intake)
{
    intake->duct.is_quiet = true; /* nobody but the reader notifies */
    ask_before_waiting(intake);
    intake->duct.is_quiet = false;
}

void gn_intake_cancel(struct gn_intake *intake)
{
    lock(intake);
    intake->shared.is_cancelled = true;
    pthread_cond_signal(&intake->duct.may_go_on);
    gn_duct_unlock(&intake->duct);
}

void gn_intake_close(struct gn_intake **intake)
{
    struct gn_intake *f = *intake;
    struct gn_bufq left = {.first = NULL};

    if (f == NULL) {
        return;
    }
    *intake = NULL;
    lock(f);
    f->shared.is_closed = true;
    gn_bufq_move(&left, &f->duct.queue);
    gn_duct_unlock_and_unref(&f->duct);
    gn_bufq_clear(&left);
}
