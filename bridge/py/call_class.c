/* SPDX-License-Identifier: MIT */
#include "bridge/py/call_class.h"

#include "server/base/attr.h"

/* A core holds one call that computes, or three that do both. */
#define PARTS_OF_CORE 6U
#define PARTS_COMPUTES 5U
#define PARTS_BOTH 2U

#define GROWTH 8 /* of one size over the one before */
#define WAITS_BELOW (1.0 / 8.0)
#define COMPUTES_FROM (1.0 / 2.0)

int64_t gn_call_size_floor_ns(unsigned size)
{
    int64_t floor_ns = GN_CALL_CHEAP_NS;

    if (size == 0) {
        return 0;
    }
    while (--size > 0) {
        floor_ns *= GROWTH;
    }
    return floor_ns;
}

unsigned gn_call_class_of(double cpu_ns, double outside_ns, bool was_dear)
{
    double cost = cpu_ns + outside_ns;
    double bound = (double)GN_CALL_CHEAP_NS;
    unsigned size = 1;
    enum gn_call_kind kind = GN_CALL_DOES_BOTH;

    if (cost < (was_dear ? bound / 2 : bound)) {
        return GN_CALL_CHEAP;
    }
    while (size + 1 < GN_CALL_SIZES && cost >= (double)gn_call_size_floor_ns(size + 1)) {
        size++;
    }
    if (cpu_ns < cost * WAITS_BELOW) {
        kind = GN_CALL_WAITS;
    } else if (cpu_ns >= cost * COMPUTES_FROM) {
        kind = GN_CALL_COMPUTES;
    }
    return gn_call_class(size, kind);
}

const char *gn_call_class_name(unsigned class)
{
    static const char *const names[GN_CALL_CLASSES] = {
            "cheap",
            "waits 2ms+",
            "both 2ms+",
            "computes 2ms+",
            "waits 16ms+",
            "both 16ms+",
            "computes 16ms+",
            "waits 128ms+",
            "both 128ms+",
            "computes 128ms+",
            "waits 1s+",
            "both 1s+",
            "computes 1s+",
    };

    return names[class];
}

static unsigned parts_of(unsigned class)
{
    static const unsigned parts[] = {
            [GN_CALL_WAITS] = 0,
            [GN_CALL_DOES_BOTH] = PARTS_BOTH,
            [GN_CALL_COMPUTES] = PARTS_COMPUTES,
    };

    return parts[gn_call_kind(class)];
}

void gn_call_room_init(struct gn_call_room *room, unsigned limit, unsigned n_cores)
{
    *room = (struct gn_call_room){.limit = limit, .n_cores = GN_MAX(n_cores, 1U)};
}

void gn_call_room_add(struct gn_call_room *room, unsigned class)
{
    if (class != GN_CALL_CHEAP) {
        room->n_dear++;
        room->load[gn_call_size(class)] += parts_of(class);
    }
}

void gn_call_room_remove(struct gn_call_room *room, unsigned class)
{
    if (class != GN_CALL_CHEAP) {
        room->n_dear--;
        room->load[gn_call_size(class)] -= parts_of(class);
    }
}

enum gn_call_fit gn_call_room_fit(const struct gn_call_room *room, unsigned class)
{
    unsigned size = gn_call_size(class);
    unsigned own = parts_of(class);
    unsigned whole = room->n_cores * PARTS_OF_CORE;
    unsigned smaller = 0;

    if (class == GN_CALL_CHEAP) {
        return GN_CALL_FITS;
    }
    if (room->n_dear >= room->limit) {
        return GN_CALL_NO_WORKER;
    }
    if (own == 0) {
        return GN_CALL_FITS;
    }
    if (room->load[size] + own > whole) {
        return GN_CALL_BEHIND_LIKE;
    }
    for (unsigned i = 1; i < size; i++) {
        smaller += room->load[i];
    }
    return room->load[size] + smaller + own > whole ? GN_CALL_BEHIND_SMALLER : GN_CALL_FITS;
}

bool gn_call_room_computes(const struct gn_call_room *room)
{
    for (unsigned size = 1; size < GN_CALL_SIZES; size++) {
        if (room->load[size] > 0) {
            return true;
        }
    }
    return false;
}
