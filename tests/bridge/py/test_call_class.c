/* SPDX-License-Identifier: MIT */
#include "bridge/py/call_class.h"
#include "server/base/attr.h"
#include "tests/support/test.h"

#define MS 1e6

Test(call_class, tells_sizes_and_kinds_apart)
{
    static const struct {
        const char *name;
        double cpu_ms;
        double outside_ms;
        bool was_dear;
        unsigned size;
        enum gn_call_kind kind;
    } cases[] = {
            {"nothing", 0, 0, false, 0, GN_CALL_WAITS},
            {"just cheap", 1.0, 0.99, false, 0, GN_CALL_WAITS},
            {"just dear", 1.0, 1.0, false, 1, GN_CALL_COMPUTES},
            {"stays dear", 1.0, 0.0, true, 1, GN_CALL_COMPUTES},
            {"cheap again", 0.5, 0.49, true, 0, GN_CALL_WAITS},
            {"computes half", 5, 5, false, 1, GN_CALL_COMPUTES},
            {"computes a third", 4, 8, false, 1, GN_CALL_DOES_BOTH},
            {"computes an eighth", 1, 7, false, 1, GN_CALL_DOES_BOTH},
            {"waits", 1, 7.1, false, 1, GN_CALL_WAITS},
            {"below a size", 15.99, 0, false, 1, GN_CALL_COMPUTES},
            {"a size more", 16, 0, false, 2, GN_CALL_COMPUTES},
            {"sleeps 50 ms", 0.1, 50, false, 2, GN_CALL_WAITS},
            {"third size", 0, 128, false, 3, GN_CALL_WAITS},
            {"the largest", 1024, 0, false, 4, GN_CALL_COMPUTES},
            {"an hour", 0, 3.6e6, false, 4, GN_CALL_WAITS},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        unsigned class =
                gn_call_class_of(cases[i].cpu_ms * MS, cases[i].outside_ms * MS, cases[i].was_dear);

        cr_expect_eq(gn_call_size(class), cases[i].size, "%s: size", cases[i].name);
        cr_expect_eq(gn_call_kind(class), cases[i].kind, "%s: kind", cases[i].name);
    }
}

Test(call_class, numbers_all_classes)
{
    cr_assert_eq(gn_call_size(GN_CALL_CHEAP), 0);
    for (unsigned size = 1; size < GN_CALL_SIZES; size++) {
        for (unsigned kind = 0; kind < 3; kind++) {
            unsigned class = gn_call_class(size, (enum gn_call_kind)kind);

            cr_assert_lt(class, GN_CALL_CLASSES);
            cr_assert_eq(gn_call_size(class), size);
            cr_assert_eq(gn_call_kind(class), (enum gn_call_kind)kind);
            cr_assert_not_null(gn_call_class_name(class));
        }
    }
    cr_assert_eq(gn_call_size_floor_ns(0), 0);
    cr_assert_eq(gn_call_size_floor_ns(1), 2000000);
    cr_assert_eq(gn_call_size_floor_ns(4), 1024000000);
}

#define WAITS(size) (1 + 3 * ((size)-1) + GN_CALL_WAITS)
#define BOTH(size) (1 + 3 * ((size)-1) + GN_CALL_DOES_BOTH)
#define COMPUTES(size) (1 + 3 * ((size)-1) + GN_CALL_COMPUTES)

Test(call_class, lets_calls_run_beside_each_other)
{
    static const struct {
        const char *name;
        unsigned running[4]; /* 0 ends */
        unsigned next;
        enum gn_call_fit fit;
        unsigned n_cores;
    } cases[] = {
            {"cheap beside anything", {COMPUTES(1), COMPUTES(2)}, GN_CALL_CHEAP, GN_CALL_FITS, 1},
            {"the first that computes", {0}, COMPUTES(1), GN_CALL_FITS, 1},
            {"a second one", {COMPUTES(1)}, COMPUTES(1), GN_CALL_BEHIND_LIKE, 1},
            {"beside a larger one", {COMPUTES(3)}, COMPUTES(1), GN_CALL_FITS, 1},
            {"beside a smaller one", {COMPUTES(1)}, COMPUTES(3), GN_CALL_BEHIND_SMALLER, 1},
            {"behind both", {COMPUTES(1), COMPUTES(3)}, COMPUTES(3), GN_CALL_BEHIND_LIKE, 1},
            {"one of both beside one that computes", {COMPUTES(2)}, BOTH(2), GN_CALL_BEHIND_LIKE,
                    1},
            {"a third that does both", {BOTH(2), BOTH(2)}, BOTH(2), GN_CALL_FITS, 1},
            {"a fourth", {BOTH(2), BOTH(2), BOTH(2)}, BOTH(2), GN_CALL_BEHIND_LIKE, 1},
            {"one that waits beside one that computes", {COMPUTES(1)}, WAITS(1), GN_CALL_FITS, 1},
            {"one that computes beside many that wait", {WAITS(1), WAITS(1), WAITS(1)}, COMPUTES(1),
                    GN_CALL_FITS, 1},
            {"no worker left", {WAITS(1), WAITS(1), WAITS(1), WAITS(1)}, WAITS(4),
                    GN_CALL_NO_WORKER, 1},
            {"a second core", {COMPUTES(1)}, COMPUTES(1), GN_CALL_FITS, 2},
            {"but no third", {COMPUTES(1), COMPUTES(1)}, COMPUTES(1), GN_CALL_BEHIND_LIKE, 2},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct gn_call_room room;

        gn_call_room_init(&room, 4, cases[i].n_cores);
        for (unsigned k = 0; k < 4 && cases[i].running[k] != 0; k++) {
            gn_call_room_add(&room, cases[i].running[k]);
        }
        cr_expect_eq(gn_call_room_fit(&room, cases[i].next), cases[i].fit, "%s", cases[i].name);
    }
}

Test(call_class, room_is_given_back)
{
    struct gn_call_room room;

    gn_call_room_init(&room, 2, 1);
    gn_call_room_add(&room, GN_CALL_CHEAP);
    cr_assert_eq(room.n_dear, 0);
    gn_call_room_add(&room, WAITS(1));
    cr_assert_not(gn_call_room_computes(&room));
    gn_call_room_add(&room, COMPUTES(2));
    cr_assert(gn_call_room_computes(&room));
    cr_assert_eq(room.n_dear, 2);
    gn_call_room_remove(&room, COMPUTES(2));
    gn_call_room_remove(&room, WAITS(1));
    gn_call_room_remove(&room, GN_CALL_CHEAP);
    cr_assert_not(gn_call_room_computes(&room));
    cr_assert_eq(room.n_dear, 0);
    cr_assert_eq(gn_call_room_fit(&room, COMPUTES(2)), GN_CALL_FITS);
}
