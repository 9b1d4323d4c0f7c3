/* SPDX-License-Identifier: MIT */
#include "tests/support/plain_test.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The parent stays single-threaded and does nothing but fork and wait, so that
 * each test may start threads, crash or leak without harm to the next. A child
 * that sees a race exits with ThreadSanitizer's own code, which is a failure
 * like any other.
 *
 * One argument, if given, is a pattern (fnmatch) over "suite/name".
 */

enum {
    EXIT_SKIPPED = 77,
    DEFAULT_TIMEOUT_S = 100, /* a little less than ctest's */
};

static struct gn_plain_test *first;
static struct gn_plain_test **end = &first;
static bool failed_softly;

struct tally {
    unsigned n_passed;
    unsigned n_failed;
    unsigned n_skipped;
};

void gn_plain_register(struct gn_plain_test *test)
{
    *end = test;
    end = &test->next;
}

/* The format reaches vfprintf from the caller's literal through a variable. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void print_message(const char *file, int line, const char *what, const char *fmt, va_list ap)
{
    fprintf(stderr, "%s:%d: %s", file, line, what);
    if (fmt != NULL) {
        fprintf(stderr, ": ");
        vfprintf(stderr, fmt, ap);
    }
    fputc('\n', stderr);
    fflush(stderr);
}
#pragma GCC diagnostic pop

void gn_plain_fail(bool fatal, const char *file, int line, const char *what, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_message(file, line, what, fmt, ap);
    va_end(ap);
    if (fatal) {
        _exit(EXIT_FAILURE);
    }
    failed_softly = true;
}

void gn_plain_skip(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_message(file, line, "skipped", fmt, ap);
    va_end(ap);
    _exit(EXIT_SKIPPED);
}

static const struct gn_plain_options *suite_options(const struct gn_plain_test *test)
{
    static const struct gn_plain_options none;

    for (const struct gn_plain_test *t = first; t != NULL; t = t->next) {
        if (t->name == NULL && strcmp(t->suite, test->suite) == 0) {
            return &t->options;
        }
    }
    return &none;
}

/* What the test leaves open, its suite decides. */
static struct gn_plain_options effective_options(const struct gn_plain_test *test)
{
    struct gn_plain_options o = test->options;
    const struct gn_plain_options *suite = suite_options(test);

    o.signal = o.signal != 0 ? o.signal : suite->signal;
    o.exit_code = o.exit_code != 0 ? o.exit_code : suite->exit_code;
    o.timeout = o.timeout > 0 ? o.timeout : suite->timeout;
    o.timeout = o.timeout > 0 ? o.timeout : DEFAULT_TIMEOUT_S;
    o.disabled = o.disabled || suite->disabled;
    return o;
}

static void call(void (*fn)(void))
{
    if (fn != NULL) {
        fn();
    }
}

static void run_in_child(const struct gn_plain_test *test, const struct gn_plain_options *o)
{
    const struct gn_plain_options *suite = suite_options(test);
    struct itimerval limit = {.it_value = {.tv_sec = (time_t)o->timeout,
                                      .tv_usec = (suseconds_t)(fmod(o->timeout, 1.0) * 1e6)}};

    setitimer(ITIMER_REAL, &limit, NULL);
    if (o->signal != 0) {
        /* The sanitizer would turn the expected crash into a report. */
        sigaction(o->signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    }
    call(suite->init);
    call(o->init);
    test->run();
    call(o->fini);
    call(suite->fini);
    exit(failed_softly ? EXIT_FAILURE : EXIT_SUCCESS);
}

static bool ended_as_expected(const struct gn_plain_options *o, int status)
{
    if (o->signal != 0) {
        return WIFSIGNALED(status) && WTERMSIG(status) == o->signal;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == o->exit_code;
}

static void describe_end(const struct gn_plain_test *test, int status)
{
    if (WIFSIGNALED(status)) {
        printf("[FAIL] %s/%s: ended by signal %d%s\n", test->suite, test->name, WTERMSIG(status),
                WTERMSIG(status) == SIGALRM ? " (out of time)" : "");
    } else {
        printf("[FAIL] %s/%s: exit code %d\n", test->suite, test->name, WEXITSTATUS(status));
    }
}

static void run_one(const struct gn_plain_test *test, struct tally *tally)
{
    struct gn_plain_options o = effective_options(test);
    int status = 0;
    pid_t child;

    if (o.disabled) {
        return;
    }
    fflush(NULL);
    child = fork();
    if (child == 0) {
        run_in_child(test, &o);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fork or waitpid");
        tally->n_failed++;
    } else if (ended_as_expected(&o, status)) {
        tally->n_passed++;
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
        tally->n_skipped++;
    } else {
        describe_end(test, status);
        tally->n_failed++;
    }
}

static bool is_selected(const struct gn_plain_test *test, const char *pattern)
{
    char name[256];

    snprintf(name, sizeof(name), "%s/%s", test->suite, test->name);
    return pattern == NULL || fnmatch(pattern, name, 0) == 0;
}

int main(int argc, char **argv)
{
    struct tally tally = {0};

    for (const struct gn_plain_test *t = first; t != NULL; t = t->next) {
        if (t->name != NULL && is_selected(t, argc > 1 ? argv[1] : NULL)) {
            run_one(t, &tally);
        }
    }
    /* Criterion's own last line, so that whoever counts need know only one form. */
    printf("[====] Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: 0 | Skipped: %u\n",
            tally.n_passed + tally.n_failed, tally.n_passed, tally.n_failed, tally.n_skipped);
    return tally.n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
