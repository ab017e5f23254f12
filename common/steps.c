/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/steps.h"

/* From a step on to the last. */
static enum xls_outcome complete(const struct xls_operation *o, void *plan,
                                 const struct xls_log *log, int first, int *rc)
{
    int i;

    *rc = 0;
    for (i = first; i < o->num; i++) {
        XLS_DEBUG(log, "%s: %s", o->name, o->steps[i].name);
        *rc = o->steps[i].run(plan);
        if (*rc)
            return XLS_UNKNOWN;
    }
    return XLS_COMPLETED;
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

    XLS_DEBUG(log, "%s: %s: %s", o->name, o->steps[o->turning_point].name,
              done == XLS_DONE ? "done"
              : done == XLS_NOT_DONE ? "not done" : "cannot tell");
    return done == XLS_CANNOT_TELL ? XLS_UNKNOWN
           : done == XLS_NOT_DONE
               ? XLS_WAITS : complete(o, plan, log, o->turning_point + 1, rc);
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

enum xls_outcome xls_steps_run(const struct xls_operation *o, void *plan,
                               const struct xls_log *log, int *rc)
{
    enum xls_outcome outcome = XLS_COMPLETED;
    int i;

    *rc = 0;
    for (i = 0; i < o->num; i++) {
        XLS_DEBUG(log, "%s: %s", o->name, o->steps[i].name);
        *rc = o->steps[i].run(plan);
        if (*rc)
            break;
    }
    if (*rc)
        outcome = i > o->turning_point ? XLS_UNKNOWN
                                       : find_out(o, plan, log, rc);
    return end(o, plan, outcome);
}

enum xls_outcome xls_steps_recover(const struct xls_operation *o, void *plan,
                                   const struct xls_log *log, int *rc)
{
    *rc = 0;
    return end(o, plan, find_out(o, plan, log, rc));
}

enum xls_outcome xls_steps_turn(const struct xls_operation *o, void *plan,
                                const struct xls_log *log, int *rc)
{
    enum xls_outcome outcome;

    XLS_DEBUG(log, "%s: %s", o->name, o->steps[o->turning_point].name);
    *rc = o->steps[o->turning_point].run(plan);
    outcome = *rc ? ask(o, plan, log, rc)
                  : complete(o, plan, log, o->turning_point + 1, rc);
    return end(o, plan, outcome);
}
