/* SPDX-License-Identifier: MIT */
#ifndef GN_TESTS_SUPPORT_PLAIN_TEST_H
#define GN_TESTS_SUPPORT_PLAIN_TEST_H

/*
 * Criterion's words for a build in which Criterion cannot run. Each test runs
 * in a child process of its own, as Criterion does it. Include
 * tests/support/test.h, never this.
 *
 * An option a test does not know here is a compile error, by intention.
 */

#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/attr.h"

struct gn_plain_options {
    int signal;     /* the test must end by this signal; 0: by none */
    int exit_code;  /* the test must end with this exit code */
    double timeout; /* seconds; 0: gn_test's own limit */
    bool disabled;  /* neither run nor counted */
    void (*init)(void);
    void (*fini)(void);
    const char *description;
    bool last; /* private: lets the option list be empty */
};

struct gn_plain_test {
    const char *suite;
    const char *name; /* NULL: these are the options of the suite */
    void (*run)(void);
    struct gn_plain_options options;
    struct gn_plain_test *next;
};

/** Called by constructors, before main. `test` is static. */
void gn_plain_register(struct gn_plain_test *test);

/** Prints where, what and the optional message `fmt`; ends the test when `fatal`. */
void gn_plain_fail(bool fatal, const char *file, int line, const char *what, const char *fmt, ...);

/** Ends the test without a verdict. */
void gn_plain_skip(const char *file, int line, const char *fmt, ...) GN_NORETURN;

#define Test(...) GN_PLAIN_TEST(__VA_ARGS__, .last = true)
#define GN_PLAIN_TEST(Suite, Name, ...)                                                            \
    static void Suite##_##Name##_run(void);                                                        \
    __attribute__((constructor)) static void Suite##_##Name##_register(void)                       \
    {                                                                                              \
        static struct gn_plain_test test = {.suite = #Suite,                                       \
                .name = #Name,                                                                     \
                .run = Suite##_##Name##_run,                                                       \
                .options = {__VA_ARGS__}};                                                         \
        gn_plain_register(&test);                                                                  \
    }                                                                                              \
    static void Suite##_##Name##_run(void)

#define TestSuite(...) GN_PLAIN_SUITE(__VA_ARGS__, .last = true)
#define GN_PLAIN_SUITE(Suite, ...)                                                                 \
    __attribute__((constructor)) static void Suite##_suite_register(void)                          \
    {                                                                                              \
        static struct gn_plain_test test = {.suite = #Suite, .options = {__VA_ARGS__}};            \
        gn_plain_register(&test);                                                                  \
    }                                                                                              \
    struct gn_plain_test

/* The trailing NULL is the format when the test gives none, else an argument nobody reads. */
#define GN_PLAIN_CHECK(fatal, holds, what, ...)                                                    \
    ((holds) ? (void)0 : gn_plain_fail(fatal, __FILE__, __LINE__, what, __VA_ARGS__))
#define GN_PLAIN_TRUE(fatal, a, ...) GN_PLAIN_CHECK(fatal, (a), #a, __VA_ARGS__)
#define GN_PLAIN_FALSE(fatal, a, ...) GN_PLAIN_CHECK(fatal, !(a), "not " #a, __VA_ARGS__)
#define GN_PLAIN_OP(fatal, op, a, b, ...)                                                          \
    GN_PLAIN_CHECK(fatal, (a)op(b), #a " " #op " " #b, __VA_ARGS__)
#define GN_PLAIN_NULL(fatal, a, ...) GN_PLAIN_CHECK(fatal, (a) == NULL, #a " == NULL", __VA_ARGS__)
#define GN_PLAIN_NOT_NULL(fatal, a, ...)                                                           \
    GN_PLAIN_CHECK(fatal, (a) != NULL, #a " != NULL", __VA_ARGS__)
#define GN_PLAIN_STR(fatal, op, a, b, ...)                                                         \
    GN_PLAIN_CHECK(fatal, strcmp((a), (b)) op 0, #a " " #op " " #b " as text", __VA_ARGS__)
#define GN_PLAIN_ARR(fatal, op, a, b, size, ...)                                                   \
    GN_PLAIN_CHECK(fatal, memcmp((a), (b), (size)) op 0, #a " " #op " " #b " as bytes", __VA_ARGS__)
#define GN_PLAIN_FLOAT(fatal, a, b, epsilon, ...)                                                  \
    GN_PLAIN_CHECK(fatal, fabs((double)(a) - (double)(b)) <= (epsilon),                            \
            #a " within " #epsilon " of " #b, __VA_ARGS__)

#define cr_assert(...) GN_PLAIN_TRUE(true, __VA_ARGS__, NULL)
#define cr_assert_not(...) GN_PLAIN_FALSE(true, __VA_ARGS__, NULL)
#define cr_assert_eq(...) GN_PLAIN_OP(true, ==, __VA_ARGS__, NULL)
#define cr_assert_neq(...) GN_PLAIN_OP(true, !=, __VA_ARGS__, NULL)
#define cr_assert_lt(...) GN_PLAIN_OP(true, <, __VA_ARGS__, NULL)
#define cr_assert_leq(...) GN_PLAIN_OP(true, <=, __VA_ARGS__, NULL)
#define cr_assert_gt(...) GN_PLAIN_OP(true, >, __VA_ARGS__, NULL)
#define cr_assert_geq(...) GN_PLAIN_OP(true, >=, __VA_ARGS__, NULL)
#define cr_assert_null(...) GN_PLAIN_NULL(true, __VA_ARGS__, NULL)
#define cr_assert_not_null(...) GN_PLAIN_NOT_NULL(true, __VA_ARGS__, NULL)
#define cr_assert_str_eq(...) GN_PLAIN_STR(true, ==, __VA_ARGS__, NULL)
#define cr_assert_str_neq(...) GN_PLAIN_STR(true, !=, __VA_ARGS__, NULL)
#define cr_assert_str_empty(...) GN_PLAIN_STR(true, ==, "", __VA_ARGS__, NULL)
#define cr_assert_arr_eq(...) GN_PLAIN_ARR(true, ==, __VA_ARGS__, NULL)
#define cr_assert_arr_neq(...) GN_PLAIN_ARR(true, !=, __VA_ARGS__, NULL)
#define cr_assert_float_eq(...) GN_PLAIN_FLOAT(true, __VA_ARGS__, NULL)
#define cr_assert_fail(...) gn_plain_fail(true, __FILE__, __LINE__, "failed", __VA_ARGS__, NULL)

#define cr_expect(...) GN_PLAIN_TRUE(false, __VA_ARGS__, NULL)
#define cr_expect_not(...) GN_PLAIN_FALSE(false, __VA_ARGS__, NULL)
#define cr_expect_eq(...) GN_PLAIN_OP(false, ==, __VA_ARGS__, NULL)
#define cr_expect_neq(...) GN_PLAIN_OP(false, !=, __VA_ARGS__, NULL)
#define cr_expect_str_eq(...) GN_PLAIN_STR(false, ==, __VA_ARGS__, NULL)
#define cr_expect_arr_eq(...) GN_PLAIN_ARR(false, ==, __VA_ARGS__, NULL)
#define cr_expect_fail(...) gn_plain_fail(false, __FILE__, __LINE__, "failed", __VA_ARGS__, NULL)

#define cr_skip_test(...) gn_plain_skip(__FILE__, __LINE__, __VA_ARGS__, NULL)
#define cr_skip(...) gn_plain_skip(__FILE__, __LINE__, __VA_ARGS__, NULL)

#endif
