/* SPDX-License-Identifier: MIT */
#ifndef GN_SERVER_BASE_ATTR_H
#define GN_SERVER_BASE_ATTR_H

/*
 * Words that declarations carry so that the compiler, and the reader, know
 * who may call what.
 *
 * clang checks the thread words with -Wthread-safety: a function that is not
 * itself marked GN_LOOP_THREAD may not call one that is, and so for the GIL.
 * The analysis does not follow function pointers, so a callback entered from
 * libev, from a worker or from Python states its role with
 * gn_assert_loop_thread() (server/loop/loop.h) or gn_assert_gil()
 * (bridge/py/gil_priv.h) in its first line. gcc ignores all of this.
 */

#if defined(__clang__)
#define GN_TSA(x) __attribute__((x))
#else
#define GN_TSA(x)
#endif

/** A capability that stands for "being on the right thread"; never a real lock. */
struct GN_TSA(capability("role")) gn_role {
    char unused;
};

extern struct gn_role gn_role_loop;
extern struct gn_role gn_role_gil;

#define GN_LOOP_THREAD GN_TSA(requires_capability(gn_role_loop)) /* only from the loop thread */
#define GN_NEEDS_GIL GN_TSA(requires_capability(gn_role_gil))    /* only while holding the GIL */
#define GN_ANY_THREAD                                            /* safe from everywhere */
#define GN_WORKER_THREAD                                         /* runs on an executor thread */
#define GN_AWAITS                                                /* may suspend the calling task */

#define GN_MUST_CHECK __attribute__((warn_unused_result))
#define GN_PRINTF(fmt_index, args_index) __attribute__((format(printf, fmt_index, args_index)))
#define GN_NORETURN __attribute__((noreturn))
#define GN_COLD __attribute__((cold))
#define GN_HOT __attribute__((hot))
#define GN_NOINLINE __attribute__((noinline))
#define GN_UNUSED __attribute__((unused))
#define GN_LIKELY(x) __builtin_expect(!!(x), 1)
#define GN_UNLIKELY(x) __builtin_expect(!!(x), 0)
/** Marks what a loaded module shows to the program, whatever visibility its author's flags set. */
#define GN_EXPORT __attribute__((visibility("default")))

#define GN_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define GN_MIN(a, b) ((a) < (b) ? (a) : (b))
#define GN_MAX(a, b) ((a) > (b) ? (a) : (b))
#define GN_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#if defined(__SANITIZE_ADDRESS__)
#define GN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GN_ASAN 1
#endif
#endif
#ifndef GN_ASAN
#define GN_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define GN_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GN_TSAN 1
#endif
#endif
#ifndef GN_TSAN
#define GN_TSAN 0
#endif

#endif
