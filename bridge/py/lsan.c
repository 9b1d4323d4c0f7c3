/* SPDX-License-Identifier: MIT */
#include <Python.h>

#include "bridge/py/lsan.h"

#include "server/base/attr.h"

#if GN_ASAN

#include <sanitizer/lsan_interface.h>

/*
 * pymalloc's arenas come from mmap, which the leak check does not count; all
 * else (the raw domain, and large objects of the others) passes through here.
 * Each call forwards to the allocator that was there before.
 */

static PyMemAllocatorEx before;

static void *ignored_malloc(void *ctx, size_t size)
{
    void *ptr;

    __lsan_disable();
    ptr = before.malloc(ctx, size);
    __lsan_enable();
    return ptr;
}

static void *ignored_calloc(void *ctx, size_t n, size_t size)
{
    void *ptr;

    __lsan_disable();
    ptr = before.calloc(ctx, n, size);
    __lsan_enable();
    return ptr;
}

static void *ignored_realloc(void *ctx, void *old, size_t size)
{
    void *ptr;

    __lsan_disable();
    ptr = before.realloc(ctx, old, size);
    __lsan_enable();
    return ptr;
}

void gn_lsan_ignore_python(void)
{
    PyMemAllocatorEx ignored;

    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &ignored);
    if (ignored.malloc == ignored_malloc) {
        return; /* a second interpreter in this process */
    }
    before = ignored;
    ignored.malloc = ignored_malloc;
    ignored.calloc = ignored_calloc;
    ignored.realloc = ignored_realloc;
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &ignored);
}

#else

void gn_lsan_ignore_python(void)
{
}

#endif
