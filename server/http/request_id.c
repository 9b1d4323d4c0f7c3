/* SPDX-License-Identifier: MIT */
#include "server/http/request_id.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "server/base/ascii.h"
#include "server/base/clock.h"

/*
 * A serial number is mixed by steps that can each be undone (an odd factor, a
 * shift and xor), so that two numbers never become one, and neighbours do not
 * look alike.
 */

static uint64_t mixed(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void gn_request_ids_init(struct gn_request_ids *ids)
{
    if (getrandom(ids, sizeof(*ids), GRND_NONBLOCK) != (ssize_t)sizeof(*ids)) {
        ids->server = mixed((uint64_t)gn_clock_wall());
        ids->start = mixed((uint64_t)gn_clock_now() ^ (uint64_t)getpid());
    }
}

static void put_hex(char *into, uint64_t value)
{
    static const char hex[] = "0123456789abcdef";

    for (int i = 15; i >= 0; i--) {
        into[i] = hex[value & 15];
        value >>= 4;
    }
}

void gn_request_id_make(
        const struct gn_request_ids *ids, uint64_t serial, char into[GN_REQUEST_ID_BYTES])
{
    put_hex(into, ids->server);
    put_hex(into + GN_REQUEST_ID_BYTES / 2, mixed(ids->start + serial));
}

bool gn_request_id_is_good(struct gn_slice id)
{
    if (id.len == 0 || id.len > GN_REQUEST_ID_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool is_letter = gn_ascii_lower(c) >= 'a' && gn_ascii_lower(c) <= 'z';

        if (!is_letter && !gn_ascii_is_digit(c) && (c == '\0' || strchr("-._~+/=:@", c) == NULL)) {
            return false;
        }
    }
    return true;
}
