/* SPDX-License-Identifier: MIT */
#include <fenv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "server/base/attr.h"
#include "server/loop/task_switch.h"
#include "tests/support/test.h"

/*
 * The same scenario on both implementations: the one the library uses and the
 * ucontext reference. Sanitizers are not told about these switches, so the
 * scenario is kept out of their builds; test_task covers those.
 */

#if !GN_ASAN && !GN_TSAN

enum { STACK_BYTES = 64 * 1024 };

void *gn_task_switch_prepare_reference(
        void *stack_low, size_t stack_bytes, gn_task_switch_fn fn, void *arg);
void gn_task_switch_reference(void **save_out, void *to);

struct implementation {
    const char *name;
    void *(*prepare)(void *stack_low, size_t stack_bytes, gn_task_switch_fn fn, void *arg);
    void (*switch_to)(void **save_out, void *to);
};

static const struct implementation implementations[] = {
        {"built in", gn_task_switch_prepare, gn_task_switch},
        {"reference", gn_task_switch_prepare_reference, gn_task_switch_reference},
};

struct scenario {
    const struct implementation *with;
    char *stack;
    void *main_at;
    void *side_at;
    uint64_t value; /* passed to and fro */
    uint64_t n_steps;
    bool on_stack;
    bool is_aligned;
    int rounding_seen;
};

static bool is_within(const struct scenario *s, const void *ptr)
{
    return (uintptr_t)ptr >= (uintptr_t)s->stack &&
            (uintptr_t)ptr < (uintptr_t)s->stack + STACK_BYTES;
}

/** Many live values, integers and doubles, so that the callee-saved registers are in use. */
static void side_main(void *arg)
{
    struct scenario *s = arg;
    uint64_t a = 1, b = 2, c = 3, d = 5, e = 7, f = 11, g = 13, h = 17;
    double x = 0.5, y = 1.5, z = 2.5, w = 3.5;
    _Alignas(16) char local[16] = {0};

    s->on_stack = is_within(s, local);
    s->is_aligned = (uintptr_t)local % 16 == 0;
    s->rounding_seen = fegetround();
    for (;;) {
        a += s->value;
        b ^= a;
        c += b * 3;
        d ^= c >> 3;
        e += d;
        f ^= e << 1;
        g += f;
        h ^= g;
        x += (double)(a & 0xff);
        y += x * 0.25;
        z += y;
        w += z * 0.125;
        s->value = h + (uint64_t)w;
        s->n_steps++;
        s->with->switch_to(&s->side_at, s->main_at);
    }
}

static uint64_t run(struct scenario *s, unsigned n_steps)
{
    uint64_t sum = 0;
    double fraction = 0.0;

    for (unsigned i = 0; i < n_steps; i++) {
        s->value = sum + i;
        s->with->switch_to(&s->main_at, s->side_at);
        sum = sum * 31 + s->value;
        fraction += (double)(s->value & 0xf) / 16.0;
    }
    return sum + (uint64_t)fraction;
}

static struct scenario prepare(const struct implementation *with)
{
    struct scenario s = {.with = with, .stack = malloc(STACK_BYTES)};

    cr_assert_not_null(s.stack);
    return s;
}

Test(task_switch, agrees_with_the_reference)
{
    uint64_t sums[2];

    for (unsigned i = 0; i < 2; i++) {
        struct scenario s = prepare(&implementations[i]);

        s.side_at = s.with->prepare(s.stack, STACK_BYTES, side_main, &s);
        sums[i] = run(&s, 1000);
        cr_assert_eq(s.n_steps, 1000, "%s", s.with->name);
        cr_assert(s.on_stack, "%s", s.with->name);
        cr_assert(s.is_aligned, "%s", s.with->name);
        free(s.stack);
    }
    cr_assert_eq(sums[0], sums[1]);
}

Test(task_switch, stack_of_odd_size_is_aligned)
{
    for (unsigned i = 0; i < 2; i++) {
        struct scenario s = prepare(&implementations[i]);

        s.side_at = s.with->prepare(s.stack + 8, STACK_BYTES - 24, side_main, &s);
        (void)run(&s, 1);
        cr_assert(s.is_aligned, "%s", s.with->name);
        free(s.stack);
    }
}

Test(task_switch, rounding_mode_belongs_to_the_stack)
{
    for (unsigned i = 0; i < 2; i++) {
        struct scenario s = prepare(&implementations[i]);

        cr_assert_eq(fesetround(FE_UPWARD), 0);
        s.side_at = s.with->prepare(s.stack, STACK_BYTES, side_main, &s);
        cr_assert_eq(fesetround(FE_DOWNWARD), 0);
        (void)run(&s, 1);
        cr_assert_eq(s.rounding_seen, FE_UPWARD, "%s", s.with->name);
        cr_assert_eq(fegetround(), FE_DOWNWARD, "%s", s.with->name);
        (void)run(&s, 1);
        cr_assert_eq(fegetround(), FE_DOWNWARD, "%s", s.with->name);
        free(s.stack);
    }
}

#else

Test(task_switch, is_tested_without_sanitizers)
{
    cr_assert(true);
}

#endif
