/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/steps.h"

/* From the step *i on. Ends with the error of one that fails, *i being that. */
static int run_from(const struct xls_operation *o, void *plan,
                    const struct xls_log *log, int *i)
{
    int rc;

    for (; *i < o->num; ++*i) {
        XLS_DEBUG(log, "%s: %s", o->name, o->steps[*i].name);
        rc = o->steps[*i].run(plan);
        if (rc)
            return rc;
    }
    return 0;
}

/* From the turning point back: how many steps were begun is not known. */
static enum xls_outcome roll_back(const struct xls_operation *o, void *plan,
                                  const struct xls_log *log)
{
    int i;

    for (i = o->turning_point; i >= 0; i--) {
        if (!o->steps[i].undo)
            continue;
        XLS_DEBUG(log, "%s: undo: %s", o->name, o->steps[i].name);
        if (o->steps[i].undo(plan))
            return XLS_UNKNOWN;
    }
    return XLS_ROLLED_BACK;
}

/* What has become of the turning point, and the rest if it is done; stays here,
 * XLS_WAITS, if it is not. */
static enum xls_outcome ask(const struct xls_operation *o, void *plan,
                            const struct xls_log *log, int *rc)
{
    enum xls_done done = o->done(plan);
    int next = o->turning_point + 1;

    XLS_DEBUG(log, "%s: %s: %s", o->name, o->steps[o->turning_point].name,
              done == XLS_DONE ? "done"
              : done == XLS_NOT_DONE ? "not done" : "cannot tell");
    if (done != XLS_DONE)
        return done == XLS_NOT_DONE ? XLS_WAITS : XLS_UNKNOWN;
    *rc = run_from(o, plan, log, &next);
    return *rc ? XLS_UNKNOWN : XLS_COMPLETED;
}

static enum xls_outcome find_out(const struct xls_operation *o, void *plan,
                                 const struct xls_log *log, int *rc)
{
    enum xls_outcome outcome;

    if (o->stop && o->stop(plan))
        return XLS_UNKNOWN;
    outcome = ask(o, plan, log, rc);
    return outcome == XLS_WAITS ? roll_back(o, plan, log) : outcome;
}

static enum xls_outcome end(const struct xls_operation *o, void *plan,
                            enum xls_outcome outcome)
{
    if (outcome != XLS_COMPLETED && o->leave)
        o->leave(plan);
    return outcome;
}

/* fails: what finds out about a step that failed, up to the turning point. */
static enum xls_outcome
run(const struct xls_operation *o, void *plan, const struct xls_log *log,
    int first, int *rc,
    enum xls_outcome (*fails)(const struct xls_operation *, void *,
                              const struct xls_log *, int *))
{
    int i = first;

    *rc = run_from(o, plan, log, &i);
    return end(o, plan, !*rc ? XLS_COMPLETED
                        : i > o->turning_point ? XLS_UNKNOWN
                                               : fails(o, plan, log, rc));
}

enum xls_outcome xls_steps_run(const struct xls_operation *o, void *plan,
                               const struct xls_log *log, int *rc)
{
    return run(o, plan, log, 0, rc, find_out);
}

enum xls_outcome xls_steps_turn(const struct xls_operation *o, void *plan,
                                const struct xls_log *log, int *rc)
{
    return run(o, plan, log, o->turning_point, rc, ask);
}

enum xls_outcome xls_steps_recover(const struct xls_operation *o, void *plan,
                                   const struct xls_log *log, int *rc)
{
    *rc = 0;
    return end(o, plan, find_out(o, plan, log, rc));
}
