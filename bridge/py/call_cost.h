/* SPDX-License-Identifier: MIT */
#ifndef GN_BRIDGE_PY_CALL_COST_H
#define GN_BRIDGE_PY_CALL_COST_H

/*
 * What calls of each kind (gn_pycall.key) usually cost: a table of
 * GN_CALL_COSTS estimates, which clients cannot make grow and can hardly spoil.
 *
 * - Each estimate is a running mean of what calls compute and of what they wait
 *   outside Python, both measured on the worker. A single call moves it by at
 *   most eight times the estimate, so that one outlier does not make a kind
 *   dear; the first call, which pays for imports, counts until there is a second.
 * - The table is a set of small rows. A kind that is asked for gains weight; a
 *   kind nobody has asked for before takes the lightest place of its row, but
 *   only once it has worn that down to nothing. So invented paths, seen once
 *   each, fight each other over one place per row, and what is asked for often
 *   stays.
 * - What a thread waited outside Python is not known exactly while others hold the
 *   GIL. Such a measurement says between what and what; an estimate that is
 *   possible stays, so that waits for the GIL make no kind dear.
 * - A kind without an estimate of its own is a stranger and is taken for what
 *   strangers of its family (a mount) have cost lately: who invents paths to a
 *   dear view makes strangers dear, not the kinds that are known. One such call
 *   is its trial: those that come meanwhile are taken for dear ones of the smallest
 *   size, and for what the trial is as soon as that has run for long. So a kind that
 *   turns out dear has not filled the workers by then. The trials of two kinds at a
 *   time are taken for cheap whatever strangers cost: a new page is not kept waiting
 *   because reports were the first to come.
 *
 * Thread: find and name are the loop's. learn and the reports hold the
 * executor's lock; find takes it from the caller when it must change an entry
 * (see gn_call_costs_find). Classes may be read without it.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bridge/py/call_class.h"
#include "server/base/attr.h"
#include "server/base/buf.h"

#define GN_CALL_COSTS 1024
#define GN_CALL_COST_WAYS 8
#define GN_CALL_COST_NONE UINT16_MAX
#define GN_CALL_COST_TEXT_BYTES 80

/* An estimate. */
struct gn_call_estimate {
    double cpu_ns;
    double outside_ns;
    double wall_ns;
    unsigned n_samples;
    atomic_uchar class;
    atomic_bool is_known;   /* measured more than once */
    atomic_bool is_settled; /* measured so often that one call in a few will do from now on */
};

struct gn_call_cost {
    struct gn_call_estimate estimate; /* under the executor's lock; atomics: any thread */
    uint64_t n_calls;                 /* the loop's */
    bool is_on_trial;                 /* likewise: a call is out that shall show what it costs */
    uint32_t key;                     /* written by the loop with the lock held */
    char text[GN_CALL_COST_TEXT_BYTES];
};

struct gn_call_row { /* the loop's */
    uint32_t keys[GN_CALL_COST_WAYS];
    uint16_t weights[GN_CALL_COST_WAYS]; /* 0: free */
};

struct gn_call_costs {
    struct gn_call_row rows[GN_CALL_COSTS / GN_CALL_COST_WAYS];
    struct gn_call_cost entries[GN_CALL_COSTS];
    struct gn_call_estimate *strangers; /* one per family */
    unsigned n_families;
    unsigned n_on_trial; /* the loop's */
};

/* What is known about a call before it runs. */
struct gn_call_guess {
    uint16_t slot; /* of the kind's entry, or GN_CALL_COST_NONE */
    uint8_t class;
    bool is_stranger; /* the guess is about strangers in general */
    bool is_trial;    /* gn_call_costs_tried follows */
    bool is_settled;
};

/* What a call waited outside Python: between the first and the last. */
struct gn_call_outside {
    int64_t least_ns;
    int64_t likely_ns;
    int64_t most_ns;
};

/* What was measured about one. */
struct gn_call_sample {
    int64_t wall_ns;
    int64_t cpu_ns;
    struct gn_call_outside outside;
};

void gn_call_costs_init(struct gn_call_costs *costs, unsigned n_families);
void gn_call_costs_fini(struct gn_call_costs *costs);

/**
 * What is known about calls of this kind.
 *
 * Returns: true   `guess_out` is complete
 *          false  the kind is new and may have slot `guess_out->slot`: whoever
 *                 holds the lock calls gn_call_costs_admit; until then a stranger
 */
GN_LOOP_THREAD bool gn_call_costs_find(struct gn_call_costs *costs, uint32_t key, unsigned family,
        struct gn_call_guess *guess_out);

/** Gives the slot to a new kind, whose name for people is `text`. With the lock held. */
GN_LOOP_THREAD void gn_call_costs_admit(
        struct gn_call_costs *costs, uint16_t slot, uint32_t key, struct gn_slice text);

/** The call that was a kind's trial has ended, or will never run; once for each. */
GN_LOOP_THREAD void gn_call_costs_tried(struct gn_call_costs *costs, uint16_t slot, uint32_t key);

/**
 * Takes a measurement in. With the lock held; nothing happens when the slot has
 * another kind by now.
 *
 * Returns: true   the kind is known to be cheap, and was not before: waiting calls of
 *                 this kind are cheap
 *          false  there is no such news
 */
bool gn_call_costs_learn(struct gn_call_costs *costs, const struct gn_call_guess *guess,
        uint32_t key, unsigned family, const struct gn_call_sample *sample);

/**
 * A call that still runs has turned out to be of a dear class, and nothing is
 * known about its kind yet: its kind is taken for that until it has been
 * measured twice, or once as cheap. With the lock held.
 *
 * Returns: true   that is news: waiting calls of this kind are of this class
 *          false  the kind is known, or was foretold, or has no place
 */
bool gn_call_costs_foretell(struct gn_call_costs *costs, const struct gn_call_guess *guess,
        uint32_t key, unsigned class);

/** A call of a kind that seemed cheap took long and was not measured: measure the next ones. */
void gn_call_costs_doubt(
        struct gn_call_costs *costs, const struct gn_call_guess *guess, uint32_t key);

/** Appends a line for each kind, the costliest in all first, at most `n_most`. On the loop, with
 *  the lock held. */
GN_LOOP_THREAD void gn_call_costs_report(
        const struct gn_call_costs *costs, unsigned n_most, struct gn_buf *into);

/** How many kinds have a place. */
GN_LOOP_THREAD unsigned gn_call_costs_count(const struct gn_call_costs *costs);

/* How a worker's thread spent a call. */
struct gn_call_spent {
    int64_t wall_ns;
    int64_t cpu_ns;
    int64_t others_ns;   /* what other workers may have computed meanwhile; at most */
    int64_t interval_ns; /* the interpreter's switch interval; at most */
    long n_given_up;     /* times it gave its processor up of its own will */
    long n_taken;        /* times the system took it away */
};

/**
 * What of a call it waited outside Python. The rest of the time may have been
 * for the GIL, nothing to two switch intervals for each time the thread gave its
 * processor up (half of the short one is likely) but never more than others
 * computed, or for a processor. A call that never gave up its own waited for
 * nothing.
 */
struct gn_call_outside gn_call_outside(const struct gn_call_spent *spent);

#endif
