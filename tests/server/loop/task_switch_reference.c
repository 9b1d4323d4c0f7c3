/* SPDX-License-Identifier: MIT */

/* The ucontext switch under another name, beside the one the library was built with. */

#define gn_task_switch_prepare gn_task_switch_prepare_reference
#define gn_task_switch gn_task_switch_reference

#include "server/loop/task_switch_ucontext.c"
