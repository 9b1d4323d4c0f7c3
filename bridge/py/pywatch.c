/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/gil_priv.h"
#include "bridge/py/pyexec_priv.h"
#include "bridge/py/pywatch_priv.h"

void gn_pywatch_init(struct gn_pyexec *exec)
{
    struct gn_pywatch *watch = &exec->watch;

    watch->messenger = gn_messenger_create(exec->loop);
    if (exec->options.stack_signal != 0) {
        watch->sampler = gn_sampler_create(exec->loop, exec->options.stack_signal);
    }
    gn_gil_watch_init(&watch->gil, exec);
    gn_list_init(&watch->lates);
    gn_timeout_list_init(&watch->grace, exec->loop, exec->options.stuck_ms, gn_pylate_on_grace);
}

struct gn_look *gn_pywatch_look(struct gn_pyexec *exec, unsigned n, gn_look_fn fn, void *arg)
{
    return gn_look_create(
            &(struct gn_look_options){
                    .loop = exec->loop,
                    .messenger = exec->watch.messenger,
                    .sampler = exec->watch.sampler,
                    .is_gil_off = gn_pyexec_is_gil_off(exec),
                    .fn = fn,
                    .arg = arg,
            },
            n);
}

bool gn_pywatch_end(struct gn_pyexec *exec, gn_deadline deadline)
{
    struct gn_pywatch *watch = &exec->watch;
    bool is_over;

    gn_gil_watch_fini(&watch->gil);
    gn_pylate_fini(watch);
    gn_timeout_list_fini(&watch->grace);
    gn_sampler_destroy(&watch->sampler);
    is_over = gn_messenger_end(&watch->messenger, deadline);
    gn_loop_run_once(exec->loop); /* errands that are back */
    return is_over;
}
