/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_LOOP_TASK_FIBER_H
#define GN_SERVER_LOOP_TASK_FIBER_H

/*
 * A stack that can be left and returned to, known to the sanitizers: the calls
 * AddressSanitizer and ThreadSanitizer need around every switch are here and
 * nowhere else. In other builds this is task_switch.h and no more.
 *
 * AddressSanitizer keeps fake frames per stack and must be told the bounds of
 * the stack that is entered; those of the thread's own stack are learnt from
 * the first switch that leaves it. A stack that waits for its next use is
 * poisoned: a pointer into a task that has ended is reported. ThreadSanitizer
 * keeps a history per fiber.
 */

#include <stdbool.h>
#include <stddef.h>

#include "server/base/attr.h"

#if GN_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if GN_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#include "server/loop/task_switch.h"

/** A zeroed gn_fiber stands for the stack the thread runs on. */
struct gn_fiber {
    void *at; /* where it goes on, while it is left */
#if GN_ASAN
    const void *stack_low;
    size_t stack_bytes;
    void *fake_stack;
    struct gn_fiber *left; /* who was left when this one was last entered */
#endif
#if GN_TSAN
    void *tsan_fiber;
#endif
};

/** Prepares `fiber` to call fn(arg) on the given stack; fn begins with gn_fiber_arrived. */
static inline void gn_fiber_init(struct gn_fiber *fiber, void *stack_low, size_t stack_bytes,
        gn_task_switch_fn fn, void *arg)
{
#if GN_ASAN
    __asan_unpoison_memory_region(stack_low, stack_bytes);
    fiber->stack_low = stack_low;
    fiber->stack_bytes = stack_bytes;
    fiber->fake_stack = NULL;
#endif
#if GN_TSAN
    fiber->tsan_fiber = __tsan_create_fiber(0);
#endif
    fiber->at = gn_task_switch_prepare(stack_low, stack_bytes, fn, arg);
}

/** After the fiber has been left for the last time. */
static inline void gn_fiber_fini(struct gn_fiber *fiber)
{
#if GN_ASAN
    __asan_poison_memory_region(fiber->stack_low, fiber->stack_bytes);
#endif
#if GN_TSAN
    __tsan_destroy_fiber(fiber->tsan_fiber);
    fiber->tsan_fiber = NULL;
#endif
    fiber->at = NULL;
}

/** Before the memory of the stack is given back to the system. */
static inline void gn_fiber_forget_stack(struct gn_fiber *fiber)
{
#if GN_ASAN
    __asan_unpoison_memory_region(fiber->stack_low, fiber->stack_bytes);
#endif
    (void)fiber;
}

/** The first thing done on the new stack. */
static inline void gn_fiber_arrived(struct gn_fiber *self)
{
#if GN_ASAN
    __sanitizer_finish_switch_fiber(
            self->fake_stack, &self->left->stack_low, &self->left->stack_bytes);
#endif
    (void)self;
}

/** Leaves `from`, which is running, and goes on with `to`. for_good: `from` never runs again. */
static inline void gn_fiber_switch(struct gn_fiber *from, struct gn_fiber *to, bool for_good)
{
#if GN_ASAN
    to->left = from;
    __sanitizer_start_switch_fiber(
            for_good ? NULL : &from->fake_stack, to->stack_low, to->stack_bytes);
#endif
#if GN_TSAN
    from->tsan_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    (void)for_good;
    gn_task_switch(&from->at, to->at);
    gn_fiber_arrived(from);
}

#endif
