/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_LOOP_TASK_SWITCH_H
#define GN_SERVER_LOOP_TASK_SWITCH_H

/*
 * Leaving one stack and going on with another: the one file of tasks that
 * depends on the machine. One implementation is compiled in:
 *
 *   task_switch_x86_64.S, task_switch_aarch64.S   a dozen registers, no system call
 *   task_switch_ucontext.c                        everywhere else (two system calls),
 *                                                 and the reference tests compare with
 *
 * All keep what the calling convention promises: the callee-saved registers
 * and the floating-point control state. Signal masks and thread-locals belong
 * to the thread, not to the stack.
 *
 * Thread: both stacks must be used by the same thread for their whole life.
 */

#include <stddef.h>

/** Must never return. */
typedef void (*gn_task_switch_fn)(void *arg);

/**
 * Prepares a stack so that the first switch to it calls fn(arg).
 *
 * Units:   stack_low is the lowest address, stack_bytes at least 4096.
 * Returns: where to switch to, for gn_task_switch
 */
void *gn_task_switch_prepare(void *stack_low, size_t stack_bytes, gn_task_switch_fn fn, void *arg);

/**
 * Stores in `*save_out` where the caller stops, and goes on at `to`. Returns
 * when something switches to what was saved. A saved place may be used once.
 */
void gn_task_switch(void **save_out, void *to);

#endif
