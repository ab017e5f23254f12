/* SPDX-License-Identifier: LGPL-2.1-only */
/* A create is a list of steps, each with its undo. */
#include "ops/create/create.h"

static int resume(struct xls_create *c)
{
    int rc;

    if (!c->suspend.suspended)
        return 0;
    /* A paused domain stays so when it is resumed. */
    if (c->args->leave_paused && libxl_domain_pause(c->op.ctx, c->op.domid,
                                                    NULL)) {
        XLS_ERROR(&c->op.log, "domain %s cannot be paused", c->op.name);
        return ERROR_FAIL;
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
    bool paused;

    return c->args->leave_paused && !c->args->memory
               ? xls_domain_pause(&c->op, &paused) : 0;
}

static void undo_leave_paused(struct xls_create *c)
{
    if (c->args->leave_paused && c->args->memory && !c->suspend.suspended)
        xls_domain_unpause(&c->op);
}

/*
 * What can fail slowly comes before the guest is stopped or after it goes on;
 * between "save" and "resume" there is only the window.
 */
static const struct xls_create_step steps[] = {
    { "write the journal", xls_create_journal, xls_create_undo_journal },
    { "make overlays", xls_create_overlays, xls_create_undo_overlays },
    { "make the memory file", xls_create_memory_file,
      xls_create_undo_memory_file },
    { "save memory", xls_create_save, xls_create_undo_save },
    { "switch the disks", xls_create_window, xls_create_undo_window },
    { "resume", resume, undo_leave_paused },
    { "pause", leave_paused, NULL },
    { "name the layers", xls_create_names, NULL },
    { "protect the layers", xls_create_protect, NULL },
    { "record the layers", xls_create_records, NULL },
    { "finish the memory file", xls_create_finish_memory, NULL },
    { "close the journal", xls_create_close_journal, NULL },
};

#define NUM_STEPS ((int)(sizeof(steps) / sizeof(steps[0])))

/* From a step that failed, with rc. Returns rc when all is as it was before. */
static int take_back(struct xls_create *c, int step, int rc)
{
    int i;

    if (!c->op.in_doubt)
        XLS_INFO(&c->op.log, "undoing the snapshot of domain %s", c->op.name);
    for (i = step; i >= 0 && !c->op.in_doubt; i--)
        if (steps[i].undo)
            steps[i].undo(c);
    /* All else stays as it is then, but the guest runs. */
    if (c->op.in_doubt) {
        xls_create_undo_save(c);
        undo_leave_paused(c);
    }
    return xls_create_is_undone(c) ? rc : ERROR_SNAPSHOT_INCOMPLETE;
}

int xls_create_run(struct xls_create *c)
{
    int i, rc = 0;

    for (i = 0; i < NUM_STEPS; i++) {
        XLS_DEBUG(&c->op.log, "step: %s", steps[i].name);
        rc = steps[i].run(c);
        if (rc)
            break;
    }
    return rc ? take_back(c, i, rc) : 0;
}
