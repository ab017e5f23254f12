/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_STEPS_H
#define XLS_COMMON_STEPS_H

#include "common/log.h"

/*
 * An operation is a plan and a table of steps. Its intent is on disk before
 * anything is changed; when it is over, the intent is removed.
 *
 * Until one step, the turning point, is done, an operation that cannot go on
 * is rolled back; once it is done, it is completed. Whether it is done is not
 * kept anywhere: it is asked of QEMU, files and Xen, by the process in which a
 * step failed or by the one that finds the intent of a killed process. Both do
 * the same.
 */

/* Whether something took effect. */
enum xls_done { XLS_DONE, XLS_NOT_DONE, XLS_CANNOT_TELL };

struct xls_step {
    const char *name;           /* in the imperative, for the log */
    /* 0, or an error of the operation's. After the turning point it may be run
     * again, and finds its work done then, also in part. */
    int (*run)(void *plan);
    /* Up to the turning point, where run leaves something behind; it may find
     * nothing to undo. Nonzero: it could not be done. */
    int (*undo)(void *plan);
};

struct xls_operation {
    const char *name;
    const struct xls_step *steps;
    int num;
    int turning_point;          /* index of a step */
    /* Whether that step is done. */
    enum xls_done (*done)(void *plan);
    /* Before done is asked: has everything end that goes on by itself, a job of
     * QEMU's say. Nonzero: it could not be done. NULL: there is nothing. */
    int (*stop)(void *plan);
    /* At every end but a good one: what the guest must not be left in. May be
     * NULL. */
    void (*leave)(void *plan);
};

/* How a run ended. */
enum xls_outcome {
    XLS_COMPLETED,              /* all steps are done */
    XLS_ROLLED_BACK,            /* all is as before */
    XLS_WAITS,                  /* xls_steps_turn alone: what is before the
                                 * turning point is done, that is not */
    XLS_UNKNOWN,                /* neither: the intent stays, and recovery asks
                                 * again */
};

/* Runs all steps. *rc, unless all was completed: the error of a step, if one
 * failed, or 0. */
enum xls_outcome xls_steps_run(const struct xls_operation *o, void *plan,
                               const struct xls_log *log, int *rc);

/*
 * Runs the steps from the turning point on, the others having been run long ago: a
 * job of QEMU's has come so far by itself. Where the turning point cannot be done,
 * nothing is stopped or rolled back.
 */
enum xls_outcome xls_steps_turn(const struct xls_operation *o, void *plan,
                                const struct xls_log *log, int *rc);

/* Completes or rolls back what another process has begun. May be repeated. */
enum xls_outcome xls_steps_recover(const struct xls_operation *o, void *plan,
                                   const struct xls_log *log, int *rc);

#endif
