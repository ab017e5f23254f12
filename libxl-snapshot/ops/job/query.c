/* SPDX-License-Identifier: LGPL-2.1-only */
#include "ops/job/job.h"

#include "block/job.h"

int xls_disk_job_query(struct xls_op *op, struct xls_disk_job *j, bool *ended)
{
    struct xls_job_state state;
    int rc;

    *ended = false;
    rc = xls_job_query(op, j->id, &state);
    if (rc) {
        xls_op_qmp_close(op);
        *ended = xls_op_qemu_gone(op);
        return *ended ? 0 : rc;
    }
    *ended = !state.there || state.pending || state.concluded;
    if (state.there) {
        j->job.offset = state.offset;
        j->job.length = state.length;
        j->job.speed = state.speed;
        j->job.phase = state.ready ? LIBXL_DISK_JOB_PHASE_READY
                                   : LIBXL_DISK_JOB_PHASE_RUNNING;
    }
    xls_job_state_dispose(&state);
    return 0;
}
