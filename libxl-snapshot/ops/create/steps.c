/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The steps of a create. As long as its intent is on disk, it is rolled back:
 * removing that is the turning point.
 */
#include "common/steps.h"
#include "ops/create/create.h"

static int resume(struct xls_create *c)
{
    int rc;

    if (!c->suspend.suspended)
        return 0;
    /* A paused domain stays so when it is resumed. */
    if (c->args->leave_paused) {
        c->left_paused = !c->op.was_paused;
        if (libxl_domain_pause(c->op.ctx, c->op.domid, NULL)) {
            XLS_ERROR(&c->op.log, "domain %s cannot be paused", c->op.name);
            return ERROR_FAIL;
        }
    }
    rc = xls_domain_resume(&c->op);
    if (rc)
        return rc;
    c->suspend.suspended = false;
    c->stopped_us = xls_now_us() - c->suspend.since_us;
    return 0;
}

static int leave_paused(struct xls_create *c)
{
    return c->args->leave_paused && !c->args->memory
               ? xls_domain_pause(&c->op, &c->left_paused) : 0;
}

static void undo_leave_paused(struct xls_create *c)
{
    if (c->left_paused && !c->suspend.suspended)
        xls_domain_unpause(&c->op);
    c->left_paused = false;
}

#define RUN(step, function)                                                 \
    static int run_##step(void *plan)                                       \
    {                                                                       \
        return function(plan);                                              \
    }
/* Of an operation in doubt, all stays as it is. */
#define UNDO(step, function)                                                \
    static int undo_##step(void *plan)                                      \
    {                                                                       \
        struct xls_create *c = plan;                                        \
                                                                            \
        function(c);                                                        \
        return c->op.in_doubt ? ERROR_SNAPSHOT_INCOMPLETE : 0;              \
    }
RUN(journal, xls_create_journal)
RUN(overlays, xls_create_overlays)
RUN(memory_file, xls_create_memory_file)
RUN(save, xls_create_save)
RUN(window, xls_create_window)
RUN(resume, resume)
RUN(paused, leave_paused)
RUN(names, xls_create_names)
RUN(protect, xls_create_protect)
RUN(records, xls_create_records)
RUN(finish_memory, xls_create_finish_memory)
RUN(close_journal, xls_create_close_journal)
UNDO(overlays, xls_create_undo_overlays)
UNDO(memory_file, xls_create_undo_memory_file)
UNDO(save, xls_create_undo_save)
UNDO(window, xls_create_undo_window)
UNDO(paused, undo_leave_paused)

/* A disk that could not be put back is for the next operation. */
static int undo_journal(void *plan)
{
    struct xls_create *c = plan;

    if (!xls_create_is_undone(c))
        return ERROR_SNAPSHOT_INCOMPLETE;
    return xls_create_close_journal(c);
}

/*
 * What can fail slowly comes before the guest is stopped or after it goes on;
 * between "save memory" and "resume" there is only the window.
 */
static const struct xls_step steps[] = {
    { "write the journal", run_journal, undo_journal },
    { "make overlays", run_overlays, undo_overlays },
    { "make the memory file", run_memory_file, undo_memory_file },
    { "save memory", run_save, undo_save },
    { "switch the disks", run_window, undo_window },
    { "resume", run_resume, undo_paused },
    { "pause", run_paused, undo_paused },
    { "name the layers", run_names, NULL },
    { "protect the layers", run_protect, NULL },
    { "record the layers", run_records, NULL },
    { "finish the memory file", run_finish_memory, NULL },
    { "remove the journal", run_close_journal, NULL },
};
#define NUM_STEPS ((int)(sizeof(steps) / sizeof(steps[0])))

static enum xls_done is_done(void *plan)
{
    (void)plan;
    return XLS_NOT_DONE;
}

static void leave(void *plan)
{
    xls_create_undo_save(plan);
    undo_leave_paused(plan);
}

static const struct xls_operation operation = {
    .name = "create",
    .steps = steps,
    .num = NUM_STEPS,
    .turning_point = NUM_STEPS - 1,
    .done = is_done,
    .leave = leave,
};

int xls_create_run(struct xls_create *c)
{
    int rc;

    return xls_steps_run(&operation, c, &c->op.log, &rc) == XLS_UNKNOWN
               ? ERROR_SNAPSHOT_INCOMPLETE : rc;
}

int xls_create_roll_back(struct xls_create *c)
{
    int rc;

    return xls_steps_recover(&operation, c, &c->op.log, &rc) == XLS_UNKNOWN
               ? ERROR_SNAPSHOT_INCOMPLETE : 0;
}
