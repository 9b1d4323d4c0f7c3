/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "server/base/alloc.h"
#include "server/base/strmap.h"
#include "tests/support/test.h"

static int values[4] = {1, 2, 3, 4};

/** The keys in order, with commas. */
static const char *keys(const struct gn_strmap *map, char *to, size_t size)
{
    struct gn_slice key;
    void *value;
    size_t at = 0;
    size_t used = 0;

    to[0] = '\0';
    while (gn_strmap_next(map, &at, &key, &value)) {
        used += (size_t)snprintf(
                to + used, size - used, "%s" GN_SLICE_FMT, used > 0 ? "," : "", GN_SLICE_ARG(key));
    }
    return to;
}

Test(strmap, empty_map_has_nothing)
{
    struct gn_strmap map = {.n = 0};
    struct gn_slice key;
    void *value;
    size_t at = 0;

    cr_assert_eq(gn_strmap_n(&map), 0);
    cr_assert_null(gn_strmap_get(&map, GN_LIT("a")));
    cr_assert_not(gn_strmap_find(&map, GN_LIT(""), &value));
    cr_assert_null(gn_strmap_remove(&map, GN_LIT("a")));
    cr_assert_not(gn_strmap_next(&map, &at, &key, &value));
    gn_strmap_fini(&map, gn_free);
}

Test(strmap, adds_sets_and_removes)
{
    struct gn_strmap map = {.n = 0};
    char seen[64];
    void *value = NULL;

    cr_assert_eq(gn_strmap_add(&map, GN_LIT("b"), &values[0]), GN_OK);
    cr_assert_eq(gn_strmap_add(&map, GN_LIT("a"), &values[1]), GN_OK);
    cr_assert_eq(gn_strmap_add(&map, GN_LIT("b"), &values[2]), GN_ERR_EXISTS);
    cr_assert_eq(gn_strmap_get(&map, GN_LIT("b")), &values[0]);
    cr_assert_eq(gn_strmap_set(&map, GN_LIT("b"), &values[3]), &values[0]);
    cr_assert_null(gn_strmap_set(&map, GN_LIT("c"), NULL));
    cr_assert(gn_strmap_find(&map, GN_LIT("c"), &value), "a NULL value is a value");
    cr_assert(gn_strmap_find(&map, GN_LIT("c"), NULL));
    cr_assert_null(value);
    cr_assert_eq(gn_strmap_n(&map), 3);
    cr_assert_str_eq(keys(&map, seen, sizeof(seen)), "b,a,c");
    cr_assert_eq(gn_strmap_remove(&map, GN_LIT("a")), &values[1]);
    cr_assert_null(gn_strmap_remove(&map, GN_LIT("a")));
    cr_assert_eq(gn_strmap_add(&map, GN_LIT("a"), &values[1]), GN_OK);
    cr_assert_str_eq(keys(&map, seen, sizeof(seen)), "b,c,a", "added again, so last");
    gn_strmap_fini(&map, NULL);
    cr_assert_eq(gn_strmap_n(&map), 0);
}

Test(strmap, keys_are_bytes_and_copied)
{
    struct gn_strmap map = {.n = 0};
    char key[] = "a\0b";

    cr_assert_eq(gn_strmap_add(&map, gn_slice_of(key, 3), &values[0]), GN_OK);
    cr_assert_eq(gn_strmap_add(&map, gn_slice_of(NULL, 0), &values[1]), GN_OK);
    key[2] = 'c';
    cr_assert_eq(gn_strmap_get(&map, GN_LIT("a\0b")), &values[0]);
    cr_assert_null(gn_strmap_get(&map, gn_slice_of(key, 3)));
    cr_assert_null(gn_strmap_get(&map, GN_LIT("a")));
    cr_assert_eq(gn_strmap_get(&map, GN_LIT("")), &values[1]);
    gn_strmap_fini(&map, NULL);
}

Test(strmap, keys_of_every_length_are_told_apart)
{
    struct gn_strmap map = {.n = 0};
    char text[65];

    memset(text, 'x', sizeof(text));
    for (size_t len = 0; len < sizeof(text); len++) {
        cr_assert_eq(gn_strmap_add(&map, gn_slice_of(text, len), &text[len]), GN_OK);
    }
    for (size_t len = 0; len < sizeof(text); len++) {
        cr_assert_eq(gn_strmap_get(&map, gn_slice_of(text, len)), &text[len], "%zu", len);
    }
    gn_strmap_fini(&map, NULL);
}

enum { N_KEYS = 2000 };

static struct gn_slice numbered(unsigned i, char *to, size_t size)
{
    return gn_slice_of(to, (size_t)snprintf(to, size, "key-%u", i));
}

/** Against an array as the model: add, remove and look up in a fixed pseudo-random order. */
Test(strmap, agrees_with_a_plain_array)
{
    static bool is_in[N_KEYS];
    struct gn_strmap map = {.n = 0};
    uint32_t random = 12345;
    size_t n = 0;

    for (unsigned step = 0; step < 20000; step++) {
        char text[32];
        struct gn_slice key;
        unsigned i;

        random = random * 1664525u + 1013904223u;
        i = (random >> 8) % N_KEYS;
        key = numbered(i, text, sizeof(text));
        cr_assert_eq(gn_strmap_find(&map, key, NULL), is_in[i]);
        if (random >> 31 != 0) {
            cr_assert_eq(gn_strmap_add(&map, key, &is_in[i]), is_in[i] ? GN_ERR_EXISTS : GN_OK);
            n += !is_in[i];
            is_in[i] = true;
        } else {
            cr_assert_eq(gn_strmap_remove(&map, key), is_in[i] ? (void *)&is_in[i] : NULL);
            n -= is_in[i];
            is_in[i] = false;
        }
        cr_assert_eq(gn_strmap_n(&map), n);
    }
    gn_strmap_fini(&map, NULL);
}

Test(strmap, order_survives_growth_and_removal)
{
    struct gn_strmap map = {.n = 0};
    static char own[N_KEYS];
    struct gn_slice key;
    void *value;
    char text[32];
    size_t at = 0;
    unsigned want = 1;

    for (unsigned i = 0; i < N_KEYS; i++) {
        cr_assert_eq(gn_strmap_add(&map, numbered(i, text, sizeof(text)), &own[i]), GN_OK);
    }
    while (gn_strmap_next(&map, &at, &key, &value)) {
        if (((char *)value - own) % 2 == 0) {
            cr_assert_eq(gn_strmap_remove(&map, key), value);
        }
    }
    at = 0;
    while (gn_strmap_next(&map, &at, &key, &value)) {
        cr_assert_eq(value, &own[want]);
        want += 2;
    }
    cr_assert_eq(want, N_KEYS + 1);
    gn_strmap_fini(&map, NULL);
}

Test(strmap, steady_change_does_not_grow_it)
{
    struct gn_strmap map = {.n = 0};
    char text[32];

    for (unsigned i = 0; i < 10000; i++) {
        cr_assert_eq(gn_strmap_add(&map, numbered(i, text, sizeof(text)), NULL), GN_OK);
        if (i >= 10) {
            (void)gn_strmap_remove(&map, numbered(i - 10, text, sizeof(text)));
        }
    }
    cr_assert_eq(gn_strmap_n(&map), 10);
    cr_assert(map.n_slots <= 64);
    gn_strmap_fini(&map, NULL);
}

Test(strmap, two_maps_have_different_secrets)
{
    struct gn_strmap a = {.n = 0};
    struct gn_strmap b = {.n = 0};

    cr_assert_eq(gn_strmap_add(&a, GN_LIT("x"), NULL), GN_OK);
    cr_assert_eq(gn_strmap_add(&b, GN_LIT("x"), NULL), GN_OK);
    cr_assert(a.secret[0] != b.secret[0] || a.secret[1] != b.secret[1]);
    gn_strmap_fini(&a, NULL);
    gn_strmap_fini(&b, NULL);
}

Test(strmap, fini_frees_the_values)
{
    struct gn_strmap map = {.n = 0};

    (void)gn_strmap_set(&map, GN_LIT("a"), gn_xalloc(10));
    (void)gn_strmap_set(&map, GN_LIT("b"), gn_xalloc(10));
    gn_free(gn_strmap_remove(&map, GN_LIT("a")));
    gn_strmap_fini(&map, gn_free);
    gn_strmap_fini(&map, gn_free);
}
