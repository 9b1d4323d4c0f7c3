/* SPDX-License-Identifier: MIT */
/*
 * Rows of keys lie apart from the estimates, so that finding a kind reads one
 * or two lines of cache. Only the loop changes rows and keys; workers compare
 * the key of the slot they were given before they change an estimate.
 */
#include "bridge/py/call_cost.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"
#include "server/base/list.h"

#define N_ROWS (GN_CALL_COSTS / GN_CALL_COST_WAYS)
#define WEIGHT_MAX 60000
#define KNOWN_FROM 2          /* samples */
#define SETTLED_FROM 4        /* samples */
#define MEAN_OVER 8           /* samples, once there are so many */
#define MOST_GROWTH 8.0       /* of one sample over the estimate */
#define LEAST_NS 1e6          /* an estimate is taken for so much when growth is limited */
#define GIL_SLOT_NS 300000    /* a wait for the GIL is two of these at least: a switch interval */
#define GIL_SLOTS_MOST 2      /* switch intervals: one, and as long again until the thread runs */
#define TAKEN_NS 1500000      /* a time slice of somebody else's, */
#define TAKEN_MOST_NS 4000000 /* or of several */
#define TRIALS_TRUSTED 2      /* at once; more of them are a flood */

void gn_call_costs_init(struct gn_call_costs *costs, unsigned n_families)
{
    memset(costs, 0, sizeof(*costs)); /* too large for a copy on the stack */
    costs->n_families = GN_MAX(n_families, 1U);
    costs->strangers = gn_xcalloc(costs->n_families * sizeof(*costs->strangers));
}

void gn_call_costs_fini(struct gn_call_costs *costs)
{
    gn_free(costs->strangers);
    costs->strangers = NULL;
}

/* ---- finding ------------------------------------------------------------------- */

static struct gn_call_guess guess_of(const struct gn_call_estimate *estimate)
{
    return (struct gn_call_guess){
            .slot = GN_CALL_COST_NONE,
            .class = atomic_load_explicit(&estimate->class, memory_order_relaxed),
            .is_settled = atomic_load_explicit(&estimate->is_settled, memory_order_relaxed),
    };
}

static struct gn_call_guess stranger_of(const struct gn_call_costs *costs, unsigned family)
{
    struct gn_call_guess guess = guess_of(&costs->strangers[family]);

    guess.is_stranger = true;
    guess.is_settled = false; /* it is measured for its own sake */
    return guess;
}

/* The call that shall show what its kind costs. One or two at a time can do no harm, whatever
   they are: they need not wait for what strangers were. */
static struct gn_call_guess trial_of(struct gn_call_costs *costs, unsigned family)
{
    struct gn_call_guess guess = stranger_of(costs, family);

    if (costs->n_on_trial < TRIALS_TRUSTED) {
        guess.class = GN_CALL_CHEAP;
    }
    guess.is_trial = true;
    costs->n_on_trial++;
    return guess;
}

/* A call of a kind that is not known yet: its trial, or one beside its trial. */
static struct gn_call_guess try_out(
        struct gn_call_costs *costs, struct gn_call_cost *entry, unsigned family)
{
    struct gn_call_guess guess;

    if (!entry->is_on_trial) {
        entry->is_on_trial = true;
        return trial_of(costs, family);
    }
    guess = stranger_of(costs, family);
    if (guess.class == GN_CALL_CHEAP) {
        guess.class = GN_CALL_TRIAL;
    }
    return guess;
}

/* The place of a kind that is not in the row, or none this time. */
static bool place_in(struct gn_call_row *row, unsigned *way_out)
{
    unsigned lightest = 0;

    for (unsigned way = 1; way < GN_CALL_COST_WAYS; way++) {
        if (row->weights[way] < row->weights[lightest]) {
            lightest = way;
        }
    }
    *way_out = lightest;
    if (row->weights[lightest] > 1) {
        row->weights[lightest]--;
        return false;
    }
    return true;
}

bool gn_call_costs_find(
        struct gn_call_costs *costs, uint32_t key, unsigned family, struct gn_call_guess *guess_out)
{
    unsigned at = (key >> 8) % N_ROWS;
    struct gn_call_row *row = &costs->rows[at];
    unsigned way;

    for (way = 0; way < GN_CALL_COST_WAYS; way++) {
        if (row->keys[way] == key) {
            unsigned slot = at * GN_CALL_COST_WAYS + way;

            row->weights[way] += row->weights[way] < WEIGHT_MAX ? 1 : 0;
            costs->entries[slot].n_calls++;
            *guess_out = guess_of(&costs->entries[slot].estimate);
            if (!atomic_load_explicit(
                        &costs->entries[slot].estimate.is_known, memory_order_relaxed)) {
                *guess_out = try_out(costs, &costs->entries[slot], family);
            }
            guess_out->slot = (uint16_t)slot;
            return true;
        }
    }
    if (!place_in(row, &way)) {
        *guess_out = stranger_of(costs, family);
        return true;
    }
    *guess_out = trial_of(costs, family);
    guess_out->slot = (uint16_t)(at * GN_CALL_COST_WAYS + way);
    return false;
}

void gn_call_costs_admit(
        struct gn_call_costs *costs, uint16_t slot, uint32_t key, struct gn_slice text)
{
    struct gn_call_row *row = &costs->rows[slot / GN_CALL_COST_WAYS];
    struct gn_call_cost *entry = &costs->entries[slot];
    size_t n = GN_MIN(text.len, sizeof(entry->text) - 1);

    row->keys[slot % GN_CALL_COST_WAYS] = key;
    row->weights[slot % GN_CALL_COST_WAYS] = 1;
    *entry = (struct gn_call_cost){.key = key, .n_calls = 1, .is_on_trial = true};
    for (size_t i = 0; i < n; i++) { /* paths are the client's: nothing a terminal obeys */
        entry->text[i] = text.ptr[i] >= ' ' && text.ptr[i] < 0x7f ? text.ptr[i] : '?';
    }
}

void gn_call_costs_tried(struct gn_call_costs *costs, uint16_t slot, uint32_t key)
{
    costs->n_on_trial--;
    if (costs->entries[slot].key == key) {
        costs->entries[slot].is_on_trial = false;
    }
}

unsigned gn_call_costs_count(const struct gn_call_costs *costs)
{
    unsigned n = 0;

    for (unsigned i = 0; i < GN_CALL_COSTS; i++) {
        n += costs->rows[i / GN_CALL_COST_WAYS].weights[i % GN_CALL_COST_WAYS] > 0 ? 1 : 0;
    }
    return n;
}

/* ---- learning ------------------------------------------------------------------ */

/* If the thread lost `gil_ns` whenever it gave its processor up, but in all no more than others
   computed, and `taken_ns` whenever it was taken from it. */
static int64_t outside_without(const struct gn_call_spent *spent, int64_t gil_ns, int64_t taken_ns)
{
    int64_t outside_ns = spent->wall_ns - spent->cpu_ns;

    outside_ns -= GN_MIN((int64_t)spent->n_given_up * gil_ns, spent->others_ns);
    outside_ns -= (int64_t)spent->n_taken * taken_ns;
    return GN_MAX(outside_ns, INT64_C(0));
}

struct gn_call_outside gn_call_outside(const struct gn_call_spent *spent)
{
    if (spent->n_given_up == 0) {
        return (struct gn_call_outside){0};
    }
    return (struct gn_call_outside){
            .least_ns = outside_without(spent, GIL_SLOTS_MOST * spent->interval_ns, TAKEN_MOST_NS),
            .likely_ns = outside_without(spent, GIL_SLOT_NS, TAKEN_NS),
            .most_ns = outside_without(spent, 0, 0),
    };
}

/* What a sample says of the time outside Python: while nothing is known what is likely, later
   that the estimate was right if it may have been. */
static double outside_of(const struct gn_call_estimate *e, const struct gn_call_outside *outside)
{
    double least = (double)outside->least_ns;
    double most = (double)outside->most_ns;

    if (e->n_samples < KNOWN_FROM) {
        return (double)outside->likely_ns;
    }
    return GN_MIN(GN_MAX(e->outside_ns, least), most);
}

/* True when the kind is known to be cheap from now on, and was not before. */
static bool learn(struct gn_call_estimate *e, const struct gn_call_sample *sample)
{
    double cpu = (double)sample->cpu_ns;
    double outside = outside_of(e, &sample->outside);
    double most = MOST_GROWTH * GN_MAX(e->cpu_ns + e->outside_ns, LEAST_NS);
    unsigned over = e->n_samples < 2 ? 1 : GN_MIN(e->n_samples, (unsigned)MEAN_OVER);
    bool was_known = atomic_load_explicit(&e->is_known, memory_order_relaxed);
    unsigned was = atomic_load_explicit(&e->class, memory_order_relaxed);
    bool was_foretold = e->n_samples == 0 && was_known;
    unsigned class;

    if (e->n_samples > 0 && cpu + outside > most) {
        double scale = most / (cpu + outside);

        cpu *= scale;
        outside *= scale;
    }
    e->cpu_ns += (cpu - e->cpu_ns) / over;
    e->outside_ns += (outside - e->outside_ns) / over;
    e->wall_ns += ((double)sample->wall_ns - e->wall_ns) / over;
    e->n_samples += e->n_samples < UINT32_MAX ? 1 : 0;
    class = gn_call_class_of(e->cpu_ns, e->outside_ns, was != GN_CALL_CHEAP);
    if (was_foretold && class != GN_CALL_CHEAP) {
        return false; /* it has come true so far; the second measurement says more */
    }
    atomic_store_explicit(&e->class, (unsigned char)class, memory_order_relaxed);
    atomic_store_explicit(&e->is_known, e->n_samples >= KNOWN_FROM, memory_order_relaxed);
    atomic_store_explicit(&e->is_settled, e->n_samples >= SETTLED_FROM, memory_order_relaxed);
    return class == GN_CALL_CHEAP && e->n_samples >= KNOWN_FROM &&
            (!was_known || was != GN_CALL_CHEAP);
}

static struct gn_call_estimate *estimate_of(
        struct gn_call_costs *costs, const struct gn_call_guess *guess, uint32_t key)
{
    if (guess->slot == GN_CALL_COST_NONE || costs->entries[guess->slot].key != key) {
        return NULL;
    }
    return &costs->entries[guess->slot].estimate;
}

bool gn_call_costs_learn(struct gn_call_costs *costs, const struct gn_call_guess *guess,
        uint32_t key, unsigned family, const struct gn_call_sample *sample)
{
    struct gn_call_estimate *estimate = estimate_of(costs, guess, key);

    if (guess->is_stranger) {
        (void)learn(&costs->strangers[family], sample);
    }
    return estimate != NULL && learn(estimate, sample);
}

bool gn_call_costs_foretell(struct gn_call_costs *costs, const struct gn_call_guess *guess,
        uint32_t key, unsigned class)
{
    struct gn_call_estimate *estimate = estimate_of(costs, guess, key);

    if (estimate == NULL || atomic_load_explicit(&estimate->is_known, memory_order_relaxed)) {
        return false;
    }
    atomic_store_explicit(&estimate->class, (unsigned char)class, memory_order_relaxed);
    atomic_store_explicit(&estimate->is_known, true, memory_order_relaxed);
    return true;
}

void gn_call_costs_doubt(
        struct gn_call_costs *costs, const struct gn_call_guess *guess, uint32_t key)
{
    struct gn_call_estimate *estimate = estimate_of(costs, guess, key);

    if (estimate != NULL) {
        estimate->n_samples = GN_MIN(estimate->n_samples, (unsigned)SETTLED_FROM - 1);
        atomic_store_explicit(&estimate->is_settled, false, memory_order_relaxed);
    }
}

/* ---- reporting ------------------------------------------------------------------ */

static double total_of(const struct gn_call_cost *entry)
{
    return (double)entry->n_calls * (entry->estimate.cpu_ns + entry->estimate.outside_ns);
}

static int costliest_first(const void *a, const void *b)
{
    double x = total_of(*(const struct gn_call_cost *const *)a);
    double y = total_of(*(const struct gn_call_cost *const *)b);

    return x > y ? -1 : x < y ? 1 : 0;
}

static void report_line(
        const char *text, uint64_t n_calls, const struct gn_call_estimate *e, struct gn_buf *into)
{
    (void)!gn_buf_printf(into, "  %-48s %9llu %10.2f %10.2f %10.2f  %s\n", text,
            (unsigned long long)n_calls, e->wall_ns / 1e6, e->cpu_ns / 1e6, e->outside_ns / 1e6,
            e->n_samples > 0 ? gn_call_class_name(e->class) : "not measured yet");
}

void gn_call_costs_report(const struct gn_call_costs *costs, unsigned n_most, struct gn_buf *into)
{
    const struct gn_call_cost **order = gn_xcalloc(GN_CALL_COSTS * sizeof(struct gn_call_cost *));
    unsigned n = 0;

    for (unsigned i = 0; i < GN_CALL_COSTS; i++) {
        if (costs->rows[i / GN_CALL_COST_WAYS].weights[i % GN_CALL_COST_WAYS] > 0) {
            order[n++] = &costs->entries[i];
        }
    }
    qsort(order, n, sizeof(struct gn_call_cost *), costliest_first);
    (void)!gn_buf_printf(into, "  %-48s %9s %10s %10s %10s  %s\n", "kind", "calls", "wall ms",
            "cpu ms", "outside ms", "class");
    for (unsigned i = 0; i < n && i < n_most; i++) {
        report_line(order[i]->text, order[i]->n_calls, &order[i]->estimate, into);
    }
    for (unsigned i = 0; i < costs->n_families; i++) {
        if (costs->strangers[i].n_samples > 0) {
            report_line("(paths not known yet)", costs->strangers[i].n_samples,
                    &costs->strangers[i], into);
        }
    }
    gn_free(order);
}
