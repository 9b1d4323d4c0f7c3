/* SPDX-License-Identifier: MIT */
#include "server/base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "server/base/alloc.h"

/*
 * Blocks form a list, newest first; allocation bumps `at` in the newest. A
 * request that needs more than a block gets a block of its own size. Reset
 * keeps the oldest block if it is of the standard size, so that a connection
 * serving request after request allocates nothing.
 */

#define BLOCK_BYTES 2048
#define ALIGNMENT alignof(max_align_t)

struct gn_arena_block {
    struct gn_arena_block *next;
    size_t size; /* of data */
    alignas(max_align_t) char data[];
};

struct gn_arena_hook {
    struct gn_arena_hook *next;
    gn_arena_fn fn;
    void *arg;
};

static void push_block(struct gn_arena *a, size_t size)
{
    struct gn_arena_block *block = gn_xalloc(sizeof(*block) + size);

    block->next = a->blocks;
    block->size = size;
    a->blocks = block;
    a->at = block->data;
    a->end = block->data + size;
}

#if GN_ASAN

/* Exact size: one byte past the end is the sanitizer's to find. */
void *gn_arena_alloc(struct gn_arena *a, size_t size)
{
    push_block(a, size);
    a->at = a->end;
    return a->blocks->data;
}

#else

void *gn_arena_alloc(struct gn_arena *a, size_t size)
{
    size_t rounded;
    void *ptr;

    gn_assert(size <= SIZE_MAX / 2);
    rounded = (GN_MAX(size, (size_t)1) + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (GN_UNLIKELY((size_t)(a->end - a->at) < rounded)) {
        push_block(a, GN_MAX(rounded, (size_t)BLOCK_BYTES));
    }
    ptr = a->at;
    a->at += rounded;
    return ptr;
}

#endif

void *gn_arena_calloc(struct gn_arena *a, size_t size)
{
    return memset(gn_arena_alloc(a, size), 0, size);
}

struct gn_slice gn_arena_dup(struct gn_arena *a, struct gn_slice bytes)
{
    char *copy = gn_arena_alloc(a, bytes.len + 1);

    if (bytes.len > 0) {
        memcpy(copy, bytes.ptr, bytes.len);
    }
    copy[bytes.len] = '\0';
    return gn_slice_of(copy, bytes.len);
}

struct gn_slice gn_arena_printf(struct gn_arena *a, const char *fmt, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    gn_assert(n >= 0);
    text = gn_arena_alloc(a, (size_t)n + 1);
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return gn_slice_of(text, (size_t)n);
}

void gn_arena_on_reset(struct gn_arena *a, gn_arena_fn fn, void *arg)
{
    struct gn_arena_hook *hook = gn_arena_alloc(a, sizeof(*hook));

    *hook = (struct gn_arena_hook){.next = a->hooks, .fn = fn, .arg = arg};
    a->hooks = hook;
}

static void run_hooks(struct gn_arena *a)
{
    while (a->hooks != NULL) {
        struct gn_arena_hook *hook = a->hooks;

        a->hooks = hook->next;
        hook->fn(hook->arg);
    }
}

void gn_arena_reset(struct gn_arena *a)
{
    struct gn_arena_block *block;

    run_hooks(a);
    while ((block = a->blocks) != NULL) {
        if (block->next == NULL && block->size == BLOCK_BYTES && !GN_ASAN) {
            a->at = block->data;
            a->end = block->data + block->size;
            return;
        }
        a->blocks = block->next;
        gn_free(block);
    }
    a->at = NULL;
    a->end = NULL;
}

void gn_arena_fini(struct gn_arena *a)
{
    gn_arena_reset(a);
    gn_free(a->blocks);
    *a = (struct gn_arena){0};
}
