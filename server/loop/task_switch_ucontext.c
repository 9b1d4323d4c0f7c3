/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <ucontext.h>

#include "server/base/alloc.h"
#include "server/loop/task_switch.h"

/*
 * The portable way. A ucontext_t lies on the stack it describes: a prepared
 * one at its top, a suspended one in the frame of the switch that left it. So
 * "where to go on" is one pointer, as in the assembly files.
 *
 * makecontext passes ints; pointers travel as halves.
 */

static void first_entry(unsigned fn_high, unsigned fn_low, unsigned arg_high, unsigned arg_low)
{
    union {
        uintptr_t number;
        gn_task_switch_fn fn;
    } fn = {.number = (uintptr_t)((uint64_t)fn_high << 32 | fn_low)};
    union {
        uintptr_t number;
        void *ptr;
    } arg = {.number = (uintptr_t)((uint64_t)arg_high << 32 | arg_low)};

    fn.fn(arg.ptr);
    gn_panic(__FILE__, __LINE__, "a task's first function returned");
}

void *gn_task_switch_prepare(void *stack_low, size_t stack_bytes, gn_task_switch_fn fn, void *arg)
{
    const size_t at = (stack_bytes - sizeof(ucontext_t)) & ~(size_t)63;
    ucontext_t *uc = (ucontext_t *)(void *)((char *)stack_low + at);
    union {
        gn_task_switch_fn fn;
        uintptr_t number;
    } f = {.fn = fn};
    const uint64_t a = (uintptr_t)arg;

    gn_assert(getcontext(uc) == 0);
    uc->uc_stack.ss_sp = stack_low;
    uc->uc_stack.ss_size = at;
    uc->uc_link = NULL;
    makecontext(uc, (void (*)(void))first_entry, 4, (unsigned)((uint64_t)f.number >> 32),
            (unsigned)f.number, (unsigned)(a >> 32), (unsigned)a);
    return uc;
}

void gn_task_switch(void **save_out, void *to)
{
    ucontext_t here;

    *save_out = &here;
    gn_assert(swapcontext(&here, to) == 0);
}
