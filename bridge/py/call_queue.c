/* SPDX-License-Identifier: MIT */
/*
 * A list per class, and a bit for each that is not empty. The heads are visited
 * in the order of arrival plus handicap; there are a dozen at most for each
 * limited family, and mostly one in all.
 *
 * Invariant: the lists are in order of arrival, so the oldest call of all is a
 * head, and so is the earliest.
 */
#include "bridge/py/call_queue.h"

#include "server/base/alloc.h"

/* How much later a call of that size may be started than a cheap one that arrives with it: some
   eight times what it costs. */
static const int64_t handicap_ms[GN_CALL_SIZES] = {0, 50, 400, 2000, 5000};

#define HANDICAP_SHARE 4 /* of the longest wait, at most */

/* Written by whoever holds the lock, so a store is enough. */
static void add_locked(atomic_uint *counter, int more)
{
    unsigned n = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, n + (unsigned)more, memory_order_relaxed);
}

static void init_lanes(struct gn_call_lanes *lanes)
{
    for (unsigned i = 0; i < GN_CALL_CLASSES; i++) {
        gn_list_init(&lanes->calls[i]);
    }
}

void gn_call_queue_init(
        struct gn_call_queue *queue, int64_t wait_ms, const unsigned *limits, unsigned n_families)
{
    *queue = (struct gn_call_queue){.wait_ms = wait_ms, .n_families = GN_MAX(n_families, 1U)};
    atomic_init(&queue->n_calls, 0);
    queue->families = gn_xcalloc(queue->n_families * sizeof(*queue->families));
    queue->lanes = gn_xcalloc((queue->n_families + 1) * sizeof(*queue->lanes));
    queue->n_lanes = 1;
    for (unsigned i = 0; i < n_families && limits != NULL; i++) {
        queue->families[i].limit = limits[i];
        if (limits[i] > 0) {
            queue->families[i].lanes = queue->n_lanes;
            queue->lanes[queue->n_lanes++].family = &queue->families[i];
        }
    }
    for (unsigned i = 0; i < queue->n_lanes; i++) {
        init_lanes(&queue->lanes[i]);
    }
    for (unsigned size = 0; size < GN_CALL_SIZES; size++) {
        int64_t ms = handicap_ms[size];

        queue->handicap_ns[size] =
                GN_NS_PER_MS * (wait_ms > 0 ? GN_MIN(ms, wait_ms / HANDICAP_SHARE) : ms);
    }
}

void gn_call_queue_fini(struct gn_call_queue *queue)
{
    gn_free(queue->lanes);
    gn_free(queue->families);
    queue->lanes = NULL;
    queue->families = NULL;
}

/* ---- in and out ----------------------------------------------------------------- */

static struct gn_call_lanes *lanes_of(struct gn_call_queue *queue, const struct gn_pycall *call)
{
    return &queue->lanes[queue->families[call->family].lanes];
}

bool gn_call_queue_announce(struct gn_call_queue *queue, unsigned family, unsigned most)
{
    struct gn_call_lanes *lanes = &queue->lanes[queue->families[family].lanes];

    if (lanes->n_announced + atomic_load_explicit(&lanes->n_calls, memory_order_relaxed) >= most) {
        return false;
    }
    lanes->n_announced++;
    return true;
}

void gn_call_queue_retract(struct gn_call_queue *queue, unsigned family)
{
    queue->lanes[queue->families[family].lanes].n_announced--;
}

void gn_call_queue_publish(struct gn_call_queue *queue, struct gn_list *batch, unsigned n)
{
    struct gn_list *node;

    while ((node = gn_list_pop(batch)) != NULL) {
        struct gn_pycall *call = GN_LIST_ENTRY(node, struct gn_pycall, link);
        struct gn_call_lanes *lanes = lanes_of(queue, call);

        gn_list_append(&lanes->calls[call->class], node);
        lanes->filled |= 1U << call->class;
        lanes->n[call->class]++;
        lanes->n_announced--;
        add_locked(&lanes->n_calls, 1);
    }
    add_locked(&queue->n_calls, (int)n);
}

void gn_call_queue_remove(struct gn_call_queue *queue, struct gn_pycall *call)
{
    struct gn_call_lanes *lanes = lanes_of(queue, call);

    gn_list_unlink(&call->link);
    if (gn_list_is_empty(&lanes->calls[call->class])) {
        lanes->filled &= ~(1U << call->class);
    }
    lanes->n[call->class]--;
    add_locked(&lanes->n_calls, -1);
    add_locked(&queue->n_calls, -1);
}

void gn_call_queue_reclass(
        struct gn_call_queue *queue, unsigned family, uint32_t key, unsigned from, unsigned class)
{
    struct gn_call_lanes *lanes = &queue->lanes[queue->families[family].lanes];
    struct gn_list *to = &lanes->calls[class];
    struct gn_list *at = to->next; /* what comes behind the next that moves */
    struct gn_list *node;
    struct gn_list *tmp;

    gn_assert(from != class);
    GN_LIST_FOREACH (node, tmp, &lanes->calls[from]) {
        struct gn_pycall *call = GN_LIST_ENTRY(node, struct gn_pycall, link);

        if (call->key != key || call->family != family) {
            continue;
        }
        while (at != to &&
                GN_LIST_ENTRY(at, struct gn_pycall, link)->queued_at <= call->queued_at) {
            at = at->next;
        }
        gn_list_unlink(node);
        gn_list_append(at, node);
        call->class = (uint8_t) class;
        lanes->n[from]--;
        lanes->n[class]++;
        lanes->filled |= 1U << class;
    }
    if (lanes->n[from] == 0) {
        lanes->filled &= ~(1U << from);
    }
}

void gn_call_queue_cheapen(struct gn_call_queue *queue, unsigned family, uint32_t key)
{
    const struct gn_call_lanes *lanes = &queue->lanes[queue->families[family].lanes];

    for (unsigned left = lanes->filled & ~(1U << GN_CALL_CHEAP); left != 0; left &= left - 1) {
        gn_call_queue_reclass(queue, family, key, (unsigned)__builtin_ctz(left), GN_CALL_CHEAP);
    }
}

void gn_call_queue_begin(struct gn_call_queue *queue, unsigned family)
{
    queue->families[family].n_running++;
}

void gn_call_queue_end(struct gn_call_queue *queue, unsigned family)
{
    queue->families[family].n_running--;
}

/* ---- which is next ---------------------------------------------------------------- */

static struct gn_pycall *head_of(const struct gn_call_lanes *lanes, unsigned class)
{
    return GN_LIST_ENTRY(lanes->calls[class].next, struct gn_pycall, link);
}

/* How many more calls of these lanes may run. */
static unsigned left_of(const struct gn_call_lanes *lanes)
{
    const struct gn_call_family *family = lanes->family;

    if (family == NULL) {
        return UINT32_MAX;
    }
    return family->limit > family->n_running ? family->limit - family->n_running : 0;
}

static gn_deadline due_at(const struct gn_call_queue *queue, const struct gn_pycall *call)
{
    return call->queued_at + queue->handicap_ns[gn_call_size(call->class)];
}

/* The head that is due first after `after` (NULL: of all); heads due at the same time follow the
   order of their lanes, which `rank` numbers. */
struct place {
    struct gn_pycall *call;
    gn_deadline due;
    unsigned rank;
};

static bool is_before(const struct place *a, const struct place *b)
{
    return a->due < b->due || (a->due == b->due && a->rank < b->rank);
}

static struct place next_place(const struct gn_call_queue *queue, const struct place *after)
{
    struct place best = {.call = NULL, .due = GN_NEVER, .rank = UINT32_MAX};

    for (unsigned i = 0; i < queue->n_lanes; i++) {
        const struct gn_call_lanes *lanes = &queue->lanes[i];
        unsigned left = left_of(lanes) > 0 ? lanes->filled : 0;

        for (; left != 0; left &= left - 1) {
            unsigned class = (unsigned)__builtin_ctz(left);
            struct place place = {.call = head_of(lanes, class), .rank = i * 32 + class};

            place.due = due_at(queue, place.call);
            if (is_before(&place, &best) && (after->call == NULL || is_before(after, &place))) {
                best = place;
            }
        }
    }
    return best;
}

/* Whether a dear call may begin; narrows `*barrier`, the size from which computing calls may not,
   for those behind it. */
static bool dear_may_begin(const struct gn_call_room *room, unsigned class, unsigned *barrier)
{
    unsigned size = gn_call_size(class);

    if (gn_call_kind(class) == GN_CALL_WAITS) {
        return gn_call_room_fit(room, class) == GN_CALL_FITS;
    }
    if (size >= *barrier) {
        return false;
    }
    switch (gn_call_room_fit(room, class)) {
    case GN_CALL_FITS:
        return true;
    case GN_CALL_BEHIND_LIKE:
        *barrier = size;
        return false;
    case GN_CALL_BEHIND_SMALLER:
        *barrier = 0;
        return false;
    case GN_CALL_NO_WORKER:
        break;
    }
    return false;
}

static struct gn_pycall *first_that_may(
        struct gn_call_queue *queue, const struct gn_call_room *room, bool may_take_cheap)
{
    struct place place = {.call = NULL};
    unsigned barrier = GN_CALL_SIZES;

    while ((place = next_place(queue, &place)).call != NULL) {
        unsigned class = place.call->class;

        if (class == GN_CALL_CHEAP ? may_take_cheap : dear_may_begin(room, class, &barrier)) {
            return place.call;
        }
    }
    return NULL;
}

struct gn_pycall *gn_call_queue_pop(
        struct gn_call_queue *queue, const struct gn_call_room *room, bool may_take_cheap)
{
    struct gn_pycall *call = NULL;

    if (queue->n_lanes == 1 && queue->lanes[0].filled == 1U << GN_CALL_CHEAP) {
        call = may_take_cheap ? head_of(&queue->lanes[0], GN_CALL_CHEAP) : NULL;
    } else if (gn_call_queue_count(queue) > 0) {
        call = first_that_may(queue, room, may_take_cheap);
    }
    if (call != NULL) {
        gn_call_queue_remove(queue, call);
    }
    return call;
}

static unsigned dear_ready(const struct gn_call_lanes *lanes, const struct gn_call_room *room)
{
    unsigned n = 0;

    for (unsigned left = lanes->filled & ~(1U << GN_CALL_CHEAP); left != 0; left &= left - 1) {
        unsigned class = (unsigned)__builtin_ctz(left);

        if (gn_call_room_fit(room, class) == GN_CALL_FITS) {
            n += gn_call_kind(class) == GN_CALL_WAITS ? lanes->n[class] : 1;
        }
    }
    return n;
}

struct gn_call_ready gn_call_queue_ready(
        const struct gn_call_queue *queue, const struct gn_call_room *room)
{
    struct gn_call_ready ready = {0};

    for (unsigned i = 0; i < queue->n_lanes; i++) {
        const struct gn_call_lanes *lanes = &queue->lanes[i];
        unsigned left = left_of(lanes);
        unsigned n_cheap = GN_MIN(lanes->n[GN_CALL_CHEAP], left);

        ready.n_cheap += n_cheap;
        ready.n_dear += GN_MIN(dear_ready(lanes, room), left - n_cheap);
    }
    ready.n_dear =
            GN_MIN(ready.n_dear, room->limit > room->n_dear ? room->limit - room->n_dear : 0);
    return ready;
}

/* ---- the end of waiting -------------------------------------------------------------- */

static struct gn_pycall *oldest(const struct gn_call_queue *queue)
{
    struct gn_pycall *best = NULL;

    for (unsigned i = 0; i < queue->n_lanes; i++) {
        for (unsigned left = queue->lanes[i].filled; left != 0; left &= left - 1) {
            struct gn_pycall *call = head_of(&queue->lanes[i], (unsigned)__builtin_ctz(left));

            if (best == NULL || call->queued_at < best->queued_at) {
                best = call;
            }
        }
    }
    return best;
}

struct gn_pycall *gn_call_queue_pop_any(struct gn_call_queue *queue)
{
    struct gn_pycall *call = oldest(queue);

    if (call != NULL) {
        gn_call_queue_remove(queue, call);
    }
    return call;
}

static gn_deadline late_at(const struct gn_call_queue *queue, const struct gn_pycall *call)
{
    return queue->wait_ms == 0 ? GN_NEVER : gn_deadline_after_ms(call->queued_at, queue->wait_ms);
}

bool gn_call_queue_is_late(
        const struct gn_call_queue *queue, const struct gn_pycall *call, gn_deadline now)
{
    return now >= late_at(queue, call);
}

struct gn_pycall *gn_call_queue_pop_late(struct gn_call_queue *queue, gn_deadline now)
{
    struct gn_pycall *call = oldest(queue);

    if (call == NULL || !gn_call_queue_is_late(queue, call, now)) {
        return NULL;
    }
    gn_call_queue_remove(queue, call);
    return call;
}

gn_deadline gn_call_queue_next_late(const struct gn_call_queue *queue)
{
    struct gn_pycall *call = oldest(queue);

    return call != NULL ? late_at(queue, call) : GN_NEVER;
}
