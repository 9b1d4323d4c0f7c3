/* SPDX-License-Identifier: MIT */
#include "bridge/py/call_queue.h"
#include "tests/support/test.h"

#define WAITS(size) (1 + 3 * ((size)-1) + GN_CALL_WAITS)
#define BOTH(size) (1 + 3 * ((size)-1) + GN_CALL_DOES_BOTH)
#define COMPUTES(size) (1 + 3 * ((size)-1) + GN_CALL_COMPUTES)

static struct gn_call_room roomy;

static void publish(struct gn_call_queue *queue, struct gn_pycall *calls, unsigned n)
{
    struct gn_list batch;

    gn_list_init(&batch);
    for (unsigned i = 0; i < n; i++) {
        cr_assert(gn_call_queue_announce(queue, calls[i].family, UINT32_MAX));
        gn_list_append(&batch, &calls[i].link);
    }
    gn_call_queue_publish(queue, &batch, n);
    cr_assert(gn_list_is_empty(&batch));
}

static void begin(struct gn_call_queue *queue, int64_t wait_ms)
{
    gn_call_room_init(&roomy, 16, 1);
    gn_call_queue_init(queue, wait_ms, NULL, 1);
}

Test(call_queue, serves_in_order_of_arrival)
{
    struct gn_call_queue queue;
    struct gn_pycall calls[3] = {0};

    begin(&queue, 0);
    cr_assert_null(gn_call_queue_pop(&queue, &roomy, true));
    publish(&queue, calls, 2);
    publish(&queue, calls + 2, 1);
    cr_assert_eq(gn_call_queue_count(&queue), 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(gn_call_queue_pop(&queue, &roomy, true), &calls[i]);
    }
    cr_assert_eq(gn_call_queue_count(&queue), 0);
    gn_call_queue_fini(&queue);
}

Test(call_queue, gives_up_any_call)
{
    struct gn_call_queue queue;
    struct gn_pycall calls[3] = {0};

    begin(&queue, 0);
    publish(&queue, calls, 3);
    gn_call_queue_remove(&queue, &calls[1]);
    cr_assert_eq(gn_call_queue_count(&queue), 2);
    cr_assert_eq(gn_call_queue_pop_any(&queue), &calls[0]);
    cr_assert_eq(gn_call_queue_pop_any(&queue), &calls[2]);
    cr_assert_null(gn_call_queue_pop_any(&queue));
    gn_call_queue_fini(&queue);
}

Test(call_queue, moves_a_kind_to_another_class_in_order_of_arrival)
{
    static const struct {
        int at_ms;
        uint32_t key;
        unsigned class;
    } arrivals[] = {
            {0, 7, WAITS(1)},
            {1, 5, GN_CALL_TRIAL},
            {2, 7, GN_CALL_TRIAL},
            {3, 8, WAITS(1)},
            {4, 7, GN_CALL_TRIAL},
            {5, 7, WAITS(1)},
            {6, 5, GN_CALL_TRIAL},
    };
    struct gn_pycall calls[GN_ARRAY_LEN(arrivals)] = {0};
    struct gn_call_queue queue;

    begin(&queue, 0);
    for (unsigned i = 0; i < GN_ARRAY_LEN(arrivals); i++) {
        calls[i].queued_at = arrivals[i].at_ms * GN_NS_PER_MS;
        calls[i].key = arrivals[i].key;
        calls[i].class = (uint8_t)arrivals[i].class;
        publish(&queue, &calls[i], 1);
    }
    gn_call_queue_reclass(&queue, 0, 7, GN_CALL_TRIAL, WAITS(1));
    cr_assert_eq(gn_call_queue_count(&queue), GN_ARRAY_LEN(arrivals));
    cr_assert_eq(gn_call_queue_ready(&queue, &roomy).n_dear, 5 + 1, "waiting ones, and one");
    for (unsigned i = 0; i < GN_ARRAY_LEN(arrivals); i++) {
        cr_assert_eq(calls[i].class, calls[i].key == 5 ? GN_CALL_TRIAL : WAITS(1), "%u", i);
    }
    gn_call_queue_reclass(&queue, 0, 5, GN_CALL_TRIAL, WAITS(1));
    cr_assert_eq(gn_call_queue_ready(&queue, &roomy).n_dear, GN_ARRAY_LEN(arrivals));
    for (unsigned i = 0; i < GN_ARRAY_LEN(arrivals); i++) {
        cr_assert_eq(gn_call_queue_pop(&queue, &roomy, true), &calls[i], "%u", i);
    }
    cr_assert_null(gn_call_queue_pop(&queue, &roomy, true));
    gn_call_queue_fini(&queue);
}

Test(call_queue, makes_a_kind_cheap_wherever_it_waits)
{
    static const struct {
        uint32_t key;
        unsigned class;
    } arrivals[] = {
            {7, WAITS(1)},
            {5, WAITS(1)},
            {7, GN_CALL_CHEAP},
            {7, GN_CALL_TRIAL},
            {7, BOTH(2)},
    };
    static const unsigned order[] = {0, 2, 3, 4};
    struct gn_pycall calls[GN_ARRAY_LEN(arrivals)] = {0};
    struct gn_call_queue queue;

    begin(&queue, 0);
    for (unsigned i = 0; i < GN_ARRAY_LEN(arrivals); i++) {
        calls[i].queued_at = i * GN_NS_PER_MS;
        calls[i].key = arrivals[i].key;
        calls[i].class = (uint8_t)arrivals[i].class;
        publish(&queue, &calls[i], 1);
    }
    gn_call_queue_cheapen(&queue, 0, 7);
    cr_assert_eq(gn_call_queue_ready(&queue, &roomy).n_cheap, GN_ARRAY_LEN(order));
    cr_assert_eq(gn_call_queue_ready(&queue, &roomy).n_dear, 1, "the other kind stays");
    for (unsigned i = 0; i < GN_ARRAY_LEN(order); i++) {
        cr_assert_eq(calls[order[i]].class, GN_CALL_CHEAP);
        cr_assert_eq(gn_call_queue_pop(&queue, &roomy, true), &calls[order[i]], "%u", i);
    }
    cr_assert_eq(gn_call_queue_pop(&queue, &roomy, true), &calls[1]);
    gn_call_queue_fini(&queue);
}

/* ---- order ------------------------------------------------------------------------ */

struct arrival {
    int at_ms;
    unsigned class;
};

/* Publishes what a case lists, ended by a class of GN_CALL_CLASSES, and returns how many. */
static unsigned arrive(
        struct gn_call_queue *queue, struct gn_pycall *calls, const struct arrival *arrivals)
{
    unsigned n = 0;

    for (; arrivals[n].class < GN_CALL_CLASSES; n++) {
        calls[n] = (struct gn_pycall){
                .queued_at = arrivals[n].at_ms * GN_NS_PER_MS, .class = (uint8_t)arrivals[n].class};
        publish(queue, &calls[n], 1);
    }
    return n;
}

#define END                                                                                        \
    {                                                                                              \
        0, GN_CALL_CLASSES                                                                         \
    }

Test(call_queue, orders_by_arrival_and_handicap)
{
    static const struct {
        const char *name;
        struct arrival arrivals[5];
        unsigned order[4];
    } cases[] = {
            {"cheap before dear", {{1, COMPUTES(1)}, {2, GN_CALL_CHEAP}, END}, {1, 0}},
            {"up to the handicap", {{1, COMPUTES(1)}, {50, GN_CALL_CHEAP}, END}, {1, 0}},
            {"and no further", {{1, COMPUTES(1)}, {52, GN_CALL_CHEAP}, END}, {0, 1}},
            {"small before large", {{1, COMPUTES(3)}, {9, WAITS(2)}, {9, WAITS(1)}, END},
                    {2, 1, 0}},
            {"old and large before young and small", {{0, COMPUTES(4)}, {5001, WAITS(1)}, END},
                    {0, 1}},
            {"arrival within a class", {{1, WAITS(1)}, {2, WAITS(1)}, {3, WAITS(1)}, END},
                    {0, 1, 2}},
            {"arrival between kinds of a size", {{2, WAITS(1)}, {1, COMPUTES(1)}, END}, {1, 0}},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_call_queue queue;
        struct gn_pycall calls[4];
        unsigned n;

        begin(&queue, 0);
        n = arrive(&queue, calls, cases[i].arrivals);
        for (unsigned k = 0; k < n; k++) {
            cr_expect_eq(gn_call_queue_pop(&queue, &roomy, true), &calls[cases[i].order[k]],
                    "%s: place %u", cases[i].name, k);
        }
        gn_call_queue_fini(&queue);
    }
}

Test(call_queue, handicaps_end_long_before_the_longest_wait)
{
    struct gn_call_queue queue;
    struct gn_pycall calls[2];

    begin(&queue, 1000);
    (void)arrive(&queue, calls, (struct arrival[]){{0, COMPUTES(4)}, {251, GN_CALL_CHEAP}, END});
    cr_assert_eq(gn_call_queue_pop(&queue, &roomy, true), &calls[0]);
    gn_call_queue_fini(&queue);
}

Test(call_queue, passes_over_what_has_no_room)
{
    static const struct {
        const char *name;
        unsigned running[3]; /* 0 ends */
        struct arrival arrivals[4];
        int next; /* -1: none */
    } cases[] = {
            {"one that computes at a time", {COMPUTES(1)}, {{1, COMPUTES(1)}, END}, -1},
            {"a cheap one beside it", {COMPUTES(1)}, {{1, COMPUTES(1)}, {99, GN_CALL_CHEAP}, END},
                    1},
            {"one that waits beside it", {COMPUTES(1)}, {{1, COMPUTES(1)}, {99, WAITS(4)}, END}, 1},
            {"a smaller one beside it", {COMPUTES(3)}, {{0, COMPUTES(3)}, {9000, COMPUTES(1)}, END},
                    1},
            {"nothing of its size overtakes it", {BOTH(1), BOTH(1)},
                    {{0, COMPUTES(1)}, {9000, BOTH(1)}, END}, -1},
            {"nothing smaller keeps it waiting", {BOTH(1)},
                    {{0, COMPUTES(3)}, {9000, BOTH(1)}, END}, -1},
            {"not even behind another", {COMPUTES(4), BOTH(1)},
                    {{0, COMPUTES(4)}, {1, COMPUTES(2)}, {9000, BOTH(1)}}, -1},
            {"but before its time it does not stop them", {BOTH(1)},
                    {{0, COMPUTES(3)}, {1, BOTH(1)}, END}, 1},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_call_queue queue;
        struct gn_pycall calls[3] = {0};
        struct arrival arrivals[4];
        struct gn_pycall *next;

        begin(&queue, 0);
        memcpy(arrivals, cases[i].arrivals, sizeof(arrivals));
        arrivals[3] = (struct arrival)END;
        for (unsigned k = 0; k < 3 && cases[i].running[k] != 0; k++) {
            gn_call_room_add(&roomy, cases[i].running[k]);
        }
        (void)arrive(&queue, calls, arrivals);
        next = gn_call_queue_pop(&queue, &roomy, true);
        cr_expect_eq(next, cases[i].next < 0 ? NULL : &calls[cases[i].next], "%s", cases[i].name);
        gn_call_queue_fini(&queue);
    }
}

/* The promise: however many smaller calls keep coming, each call gets its turn. A machine with one
   worker per class is played: what is taken ends before the next step. */
Test(call_queue, nobody_starves)
{
    static const unsigned starving[] = {WAITS(4), BOTH(4), COMPUTES(4), COMPUTES(2), WAITS(1)};

    for (unsigned i = 0; i < GN_ARRAY_LEN(starving); i++) {
        struct gn_call_queue queue;
        struct gn_pycall patient = {.class = (uint8_t)starving[i]};
        struct gn_pycall stream[8];
        struct gn_pycall *taken = NULL;
        unsigned n = 0;
        int at_ms = 0;

        begin(&queue, 0);
        publish(&queue, &patient, 1);
        while (taken != &patient) {
            struct gn_pycall *call = &stream[n++ % 8];

            at_ms += 5;
            *call = (struct gn_pycall){.queued_at = at_ms * GN_NS_PER_MS,
                    .class = (uint8_t)(n % 2 ? GN_CALL_CHEAP : COMPUTES(1))};
            publish(&queue, call, 1);
            taken = gn_call_queue_pop(&queue, &roomy, true);
            cr_assert_not_null(taken);
            cr_assert_leq(at_ms, 5100, "class %u still waits", starving[i]);
        }
        gn_call_queue_fini(&queue);
    }
}

/* Two streams of smaller calls that overlap would leave no moment in which nothing computes. */
Test(call_queue, overlapping_calls_starve_nobody)
{
    struct gn_call_queue queue;
    struct gn_pycall patient = {.class = COMPUTES(3)};
    struct gn_pycall stream[2] = {0};
    struct gn_pycall *taken;

    begin(&queue, 0);
    gn_call_room_add(&roomy, BOTH(1)); /* the first of the stream runs */
    publish(&queue, &patient, 1);
    stream[0] = (struct gn_pycall){.queued_at = 9000 * GN_NS_PER_MS, .class = BOTH(1)};
    publish(&queue, &stream[0], 1);
    cr_assert_null(gn_call_queue_pop(&queue, &roomy, true), "it would overlap");
    gn_call_room_remove(&roomy, BOTH(1));
    taken = gn_call_queue_pop(&queue, &roomy, true);
    cr_assert_eq(taken, &patient);
    gn_call_room_add(&roomy, COMPUTES(3));
    cr_assert_eq(gn_call_queue_pop(&queue, &roomy, true), &stream[0], "beside the larger one");
    gn_call_queue_fini(&queue);
}

Test(call_queue, leaves_cheap_calls_to_others)
{
    struct gn_call_queue queue;
    struct gn_pycall calls[2];

    begin(&queue, 0);
    (void)arrive(&queue, calls, (struct arrival[]){{1, GN_CALL_CHEAP}, END});
    cr_assert_null(gn_call_queue_pop(&queue, &roomy, false));
    (void)arrive(&queue, &calls[1], (struct arrival[]){{2, WAITS(2)}, END});
    cr_assert_eq(gn_call_queue_pop(&queue, &roomy, false), &calls[1]);
    cr_assert_eq(gn_call_queue_count(&queue), 1);
    gn_call_queue_fini(&queue);
}

Test(call_queue, counts_what_could_begin)
{
    static const struct {
        const char *name;
        unsigned running[3];
        struct arrival arrivals[6];
        unsigned n_cheap;
        unsigned n_dear;
    } cases[] = {
            {"none", {0}, {END}, 0, 0},
            {"cheap ones", {0}, {{1, GN_CALL_CHEAP}, {2, GN_CALL_CHEAP}, END}, 2, 0},
            {"all that wait", {0}, {{1, WAITS(1)}, {2, WAITS(1)}, {3, WAITS(2)}, END}, 0, 3},
            {"as far as workers go", {WAITS(1), WAITS(1)},
                    {{1, WAITS(1)}, {2, WAITS(1)}, {3, WAITS(1)}, {4, WAITS(1)}, END}, 0, 2},
            {"one that computes", {0}, {{1, COMPUTES(1)}, {2, COMPUTES(1)}, END}, 0, 1},
            {"none beside another", {COMPUTES(1)}, {{1, COMPUTES(1)}, {2, GN_CALL_CHEAP}, END}, 1,
                    0},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_call_queue queue;
        struct gn_pycall calls[6];
        struct gn_call_ready ready;

        begin(&queue, 0);
        roomy.limit = 4;
        for (unsigned k = 0; k < 3 && cases[i].running[k] != 0; k++) {
            gn_call_room_add(&roomy, cases[i].running[k]);
        }
        (void)arrive(&queue, calls, cases[i].arrivals);
        ready = gn_call_queue_ready(&queue, &roomy);
        cr_expect_eq(ready.n_cheap, cases[i].n_cheap, "%s: %u cheap", cases[i].name, ready.n_cheap);
        cr_expect_eq(ready.n_dear, cases[i].n_dear, "%s: %u dear", cases[i].name, ready.n_dear);
        gn_call_queue_fini(&queue);
    }
}

/* ---- families ---------------------------------------------------------------------- */

Test(call_queue, keeps_a_family_within_its_limit)
{
    static const unsigned limits[] = {0, 2};
    struct gn_call_queue queue;
    struct gn_pycall calls[5] = {
            {.family = 1}, {.family = 1}, {.family = 1}, {.family = 0}, {.family = 1}};

    gn_call_room_init(&roomy, 16, 1);
    gn_call_queue_init(&queue, 0, limits, 2);
    for (unsigned i = 0; i < 5; i++) {
        calls[i].queued_at = i + 1;
    }
    publish(&queue, calls, 5);
    cr_assert_eq(gn_call_queue_ready(&queue, &roomy).n_cheap, 3);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(gn_call_queue_pop(&queue, &roomy, true), &calls[i]);
        gn_call_queue_begin(&queue, 1);
    }
    cr_assert_eq(gn_call_queue_ready(&queue, &roomy).n_cheap, 1);
    cr_assert_eq(gn_call_queue_pop(&queue, &roomy, true), &calls[3], "others are not blocked");
    cr_assert_null(gn_call_queue_pop(&queue, &roomy, true));
    cr_assert_eq(gn_call_queue_count(&queue), 2);
    cr_assert_eq(gn_call_queue_ready(&queue, &roomy).n_cheap, 0);
    gn_call_queue_end(&queue, 1);
    cr_assert_eq(gn_call_queue_pop(&queue, &roomy, true), &calls[2]);
    cr_assert_eq(gn_call_queue_pop_any(&queue), &calls[4], "a limit does not hold up the end");
    gn_call_queue_fini(&queue);
}

Test(call_queue, bounds_what_waits_of_each_limited_family)
{
    static const unsigned limits[] = {0, 1, 0, 1};
    struct gn_call_queue queue;
    struct gn_pycall calls[4] = {{.family = 1}, {.family = 1}, {.family = 0}, {.family = 2}};

    gn_call_queue_init(&queue, 0, limits, GN_ARRAY_LEN(limits));
    publish(&queue, calls, 1);
    cr_assert(gn_call_queue_announce(&queue, 1, 2));
    cr_assert_not(gn_call_queue_announce(&queue, 1, 2), "one waits, one is announced");
    cr_assert(gn_call_queue_announce(&queue, 3, 2), "another limited one has its own");
    cr_assert(gn_call_queue_announce(&queue, 0, 2), "so have those without a limit,");
    cr_assert(gn_call_queue_announce(&queue, 2, 2));
    cr_assert_not(gn_call_queue_announce(&queue, 0, 2), "which share it");
    cr_assert_not(gn_call_queue_announce(&queue, 2, 2));
    gn_call_queue_retract(&queue, 1);
    gn_call_queue_retract(&queue, 0);
    gn_call_queue_retract(&queue, 2);
    publish(&queue, calls + 1, 3);
    cr_assert_not(gn_call_queue_announce(&queue, 1, 2));
    cr_assert_not(gn_call_queue_announce(&queue, 2, 2));
    gn_call_queue_remove(&queue, &calls[1]);
    cr_assert(gn_call_queue_announce(&queue, 1, 2));
    cr_assert_not(gn_call_queue_announce(&queue, 0, 2));
    gn_call_queue_remove(&queue, &calls[3]);
    cr_assert(gn_call_queue_announce(&queue, 0, 2));
    gn_call_queue_fini(&queue);
}

/* ---- the end of waiting -------------------------------------------------------------- */

Test(call_queue, knows_who_is_late)
{
    struct gn_call_queue queue;
    struct gn_pycall calls[2] = {
            {.queued_at = 5 * GN_NS_PER_MS, .class = COMPUTES(4)},
            {.queued_at = 6 * GN_NS_PER_MS},
    };

    begin(&queue, 10);
    cr_assert_eq(gn_call_queue_next_late(&queue), GN_NEVER);
    publish(&queue, calls, 2);
    cr_assert_eq(gn_call_queue_next_late(&queue), 15 * GN_NS_PER_MS);
    cr_assert_null(gn_call_queue_pop_late(&queue, 15 * GN_NS_PER_MS - 1));
    cr_assert_not(gn_call_queue_is_late(&queue, &calls[0], 15 * GN_NS_PER_MS - 1));
    cr_assert(gn_call_queue_is_late(&queue, &calls[0], 15 * GN_NS_PER_MS));
    cr_assert_eq(gn_call_queue_pop_late(&queue, 15 * GN_NS_PER_MS), &calls[0]);
    cr_assert_null(gn_call_queue_pop_late(&queue, 15 * GN_NS_PER_MS));
    cr_assert_eq(gn_call_queue_next_late(&queue), 16 * GN_NS_PER_MS);
    gn_call_queue_fini(&queue);
}

Test(call_queue, nobody_is_late_without_a_limit)
{
    struct gn_call_queue queue;
    struct gn_pycall call = {.queued_at = 1};

    begin(&queue, 0);
    publish(&queue, &call, 1);
    cr_assert_eq(gn_call_queue_next_late(&queue), GN_NEVER);
    cr_assert_null(gn_call_queue_pop_late(&queue, GN_NEVER - 1));
    gn_call_queue_fini(&queue);
}
