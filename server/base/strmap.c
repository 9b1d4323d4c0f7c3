/* SPDX-License-Identifier: MIT */
#include "server/base/strmap.h"

#include <sys/random.h>

#include "server/base/alloc.h"
#include "server/base/clock.h"

/*
 * Entries stand in an array in order of insertion; the hash table holds their
 * numbers, with linear probing. A removed entry loses its key and value but
 * keeps its number in the table, so probing goes on over it; it disappears
 * when the table is rebuilt. At most two thirds of the slots are used, removed
 * entries included, so probing always meets a free one.
 *
 * The hash is SipHash-1-3 (Aumasson and Bernstein).
 */

#define FIRST_SLOTS 8

struct gn_strmap_entry {
    uint64_t hash;
    char *key; /* NULL: removed */
    size_t key_len;
    void *value;
};

/* ---- hashing ----------------------------------------------------------- */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

static uint64_t hash_of(const struct gn_strmap *map, struct gn_slice key)
{
    struct sip s = {
            .v0 = map->secret[0] ^ UINT64_C(0x736f6d6570736575),
            .v1 = map->secret[1] ^ UINT64_C(0x646f72616e646f6d),
            .v2 = map->secret[0] ^ UINT64_C(0x6c7967656e657261),
            .v3 = map->secret[1] ^ UINT64_C(0x7465646279746573),
    };
    uint64_t last = (uint64_t)key.len << 56;
    size_t at = 0;

    for (; key.len - at >= 8; at += 8) {
        uint64_t word;

        memcpy(&word, key.ptr + at, sizeof(word));
        sip_word(&s, word);
    }
    for (unsigned shift = 0; at < key.len; at++, shift += 8) {
        last |= (uint64_t)(unsigned char)key.ptr[at] << shift;
    }
    sip_word(&s, last);
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/** Without a source of randomness, what an outsider knows least: time and addresses. */
static void choose_secret(struct gn_strmap *map)
{
    if (getrandom(map->secret, sizeof(map->secret), GRND_NONBLOCK) !=
            (ssize_t)sizeof(map->secret)) {
        map->secret[0] = (uint64_t)gn_clock_now() ^ (uint64_t)(uintptr_t)map;
        map->secret[1] = (uint64_t)gn_clock_wall() ^ (uint64_t)(uintptr_t)map->slots << 20;
    }
}

/* ---- table ------------------------------------------------------------- */

static size_t max_entries(size_t n_slots)
{
    return n_slots / 3 * 2;
}

static bool is_key(const struct gn_strmap_entry *entry, uint64_t hash, struct gn_slice key)
{
    return entry->hash == hash && entry->key != NULL &&
            gn_slice_eq(gn_slice_of(entry->key, entry->key_len), key);
}

/** The entry of the key, or NULL. */
static struct gn_strmap_entry *look_up(
        const struct gn_strmap *map, uint64_t hash, struct gn_slice key)
{
    const size_t mask = map->n_slots - 1;

    for (size_t slot = hash & mask; map->slots[slot] != 0; slot = (slot + 1) & mask) {
        struct gn_strmap_entry *entry = &map->entries[map->slots[slot] - 1];

        if (is_key(entry, hash, key)) {
            return entry;
        }
    }
    return NULL;
}

static void fill_slot(struct gn_strmap *map, uint64_t hash, size_t number)
{
    const size_t mask = map->n_slots - 1;
    size_t slot = hash & mask;

    while (map->slots[slot] != 0) {
        slot = (slot + 1) & mask;
    }
    map->slots[slot] = (uint32_t)(number + 1);
}

/** Makes room for one more entry: drops removed ones, and doubles when that is not enough. */
static void rebuild(struct gn_strmap *map)
{
    size_t n_slots = map->n_slots > 0 ? map->n_slots : FIRST_SLOTS;
    size_t kept = 0;

    while (map->n >= max_entries(n_slots) / 2 + 1) {
        n_slots *= 2;
    }
    gn_assert(n_slots <= UINT32_MAX / 2);
    for (size_t i = 0; i < map->n_entries; i++) {
        if (map->entries[i].key != NULL) {
            map->entries[kept++] = map->entries[i];
        }
    }
    if (map->n_slots == 0) {
        choose_secret(map);
    }
    gn_free(map->slots);
    map->slots = gn_xcalloc(n_slots * sizeof(*map->slots));
    map->entries = gn_xrealloc(map->entries, max_entries(n_slots) * sizeof(*map->entries));
    map->n_slots = n_slots;
    map->n_entries = kept;
    for (size_t i = 0; i < kept; i++) {
        fill_slot(map, map->entries[i].hash, i);
    }
}

static struct gn_strmap_entry *find(const struct gn_strmap *map, struct gn_slice key)
{
    return map->n > 0 ? look_up(map, hash_of(map, key), key) : NULL;
}

static void append(struct gn_strmap *map, struct gn_slice key, void *value)
{
    struct gn_strmap_entry *entry;

    if (map->n_entries >= max_entries(map->n_slots)) {
        rebuild(map);
    }
    entry = &map->entries[map->n_entries];
    *entry = (struct gn_strmap_entry){
            .hash = hash_of(map, key),
            .key = gn_xstrndup(key.ptr, key.len),
            .key_len = key.len,
            .value = value,
    };
    fill_slot(map, entry->hash, map->n_entries);
    map->n_entries++;
    map->n++;
}

/* ---- interface --------------------------------------------------------- */

void gn_strmap_fini(struct gn_strmap *map, gn_strmap_free_fn free_value)
{
    for (size_t i = 0; i < map->n_entries; i++) {
        struct gn_strmap_entry *entry = &map->entries[i];

        if (entry->key != NULL && free_value != NULL) {
            free_value(entry->value);
        }
        gn_free(entry->key);
    }
    gn_free(map->entries);
    gn_free(map->slots);
    *map = (struct gn_strmap){.n = 0};
}

bool gn_strmap_find(const struct gn_strmap *map, struct gn_slice key, void **value_out)
{
    const struct gn_strmap_entry *entry = find(map, key);

    if (entry == NULL) {
        return false;
    }
    if (value_out != NULL) {
        *value_out = entry->value;
    }
    return true;
}

void *gn_strmap_get(const struct gn_strmap *map, struct gn_slice key)
{
    const struct gn_strmap_entry *entry = find(map, key);

    return entry != NULL ? entry->value : NULL;
}

enum gn_err gn_strmap_add(struct gn_strmap *map, struct gn_slice key, void *value)
{
    if (find(map, key) != NULL) {
        return GN_ERR_EXISTS;
    }
    append(map, key, value);
    return GN_OK;
}

void *gn_strmap_set(struct gn_strmap *map, struct gn_slice key, void *value)
{
    struct gn_strmap_entry *entry = find(map, key);
    void *replaced;

    if (entry == NULL) {
        append(map, key, value);
        return NULL;
    }
    replaced = entry->value;
    entry->value = value;
    return replaced;
}

void *gn_strmap_remove(struct gn_strmap *map, struct gn_slice key)
{
    struct gn_strmap_entry *entry = find(map, key);
    void *removed;

    if (entry == NULL) {
        return NULL;
    }
    removed = entry->value;
    gn_free(entry->key);
    entry->key = NULL;
    entry->key_len = 0;
    entry->value = NULL;
    map->n--;
    return removed;
}

bool gn_strmap_next(
        const struct gn_strmap *map, size_t *at, struct gn_slice *key_out, void **value_out)
{
    while (*at < map->n_entries) {
        const struct gn_strmap_entry *entry = &map->entries[(*at)++];

        if (entry->key != NULL) {
            *key_out = gn_slice_of(entry->key, entry->key_len);
            *value_out = entry->value;
            return true;
        }
    }
    return false;
}
