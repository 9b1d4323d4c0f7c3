/* SPDX-License-Identifier: MIT */
#include "bridge/py/call_cost.h"
#include "tests/support/test.h"

#define ROW(n) ((uint32_t)(n) << 8) /* a key of that row; more of it by adding odd numbers */
#define US INT64_C(1000)
#define MS INT64_C(1000000)

static struct gn_call_costs costs;

/* Looks a kind up and lets it in if it is new and there is a place. */
static struct gn_call_guess find(uint32_t key, unsigned family)
{
    struct gn_call_guess guess;

    if (!gn_call_costs_find(&costs, key, family, &guess)) {
        gn_call_costs_admit(&costs, guess.slot, key, GN_LIT("GET /kind"));
    }
    return guess;
}

/* One call of a kind, from the guess to what was measured; true when it is known to be cheap now
   and was not. */
static bool run_measured(
        uint32_t key, unsigned family, int64_t cpu_ns, struct gn_call_outside outside)
{
    const struct gn_call_sample sample = {
            .wall_ns = cpu_ns + outside.most_ns, .cpu_ns = cpu_ns, .outside = outside};
    struct gn_call_guess guess = find(key, family);
    bool is_news = gn_call_costs_learn(&costs, &guess, key, family, &sample);

    if (guess.is_trial) {
        gn_call_costs_tried(&costs, guess.slot, key);
    }
    return is_news;
}

/* The same where nothing is uncertain. */
static bool run(uint32_t key, unsigned family, int64_t cpu_ns, int64_t outside_ns)
{
    return run_measured(
            key, family, cpu_ns, (struct gn_call_outside){outside_ns, outside_ns, outside_ns});
}

static void run_often(unsigned n, uint32_t key, unsigned family, int64_t cpu_ns, int64_t outside_ns)
{
    while (n-- > 0) {
        (void)run(key, family, cpu_ns, outside_ns);
    }
}

Test(call_cost, learns_what_a_kind_costs)
{
    struct gn_call_guess guess;

    gn_call_costs_init(&costs, 1);
    guess = find(1, 0);
    cr_assert(guess.is_stranger);
    cr_assert_not(guess.is_settled);
    cr_assert_eq(guess.class, GN_CALL_CHEAP);
    run_often(4, 1, 0, 5 * MS, 0);
    guess = find(1, 0);
    cr_assert_not(guess.is_stranger);
    cr_assert(guess.is_settled);
    cr_assert_eq(guess.class, gn_call_class(1, GN_CALL_COMPUTES));
    run_often(4, 3, 0, 100 * US, 50 * MS);
    cr_assert_eq(find(3, 0).class, gn_call_class(2, GN_CALL_WAITS));
    run_often(4, 5, 0, 20 * US, 0);
    cr_assert_eq(find(5, 0).class, GN_CALL_CHEAP);
    cr_assert_eq(gn_call_costs_count(&costs), 3);
    gn_call_costs_fini(&costs);
}

Test(call_cost, forgets_a_first_call_that_paid_for_imports)
{
    gn_call_costs_init(&costs, 1);
    (void)run(1, 0, 300 * MS, 0);
    (void)run(1, 0, 100 * US, 0);
    cr_assert_eq(find(1, 0).class, GN_CALL_CHEAP);
    gn_call_costs_fini(&costs);
}

Test(call_cost, one_call_of_an_unknown_kind_is_its_trial)
{
    struct gn_call_guess guess;

    gn_call_costs_init(&costs, 2);
    guess = find(1, 0);
    cr_assert(guess.is_trial);
    cr_assert_eq(guess.class, GN_CALL_CHEAP);
    cr_assert_eq(GN_CALL_TRIAL, gn_call_class(1, GN_CALL_COMPUTES));
    cr_assert_eq(find(1, 0).class, GN_CALL_TRIAL);
    cr_assert_not(find(1, 0).is_trial);
    cr_assert_eq(find(3, 0).class, GN_CALL_CHEAP, "of its own kind");
    gn_call_costs_tried(&costs, guess.slot, 99); /* one of a kind that has no place any more */
    cr_assert_not(find(1, 0).is_trial);
    gn_call_costs_tried(&costs, guess.slot, 1);
    guess = find(1, 0);
    cr_assert(guess.is_trial, "again, as it is not known yet");
    cr_assert_eq(guess.class, GN_CALL_CHEAP);
    run_often(2, 1, 0, 100 * US, 0);
    guess = find(1, 0);
    cr_assert_not(guess.is_trial);
    cr_assert_eq(guess.class, GN_CALL_CHEAP);
    gn_call_costs_fini(&costs);
}

Test(call_cost, trials_are_cheap_while_they_are_few)
{
    const unsigned dear = gn_call_class(2, GN_CALL_WAITS);
    struct gn_call_guess first;

    gn_call_costs_init(&costs, 1);
    run_often(4, 1, 0, 0, 50 * MS);
    first = find(3, 0);
    cr_assert_eq(first.class, GN_CALL_CHEAP, "strangers are dear, but it is one");
    cr_assert_eq(find(3, 0).class, dear, "more of its kind go as strangers go");
    cr_assert_eq(find(5, 0).class, GN_CALL_CHEAP, "or the second");
    cr_assert_eq(find(7, 0).class, dear, "these are a flood");
    cr_assert_eq(find(ROW(9) + 1, 0).class, dear);
    gn_call_costs_tried(&costs, first.slot, 3);
    cr_assert_eq(find(ROW(10) + 1, 0).class, dear, "still too many");
    for (unsigned i = 0; i < 4; i++) { /* the second, those of the flood */
        gn_call_costs_tried(&costs, first.slot, 3);
    }
    cr_assert_eq(find(ROW(11) + 1, 0).class, GN_CALL_CHEAP);
    gn_call_costs_fini(&costs);
}

Test(call_cost, foretells_what_a_first_call_has_shown_before_its_end)
{
    struct gn_call_guess guess;

    gn_call_costs_init(&costs, 1);
    guess = find(1, 0);
    cr_assert(gn_call_costs_foretell(&costs, &guess, 1, gn_call_class(1, GN_CALL_WAITS)));
    cr_assert_not(gn_call_costs_foretell(&costs, &guess, 1, gn_call_class(1, GN_CALL_COMPUTES)),
            "once is enough");
    guess = find(1, 0);
    cr_assert_not(guess.is_stranger);
    cr_assert_not(guess.is_settled, "it is still measured");
    cr_assert_eq(guess.class, gn_call_class(1, GN_CALL_WAITS));
    cr_assert(find(3, 0).is_stranger, "nothing is said about other kinds");
    (void)run(1, 0, 0, 50 * MS);
    guess = find(1, 0);
    cr_assert_not(guess.is_stranger, "so far it has come true");
    cr_assert_eq(guess.class, gn_call_class(1, GN_CALL_WAITS));
    (void)run(1, 0, 100 * US, 0); /* the first paid for imports */
    cr_assert_eq(find(1, 0).class, GN_CALL_CHEAP);
    guess = find(1, 0);
    cr_assert_not(gn_call_costs_foretell(&costs, &guess, 1, gn_call_class(1, GN_CALL_WAITS)),
            "one outlier of a kind that is known");
    cr_assert_eq(find(1, 0).class, GN_CALL_CHEAP);
    guess = find(5, 0);
    cr_assert(gn_call_costs_foretell(&costs, &guess, 5, gn_call_class(1, GN_CALL_WAITS)));
    (void)run(5, 0, 100 * US, 0); /* it was somebody else who kept the processor */
    cr_assert(find(5, 0).is_stranger);
    guess.slot = GN_CALL_COST_NONE;
    cr_assert_not(gn_call_costs_foretell(&costs, &guess, 9, gn_call_class(1, GN_CALL_WAITS)));
    gn_call_costs_fini(&costs);
}

Test(call_cost, one_outlier_makes_no_kind_dear_and_a_change_does)
{
    gn_call_costs_init(&costs, 1);
    run_often(20, 1, 0, 50 * US, 0);
    (void)run(1, 0, 0, 10000 * MS);
    cr_assert_eq(find(1, 0).class, GN_CALL_CHEAP);
    run_often(40, 1, 0, 0, 50 * MS);
    cr_assert_eq(find(1, 0).class, gn_call_class(2, GN_CALL_WAITS));
    run_often(80, 1, 0, 50 * US, 0);
    cr_assert_eq(find(1, 0).class, GN_CALL_CHEAP);
    gn_call_costs_fini(&costs);
}

Test(call_cost, takes_new_kinds_for_strangers_of_their_family)
{
    struct gn_call_guess guess;

    gn_call_costs_init(&costs, 2);
    for (uint32_t i = 0; i < 20; i++) { /* a dear view below invented paths */
        (void)run(1 + 512 * i, 0, 30 * MS, 0);
    }
    (void)find(ROW(75) + 1, 0);
    (void)find(ROW(76) + 1, 0);
    guess = find(ROW(77) + 1, 0);
    cr_assert(guess.is_stranger);
    cr_assert_eq(guess.class, gn_call_class(2, GN_CALL_COMPUTES));
    cr_assert_eq(find(ROW(78) + 1, 1).class, GN_CALL_CHEAP, "another family is not concerned");
    gn_call_costs_fini(&costs);
}

Test(call_cost, invented_paths_push_nothing_out_that_is_asked_for)
{
    enum { N_HOT = 200 };

    gn_call_costs_init(&costs, 1);
    for (uint32_t i = 0; i < N_HOT; i++) {
        run_often(8, 256 * i + 1, 0, 5 * MS, 0);
    }
    for (uint32_t i = 0; i < 100000; i++) { /* each asked for once, and cheap */
        (void)run(0x800000 + 2 * i + 1, 0, 20 * US, 0);
    }
    for (uint32_t i = 0; i < N_HOT; i++) {
        struct gn_call_guess guess = find(256 * i + 1, 0);

        cr_assert_not(guess.is_stranger, "kind %u was lost", i);
        cr_assert_eq(guess.class, gn_call_class(1, GN_CALL_COMPUTES));
    }
    cr_assert_leq(gn_call_costs_count(&costs), GN_CALL_COSTS);
    gn_call_costs_fini(&costs);
}

Test(call_cost, a_kind_that_comes_again_and_again_gets_a_place_in_the_end)
{
    bool is_in = false;

    gn_call_costs_init(&costs, 1);
    for (uint32_t way = 0; way < GN_CALL_COST_WAYS; way++) { /* a row full of what was hot once */
        run_often(30, 2 * way + 1, 0, 20 * US, 0);
    }
    for (unsigned i = 0; i < 40 && !is_in; i++) {
        is_in = find(2 * GN_CALL_COST_WAYS + 1, 0).slot != GN_CALL_COST_NONE;
    }
    cr_assert(is_in);
    gn_call_costs_fini(&costs);
}

Test(call_cost, what_comes_back_late_spoils_nobody_elses_estimate)
{
    struct gn_call_guess guess;
    const struct gn_call_sample dear = {.wall_ns = 90 * MS, .cpu_ns = 90 * MS};

    gn_call_costs_init(&costs, 1);
    guess = find(1, 0);
    gn_call_costs_admit(&costs, guess.slot, 3, GN_LIT("GET /another")); /* meanwhile */
    guess.is_stranger = false;
    gn_call_costs_learn(&costs, &guess, 1, 0, &dear);
    gn_call_costs_learn(&costs, &guess, 1, 0, &dear);
    cr_assert_eq(costs.entries[guess.slot].estimate.n_samples, 0);
    gn_call_costs_fini(&costs);
}

Test(call_cost, tells_when_a_kind_turns_out_cheap)
{
    gn_call_costs_init(&costs, 1);
    cr_assert_not(run(1, 0, 100 * US, 0), "once is not enough");
    cr_assert(run(1, 0, 100 * US, 0), "it was not known");
    cr_assert_not(run(1, 0, 100 * US, 0), "no news");
    run_often(40, 1, 0, 20 * MS, 0);
    cr_assert_eq(find(1, 0).class, gn_call_class(2, GN_CALL_COMPUTES));
    for (unsigned i = 0; i < 80 && find(1, 0).class != GN_CALL_CHEAP; i++) {
        bool is_news = run(1, 0, 100 * US, 0);

        cr_assert_eq(is_news, find(1, 0).class == GN_CALL_CHEAP);
    }
    cr_assert_eq(find(1, 0).class, GN_CALL_CHEAP);
    gn_call_costs_fini(&costs);
}

Test(call_cost, waits_for_the_gil_make_no_kind_dear)
{
    const struct gn_call_outside perhaps = {0, 9 * MS, 20 * MS};
    const struct gn_call_outside surely = {30 * MS, 35 * MS, 40 * MS};

    gn_call_costs_init(&costs, 1);
    run_often(4, 1, 0, 100 * US, 0);
    run_often(4, 3, 0, 1 * MS, 15 * MS);
    for (unsigned i = 0; i < 40; i++) {
        (void)run_measured(1, 0, 100 * US, perhaps);
        (void)run_measured(3, 0, 1 * MS, perhaps);
    }
    cr_assert_eq(find(1, 0).class, GN_CALL_CHEAP, "it may have waited for the GIL alone");
    cr_assert_eq(find(3, 0).class, gn_call_class(2, GN_CALL_WAITS), "it may wait outside still");
    for (unsigned i = 0; i < 40; i++) {
        (void)run_measured(1, 0, 100 * US, surely);
        (void)run(3, 0, 100 * US, 0);
    }
    cr_assert_eq(find(1, 0).class, gn_call_class(2, GN_CALL_WAITS), "that was no GIL");
    cr_assert_eq(find(3, 0).class, GN_CALL_CHEAP);
    run_often(1, 5, 0, 100 * US, 0);
    (void)run_measured(5, 0, 100 * US, perhaps);
    cr_assert_eq(find(5, 0).class, gn_call_class(1, GN_CALL_WAITS), "likely, and nothing is known");
    gn_call_costs_fini(&costs);
}

Test(call_cost, keeps_waits_for_the_gil_and_for_a_processor_apart)
{
    static const struct {
        const char *name;
        int64_t wall_ms;
        int64_t cpu_ms;
        int64_t others_ms;
        long n_given_up;
        long n_taken;
        int64_t least_ms;
        int64_t likely_ms;
        int64_t most_ms;
    } cases[] = {
            {"computes", 5, 5, 0, 0, 0, 0, 0, 0},
            {"waits", 50, 1, 0, 1, 0, 49, 49, 49},
            {"waited for the GIL", 4, 1, 99, 10, 0, 0, 0, 3},
            {"sleeps beside one that computes", 53, 1, 99, 10, 0, 42, 49, 52},
            {"waits often, others compute little", 32, 2, 1, 30, 0, 29, 29, 30},
            {"was pre-empted", 90, 5, 0, 0, 40, 0, 0, 0},
            {"was pre-empted, and gave up once", 11, 5, 0, 1, 4, 0, 0, 6},
            {"waits, and was pre-empted", 60, 5, 0, 1, 2, 47, 52, 55},
            {"clocks that disagree", 5, 6, 0, 1, 0, 0, 0, 0},
    };

    for (unsigned i = 0; i < GN_ARRAY_LEN(cases); i++) {
        const struct gn_call_spent spent = {.wall_ns = cases[i].wall_ms * MS,
                .cpu_ns = cases[i].cpu_ms * MS,
                .others_ns = cases[i].others_ms * MS,
                .interval_ns = 500 * US,
                .n_given_up = cases[i].n_given_up,
                .n_taken = cases[i].n_taken};
        struct gn_call_outside outside = gn_call_outside(&spent);

        cr_expect_eq(outside.least_ns, cases[i].least_ms * MS, "%s", cases[i].name);
        cr_expect_eq(outside.likely_ns, cases[i].likely_ms * MS, "%s", cases[i].name);
        cr_expect_eq(outside.most_ns, cases[i].most_ms * MS, "%s", cases[i].name);
    }
}

Test(call_cost, reports_the_costliest_first_and_nothing_a_terminal_obeys)
{
    struct gn_buf text;
    struct gn_call_guess guess;
    struct gn_slice rest;
    struct gn_slice line;

    gn_call_costs_init(&costs, 1);
    (void)gn_call_costs_find(&costs, 1, 0, &guess);
    gn_call_costs_admit(&costs, guess.slot, 1, GN_LIT("GET /\x1b[31mred"));
    run_often(10, 1, 0, 10 * US, 0);
    run_often(10, 3, 0, 5 * MS, 0);
    gn_buf_init(&text, 65536);
    gn_call_costs_report(&costs, 1, &text);
    rest = gn_buf_slice(&text);
    cr_assert(gn_slice_split(&rest, '\n', &line));
    cr_assert(gn_slice_split(&rest, '\n', &line));
    cr_assert(gn_slice_starts_with(line, GN_LIT("  GET /kind")), "the dear one");
    cr_assert(gn_slice_split(&rest, '\n', &line));
    cr_assert(gn_slice_starts_with(line, GN_LIT("  (paths not known yet)")), "no other");
    gn_buf_fini(&text);

    gn_buf_init(&text, 65536);
    gn_call_costs_report(&costs, 10, &text);
    cr_assert_eq(gn_slice_find(gn_buf_slice(&text), '\x1b'), text.len);
    gn_buf_fini(&text);
    gn_call_costs_fini(&costs);
}
