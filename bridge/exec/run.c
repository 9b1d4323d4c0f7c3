/* SPDX-License-Identifier: MIT */
#include "bridge/exec/run.h"

#include "server/base/alloc.h"
#include "server/base/obj.h"
#include "server/loop/cond.h"
#include "server/loop/task.h"

/*
 * A call lives on the stack of the task that waits for it, so the wait must
 * not end before the worker is done with it: either the call is withdrawn
 * before a worker has it, or the rest of the wait is shielded.
 */

struct call {
    struct gn_work work;
    struct gn_loop *loop;
    struct gn_cond has_ended;
    bool is_done;
    enum gn_err status;
    gn_run_fn fn;
    void *arg;
};

static void run_call(struct gn_work *work)
{
    struct call *call = GN_CONTAINER_OF(work, struct call, work);

    call->fn(call->arg);
}

static void on_call_done(struct gn_work *work, enum gn_err status)
{
    struct call *call = GN_CONTAINER_OF(work, struct call, work);

    gn_assert_loop_thread(call->loop);
    call->status = status;
    call->is_done = true;
    gn_cond_signal(&call->has_ended);
}

enum gn_err gn_executor_run_await(
        struct gn_executor *exec, gn_run_fn fn, void *arg, gn_deadline deadline)
{
    struct call call = {
            .work = {.run = run_call, .done = on_call_done},
            .loop = gn_task_loop(),
            .fn = fn,
            .arg = arg,
    };
    enum gn_err rc;

    if (gn_task_is_cancelled(gn_task_current())) {
        return GN_ERR_CANCELLED;
    }
    if (deadline <= gn_loop_now(call.loop)) {
        return GN_ERR_TIMEOUT;
    }
    gn_cond_init(&call.has_ended);
    GN_TRY(gn_executor_submit(exec, &call.work));
    rc = gn_cond_await(&call.has_ended, deadline);
    if (rc != GN_OK && gn_executor_withdraw(exec, &call.work)) {
        return rc;
    }
    while (!call.is_done) {
        rc = gn_cond_await_shielded(&call.has_ended, GN_NEVER);
        gn_assert(rc == GN_OK);
    }
    return call.status;
}

/* ---- jobs -------------------------------------------------------------- */

struct gn_job {
    unsigned magic;
    bool is_abandoned;
    struct gn_work work;
    struct gn_executor *exec;
    const struct gn_job_ops *ops;
    void *data;
    void *owner;
};

#define GN_JOB_MAGIC 0x7b05e9d3u

static void free_data(const struct gn_job_ops *ops, void *data)
{
    if (ops->free_data != NULL) {
        ops->free_data(data);
    } else {
        gn_free(data);
    }
}

static void free_job(struct gn_job *job)
{
    free_data(job->ops, job->data);
    job->magic = 0;
    gn_free(job);
}

static void run_job(struct gn_work *work)
{
    struct gn_job *job = GN_CONTAINER_OF(work, struct gn_job, work);

    job->ops->run(job->data);
}

static void on_job_done(struct gn_work *work, enum gn_err status)
{
    struct gn_job *job = GN_CONTAINER_OF(work, struct gn_job, work);

    GN_CHECK_OBJ(job, GN_JOB_MAGIC);
    if (!job->is_abandoned) {
        job->ops->done(job->data, status, job->owner);
    }
    free_job(job);
}

enum gn_err gn_job_start(struct gn_executor *exec, const struct gn_job_ops *ops, void *take_data,
        void *owner, struct gn_job **job_out)
{
    struct gn_job *job = gn_xcalloc(sizeof(*job));
    enum gn_err rc;

    job->magic = GN_JOB_MAGIC;
    job->work = (struct gn_work){.run = run_job, .done = on_job_done};
    job->exec = exec;
    job->ops = ops;
    job->data = take_data;
    job->owner = owner;
    rc = gn_executor_submit(exec, &job->work);
    if (rc != GN_OK) {
        free_job(job);
        job = NULL;
    }
    if (job_out != NULL) {
        *job_out = job;
    }
    return rc;
}

void gn_job_abandon(struct gn_job **job)
{
    struct gn_job *abandoned = *job;

    if (abandoned == NULL) {
        return;
    }
    GN_CHECK_OBJ(abandoned, GN_JOB_MAGIC);
    *job = NULL;
    if (gn_executor_withdraw(abandoned->exec, &abandoned->work)) {
        free_job(abandoned);
    } else {
        abandoned->is_abandoned = true;
    }
}
