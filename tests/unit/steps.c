/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Operations that are made of steps: what each ends in when a step fails, or
 * when the process is killed before, in or after it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/steps.h"

#define NUM     5
#define TURN    2

/* The world that the steps change. */
struct plan {
    bool is[NUM];
    int fails_at, undo_fails_at;
    bool fails_after;           /* having done its work */
    bool cannot_tell, cannot_stop;
    int stops, leaves;
};

static int run(void *user, int step)
{
    struct plan *p = user;

    if (p->fails_at == step && !p->fails_after)
        return -1;
    p->is[step] = true;
    return p->fails_at == step ? -1 : 0;
}

static int undo(void *user, int step)
{
    struct plan *p = user;

    if (p->undo_fails_at == step)
        return -1;
    p->is[step] = false;
    return 0;
}

#define STEP(n)                                                     \
    static int run_##n(void *p) { return run(p, n); }               \
    static int undo_##n(void *p) { return undo(p, n); }
STEP(0)
STEP(1)
STEP(2)
static int run_3(void *p) { return run(p, 3); }
static int run_4(void *p) { return run(p, 4); }

static int stop(void *user)
{
    struct plan *p = user;

    p->stops++;
    return p->cannot_stop;
}

static enum xls_done done(void *user)
{
    struct plan *p = user;

    assert_int_equal(p->stops, 1);
    return p->cannot_tell ? XLS_CANNOT_TELL
           : p->is[TURN] ? XLS_DONE : XLS_NOT_DONE;
}

static void leave(void *user)
{
    ((struct plan *)user)->leaves++;
}

static const struct xls_step steps[NUM] = {
    { "zero", run_0, undo_0 }, { "one", run_1, undo_1 },
    { "two", run_2, undo_2 }, { "three", run_3, NULL },
    { "four", run_4, NULL },
};
static const struct xls_operation operation = {
    .name = "test", .steps = steps, .num = NUM, .turning_point = TURN,
    .done = done, .stop = stop, .leave = leave,
};
static const struct xls_log no_log;

static int count(const struct plan *p)
{
    int i, n = 0;

    for (i = 0; i < NUM; i++)
        n += p->is[i];
    return n;
}

/* All of it or nothing, as the outcome says. */
static void check(const struct plan *p, enum xls_outcome outcome)
{
    if (outcome != XLS_UNKNOWN)
        assert_int_equal(count(p), outcome == XLS_COMPLETED ? NUM : 0);
    assert_int_equal(p->leaves, outcome == XLS_COMPLETED ? 0 : 1);
}

static void recovers(struct plan *p)
{
    int rc;

    p->fails_at = p->undo_fails_at = -1;
    p->cannot_tell = p->cannot_stop = false;
    p->stops = p->leaves = 0;
    assert_int_not_equal(xls_steps_recover(&operation, p, &no_log, &rc),
                         XLS_UNKNOWN);
    check(p, p->is[TURN] ? XLS_COMPLETED : XLS_ROLLED_BACK);
}

static void nothing_fails(void **state)
{
    struct plan p = { .fails_at = -1, .undo_fails_at = -1 };
    int rc;

    (void)state;
    assert_int_equal(xls_steps_run(&operation, &p, &no_log, &rc),
                     XLS_COMPLETED);
    assert_int_equal(rc, 0);
    assert_int_equal(p.stops, 0);
    check(&p, XLS_COMPLETED);
}

static void a_failed_step_ends_it_one_way_or_the_other(void **state)
{
    int step, after, rc;

    (void)state;
    for (step = 0; step < NUM; step++)
        for (after = 0; after < 2; after++) {
            struct plan p = { .fails_at = step, .fails_after = after,
                              .undo_fails_at = -1 };
            enum xls_outcome outcome =
                xls_steps_run(&operation, &p, &no_log, &rc);

            assert_int_equal(outcome, step > TURN ? XLS_UNKNOWN
                             : step == TURN && after ? XLS_COMPLETED
                                                     : XLS_ROLLED_BACK);
            assert_int_equal(rc, outcome == XLS_COMPLETED ? 0 : -1);
            check(&p, outcome);
            recovers(&p);
        }
}

/* Whatever could not be found out or undone, later it can. */
static void what_is_unknown_is_found_out_later(void **state)
{
    int step, what, rc;

    (void)state;
    for (step = 0; step <= TURN; step++)
        for (what = 0; what < 3; what++) {
            struct plan p = { .fails_at = step, .cannot_stop = what == 0,
                              .cannot_tell = what == 1,
                              .undo_fails_at = what == 2 ? 0 : -1 };

            assert_int_equal(xls_steps_run(&operation, &p, &no_log, &rc),
                             XLS_UNKNOWN);
            check(&p, XLS_UNKNOWN);
            recovers(&p);
        }
}

/* Of a job that is ready: it stays so where it cannot be finished. */
static void what_waits_is_not_rolled_back(void **state)
{
    int after, cannot, rc;

    (void)state;
    for (after = 0; after < 2; after++)
        for (cannot = 0; cannot < 2; cannot++) {
            struct plan p = { .is = { true, true }, .fails_at = TURN,
                              .fails_after = after, .undo_fails_at = -1,
                              .cannot_tell = cannot, .stops = 1 };
            enum xls_outcome outcome =
                xls_steps_turn(&operation, &p, &no_log, &rc);

            assert_int_equal(outcome, cannot ? XLS_UNKNOWN
                             : after ? XLS_COMPLETED : XLS_WAITS);
            assert_int_equal(p.stops, 1);
            assert_int_equal(count(&p), cannot ? TURN + after
                             : after ? NUM : TURN);
            if (outcome != XLS_COMPLETED)
                assert_int_equal(rc, -1);
            recovers(&p);
        }
}

/* Killed before, in or after a step: recovery has but the world to go by. */
static void recovery_goes_back_or_on(void **state)
{
    int step, part;

    (void)state;
    for (step = 0; step < NUM; step++)
        for (part = 0; part < 2; part++) {
            struct plan p = { 0 };
            int i;

            for (i = 0; i < step + part; i++)
                p.is[i] = true;
            recovers(&p);
            assert_int_equal(count(&p), step + part > TURN ? NUM : 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_fails),
        cmocka_unit_test(a_failed_step_ends_it_one_way_or_the_other),
        cmocka_unit_test(what_is_unknown_is_found_out_later),
        cmocka_unit_test(what_waits_is_not_rolled_back),
        cmocka_unit_test(recovery_goes_back_or_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
